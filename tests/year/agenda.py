"""Two calendars: a whole school year with all events, and four weeks of an autumn.

A day is that of the slot, in the night; an event happens in the evening of its day.
"""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING

from district import bulk_package, write_lone_csv
from oneroster_sync.runs import Outcome
from oneroster_sync.sites.preferences import PauseWindow, Weekday
from oneroster_sync.sites.thresholds import Guards
from oneroster_sync.standard.kinds import Kind
from year import mishaps
from year.entries import TAKEN, Agenda, Desk, Mishap
from year.office import NEW_CATALOG, NEW_SIS, NEW_YEAR, YEAR_ENDS
from year.simulation import BAD_DAYS
from year.sis import Sis
from year.truth import make_truth, plan_year

if TYPE_CHECKING:
    from collections.abc import Callable

    from district import District, Package
    from year.simulation import Simulation

EVERY_DAY = tuple(Weekday)[:5]
EVERY_OTHER_DAY = (Weekday.MONDAY, Weekday.WEDNESDAY, Weekday.FRIDAY)
HELD, REJECTED = frozenset({Outcome.HELD}), frozenset({Outcome.REJECTED})
REMOVALS = frozenset({"guard.removals", "guard.school_removals"})
SHIFT = frozenset({"guard.identity_shift"})
_LEAVERS = 8


def day(month: int, number: int) -> dt.date:
    """Return a day of the school year 2026–27, which begins in September."""
    return dt.date(2026 if month >= 9 else 2027, month, number)


# Mishaps


def spoilt(
    spoil: Callable[[Package, random.Random], Package],
) -> Callable[[Simulation, District], None]:
    """Deliver the day's package after a change by `spoil`."""

    def deliver(sim: Simulation, district: District) -> None:
        sim.put(spoil(bulk_package(district, sim.sis.version), sim.rng))

    return deliver


def cut_off(sim: Simulation, district: District) -> None:
    """Deliver the beginning of a zip."""
    path = sim.put(bulk_package(district, sim.sis.version))
    sim.doors.put(path.name, mishaps.half_of(path.read_bytes(), sim.rng))


def nothing(sim: Simulation, _district: District) -> None:
    """Deliver nothing, and remove the last package."""
    if "last package" not in sim.remembered:
        sim.remembered["last package"] = sim.doors.empty()


def the_old_one(sim: Simulation, _district: District) -> None:
    """Put the last package back."""
    sim.doors.put(*sim.remembered["last package"])


def without_a_school(sim: Simulation, district: District) -> None:
    """Deliver a package without the smallest school."""
    sizes = {
        org.sourced_id: sum(user.orgs == (org.sourced_id,) for user in district.staff())
        for org in district.orgs.values()
        if org.type == "school"
    }
    school = min(sizes, key=lambda one: sizes[one])
    sim.put(bulk_package(mishaps.without_school(district, school), sim.sis.version))


def of_last_year(sim: Simulation, _district: District) -> None:
    """Deliver the last package of the year before."""
    sim.put(bulk_package(sim.last_year, "1.1"))


def of_next_year(sim: Simulation, _district: District) -> None:
    """Deliver the next year's classes months before it begins."""
    sim.sis.year = 2027
    sim.put(bulk_package(sim.sis.export(day(8, 1)), sim.sis.version))
    sim.sis.year = 2026


def of_another_district(sim: Simulation, _district: District) -> None:
    """Deliver another district's package; half the time its sourcedIds start from 1 too."""
    rng = random.Random(sim.rng.random())
    name = rng.choice(("", "elsewhere"))
    sim.put(bulk_package(Sis(make_truth(rng), name, "1.1").export(sim.doors.now.date()), "1.1"))


TRUNCATED = Mishap(
    "truncated users.csv", spoilt(mishaps.truncated), HELD, frozenset({"guard.removals"})
)
HALF_A_ZIP = Mishap("half a zip", cut_off, REJECTED, frozenset({"zip.invalid_archive"}))
EMPTY = Mishap(
    "header-only users.csv", spoilt(mishaps.header_only), HELD, frozenset({"guard.empty_file"})
)
NOBODY_LOOKS = Mishap(EMPTY.name, EMPTY.deliver, HELD, EMPTY.codes, desk=Desk.NOBODY)
MISTYPED = Mishap(
    "mistyped e-mail addresses",
    spoilt(mishaps.mistyped_addresses),
    HELD,
    frozenset({"guard.error_rate"}),
)
OTHER_DISTRICT = Mishap(
    "another district's package",
    of_another_district,
    HELD,
    frozenset({"guard.wrong_source", "guard.updates"}),
)
OTHER_YEAR = frozenset({"guard.other_year"})
LAST_YEAR = Mishap("last year's package", of_last_year, HELD, OTHER_YEAR)
NEXT_YEAR = Mishap("next year's package, too early", of_next_year, HELD, OTHER_YEAR)
SCHOOL_MISSING = Mishap("school missing", without_a_school, HELD, REMOVALS)
SCHOOL_MISSING_AND_NOBODY = Mishap(
    "school missing", without_a_school, HELD, REMOVALS, desk=Desk.NOBODY
)
SCHOOL_MISSING_AND_APPROVED = Mishap(
    "school missing", without_a_school, HELD, REMOVALS, desk=Desk.MISTAKEN
)
SCHOOL_STILL_MISSING = Mishap("school missing", without_a_school, TAKEN)
SCHOOL_MISSING_AND_WAITING = Mishap("school missing", without_a_school, TAKEN, waits=REMOVALS)
NO_PACKAGE = Mishap("no package", nothing, frozenset({Outcome.FAILED}))
OLD_PACKAGE = Mishap(
    "the old package again",
    the_old_one,
    frozenset({Outcome.NO_CHANGES, Outcome.SUCCEEDED_WITH_ERRORS}),
)


# Events


def they_swap_and_marry(sim: Simulation, _today: dt.date) -> None:
    """Two people swap e-mails, and one marries."""
    one, other, third = sim.rng.sample(sim.life.movable(), 3)
    sim.life.swap(one, other)
    sim.life.marry(third)


def two_leave(sim: Simulation, today: dt.date) -> None:
    """Two people leave who will return later."""
    two = sim.rng.sample(sim.life.movable(), 2)
    sim.remembered["returnees"] = [person.number for person in two]
    for person in two:
        sim.life.leave(person, today)


def one_returns(sim: Simulation, today: dt.date) -> None:
    """One of the two returns, with the old record."""
    sim.life.come_back(sim.remembered["returnees"].pop(), today)


def one_returns_as_another(sim: Simulation, today: dt.date) -> None:
    """The other returns, with a new record."""
    number = sim.remembered["returnees"].pop()
    sim.sis.open_another_file(number)
    sim.life.come_back(number, today)


def new_ids_every_night(sim: Simulation, _today: dt.date) -> None:
    """The SIS starts or stops to renumber enrollments every night."""
    sim.sis.nightly = not sim.sis.nightly


def every_other_day(sim: Simulation, _today: dt.date) -> None:
    """The site syncs three days a week, later in the night."""
    sim.doors.save(days=EVERY_OTHER_DAY, time_utc=dt.time(4, 30))


def every_day(sim: Simulation, _today: dt.date) -> None:
    """The site syncs on all working days again."""
    sim.doors.save(days=EVERY_DAY)


def no_bad_rows(sim: Simulation, _today: dt.date) -> None:
    """The SIS makes no errors for a while."""
    sim.share_of_bad_days = 0


def bad_rows(sim: Simulation, _today: dt.date) -> None:
    """The SIS makes errors as before."""
    sim.share_of_bad_days = BAD_DAYS


def deltas(sim: Simulation, _today: dt.date) -> None:
    """The SIS starts or stops to send deltas.

    From then on each sync lists the source itself, and so does the last one before.
    """
    if not sim.deltas:
        sim.doors.scheduled(by_itself=True)
    sim.deltas = not sim.deltas


def a_school_closes(sim: Simulation, today: dt.date) -> None:
    """A school closes as announced."""
    sim.life.close(3, today)


def another_sis(sim: Simulation, today: dt.date) -> None:
    """The district gets another SIS, with other sourcedIds and version 1.2."""
    sim.life.news.announce(today, NEW_SIS)
    sim.change_sis("new SIS", "1.2")


def removals_wait(sim: Simulation, _today: dt.date) -> None:
    """From now on removals over a threshold are held while the rest is applied."""
    sim.doors.save(guards=Guards(removals_wait=True))


def somebody_comes(sim: Simulation, today: dt.date) -> None:
    """A new person starts in the largest school."""
    sim.life.come(0, today)


def next_year_is_planned(sim: Simulation, _today: dt.date) -> None:
    """The teachers of next year's classes are planned."""
    plan_year(sim.life.truth, sim.rng, 2027)


def school_year_ends(sim: Simulation, today: dt.date) -> None:
    """Half the time the SIS keeps the classes of the ended year until the next one begins."""
    sim.life.news.announce(today, YEAR_ENDS)
    sim.sis.keeps_ended = sim.rng.random() < 0.5


def summer_leavers(sim: Simulation, today: dt.date) -> None:
    """Some people leave at the end of the school year."""
    for person in sim.rng.sample(sim.life.movable(), _LEAVERS):
        sim.life.leave(person, today)


def rollover(sim: Simulation, today: dt.date) -> None:
    """The SIS shows the next school year with new sourcedIds of classes; new people start.

    Half the time the courses get new sourcedIds too.
    """
    sim.doors.save(days=EVERY_DAY, create_only_until=day(8, 17))
    sim.sis.year, sim.sis.keeps_ended = 2027, False
    if sim.rng.random() < 0.5:
        sim.sis.number_courses_anew()
        sim.life.news.announce(today, NEW_CATALOG)
    for _ in range(_LEAVERS):
        sim.life.come(sim.rng.choice(list(sim.life.truth.schools)), today)


def school_begins(sim: Simulation, today: dt.date) -> None:
    """The office knows that the new year's package is valid from now on."""
    sim.life.news.announce(today, NEW_YEAR)


# At noon


def users_alone(sim: Simulation, today: dt.date) -> None:
    """Upload a users.csv with a person who starts today, before the night."""
    sim.life.come(1, today)
    district = sim.sis.export(today)
    folder = sim.doors.site.folder / "upload"
    run = sim.doors.upload(
        write_lone_csv(bulk_package(district, sim.sis.version), "users", folder), Kind.USERS
    )
    counts = run.counts or {}
    wrong = [line for line in sim.watch.differences(district) if line.startswith("user ")]
    if run.outcome is not Outcome.SUCCEEDED or any(counts["assignments"].values()):
        wrong.append(f"the upload ended {run.outcome}, {counts}")
    sim.note(wrong, today)


def remember_the_mistake(sim: Simulation, _today: dt.date) -> None:
    """Store the id of the run that was approved by mistake."""
    query = "select run_id::text from runs where site = :site and decision = 'approved' "
    query += "order by decided_at desc limit 1"
    sim.remembered["mistake"] = sim.doors.site.rows(query)[0][0]


def take_it_back(sim: Simulation, today: dt.date) -> None:
    """Undo what was approved by mistake.

    A person who is not restored was named by the undo, or was added by the undone run. They and
    their assignments wait for the next good package.
    """
    blamed, mistake = sim.watch.people_excused(), sim.remembered["mistake"]
    run, left = sim.doors.undo(mistake)
    sim.watch.excuse(today)
    still = sim.watch.people_excused()
    ids = {line.removeprefix("user ") for line in left} | sim.doors.came_with(mistake)
    if run.outcome is not Outcome.SUCCEEDED or still - {sim.sis.people.get(id_) for id_ in ids}:
        sim.note([f"undo ended {run.outcome} and left {sorted(still)}, named {left}"], today)
    sim.tally.put_back += len(blamed - still)


YEAR = Agenda(
    first_on=day(9, 1),
    last_on=day(8, 31),
    settings={
        "days": EVERY_DAY,
        "pause_windows": (
            PauseWindow(first_on=day(7, 1), last_on=day(7, 31), note="summer break"),
        ),
    },
    happens={
        day(10, 6): (they_swap_and_marry,),
        day(10, 8): (two_leave,),
        day(11, 1): (new_ids_every_night,),
        day(11, 11): (no_bad_rows,),
        day(11, 29): (bad_rows,),
        day(11, 30): (new_ids_every_night,),
        day(12, 31): (every_other_day,),
        day(1, 17): (no_bad_rows,),
        day(1, 24): (deltas,),
        day(2, 2): (one_returns,),
        day(2, 14): (deltas, bad_rows),
        day(2, 28): (a_school_closes,),
        day(3, 2): (one_returns_as_another,),
        day(4, 4): (another_sis,),
        day(4, 20): (removals_wait,),
        day(4, 27): (somebody_comes,),
        day(5, 1): (next_year_is_planned,),
        day(5, 25): (they_swap_and_marry,),
        day(6, 11): (school_year_ends,),
        day(6, 30): (summer_leavers,),
        day(8, 1): (rollover,),
        day(8, 17): (school_begins,),
        day(8, 26): (no_bad_rows,),
    },
    mishaps={
        day(9, 16): TRUNCATED,
        day(9, 24): HALF_A_ZIP,
        day(10, 2): NOBODY_LOOKS,
        day(10, 14): OTHER_DISTRICT,
        day(10, 27): SCHOOL_MISSING_AND_NOBODY,
        day(10, 28): SCHOOL_MISSING,
        day(11, 3): LAST_YEAR,
        **{day(11, number): NO_PACKAGE for number in range(16, 21)},
        **{day(11, number): OLD_PACKAGE for number in range(23, 28)},
        day(1, 20): MISTYPED,
        day(3, 17): SCHOOL_MISSING_AND_APPROVED,
        day(3, 19): SCHOOL_STILL_MISSING,
        day(4, 28): SCHOOL_MISSING_AND_WAITING,
        day(5, 12): NEXT_YEAR,
        day(5, 19): EMPTY,
        day(8, 24): TRUNCATED,
    },
    afterwards={
        day(10, 20): (users_alone,),
        day(3, 17): (remember_the_mistake,),
        day(3, 19): (take_it_back,),
    },
    held={
        day(3, 1): REMOVALS,
        day(4, 5): SHIFT,
    },
    may_be_held={
        day(8, 2): SHIFT,
        day(8, 18): REMOVALS,
    },
)
"""365 days from September to August."""

AUTUMN = Agenda(
    first_on=dt.date(2026, 10, 5),
    last_on=dt.date(2026, 10, 30),
    settings={"days": EVERY_OTHER_DAY},
    happens={
        dt.date(2026, 10, 5): (they_swap_and_marry, two_leave),
        dt.date(2026, 10, 20): (another_sis,),
        dt.date(2026, 10, 27): (one_returns_as_another, no_bad_rows),
    },
    mishaps={
        dt.date(2026, 10, 9): TRUNCATED,
        dt.date(2026, 10, 12): OTHER_DISTRICT,
        dt.date(2026, 10, 16): NOBODY_LOOKS,
        dt.date(2026, 10, 26): SCHOOL_MISSING,
        dt.date(2026, 10, 28): HALF_A_ZIP,
    },
    held={dt.date(2026, 10, 21): SHIFT},
    again_every=4,
)
"""Four weeks with thirteen syncs."""
