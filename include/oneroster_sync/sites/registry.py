"""The registry: records of all sites in the database, including the archived ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.database import lock_site
from oneroster_sync.errors import ConflictError

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

_SELECT = "select site, title, archived_at, archived_by, restored_at, off_asked from sites"
_LAST_RUNS = """
select s.site, r.run_id::text as run_id, r.started_at, r.outcome, r.is_preview
from sites s cross join lateral (
    select run_id, started_at, outcome, is_preview from runs
    where runs.site = s.site order by started_at desc, run_id desc limit 1) r
"""
_ALL = "the list of sites"
"""Name of the lock for making, archiving or restoring a site; no site can have this name."""


class ArchivedSiteError(ConflictError):
    """The site is archived, so no run begins and nothing changes; the message says what to do."""

    code = "site.archived"


@dataclass(frozen=True, slots=True)
class Site:
    """The record of a site.

    Attributes:
        site: The name.
        title: The name that people read; None if there is no other than `site`.
        archived_at: Since when the site is archived; None while it is in use.
        archived_by: Who archived the site.
        restored_at: When the site was restored; runs that were requested before are not done.
        off_asked: Whether the switch of its sync still has to be turned off in Airflow.
    """

    site: str
    title: str | None
    archived_at: dt.datetime | None
    archived_by: str | None
    restored_at: dt.datetime | None
    off_asked: bool

    @property
    def is_archived(self) -> bool:
        """Whether the site is archived, so that no run can begin."""
        return self.archived_at is not None


@dataclass(frozen=True, slots=True)
class LastRun:
    """Summary of the newest run of a site."""

    run_id: str
    started_at: dt.datetime
    outcome: str | None
    is_preview: bool


def all_sites(connection: Connection) -> dict[str, Site]:
    """Return all sites by name, sorted, including the archived ones."""
    rows = connection.execute(sa.text(f"{_SELECT} order by site")).mappings()
    return {row["site"]: Site(**row) for row in rows}


def find(connection: Connection, site: str, *, lock: str = "") -> Site | None:
    """Return a site's record, or None; `lock` is a locking clause of SQL."""
    query = sa.text(f"{_SELECT} where site = :site {lock}")
    row = connection.execute(query, {"site": site}).mappings().one_or_none()
    return Site(**row) if row else None


def last_runs(connection: Connection) -> dict[str, LastRun]:
    """Return the newest run of every site that has runs, by site."""
    rows = connection.execute(sa.text(_LAST_RUNS))
    return {row.site: LastRun(*row[1:]) for row in rows}


def lock_list(connection: Connection) -> None:
    """Block making, archiving and restoring of sites elsewhere until this transaction ends."""
    lock_site(connection, _ALL)


def refuse_archived(connection: Connection, site: str) -> None:
    """Check that a site is not archived, and lock that state until the transaction ends.

    A site that does not exist passes; reading its preferences raises the error for that.

    Raises:
        ArchivedSiteError: The site is archived.
    """
    # Runs that begin at once don't block each other by it, but archiving, which locks `for update`,
    # waits.
    found = find(connection, site, lock="for key share")
    if found is not None and found.is_archived:
        raise ArchivedSiteError(
            f"the site {site} is archived, so no run begins and nothing changes; restore it first "
            f"with: oneroster sites restore {site}"
        )


def was_asked_before_restore(
    connection: Connection, site: str, asked_at: dt.datetime | None
) -> bool:
    """Return whether a run was requested before the last restore of the site."""
    found = find(connection, site)
    if asked_at is None or found is None or found.restored_at is None:
        return False
    return asked_at < found.restored_at


def mark(connection: Connection, site: str, **values: Any) -> None:
    """Set columns (names and values) of a site's record."""
    sets = ", ".join(f"{name} = :{name}" for name in values)
    query = f"update sites set {sets} where site = :site"  # noqa: S608  names of our own
    connection.execute(sa.text(query), {**values, "site": site})


def note_switched(connection: Connection, site: str) -> None:
    """Record that the switch of a site's sync was turned off in Airflow as requested."""
    mark(connection, site, off_asked=False)
