"""The week of a site: from Monday to Sunday, told once it is over."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from oneroster_sync.notifications import sent as told
from oneroster_sync.notifications import weeks
from oneroster_sync.notifications.freshness import Freshness, freshness
from oneroster_sync.sites import preferences_store
from oneroster_sync.sites.schedule import next_slots

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Outcome, Run

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
        outcomes=weeks.outcomes(connection, site, first, end),
        changes=weeks.changes(connection, site, first, end),
        errors=weeks.newest_errors(connection, site, first, end),
        waiting=tuple(told.waiting(connection, site, now=now, limit=WAITING)),
        next_slots=tuple(islice(next_slots(chosen, now), _SHOWN)),
        fresh=freshness(connection, site, now=now),
    )
