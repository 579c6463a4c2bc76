"""The schedule: the slots that a site's preferences ask for, and which of them are still wanted."""

from __future__ import annotations

import datetime as dt
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneroster_sync.sites.preferences import PauseWindow, Preferences, StartedBy, Weekday
from oneroster_sync.sites.schedule import (
    GRACE,
    HORIZON,
    Skip,
    SkipCause,
    Upcoming,
    format_schedule,
    list_days,
    list_upcoming,
    missed_up_to,
    next_slot,
    next_slots,
    skip_arrival,
    skip_slot,
)
from oneroster_sync.sites.thresholds import Guards, RaisedLimit

WEEK = tuple(Weekday)


def at(text: str) -> datetime:
    """Return an aware UTC time: `at("2026-06-12 02:00")`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def prefers(
    days: tuple[Weekday, ...] = WEEK[:5],
    time: str = "02:00",
    *windows: tuple[str, str, str],
) -> Preferences:
    """Return preferences with `days`, `time` and pause windows of (first day, last day, note)."""
    return Preferences(
        site="default",
        days=days,
        time_utc=dt.time.fromisoformat(time),
        pause_windows=tuple(
            PauseWindow(
                first_on=dt.date.fromisoformat(first),
                last_on=dt.date.fromisoformat(last),
                note=note,
            )
            for first, last, note in windows
        ),
    )


SUMMER = ("2026-06-13", "2026-08-15", "summer break")
WITH_SUMMER = prefers(WEEK[:5], "02:00", SUMMER)


class TestNextSlots:
    """Slots follow the chosen days and time, in UTC, and leave pause windows out."""

    def test_weekdays(self) -> None:
        """After a Friday's slot comes Monday's, if Monday to Friday are chosen."""
        slots = next_slots(prefers(), at("2026-06-05 02:00"))

        assert list(islice(slots, 2)) == [at("2026-06-08 02:00"), at("2026-06-09 02:00")]

    def test_strictly_after(self) -> None:
        """The next slot after a slot is a later one; a microsecond earlier it is this slot."""
        slot = at("2026-06-08 02:00")

        assert next_slot(prefers(), slot) == at("2026-06-09 02:00")
        assert next_slot(prefers(), slot - timedelta(microseconds=1)) == slot

    def test_later_today(self) -> None:
        """Before its time, today's slot is the next one."""
        assert next_slot(prefers(time="17:30"), at("2026-06-08 09:00")) == at("2026-06-08 17:30")

    @pytest.mark.parametrize(
        ("after", "slot"),
        [
            ("2026-04-30 02:00", "2026-05-01 02:00"),
            ("2026-12-31 02:00", "2027-01-01 02:00"),
            ("2028-02-28 02:00", "2028-02-29 02:00"),
            ("2027-02-28 02:00", "2027-03-01 02:00"),
        ],
        ids=["month ends", "year ends", "leap day", "no leap day"],
    )
    def test_calendar(self, after: str, slot: str) -> None:
        """Ends of months and years and leap days are ordinary days."""
        assert next_slot(prefers(WEEK), at(after)) == at(slot)

    @pytest.mark.case("b29")
    def test_no_daylight_saving(self) -> None:
        """The hour that New York's clocks skip on 8 March 2026 has a slot, a day after the last."""
        slots = list(islice(next_slots(prefers(WEEK, "07:30"), at("2026-03-07 00:00")), 3))

        assert {b - a for a, b in pairwise(slots)} == {timedelta(days=1)}

    def test_another_zone(self) -> None:
        """A time in another zone means the same instant; the answer is in UTC."""
        eastern = dt.timezone(timedelta(hours=-5))

        slot = next_slot(prefers(WEEK), datetime(2026, 6, 7, 20, 59, tzinfo=eastern))

        assert slot == at("2026-06-08 02:00")
        assert slot.tzinfo is UTC

    def test_naive_moment(self) -> None:
        """A time without a zone is refused, since it could mean any."""
        with pytest.raises(ValueError, match="no time zone"):
            next_slot(prefers(), datetime(2026, 6, 8, 2))

    def test_pause_window(self) -> None:
        """The first and last day of the summer break are paused; the next slot is on a Monday."""
        slots = list(islice(next_slots(WITH_SUMMER, at("2026-06-11 02:00")), 2))

        assert slots == [at("2026-06-12 02:00"), at("2026-08-17 02:00")]

    def test_touching_and_overlapping_windows(self) -> None:
        """Windows that touch or overlap are skipped as one."""
        preferences = prefers(
            WEEK,
            "02:00",
            ("2026-06-01", "2026-06-10", "a"),
            ("2026-06-05", "2026-06-20", "b"),
            ("2026-06-21", "2026-06-30", "c"),
        )

        assert next_slot(preferences, at("2026-05-31 12:00")) == at("2026-07-01 02:00")

    def test_pause_without_end(self) -> None:
        """A pause of a hundred years means no next slot, and the search ends."""
        preferences = prefers(WEEK, "02:00", ("2026-01-01", "2126-01-01", "closed"))

        assert next_slot(preferences, at("2026-06-01 00:00")) is None

    def test_end_of_the_calendar(self) -> None:
        """The last representable day has the last slot, without an error."""
        assert list(next_slots(prefers(WEEK), at("9999-12-30 12:00"))) == [at("9999-12-31 02:00")]


MOMENTS = st.datetimes(
    min_value=datetime(1990, 1, 1),
    max_value=datetime(2100, 1, 1),
    timezones=st.just(UTC),
)


@st.composite
def any_preferences(draw: st.DrawFn, near: datetime) -> Preferences:
    """Draw days, a time and up to four pause windows that begin within 60 days of `near`."""
    windows = []
    for _ in range(draw(st.integers(0, 4))):
        first = near.date() + timedelta(days=draw(st.integers(-60, 60)))
        last = first + timedelta(days=draw(st.integers(0, 90)))
        windows.append(PauseWindow(first_on=first, last_on=last))
    return Preferences(
        site="default",
        days=tuple(draw(st.sets(st.sampled_from(WEEK), min_size=1))),
        time_utc=dt.time(draw(st.integers(0, 23)), draw(st.integers(0, 59))),
        pause_windows=tuple(windows),
    )


@pytest.mark.case("b29")
@given(data=st.data(), after=MOMENTS)
def test_slots_follow_the_preferences(data: st.DataObject, after: datetime) -> None:
    """Slots are on chosen days at the chosen time, in no window, in order, and complete.

    Completeness is checked from the other side: every minute of the calendar that meets the three
    conditions, up to the last slot yielded, is among the slots.
    """
    preferences = data.draw(any_preferences(after))

    slots = list(islice(next_slots(preferences, after), 12))

    expected = []
    day = after.date()
    while day <= slots[-1].date():
        moment = datetime.combine(day, preferences.time_utc, tzinfo=UTC)
        paused = any(window.covers(day) for window in preferences.pause_windows)
        if moment > after and WEEK[day.weekday()] in preferences.days and not paused:
            expected.append(moment)
        day += timedelta(days=1)
    assert slots == expected
    assert all(before < slot for before, slot in pairwise([after, *slots]))


@given(data=st.data(), after=MOMENTS)
def test_slots_are_wanted_and_listed(data: st.DataObject, after: datetime) -> None:
    """A yielded slot is wanted at its time, and the list of upcoming slots shows it."""
    preferences = data.draw(any_preferences(after))

    slots = list(islice(next_slots(preferences, after), 4))
    lines = list_upcoming(preferences, after, 4)

    assert [skip_slot(preferences, slot, now=slot) for slot in slots] == [None] * 4
    assert [line.slot for line in lines if line.skipped_because is None] == slots
    for line in lines:
        if line.skipped_because is not None:
            skip = skip_slot(preferences, line.slot, now=line.slot)
            assert skip is not None
            assert line.skipped_because in skip.reason


@given(data=st.data(), after=MOMENTS, ahead=st.integers(-40, 400), length=st.integers(0, 60))
def test_calendar_has_the_slots_of_the_timetable(
    data: st.DataObject, after: datetime, ahead: int, length: int
) -> None:
    """Each day of a calendar has its wanted or skipped slot, and past days have none."""
    preferences = data.draw(any_preferences(after))
    first = after.date() + timedelta(days=ahead)
    last = first + timedelta(days=length)

    days = list_days(preferences, first, last, now=after)

    assert [day.day for day in days] == [first + timedelta(days=n) for n in range(length + 1)]
    wanted = takewhile(lambda slot: slot.date() <= last, next_slots(preferences, after))
    due = [slot for slot in wanted if slot.date() >= first]
    assert [day.due_at for day in days if day.due_at] == due
    for day in days:
        if day.skipped_at is not None:
            skip = skip_slot(preferences, day.skipped_at, now=day.skipped_at)
            assert skip is not None
            assert day.pause is not None
            assert day.pause in skip.reason
        is_paused = any(window.covers(day.day) for window in preferences.pause_windows)
        assert (day.pause is not None) is is_paused


def test_calendar_shows_a_pause_half_a_year_ahead() -> None:
    """A pause that is planned half a year ahead shows on each of its days, weekends included."""
    days = list_days(
        WITH_SUMMER, dt.date(2026, 6, 1), dt.date(2026, 6, 30), now=at("2025-11-30 12:00")
    )
    paused = [day for day in days if day.pause]
    assert [paused[0].day.day, paused[-1].day.day, len(paused)] == [13, 30, 18]
    assert {day.pause for day in paused} == {"summer break until 2026-08-15"}
    assert [day.day.day for day in days if day.due_at] == [1, 2, 3, 4, 5, 8, 9, 10, 11, 12]
    assert sum(day.skipped_at is not None for day in paused) == 12


def test_calendar_shows_rollover_and_raised_thresholds() -> None:
    """A threshold that is raised for one run shows for the next run only."""
    raised = RaisedLimit(percent=50)
    chosen = prefers().model_copy(
        update={"create_only_until": dt.date(2026, 6, 3), "guards": Guards(raised=raised)}
    )
    first, last, now = dt.date(2026, 6, 1), dt.date(2026, 6, 5), at("2026-06-01 12:00")
    days = list_days(chosen, first, last, now=now)
    assert [day.due_at is not None for day in days] == [False, True, True, True, True]
    assert [day.adds_only for day in days] == [True, True, True, False, False]
    assert [day.may_remove for day in days] == [None, 50, None, None, None]
    until = raised.model_copy(update={"until": dt.date(2026, 6, 3)})
    days = list_days(
        chosen.model_copy(update={"guards": Guards(raised=until)}), first, last, now=now
    )
    assert [day.may_remove for day in days] == [50, 50, 50, None, None]


class TestSkipSlot:
    """A run that Airflow started checks again whether its slot is still wanted."""

    @pytest.mark.parametrize("late", [timedelta(), timedelta(minutes=4), GRACE])
    def test_in_time(self, late: timedelta) -> None:
        """A run that began up to five minutes after its slot goes ahead."""
        slot = at("2026-06-08 02:00")

        assert skip_slot(prefers(), slot, now=slot + late) is None

    @pytest.mark.case("b24")
    def test_late(self) -> None:
        """A run that began six minutes after its slot is skipped, with the delay in its reason."""
        skip = skip_slot(prefers(), at("2026-06-08 02:00"), now=at("2026-06-08 02:06"))

        assert skip == Skip(
            SkipCause.LATE,
            "The sync of 2026-06-08 02:00 UTC is skipped: its run began at"
            " 2026-06-08 02:06 UTC, more than 5 minutes late.",
        )

    def test_paused_since(self) -> None:
        """A pause window that is saved after a run's creation stops it, with its note and end."""
        skip = skip_slot(WITH_SUMMER, at("2026-06-15 02:00"), now=at("2026-06-15 02:00"))

        assert skip == Skip(
            SkipCause.PAUSED,
            "The sync of 2026-06-15 02:00 UTC is skipped: summer break until 2026-08-15.",
        )

    def test_paused_without_note(self) -> None:
        """A window without a note is called a pause; of two windows, the later end is named."""
        preferences = prefers(
            WEEK, "02:00", ("2026-06-01", "2026-06-30", ""), ("2026-06-05", "2026-06-10", "fair")
        )

        skip = skip_slot(preferences, at("2026-06-08 02:00"), now=at("2026-06-08 02:00"))

        assert skip is not None
        assert skip.reason.endswith("is skipped: paused until 2026-06-30.")

    @pytest.mark.parametrize(
        "preferences",
        [prefers(time="03:00"), prefers((Weekday.SUNDAY,))],
        ids=["another time", "another day"],
    )
    def test_changed_since(self, preferences: Preferences) -> None:
        """A run is skipped if the saved preferences no longer have its slot."""
        skip = skip_slot(preferences, at("2026-06-08 02:00"), now=at("2026-06-08 02:00"))

        assert skip is not None
        assert skip.cause is SkipCause.CHANGED
        assert format_schedule(preferences) in skip.reason

    def test_unpaused_after_the_summer(self) -> None:
        """A run of June that begins in August names the break, not its lateness."""
        skip = skip_slot(WITH_SUMMER, at("2026-06-15 02:00"), now=at("2026-08-16 09:00"))

        assert skip is not None
        assert skip.cause is SkipCause.PAUSED

    def test_airflow_moment(self) -> None:
        """The logical date of a task's context, a pendulum time, is a slot like any other."""
        slot = pendulum.datetime(2026, 6, 8, 2, tz="UTC")

        assert skip_slot(prefers(), slot, now=slot) is None

    def test_naive_moment(self) -> None:
        """A time without a zone is refused."""
        with pytest.raises(ValueError, match="no time zone"):
            skip_slot(prefers(), at("2026-06-08 02:00"), now=datetime.min)  # noqa: DTZ901

    @given(late=st.timedeltas(min_value=timedelta(), max_value=timedelta(hours=1)))
    def test_lateness_has_one_meaning(self, late: timedelta) -> None:
        """`missed_up_to`, which chooses the next run, has the same grace as `skip_slot`."""
        slot = at("2026-06-08 02:00")
        now = slot + late

        assert (skip_slot(prefers(), slot, now=now) is None) == (
            next_slot(prefers(), missed_up_to(now)) == slot
        )


class TestUpcoming:
    """The list of upcoming slots for the page."""

    def test_syncs_and_pauses(self) -> None:
        """The summer break is one line between the syncs before and after it."""
        assert list_upcoming(WITH_SUMMER, at("2026-06-10 12:00"), 3) == (
            Upcoming(at("2026-06-11 02:00")),
            Upcoming(at("2026-06-12 02:00")),
            Upcoming(at("2026-06-15 02:00"), skipped_because="summer break until 2026-08-15"),
            Upcoming(at("2026-08-17 02:00")),
        )

    def test_window_on_days_without_slots(self) -> None:
        """A window over a weekend without slots skips nothing and is not listed."""
        preferences = prefers(WEEK[:5], "02:00", ("2026-06-13", "2026-06-14", "move"))

        lines = list_upcoming(preferences, at("2026-06-12 12:00"), 1)

        assert lines == (Upcoming(at("2026-06-15 02:00")),)

    def test_pause_without_end(self) -> None:
        """A pause of a hundred years is one line, and the list ends with it."""
        preferences = prefers(WEEK, "02:00", ("2026-06-03", "2126-01-01", "closed"))

        assert list_upcoming(preferences, at("2026-06-01 12:00"), 5) == (
            Upcoming(at("2026-06-02 02:00")),
            Upcoming(at("2026-06-03 02:00"), skipped_because="closed until 2126-01-01"),
        )

    def test_nothing_asked(self) -> None:
        """A list of no syncs is empty."""
        assert list_upcoming(prefers(), at("2026-06-01 12:00"), 0) == ()


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (WEEK, "Every day at 02:05 UTC"),
        (WEEK[:5], "Mon–Fri at 02:05 UTC"),
        (WEEK[5:], "Sat, Sun at 02:05 UTC"),
        ((WEEK[0],), "Mon at 02:05 UTC"),
        ((WEEK[0], WEEK[2], WEEK[4]), "Mon, Wed, Fri at 02:05 UTC"),
        ((*WEEK[:3], *WEEK[4:]), "Mon–Wed, Fri–Sun at 02:05 UTC"),
    ],
)
def test_summary(days: tuple[Weekday, ...], words: str) -> None:
    """Three or more days in a row are written as a range, fewer as a list."""
    assert format_schedule(prefers(days, "02:05")) == words


def test_horizon_is_the_documented_ten_years() -> None:
    """A pause just short of ten years still has a next slot."""
    now = at("2026-01-01 00:00")
    last_on = (now + HORIZON - timedelta(days=1)).date().isoformat()

    assert next_slot(prefers(WEEK, "02:00", ("2026-01-01", last_on, "")), now) is not None


def started_by(what: StartedBy) -> Preferences:
    """Return preferences with a pause in summer and this way to start syncs."""
    return WITH_SUMMER.model_copy(update={"started_by": what})


def test_a_new_file_in_place_of_the_schedule_leaves_no_slots() -> None:
    """No slot is due, none is listed, and a slot of an earlier schedule is skipped."""
    preferences = started_by(StartedBy.NEW_FILE)
    assert next_slot(preferences, at("2026-06-08 00:00")) is None
    assert list_upcoming(preferences, at("2026-06-08 00:00"), 5) == ()
    skip = skip_slot(preferences, at("2026-06-08 02:00"), now=at("2026-06-08 02:00"))
    assert skip is not None
    assert skip.cause is SkipCause.CHANGED
    assert "it is now: When a new file arrives" in skip.reason


def test_a_new_file_beside_the_schedule_leaves_it_as_it_is() -> None:
    """With both, every slot of the schedule stays due."""
    preferences, after = started_by(StartedBy.BOTH), at("2026-06-08 00:00")
    assert next_slot(preferences, after) == next_slot(WITH_SUMMER, after)
    assert format_schedule(preferences).endswith("at 02:00 UTC, and when a new file arrives")


@pytest.mark.parametrize(
    ("what", "arrived", "now", "cause"),
    [
        (StartedBy.NEW_FILE, "2026-06-08 11:00", "2026-06-08 11:01", None),
        (StartedBy.BOTH, "2026-06-08 11:00", "2026-06-08 11:05", None),
        (StartedBy.BOTH, "2026-06-08 11:00", "2026-06-08 11:06", SkipCause.LATE),
        (StartedBy.BOTH, "2026-06-12 23:59", "2026-06-13 00:01", SkipCause.PAUSED),
        (StartedBy.NEW_FILE, "2026-06-20 11:00", "2026-06-20 11:00", SkipCause.PAUSED),
        (StartedBy.SCHEDULE, "2026-06-08 11:00", "2026-06-08 11:00", SkipCause.CHANGED),
    ],
)
def test_run_of_a_new_file_is_checked_like_a_scheduled_one(
    what: StartedBy, arrived: str, now: str, cause: SkipCause | None
) -> None:
    """A run is skipped in a pause, when new files start no syncs any more, and when it is late."""
    skip = skip_arrival(started_by(what), at(arrived), now=at(now))
    assert (skip.cause if skip else None) is cause
