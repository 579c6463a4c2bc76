"""The weekly digest of a site, from Monday to Sunday, sent when the week is over."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.notifications import sent
from oneroster_sync.notifications.freshness import Freshness, freshness
from oneroster_sync.runs import Outcome
from oneroster_sync.sites import preferences_store
from oneroster_sync.sites.schedule import format_next

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run

_SHOWN = 3
WAITING = 20
"""Maximum number of held plans that are read."""


@dataclass(frozen=True, slots=True)
class Week:
    """Numbers of a week, and the next syncs.

    Attributes:
        site: The site.
        first_on: Monday of the week, in UTC.
        last_on: Sunday of the week.
        outcomes: Outcome → number of runs.
        changes: Sums of the applied changes, in the form of a run's counts.
        errors: Number of rows with errors in the newest run of the week that has counts.
        waiting: The runs that wait for a decision now.
        next_syncs: When the next syncs begin: slots of the schedule, or a new file.
        fresh: Age of the newest package.
    """

    site: str
    first_on: dt.date
    last_on: dt.date
    outcomes: dict[Outcome, int]
    changes: dict[str, dict[str, int]]
    errors: int
    waiting: tuple[Run, ...]
    next_syncs: str
    fresh: Freshness


def week_before(connection: Connection, site: str, *, now: dt.datetime) -> Week:
    """Return the last complete week before `now`, in aware UTC.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    monday = now.date() - dt.timedelta(days=now.weekday())
    end = dt.datetime.combine(monday, dt.time(), dt.UTC)
    first = end - dt.timedelta(days=7)
    chosen = preferences_store.load(connection, site)
    return Week(
        site=site,
        first_on=first.date(),
        last_on=monday - dt.timedelta(days=1),
        outcomes=outcomes(connection, site, first, end),
        changes=changes(connection, site, first, end),
        errors=newest_errors(connection, site, first, end),
        waiting=tuple(sent.waiting(connection, site, now=now, limit=WAITING)),
        next_syncs=format_next(chosen, now, _SHOWN),
        fresh=freshness(connection, site, now=now),
    )


_OUTCOMES = """
select outcome, count(*) from runs
where site = :site and started_at >= :first and started_at < :end and outcome is not null
  and not is_preview
group by outcome
"""
_CHANGES = """
select kind.key, word.key, sum(word.value::bigint)
from runs, json_each(counts) kind, json_each_text(kind.value) word
where site = :site and started_at >= :first and started_at < :end and applied_at is not null
group by kind.key, word.key
"""
# Of the newest run alone: rows with errors come again each night, and a sum would count them as
# often.
_ERRORS = """
select counts from runs
where site = :site and started_at >= :first and started_at < :end and counts is not null
  and not is_preview
order by started_at desc limit 1
"""


def outcomes(
    connection: Connection, site: str, first: dt.datetime, end: dt.datetime
) -> dict[Outcome, int]:
    """Return outcome → number of runs that began from `first` on and before `end`."""
    found = connection.execute(sa.text(_OUTCOMES), {"site": site, "first": first, "end": end})
    return {Outcome(outcome): number for outcome, number in found}


def changes(
    connection: Connection, site: str, first: dt.datetime, end: dt.datetime
) -> dict[str, dict[str, int]]:
    """Return the sums of the applied changes, in the form of a run's counts."""
    sums: dict[str, dict[str, int]] = {"users": {}, "courses": {}, "assignments": {}}
    bound = {"site": site, "first": first, "end": end}
    for kind, word, number in connection.execute(sa.text(_CHANGES), bound):
        sums.setdefault(kind, {})[word] = int(number)
    return sums


def newest_errors(connection: Connection, site: str, first: dt.datetime, end: dt.datetime) -> int:
    """Return the number of rows with errors in the newest run with counts."""
    bound = {"site": site, "first": first, "end": end}
    return errors_of(connection.scalar(sa.text(_ERRORS), bound))


def errors_of(counts: dict[str, Any] | None) -> int:
    """Return the number of rows with errors in the counts of a run."""
    return sum(numbers.get("errors", 0) for numbers in (counts or {}).values())
