"""Standstills: since when no sync of a site was applied, although syncs ran.

A held plan is superseded by the plan of the next night, and so on: each run looks harmless, and the
roster becomes old. So this module counts the syncs in a row that ended without being applied and
without finding that there is nothing to do.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

FEW = 3
"""Notify from this number of syncs on: a single failed or held sync has its own notification."""
_LONG_SYNCS, _LONG = 7, dt.timedelta(days=7)
"""From this number of syncs, or after this time, the level is `error`."""

# The index on site and start finds the newest successful run fast, with any number of runs. Only
# the few later runs are counted.
_OF_SITES = """
select s.site, good.run_id::text as run_id, good.at as since, bad.syncs
from sites s
left join lateral (
    select run_id, coalesce(applied_at, started_at) as at from runs r
    where r.site = s.site and r.started_at <= :now and {is_sync}
        and outcome in ('succeeded', 'succeeded_with_errors', 'no_changes')
    order by started_at desc limit 1) good on true
cross join lateral (
    select count(*) as syncs from runs r
    where r.site = s.site and r.started_at <= :now and {is_sync} and not is_preview
        and r.started_at > coalesce(good.at, '-infinity')
        and outcome in ('held', 'superseded', 'discarded', 'rejected', 'failed')) bad
where cast(:site as text) is null or s.site = :site
"""
_IS_SYNC = "undoes is null and removals_of is null and kind not in ('ids', 'links')"


@dataclass(frozen=True, slots=True)
class Standstill:
    """Whether the syncs of a site are applied.

    Attributes:
        site: The site.
        run_id: The newest sync that was applied or found nothing to do, or None.
        since: The time of that sync, or None.
        syncs: Number of syncs since then that were not applied.
        level: None, `warning`, or `error` if the standstill is long.
        sentence: Text such as `No changes applied since 23 October (25 syncs)`.
    """

    site: str
    run_id: str | None
    since: dt.datetime | None
    syncs: int
    level: str | None
    sentence: str


def find_standstills(
    connection: Connection, *, now: dt.datetime, site: str | None = None
) -> dict[str, Standstill]:
    """Return by site whether its syncs are applied at a time, for all sites or only one."""
    return _find(connection, site, now)


def find_standstill(connection: Connection, site: str, *, now: dt.datetime) -> Standstill:
    """Return whether the syncs of a site are applied at a time."""
    return _find(connection, site, now)[site]


def _find(connection: Connection, site: str | None, now: dt.datetime) -> dict[str, Standstill]:
    query = sa.text(_OF_SITES.format(is_sync=_IS_SYNC))
    rows = connection.execute(query, {"site": site, "now": now})
    return {
        row.site: make_standstill(row.site, row.run_id, row.since, row.syncs, now=now)
        for row in rows
    }


def make_standstill(
    site: str, run_id: str | None, since: dt.datetime | None, syncs: int, *, now: dt.datetime
) -> Standstill:
    """Judge and describe a number of syncs since a time, as it is at `now`."""
    level, sentence = _level(since, syncs, now), _format(since, syncs, now)
    return Standstill(site, run_id, since, syncs, level, sentence)


def _level(since: dt.datetime | None, syncs: int, now: dt.datetime) -> str | None:
    if syncs < FEW:
        return None
    is_long = syncs >= _LONG_SYNCS or (since is not None and now - since >= _LONG)
    return "error" if is_long else "warning"


def _format(since: dt.datetime | None, syncs: int, now: dt.datetime) -> str:
    count = "1 sync" if syncs == 1 else f"{syncs:,} syncs"
    if since is None:
        return f"No changes applied yet ({count})"
    return f"No changes applied since {format_day(since, now)} ({count})"


def format_day(at: dt.datetime, now: dt.datetime) -> str:
    """Format the day of a time in UTC, with the year if it is not the current one."""
    day = at.astimezone(dt.UTC)
    year = "" if day.year == now.astimezone(dt.UTC).year else f" {day.year}"
    return f"{day.day} {day:%B}{year}"
