"""Maintenance: one switch that stops the syncs of all sites, with a reason, and resumes them.

The switch of each site's sync does not change, so every site continues as before afterwards.
During a maintenance no run begins: scheduled runs are skipped with the reason, and requests of
people are refused. A run that has begun already is finished.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from oneroster_sync.errors import ConflictError, UserError
from oneroster_sync.sites import preferences_store, registry

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

_LONGEST = 500
_FIND = "select since, started_by, reason from maintenance"
# There is no row to lock yet: two calls at once both find none, and the table's key admits one row.
_BEGIN = """
insert into maintenance (since, started_by, reason) values (:now, :by, :reason)
on conflict do nothing returning 1
"""


class MaintenanceError(ConflictError):
    """Syncs are stopped for a maintenance, so no run begins; the message has the reason."""

    code = "maintenance.on"


class NoReasonError(UserError, ValueError):
    """The reason of a maintenance is missing or too long."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The current maintenance.

    Attributes:
        since: When it began.
        started_by: Who stopped the syncs.
        reason: The reason, shown to all users.
    """

    since: dt.datetime
    started_by: str
    reason: str

    def to_text(self) -> str:
        """Describe the maintenance in one sentence without a full stop."""
        day = f"{self.since:%Y-%m-%d %H:%M} UTC"
        return f"all syncs are stopped for maintenance by {self.started_by} since {day}: " + (
            self.reason.rstrip(".")
        )


def find(connection: Connection) -> Maintenance | None:
    """Return the current maintenance, or None."""
    row = connection.execute(sa.text(_FIND)).mappings().one_or_none()
    return Maintenance(**row) if row else None


def refuse(connection: Connection) -> None:
    """Check that there is no maintenance.

    Raises:
        MaintenanceError: There is one.
    """
    found = find(connection)
    if found is not None:
        raise MaintenanceError(f"{found.to_text()}; try again when it is over")


def begin(connection: Connection, reason: str, *, by: str, now: dt.datetime) -> Maintenance:
    """Stop the syncs of all sites, record it in the audit of each, and return the maintenance.

    If there is a maintenance already, return that one and change nothing.

    Raises:
        NoReasonError: The reason is blank or too long.
    """
    reason = " ".join(reason.split())
    if not reason or len(reason) > _LONGEST:
        raise NoReasonError(f"say why all syncs are stopped, in 1 to {_LONGEST} characters")
    # Only the call whose insert succeeds writes the audit, so that it has one beginning.
    if connection.scalar(sa.text(_BEGIN), {"now": now, "by": by, "reason": reason}):
        _note(connection, "maintenance_begun", {"reason": reason}, by=by, now=now)
    found = find(connection)
    assert found is not None
    return found


def end(connection: Connection, *, by: str, now: dt.datetime) -> Maintenance | None:
    """Resume the syncs of all sites and record it; return the ended maintenance, or None."""
    found = find(connection)
    if found is None:
        return None
    connection.execute(sa.text("delete from maintenance"))
    details = {"reason": found.reason, "since": found.since.isoformat()}
    _note(connection, "maintenance_ended", details, by=by, now=now)
    return found


def _note(
    connection: Connection, event: str, details: dict[str, str], *, by: str, now: dt.datetime
) -> None:
    for site, record in registry.all_sites(connection).items():
        if not record.is_archived:
            preferences_store.note_event(connection, site, by, event, details, now=now)
