"""Compute the end of the school year from the classes, and propose a pause for the summer break.

The academicSessions of a package are not stored. The roster stores only the last day of each class:
the last day of its last term.
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
"""How long before the last day of school the pause is proposed."""

BREAK = dt.timedelta(weeks=9)
"""Length of the proposed pause; the administrator can change its days."""

LONGER_THAN_A_SEMESTER = dt.timedelta(days=185)
"""A day on which classes end is the end of a school year if no class ends within this time after.

After a semester, classes end sooner. Classes of the next year that are listed early end later,
except those of its first quarter: then no pause is proposed, which is better than a proposal for
the wrong month.
"""

_ENDS = """
select distinct ends_on from classes where site = :site and ends_on >= :today order by ends_on
"""


@dataclass(frozen=True, slots=True)
class ProposedPause:
    """A proposed pause that is not planned yet, and the last day of school before it."""

    first_on: dt.date
    last_on: dt.date
    year_ends_on: dt.date


def propose_pause(
    connection: Connection, preferences: Preferences, *, today: dt.date
) -> ProposedPause | None:
    """Return the pause to propose, or None if the school year does not end within `AHEAD`.

    Also return None if one of the site's pauses overlaps the proposed days.
    """
    bound = {"site": preferences.site, "today": today.isoformat()}
    # The column is text in ISO order, so SQL compares it as it would compare dates.
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
    """Return the first of `ends`, from `today` on, that is the end of a school year, or None."""
    coming = sorted(day for day in ends if day >= today)
    for index, day in enumerate(coming):
        later = coming[index + 1] if index + 1 < len(coming) else None
        if later is None or later - day >= LONGER_THAN_A_SEMESTER:
            return day
    return None
