"""The week of a site: from Monday to Sunday, told once it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.runs import Outcome

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

import datetime as dt
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from oneroster_sync.notifications import sent as told
from oneroster_sync.notifications.freshness import Freshness, freshness
from oneroster_sync.sites import preferences_store
from oneroster_sync.sites.schedule import next_slots

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run

_SHOWN = 3
WAITING = 20
"""How many waiting plans are looked at, at most."""


@dataclass(frozen=True, slots=True)
class Week:
    """What a week came to, and what comes next.

    Attributes:
        site: Whose week.
        first_on: Its Monday, in UTC.
        last_on: Its Sunday.
        outcomes: How many runs ended how.
        changes: What was applied, summed up.
        errors: Rows of the newest package of the week that could not be used.
        waiting: The plans that wait for a decision now.
        next_slots: When the schedule asks for the next syncs.
        fresh: Whether packages still come.
    """

    site: str
    first_on: dt.date
    last_on: dt.date
    outcomes: dict[Outcome, int]
    changes: dict[str, dict[str, int]]
    errors: int
    waiting: tuple[Run, ...]
    next_slots: tuple[dt.datetime, ...]
    fresh: Freshness


def week_before(connection: Connection, site: str, *, now: dt.datetime) -> Week:
    """Return the last week that is over at a moment, in aware UTC.

    Raises:
        UnknownSiteError: The site has not been made.
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
        waiting=tuple(told.waiting(connection, site, now=now, limit=WAITING)),
        next_slots=tuple(islice(next_slots(chosen, now), _SHOWN)),
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
_ERRORS = """
select counts from runs
where site = :site and started_at >= :first and started_at < :end and counts is not null
  and not is_preview
order by started_at desc limit 1
"""


def outcomes(
    connection: Connection, site: str, first: dt.datetime, end: dt.datetime
) -> dict[Outcome, int]:
    """Return how many runs that began from `first` on and before `end` had each outcome."""
    found = connection.execute(sa.text(_OUTCOMES), {"site": site, "first": first, "end": end})
    return {Outcome(outcome): number for outcome, number in found}


def changes(
    connection: Connection, site: str, first: dt.datetime, end: dt.datetime
) -> dict[str, dict[str, int]]:
    """Return the sums of what was applied, shaped as the counts of one run."""
    sums: dict[str, dict[str, int]] = {"users": {}, "courses": {}, "assignments": {}}
    bound = {"site": site, "first": first, "end": end}
    for kind, word, number in connection.execute(sa.text(_CHANGES), bound):
        sums.setdefault(kind, {})[word] = int(number)
    return sums


def newest_errors(connection: Connection, site: str, first: dt.datetime, end: dt.datetime) -> int:
    """Return how many rows of the newest package could not be used."""
    bound = {"site": site, "first": first, "end": end}
    return errors_of(connection.scalar(sa.text(_ERRORS), bound))


def errors_of(counts: dict[str, Any] | None) -> int:
    """Return how many rows counts say could not be used."""
    return sum(numbers.get("errors", 0) for numbers in (counts or {}).values())
