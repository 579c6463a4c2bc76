"""Each guard holds a plan at its threshold and not below it, and gives the numbers."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from conftest import csv_text
from oneroster_sync.findings import CODES
from oneroster_sync.sites.thresholds import Guards, Limit
from oneroster_sync.stages.review.by_school import count_by_school
from oneroster_sync.stages.review.guards import check_plan
from oneroster_sync.standard.modes import Mode
from roster_of import plan_of, roster_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Site
    from oneroster_sync.roster.model import Roster
    from oneroster_sync.roster.recent_changes import Recent
    from oneroster_sync.runs.holds import Hold


TODAY = dt.date(2026, 11, 25)


def users_csv(ids: Iterable[int], *, bad: Iterable[int] = ()) -> str:
    """Return a users.csv of numbered users, some of them with errors."""
    return csv_text(
        "sourcedId,email",
        *(f"{'! ' if n in set(bad) else ''}u{n},u{n}@x.org" for n in ids),
    )


def site_of(
    count: int, courses: int = 0, *, inactive: Iterable[int] = (), managed: str = "yes"
) -> Roster:
    """Return a roster of numbered users, each of whom teaches the course of the same number."""
    return roster_of(
        users=csv_text(
            "sourced_id,email,status,managed",
            *(
                f"u{n},u{n}@x.org,{'inactive' if n in set(inactive) else 'active'},{managed}"
                for n in range(count)
            ),
        ),
        courses=csv_text("sourced_id,title", *(f"c{n},C{n}" for n in range(courses))),
        assignments=csv_text("user,course", *(f"u{n},c{n}" for n in range(courses))),
        classes=csv_text("sourced_id,course_sourced_id", *(f"k{n},c{n}" for n in range(courses))),
        enrollments=csv_text(
            "sourced_id,user_sourced_id,class_sourced_id,role,course_sourced_id",
            *(f"e{n},u{n},k{n},teacher,c{n}" for n in range(courses)),
        ),
    )


def held(
    roster: Roster,
    package: dict[str, str],
    *,
    delta: Iterable[str] = (),
    guards: Guards | None = None,
    recent: Recent | None = None,
) -> list[tuple[str, str, int, int]]:
    """Return code, kind and numbers of each reason to hold the plan of a package."""
    found = holds(roster, package, delta, guards, recent)
    return [(h.code, h.kind, h.found, h.of) for h in found]


def holds(
    roster: Roster,
    package: dict[str, str],
    delta: Iterable[str] = (),
    guards: Guards | None = None,
    recent: Recent | None = None,
) -> tuple[Hold, ...]:
    """Return the reasons to hold the plan of a package."""
    tables = {f.removesuffix(".csv"): rows_of(f, text) for f, text in package.items()}
    guards = guards or Guards()
    planned = plan_of(roster, package, delta=set(delta), guards=guards)
    plan = planned.plan
    return check_plan(
        plan,
        roster,
        guards,
        modes={n: Mode.DELTA if f"{n}.csv" in set(delta) else Mode.BULK for n in tables},
        valid={name: good for name, (good, _) in tables.items()},
        quarantined={name: bad for name, (_, bad) in tables.items()},
        rows={name: good.num_rows + bad.num_rows for name, (good, bad) in tables.items()},
        today=TODAY,
        schools=count_by_school(plan, roster),
        recent=recent,
        errors={name: table.num_rows for name, table in planned.quarantined.items()},
    )


@pytest.mark.parametrize(
    ("active", "leaving", "expected"),
    [
        (50, 5, [("guard.removals", "users", 5, 50)]),
        (51, 5, []),
        (50, 6, [("guard.removals", "users", 6, 50)]),
        (50, 4, []),
        (10, 4, []),
    ],
    ids=["both limits", "below ten per cent", "above both", "below both", "only few, but many"],
)
def test_removals_are_held_at_ten_per_cent_and_five(
    active: int, leaving: int, expected: list[tuple[str, str, int, int]]
) -> None:
    """Removals are held from 10 % of the active managed records, if there are at least five."""
    assert held(site_of(active), {"users.csv": users_csv(range(leaving, active))}) == expected


def test_removals_count_active_managed_records_only() -> None:
    """Inactive users and accounts made by hand do not count as active managed records."""
    roster = site_of(60, inactive=range(50, 60))
    package = {"users.csv": users_csv(range(5, 50))}
    assert held(roster, package) == [("guard.removals", "users", 5, 50)]
    assert held(site_of(50, managed="no"), package) == []


def test_disabled_users_count_as_removed() -> None:
    """Five users of 50 with `enabledUser=false` are held like five absent users."""
    rows = [f"u{n},u{n}@x.org,{'false' if n < 5 else 'true'}" for n in range(50)]
    package = {"users.csv": csv_text("sourcedId,email,enabledUser", *rows)}
    assert held(site_of(50), package) == [("guard.removals", "users", 5, 50)]


def test_deletions_of_a_delta_are_held_too() -> None:
    """Five users of 50 with `tobedeleted` are held like five absent users."""
    rows = [f"u{n},,tobedeleted" for n in range(5)]
    package = {"users.csv": csv_text("sourcedId,email,status", *rows)}
    assert held(site_of(50), package, delta=["users.csv"]) == [("guard.removals", "users", 5, 50)]


def test_each_kind_has_its_own_limits() -> None:
    """Courses and assignments have thresholds of their own."""
    package = {"courses.csv": csv_text("sourcedId,title", *(f"c{n},C{n}" for n in range(5, 50)))}
    roster = site_of(50, courses=50)
    assert held(roster, package) == [
        ("guard.removals", "courses", 5, 50),
        ("guard.removals", "assignments", 5, 50),
    ]
    lax = Guards(courses=Limit(percent=20))
    assert held(roster, package, guards=lax) == [("guard.removals", "assignments", 5, 50)]


@pytest.mark.parametrize(
    ("leaving", "cap", "expected"),
    [
        (3, 3, []),
        (4, 3, [("guard.removals", "users", 4, 100)]),
        (1, 0, [("guard.removals", "users", 1, 100)]),
        (10, 50, [("guard.removals", "users", 10, 100)]),
    ],
    ids=["at the cap", "over the cap", "none allowed", "within the cap, over the share"],
)
def test_absolute_cap_holds_whatever_the_share(
    leaving: int, cap: int, expected: list[tuple[str, str, int, int]]
) -> None:
    """More removals than the cap are held, however small their share."""
    package = {"users.csv": users_csv(range(leaving, 100))}
    guards = Guards(users=Limit(cap=cap))
    assert held(site_of(100), package, guards=guards) == expected


def test_site_sets_its_own_limits() -> None:
    """A site's own percentage and minimum replace the defaults."""
    guards = Guards(users=Limit(percent=2, minimum=2))
    assert held(site_of(100), {"users.csv": users_csv(range(2, 100))}, guards=guards) == [
        ("guard.removals", "users", 2, 100)
    ]
    assert held(site_of(101), {"users.csv": users_csv(range(2, 101))}, guards=guards) == []


def test_first_sync_has_no_removals() -> None:
    """A first sync is not held for removals, because no record is stored yet."""
    assert held(roster_of(), {"users.csv": users_csv(range(100))}) == []


@pytest.mark.parametrize(
    ("rows", "bad", "expected"),
    [
        (100, 5, []),
        (100, 6, [("guard.error_rate", "users.csv", 6, 100)]),
        (99, 5, [("guard.error_rate", "users.csv", 5, 99)]),
        (10, 4, []),
    ],
    ids=["five per cent", "above", "just above", "only few"],
)
def test_errors_are_held_above_five_per_cent(
    rows: int, bad: int, expected: list[tuple[str, str, int, int]]
) -> None:
    """A file with errors in more than 5 % of its rows is held, if there are at least five."""
    package = {"users.csv": users_csv(range(rows), bad=range(bad))}
    assert held(roster_of(), package) == expected


def test_errors_of_every_file_count() -> None:
    """Errors count for each file, including files that are no record type of the platform."""
    rows = [f"! k{n},c1" for n in range(5)]
    package = {
        "users.csv": users_csv(range(100), bad=range(5)),
        "classes.csv": csv_text("sourcedId,courseSourcedId", *rows),
    }
    assert held(roster_of(), package) == [("guard.error_rate", "classes.csv", 5, 5)]
    strict = Guards(error_percent=4.9)
    assert [kind for _, kind, _, _ in held(roster_of(), package, guards=strict)] == [
        "users.csv",
        "classes.csv",
    ]


def test_reasons_come_by_weight() -> None:
    """Reasons are ordered by weight: removed users, removed courses, doubts about the package."""
    package = {
        "users.csv": users_csv(range(50), bad=range(10)),
        "courses.csv": csv_text("sourcedId,title", *(f"c{n},C{n}" for n in range(40, 50))),
    }
    found = held(site_of(100, courses=50), package, guards=Guards(error_percent=1))
    assert [(code, kind) for code, kind, _, _ in found] == [
        ("guard.removals", "users"),
        ("guard.removals", "courses"),
        ("guard.removals", "assignments"),
        ("guard.wrong_source", "courses"),
        ("guard.error_rate", "users.csv"),
    ]


@pytest.mark.parametrize(
    "package",
    [
        {"orgs.csv": "sourcedId,name"},
        {"users.csv": "sourcedId,email"},
        {"courses.csv": "sourcedId,title"},
        {"classes.csv": "sourcedId,courseSourcedId"},
        {"enrollments.csv": "sourcedId,userSourcedId,classSourcedId"},
    ],
    ids=lambda package: next(iter(package)),
)
def test_bulk_file_without_rows_is_held(package: dict[str, str]) -> None:
    """A bulk file with only a header is held, even if no record could be removed."""
    file = next(iter(package))
    assert held(roster_of(), package) == [("guard.empty_file", file, 0, 0)]
    assert held(roster_of(), package, delta=[file]) == []


def test_empty_file_of_a_small_site_is_held() -> None:
    """An empty file is held even at a site with too few users for the removal guard."""
    assert held(site_of(4), {"users.csv": "sourcedId,email"}) == [
        ("guard.empty_file", "users.csv", 0, 4)
    ]


LAX = Guards(users=Limit(percent=100, minimum=1000), courses=Limit(percent=100, minimum=1000))


@pytest.mark.parametrize(
    ("known", "present", "expected"),
    [
        (10, 5, []),
        (10, 4, [("guard.wrong_source", "users", 4, 10)]),
        (10, 6, []),
        (4, 0, []),
        (5, 0, [("guard.wrong_source", "users", 0, 5)]),
    ],
    ids=["half", "less than half", "more", "only few known", "none of five"],
)
def test_package_of_another_district_is_held(
    known: int, present: int, expected: list[tuple[str, str, int, int]]
) -> None:
    """A bulk file with less than half of the known sourcedIds is held, from five known on."""
    package = {"users.csv": users_csv([*range(present), *range(100, 110)])}
    assert held(site_of(known), package, guards=LAX) == expected


def test_another_districts_courses_are_held() -> None:
    """A courses.csv with less than half of the known courses is held; error rows count too."""
    roster = roster_of(courses=csv_text("sourced_id,title", *(f"c{n},C{n}" for n in range(10))))
    four = csv_text("sourcedId,title", *(f"c{n},C{n}" for n in range(4)))
    assert held(roster, {"courses.csv": four}, guards=LAX) == [
        ("guard.wrong_source", "courses", 4, 10)
    ]
    assert held(roster, {"courses.csv": four + "! c4,\n"}, guards=LAX) == []


def test_delta_need_not_know_anybody() -> None:
    """A delta file may have no known sourcedId at all."""
    package = {"users.csv": csv_text("sourcedId,email,status", "new,new@x.org,active")}
    assert held(site_of(10), package, delta=["users.csv"]) == []


def renumbered(moved: int, whole: int) -> dict[str, str]:
    """Return a users.csv in which some users have a new sourcedId and their old e-mail address."""
    rows = [f"{'new' if n < moved else 'u'}{n},u{n}@x.org" for n in range(whole)]
    return {"users.csv": csv_text("sourcedId,email", *rows)}


@pytest.mark.parametrize(
    ("moved", "whole", "expected"),
    [
        (5, 50, [("guard.identity_shift", "users", 5, 50)]),
        (5, 51, []),
        (4, 8, []),
    ],
    ids=["ten per cent", "below", "only few"],
)
def test_mass_change_of_sourced_ids_is_held(
    moved: int, whole: int, expected: list[tuple[str, str, int, int]]
) -> None:
    """Many sourcedId changes in one plan are held."""
    assert held(site_of(whole), renumbered(moved, whole)) == expected


def test_new_people_are_no_identity_shift() -> None:
    """New people with new addresses are no sourcedId change; only the removals are held."""
    package = {"users.csv": users_csv([*range(5, 50), *range(60, 65)])}
    assert held(site_of(50), package) == [("guard.removals", "users", 5, 50)]


def test_reasons_carry_the_numbers() -> None:
    """A reason gives the number, the total, the threshold and the meaning in one text."""
    (hold,) = holds(site_of(50), {"users.csv": users_csv(range(5, 50))})
    assert hold.to_text().startswith("guard.removals: 5 of 50 users (10.0 %); ")
    assert "less than 10 %" in hold.to_text()
    assert hold.to_text().endswith(CODES["guard.removals"].meaning)
    assert hold.as_finding().code == "guard.removals"
    assert hold.as_dict()["found"] == 5
    assert hold.as_dict()["text"] == hold.to_text()


HEADER = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,"
    "givenName,familyName,email"
)


def staff(ids: Iterable[int]) -> dict[str, str]:
    """Return a package of numbered teachers."""
    return {
        "users.csv": csv_text(
            HEADER, *(f"u{n},,,true,o1,teacher,u{n},Given{n},Family,u{n}@x.org" for n in ids)
        )
    }


def everything(site: Site) -> list[list[tuple[Any, ...]]]:
    """Return all rows of the site's roster and its audit."""
    return [
        site.rows(f"select * from {table} where site = :site order by 1, 2, 3")  # noqa: S608
        for table in (
            "users",
            "courses",
            "course_assignments",
            "orgs",
            "roles",
            "classes",
            "enrollments",
            "changes",
            "sites",
        )
    ]


def test_held_plan_applies_nothing(site: Site) -> None:
    """A held run exits with 3, gives its reasons and its plan's hash, and changes no row."""
    site.sync(staff(range(50)))
    before = everything(site)
    code, run = site.command("sync", site.package(staff(range(40))))
    assert code == 3
    assert run["outcome"] == "held"
    (reason,) = run["reasons"]
    assert reason.startswith("guard.removals: 10 of 50 users (20.0 %); ")
    assert len(run["plan_hash"]) == 64
    assert run["counts"]["users"]["deactivated"] == 10
    assert site.codes(run) >= {"guard.removals"}
    assert everything(site) == before


def test_the_same_package_is_held_again_until_a_decision(site: Site) -> None:
    """A second sync of the same package is held again, with the same hash."""
    site.sync(staff(range(10)))
    first, second = site.sync(staff(range(4))), site.sync(staff(range(4)))
    assert (first["outcome"], second["outcome"]) == ("held", "held")
    assert first["plan_hash"] == second["plan_hash"]
    assert first["run_id"] != second["run_id"]
    codes = {reason.split(":")[0] for reason in first["reasons"]}
    assert codes == {"guard.removals", "guard.wrong_source"}


def test_site_without_guards_is_not_held(site: Site) -> None:
    """The site's own thresholds decide whether its plans are held."""
    most = '{"percent": 100, "minimum": 1000}'
    lax = f'{{"users": {most}, "school": {most}, "known_percent": 0}}'
    site.command("preferences", "--set", f"guards={lax}")
    site.sync(staff(range(50)))
    run = site.sync(staff([1]))
    assert run["outcome"] == "succeeded"
    assert run["counts"]["users"]["deactivated"] == 49


def test_empty_bulk_file_is_held(site: Site) -> None:
    """A users.csv with only a header deactivates no user without a decision."""
    site.sync(staff(range(3)))
    code, run = site.command("sync", site.package(staff([])))
    assert (code, run["outcome"]) == (3, "held")
    assert run["reasons"][0].startswith("guard.empty_file: 0 of 3 users.csv")
    assert set(site.users().values()) == {"active"}
