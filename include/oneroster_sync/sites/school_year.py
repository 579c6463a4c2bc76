"""The summer break as the classes tell it: when the school year ends, and the pause to propose.

A package's academicSessions are not stored. What is stored of them is the last day of each class,
that of the last of its terms.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from oneroster_sync.sites.preferences import Preferences

AHEAD = dt.timedelta(weeks=8)
"""How long before the last day of school a pause is proposed."""

BREAK = dt.timedelta(weeks=9)
"""How long the proposed pause is; whoever takes it over sets its days."""

LONGER_THAN_A_SEMESTER = dt.timedelta(days=185)
"""After the end of a school year no class ends for so long, after that of a semester one does.

Classes of the next year that are listed early end later than that, but for those of its first
quarter: then nothing is proposed, which asks for less than a proposal in the wrong month.
"""

_ENDS = """
select distinct ends_on from classes where site = :site and ends_on >= :today order by ends_on
"""


@dataclass(frozen=True, slots=True)
class ProposedPause:
    """A pause that nobody has planned yet, and the last day of school that it follows."""

    first_on: dt.date
    last_on: dt.date
    year_ends_on: dt.date


def propose_pause(
    connection: Connection, preferences: Preferences, *, today: dt.date
) -> ProposedPause | None:
    """Return the pause to propose in the weeks before the last term ends, or None.

    None is proposed where one of the site's pauses touches the proposed days.
    """
    bound = {"site": preferences.site, "today": today.isoformat()}
    known = connection.scalars(sa.text(_ENDS), bound).all()
    year_ends_on = find_end_of_year(map(dt.date.fromisoformat, known), today=today)
    if year_ends_on is None or year_ends_on > today + AHEAD:
        return None
    first = year_ends_on + dt.timedelta(days=1)
    last = year_ends_on + BREAK
    is_planned = any(
        window.first_on <= last and first <= window.last_on for window in preferences.pause_windows
    )
    return None if is_planned else ProposedPause(first, last, year_ends_on)


def find_end_of_year(ends: Iterable[dt.date], *, today: dt.date) -> dt.date | None:
    """Return the first last day of classes from `today` on that ends a school year, or None."""
    coming = sorted(day for day in ends if day >= today)
    for index, day in enumerate(coming):
        later = coming[index + 1] if index + 1 < len(coming) else None
        if later is None or later - day >= LONGER_THAN_A_SEMESTER:
            return day
    return None
