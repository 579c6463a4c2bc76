"""Writes the file for what is there: applied again, it changes nothing.

Connections stand in it by name, and secrets nowhere: they are in Airflow alone. What was stored
before that was so, and may hold one, is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from oneroster_sync.operations.sites_file import ARCHIVED, VERSION
from oneroster_sync.sites import preferences_store, registry
from oneroster_sync.sources.url import SourceUrl, WrongSourceError

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection

_HEAD = """\
# The sites of this installation. What would change:  oneroster sites plan FILE
# What a site does not say here is left as it is; a new site needs its credited_admin.
"""
_ENDS = "\x85\u2028\u2029\ufeff"
_LEFT_OUT = "# left out, since they may hold a secret: the sources of {sites}\n"


def export(connection: Connection, only: Collection[str] = ()) -> str:
    """Return the file for all sites, or for some.

    Raises:
        UnknownSiteError: One of them is not there.
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
    told = _LEFT_OUT.format(sites=", ".join(left_out)) if left_out else ""
    return _HEAD + told + as_yaml({"version": VERSION, "sites": sites})


def as_yaml(value: Any) -> str:
    """Return a value as YAML that is read as exactly this value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Writes letters as they are, and as escapes what YAML takes for the end of a line."""


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
