"""The sites file: a YAML file with the desired settings of sites.

    version: 1
    sites:
      hillside:
        credited_admin: office@hillside.example
        time_utc: "02:30"
        guards:
          users:
            percent: 15
      closed:
        archived: true

The keys of a site are the names of the preferences, and `archived`. A key that is missing changes
nothing; for a new site it means the default. A list replaces the whole old list, and a group is
merged key by key.
"""

from __future__ import annotations

import copy
import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ValidationError

from oneroster_sync.identifiers import EXPECTED, is_site_name
from oneroster_sync.operations.strict_yaml import Document, Wrong, WrongFileError, read
from oneroster_sync.sites import preferences_store, registry
from oneroster_sync.sites.preferences import SETTINGS, Notices, PauseWindow, Settings
from oneroster_sync.sites.thresholds import Guards, Limit, RaisedLimit
from oneroster_sync.sources.url import SourceUrl, WrongSourceError

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection

    from oneroster_sync.operations.strict_yaml import Path

VERSION = 1
ARCHIVED = "archived"
_TOP = ("version", "sites")
_GROUPS: dict[str, type[BaseModel]] = {
    "guards": Guards,
    "notices": Notices,
    "raised": RaisedLimit,
    "pause_windows": PauseWindow,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Content of a sites file: the settings of each site, and whether it is archived."""

    document: Document
    settings: dict[str, dict[str, Any]]
    archived: dict[str, bool]

    def wrong(self, site: str, path: Path, message: str, expected: str) -> Wrong:
        """Return an error about a setting of a site."""
        return self.document.wrong(("sites", site, *path), message, expected)


def read_file(content: bytes) -> Wanted:
    """Parse a sites file; the plan validates its values, together with the existing settings.

    Raises:
        WrongFileError: The file is no sites file, or has unknown names.
    """
    document = read(content)
    top = document.value
    if not isinstance(top, dict) or not isinstance(top.get("sites"), dict):
        message = "the file lists no sites"
        raise WrongFileError([document.wrong(("sites",), message, "version: 1 and sites: by name")])
    wrong = [_unknown(document, (name,), _TOP) for name in top if name not in _TOP]
    # `version: true` would pass, since True equals 1 in Python.
    if top.get("version") != VERSION or isinstance(top.get("version"), bool):
        message = "this version of the file is not known"
        wrong.append(document.wrong(("version",), message, f"version: {VERSION}"))
    settings: dict[str, dict[str, Any]] = {}
    archived: dict[str, bool] = {}
    for site, given in top["sites"].items():
        place = ("sites", site)
        if not is_site_name(site):
            wrong.append(document.wrong(place, "this can't be the name of a site", EXPECTED))
        elif given is not None and not isinstance(given, dict):
            wrong.append(
                document.wrong(place, "the value of a site is not a mapping", "preferences by name")
            )
        else:
            settings[site] = dict(given or {})
            wrong += _of_site(document, site, settings[site], archived)
    if wrong:
        raise WrongFileError(wrong)
    return Wanted(document, settings, archived)


def merged(base: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the settings of `given`; groups are merged key by key."""
    result = copy.deepcopy(base)
    for name, value in given.items():
        inner = result.get(name)
        both = isinstance(inner, dict) and isinstance(value, dict)
        result[name] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


def judged(
    wanted: Wanted, site: str, values: dict[str, Any]
) -> tuple[Settings | None, list[Wrong]]:
    """Validate a site's settings; return them, or None with a list of errors."""
    try:
        return Settings.model_validate(values), []
    except ValidationError as error:
        return None, [_invalid(wanted, site, one) for one in error.errors()]


def _of_site(
    document: Document, site: str, given: dict[str, Any], archived: dict[str, bool]
) -> list[Wrong]:
    known = (*SETTINGS, ARCHIVED)
    names = [name for name in given if name not in known]
    wrong = [_unknown(document, ("sites", site, name), known) for name in names]
    if ARCHIVED in given:
        value = given.pop(ARCHIVED)
        if isinstance(value, bool):
            archived[site] = value
        else:
            place = ("sites", site, ARCHIVED)
            wrong.append(document.wrong(place, "this is neither true nor false", "true or false"))
    return wrong


def _invalid(wanted: Wanted, site: str, error: Any) -> Wrong:
    """Return an error about a value, without the value, because it may contain a secret."""
    path = tuple(error["loc"])
    if error["type"] == "extra_forbidden":
        return _unknown(wanted.document, ("sites", site, *path), _names_in(path[:-1]))
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if error["type"] == "value_error":
        return wanted.wrong(site, path, message, "another value")
    if error["type"] == "missing":
        message = f"{path[-1]} besides"
    return wanted.wrong(site, path, "this value can't be used", message.rstrip("."))


def _names_in(path: Path) -> tuple[str, ...]:
    """Return the names of the settings in a group."""
    names = [part for part in path if isinstance(part, str)]
    model = _GROUPS.get(names[-1], Limit) if names else Settings
    return tuple(model.model_fields)


def _unknown(document: Document, path: Path, known: tuple[str, ...]) -> Wrong:
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    expected = f"{near[0]}, perhaps" if near else f"one of {', '.join(known)}"
    return document.wrong(path, f"{path[-1]} is an unknown name", expected)


_HEAD = """\
# The sites of this installation. What would change:  oneroster sites plan FILE
# Preferences that a site does not list here stay as they are; a new site needs credited_admin.
"""
# YAML 1.1 reads the first three as line ends, and the last as a byte order mark.
_ENDS = "\x85\u2028\u2029\ufeff"
_LEFT_OUT = "# left out, since they may hold a secret: the sources of {sites}\n"


def export(connection: Connection, only: Collection[str] = ()) -> str:
    """Return the text of a sites file for all sites, or for some.

    Raises:
        UnknownSiteError: A site does not exist.
    """
    there = registry.all_sites(connection)
    sites: dict[str, dict[str, Any]] = {}
    left_out = []
    for name in sorted(only or there):
        settings = preferences_store.load(connection, name).settings().model_dump(mode="json")
        if _may_hold_a_secret(settings["source"]):
            del settings["source"]
            left_out.append(name)
        mark = {ARCHIVED: True} if there[name].is_archived else {}
        sites[name] = {**mark, **settings}
    note = _LEFT_OUT.format(sites=", ".join(left_out)) if left_out else ""
    return _HEAD + note + as_yaml({"version": VERSION, "sites": sites})


def as_yaml(value: Any) -> str:
    """Format a value as YAML; `strict_yaml.read` returns exactly this value again."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Write characters as they are, except that line ends of YAML within a text are escaped."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = '"' if any(letter in text for letter in _ENDS) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _may_hold_a_secret(source: str | None) -> bool:
    if source is None:
        return False
    try:
        SourceUrl.parse(source)
    except WrongSourceError:
        return True
    return False
