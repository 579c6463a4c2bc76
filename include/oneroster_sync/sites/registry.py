"""Sites as the database has them: which there are, and which are archived."""

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
"""What is locked while a site is made, archived or restored; no site can be called so."""


class ArchivedSiteError(ConflictError):
    """The site is archived, so nothing of it can begin or change; the message says what to do."""

    code = "site.archived"


@dataclass(frozen=True, slots=True)
class Site:
    """A site's own record.

    Attributes:
        site: Its name.
        title: What people call it; None where that is its name.
        archived_at: Since when it is archived; None while it is in use.
        archived_by: Who archived it.
        restored_at: What was asked for before this is not done any more.
        off_asked: Whether its switch still has to be put off in Airflow.
    """

    site: str
    title: str | None
    archived_at: dt.datetime | None
    archived_by: str | None
    restored_at: dt.datetime | None
    off_asked: bool

    @property
    def is_archived(self) -> bool:
        """Whether no run of it can begin."""
        return self.archived_at is not None


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run of a site, in short."""

    run_id: str
    started_at: dt.datetime
    outcome: str | None
    is_preview: bool


def all_sites(connection: Connection) -> dict[str, Site]:
    """Return every site by its name, the archived ones too, in order."""
    rows = connection.execute(sa.text(f"{_SELECT} order by site")).mappings()
    return {row["site"]: Site(**row) for row in rows}


def find(connection: Connection, site: str, *, lock: str = "") -> Site | None:
    """Return a site's record, None when there is none; `lock` is a locking clause."""
    query = sa.text(f"{_SELECT} where site = :site {lock}")
    row = connection.execute(query, {"site": site}).mappings().one_or_none()
    return Site(**row) if row else None


def last_runs(connection: Connection) -> dict[str, LastRun]:
    """Return the newest run of every site that has had one."""
    rows = connection.execute(sa.text(_LAST_RUNS))
    return {row.site: LastRun(*row[1:]) for row in rows}


def lock_list(connection: Connection) -> None:
    """Keep others from making, archiving or restoring any site until this transaction ends."""
    lock_site(connection, _ALL)


def refuse_archived(connection: Connection, site: str) -> None:
    """Go on only if a site is not archived, and keep it so until the transaction ends.

    A site that is not there is left to whoever reads its preferences.

    Raises:
        ArchivedSiteError: It is.
    """
    found = find(connection, site, lock="for key share")
    if found is not None and found.is_archived:
        raise ArchivedSiteError(
            f"the site {site} is archived, so nothing of it begins or changes; restore it first "
            f"with: oneroster sites restore {site}"
        )


def was_asked_before_restore(
    connection: Connection, site: str, asked_at: dt.datetime | None
) -> bool:
    """Tell whether a run was asked for before the site was restored the last time."""
    found = find(connection, site)
    if asked_at is None or found is None or found.restored_at is None:
        return False
    return asked_at < found.restored_at


def mark(connection: Connection, site: str, **values: Any) -> None:
    """Set columns of a site's record."""
    sets = ", ".join(f"{name} = :{name}" for name in values)
    query = f"update sites set {sets} where site = :site"  # noqa: S608  names of our own
    connection.execute(sa.text(query), {**values, "site": site})


def note_switched(connection: Connection, site: str) -> None:
    """Note that the switch of a site's sync has been put as it should be in Airflow."""
    mark(connection, site, off_asked=False)
