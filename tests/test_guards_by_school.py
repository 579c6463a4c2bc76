"""Narrower thresholds: each school, updates, another year, and temporarily raised thresholds."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from conftest import csv_text
from oneroster_sync.sites.thresholds import Guards, Limit, RaisedLimit
from oneroster_sync.stages.review.by_school import count_by_school
from oneroster_sync.stages.review.guards import check_plan
from roster_of import plan_of, roster_of, rows_of
from test_guards import held, holds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Site
    from oneroster_sync.roster.model import Roster
    from oneroster_sync.runs.holds import Hold

TODAY = dt.date(2026, 11, 25)
LAX = Limit(percent=100, minimum=10_000)


def schools_of(**counts: int) -> Roster:
    """Return a roster of numbered users in named schools; each teaches one course there."""
    people = [(f"{school}{n}", school) for school, count in counts.items() for n in range(count)]
    return roster_of(
        users=csv_text(
            "sourced_id,email,org_sourced_ids", *(f"{i},{i}@x.org,{s}" for i, s in people)
        ),
        courses=csv_text("sourced_id,title,org_sourced_id", *(f"c-{i},C,{s}" for i, s in people)),
        assignments=csv_text("user,course", *(f"{i},c-{i}" for i, _ in people)),
        orgs=csv_text("sourced_id,name", *(f"{s},School {s}" for s in counts)),
    )


def staff(roster: Roster, *, without: Iterable[str] = ()) -> dict[str, str]:
    """Return a users.csv of a roster's people without some of them."""
    people = [
        (row["sourced_id"], row["org_sourced_ids"])
        for row in roster.users.to_pylist()
        if row["sourced_id"] and row["sourced_id"] not in set(without)
    ]
    return {
        "users.csv": csv_text(
            "sourcedId,email,orgSourcedIds", *(f"{i},{i}@x.org,{org}" for i, org in people)
        )
    }


def test_school_is_judged_by_its_own_numbers() -> None:
    """Half of a small school is held, although it is a tiny part of the district."""
    roster = schools_of(big=190, small=10)
    package = staff(roster, without=[f"small{n}" for n in range(5)])
    (hold,) = holds(roster, package)
    assert (hold.code, hold.kind, hold.found, hold.of) == ("guard.school_removals", "users", 5, 10)
    assert hold.school == "School small"
    assert hold.to_text().startswith(
        "guard.school_removals: 5 of 10 users of School small (50.0 %)"
    )


def test_below_half_of_a_school_passes() -> None:
    """Four of ten users of a school may leave without a hold."""
    roster = schools_of(big=190, small=10)
    assert held(roster, staff(roster, without=[f"small{n}" for n in range(4)])) == []


def test_district_that_is_held_is_not_held_again_by_school() -> None:
    """A plan beyond the site's threshold is held for the site only, and not for its schools too."""
    roster = schools_of(one=50, two=50)
    package = staff(roster, without=[f"one{n}" for n in range(40)])
    assert held(roster, package) == [("guard.removals", "users", 40, 100)]


def test_plan_is_counted_by_school() -> None:
    """Each school has counts of users, courses and assignments; most removals come first."""
    roster = schools_of(one=3, two=3, three=1)
    package = {
        "users.csv": csv_text(
            "sourcedId,email,orgSourcedIds",
            'one0,one0@x.org,"one,two"',
            "one1,one1@x.org,one",
            "one2,one2@x.org,one",
            "two0,two0@x.org,two",
            "three0,three0@x.org,three",
            "new,new@x.org,three",
        ),
        "courses.csv": csv_text(
            "sourcedId,title,orgSourcedId",
            *(f"c-one{n},C,one" for n in range(3)),
            *(f"c-two{n},C,two" for n in range(2)),
            "c-three0,C,three",
        ),
    }
    first, second, third = count_by_school(plan_of(roster, package).plan, roster)
    assert (first["name"], second["name"], third["name"]) == (
        "School two",
        "School one",
        "School three",
    )
    assert first["users"] == {"added": 0, "changed": 0, "gone": 2, "ended": 0, "active": 3}
    assert first["courses"]["gone"] == first["assignments"]["gone"] == 1
    assert second["users"]["changed"] == 1
    assert third["users"] == {"added": 1, "changed": 0, "gone": 0, "ended": 0, "active": 1}


def test_mass_of_updates_is_held() -> None:
    """A shifted column changes all users: three of four users, and at least twenty, are held."""
    roster = roster_of(
        users=csv_text("sourced_id,email,given_name", *(f"u{n},u{n}@x.org,G" for n in range(40)))
    )

    def renamed(count: int) -> dict[str, str]:
        rows = [f"u{n},u{n}@x.org,{'Other' if n < count else 'G'}" for n in range(40)]
        return {"users.csv": csv_text("sourcedId,email,givenName", *rows)}

    assert held(roster, renamed(29)) == []
    assert held(roster, renamed(30)) == [("guard.updates", "users", 30, 40)]
    assert held(roster, renamed(40), guards=Guards(updated_users=LAX)) == []


def test_rollover_is_no_mass_of_updates() -> None:
    """A new school year of every course is no mass of updates, but a new title counts."""
    roster = roster_of(
        courses=csv_text(
            "sourced_id,title,school_year_sourced_id", *(f"c{n},C{n},y26" for n in range(40))
        )
    )

    def of_next_year(retitled: int) -> dict[str, str]:
        rows = [f"c{n},{'New' if n < retitled else ''}C{n},y27" for n in range(40)]
        return {"courses.csv": csv_text("sourcedId,title,schoolYearSourcedId", *rows)}

    assert len(plan_of(roster, of_next_year(0)).courses) == 40
    assert held(roster, of_next_year(29)) == []
    assert held(roster, of_next_year(30)) == [("guard.updates", "courses", 30, 40)]


def test_courses_under_new_sourced_ids_are_held() -> None:
    """Courses that get other sourcedIds are held like users."""
    roster = roster_of(
        courses=csv_text("sourced_id,title,course_code", *(f"c{n},C{n},K{n}" for n in range(10)))
    )
    text = csv_text("sourcedId,title,courseCode", *(f"x{n},C{n},K{n}" for n in range(10)))
    assert held(roster, {"courses.csv": text}) == [("guard.identity_shift", "courses", 10, 10)]


def year_of(
    first: str, last: str, *, known: str = "2027-06-15", today: dt.date = TODAY
) -> list[Hold]:
    """Return the holds of a package with one session, for a site that knows a class."""
    roster = roster_of(
        users="sourced_id,email\nann,ann@x.org",
        classes=f"sourced_id,course_sourced_id,ends_on\nk,c,{known}",
    )
    package = {
        "academicSessions.csv": "sourcedId,title,type,startDate,endDate,schoolYear\n"
        f"y,Year,schoolYear,{first},{last},2027",
        "users.csv": "sourcedId,email\nann,ann@x.org\nbob,bob@x.org",
    }
    tables = {f.removesuffix(".csv"): rows_of(f, text) for f, text in package.items()}
    found = check_plan(
        plan_of(roster, package, today=today).plan,
        roster,
        Guards(),
        modes={},
        valid={name: good for name, (good, _) in tables.items()},
        quarantined={},
        rows={},
        today=today,
    )
    return list(found)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-08-01", "2027-06-15", None),
        ("2027-08-01", "2028-06-15", "next year's"),
        ("2026-12-20", "2027-06-15", None),
        ("2025-08-01", "2026-06-15", "last year's"),
        ("2026-01-01", "2026-09-15", None),
    ],
    ids=["this year", "next year", "begins soon", "last year", "ended lately"],
)
def test_package_of_another_year_is_held(first: str, last: str, words: str | None) -> None:
    """A package whose sessions are all far away is held if the site knows nearer ones."""
    found = year_of(first, last)
    assert [hold.code for hold in found] == (["guard.other_year"] if words else [])
    assert not words or words in found[0].limit


def test_next_year_is_this_year_once_the_old_one_is_over() -> None:
    """After the last known class has ended, next year's package passes."""
    assert year_of("2027-08-20", "2028-06-15", today=dt.date(2027, 7, 1)) == []


def test_old_sessions_alone_are_no_reason() -> None:
    """A site that has never seen later sessions accepts old ones."""
    assert year_of("2019-08-01", "2020-06-15", known="2020-06-15") == []


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RaisedLimit(percent=50, until=TODAY), []),
        (RaisedLimit(percent=50), []),
        (RaisedLimit(percent=50, until=TODAY - dt.timedelta(days=1)), [("guard.removals", 20)]),
        (RaisedLimit(percent=40, until=TODAY), []),
        (RaisedLimit(percent=30, until=TODAY), [("guard.removals", 20)]),
    ],
    ids=["until today", "for one run", "over", "as many as it says", "still beyond"],
)
def test_raised_limit_counts_for_a_while(
    raised: RaisedLimit, expected: list[tuple[str, int]]
) -> None:
    """A raised threshold replaces the usual one and its cap, until its last day or for one run."""
    roster = schools_of(one=50)
    guards = Guards(users=Limit(cap=3), school=LAX, raised=raised)
    found = holds(roster, staff(roster, without=[f"one{n}" for n in range(20)]), guards=guards)
    assert [(hold.code, hold.found) for hold in found] == expected
    assert all("raised" in hold.limit for hold in found) or raised.until != TODAY


def test_a_school_may_close() -> None:
    """Removing all people of a school is held, unless the threshold is raised to 100 %."""
    roster = schools_of(one=10, two=90)
    left = staff(roster, without=[f"one{n}" for n in range(10)])
    raised = Guards(raised=RaisedLimit(percent=100, until=TODAY))
    assert holds(roster, left, guards=Guards())
    assert not holds(roster, left, guards=raised)


HEADER = "sourcedId,enabledUser,role,username,givenName,familyName,email"


def teachers(ids: Iterable[int]) -> dict[str, str]:
    """Return a users.csv of numbered teachers without errors."""
    rows = (f"u{n},true,teacher,u{n},Given{n},Family{n},u{n}@x.org" for n in ids)
    return {"users.csv": csv_text(HEADER, *rows)}


def test_limit_raised_for_one_run_ends_automatically(site: Site) -> None:
    """The next applied run consumes the raise, the audit records it, and the next one is held."""
    site.sync(teachers(range(50)))
    raised = {"raised": {"percent": 60, "note": "a school closes"}}
    site.command("preferences", "--set", f"guards={json.dumps(raised)}")
    assert site.sync(teachers(range(50)))["outcome"] == "no_changes"
    run = site.sync(teachers(range(30)))
    assert run["outcome"] == "succeeded"
    code, preferences = site.command("preferences")
    assert (code, preferences["guards"]["raised"]) == (0, None)
    actors = site.rows("select actor from events where site = :site order by id desc limit 1")
    assert actors == [(f"run {run['run_id']}",)]
    assert site.sync(teachers(range(20)))["outcome"] == "held"


def test_limit_raised_until_a_day_stays_until_then(site: Site) -> None:
    """A raised threshold with a last day applies to several runs."""
    site.sync(teachers(range(50)))
    until = dt.datetime.now(dt.UTC).date().isoformat()
    raised = {"raised": {"percent": 60, "until": until}}
    site.command("preferences", "--set", f"guards={json.dumps(raised)}")
    assert site.sync(teachers(range(30)))["outcome"] == "succeeded"
    assert site.sync(teachers(range(20)))["outcome"] == "succeeded"
    assert site.command("preferences")[1]["guards"]["raised"]["until"] == until


def test_counts_by_school_of_a_held_plan_are_stored(site: Site) -> None:
    """A held run stores the counts of each school for the decision."""
    org = "sourcedId,name,type\none,First School,school\ntwo,Second School,school\n"
    header = "sourcedId,enabledUser,orgSourcedIds,role,username,givenName,familyName,email"

    def people(count: int) -> dict[str, str]:
        rows = (
            f"{s}{n},true,{s},teacher,{s}{n},Given{n},Family{n},{s}{n}@x.org"
            for s in ("one", "two")
            for n in range(count if s == "one" else 20)
        )
        return {"orgs.csv": org, "users.csv": csv_text(header, *rows)}

    site.sync(people(20))
    run = site.sync(people(5))
    assert run["outcome"] == "held"
    ((schools,),) = site.rows(
        "select schools from runs where run_id::text = :run", run=run["run_id"]
    )
    assert [(s["name"], s["users"]["gone"], s["users"]["active"]) for s in schools] == [
        ("First School", 15, 20)
    ]
