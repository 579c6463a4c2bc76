"""Guards judge additions, changes and removals, in one run and over seven days."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from conftest import csv_text
from oneroster_sync import Request, approve, change_preferences, database, sync, undo
from oneroster_sync.roster.recent_changes import Recent
from oneroster_sync.sites.thresholds import Guards, Limit, RaisedLimit
from roster_of import SCHOOL, changed, roster_of
from test_guards import held, holds, site_of, staff, users_csv

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Site
    from oneroster_sync import Run

BY_HAND = """
insert into users (site, email, login, role, status, managed)
values (:site, :email, :email, 'teacher', 'active', false)
"""
LAX = Limit(percent=100, minimum=1000)


# Additions


@pytest.mark.parametrize(
    ("active", "new", "expected"),
    [
        (80, 20, [("guard.additions", "users", 20, 80)]),
        (81, 20, []),
        (20, 19, []),
        (400, 100, [("guard.additions", "users", 100, 400)]),
    ],
    ids=["both limits", "below a quarter", "only few", "of many"],
)
def test_too_many_new_users_are_held(
    active: int, new: int, expected: list[tuple[str, str, int, int]]
) -> None:
    """Too many new users are held: from 25 % of the active ones and 20 on."""
    assert held(site_of(active), {"users.csv": users_csv(range(active + new))}) == expected


def test_first_users_of_a_site_are_not_held() -> None:
    """Accounts made by hand don't count as an earlier sync: a first sync is not held."""
    assert held(site_of(30, managed="no"), {"users.csv": users_csv(range(100, 400))}) == []


def test_additions_of_a_week_count_together() -> None:
    """Additions of seven days without approval count with the plan, and the hold says so."""
    package = {"users.csv": users_csv(range(115))}
    assert held(site_of(100), package) == []
    recent = Recent(added=20, active={"users": 80})
    (hold,) = holds(site_of(100), package, recent=recent)
    assert (hold.code, hold.found, hold.of, hold.days, hold.earlier) == (
        "guard.additions",
        35,
        80,
        7,
        20,
    )
    assert "within 7 days, 20 of them before this plan" in hold.to_text()
    assert held(site_of(100), {"users.csv": users_csv(range(100))}, recent=recent) == []


@pytest.mark.parametrize(
    ("active", "back", "absent", "expected"),
    [
        (100, 5, 0, [("guard.reactivations", "users", 5, 100)]),
        (101, 5, 0, []),
        (10, 4, 0, []),
        (10, 9, 5, []),
        (10, 10, 5, [("guard.reactivations", "users", 5, 10)]),
    ],
    ids=["both limits", "below", "only few", "mostly absent", "some absent"],
)
def test_too_many_who_come_back_are_held(
    active: int, back: int, absent: int, expected: list[tuple[str, str, int, int]]
) -> None:
    """Reactivations are held from 5 % and 5 on; users who were only absent don't count."""
    roster = site_of(active + back, inactive=range(active, active + back))
    # In the rosters of these tests `id` counts from 1.
    lately = frozenset(range(active + 1, active + absent + 1))
    package = {"users.csv": users_csv(range(active + back))}
    assert held(roster, package, recent=Recent(absent=lately)) == expected


def test_raised_threshold_does_not_let_users_in() -> None:
    """A raised threshold for removals does not raise those for additions and reactivations."""
    raised = Guards(raised=RaisedLimit(percent=100))
    roster = site_of(40, inactive=range(30, 40))
    package = {"users.csv": users_csv(range(60))}
    assert held(roster, package, guards=raised) == [
        ("guard.additions", "users", 20, 30),
        ("guard.reactivations", "users", 10, 30),
    ]


def told_enabled(cell: str | None) -> dict[str, str]:
    """Return a package of two users, the first with this enabledUser; None omits the column."""
    if cell is None:
        return {"users.csv": csv_text("sourcedId,email", "u0,u0@x.org", "u1,u1@x.org")}
    rows = (f"u0,u0@x.org,{cell}", "u1,u1@x.org,true")
    return {"users.csv": csv_text("sourcedId,email,enabledUser", *rows)}


@pytest.mark.parametrize(
    ("cell", "is_held"), [("", True), (None, True), ("true", False), ("false", False)]
)
def test_disabled_account_does_not_come_back_by_a_blank(cell: str | None, is_held: bool) -> None:  # noqa: FBT001
    """A disabled account returns with enabledUser=true; with a blank only after an approval."""
    roster = site_of(2, inactive=[0])
    found = held(roster, told_enabled(cell), recent=Recent(disabled=frozenset({1})))
    assert found == ([("guard.blank_enabled_user", "users", 1, 1)] if is_held else [])


# Changes


@pytest.mark.parametrize(
    ("whole", "moved", "expected"),
    [(20, 5, [("guard.role_changes", "users", 5, 20)]), (21, 5, []), (10, 4, [])],
    ids=["both limits", "below a quarter", "only few"],
)
def test_too_many_role_changes_are_held(
    whole: int, moved: int, expected: list[tuple[str, str, int, int]]
) -> None:
    """Role changes are held from 25 % and 5 on, as a wrong mapping of roles causes them."""
    rows = (f"u{n},u{n}@x.org,{'administrator' if n < moved else 'teacher'}" for n in range(whole))
    package = {"users.csv": csv_text("sourcedId,email,role", *rows)}
    assert held(site_of(whole), package) == expected


def taught_until(end: str, count: int = 10, of: int = 50) -> tuple[Any, dict[str, str]]:
    """Return a site with some classes that end on 2026-12-20, and a package with another end."""
    ends = ("2026-12-20" if n < count else "2027-06-30" for n in range(of))
    roster = roster_of(
        users=csv_text("sourced_id,email", *(f"u{n},u{n}@x.org" for n in range(of))),
        courses=csv_text("sourced_id,title", *(f"c{n},C{n}" for n in range(of))),
        assignments=csv_text("user,course", *(f"u{n},c{n}" for n in range(of))),
        classes=csv_text(
            "sourced_id,course_sourced_id,ends_on",
            *(f"k{n},c{n},{end}" for n, end in enumerate(ends)),
        ),
        enrollments=csv_text(
            "sourced_id,user_sourced_id,class_sourced_id,role,course_sourced_id",
            *(f"e{n},u{n},k{n},teacher,c{n}" for n in range(of)),
        ),
    )
    sessions = ("fall,2026-08-01," + end, "year,2026-08-01,2027-06-30")
    classes = (f"k{n},c{n},{'fall' if n < count else 'year'}" for n in range(of))
    return roster, {
        "academicSessions.csv": csv_text("sourcedId,startDate,endDate", *sessions),
        "classes.csv": csv_text("sourcedId,courseSourcedId,termSourcedIds", *classes),
    }


@pytest.mark.parametrize(
    ("end", "count", "expected"),
    [
        ("2026-12-05", 5, [("guard.moved_terms", "assignments", 5, 50)]),
        ("2026-12-06", 5, []),
        ("2027-01-31", 5, []),
        ("2026-11-20", 4, []),
    ],
    ids=["15 days earlier", "14 days earlier", "later", "only few"],
)
def test_term_that_ends_much_earlier_is_held(
    end: str, count: int, expected: list[tuple[str, str, int, int]]
) -> None:
    """A term that ends much earlier is held, because the next night would end its assignments."""
    roster, package = taught_until(end, count)
    assert held(roster, package) == expected


# A delta of another district


def delta_of(known: int, strange: int) -> dict[str, str]:
    """Return a delta with known users, and unknown users of an unknown school."""
    rows = [f"u{n},u{n}@x.org,o1" for n in range(known)]
    rows += [f"x{n},x{n}@y.org,o9" for n in range(strange)]
    return {"users.csv": csv_text("sourcedId,email,orgSourcedIds", *rows)}


@pytest.mark.parametrize(
    ("known", "strange", "is_held"),
    [(9, 11, True), (10, 10, False), (0, 19, False), (0, 25, True)],
    ids=["less than half", "half", "few rows", "nobody"],
)
def test_delta_of_another_district_is_held(known: int, strange: int, is_held: bool) -> None:  # noqa: FBT001
    """A delta of at least 20 rows is held if less than half of them name a known record."""
    guards = Guards(added_users=LAX)
    found = held(site_of(50), delta_of(known, strange), delta=["users.csv"], guards=guards)
    expected = [("guard.wrong_source", "delta", known, known + strange)]
    assert found == (expected if is_held else [])


def test_newcomers_of_a_known_school_are_no_strangers() -> None:
    """Rows that refer to a known school belong to this district, even with unknown users."""
    roster = roster_of(
        users=csv_text("sourced_id,email", *(f"u{n},u{n}@x.org" for n in range(50))),
        orgs="sourced_id,name\no9,Hill\n",
    )
    guards = Guards(added_users=LAX)
    assert held(roster, delta_of(0, 30), delta=["users.csv"], guards=guards) == []


# Seven days, in the database


def at(day: int) -> dt.datetime:
    """Return two o'clock of a day; day 0 is a Monday."""
    return dt.datetime(2026, 11, 2, 2, tzinfo=dt.UTC) + dt.timedelta(days=day)


def night(site: Site, day: int, package: dict[str, str]) -> Run:
    """Sync a package in the night of a day."""
    request = Request(site=site.name, package=str(site.package(package)), requested_by="the SIS")
    return sync(request, clock=lambda: at(day))


def codes(run: Run) -> list[str]:
    """Return the codes of the holds of a run."""
    return [hold["code"] for hold in run.holds]


def people(ids: Iterable[int]) -> dict[str, str]:
    """Return a package of numbered teachers."""
    return staff(ids)


@pytest.mark.case("b42")
def test_leak_of_nine_per_cent_a_night_is_held(site: Site) -> None:
    """Eight removals of a hundred each night are not held alone; the third night is held.

    Approved removals don't count again, nor do removals more than seven days ago.
    """
    assert night(site, 0, people(range(100))).outcome == "succeeded"
    assert night(site, 1, people(range(92))).outcome == "succeeded"
    assert night(site, 2, people(range(84))).outcome == "succeeded"
    third = night(site, 3, people(range(76)))
    assert (third.outcome, codes(third)) == ("held", ["guard.week_removals"])
    (hold,) = third.holds
    assert (hold["found"], hold["of"], hold["days"], hold["earlier"]) == (24, 100, 7, 16)
    approve(third.run_id, by="Ann", clock=lambda: at(3))
    assert night(site, 4, people(range(73))).outcome == "succeeded"
    # The eight of night 1 are more than seven days ago, and those of night 3 were approved.
    assert night(site, 9, people(range(66))).outcome == "succeeded"


def test_reactivated_and_undone_removals_do_not_count(site: Site) -> None:
    """Removals that were reactivated, undone, or made under a raised threshold don't count."""
    night(site, 0, people(range(100)))
    night(site, 1, people(range(91)))
    assert night(site, 2, people(range(100))).outcome == "succeeded"
    second = night(site, 3, people(range(91)))
    request = Request(site=site.name, requested_by="Ann", undoes=second.run_id)
    assert undo(request, clock=lambda: at(3)).run.outcome == "succeeded"
    raised = {"percent": 30, "note": "Hill School closes"}
    change_preferences(site.name, {"guards.raised": raised}, by="Ann", clock=lambda: at(4))
    assert night(site, 4, people(range(80))).outcome == "succeeded"
    assert night(site, 5, people(range(73))).outcome == "succeeded"


def test_corrected_export_reactivates_absent_users(site: Site) -> None:
    """Users who were only absent return in any number the next night; disabled users don't."""
    night(site, 0, people(range(100)))
    night(site, 1, people(range(91)))
    off = people(range(91))
    for n in range(5):
        off = changed(off, "users.csv", f"u{n},,,true", f"u{n},,,false")
    night(site, 2, off)
    assert site.users()["u0"] == "inactive"
    text = people(range(100))["users.csv"]
    blank = {"users.csv": text.replace("enabledUser,", "").replace(",,,true,", ",,,")}
    third = night(site, 3, blank)
    assert codes(third) == ["guard.blank_enabled_user", "guard.reactivations"]
    assert [hold["found"] for hold in third.holds] == [5, 5]
    healed = people(range(100))
    for n in range(5):
        healed = changed(healed, "users.csv", f"u{n},,,true,", f"u{n},,,false,")
    assert night(site, 4, healed).outcome == "succeeded"
    assert site.users()["u99"] == "active"
    assert site.users()["u0"] == "inactive"


def test_errors_are_judged_once_the_plan_is_made(site: Site) -> None:
    """A login of another account, which diff finds, counts for the threshold of errors."""
    limits = {"guards.error_percent": 5, "guards.users.percent": 100}
    change_preferences(site.name, limits, by="Ann", clock=lambda: at(0))
    with database.engine().begin() as connection:
        for n in range(6):
            bound = {"site": site.name, "email": f"h{n}@x.org"}
            connection.execute(sa.text(BY_HAND), bound)
    night(site, 0, people(range(60)))
    taken = changed(people(range(60)), "users.csv", "Given59", "Another")
    for n in range(6):
        taken = changed(taken, "users.csv", f"u{n}@x.org", f"h{n}@x.org")
    run = night(site, 1, taken)
    assert codes(run) == ["guard.error_rate"]
    assert run.holds[0]["found"] == 6


def test_moved_term_is_held_though_nothing_else_changes(site: Site) -> None:
    """A plan that only moves the end of a term is held, although it has no changes."""
    terms = "sourcedId,title,type,startDate,endDate,schoolYear\nfall,Fall,term,2026-08-01,{},2027\n"
    school = {**SCHOOL, "academicSessions.csv": terms.format("2026-12-20")}
    school["classes.csv"] = (
        "sourcedId,title,courseSourcedId,termSourcedIds\na1,Art 1,art,fall\nm1,Maths 1,maths,fall\n"
    )
    change_preferences(site.name, {"guards.moved_terms.minimum": 1}, by="Ann", clock=lambda: at(0))
    night(site, 0, school)
    moved = {**school, "academicSessions.csv": terms.format("2026-10-30")}
    run = night(site, 1, moved)
    assert (run.outcome, codes(run)) == ("held", ["guard.moved_terms"])
    approve(run.run_id, by="Ann", clock=lambda: at(1))
    assert night(site, 2, moved).outcome == "no_changes"
