"""The outcome of a run is true: "in step" only if every row was usable.

An empty plan with errors is no proof that the roster is right, and a file without a usable row
proves nothing about any record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golden.school import (
    SCHOOL,
    SCHOOL_1_2,
    Texts,
    added,
    as_delta,
    changed,
    person,
    without,
)
from oneroster_sync.cli import REJECTED
from oneroster_sync.runs import find
from oneroster_sync.runs.summary import format_outcome

if TYPE_CHECKING:
    from conftest import Site

NOW = "2026-09-01T00:00:00.000Z"
DANGLING = added(SCHOOL, "enrollments.csv", "e9,,,gone,s,ann,teacher,,,")
"""The school, with an enrollment in a missing class."""


@pytest.fixture
def school(site: Site) -> Site:
    """A site that holds the small school."""
    assert site.sync(SCHOOL)["outcome"] == "succeeded"
    return site


@pytest.mark.case("a90")
def test_empty_plan_with_errors_ends_with_errors(school: Site) -> None:
    """An empty plan with unusable rows ends with errors, and the outcome counts the rows."""
    code, run = school.command("sync", school.package(DANGLING))

    assert (code, run["outcome"]) == (0, "succeeded_with_errors")
    assert format_outcome(find(run["run_id"])) == (
        "Nothing to change. 1 row had an error and was skipped; its record is unchanged."
    )


def test_same_package_again_ends_as_before(school: Site) -> None:
    """A reused result includes the errors of the earlier run."""
    first, again = school.sync(DANGLING), school.sync(DANGLING)

    assert [run["outcome"] for run in (first, again)] == ["succeeded_with_errors"] * 2
    assert find(again["run_id"]).same_as == first["run_id"]
    assert again["findings"] == first["findings"]


@pytest.mark.case("a90")
@pytest.mark.parametrize(
    ("file", "rows"),
    [
        ("orgs.csv", ("x,,,One,school,,", "x,,,Two,school,,")),
        ("classes.csv", ("k,,,Class,,gone,,scheduled,,s,t,,,",)),
        (
            "academicSessions.csv",
            (
                "x,,,One,term,2026-08-01,2026-12-01,,2027",
                "x,,,Two,term,2026-08-01,2026-12-01,,2027",
            ),
        ),
    ],
)
def test_faults_of_other_files_count(school: Site, file: str, rows: tuple[str, ...]) -> None:
    """Unusable rows of orgs, classes or sessions make the outcome one with errors."""
    code, run = school.command("sync", school.package(added(SCHOOL, file, *rows)))

    assert (code, run["outcome"]) == (0, "succeeded_with_errors")
    assert run["counts"]["users"]["errors"] == 0
    assert "had errors and were skipped" in format_outcome(find(run["run_id"]))


@pytest.mark.case("a89")
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("users.csv", "@example.org", ""),
        ("courses.csv", "s,", "s,"),
        ("enrollments.csv", ",teacher,", ",tutor,"),
    ],
)
def test_file_of_which_nothing_can_be_used_is_rejected(
    school: Site, file: str, old: str, new: str
) -> None:
    """A bulk file without a usable row changes nothing, and the cause comes first."""
    text = SCHOOL[file].replace(old, new)
    if file == "courses.csv":
        text = text.replace("Mathematics", "").replace("Art,A1", ",A1")
    if file == "enrollments.csv":
        text = text.replace(",aide,", ",helper,")
    before = (school.users(), school.courses(), school.assignments())

    code, run = school.command("sync", school.package({**SCHOOL, file: text}))

    assert (code, run["outcome"]) == (REJECTED, "rejected")
    assert f"({file}, row 2" in run["reasons"][0]
    assert "none of them could be used" in run["reasons"][-1]
    assert (school.users(), school.courses(), school.assignments()) == before


def test_first_sync_of_which_nothing_can_be_used_is_rejected(site: Site) -> None:
    """A first package whose users are all wrong is rejected."""
    texts = {**SCHOOL, "users.csv": SCHOOL["users.csv"].replace("@example.org", "")}

    code, run = site.command("sync", site.package(texts))

    assert (code, run["outcome"], site.courses()) == (REJECTED, "rejected", {})


def test_scope_decides_which_files_count(site: Site) -> None:
    """In the scope of users, a courses.csv without a usable row rejects nothing."""
    texts = {**SCHOOL, "courses.csv": SCHOOL["courses.csv"].replace("Mathematics", "")}
    texts = changed(texts, "courses.csv", "Art,A1", ",A1")

    assert site.sync(texts, "--scope", "users")["outcome"] == "succeeded"


@pytest.mark.case("a89")
def test_file_of_students_only_is_rejected(site: Site) -> None:
    """A bulk users.csv without staff is rejected."""
    header, *_, stu, pat = SCHOOL["users.csv"].splitlines()
    texts = {**without(SCHOOL, "enrollments.csv"), "users.csv": f"{header}\n{stu}\n{pat}\n"}
    texts = changed(texts, "manifest.csv", "file.enrollments,bulk", "file.enrollments,absent")

    run = site.sync(texts)

    assert run["outcome"] == "rejected"
    assert ("table.no_staff", "users.csv", None) in site.findings(run)


def test_one_broken_row_of_a_delta_spoils_no_other_file(school: Site) -> None:
    """The other files of a delta are used: their rows would never come again."""
    texts = as_delta(
        SCHOOL,
        users=[person("bob", status="active", email="none")],
        enrollments=[f"bob-m1,active,{NOW},m1,s,bob,teacher,,,"],
    )
    texts["enrollments.csv"] += f"cat-m1,active,{NOW},m1,s,cat,teacher,,,\n"

    run = school.sync(texts)

    assert run["outcome"] == "succeeded_with_errors"
    assert school.assignments()["cat", "maths"] == "active"


def test_delta_of_which_nothing_can_be_used_is_rejected(school: Site) -> None:
    """A delta whose only row is wrong is rejected."""
    texts = as_delta(SCHOOL, users=[person("bob", status="active", email="none")])

    code, run = school.command("sync", school.package(texts))

    assert (code, run["outcome"]) == (REJECTED, "rejected")


@pytest.mark.case("a91")
def test_value_that_is_left_out_keeps_the_stored_one(school: Site) -> None:
    """An unreadable value in a column that decides nothing keeps the stored value."""
    texts = changed(SCHOOL, "users.csv", "bob,,,true,s,teacher,bob", "bob,,,,gone,teacher,")
    texts = changed(texts, "courses.csv", "art,,,y,Art,A1,09,s", "art,,,none,Art,A1,09,none")
    texts = changed(
        texts, "classes.csv", "m1,,,Maths 1,09,maths,M1-1,scheduled,,s,t", "m1,,,,,maths,,,,,"
    )
    kept = [
        "select username, org_sourced_ids, status from users where site = :site order by id",
        "select school_year_sourced_id, org_sourced_id from courses where site = :site order by id",
        "select ends_on from classes where site = :site order by sourced_id",
    ]
    before = [school.rows(query) for query in kept]

    run = school.sync(texts)

    assert (run["outcome"], run["findings"]["errors"]) == ("no_changes", 0)
    assert [school.rows(query) for query in kept] == before


def test_blank_enabled_user_keeps_the_stored_status(school: Site) -> None:
    """A blank enabledUser keeps the status of a known user, and enables a new one."""
    school.sync(changed(SCHOOL, "users.csv", "bob,,,true", "bob,,,false"))
    blank = changed(SCHOOL, "users.csv", "bob,,,true", "bob,,,")

    run = school.sync(added(blank, "users.csv", person("new", enabled="")))

    assert run["outcome"] == "succeeded"
    assert (school.users()["bob"], school.users()["new"]) == ("inactive", "active")


@pytest.mark.case("b48")
@pytest.mark.parametrize("texts", [SCHOOL, SCHOOL_1_2], ids=["1.1", "1.2"])
def test_first_package_without_courses_adds_users(site: Site, texts: Texts) -> None:
    """Users are added; courses and assignments are left out, and the run names the missing file."""
    manifest = texts["manifest.csv"].replace("file.courses,bulk", "file.courses,absent")
    package = {**without(texts, "courses.csv"), "manifest.csv": manifest}

    first, again = site.sync(package), site.sync(package)

    assert (first["outcome"], again["outcome"]) == ("succeeded", "no_changes")
    assert first["counts"]["users"]["added"] == 4
    assert first["findings"]["errors"] == 0
    for run in (first, again):
        assert site.findings(run) == [("package.missing_file", "courses.csv", None)]
        assert "courses.csv" in format_outcome(find(run["run_id"]))
    assert site.sync(texts)["counts"]["assignments"]["added"] == 2


def test_package_without_courses_changes_nothing_of_known_ones(school: Site) -> None:
    """If the site has courses, classes refer to these without courses.csv; no course is removed."""
    manifest = SCHOOL["manifest.csv"].replace("file.courses,bulk", "file.courses,absent")
    texts = {**without(SCHOOL, "courses.csv"), "manifest.csv": manifest}
    run = school.sync(changed(texts, "enrollments.csv", "bob-a1,,,a1,s,bob", "bob-a1,,,m1,s,bob"))

    assert run["counts"]["assignments"] == {"added": 1, "removed": 1, "errors": 0}
    assert "package.missing_file" not in school.codes(run)
