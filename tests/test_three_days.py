"""Each day of a district's syncs ends in exactly the expected state.

The expected state comes from the oracle (`district.desired`), which shares no code with the sync.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from district import (
    BUSY,
    EMPTY,
    STYLES,
    District,
    Package,
    Rates,
    bulk_package,
    delta_package,
    desired,
    make_district,
    next_day,
    plant_settled_faults,
    shuffled,
    write_folder,
    write_lone_csv,
    write_zip,
)
from district.site import Site, differences
from district.small import edited, school, with_cell_too_many, without

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEADY = Rates(added=0.02, removed=0.02, changed=0.05, returning=0.5)


def live(
    seed: int, users: int, days: int, rates: Rates = STEADY, ids: str = "mixed"
) -> list[District]:
    """Return some days of a district."""
    lived = [make_district(seed, users, ids=ids)]
    while len(lived) < days:
        lived.append(next_day(lived[-1], random.Random(seed + len(lived)), rates))
    return lived


@pytest.mark.parametrize("version", [pytest.param("1.1", marks=pytest.mark.long), "1.2"])
def test_three_days_with_bad_rows(tmp_path: Path, version: str) -> None:
    """With one bad row in a hundred, each day ends in exactly the expected state.

    The same package again, or with its rows and files in another order, changes nothing.
    """
    site, roster = Site(), EMPTY
    for number, day in enumerate(live(20, 400, 3)):
        rng = random.Random(number)
        clean = bulk_package(day, version)
        package, faults = plant_settled_faults(roster, clean, rng)
        path = write_zip(package, tmp_path / f"day-{number}.zip")
        mixed = write_zip(shuffled(package, rng), tmp_path / f"day-{number}-mixed.zip")
        wanted = desired(roster, package)

        answer = site.sync_and_approve(path)

        site.assert_is(wanted, answer)
        planted = {(fault.file, fault.sourced_id, fault.code) for fault in faults}
        assert planted <= site.findings(answer.run_id)
        in_step = "succeeded_with_errors" if wanted.findings else "no_changes"
        assert site.sync_and_approve(mixed).outcome == in_step
        assert differences(wanted.roster, site.roster()) == []
        roster = wanted.roster
    assert site.sync_and_approve(path).outcome == in_step


@pytest.mark.parametrize("version", [pytest.param("1.1", marks=pytest.mark.long), "1.2"])
def test_delta_ends_where_bulk_ends(tmp_path: Path, version: str) -> None:
    """Days as deltas lead to the same state as the same days in bulk."""
    site, days = Site(), live(30, 250, 3, BUSY)
    first = bulk_package(days[0], version)
    site.sync_and_approve(write_zip(first, tmp_path / "first.zip"))
    roster = desired(EMPTY, first).roster
    for number, (yesterday, today) in enumerate(itertools.pairwise(days)):
        delta = delta_package(yesterday, today, version)
        path = write_zip(delta, tmp_path / f"delta-{number}.zip")
        wanted, whole = desired(roster, delta), desired(roster, bulk_package(today, version))

        answer = site.sync_and_approve(path)

        site.assert_is(wanted, answer)
        assert differences(whole.roster, site.roster()) == []
        roster = wanted.roster
    assert site.sync(path).outcome == "no_changes"


def _bob_leaves(district: District) -> District:
    """Remove Bob and his enrollment."""
    users = {id_: user for id_, user in district.users.items() if id_ != "bob"}
    enrollments = {id_: one for id_, one in district.enrollments.items() if one.user != "bob"}
    return replace(district, users=users, enrollments=enrollments)


def _class_moves(district: District) -> District:
    """Make Art 1 a class of Mathematics: the delta has one class and no enrollment."""
    moved = replace(district.classes["a1"], course="maths")
    return replace(district, classes={**district.classes, "a1": moved})


def _student_marries(district: District) -> District:
    """Rename a student: the delta has a user whose role only roles.csv holds."""
    kid = replace(district.users["kid"], family_name="Poe-Lee")
    return replace(district, users={**district.users, "kid": kid})


def _bob_is_promoted(district: District) -> District:
    """Make Bob an administrator: in 1.2 the delta has a role and no user."""
    bob = replace(district.users["bob"], role="administrator")
    return replace(district, users={**district.users, "bob": bob})


@pytest.mark.parametrize(
    ("version", "happens"),
    [
        ("1.2", _bob_leaves),
        ("1.1", _class_moves),
        ("1.2", _student_marries),
        ("1.2", _bob_is_promoted),
    ],
)
def test_delta_of_one_change(
    tmp_path: Path, version: str, happens: Callable[[District], District]
) -> None:
    """A delta need not have the rows to which its rows refer: those are stored."""
    site, yesterday = Site(), school()
    first, delta = (
        bulk_package(yesterday, version),
        delta_package(yesterday, happens(yesterday), version),
    )
    site.sync_and_approve(write_zip(first, tmp_path / "first.zip"))

    answer = site.sync_and_approve(write_zip(delta, tmp_path / "delta.zip"))

    site.assert_is(desired(desired(EMPTY, first).roster, delta), answer)


def test_two_days_of_1_0(tmp_path: Path) -> None:
    """OneRoster 1.0, which has neither manifest nor enabledUser, is synced too."""
    site, roster = Site(), EMPTY
    for number, day in enumerate(live(40, 150, 2, BUSY)):
        clean = bulk_package(day, "1.0")
        package, _ = plant_settled_faults(roster, clean, random.Random(number))
        wanted = desired(roster, package)

        answer = site.sync_and_approve(write_zip(package, tmp_path / f"{number}.zip"))

        site.assert_is(wanted, answer)
        roster = wanted.roster


def test_another_version_of_the_same_district_changes_nothing(tmp_path: Path) -> None:
    """A change of the SIS from 1.1 to 1.2 and back changes no user."""
    site, district = Site(), make_district(50, 150, ids="mixed")
    site.sync_and_approve(write_zip(bulk_package(district, "1.1"), tmp_path / "first.zip"))
    for version in ("1.2", "1.1"):
        answer = site.sync(write_zip(bulk_package(district, version), tmp_path / f"{version}.zip"))
        assert answer.outcome == "no_changes"


@pytest.mark.case("a32", "a85")
def test_layout_of_the_package_changes_nothing(tmp_path: Path) -> None:
    """Line ends, quotes, a byte order mark, a folder or a missing manifest change nothing."""
    site, package = Site(), bulk_package(make_district(60, 60, ids="mixed"), filled_status=True)
    site.sync_and_approve(write_zip(package, tmp_path / "first.zip"))
    for number, style in enumerate(STYLES[3:]):
        assert (
            site.sync(write_zip(package, tmp_path / f"{number}.zip", style)).outcome == "no_changes"
        )
    folder = write_folder(package, tmp_path / "folder", STYLES[1])
    assert site.sync(folder).outcome == "no_changes"


def test_lone_csv_touches_its_own_kind(tmp_path: Path) -> None:
    """A lone users.csv changes users only, a lone courses.csv courses and their assignments."""
    site = Site()
    yesterday, today = live(70, 150, 2, BUSY, ids="uuid")
    roster = desired(EMPTY, bulk_package(yesterday)).roster
    site.sync_and_approve(write_zip(bulk_package(yesterday), tmp_path / "first.zip"))
    for file in ("users", "courses"):
        lone = bulk_package(today).only(file)
        wanted = desired(roster, lone)

        answer = site.sync_and_approve(write_lone_csv(lone, file, tmp_path / file))

        site.assert_is(wanted, answer)
        roster = wanted.roster


def test_scope_of_users_leaves_courses_alone(tmp_path: Path) -> None:
    """With the scope `users`, a whole package changes only users."""
    site = Site()
    yesterday, today = live(80, 150, 2, BUSY)
    roster = desired(EMPTY, bulk_package(yesterday)).roster
    site.sync_and_approve(write_zip(bulk_package(yesterday), tmp_path / "first.zip"))
    wanted = desired(roster, bulk_package(today), scope="users")

    answer = site.sync_and_approve(
        write_zip(bulk_package(today), tmp_path / "second.zip"), "--scope", "users"
    )

    site.assert_is(wanted, answer)


def _bad_user_whose_lessons_end(package: Package) -> Package:
    """Ann's row is bad and her Mathematics enrollments are absent: her assignments stay."""
    bad = edited(package, "users", "ann", familyName="")
    return without(bad, "enrollments", "ann-m1", "ann-m2")


def _bad_class_whose_teacher_leaves(package: Package) -> Package:
    """The Art class is bad and Bob's enrollment in it is absent: his assignment stays."""
    return without(edited(package, "classes", "a1", courseSourcedId=""), "enrollments", "bob-a1")


def _bad_course_whose_class_ends(package: Package) -> Package:
    """The Art course is bad, its class and enrollments are absent: its assignments stay."""
    bad = edited(package, "courses", "art", title="")
    return without(without(bad, "classes", "a1"), "enrollments", "ann-a1", "bob-a1")


def _bad_enrollment_whose_class_moves(package: Package) -> Package:
    """Art 1 becomes a Mathematics class while Bob's enrollment is bad: Bob keeps Art."""
    moved = edited(package, "classes", "a1", courseSourcedId="maths")
    return edited(moved, "enrollments", "bob-a1", role="wizard")


def _bad_enrollment_under_a_new_id(package: Package) -> Package:
    """Bob's enrollment has no sourcedId: he keeps Art."""
    return edited(package, "enrollments", "bob-a1", sourcedId="")


def _half_a_swap(package: Package) -> Package:
    """Ann and Bob swap their e-mails and Ann's row is bad: neither changes."""
    swap = edited(package, "users", "bob", email="ann@example.org")
    return edited(swap, "users", "ann", email="bob@example.org", familyName="")


def _absent_user_with_lessons(package: Package) -> Package:
    """Bob's row is absent and his enrollment is not: he is deactivated and keeps Art."""
    return without(package, "users", "bob")


def _removed_course_with_lessons(package: Package) -> Package:
    """The Art course is absent and its class is not: its assignments are removed."""
    return without(package, "courses", "art")


def _enrollments_numbered_anew(package: Package) -> Package:
    """All enrollments have new sourcedIds: nothing changes."""
    rows = package.tables["enrollments"].rows
    return package.with_rows("enrollments", [(f"new-{row[0]}", *row[1:]) for row in rows])


def _rows_repeated(package: Package) -> Package:
    """Every row is in its file twice: nothing changes."""
    for file, table in package.tables.items():
        package = package.with_rows(file, [*table.rows, *table.rows])
    return package


@pytest.mark.parametrize(
    ("version", "spoil"),
    [
        ("1.1", _bad_user_whose_lessons_end),
        ("1.2", _bad_class_whose_teacher_leaves),
        ("1.1", _bad_course_whose_class_ends),
        ("1.1", _bad_enrollment_whose_class_moves),
        ("1.2", _bad_enrollment_under_a_new_id),
        ("1.2", _half_a_swap),
        ("1.2", _absent_user_with_lessons),
        ("1.1", _removed_course_with_lessons),
        ("1.1", _enrollments_numbered_anew),
        ("1.2", _rows_repeated),
    ],
)
def test_error_meets_a_change(
    tmp_path: Path, version: str, spoil: Callable[[Package], Package]
) -> None:
    """A record with a bad row and what depends on it stay, even if they change the same day."""
    site, good = Site(), bulk_package(school(), version)
    site.sync_and_approve(write_zip(good, tmp_path / "good.zip"))
    bad = spoil(good)

    answer = site.sync_and_approve(write_zip(bad, tmp_path / "bad.zip"))

    site.assert_is(desired(desired(EMPTY, good).roster, bad), answer)


def test_broken_role_of_a_teacher_who_is_a_parent(tmp_path: Path) -> None:
    """If only the parent role of a teacher is readable, the teacher is not dropped as a parent."""
    district = school()
    district.users["ann"] = replace(district.users["ann"], second_role="parent")
    district.users["bob"] = replace(district.users["bob"], orgs=("s", "d"))
    site, good = Site(), bulk_package(district, "1.2")
    roster = desired(EMPTY, good).roster
    site.sync_and_approve(write_zip(good, tmp_path / "good.zip"))
    for number, role in enumerate(("ann primary", "bob primary d")):
        bad = with_cell_too_many(good, "roles", role)
        wanted = desired(roster, bad)

        answer = site.sync_and_approve(write_zip(bad, tmp_path / f"bad-{number}.zip"))

        assert wanted.counts.users["errors"] == 1
        site.assert_is(wanted, answer)
