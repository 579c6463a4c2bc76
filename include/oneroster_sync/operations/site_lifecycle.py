"""Making, copying, archiving and restoring one site.

Archiving ends what has not ended: a plan that waits is discarded, and so is a run that is between
two of its stages. A stage that is at work is waited for, since it has the site's turn. From then on
no run of the site can begin, by whichever door; what there is of it can be read.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from oneroster_sync import database, pipeline, runs
from oneroster_sync.database import locks
from oneroster_sync.errors import ConflictError, UserError
from oneroster_sync.runs import Outcome
from oneroster_sync.sites import allow_list, preferences_store, registry
from oneroster_sync.sites.preferences import Address

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from oneroster_sync.sites.preferences import Preferences
    from oneroster_sync.sites.registry import Site

WAIT_S = 120.0
"""How long archiving waits for a stage that is at work, in seconds."""
_ADDRESS: TypeAdapter[str] = TypeAdapter(Address)
_OPEN = "where site = :site and (outcome is null or outcome = 'held') order by started_at, run_id"


class SiteExistsError(ConflictError):
    """There is a site of that name."""


class LastSiteError(ConflictError):
    """The site is the last one that is not archived."""


class NoAddressError(UserError, ValueError):
    """A site's administrator is named by no e-mail address."""


class NotArchivedError(ConflictError):
    """The site is in use, so there is nothing to restore."""


@dataclass(frozen=True, slots=True)
class Archived:
    """What archiving came to: the site, and the runs that it ended."""

    site: str
    ended: tuple[str, ...]


def create(
    site: str, admin: str, *, by: str, now: dt.datetime, settings: dict[str, Any] | None = None
) -> None:
    """Make a site with one administrator; its sync is off.

    Args:
        site: A name that no site has.
        admin: E-mail address of its administrator, whose account is made with it.
        by: Who makes it.
        now: When.
        settings: Its preferences, where they are not the default.

    Raises:
        SiteExistsError: There is such a site.
        pydantic.ValidationError: It can't have that name, or those preferences.
    """
    with database.engine().begin() as connection:
        registry.lock_list(connection)
        make(connection, site, admin, by=by, now=now, settings=settings)


def copy(source: str, site: str, admin: str, *, by: str, now: dt.datetime) -> None:
    """Make a site with the preferences of another one, and an administrator of its own.

    Neither roster nor runs are copied, nor what was read of the source, nor a limit that was raised
    for a while, nor what the deployment does not let the new site use. The sync of the copy is off.

    Raises:
        UnknownSiteError: There is no site to copy.
        SiteExistsError: There is one of the new name.
        pydantic.ValidationError: It can't have that name.
    """
    with database.engine().begin() as connection:
        registry.lock_list(connection)
        chosen = preferences_store.load(connection, source)
        make(connection, site, admin, by=by, now=now, settings=to_copy(chosen, site))
        details = {"from": source}
        preferences_store.note_event(connection, site, by, "site_copied", details, now=now)


def to_copy(chosen: Preferences, site: str) -> dict[str, Any]:
    """Return what a copy of a site takes over, under its new name."""
    guards = chosen.guards.model_copy(update={"raised": None})
    usable = allow_list.without_forbidden(chosen.model_copy(update={"site": site}))
    return {**dict(usable.settings()), "guards": guards}


def archive(site: str, *, by: str, now: dt.datetime, wait_s: float = WAIT_S) -> Archived:
    """Archive a site; nothing happens to one that is archived.

    Args:
        site: Which.
        by: Who asks for it.
        now: When.
        wait_s: How long a stage that is at work is waited for.

    Raises:
        UnknownSiteError: There is no such site.
        LastSiteError: It is the last one in use.
        BusyError: A run was at work all the time.
    """
    with locks.hold_site_turn(database.engine(), site, wait_s=wait_s):
        with database.engine().begin() as connection:
            registry.lock_list(connection)
            ended = put_away(connection, [site], by=by, now=now)
        record_ended(ended, now=now)
    return Archived(site, ended)


def restore(site: str, *, by: str, now: dt.datetime) -> None:
    """Bring a site back as it was, with its sync off.

    Raises:
        UnknownSiteError: There is no such site.
        NotArchivedError: It is not archived.
    """
    with database.engine().begin() as connection:
        registry.lock_list(connection)
        bring_back(connection, site, by=by, now=now)


def make(
    connection: Connection,
    site: str,
    admin: str,
    *,
    by: str,
    now: dt.datetime,
    settings: dict[str, Any] | None = None,
) -> None:
    """Make a site in a transaction that has locked the list.

    Raises:
        SiteExistsError: There is such a site.
        NoAddressError: The administrator is named by no e-mail address.
    """
    if not is_address(admin):
        raise NoAddressError("the administrator is named by an e-mail address, like a@b.example")
    if not preferences_store.make_site(
        connection, site, admin, now=now, actor=by, settings=settings
    ):
        raise SiteExistsError(_taken(registry.find(connection, site)))
    preferences_store.note_event(connection, site, by, "site_created", {}, now=now)


def is_address(admin: Any) -> bool:
    """Tell whether an administrator can be named so."""
    with contextlib.suppress(ValidationError):
        _ADDRESS.validate_python(admin, strict=True)
        return True
    return False


def put_away(
    connection: Connection, sites: Iterable[str], *, by: str, now: dt.datetime
) -> tuple[str, ...]:
    """Archive sites whose turns the caller holds, and return the runs that were ended.

    Raises:
        UnknownSiteError: There is no such site.
        LastSiteError: None would be left.
    """
    ended: list[str] = []
    for site in sites:
        database.lock_site(connection, site)
        found = _known(connection, site, lock="for update")
        if found.is_archived:
            continue
        others = registry.all_sites(connection).values()
        if not any(other.site != site and not other.is_archived for other in others):
            raise LastSiteError(
                f"{site} is the last site in use, and one is needed; make another one first"
            )
        of_site = _end_runs(connection, site, by=by, now=now)
        values = {"archived_at": now, "archived_by": by, "off_asked": True}
        registry.mark(connection, site, **values)
        details = {"ended_runs": of_site}
        preferences_store.note_event(connection, site, by, "site_archived", details, now=now)
        ended += of_site
    return tuple(ended)


def bring_back(connection: Connection, site: str, *, by: str, now: dt.datetime) -> None:
    """Restore a site in a transaction that has locked the list.

    Raises:
        UnknownSiteError: There is no such site.
        NotArchivedError: It is not archived.
    """
    found = _known(connection, site, lock="for update")
    if not found.is_archived:
        raise NotArchivedError(f"the site {site} is in use; only an archived one can be restored")
    values = {"archived_at": None, "archived_by": None, "restored_at": now, "off_asked": True}
    registry.mark(connection, site, **values)
    preferences_store.note_event(connection, site, by, "site_restored", {}, now=now)


def record_ended(ended: Iterable[str], *, now: dt.datetime) -> None:
    """Keep the record of runs that archiving ended, and drop what they no longer need."""
    for run_id in ended:
        pipeline.record(runs.find(run_id), now=now)


def _known(connection: Connection, site: str, *, lock: str) -> Site:
    found = registry.find(connection, site, lock=lock)
    if found is None:
        raise preferences_store.UnknownSiteError(
            f"there is no site {site!r}; see: oneroster sites list"
        )
    return found


def _end_runs(connection: Connection, site: str, *, by: str, now: dt.datetime) -> list[str]:
    """Discard what has not ended; the caller has the site's turn, so no stage is at work."""
    query = sa.text(f"{runs.select_runs()} {_OPEN} for update")
    found = runs.make_runs(connection.execute(query, {"site": site}).mappings())
    for run in found:
        reasons = [f"{by} archived the site before this was applied", *run.holds]
        runs.update(
            connection, run.run_id, outcome=Outcome.DISCARDED, reasons=reasons, ended_at=now
        )
    return [run.run_id for run in found]


def _taken(found: Site | None) -> str:
    if found is not None and found.is_archived:
        return (
            f"there is an archived site {found.site}; restore it with: "
            f"oneroster sites restore {found.site}"
        )
    return f"there is a site {found.site if found else ''} already; choose another name"


def rename(site: str, title: str | None, *, by: str, now: dt.datetime) -> str | None:
    """Give a site another display name, or none, and return it as it is kept.

    Raises:
        UnknownSiteError: The site has not been made.
    """
    kept = " ".join((title or "").split()) or None
    with database.engine().begin() as connection:
        preferences_store.load(connection, site)
        registry.refuse_archived(connection, site)
        registry.mark(connection, site, title=kept)
        details = {"title": kept}
        preferences_store.note_event(connection, site, by, "site_renamed", details, now=now)
    return kept
