"""The time zone of a site: in texts, its local time stands beside UTC.

Schedules, pauses and records are in UTC whatever the zone is: a zone changes its clocks, and a
sync that moved with them would run twice in one night, or not at all.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

_NO_PLACES = {"Factory", "localtime", "posixrules"}
"""Files of the time zone database that name no zone."""


@cache
def list_zones() -> frozenset[str]:
    """Return the names of all time zones that this machine knows."""
    return frozenset(name for name in available_timezones() if name not in _NO_PLACES)


def format_moment(at: dt.datetime, zone: str | None) -> str:
    """Format a moment as `2026-11-30 02:00 UTC (2026-11-29 20:00 in Chicago)`.

    Args:
        at: An aware moment.
        zone: The IANA name of the site's zone. With None, with a zone that is UTC at that moment,
            and with a zone that this machine does not know, the result has UTC alone.
    """
    utc = at.astimezone(dt.UTC)
    text = f"{utc:%Y-%m-%d %H:%M} UTC"
    local = _local(utc, zone)
    if local is None:
        return text
    day = "" if local.date() == utc.date() else f"{local:%Y-%m-%d} "
    return f"{text} ({day}{local:%H:%M} in {city_of(zone)})"


def format_time(time: dt.time, zone: str | None, *, year: int) -> str:
    """Format a time of the day in UTC as `02:00 UTC (20:00 or 21:00 in Chicago, the day before)`.

    Args:
        time: A time in UTC.
        zone: As for `format_moment`.
        year: Its winter and its summer give the two local times.
    """
    text = f"{time:%H:%M} UTC"
    # January and July: one of them is winter and one summer in either hemisphere.
    seasons = [dt.datetime.combine(dt.date(year, month, 1), time, dt.UTC) for month in (1, 7)]
    found = [(utc, local) for utc in seasons if (local := _local(utc, zone))]
    if not found:
        return text
    # In London one season is UTC itself, and is shown beside the other.
    seen = [(utc, _local(utc, zone) or utc) for utc in seasons]
    times = " or ".join(sorted({f"{local:%H:%M}" for _, local in seen}))
    shifts = sum((local.date() - utc.date()).days for utc, local in seen)
    # Only if both seasons shift the day in the same direction.
    day = {-2: ", the day before", 2: ", the day after"}.get(shifts, "")
    return f"{text} ({times} in {city_of(zone)}{day})"


def city_of(zone: str | None) -> str:
    """Return a zone as people call it: `America/New_York` is `New York`."""
    return (zone or "UTC").rpartition("/")[2].replace("_", " ")


def _local(utc: dt.datetime, zone: str | None) -> dt.datetime | None:
    """Return a moment in a zone, or None if the zone is UTC then, or is unknown."""
    if zone is None or zone not in list_zones():
        return None
    local = utc.astimezone(ZoneInfo(zone))
    return local if local.utcoffset() else None
