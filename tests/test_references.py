"""References that are not written like the sourcedIds they mean are read if one reading fits.

A spreadsheet removes leading zeros from numbers, and some systems separate lists by `;` or `|`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golden.school import SCHOOL, SCHOOL_1_2, Texts, changed, codes, folder_of
from oneroster_sync.operations.check import Checked, check_package
from oneroster_sync.sites.preferences import Profile

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

NUMBERS = {"s": "0017", "d": "0001"}
CLASSES = {"m1": "0101", "m2": "0102", "a1": "0203"}
PEOPLE = {"ann": "0011", "bob": "0012", "cat": "0013", "dan": "0014", "stu": "0099", "pat": "0098"}


def checked(texts: Texts, folder: Path, profile: str = "tolerant") -> Checked:
    """Check a package without a database."""
    return check_package(folder_of(texts, folder), Profile(profile))


def numbered(*, lost: bool) -> Texts:
    """Return the school with numbers for classes; references to them with or without zeros."""
    texts = dict(SCHOOL)
    for old, new in CLASSES.items():
        texts["classes.csv"] = texts["classes.csv"].replace(f"\n{old},", f"\n{new},")
        ref = new.lstrip("0") if lost else new
        texts["enrollments.csv"] = texts["enrollments.csv"].replace(f",,,{old},", f",,,{ref},")
    return texts


def numbered_people(*files: str) -> Texts:
    """Return the school in 1.2 with numbers for people; some files refer to them without zeros."""
    texts = dict(SCHOOL_1_2)
    for old, new in PEOPLE.items():
        texts["users.csv"] = texts["users.csv"].replace(f"\n{old},", f"\n{new},")
        for file, before in (("roles.csv", ",,,"), ("enrollments.csv", ",s,")):
            ref = new.lstrip("0") if file in files else new
            texts[file] = texts[file].replace(f"{before}{old},", f"{before}{ref},")
    return texts


def warned(result: Checked) -> list[tuple[str, str, str, int]]:
    """Return code, file, column and number of rows of each finding."""
    rows = result.findings.table().to_pylist()
    return [(r["code"], r["file"], r["column"], r["rows"]) for r in rows]


def test_lost_zeros_of_references_are_given_back(tmp_path: Path) -> None:
    """If no value fits as written and all fit at the length of all ids, they get their zeros."""
    result = checked(numbered(lost=True), tmp_path / "p")

    assert warned(result) == [("reference.lost_zeros", "enrollments.csv", "classSourcedId", 4)]
    assert result.valid["enrollments"]["classSourcedId"].to_pylist() == [
        "0101",
        "0102",
        "0203",
        "0203",
    ]


def test_strict_gives_no_zeros_back(tmp_path: Path) -> None:
    """The strict profile rejects the package."""
    result = checked(numbered(lost=True), tmp_path / "p", "strict")

    assert codes(result.findings, "error") == ["reference.lost_zeros"]


@pytest.mark.parametrize(
    ("file", "old", "new", "column"),
    [
        ("enrollments.csv", "ann-m1,,,101,", "ann-m1,,,0101,", "classSourcedId"),
        ("enrollments.csv", "ann-m1,,,101,", "ann-m1,,,777,", "classSourcedId"),
        ("enrollments.csv", "ann-m1,,,101,", "ann-m1,,,m1,", "classSourcedId"),
        ("classes.csv", "\n0203,", "\n00203,", "classSourcedId"),
    ],
    ids=["one fits", "one fits none", "one is a word", "two lengths"],
)
def test_zeros_are_suggested_if_one_value_does_not_fit(
    tmp_path: Path, file: str, old: str, new: str, column: str
) -> None:
    """One value that does not fit the rule leaves every reference unchanged, with a suggestion."""
    result = checked(changed(numbered(lost=True), file, old, new), tmp_path / "p")

    found = result.findings.table().to_pylist()
    assert "reference.lost_zeros" not in {one["code"] for one in found}
    asked = [one for one in found if "did you mean 0102?" in (one["expected"] or "")]
    assert [(one["code"], one["column"]) for one in asked] == [
        ("reference.missing_target_record", column)
    ]


def test_no_sourced_id_of_a_record_is_padded(tmp_path: Path) -> None:
    """A record whose own sourcedId lost its zeros is another record: nothing is padded for it."""
    texts = numbered(lost=False)
    texts["classes.csv"] = texts["classes.csv"].replace("\n0", "\n")

    result = checked(texts, tmp_path / "p")

    assert "reference.lost_zeros" not in codes(result.findings)
    assert result.valid["classes"]["sourcedId"].to_pylist() == ["101", "102", "203"]


def test_zeros_lost_of_pupils_are_not_shown(tmp_path: Path) -> None:
    """A reference that may mean a pupil gets no suggestion: findings have no pupils' sourcedIds."""
    texts = changed(SCHOOL, "users.csv", "\nstu,", "\n0099,")
    texts = changed(texts, "enrollments.csv", "bob-a1,,,a1,s,bob,", "bob-a1,,,a1,s,99,")

    result = checked(texts, tmp_path / "p")

    found = result.findings.table().to_pylist()
    assert [one["code"] for one in found] == ["reference.missing_target_record"]
    assert "0099" not in str(found)


@pytest.mark.parametrize("separator", [";", "|", "; ", " | "])
def test_lists_parted_by_other_characters_are_read(tmp_path: Path, separator: str) -> None:
    """`s;d` is two orgs if both are known, with one warning for the column."""
    texts = changed(SCHOOL, "users.csv", "ann,,,true,s,", f"ann,,,true,s{separator}d,")

    result = checked(texts, tmp_path / "p")

    assert warned(result) == [("row.list_separator", "users.csv", "orgSourcedIds", 1)]
    assert result.valid["users"]["orgSourcedIds"].to_pylist()[0] == "s,d"


def test_lists_of_unknown_parts_stay_as_they_are(tmp_path: Path) -> None:
    """A cell with an unknown part is one sourcedId, and so is a cell that is itself known."""
    texts = changed(SCHOOL, "users.csv", "ann,,,true,s,", "ann,,,true,s;x,")
    result = checked(texts, tmp_path / "p")
    assert warned(result) == [("reference.missing_target_record", "users.csv", "orgSourcedIds", 1)]

    texts = changed(SCHOOL, "users.csv", "ann,,,true,s,", "ann,,,true,s;d,")
    texts["orgs.csv"] += "s;d,,,Both,school,,d\n"
    result = checked(texts, tmp_path / "q")
    assert warned(result) == []
    assert result.valid["users"]["orgSourcedIds"].to_pylist()[0] == "s;d"


def test_second_day_of_lost_zeros_changes_nothing(site: Site) -> None:
    """The next day's package, with or without zeros, gives the same roster."""
    assert site.sync(numbered(lost=True))["outcome"] == "succeeded"
    before = site.assignments()

    assert site.sync(numbered(lost=False))["outcome"] == "no_changes"
    assert (site.assignments(), len(before)) == (before, 2)


def test_lost_zeros_of_roles_are_given_back(tmp_path: Path) -> None:
    """The roles decide who is staff, so their references are restored before users are filtered."""
    lost = checked(numbered_people("roles.csv", "enrollments.csv"), tmp_path / "p")
    right = checked(numbered_people(), tmp_path / "q")

    assert warned(right) == []
    assert warned(lost) == [
        ("reference.lost_zeros", "roles.csv", "userSourcedId", 4),
        ("reference.lost_zeros", "enrollments.csv", "userSourcedId", 4),
    ]
    for name, rows in right.valid.items():
        assert lost.valid[name].equals(rows), name
    assert lost.valid["users"]["sourcedId"].to_pylist() == ["0011", "0012", "0013", "0014"]


def test_strict_gives_roles_no_zeros_back(tmp_path: Path) -> None:
    """The strict profile rejects the package."""
    result = checked(numbered_people("roles.csv"), tmp_path / "p", "strict")

    assert codes(result.findings, "error") == ["reference.lost_zeros"]
    assert result.rejected


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("roles.csv", "r-stu,,,99,", "r-stu,,,0099,"),
        ("roles.csv", "r-stu,,,99,", "r-stu,,,777,"),
        ("roles.csv", "r-stu,,,99,", "r-stu,,,stu,"),
        ("users.csv", "\n0098,", "\n00098,"),
    ],
    ids=["one fits", "one fits none", "one is a word", "two lengths"],
)
def test_roles_stay_unchanged_if_one_does_not_fit(
    tmp_path: Path, file: str, old: str, new: str
) -> None:
    """Pupils' roles count too: if one does not fit the rule, no person is read as staff."""
    result = checked(changed(numbered_people("roles.csv"), file, old, new), tmp_path / "p")

    assert "reference.lost_zeros" not in codes(result.findings)
    assert result.rejected
    assert result.valid["users"].num_rows == 0


def test_lost_zeros_of_roles_beside_broken_lines(tmp_path: Path) -> None:
    """Lines with broken quotes are read again in both files, and have one finding."""
    texts = numbered_people("roles.csv")
    texts = changed(texts, "users.csv", ",Bob,Ray,", ',Bob "Bo" Bert,Ray,')
    texts["roles.csv"] += "r-cut,,\n"

    found = [each for each in warned(checked(texts, tmp_path / "p")) if each[1] != "classes.csv"]

    assert found.count(("reference.lost_zeros", "roles.csv", "userSourcedId", 4)) == 1
    assert [code for code, *_ in found].count("row.width_mismatch") == 1


def test_second_day_of_lost_zeros_of_roles_changes_nothing(site: Site) -> None:
    """The next day's package, with or without zeros, in bulk, gives the same roster."""
    assert site.sync(numbered_people("roles.csv"))["outcome"] == "succeeded"
    before = site.users()

    assert site.sync(numbered_people())["outcome"] == "no_changes"
    assert site.sync(numbered_people("roles.csv"))["outcome"] == "no_changes"
    assert (site.users(), len(before)) == (before, 4)
