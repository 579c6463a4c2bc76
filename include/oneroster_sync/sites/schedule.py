"""Compute from a site's preferences when its syncs are due.

A **slot** is a time at which the preferences ask for a sync: a chosen day at the chosen time. Days
and times are UTC by contract, so daylight saving does not apply to them.

This module reads no clock and no database: the current time is an argument. Arguments must be aware
datetimes (a naive one raises `ValueError`); results are in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice, pairwise, takewhile
from typing import TYPE_CHECKING

from oneroster_sync.sites.preferences import StartedBy, Weekday
from oneroster_sync.sites.time_zone import format_moment, format_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneroster_sync.sites.preferences import PauseWindow, Preferences

GRACE = timedelta(minutes=5)
"""How late a scheduled sync may begin; a slot that is missed by more is skipped, without catch-up.

This covers normal delays of a scheduler, such as a restart of the scheduler or of the database. It
must be much longer than the seconds after which Airflow reads the preferences again.
"""

HORIZON = timedelta(days=3653)
"""How far ahead slots are computed (ten years); a site with a longer pause has no next sync."""

_YEAR = 2026
"""The year whose winter and summer give the local times of a schedule, which has no date."""

_WEEK = tuple(Weekday)
_RUN_OF_DAYS = 3
"""From this number of consecutive days on, the text has a range (Mon–Wed) instead of a list."""


class SkipCause(StrEnum):
    """Why a slot is skipped."""

    PAUSED = "paused"
    """Its day is in a pause window."""
    CHANGED = "changed"
    """The preferences changed and no longer contain the slot."""
    LATE = "late"
    """The slot was missed by more than `GRACE`."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a run is skipped; `reason` is a sentence for people who read the run."""

    cause: SkipCause
    reason: str


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A line in the list of upcoming syncs: a sync, or a pause.

    Without `skipped_because`, a sync is due at `slot`, and `notes` describe what is special about
    it. With `skipped_because`, `slot` is the first slot that the pause window skips.
    """

    slot: datetime
    skipped_because: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day of the calendar: its sync, and the settings that apply on it.

    Attributes:
        day: The day, in UTC.
        due_at: When a sync is due; None if none is due.
        skipped_at: When a sync would be due without the pause window; None otherwise.
        pause: Text of the pause window that contains the day, with or without a slot.
        adds_only: Whether a sync on this day only adds records.
        may_remove: The percentage of a raised limit that applies on this day.
    """

    day: date
    due_at: datetime | None = None
    skipped_at: datetime | None = None
    pause: str | None = None
    adds_only: bool = False
    may_remove: float | None = None


def next_slots(preferences: Preferences, after: datetime) -> Iterator[datetime]:
    """Yield the slots after `after` that are in no pause window, up to the `HORIZON`."""
    for slot in _slots(preferences, after):
        if _pause_window(preferences, slot.date()) is None:
            yield slot


def next_slot(preferences: Preferences, after: datetime) -> datetime | None:
    """Return the first of `next_slots`, or None if there is none within the `HORIZON`."""
    return next(next_slots(preferences, after), None)


def missed_up_to(now: datetime) -> datetime:
    """Return the latest time of a slot that is too late to run at `now`."""
    # A slot that is late by exactly GRACE still runs.
    return _utc(now) - GRACE - datetime.resolution


def skip_slot(preferences: Preferences, slot: datetime, *, now: datetime) -> Skip | None:
    """Return why to skip a scheduled run, or None to run it.

    `now` is the time at which the run first began, not the time of a retry: a run that began in
    time is not skipped later. Causes are checked in this order: a pause window, a changed schedule,
    a late start.
    """
    slot, now = _utc(slot), _utc(now)
    if window := _pause_window(preferences, slot.date()):
        return Skip(
            SkipCause.PAUSED,
            f"The sync of {_minute(slot, preferences)} is skipped: {_words(window)}.",
        )
    is_slot = slot.time() == preferences.time_utc and _WEEK[slot.weekday()] in preferences.days
    if not is_slot or preferences.started_by is StartedBy.NEW_FILE:
        return Skip(
            SkipCause.CHANGED,
            f"The sync of {_minute(slot, preferences)} is skipped: the schedule was changed,"
            f" it is now: {format_schedule(preferences)}.",
        )
    if slot <= missed_up_to(now):
        return Skip(
            SkipCause.LATE,
            f"The sync of {_minute(slot, preferences)} is skipped: its run began at"
            f" {_minute(now, preferences)},"
            f" more than {GRACE // timedelta(minutes=1)} minutes late.",
        )
    return None


def skip_arrival(preferences: Preferences, arrived: datetime, *, now: datetime) -> Skip | None:
    """Return why to skip a run that a new file started, or None to run it.

    The rules are those of `skip_slot`. `arrived` is when the newest file was noticed, and `now` is
    when the run first began.
    """
    arrived, now = _utc(arrived), _utc(now)
    noticed = _minute(arrived, preferences)
    # The day of the run and not of the file: a file may come just before the first day of a pause.
    if window := _pause_window(preferences, now.date()):
        return Skip(
            SkipCause.PAUSED,
            f"The new file of {noticed} starts no sync: {_words(window)}.",
        )
    if preferences.started_by is StartedBy.SCHEDULE:
        return Skip(
            SkipCause.CHANGED,
            f"The new file of {noticed} starts no sync: the schedule was changed,"
            f" it is now: {format_schedule(preferences)}.",
        )
    if arrived <= missed_up_to(now):
        return Skip(
            SkipCause.LATE,
            f"The new file of {noticed} starts no sync: its run began at"
            f" {_minute(now, preferences)},"
            f" more than {GRACE // timedelta(minutes=1)} minutes late.",
        )
    return None


def list_upcoming(preferences: Preferences, now: datetime, count: int) -> tuple[Upcoming, ...]:
    """Return the next `count` syncs after `now`, and between them the pauses that skip slots.

    A pause is one line for all slots that it skips; a pause window that skips no slot is not
    listed. The result has fewer than `count` syncs if the `HORIZON` ends before.
    """
    lines: list[Upcoming] = []
    runs = 0
    pause: PauseWindow | None = None
    for slot in _slots(preferences, now):
        if runs >= count:
            break
        window = _pause_window(preferences, slot.date())
        if window is None:
            lines.append(Upcoming(slot, notes=_notes(preferences, slot.date(), first=not runs)))
            runs += 1
        elif window != pause:
            lines.append(Upcoming(slot, skipped_because=_words(window)))
        pause = window
    return tuple(lines)


def list_days(
    preferences: Preferences, first: date, last: date, *, now: datetime
) -> tuple[CalendarDay, ...]:
    """Return every day from `first` to `last`, both included, with the syncs that are due.

    Slots up to `now` are left out, because the list of runs shows what happened to them.
    """
    now = _utc(now)
    # Slots are those after a moment, and one at midnight belongs to the first day.
    before = datetime.combine(first, time.min, tzinfo=UTC) - datetime.resolution
    upcoming = next_slot(preferences, now)
    slots = takewhile(lambda slot: slot.date() <= last, _slots(preferences, max(now, before)))
    due = {slot.date(): slot for slot in slots}
    return tuple(
        _calendar_day(preferences, day, due.get(day), is_next=due.get(day) == upcoming)
        for day in (first + timedelta(days=n) for n in range((last - first).days + 1))
    )


def _calendar_day(
    preferences: Preferences, day: date, slot: datetime | None, *, is_next: bool
) -> CalendarDay:
    window = _pause_window(preferences, day)
    is_due = slot is not None and window is None
    return CalendarDay(
        day,
        due_at=slot if is_due else None,
        skipped_at=None if is_due else slot,
        pause=None if window is None else _words(window),
        adds_only=_adds_only(preferences, day),
        may_remove=_raised_percent(preferences, day, first=is_due and is_next),
    )


def format_schedule(preferences: Preferences) -> str:
    """Format the schedule of syncs, such as `Mon–Fri at 02:00 UTC`.

    With a time zone of the site, its time stands beside: `(20:00 or 21:00 in Chicago, the day
    before)`.
    """
    if preferences.started_by is StartedBy.NEW_FILE:
        return "When a new file arrives"
    time = format_time(preferences.time_utc, preferences.time_zone, year=_YEAR)
    slots = f"{_days(preferences)} at {time}"
    is_watched = preferences.started_by is StartedBy.BOTH
    return f"{slots}, and when a new file arrives" if is_watched else slots


def format_next(preferences: Preferences, now: datetime, count: int) -> str:
    """Format when the next syncs begin: the next `count` slots, a new file, or both."""
    slots = [_minute(slot, preferences) for slot in islice(next_slots(preferences, now), count)]
    if preferences.started_by is StartedBy.SCHEDULE:
        return ", ".join(slots) or "none"
    window = _pause_window(preferences, _utc(now).date())
    until = "" if window is None else f", after the pause until {window.last_on}"
    return ", ".join([*slots, f"when a new file arrives{until}"])


def _slots(preferences: Preferences, after: datetime) -> Iterator[datetime]:
    """Yield all slots after `after`, including those in pause windows, up to the `HORIZON`."""
    after = _utc(after)
    if preferences.started_by is StartedBy.NEW_FILE:
        return
    first = after.toordinal()
    last = min(first + HORIZON.days, date.max.toordinal())
    # From the day of `after` itself, whose slot may still come.
    for ordinal in range(first, last + 1):
        day = date.fromordinal(ordinal)
        if _WEEK[day.weekday()] not in preferences.days:
            continue
        slot = datetime.combine(day, preferences.time_utc, tzinfo=UTC)
        if slot > after:
            yield slot


def _pause_window(preferences: Preferences, day: date) -> PauseWindow | None:
    """Return the pause window that contains `day`, or None; of several, the one that ends last."""
    covering = (window for window in preferences.pause_windows if window.covers(day))
    return max(covering, key=lambda window: window.last_on, default=None)


def _notes(preferences: Preferences, day: date, *, first: bool) -> tuple[str, ...]:
    """Return notes on what is special about a sync on `day`; `first` is True for the next sync."""
    notes = []
    if _adds_only(preferences, day):
        notes.append(f"only adds, until {preferences.create_only_until}")
    percent = _raised_percent(preferences, day, first=first)
    if percent is not None:
        raised = preferences.guards.raised
        how_long = f"until {raised.until}" if raised and raised.until else "for one run"
        notes.append(f"may remove up to {percent:g} %, {how_long}")
    return tuple(notes)


def _adds_only(preferences: Preferences, day: date) -> bool:
    until = preferences.create_only_until
    return until is not None and day <= until


def _raised_percent(preferences: Preferences, day: date, *, first: bool) -> float | None:
    """Return the percentage of a raised limit on `day`, or None.

    A limit that is raised for a single run applies only to the `first` sync.
    """
    raised = preferences.guards.raised
    if raised is None or not raised.holds_on(day) or (raised.until is None and not first):
        return None
    return raised.percent


def _words(window: PauseWindow) -> str:
    return f"{window.note.strip() or 'paused'} until {window.last_on}"


def _days(preferences: Preferences) -> str:
    """Format the chosen days, with three or more in a row as a range: `Mon–Wed, Sat`."""
    chosen = [_WEEK.index(day) for day in preferences.days]
    if len(chosen) == len(_WEEK):
        return "Every day"
    rows = [[chosen[0]]]
    for before, day in pairwise(chosen):
        if day == before + 1:
            rows[-1].append(day)
        else:
            rows.append([day])
    return ", ".join(_range(row) for row in rows)


def _range(row: list[int]) -> str:
    names = [_WEEK[day].value[:3].capitalize() for day in row]
    if len(names) < _RUN_OF_DAYS:
        return ", ".join(names)
    return f"{names[0]}–{names[-1]}"


def _minute(moment: datetime, preferences: Preferences) -> str:
    return format_moment(moment, preferences.time_zone)


def _utc(moment: datetime) -> datetime:
    """Return `moment` as a plain datetime in UTC.

    Airflow passes pendulum datetimes. `astimezone` keeps that class, and a subtraction then loses
    the time zone, so a new datetime is made.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: give an aware moment")
    utc = moment.astimezone(UTC)
    return datetime.combine(utc.date(), utc.time(), tzinfo=UTC)
