"""A comparison of two packages lists differing records by sourcedId and column, but no values.

These tests have no database, so the comparison needs none.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pytest
from click.testing import CliRunner

from golden.school import (
    SCHOOL,
    SCHOOL_1_2,
    Texts,
    added,
    as_delta,
    changed,
    folder_of,
    opened,
    person,
    without,
)
from oneroster_sync.cli import main
from oneroster_sync.operations.check import judge_package
from oneroster_sync.operations.compare import compare_judged, compare_packages
from oneroster_sync.roster.records import put
from oneroster_sync.sites.preferences import Profile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from click.testing import Result

PEOPLE = ("Lee", "Ray", "Orr", "Fox", "Poe", "example.org")
ANN = "ann,,,true,s,teacher,ann,,Ann,Lee"


def compared(tmp_path: Path, a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, Any]:
    """Return the comparison of two packages, with lists of sourcedIds."""
    first, second = folder_of(a, tmp_path / "a"), folder_of(b, tmp_path / "b")
    return compare_packages(first, second, Profile.TOLERANT).as_dict(listed=True)


def differing(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the lists that are not empty, by file."""
    files = {
        name: {what: named for what, named in file["list"].items() if named}
        for name, file in found["files"].items()
    }
    return {name: lists for name, lists in files.items() if lists}


def rewritten(texts: Texts, file: str, **columns: dict[str, str]) -> Texts:
    """Return the texts with values of some columns replaced; a cell may be a list."""
    rows = list(csv.DictReader(io.StringIO(texts[file])))
    for row in rows:
        for column, meant in columns.items():
            row[column] = ",".join(meant.get(part, part) for part in row[column].split(","))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return {**texts, file: text.getvalue()}


def command(*words: object) -> Result:
    """Run `oneroster compare WORDS`."""
    return CliRunner().invoke(main, ["compare", *map(str, words)], catch_exceptions=False)


def test_two_versions_of_one_school_are_the_same(tmp_path: Path) -> None:
    """A role row of 1.2 equals role and org of 1.1, where a principal is an administrator."""
    found = compared(tmp_path, SCHOOL, SCHOOL_1_2)

    assert found["same"] is True
    assert differing(found) == {}
    assert "roles" not in found["files"]
    assert found["files"]["users"]["rows"] == {"a": 4, "b": 4}


def test_role_of_another_version_is_the_same_on_the_platform(tmp_path: Path) -> None:
    """A 1.2 role in a 1.1 package is compared by the platform's name of the role."""
    older, newer = (
        judge_package(opened(folder_of(texts, tmp_path / name)), Profile.TOLERANT)
        for name, texts in (("a", SCHOOL), ("b", SCHOOL_1_2))
    )
    users = older.valid["users"]
    words = pc.replace_substring(users["role"], "administrator", "siteAdministrator")
    older.valid["users"] = put(users, "role", words)

    assert compare_judged(older, newer)["users"].is_same


def test_two_versions_of_one_export_are_the_same(data: Path) -> None:
    """The sample school in 1.1 and in 1.2 are equal, in either order."""
    older, newer = (data / f"school-small-{version}.zip" for version in ("1.1", "1.2"))

    assert compare_packages(older, newer, Profile.TOLERANT).is_same
    assert compare_packages(newer, older, Profile.TOLERANT).is_same


def test_order_says_nothing(tmp_path: Path) -> None:
    """Packages that differ only in the order of rows, or of a user's orgs, are equal."""
    texts = added(SCHOOL, "users.csv", person("two", orgs='"s,d"'))
    other = added(SCHOOL, "users.csv", person("two", orgs='"d,s"'))
    header, *rows = other["users.csv"].splitlines()
    other["users.csv"] = "\n".join([header, *reversed(rows)]) + "\n"

    assert compared(tmp_path, texts, other)["same"] is True


def test_records_of_one_package_only_are_named(tmp_path: Path) -> None:
    """Users of only one package are listed for that package, and so are their enrollments."""
    a = added(SCHOOL, "users.csv", person("old"))
    a = added(a, "enrollments.csv", "old-a1,,,a1,s,old,teacher,,,")
    b = added(SCHOOL, "users.csv", person("new", given="New", family="Born"))

    found = compared(tmp_path, a, b)

    assert found["same"] is False
    assert differing(found) == {
        "users": {"only_in_a": ["old"], "only_in_b": ["new"]},
        "enrollments": {"only_in_a": ["old-a1"]},
    }
    assert found["files"]["users"]["only_in_a"] == found["files"]["users"]["only_in_b"] == 1


def test_changes_are_counted_by_column(tmp_path: Path) -> None:
    """A record with two changed columns counts once as a record, and once for each column."""
    b = changed(SCHOOL, "users.csv", ANN, "ann,,,true,s,aide,ann,,Ann,Ley")
    b = changed(b, "users.csv", ",bob,,Bob,Ray", ",bob,,Bob,Roy")
    b = changed(b, "courses.csv", ",Mathematics,", ",Maths,")
    b = changed(b, "enrollments.csv", "cat-a1,,,a1,s,cat,aide", "cat-a1,,,a1,s,cat,teacher")

    found = compared(tmp_path, SCHOOL, b)

    assert differing(found) == {
        "courses": {"changed": {"title": ["maths"]}},
        "users": {"changed": {"role": ["ann"], "familyName": ["ann", "bob"]}},
        "enrollments": {"changed": {"role": ["cat-a1"]}},
    }
    users = found["files"]["users"]
    assert (users["changed"], users["columns"]) == (2, {"role": 1, "familyName": 2})


def test_detail_of_a_role_is_a_change(tmp_path: Path) -> None:
    """Two packages of 1.2 are compared by all columns of roles.csv."""
    b = changed(
        SCHOOL_1_2, "roles.csv", "dan,primary,principal,,", "dan,primary,principal,,2027-06-01"
    )
    b = changed(b, "roles.csv", "bob,primary,teacher", "bob,primary,counselor")

    assert differing(compared(tmp_path, SCHOOL_1_2, b)) == {
        "users": {"changed": {"role": ["bob"], "roles": ["bob", "dan"]}}
    }


def test_new_sis_changes_sourced_ids_only(tmp_path: Path) -> None:
    """A new sourcedId is one difference, and references to it are not further ones."""
    files = ("academicSessions", "orgs", "courses", "classes", "users", "enrollments")
    b = SCHOOL
    ids: dict[str, dict[str, str]] = {}
    for file in files:
        known = [row["sourcedId"] for row in csv.DictReader(io.StringIO(b[f"{file}.csv"]))]
        ids[file] = {one: f"new-{one}" for one in known}
        b = rewritten(b, f"{file}.csv", sourcedId=ids[file])
    for file in ("academicSessions", "orgs"):
        b = rewritten(b, f"{file}.csv", parentSourcedId=ids[file])
    sessions, orgs, courses, classes, users = (ids[file] for file in files[:5])
    b = rewritten(b, "courses.csv", schoolYearSourcedId=sessions, orgSourcedId=orgs)
    b = rewritten(
        *(b, "classes.csv"), courseSourcedId=courses, schoolSourcedId=orgs, termSourcedIds=sessions
    )
    b = rewritten(b, "users.csv", orgSourcedIds=orgs, agentSourcedIds=users)
    b = rewritten(
        *(b, "enrollments.csv"), classSourcedId=classes, schoolSourcedId=orgs, userSourcedId=users
    )

    found = compared(tmp_path, SCHOOL, b)

    assert found["same"] is False
    assert {what for lists in differing(found).values() for what in lists} == {"ids_changed"}
    assert found["files"]["users"]["list"]["ids_changed"] == [
        {"old": one, "new": f"new-{one}"} for one in ("ann", "bob", "cat", "dan")
    ]
    numbers = {name: file["ids_changed"] for name, file in found["files"].items()}
    assert numbers == {
        "academicSessions": 2,
        "orgs": 2,
        "courses": 2,
        "classes": 3,
        "users": 4,
        "enrollments": 4,
    }


def test_login_alone_is_no_person(tmp_path: Path) -> None:
    """A login that belongs to a person with another name is one removed and one new user."""
    a = added(SCHOOL, "users.csv", person("u1", given="Eve", family="Ash", email="x@example.org"))
    for family, wanted in (
        ("Ash", {"ids_changed": [{"old": "u1", "new": "u2"}], "changed": {"givenName": ["u2"]}}),
        ("Elm", {"only_in_a": ["u1"], "only_in_b": ["u2"]}),
    ):
        row = person("u2", given="Gus", family=family, email="X@example.org", username="u1")
        b = added(SCHOOL, "users.csv", row)
        found = differing(compared(tmp_path / family, a, b))["users"]
        found.get("changed", {}).pop("email", None)
        assert found == wanted


def test_enrollments_numbered_anew_are_the_same_enrollments(tmp_path: Path) -> None:
    """Renumbered enrollments are listed as new sourcedIds, and a really new one as new."""
    rows = ("m1,s,ann,teacher", "m2,s,ann,teacher", "a1,s,bob,teacher", "a1,s,cat,aide")
    header = SCHOOL["enrollments.csv"].split("\n", 1)[0] + "\n"
    a = added({**SCHOOL, "enrollments.csv": header}, "enrollments.csv")
    b = dict(a)
    a = added(a, "enrollments.csv", *(f"{at},,,{row},,," for at, row in enumerate(rows)))
    more = ("m1,s,dan,teacher", *rows)
    b = added(b, "enrollments.csv", *(f"{at},,,{row},,," for at, row in enumerate(more)))

    found = differing(compared(tmp_path, a, b))["enrollments"]

    assert found["only_in_b"] == ["0"]
    assert found["ids_changed"] == [{"old": str(n), "new": str(n + 1)} for n in range(4)]
    assert set(found) == {"only_in_b", "ids_changed"}


def test_row_with_an_error_is_not_missing(tmp_path: Path) -> None:
    """A record whose row is unusable in B is not listed as missing in B."""
    b = changed(SCHOOL, "users.csv", ",Bob,Ray,", ",,Ray,")

    found = compared(tmp_path, SCHOOL, b)

    assert differing(found) == {
        "users": {"usable_only_in_a": ["bob"]},
        "enrollments": {"usable_only_in_a": ["bob-a1"]},
    }
    assert found["same"] is False
    assert found["files"]["users"]["unusable"] == {"a": 0, "b": 1}


def test_error_in_both_packages_is_no_difference(tmp_path: Path) -> None:
    """The same error in both packages is no difference; an additional error is one."""
    a = changed(SCHOOL, "users.csv", ",Bob,Ray,", ",,Ray,")
    b = added(a, "users.csv", person("u1", given=""))

    assert compared(tmp_path / "same", a, a)["same"] is True
    found = compared(tmp_path / "more", a, b)
    assert (found["same"], differing(found)) == (False, {})
    assert found["files"]["users"]["same"] is False


def test_pupils_are_not_compared(tmp_path: Path) -> None:
    """Changes of students and parents are no difference, and no list names them."""
    b = changed(SCHOOL, "users.csv", ",pat,,Pat,Poe,", ",pat,,Patricia,Poe,")
    b = added(b, "users.csv", person("kid", role="student"))
    b = added(b, "enrollments.csv", "kid-a1,,,a1,s,kid,student,,,")

    found = compared(tmp_path, SCHOOL, b)

    assert found["same"] is True
    assert differing(found) == {}


def test_file_of_one_package_is_all_there(tmp_path: Path) -> None:
    """All rows of a file that only one package has are listed for that package."""
    b = without(SCHOOL, "manifest.csv", "enrollments.csv")

    found = compared(tmp_path, without(SCHOOL, "manifest.csv"), b)

    enrollments = found["files"]["enrollments"]
    assert enrollments["modes"] == {"a": "bulk", "b": "absent"}
    assert (enrollments["only_in_a"], enrollments["only_in_b"]) == (4, 0)
    assert set(differing(found)) == {"enrollments"}


def test_column_of_one_package_is_named(tmp_path: Path) -> None:
    """A column that one header lacks is a difference of the headers, but of no row."""
    rows = csv.reader(io.StringIO(SCHOOL["courses.csv"]))
    b = {**SCHOOL, "courses.csv": "".join(f"{','.join(row[:6])}\n" for row in rows)}

    found = compared(tmp_path, SCHOOL, b)

    assert found["files"]["courses"]["columns_only_in_a"] == ["grades", "orgSourcedId", "subjects"]
    assert (found["same"], differing(found)) == (False, {})


def test_delta_is_compared_with_a_delta_only(tmp_path: Path) -> None:
    """A bulk file is not compared with a delta; between deltas a removal is a changed status."""
    when = "2026-09-01T00:00:00.000Z"
    rows = [SCHOOL["users.csv"].splitlines()[1], person("u1")]
    stays, comes = (row.replace(",,,true", f",active,{when},true") for row in rows)
    a = as_delta(SCHOOL, users=[stays, comes])
    b = as_delta(SCHOOL, users=[stays, f"u1,tobedeleted,{when}" + "," * 15])

    found = compared(tmp_path / "deltas", a, b)
    assert differing(found) == {"users": {"changed": {"status": ["u1"]}}}

    found = compared(tmp_path / "bulk", SCHOOL, a)
    assert found["files"]["users"]["compared"] is False
    assert "users" not in differing(found)
    assert found["same"] is False


@pytest.mark.parametrize(("words", "code"), [((), 0), (("--exit-code",), 5)])
def test_difference_is_an_exit_code_on_demand(
    tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    """The exit code is 0 after a comparison; with --exit-code it is 5 if the packages differ."""
    a = folder_of(SCHOOL, tmp_path / "a")
    b = folder_of(changed(SCHOOL, "orgs.csv", ",School,", ",Other,"), tmp_path / "b")

    assert command(a, b, *words).exit_code == code
    assert command(a, a, *words).exit_code == 0


def test_package_that_cannot_be_used_is_rejected(tmp_path: Path) -> None:
    """A rejected package gives the exit code 4, as a sync does; a missing argument gives 2."""
    a = folder_of(SCHOOL, tmp_path / "a")
    empty = folder_of({"users.csv": ""}, tmp_path / "b")

    for pair in ((a, empty), (empty, a), (a, tmp_path / "nowhere")):
        ended = command(*pair, "--json", "--exit-code")
        assert ended.exit_code == 4
        output = json.loads(ended.stdout)
        assert (output["outcome"], output["same"], output["files"]) == ("rejected", None, {})
        assert "nothing is compared" in ended.stderr
    assert command(a).exit_code == 2


def test_strict_holds_both_to_the_standard(tmp_path: Path) -> None:
    """A package that strict rejects is rejected as the second package too."""
    a = folder_of(SCHOOL, tmp_path / "a")
    b = folder_of(changed(SCHOOL, "users.csv", "dan,,,true", "dan,,,TRUE"), tmp_path / "b")

    assert json.loads(command(a, b, "--json").stdout)["same"] is True
    assert command(a, b, "--profile", "strict").exit_code == 4


def test_command_prints_one_object_without_values(tmp_path: Path) -> None:
    """Stdout has sourcedIds of staff only with --list, and never values."""
    b = changed(SCHOOL, "users.csv", ANN, "ann,,,true,s,teacher,ann,,Ann,Newname")
    b = changed(b, "users.csv", ",Bob,Ray,", ",,Ray,")
    b = added(b, "users.csv", person("u1", family="Secret"), person("kid", role="student"))
    folders = [folder_of(texts, tmp_path / name) for name, texts in (("a", SCHOOL), ("b", b))]

    plain, listed = command(*folders, "--json"), command(*folders, "--json", "--list")
    words = command(*folders, "--list")

    assert "list" not in json.loads(plain.stdout)["files"]["users"]
    users = json.loads(listed.stdout)["files"]["users"]["list"]
    assert (users["changed"], users["only_in_b"]) == ({"familyName": ["ann"]}, ["u1"])
    assert "changed familyName: ann" in words.stdout
    assert "only in B: u1" in words.stdout
    assert "The packages differ." in words.stdout
    for output in (one for ended in (plain, listed, words) for one in (ended.stdout, ended.stderr)):
        for value in (*PEOPLE, "Newname", "Secret", "kid", "stu-", '"stu"', '"pat"'):
            assert value not in output
