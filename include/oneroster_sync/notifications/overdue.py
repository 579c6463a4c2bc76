"""Whether the scheduled sync of a site is done by when the site's people need it.

Airflow's `DeadlineAlert` would judge it by the minute. But a DAG that has one can't be run by
`dag.test()` in Airflow 3.3, its time would be part of the DAG, and it says nothing of a run that
never starts. So the DAG `oneroster_watch` judges it, once a day.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import sqlalchemy as sa

from oneroster_sync.sites import maintenance
from oneroster_sync.sites.preferences import StartedBy
from oneroster_sync.sites.schedule import next_slots

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from oneroster_sync.sites.preferences import Preferences

_LOOKS_BACK = dt.timedelta(days=1)
"""The watch looks once a day, so that each deadline is judged by the look that follows it."""
# Who has never switched the sync on, or has switched it off, expects no sync.
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


def find_overdue(connection: Connection, chosen: Preferences, *, now: dt.datetime) -> str | None:
    """Return which scheduled sync was not done in time, in words; None where none was late.

    Args:
        connection: To the roster database.
        chosen: The preferences of the site.
        now: The moment, in aware UTC.
    """
    if chosen.done_within_hours is None or chosen.started_by is StartedBy.NEW_FILE:
        return None
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
    return f"the sync of {due:%Y-%m-%d %H:%M} was not done by {due + within:%Y-%m-%d %H:%M} UTC"
