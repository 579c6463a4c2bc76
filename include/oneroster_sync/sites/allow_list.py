"""Allow list of a site: sources, Airflow connections, channels, and packages that a DAG run names.

The deployment sets it in four variables. An entry applies to all sites, or after `PATTERN=` to the
sites whose name matches; `{site}` in an entry is replaced by the site's name.

| variable                         | an entry is                                                  |
|----------------------------------|--------------------------------------------------------------|
| `ONEROSTER_ALLOWED_SOURCES`      | a folder or the beginning of a URL, with everything below it |
| `ONEROSTER_ALLOWED_CONNECTIONS`  | an id of an Airflow connection, with `*` and `?`             |
| `ONEROSTER_ALLOWED_CHANNELS`     | an id of an Airflow connection, with `*` and `?`             |
| `ONEROSTER_ALLOWED_PACKAGES`     | like a source: a place from which a DAG run may read         |

If one of the first three variables is empty, an administrator of all sites decides: a value that
they save is recorded as allowed to that site. The values that sites had before the upgrade are
recorded too. Each value is checked when it is saved and again when a run uses it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync import settings
from oneroster_sync.errors import UserError
from oneroster_sync.identifiers import checked
from oneroster_sync.settings import SettingError
from oneroster_sync.sites.preferences import StartedBy
from oneroster_sync.sources.errors import RefusedSourceError
from oneroster_sync.sources.url import After, SourceUrl, WrongSourceError, is_within

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection
    from upath import UPath

    from oneroster_sync.sites.preferences import Notices, Preferences

UPGRADE = "upgrade"
"""The `allowed_by` of values that a migration recorded."""
_ENTRY = re.compile(r"(?:(?P<sites>[a-z0-9_*?-]+)=)?(?P<value>.+)")
_RECORDED = "select what, value from allow_list where site = :site"
_LISTED = "select site, what, value, allowed_by, allowed_at from allow_list order by 1, 2, 3"


class What(StrEnum):
    """Kind of an allowed value."""

    SOURCE = "source"
    CONNECTION = "connection"
    CHANNEL = "channel"
    PACKAGE = "package"

    @property
    def variable(self) -> str:
        """The environment variable in which the deployment sets the allowed values."""
        return f"ONEROSTER_ALLOWED_{self.name}S"


class ForeignPackageError(UserError):
    """A run names a package that its site may not read; the message says what to do."""


class NotAllowedError(UserError):
    """Preferences contain values that the site may not use.

    Attributes:
        fields: Preference → why its value can't be saved.
    """

    def __init__(self, fields: dict[str, str]) -> None:
        """Join the reasons to a message."""
        super().__init__("; ".join(f"{name}: {why}" for name, why in fields.items()))
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Recorded:
    """A value that was allowed to a site by an upgrade, or by an administrator who saved it."""

    site: str
    what: What
    value: str
    allowed_by: str
    allowed_at: dt.datetime


def entries(what: What, site: str) -> list[str]:
    """Return the values that the deployment allows a site, with the site's name filled in.

    Raises:
        SettingError: An entry of the variable can't be parsed.
    """
    return [
        # Checked, since the name becomes a part of a path or a URL here.
        value.replace("{site}", checked(site))
        for sites, value in _entries(what)
        if fnmatchcase(site, sites)
    ]


def check_settings() -> None:
    """Check that all four variables can be parsed.

    Raises:
        SettingError: An entry can't be parsed.
    """
    for what in What:
        for _, value in _entries(what):
            if what in {What.SOURCE, What.PACKAGE}:
                _root(what, value.replace("{site}", "site"))


def allows(what: What, site: str, value: str) -> bool:
    """Return whether the deployment allows a site a value."""
    allowed = entries(what, site)
    if what in {What.CONNECTION, What.CHANNEL}:
        return any(fnmatchcase(value, pattern) for pattern in allowed)
    try:
        url = SourceUrl.parse(value)
    except WrongSourceError:
        return False
    return any(url.is_below(_root(what, root)) for root in allowed)


def check_package(site: str, package: str, *, from_anywhere: bool = False) -> None:
    """Check that a run may read the package that it names.

    A run may read the uploads of its own site and packages below the allowed folders. It may read
    nothing else in the storage, even for an administrator, because other sites' data is there.

    Args:
        site: The site of the run.
        package: A path or a URL.
        from_anywhere: True for the command line: outside the storage only the permissions of the
            operating system apply.

    Raises:
        ForeignPackageError: The run may not read the package.
    """
    try:
        url = SourceUrl.parse(package)
    except WrongSourceError as error:
        raise ForeignPackageError(str(error).replace("the source", "the package")) from None
    if _is_below(url, settings.storage_of("uploads", site)):
        return
    if _is_below(url, settings.storage()):
        raise ForeignPackageError(
            f"the package is in the storage, but is not an upload to the site {site}; "
            "upload it to this site, or name the original file"
        )
    if not from_anywhere and not allows(What.PACKAGE, site, package):
        raise ForeignPackageError(
            f"the site {site} may not read a package from there; upload it, or ask the operator "
            f"of this deployment to list its folder in {What.PACKAGE.variable}"
        )


def admit(
    connection: Connection,
    before: Preferences | None,
    after: Preferences,
    *,
    by: str,
    now: dt.datetime,
    everywhere: bool,
) -> None:
    """Check the new values of preferences before a save, and record what the save itself allows.

    Args:
        connection: With a transaction.
        before: The preferences that were saved last, or None.
        after: The preferences to save.
        by: Who saves.
        now: The time.
        everywhere: Whether `by` is an administrator of all sites.

    Raises:
        NotAllowedError: The site may not use one of the new values.
    """
    known = set(_named(before)) if before else set()
    recorded = _recorded(connection, after.site)
    wrong: dict[str, str] = {}
    for field, what, value in _named(after):
        # A value that was saved before does not block a save of other fields; runs check it again.
        if (field, what, value) in known:
            continue
        if what is What.SOURCE and _leads_to_storage(value):
            wrong[field] = "this is a folder of the storage, where the runs of all sites are kept"
        elif allows(what, after.site, value) or _is_recorded(recorded, what, value):
            continue
        # Where the deployment's variable is set, it alone decides, even for an administrator of all
        # sites.
        elif everywhere and not _is_set(what):
            _record(connection, after.site, what, value, by, now)
        else:
            wrong[field] = _why(what, after.site)
    if wrong:
        raise NotAllowedError(wrong)


def check_source(connection: Connection, chosen: Preferences) -> None:
    """Check that a run may use the source of its site, and the source's connection.

    Raises:
        RefusedSourceError: The site may not use one of them (any more).
    """
    for what, _ in find_forbidden(connection, chosen):
        if what is not What.CHANNEL:
            raise RefusedSourceError(
                "source.not_allowed", f"the site {chosen.site} may not use its {_CALLED[what]}"
            )


def find_forbidden(connection: Connection, chosen: Preferences) -> list[tuple[What, str]]:
    """Return the values in preferences that their site may not use (any more)."""
    recorded = _recorded(connection, chosen.site)
    return [
        (what, value)
        for _, what, value in _named(chosen)
        if (what is What.SOURCE and _leads_to_storage(value))
        or not (allows(what, chosen.site, value) or _is_recorded(recorded, what, value))
    ]


def check_found(connection: Connection, chosen: Preferences, path: str) -> None:
    """Check that a package at a local source is no link to a place that the site may not use.

    Otherwise a person who may write into the folder of one site could link to the package of
    another site and have it read.

    Args:
        connection: To the roster database.
        chosen: The preferences of the site.
        path: Path of the package, with all links resolved.

    Raises:
        RefusedSourceError: The package is outside the places that the site may use.
    """
    source = SourceUrl.parse(chosen.source or "")
    by_record = _is_recorded(_recorded(connection, chosen.site), What.SOURCE, source.text)
    is_there = is_within(path, source.path) or allows(What.SOURCE, chosen.site, path) or by_record
    if not is_there or _leads_to_storage(path):
        raise RefusedSourceError(
            "source.not_allowed",
            f"the package of the site {chosen.site} is a link to another place",
        )


def allowed_notices(
    connection: Connection, site: str, chosen: Notices
) -> tuple[Notices, list[str]]:
    """Return the settings with only the allowed channels, and a list of the refused channels."""
    recorded = _recorded(connection, site)
    refused = [
        channel
        for channel in chosen.channels
        if not allows(What.CHANNEL, site, channel)
        and not _is_recorded(recorded, What.CHANNEL, channel)
    ]
    kept = tuple(channel for channel in chosen.channels if channel not in refused)
    return chosen.model_copy(update={"channels": kept}), refused


def without_forbidden(chosen: Preferences) -> Preferences:
    """Return a copy of preferences without the values that the deployment's variables forbid."""
    wrong = [
        (what, value)
        for _, what, value in _named(chosen)
        if _is_set(what) and not allows(what, chosen.site, value)
    ]
    given_up = {what for what, _ in wrong}
    changed: dict[str, Any] = {}
    # A connection is for one source, and a new file can start only syncs of a site that has a
    # source.
    if given_up & {What.SOURCE, What.CONNECTION}:
        changed = {
            "source": None,
            "source_connection": None,
            "source_after": After.LEAVE,
            "started_by": StartedBy.SCHEDULE,
        }
    kept = tuple(c for c in chosen.notices.channels if (What.CHANNEL, c) not in wrong)
    changed["notices"] = chosen.notices.model_copy(update={"channels": kept})
    return chosen.model_copy(update=changed)


def list_recorded(connection: Connection) -> list[Recorded]:
    """Return all values that an upgrade or a save allowed, ordered by site."""
    rows = connection.execute(sa.text(_LISTED)).mappings()
    return [Recorded(**{**row, "what": What(row["what"])}) for row in rows]


def withdraw(connection: Connection, site: str, value: str) -> list[What]:
    """Delete the records that allow a site a value, and return their kinds.

    A value that the deployment's variables allow stays allowed.
    """
    query = "delete from allow_list where site = :site and value = :value returning what"
    rows = connection.execute(sa.text(query), {"site": site, "value": value})
    return [What(what) for (what,) in rows]


_CALLED = {What.SOURCE: "source", What.CONNECTION: "source's connection"}


def _named(chosen: Preferences) -> Iterator[tuple[str, What, str]]:
    """Yield (preference, kind, value) for each value in preferences that must be allowed."""
    if chosen.source:
        yield "source", What.SOURCE, chosen.source
    if chosen.source_connection:
        yield "source_connection", What.CONNECTION, chosen.source_connection
    for channel in chosen.notices.channels:
        yield "notices.channels", What.CHANNEL, channel


def _why(what: What, site: str) -> str:
    if _is_set(what):
        return (
            f"the site {site} may not use this {what}; the operator of this deployment lists "
            f"in {what.variable} what it may use"
        )
    return f"only an administrator of all sites may give the site {site} a new {what}; ask one"


def _is_set(what: What) -> bool:
    return bool(os.environ.get(what.variable, "").strip())


def _entries(what: What) -> Iterator[tuple[str, str]]:
    """Yield the pattern of sites and the value of each entry of a variable."""
    for entry in os.environ.get(what.variable, "").split():
        found = _ENTRY.fullmatch(entry)
        if found is None or set(found["value"].replace("{site}", "")) & set("{}"):
            raise SettingError(f"{what.variable} holds {entry!r}; an entry is [SITES=]VALUE")
        yield found["sites"] or "*", found["value"]


def _root(what: What, value: str) -> SourceUrl:
    try:
        return SourceUrl.parse(value)
    except WrongSourceError as error:
        raise SettingError(f"{what.variable} holds an entry that can't be used: {error}") from None


def _leads_to_storage(value: str) -> bool:
    try:
        return _is_below(SourceUrl.parse(value), settings.storage())
    except WrongSourceError:  # saved by an older version; opening the source reports the error
        return False


def _is_below(url: SourceUrl, root: UPath) -> bool:
    """Return whether a source is below a folder of the storage, with any scheme."""
    if root.protocol in {"", "file", "local"}:
        return url.is_local and is_within(url.path, root.path)
    try:
        return url.is_below(SourceUrl.parse(str(root)))
    except WrongSourceError:  # the storage may have a scheme that no source has, such as memory://
        return False


def _recorded(connection: Connection, site: str) -> set[tuple[What, str]]:
    rows = connection.execute(sa.text(_RECORDED), {"site": site})
    return {(What(what), _canonical(What(what), value)) for what, value in rows}


def _is_recorded(recorded: set[tuple[What, str]], what: What, value: str) -> bool:
    return (what, _canonical(what, value)) in recorded


def _canonical(what: What, value: str) -> str:
    """Return the form in which values are compared: for a source its canonical URL."""
    if what is not What.SOURCE:
        return value
    try:
        return SourceUrl.parse(value).canonical
    except WrongSourceError:
        return value


def _record(
    connection: Connection, site: str, what: What, value: str, by: str, now: dt.datetime
) -> None:
    connection.execute(
        sa.text(
            "insert into allow_list (site, what, value, allowed_by, allowed_at) "
            "values (:site, :what, :value, :by, :now) on conflict do nothing"
        ),
        {"site": site, "what": what.value, "value": value, "by": by, "now": now},
    )
