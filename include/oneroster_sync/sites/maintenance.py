"""Maintenance: one switch that stops the syncs of all sites, with a reason, and resumes them.

The switch of each site's sync stays as it is, so that afterwards every site goes on as before.
While the maintenance lasts no run begins: the schedule's are skipped with the reason, and what a
person asks for is refused. A run that is under way ends by itself.
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
# Without a row to lock, two who begin at once both see none: the key of the table lets one through.
_BEGIN = """
insert into maintenance (since, started_by, reason) values (:now, :by, :reason)
on conflict do nothing returning 1
"""


class MaintenanceError(ConflictError):
    """Syncs are stopped for a maintenance, so nothing begins; the message says why."""

    code = "maintenance.on"


class NoReasonError(UserError, ValueError):
    """A maintenance needs a reason, which everybody reads."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A maintenance that lasts.

    Attributes:
        since: When it began.
        started_by: Who stopped the syncs.
        reason: Why, as everybody reads it.
    """

    since: dt.datetime
    started_by: str
    reason: str

    def to_text(self) -> str:
        """Return why nothing begins, in one sentence."""
        day = f"{self.since:%Y-%m-%d %H:%M} UTC"
        return f"all syncs are stopped for a maintenance by {self.started_by} since {day}: " + (
            self.reason.rstrip(".")
        )


def find(connection: Connection) -> Maintenance | None:
    """Return the maintenance that lasts, if any."""
    row = connection.execute(sa.text(_FIND)).mappings().one_or_none()
    return Maintenance(**row) if row else None


def refuse(connection: Connection) -> None:
    """Go on only if there is no maintenance.

    Raises:
        MaintenanceError: There is one.
    """
    found = find(connection)
    if found is not None:
        raise MaintenanceError(f"{found.to_text()}; ask again when it is over")


def begin(connection: Connection, reason: str, *, by: str, now: dt.datetime) -> Maintenance:
    """Stop the syncs of all sites, and note it in the audit of each.

    Who stops them while they are stopped already changes nothing.

    Raises:
        NoReasonError: No reason was given, or one that is too long to be read.
    """
    reason = " ".join(reason.split())
    if not reason or len(reason) > _LONGEST:
        raise NoReasonError(f"say why all syncs are stopped, in 1 to {_LONGEST} characters")
    if connection.scalar(sa.text(_BEGIN), {"now": now, "by": by, "reason": reason}):
        _note(connection, "maintenance_begun", {"reason": reason}, by=by, now=now)
    found = find(connection)
    assert found is not None
    return found


def end(connection: Connection, *, by: str, now: dt.datetime) -> Maintenance | None:
    """Resume the syncs of all sites as they were, and note it; None where none were stopped."""
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
