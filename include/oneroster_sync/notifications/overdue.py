"""Check whether the scheduled sync of a site was done before its deadline.

Airflow's `DeadlineAlert` could check this every minute. But in Airflow 3.3 a DAG with one can't be
run by `dag.test()`, its deadline would be part of the DAG, and it ignores runs that never start. So
the DAG `oneroster_watch` checks it once a day.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from oneroster_sync.sites import maintenance
from oneroster_sync.sites.preferences import StartedBy
from oneroster_sync.sites.schedule import next_slots

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from oneroster_sync.sites.preferences import Preferences

_LOOKS_BACK = dt.timedelta(days=1)
"""The watch runs once a day, so each deadline is checked by the first watch after it."""
# No sync is expected if it was never switched on, or was switched off.
_IS_EXPECTED = """
select exists (
    select from preferences p where p.site = :site and p.saved_at <= :slot
) and coalesce((
    select event = 'sync_enabled' from events
    where site = :site and event in ('sync_enabled', 'sync_disabled') and at <= :slot
    order by id desc limit 1
), false)
"""
_IS_DONE = """
select exists (
    select from runs
    where site = :site and started_at >= :slot and ended_at <= :deadline
        and outcome in ('succeeded', 'succeeded_with_errors', 'no_changes')
)
"""


@dataclass(frozen=True, slots=True)
class Overdue:
    """A scheduled sync that missed its deadline; both moments are in UTC."""

    due: dt.datetime
    deadline: dt.datetime

    def key(self) -> str:
        """Return the cause of its notification."""
        return f"the sync of {self.due:%Y-%m-%d %H:%M}"


def find_overdue(
    connection: Connection, chosen: Preferences, *, now: dt.datetime
) -> Overdue | None:
    """Return the scheduled sync that missed its deadline, or None.

    Args:
        connection: To the roster database.
        chosen: The preferences of the site.
        now: The time, in aware UTC.
    """
    if chosen.done_within_hours is None or chosen.started_by is StartedBy.NEW_FILE:
        return None
    # Then no sync begins, and people are notified of that itself.
    if maintenance.find(connection) is not None:
        return None
    within = dt.timedelta(hours=chosen.done_within_hours)
    latest = now - within
    due = None
    for slot in next_slots(chosen, latest - _LOOKS_BACK):
        if slot > latest:
            break
        due = slot
    if due is None:
        return None
    bound = {"site": chosen.site, "slot": due, "deadline": due + within}
    if not connection.scalar(sa.text(_IS_EXPECTED), bound):
        return None
    if connection.scalar(sa.text(_IS_DONE), bound):
        return None
    return Overdue(due, due + within)
