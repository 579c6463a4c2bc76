"""Rows without an id of their own: enrollments known by their pair, and people on several rows."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from golden.school import SCHOOL, SCHOOL_1_2, Texts, as_delta, changed, codes, folder_of, person
from oneroster_sync.operations.check import Checked, check_package
from oneroster_sync.sites.preferences import Profile

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

FILE = "enrollments.csv"
TAUGHT = {("ann", "maths"): "active", ("bob", "art"): "active"}


def without_ids(texts: Texts) -> Texts:
    """Return the package without the column sourcedId in enrollments.csv."""
    rows = list(csv.reader(io.StringIO(texts[FILE])))
    return {**texts, FILE: "".join(",".join(row[1:]) + "\n" for row in rows)}


def checked(texts: Texts, folder: Path, profile: str = "tolerant") -> Checked:
    """Check a package without a database."""
    return check_package(folder_of(texts, folder), Profile(profile))


@pytest.mark.parametrize("texts", [SCHOOL, SCHOOL_1_2], ids=["1.1", "1.2"])
def test_enrollments_without_the_column_are_known_by_user_and_class(
    site: Site, texts: Texts
) -> None:
    """Each day gives the same assignments; a missing pair is removed, and strict rejects."""
    package = without_ids(texts)

    first = site.sync(package)

    assert first["outcome"] == "succeeded"
    assert site.codes(first) == {"schema.missing_header"}
    assert site.assignments() == TAUGHT
    assert site.sync(package)["outcome"] == "no_changes"
    lines = package[FILE].splitlines(keepends=True)
    reordered = {**package, FILE: "".join([lines[0], *lines[:0:-1]])}
    assert site.sync(reordered)["outcome"] == "no_changes"
    assert site.command("sync", site.package(package), "--profile", "strict")[0] == 4

    gone = {**package, FILE: package[FILE].replace(",,a1,s,bob,teacher,true,,\n", "")}
    last = site.sync(gone)

    assert last["counts"]["assignments"]["removed"] == 1
    assert site.assignments()["bob", "art"] == "removed"


def test_class_over_several_terms_is_taught_once(tmp_path: Path) -> None:
    """Rows of one user and class that differ only in their dates are one enrollment."""
    texts = without_ids(SCHOOL)
    texts[FILE] += ",,m1,s,ann,teacher,true,2027-01-01,2027-06-01\n"

    result = checked(texts, tmp_path / "p")

    assert codes(result.findings, "error") == []
    assert "reference.repeated_row" in codes(result.findings)
    assert result.valid["enrollments"].num_rows == 4


def test_pair_with_two_roles_is_an_error(tmp_path: Path) -> None:
    """A user who is teacher and aide of one class, in rows without ids, is an error."""
    texts = without_ids(SCHOOL)
    texts[FILE] += ",,m1,s,ann,aide,false,,\n"

    result = checked(texts, tmp_path / "p")

    assert codes(result.findings, "error") == ["reference.duplicate_sourced_id"] * 2


def test_rows_without_a_user_suppress_removals(site: Site) -> None:
    """Without the column, a row without user or class may be any enrollment: nothing is removed."""
    package = without_ids(SCHOOL)
    site.sync(package)
    broken = {
        **package,
        FILE: package[FILE].replace(",,a1,s,bob,teacher,true,,\n", ",,,s,,teacher,,,\n"),
    }

    run = site.sync(broken)

    assert (
        run["counts"]["assignments"] | {"removed": 0, "errors": 1} == run["counts"]["assignments"]
    )
    assert site.assignments() == TAUGHT


def shared() -> Texts:
    """Return the school with one sourcedId for both people of the Art class, and Cat a teacher."""
    texts = changed(SCHOOL, FILE, "cat-a1,,,a1,s,cat,aide,", "art-1,,,a1,s,cat,teacher,")
    return changed(texts, FILE, "bob-a1,", "art-1,")


def test_teachers_with_one_sourced_id_in_a_class_are_distinct(site: Site) -> None:
    """One sourcedId for two teachers of a class is two enrollments, with one warning."""
    run = site.sync(shared())

    assert run["outcome"] == "succeeded"
    assert ("reference.shared_sourced_id", FILE, 4) in site.findings(run)
    assert site.assignments() == {**TAUGHT, ("cat", "art"): "active"}
    assert site.sync(shared())["outcome"] == "no_changes"


def test_second_teacher_takes_nothing_from_the_first(site: Site) -> None:
    """The first teacher keeps the course when a second teacher joins, and when that one leaves."""
    one = {**shared(), FILE: shared()[FILE].replace("art-1,,,a1,s,cat,teacher,false,,\n", "")}
    site.sync(one)

    second = site.sync(shared())

    assert (
        second["counts"]["assignments"] | {"added": 1, "removed": 0}
        == second["counts"]["assignments"]
    )
    third = site.sync(one)
    assert third["counts"]["assignments"]["removed"] == 1
    assert site.assignments() == {**TAUGHT, ("cat", "art"): "removed"}
    assert site.sync(one)["outcome"] == "no_changes"


def test_delta_finds_the_right_teacher(site: Site) -> None:
    """In a delta a row with the shared sourcedId belongs to its own user only."""
    site.sync(shared())
    stamp = "2026-10-01T00:00:00.000Z"

    run = site.sync(
        as_delta(SCHOOL, enrollments=[f"art-1,tobedeleted,{stamp},a1,s,cat,teacher,,,"])
    )

    assert run["counts"]["assignments"]["removed"] == 1
    assert site.assignments() == {**TAUGHT, ("cat", "art"): "removed"}
    back = site.sync(as_delta(SCHOOL, enrollments=[f"art-1,active,{stamp},a1,s,cat,teacher,,,"]))
    assert back["counts"]["assignments"]["added"] == 1
    assert site.assignments() == {**TAUGHT, ("cat", "art"): "active"}


def test_one_sourced_id_in_two_classes_is_an_error_as_before(tmp_path: Path) -> None:
    """Rows with one sourcedId in different classes are an error."""
    texts = changed(SCHOOL, FILE, "ann-m2,", "ann-m1,")

    result = checked(texts, tmp_path / "p")

    assert codes(result.findings, "error") == ["reference.duplicate_sourced_id"] * 2


# People on several rows


def twice(**values: str) -> Texts:
    """Return the school with a second row for Bob, with some other values."""
    row = person("bob", **{"given": "Bob", "family": "Ray", **values})
    return {**SCHOOL, "users.csv": SCHOOL["users.csv"] + row + "\n"}


def test_rows_that_differ_in_orgs_alone_are_one_person(site: Site) -> None:
    """A person with one row for each school is one person of all these schools, with a warning."""
    run = site.sync(twice(orgs="d"))

    assert run["outcome"] == "succeeded"
    assert ("reference.merged_rows", "users.csv", 8) in site.findings(run)
    query = "select org_sourced_ids from users where site = :site and sourced_id = 'bob'"
    assert site.rows(query) == [("d,s",)]
    assert site.sync(twice(orgs="d"))["outcome"] == "no_changes"
    rows = twice(orgs="d")["users.csv"].splitlines(keepends=True)
    reordered = {**SCHOOL, "users.csv": "".join([rows[0], *rows[:0:-1]])}
    assert site.sync(reordered)["outcome"] == "no_changes"
    assert site.command("sync", site.package(twice(orgs="d")), "--profile", "strict")[0] == 4


@pytest.mark.parametrize(
    "values",
    [
        {"family": "Roy"},
        {"role": "administrator"},
        {"enabled": "false"},
        {"email": "b@example.org"},
    ],
)
def test_rows_that_differ_otherwise_are_errors(tmp_path: Path, values: dict[str, str]) -> None:
    """If rows also differ in name, role, address or state, it is unclear which one is right."""
    result = checked(twice(orgs="d", **values), tmp_path / "p")

    assert codes(result.findings, "error")[:2] == ["reference.duplicate_sourced_id"] * 2
    assert "bob" not in result.valid["users"]["sourcedId"].to_pylist()


def test_third_row_that_differs_spoils_all(tmp_path: Path) -> None:
    """If two of three rows could be one person and the third differs, none is used."""
    texts = twice(orgs="d")
    texts["users.csv"] += person("bob", given="Bob", family="Roy", email="bob@example.org") + "\n"

    result = checked(texts, tmp_path / "p")

    assert "bob" not in result.valid["users"]["sourcedId"].to_pylist()
