"""Make, copy, rename, archive and restore a site.

Archiving discards held plans and runs that are between two stages. It waits for a stage that is at
work, because that stage holds the site's turn. Afterwards no run of the site can begin from
anywhere; its data can still be read.
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
"""How long archiving waits for a stage at work, in seconds."""
_ADDRESS: TypeAdapter[str] = TypeAdapter(Address)
_OPEN = "where site = :site and (outcome is null or outcome = 'held') order by started_at, run_id"


class SiteExistsError(ConflictError):
    """There is a site with that name already."""


class LastSiteError(ConflictError):
    """The site is the last one that is not archived."""


class NoAddressError(UserError, ValueError):
    """The site's administrator is not given as an e-mail address."""


class NotArchivedError(ConflictError):
    """The site is in use, so there is nothing to restore."""


@dataclass(frozen=True, slots=True)
class Archived:
    """Result of archiving: the site, and the ids of the runs that were ended."""

    site: str
    ended: tuple[str, ...]


def create(
    site: str, admin: str, *, by: str, now: dt.datetime, settings: dict[str, Any] | None = None
) -> None:
    """Make a site with one administrator; its sync is off.

    Args:
        site: A new name.
        admin: E-mail address of the administrator, whose account is made too.
        by: Who makes the site.
        now: The time.
        settings: Preferences that differ from the default.

    Raises:
        SiteExistsError: There is a site with that name.
        pydantic.ValidationError: The name or the preferences are invalid.
    """
    with database.engine().begin() as connection:
        registry.lock_list(connection)
        make(connection, site, admin, by=by, now=now, settings=settings)


def copy(source: str, site: str, admin: str, *, by: str, now: dt.datetime) -> None:
    """Make a site with the preferences of another one, and an administrator of its own.

    Not copied are the roster, the runs, the state of the source, a temporarily raised limit, and
    values that the deployment does not allow the new site. The sync of the copy is off.

    Raises:
        UnknownSiteError: The site to copy does not exist.
        SiteExistsError: There is a site with the new name.
        pydantic.ValidationError: The new name is invalid.
    """
    with database.engine().begin() as connection:
        registry.lock_list(connection)
        chosen = preferences_store.load(connection, source)
        make(connection, site, admin, by=by, now=now, settings=to_copy(chosen, site))
        details = {"from": source}
        preferences_store.note_event(connection, site, by, "site_copied", details, now=now)


def to_copy(chosen: Preferences, site: str) -> dict[str, Any]:
    """Return the preferences for a copy of a site, under its new name."""
    guards = chosen.guards.model_copy(update={"raised": None})
    usable = allow_list.without_forbidden(chosen.model_copy(update={"site": site}))
    return {**dict(usable.settings()), "guards": guards}


def archive(site: str, *, by: str, now: dt.datetime, wait_s: float = WAIT_S) -> Archived:
    """Archive a site; do nothing if it is archived already.

    Args:
        site: The site.
        by: Who archives.
        now: The time.
        wait_s: How long to wait for a stage at work, in seconds.

    Raises:
        UnknownSiteError: The site does not exist.
        LastSiteError: The site is the last one in use.
        BusyError: A run still works after that time.
    """
    # The turn comes first: a stage may hold it for minutes, and the list of sites is locked for
    # all.
    with locks.hold_site_turn(database.engine(), site, wait_s=wait_s):
        with database.engine().begin() as connection:
            registry.lock_list(connection)
            ended = archive_sites(connection, [site], by=by, now=now)
        record_ended(ended, now=now)
    return Archived(site, ended)


def restore(site: str, *, by: str, now: dt.datetime) -> None:
    """Restore an archived site, with its sync off.

    Raises:
        UnknownSiteError: The site does not exist.
        NotArchivedError: The site is not archived.
    """
    with database.engine().begin() as connection:
        registry.lock_list(connection)
        restore_site(connection, site, by=by, now=now)


def make(
    connection: Connection,
    site: str,
    admin: str,
    *,
    by: str,
    now: dt.datetime,
    settings: dict[str, Any] | None = None,
) -> None:
    """Make a site, in a transaction that has locked the list of sites.

    Raises:
        SiteExistsError: There is a site with that name.
        NoAddressError: `admin` is not an e-mail address.
    """
    if not is_address(admin):
        raise NoAddressError("name the administrator by an e-mail address, like a@b.example")
    if not preferences_store.make_site(
        connection, site, admin, now=now, actor=by, settings=settings
    ):
        raise SiteExistsError(_taken(registry.find(connection, site)))
    preferences_store.note_event(connection, site, by, "site_created", {}, now=now)


def is_address(admin: Any) -> bool:
    """Return whether a value is a valid e-mail address."""
    with contextlib.suppress(ValidationError):
        _ADDRESS.validate_python(admin, strict=True)
        return True
    return False


def archive_sites(
    connection: Connection, sites: Iterable[str], *, by: str, now: dt.datetime
) -> tuple[str, ...]:
    """Archive sites whose turns the caller holds, and return the ids of the ended runs.

    Raises:
        UnknownSiteError: A site does not exist.
        LastSiteError: No site would be left.
    """
    ended: list[str] = []
    for site in sites:
        database.lock_site(connection, site)
        # Waits for runs that are beginning (`refuse_archived`), and keeps others from beginning.
        found = _known(connection, site, lock="for update")
        if found.is_archived:
            continue
        others = registry.all_sites(connection).values()
        if not any(other.site != site and not other.is_archived for other in others):
            raise LastSiteError(
                f"{site} is the last site in use, and one is needed; create another one first"
            )
        of_site = _end_runs(connection, site, by=by, now=now)
        # Airflow has the switch, and the command line can't reach it: the API server turns it off
        # later.
        values = {"archived_at": now, "archived_by": by, "off_asked": True}
        registry.mark(connection, site, **values)
        details = {"ended_runs": of_site}
        preferences_store.note_event(connection, site, by, "site_archived", details, now=now)
        ended += of_site
    return tuple(ended)


def restore_site(connection: Connection, site: str, *, by: str, now: dt.datetime) -> None:
    """Restore a site, in a transaction that has locked the list of sites.

    Raises:
        UnknownSiteError: The site does not exist.
        NotArchivedError: The site is not archived.
    """
    found = _known(connection, site, lock="for update")
    if not found.is_archived:
        raise NotArchivedError(f"the site {site} is in use; only an archived one can be restored")
    values = {"archived_at": None, "archived_by": None, "restored_at": now, "off_asked": True}
    registry.mark(connection, site, **values)
    preferences_store.note_event(connection, site, by, "site_restored", {}, now=now)


def record_ended(ended: Iterable[str], *, now: dt.datetime) -> None:
    """Do the stage record for the runs that archiving ended."""
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
    """Discard all runs that have not ended; the caller has the site's turn, so none is at work."""
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
    return f"a site {found.site if found else ''} exists already; choose another name"


def rename(site: str, title: str | None, *, by: str, now: dt.datetime) -> str | None:
    """Set or clear the display name of a site, and return the stored name.

    Raises:
        UnknownSiteError: The site does not exist.
        ArchivedSiteError: The site is archived.
    """
    kept = " ".join((title or "").split()) or None
    with database.engine().begin() as connection:
        preferences_store.load(connection, site)
        registry.refuse_archived(connection, site)
        registry.mark(connection, site, title=kept)
        details = {"title": kept}
        preferences_store.note_event(connection, site, by, "site_renamed", details, now=now)
    return kept
