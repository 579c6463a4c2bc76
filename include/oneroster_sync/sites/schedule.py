"""When a site's scheduled syncs are due, computed from its preferences alone.

A **slot** is a moment at which the preferences ask for a sync: one of the chosen days, at the
chosen time. Days and times are UTC by contract, so a slot knows no daylight saving.

Nothing here reads a clock or a database: the moment is an argument. Every moment given must be
aware (a naive one is a `ValueError`), every moment returned is aware UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

from oneroster_sync.sites.preferences import StartedBy, Weekday

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneroster_sync.sites.preferences import PauseWindow, Preferences

GRACE = timedelta(minutes=5)
"""How late a scheduled sync may begin. A slot missed by more is skipped, never caught up with.

It bridges what delays a healthy scheduler (a restart, a database that is away for a moment) and
must stay well above the seconds between two readings of the preferences by Airflow.
"""

HORIZON = timedelta(days=3653)
"""How far ahead slots are looked for, ten years: whoever pauses longer has no next sync."""

_WEEK = tuple(Weekday)
_RUN_OF_DAYS = 3
"""From so many consecutive days on, a range (Mon–Wed) reads better than a list."""


class SkipCause(StrEnum):
    """Why a slot is not run."""

    PAUSED = "paused"
    """Its day lies in a pause window."""
    CHANGED = "changed"
    """The preferences were changed and no longer ask for it."""
    LATE = "late"
    """It was missed by more than `GRACE`."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A slot's refusal; `reason` is a sentence for the person who reads the run."""

    cause: SkipCause
    reason: str


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A line of the list of what comes next: a sync, or a pause in which there is none.

    Without `skipped_because` a sync is due at `slot`, and `notes` say in words what is otherwise
    than always. With it, `slot` is the first of the slots which that pause window skips.
    """

    slot: datetime
    skipped_because: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day of the calendar: the sync that is due on it, and what else counts on it.

    Attributes:
        day: In UTC.
        due_at: When a sync is due.
        skipped_at: When a sync would be due if the day were in no pause window.
        pause: The words of the pause window that covers the day, sync or not.
        adds_only: Whether a sync of this day only adds.
        may_remove: The percentage of a raised limit that counts for the sync of this day.
    """

    day: date
    due_at: datetime | None = None
    skipped_at: datetime | None = None
    pause: str | None = None
    adds_only: bool = False
    may_remove: float | None = None


def next_slots(preferences: Preferences, after: datetime) -> Iterator[datetime]:
    """Yield the slots strictly after `after`, pause windows left out, up to the `HORIZON`."""
    for slot in _slots(preferences, after):
        if _pause_window(preferences, slot.date()) is None:
            yield slot


def next_slot(preferences: Preferences, after: datetime) -> datetime | None:
    """Return the first of `next_slots`, or None when a pause outlasts the `HORIZON`."""
    return next(next_slots(preferences, after), None)


def missed_up_to(now: datetime) -> datetime:
    """Return the moment up to which, itself included, a slot not run is missed at `now`."""
    return _utc(now) - GRACE - datetime.resolution


def skip_slot(preferences: Preferences, slot: datetime, *, now: datetime) -> Skip | None:
    """Tell why a scheduled run for `slot` is no longer wanted at `now`, or None if it is.

    `now` is the moment at which the run began, not that of a retry: a run which began in time
    stays wanted. A pause window is named before a changed schedule, that before a late start.
    """
    slot, now = _utc(slot), _utc(now)
    if window := _pause_window(preferences, slot.date()):
        return Skip(
            SkipCause.PAUSED,
            f"The sync of {_minute(slot)} is skipped: {_words(window)}.",
        )
    is_slot = slot.time() == preferences.time_utc and _WEEK[slot.weekday()] in preferences.days
    if not is_slot or preferences.started_by is StartedBy.NEW_FILE:
        return Skip(
            SkipCause.CHANGED,
            f"The sync of {_minute(slot)} is skipped: the schedule was changed,"
            f" it is now: {format_schedule(preferences)}.",
        )
    if slot <= missed_up_to(now):
        return Skip(
            SkipCause.LATE,
            f"The sync of {_minute(slot)} is skipped: its run began at {_minute(now)},"
            f" more than {GRACE // timedelta(minutes=1)} minutes late.",
        )
    return None


def skip_arrival(preferences: Preferences, arrived: datetime, *, now: datetime) -> Skip | None:
    """Tell why a run that a new file started is not wanted at `now`, or None if it is.

    It is asked what a scheduled one is asked. `arrived` is when the newest file was noticed, and
    `now` the moment at which the run began.
    """
    arrived, now = _utc(arrived), _utc(now)
    if window := _pause_window(preferences, now.date()):
        return Skip(
            SkipCause.PAUSED,
            f"The new file of {_minute(arrived)} starts no sync: {_words(window)}.",
        )
    if preferences.started_by is StartedBy.SCHEDULE:
        return Skip(
            SkipCause.CHANGED,
            f"The new file of {_minute(arrived)} starts no sync: the schedule was changed,"
            f" it is now: {format_schedule(preferences)}.",
        )
    if arrived <= missed_up_to(now):
        return Skip(
            SkipCause.LATE,
            f"The new file of {_minute(arrived)} starts no sync: its run began at {_minute(now)},"
            f" more than {GRACE // timedelta(minutes=1)} minutes late.",
        )
    return None


def list_upcoming(preferences: Preferences, now: datetime, count: int) -> tuple[Upcoming, ...]:
    """Return the next `count` syncs after `now`, and between them the pauses that skip slots.

    A pause is one line, however many slots it skips; a pause window that skips no slot is not
    listed. Fewer than `count` syncs are listed when a pause outlasts the `HORIZON`.
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
    """Return every day from `first` to `last`, both included, by the rules of the timetable.

    Slots up to `now` are past: what became of them stands in the list of runs.
    """
    now = _utc(now)
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
    """Say in a few words when syncs run, such as `Mon–Fri at 02:00 UTC`."""
    if preferences.started_by is StartedBy.NEW_FILE:
        return "When a new file arrives"
    slots = f"{_days(preferences)} at {preferences.time_utc:%H:%M} UTC"
    is_watched = preferences.started_by is StartedBy.BOTH
    return f"{slots}, and when a new file arrives" if is_watched else slots


def _slots(preferences: Preferences, after: datetime) -> Iterator[datetime]:
    """Yield every slot strictly after `after`, those in pause windows too, up to the `HORIZON`."""
    after = _utc(after)
    if preferences.started_by is StartedBy.NEW_FILE:
        return
    first = after.toordinal()
    last = min(first + HORIZON.days, date.max.toordinal())
    for ordinal in range(first, last + 1):
        day = date.fromordinal(ordinal)
        if _WEEK[day.weekday()] not in preferences.days:
            continue
        slot = datetime.combine(day, preferences.time_utc, tzinfo=UTC)
        if slot > after:
            yield slot


def _pause_window(preferences: Preferences, day: date) -> PauseWindow | None:
    """Return the pause window that covers `day`; of several, the one that ends last."""
    covering = (window for window in preferences.pause_windows if window.covers(day))
    return max(covering, key=lambda window: window.last_on, default=None)


def _notes(preferences: Preferences, day: date, *, first: bool) -> tuple[str, ...]:
    """Say what counts for a sync on `day` and not for every other; `first` is the next of all."""
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
    """Return what a raised limit lets pass on `day`; for a single run it counts for the `first`."""
    raised = preferences.guards.raised
    if raised is None or not raised.holds_on(day) or (raised.until is None and not first):
        return None
    return raised.percent


def _words(window: PauseWindow) -> str:
    return f"{window.note.strip() or 'paused'} until {window.last_on}"


def _days(preferences: Preferences) -> str:
    """Name the chosen days, three or more in a row as a range: `Mon–Wed, Sat`."""
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


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _utc(moment: datetime) -> datetime:
    """Return `moment` as a plain datetime in UTC.

    Airflow's moments are pendulum's: brought to this UTC, they lose the zone in a subtraction.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: give an aware moment")
    utc = moment.astimezone(UTC)
    return datetime.combine(utc.date(), utc.time(), tzinfo=UTC)
