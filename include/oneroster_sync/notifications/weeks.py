"""What a site's runs came to within some days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.runs import Outcome

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

_OUTCOMES = """
select outcome, count(*) from runs
where site = :site and started_at >= :first and started_at < :end and outcome is not null
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
