"""Only staff passes extract: students, parents, guardians and relatives are left out.

They are counted as ignored; no snapshot and no finding has their data. A person with an unclear
role is kept with the sourcedId alone, so that a typing error neither deactivates a person nor
stores a student's name.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.school import (
    SCHOOL,
    SCHOOL_1_2,
    Texts,
    added,
    as_delta,
    changed,
    codes,
    folder_of,
    opened,
    summarize,
    without,
)

if TYPE_CHECKING:
    from oneroster_sync.stages.extract.package import Extracted

VERSIONS = [SCHOOL, SCHOOL_1_2]
MARK = "Zq7"


def ids(extracted: Extracted, file: str = "users") -> list[str]:
    """Return the sourcedIds of the rows that are kept of a file."""
    found: list[str] = extracted.tables[file]["sourcedId"].to_pylist()
    return found


def user(extracted: Extracted, sourced_id: str) -> dict[str, object]:
    """Return the kept values of one user that are not blank."""
    rows = extracted.tables["users"].to_pylist()
    (row,) = [row for row in rows if row["sourcedId"] == sourced_id]
    return {name: value for name, value in row.items() if value not in {None, False}}


def everything(extracted: Extracted) -> str:
    """Return all tables and findings of extract as one text."""
    tables = [table.to_pylist() for table in extracted.tables.values()]
    heads = [str(table.schema) for table in extracted.tables.values()]
    return str([tables, heads, extracted.findings.table().to_pylist(), extracted.rows])


def with_role(texts: Texts, old: str, new: str) -> Texts:
    """Return the texts with the role of Ann, Bob, Cat, Dan, Stu or Pat changed."""
    who, role = old.split()
    if "roles.csv" in texts:
        return changed(texts, "roles.csv", f"{who},primary,{role}", f"{who},primary,{new}")
    row = f"{who},,,true,s,"
    return changed(texts, "users.csv", f"{row}{role}", f"{row}{new}")


@pytest.mark.parametrize("texts", VERSIONS)
def test_students_and_parents_stay_outside(tmp_path: Path, texts: Texts) -> None:
    """Students and parents are counted as ignored, and no table has them or their enrollments."""
    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert ids(extracted) == ["ann", "bob", "cat", "dan"]
    assert ids(extracted, "enrollments") == ["ann-m1", "ann-m2", "bob-a1", "cat-a1"]
    assert extracted.ignored == 2
    assert extracted.rows["users"] == 6
    assert extracted.rows["enrollments"] == 5
    for trace in ("stu", "Poe", "pat", "stu@example.org"):
        assert f"'{trace}'" not in everything(extracted)


@pytest.mark.parametrize("texts", VERSIONS)
@pytest.mark.parametrize(
    "role", ["student", "parent", "guardian", "relative", "Student", "PARENT", " student "]
)
def test_every_such_role_stays_outside(tmp_path: Path, texts: Texts, role: str) -> None:
    """Any spelling of such a role is ignored without a warning."""
    package = folder_of(with_role(texts, "cat aide", role), tmp_path / "p")

    extracted = opened(package)

    assert ids(extracted) == ["ann", "bob", "dan"]
    assert ids(extracted, "enrollments") == ["ann-m1", "ann-m2", "bob-a1"]
    assert extracted.ignored == 3
    assert summarize(extracted.findings) == []


@pytest.mark.parametrize(
    ("texts", "roles"),
    [
        (SCHOOL, ["teacher", "administrator", "aide", "proctor"]),
        (
            SCHOOL_1_2,
            [
                "teacher",
                "aide",
                "proctor",
                "counselor",
                "principal",
                "siteAdministrator",
                "systemAdministrator",
                "districtAdministrator",
            ],
        ),
    ],
)
def test_every_role_of_staff_comes_in(tmp_path: Path, texts: Texts, roles: list[str]) -> None:
    """Every other role of the standard is staff."""
    for role in roles:
        extracted = opened(folder_of(with_role(texts, "cat aide", role), tmp_path / role))
        assert "cat" in ids(extracted)
        assert user(extracted, "cat")["givenName"] == "Cat"
        assert extracted.ignored == 2


@pytest.mark.parametrize("texts", VERSIONS)
@pytest.mark.parametrize("role", ["pupil", "stdnt", "Schüler", "0", "learner;student"])
def test_role_that_is_unknown_withholds_the_person(tmp_path: Path, texts: Texts, role: str) -> None:
    """A person with an unreadable role is kept with nothing but what identifies the record."""
    extracted = opened(folder_of(with_role(texts, "stu student", role), tmp_path / "p"))

    assert ids(extracted) == ["ann", "bob", "cat", "dan", "stu"]
    kept = {"sourcedId", "role", "status", "row", "withheld", "flaw"}
    assert set(user(extracted, "stu")) <= kept
    assert user(extracted, "stu")["withheld"] is True
    assert user(extracted, "stu")["flaw"]
    assert extracted.ignored == 1
    assert "stu@example.org" not in everything(extracted)
    assert "Poe" not in everything(extracted)


def test_user_without_any_role_stays_outside(tmp_path: Path) -> None:
    """In 1.2, an unknown user without any role counts as a student and is ignored."""
    texts = changed(SCHOOL_1_2, "roles.csv", "r-stu,,,stu,primary,student,,,s,\n", "")

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert ids(extracted) == ["ann", "bob", "cat", "dan"]
    assert "stu" not in everything(extracted)
    assert extracted.ignored == 2


def test_user_of_ours_without_any_role_is_withheld(tmp_path: Path) -> None:
    """A known user without any role left in a bulk roles.csv is protected and reported."""
    texts = changed(SCHOOL_1_2, "roles.csv", "r-cat,,,cat,primary,aide,,,s,\n", "")

    extracted = opened(folder_of(texts, tmp_path / "p"), known=["cat"], roles={"r-cat": "cat"})

    assert set(user(extracted, "cat")) == {"sourcedId", "row", "withheld", "flaw"}
    assert user(extracted, "cat")["flaw"] == "reference.missing_role"
    assert "Orr" not in everything(extracted)


def test_remembered_role_makes_a_user_staff(tmp_path: Path) -> None:
    """In a delta without roles.csv, only a user with a remembered role is staff."""
    row = SCHOOL_1_2["users.csv"].splitlines()[1].replace(",,,", ",active,2026-09-01T00:00:00Z,", 1)
    package = folder_of(as_delta(SCHOOL_1_2, users=[row]), tmp_path / "p")

    assert user(opened(package, known=["ann"], roles={"r": "ann"}), "ann")["givenName"] == "Ann"
    assert "Ann" not in everything(opened(package, known=["ann"]))
    assert "ann" not in everything(opened(package))


@pytest.mark.parametrize("other", ["parent", "guardian", "student", "relative"])
@pytest.mark.parametrize("first", [True, False])
def test_teacher_who_is_a_parent_is_staff(tmp_path: Path, *, other: str, first: bool) -> None:
    """A person with a role of staff and another role is staff, in any order of the rows."""
    header, rest = SCHOOL_1_2["roles.csv"].split("\n", 1)
    row = f"r2-ann,,,ann,secondary,{other},,,s,\n"
    text = f"{header}\n{row}{rest}" if first else f"{header}\n{rest}{row}"

    extracted = opened(folder_of({**SCHOOL_1_2, "roles.csv": text}, tmp_path / "p"))

    assert user(extracted, "ann")["givenName"] == "Ann"
    assert "ann-m1" in ids(extracted, "enrollments")
    assert extracted.ignored == 2
    assert other not in extracted.tables["roles"]["role"].to_pylist()


@pytest.mark.parametrize("first", [True, False])
def test_teacher_with_a_row_as_parent_is_staff(tmp_path: Path, *, first: bool) -> None:
    """In 1.1, a person's row as a parent is ignored, and the row as a teacher is used."""
    header, rest = SCHOOL["users.csv"].split("\n", 1)
    row = "ann,,,true,s,parent,ann,,Ann,Lee,,,ann@example.org,,,,,\n"
    text = f"{header}\n{row}{rest}" if first else f"{header}\n{rest}{row}"

    extracted = opened(folder_of({**SCHOOL, "users.csv": text}, tmp_path / "p"))

    assert ids(extracted).count("ann") == 1
    assert "ann-m1" in ids(extracted, "enrollments")
    assert extracted.ignored == 3


@pytest.mark.parametrize("role", ["ext:coach", "ext:studentHelper"])
def test_extended_role_is_ignored(tmp_path: Path, role: str) -> None:
    """A person whose only role is a vendor's own is ignored, because its meaning is unknown."""
    extracted = opened(folder_of(with_role(SCHOOL_1_2, "cat aide", role), tmp_path / "p"))

    assert "cat" not in ids(extracted)
    assert extracted.ignored == 3
    assert role not in extracted.tables["roles"]["role"].to_pylist()


def test_extended_role_beside_another_is_ignored(tmp_path: Path) -> None:
    """A teacher with an additional vendor's own role is staff."""
    texts = added(SCHOOL_1_2, "roles.csv", "r2-ann,,,ann,secondary,ext:coach,,,s,")

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert user(extracted, "ann")["givenName"] == "Ann"
    assert "ext:coach" not in everything(extracted)


@pytest.mark.parametrize("texts", VERSIONS)
@pytest.mark.parametrize("role", ["student", "teacher", "guardian", "pupil", ""])
def test_enrollment_of_a_student_stays_outside(tmp_path: Path, texts: Texts, role: str) -> None:
    """A student's enrollment is ignored, whatever its role."""
    package = folder_of(
        changed(texts, "enrollments.csv", "stu,student", f"stu,{role}"), tmp_path / "p"
    )

    assert "stu-m1" not in ids(opened(package), "enrollments")


@pytest.mark.parametrize("spoilt", ["stu,,,true,stu", "stu,,,true,stu,surplus\x07"])
def test_broken_row_of_a_student_stays_outside(tmp_path: Path, spoilt: str) -> None:
    """In 1.2, roles.csv marks a user as a student even if the user's own row is broken."""
    header, *rows = SCHOOL_1_2["users.csv"].splitlines()
    rows = [spoilt if row.startswith("stu,") else row for row in rows]
    texts = {**SCHOOL_1_2, "users.csv": "\n".join([header, *rows]) + "\n"}

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert ids(extracted) == ["ann", "bob", "cat", "dan"]
    assert extracted.ignored == 2


@pytest.mark.parametrize("texts", VERSIONS)
@pytest.mark.parametrize("file", ["demographics.csv", "results.csv", "lineItems.csv"])
def test_file_of_others_is_never_opened(tmp_path: Path, texts: Texts, file: str) -> None:
    """Files with birth dates, races or marks are never opened, whatever their bytes."""
    name = file.removesuffix(".csv")
    texts = changed(texts, "manifest.csv", f"file.{name},absent", f"file.{name},bulk")
    package = folder_of({**texts, file: b'\xff\x00\r"' * 100}, tmp_path / "p")

    for profile in ("tolerant", "strict"):
        extracted = opened(package, profile)
        assert (extracted.refused, summarize(extracted.findings)) == (False, [])
        assert name not in extracted.tables


def test_profiles_of_users_are_never_opened(tmp_path: Path) -> None:
    """userProfiles.csv, which has credentials, is never opened, with or without a manifest."""
    texts = changed(
        SCHOOL_1_2, "manifest.csv", "file.userProfiles,absent", "file.userProfiles,bulk"
    )
    secret = {"userProfiles.csv": b'\xff\xfe"password\r'}

    for number, files in enumerate((texts, without(texts, "manifest.csv"))):
        extracted = opened(folder_of({**files, **secret}, tmp_path / str(number)))
        assert not extracted.refused
        assert "error" not in extracted.findings.table()["severity"].to_pylist()


@pytest.mark.parametrize("texts", VERSIONS)
@pytest.mark.parametrize(
    "column",
    ["password", "phone", "sms", "identifier", "userIds", "middleName", "grades"],
)
def test_column_that_is_not_needed_is_never_read(tmp_path: Path, texts: Texts, column: str) -> None:
    """Passwords, telephone numbers and similar values of staff are in no table and no finding."""
    header, *rows = (line.split(",") for line in texts["users.csv"].splitlines())
    at = header.index(column)
    for row in rows:
        row[at] = f" {MARK} "
    text = "".join(",".join(row) + "\n" for row in [header, *rows])

    extracted = opened(folder_of({**texts, "users.csv": text}, tmp_path / "p"))

    assert (extracted.refused, summarize(extracted.findings)) == (False, [])
    assert column not in extracted.tables["users"].column_names
    assert MARK not in everything(extracted)


@pytest.mark.parametrize("texts", VERSIONS)
@pytest.mark.parametrize("manifest", [True, False])
def test_rows_under_no_header_stay_outside(tmp_path: Path, *, texts: Texts, manifest: bool) -> None:
    """If the header is missing, the values of the first row appear nowhere."""
    header = texts["users.csv"].splitlines()[0].split(",")
    row = [f"{MARK}{name}" for name in header]
    row[header.index("username")] = row[0]
    texts = texts if manifest else without(texts, "manifest.csv")

    extracted = opened(folder_of({**texts, "users.csv": ",".join(row) + "\n"}, tmp_path / "p"))

    assert extracted.refused
    assert MARK not in everything(extracted)


_VALUES = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters='",'),
    max_size=12,
).map(lambda text: MARK + text)
_OUTSIDERS = st.sampled_from(["student", "parent", "guardian", "relative", "Student", " PARENT "])
_ROLES = st.sampled_from(["student", "guardian", "teacher", "pupil", "", "aide"])


def _row(header: list[str], values: dict[str, str], special: dict[str, str]) -> str:
    return ",".join(special.get(name, values[name]) for name in header)


@st.composite
def _packages(draw: st.DrawFn) -> Texts:
    """Return the school with more students and parents, marked in each column."""
    texts = draw(st.sampled_from(VERSIONS))
    for _ in range(draw(st.integers(1, 3))):
        role = draw(_OUTSIDERS)
        sourced_id = draw(_VALUES)
        for file, fixed in (
            ("users.csv", {"sourcedId": sourced_id, "role": role}),
            ("roles.csv", {"userSourcedId": sourced_id, "role": role}),
            ("enrollments.csv", {"userSourcedId": sourced_id, "role": draw(_ROLES)}),
        ):
            if file not in texts:
                continue
            header, *rows = texts[file].splitlines()
            names = header.split(",")
            marked = _row(names, {name: draw(_VALUES) for name in names}, fixed)
            at = draw(st.integers(0, len(rows)))
            rows.insert(at, marked)
            texts = {**texts, file: "\n".join([header, *rows]) + "\n"}
    return texts


@given(_packages())
@settings(deadline=None, max_examples=60, derandomize=True)
def test_nothing_of_a_student_comes_in(texts: Texts) -> None:
    """Whatever the columns of students and parents contain, none of it passes extract."""
    with tempfile.TemporaryDirectory() as folder:
        extracted = opened(folder_of(texts, Path(folder) / "p"))

    assert not extracted.refused
    assert ids(extracted) == ["ann", "bob", "cat", "dan"]
    assert codes(extracted.findings) == []
    assert MARK not in everything(extracted)
