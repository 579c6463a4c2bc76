"""What a site may use: sources, Airflow connections, channels, and packages that a DAG run names.

The deployment says it, by four variables. An entry counts for all sites, or after `PATTERN=` for
those whose name matches; `{site}` in it is the site's name.

| variable                         | an entry is                                                  |
|----------------------------------|--------------------------------------------------------------|
| `ONEROSTER_ALLOWED_SOURCES`      | a folder or the beginning of a URL: itself and what is below |
| `ONEROSTER_ALLOWED_CONNECTIONS`  | an id of an Airflow connection, with `*` and `?`             |
| `ONEROSTER_ALLOWED_CHANNELS`     | the same                                                     |
| `ONEROSTER_ALLOWED_PACKAGES`     | as of sources: whence a DAG run may name a package           |

Where a variable of the first three is empty, an administrator of all sites decides by saving: what
they save is recorded as allowed to that site. So is what the sites had when they were upgraded.
Whatever is named is judged when it is saved, and again when a run uses it.
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
"""By whom a migration says that something was allowed."""
_ENTRY = re.compile(r"(?:(?P<sites>[a-z0-9_*?-]+)=)?(?P<value>.+)")
_RECORDED = "select what, value from allow_list where site = :site"
_LISTED = "select site, what, value, allowed_by, allowed_at from allow_list order by 1, 2, 3"


class What(StrEnum):
    """What is allowed."""

    SOURCE = "source"
    CONNECTION = "connection"
    CHANNEL = "channel"
    PACKAGE = "package"

    @property
    def variable(self) -> str:
        """The variable by which the deployment says what is allowed."""
        return f"ONEROSTER_ALLOWED_{self.name}S"


class ForeignPackageError(UserError):
    """A run names a package that this site may not read; the message says what to do."""


class NotAllowedError(UserError):
    """Preferences name what this site may not use.

    Attributes:
        fields: Preference → why its value can't be saved.
    """

    def __init__(self, fields: dict[str, str]) -> None:
        """Refuse for these reasons."""
        super().__init__("; ".join(f"{name}: {why}" for name, why in fields.items()))
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was allowed to a site by an upgrade, or by an administrator who saved it."""

    site: str
    what: What
    value: str
    allowed_by: str
    allowed_at: dt.datetime


def entries(what: What, site: str) -> list[str]:
    """Return what the deployment allows a site, with the site's name filled in.

    Raises:
        SettingError: An entry of the variable can't be read.
    """
    return [
        value.replace("{site}", checked(site))
        for sites, value in _entries(what)
        if fnmatchcase(site, sites)
    ]


def check_settings() -> None:
    """Make sure that all four variables can be read.

    Raises:
        SettingError: An entry can't be.
    """
    for what in What:
        for _, value in _entries(what):
            if what in {What.SOURCE, What.PACKAGE}:
                _root(what, value.replace("{site}", "site"))


def allows(what: What, site: str, value: str) -> bool:
    """Tell whether the deployment allows a site a value."""
    allowed = entries(what, site)
    if what in {What.CONNECTION, What.CHANNEL}:
        return any(fnmatchcase(value, pattern) for pattern in allowed)
    try:
        url = SourceUrl.parse(value)
    except WrongSourceError:
        return False
    return any(url.is_below(_root(what, root)) for root in allowed)


def check_package(site: str, package: str, *, from_anywhere: bool = False) -> None:
    """Make sure that a run may read the package that it names.

    That is what was uploaded to its own site, or what is below a folder that the deployment names.
    Of the storage it is nothing else, whoever asks.

    Args:
        site: Whose run it is.
        package: A path or a URL.
        from_anywhere: Whether the operating system says what may be read: at the command line.

    Raises:
        ForeignPackageError: It may not.
    """
    try:
        url = SourceUrl.parse(package)
    except WrongSourceError as error:
        raise ForeignPackageError(str(error).replace("the source", "the package")) from None
    if _is_below(url, settings.storage_of("uploads", site)):
        return
    if _is_below(url, settings.storage()):
        raise ForeignPackageError(
            f"the package is kept in the storage, and not as an upload to the site {site}; "
            "upload it to this site, or name the file that it was"
        )
    if not from_anywhere and not allows(What.PACKAGE, site, package):
        raise ForeignPackageError(
            f"the site {site} may not read a package from there; upload it, or have the operator "
            f"of this deployment name its folder in {What.PACKAGE.variable}"
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
    """Judge what preferences name anew, before they are saved; record what is allowed thereby.

    Args:
        connection: With a transaction.
        before: As they were saved last.
        after: As they are to be saved.
        by: Who saves.
        now: When.
        everywhere: Whether that is an administrator of all sites.

    Raises:
        NotAllowedError: The site may not use one of them.
    """
    known = set(_named(before)) if before else set()
    recorded = _recorded(connection, after.site)
    wrong: dict[str, str] = {}
    for field, what, value in _named(after):
        if (field, what, value) in known:
            continue
        if what is What.SOURCE and _leads_to_storage(value):
            wrong[field] = "this is a folder of the storage, where the runs of all sites are kept"
        elif allows(what, after.site, value) or _is_recorded(recorded, what, value):
            continue
        elif everywhere and not _is_set(what):
            _record(connection, after.site, what, value, by, now)
        else:
            wrong[field] = _why(what, after.site)
    if wrong:
        raise NotAllowedError(wrong)


def check_source(connection: Connection, chosen: Preferences) -> None:
    """Make sure that a run may use the source of its site, and the source's connection.

    Raises:
        RefusedSourceError: It may not (any more).
    """
    for what, _ in find_forbidden(connection, chosen):
        if what is not What.CHANNEL:
            raise RefusedSourceError(
                "source.not_allowed", f"the site {chosen.site} may not use its {_CALLED[what]}"
            )


def find_forbidden(connection: Connection, chosen: Preferences) -> list[tuple[What, str]]:
    """Return what preferences name and their site may not use (any more)."""
    recorded = _recorded(connection, chosen.site)
    return [
        (what, value)
        for _, what, value in _named(chosen)
        if (what is What.SOURCE and _leads_to_storage(value))
        or not (allows(what, chosen.site, value) or _is_recorded(recorded, what, value))
    ]


def check_found(connection: Connection, chosen: Preferences, path: str) -> None:
    """Make sure that what was found at a local source is there, and no link to elsewhere.

    Whoever may write into the folder of one site could else have the package of another one read.

    Raises:
        RefusedSourceError: It leads out of what the site may use.
    """
    source = SourceUrl.parse(chosen.source or "")
    by_record = _is_recorded(_recorded(connection, chosen.site), What.SOURCE, source.text)
    is_there = is_within(path, source.path) or allows(What.SOURCE, chosen.site, path) or by_record
    if not is_there or _leads_to_storage(path):
        raise RefusedSourceError(
            "source.not_allowed", f"the package of the site {chosen.site} is a link to elsewhere"
        )


def allowed_notices(
    connection: Connection, site: str, chosen: Notices
) -> tuple[Notices, list[str]]:
    """Return the recipients with the channels that the site may use, and the channels left out."""
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
    """Return preferences without what the deployment's variables forbid their site."""
    wrong = [
        (what, value)
        for _, what, value in _named(chosen)
        if _is_set(what) and not allows(what, chosen.site, value)
    ]
    given_up = {what for what, _ in wrong}
    changed: dict[str, Any] = {}
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
    """Return everything that was allowed by an upgrade or by saving it, by site."""
    rows = connection.execute(sa.text(_LISTED)).mappings()
    return [Recorded(**{**row, "what": What(row["what"])}) for row in rows]


def withdraw(connection: Connection, site: str, value: str) -> list[What]:
    """Forget that a value was allowed to a site, and return as what it was.

    What the deployment's variables allow stays allowed.
    """
    query = "delete from allow_list where site = :site and value = :value returning what"
    rows = connection.execute(sa.text(query), {"site": site, "value": value})
    return [What(what) for (what,) in rows]


_CALLED = {What.SOURCE: "source", What.CONNECTION: "source's connection"}


def _named(chosen: Preferences) -> Iterator[tuple[str, What, str]]:
    """Yield what preferences name, each with the preference that names it."""
    if chosen.source:
        yield "source", What.SOURCE, chosen.source
    if chosen.source_connection:
        yield "source_connection", What.CONNECTION, chosen.source_connection
    for channel in chosen.notices.channels:
        yield "notices.channels", What.CHANNEL, channel


def _why(what: What, site: str) -> str:
    if _is_set(what):
        return (
            f"the site {site} may not use this {what}; the operator of this deployment says in "
            f"{what.variable} what it may"
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
    except WrongSourceError:  # an older version saved it; whoever opens it says what is wrong
        return False


def _is_below(url: SourceUrl, root: UPath) -> bool:
    """Tell whether a source is below a folder of the storage, whatever scheme that has."""
    if root.protocol in {"", "file", "local"}:
        return url.is_local and is_within(url.path, root.path)
    try:
        return url.is_below(SourceUrl.parse(str(root)))
    except WrongSourceError:  # the storage may be what no source can be, such as memory://
        return False


def _recorded(connection: Connection, site: str) -> set[tuple[What, str]]:
    rows = connection.execute(sa.text(_RECORDED), {"site": site})
    return {(What(what), _canonical(What(what), value)) for what, value in rows}


def _is_recorded(recorded: set[tuple[What, str]], what: What, value: str) -> bool:
    return (what, _canonical(what, value)) in recorded


def _canonical(what: What, value: str) -> str:
    """Return a value as it is compared: a source by where it leads, not by how it is written."""
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
