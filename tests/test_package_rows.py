"""Rows: which are used, and the finding for each of the others.

The suites under `expectations/` check the rows; these tests state the result. A row that fails has
one finding, with code, file, row, column, sourcedId and the expected value, and without its value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from golden.school import (
    SCHOOL,
    Texts,
    added,
    codes,
    folder_of,
    person,
    users_checked,
)
from oneroster_sync.findings.finding import shown_id
from oneroster_sync.operations.check import Checked, check_package
from oneroster_sync.sites.preferences import Profile

if TYPE_CHECKING:
    from pathlib import Path


Found = list[dict[str, Any]]


def findings_of(checked: Checked, file: str, row: int) -> Found:
    """Return the findings of one row."""
    rows: Found = checked.findings.table().to_pylist()
    return [one for one in rows if one["file"] == file and one["row"] == row]


def row_of(texts: Texts, file: str, line: str) -> int:
    """Return the number of a line as a spreadsheet shows it."""
    return texts[file].splitlines().index(line) + 1


LONG = "x" * 256
FAULTS: list[tuple[str, str, str, str]] = [
    ("users.csv", person("", username="no", email="no@example.org"),
     "row.missing_required_value", "sourcedId"),
    ("users.csv", person(LONG, email="l@example.org", username="l"), "row.too_long", "sourcedId"),
    ("users.csv", person("u1", role=""), "row.missing_required_value", "role"),
    ("users.csv", person("u2", role="pupil"), "row.invalid_enum", "role"),
    ("users.csv", person("u3", orgs=""), "row.missing_required_value", "orgSourcedIds"),
    ("users.csv", person("u4", orgs="gone"), "reference.missing_target_record", "orgSourcedIds"),
    (
        "users.csv",
        person("u5", orgs='"s, gone"'),
        "reference.missing_target_record",
        "orgSourcedIds",
    ),
    ("users.csv", person("u6", orgs="bad-org"), "reference.target_quarantined", "orgSourcedIds"),
    ("users.csv", person("u7", enabled=""), "row.missing_required_value", "enabledUser"),
    ("users.csv", person("u8", enabled="maybe"), "row.invalid_boolean", "enabledUser"),
    ("users.csv", person("u9", username=""), "row.missing_required_value", "username"),
    ("users.csv", person("u10", username=LONG), "row.too_long", "username"),
    ("users.csv", person("u11", given=""), "row.missing_required_value", "givenName"),
    ("users.csv", person("u12", family=""), "row.missing_required_value", "familyName"),
    ("users.csv", person("u13", family=LONG), "row.too_long", "familyName"),
    ("users.csv", person("u14", email="u14"), "row.invalid_email", "email"),
    ("users.csv", person("u15", email="u15@example"), "row.invalid_email", "email"),
    ("users.csv", person("u16", email="a@b@example.org"), "row.invalid_email", "email"),
    ("users.csv", person("u17", email="ann@example.org;x@y.org"), "row.invalid_email", "email"),
    ("users.csv", person("u18", email="shared@example.org"), "semantic.login_taken", "email"),
    ("users.csv", person("u19", email="Shared@Example.ORG"), "semantic.login_taken", "email"),
    ("users.csv", person("u20", status="gone"), "row.invalid_enum", "status"),
    ("users.csv", person("u21", status="tobedeleted"), "semantic.tobedeleted_in_bulk", "status"),
    ("users.csv", person("u22"), "reference.duplicate_sourced_id", "sourcedId"),
    (
        "users.csv",
        person("u22", email="u22b@example.org"),
        "reference.duplicate_sourced_id",
        "sourcedId",
    ),
    ("orgs.csv", "bad-org,,,One,school,,d", "reference.duplicate_sourced_id", "sourcedId"),
    ("orgs.csv", "bad-org,,,Two,school,,d", "reference.duplicate_sourced_id", "sourcedId"),
    ("orgs.csv", "o0,,,,school,,d", "row.missing_required_value", "name"),
    ("orgs.csv", f"o1,,,{LONG},school,,d", "row.too_long", "name"),
    ("orgs.csv", "o2,,,Org,college,,d", "row.invalid_enum", "type"),
    ("orgs.csv", "o3,,,Org,school,,gone", "reference.missing_target_record", "parentSourcedId"),
    ("orgs.csv", "o4,,,Org,school,,o5", "reference.cycle", "parentSourcedId"),
    ("orgs.csv", "o5,,,Org,school,,o6", "reference.cycle", "parentSourcedId"),
    ("orgs.csv", "o6,,,Org,school,,o4", "reference.cycle", "parentSourcedId"),
    ("orgs.csv", "o7,,,Org,school,,o7", "reference.cycle", "parentSourcedId"),
    ("academicSessions.csv", "bad-term,,,Fall,term,2026-08-01,2026-12-01,y,2027",
     "reference.duplicate_sourced_id", "sourcedId"),
    ("academicSessions.csv", "bad-term,,,Autumn,term,2026-08-01,2026-12-01,y,2027",
     "reference.duplicate_sourced_id", "sourcedId"),
    ("academicSessions.csv", "t0,,,,term,2026-08-01,2026-12-01,y,2027",
     "row.missing_required_value", "title"),
    ("academicSessions.csv", "t1,,,Fall,trimester,2026-08-01,2026-12-01,y,2027",
     "row.invalid_enum", "type"),
    ("academicSessions.csv", "t2,,,Fall,term,,2026-12-01,y,2027",
     "row.missing_required_value", "startDate"),
    ("academicSessions.csv", "t3,,,Fall,term,2026-08-01,2026-07-31,y,2027",
     "semantic.date_order", "endDate"),
    ("academicSessions.csv", "t4,,,Fall,term,2026-08-01,2026-12-01,gone,2027",
     "reference.missing_target_record", "parentSourcedId"),
    ("academicSessions.csv", "t5,,,Fall,term,2026-08-01,2026-12-01,t5,2027",
     "reference.cycle", "parentSourcedId"),
    ("academicSessions.csv", "t6,,,Fall,term,2026-08-01,2026-12-01,y,27",
     "row.invalid_year", "schoolYear"),
    ("academicSessions.csv", "t7,,,Fall,term,2026-08-01,2026-12-01,y,",
     "row.missing_required_value", "schoolYear"),
    ("courses.csv", "bad-course,,,y,,X,,s,,", "row.missing_required_value", "title"),
    ("courses.csv", f"c1,,,y,{LONG},X,,s,,", "row.too_long", "title"),
    ("courses.csv", f"c2,,,y,Title,{LONG},,s,,", "row.too_long", "courseCode"),
    ("courses.csv", "c3,,,y,Title,X,,,,", "row.missing_required_value", "orgSourcedId"),
    ("courses.csv", "c4,,,y,Title,X,,gone,,", "reference.missing_target_record", "orgSourcedId"),
    ("courses.csv", "c5,,,y,Title,X,,bad-org,,", "reference.target_quarantined", "orgSourcedId"),
    ("courses.csv", "c6,,,gone,Title,X,,s,,",
     "reference.missing_target_record", "schoolYearSourcedId"),
    ("courses.csv", "c7,,,bad-term,Title,X,,s,,",
     "reference.target_quarantined", "schoolYearSourcedId"),
    ("classes.csv", "bad-class,,,Title,,gone,,scheduled,,s,t,,,",
     "reference.missing_target_record", "courseSourcedId"),
    ("classes.csv", "k0,,,,,maths,,scheduled,,s,t,,,",
     "row.missing_required_value", "title"),
    ("classes.csv", "k1,,,Title,,,,scheduled,,s,t,,,",
     "row.missing_required_value", "courseSourcedId"),
    ("classes.csv", "k2,,,Title,,gone,,scheduled,,s,t,,,",
     "reference.missing_target_record", "courseSourcedId"),
    ("classes.csv", "k3,,,Title,,bad-course,,scheduled,,s,t,,,",
     "reference.target_quarantined", "courseSourcedId"),
    ("classes.csv", "k4,,,Title,,maths,,virtual,,s,t,,,", "row.invalid_enum", "classType"),
    ("classes.csv", "k5,,,Title,,maths,,scheduled,,gone,t,,,",
     "reference.missing_target_record", "schoolSourcedId"),
    ("classes.csv", "k6,,,Title,,maths,,scheduled,,s,,,,",
     "row.missing_required_value", "termSourcedIds"),
    ("classes.csv", 'k7,,,Title,,maths,,scheduled,,s,"t,gone",,,',
     "reference.missing_target_record", "termSourcedIds"),
    ("classes.csv", 'k8,,,Title,,maths,,scheduled,,s,"t,bad-term",,,',
     "reference.target_quarantined", "termSourcedIds"),
    ("enrollments.csv", "e1,,,gone,s,ann,teacher,,,",
     "reference.missing_target_record", "classSourcedId"),
    ("enrollments.csv", "e2,,,bad-class,s,ann,teacher,,,",
     "reference.target_quarantined", "classSourcedId"),
    ("enrollments.csv", "e3,,,m1,s,gone,teacher,,,",
     "reference.missing_target_record", "userSourcedId"),
    ("enrollments.csv", "e4,,,m1,s,u12,teacher,,,",
     "reference.target_quarantined", "userSourcedId"),
    ("enrollments.csv", "e5,,,m1,gone,ann,teacher,,,",
     "reference.missing_target_record", "schoolSourcedId"),
    ("enrollments.csv", "e6,,,m1,s,ann,lead,,,", "row.invalid_enum", "role"),
    ("enrollments.csv", "e7,,,m1,s,ann,,,,", "row.missing_required_value", "role"),
    ("enrollments.csv", "e8,,,m1,s,ann,teacher,main,,", "row.invalid_boolean", "primary"),
    ("enrollments.csv", "e9,,,m1,s,ann,teacher,,2026-08-01,2026-07-01",
     "semantic.date_order", "endDate"),
    ("enrollments.csv", "e10,,,,s,ann,teacher,,,", "row.missing_required_value", "classSourcedId"),
    ("enrollments.csv", "e11,,,m1,s,,teacher,,,", "row.missing_required_value", "userSourcedId"),
    ("enrollments.csv", "e12,,,k3,s,ann,teacher,,,",
     "reference.target_quarantined", "classSourcedId"),
    ("enrollments.csv", ",,,m1,s,ann,teacher,,,", "row.missing_required_value", "sourcedId"),
]  # fmt: skip
DATES = [
    "09/01/2026",
    "1.9.2026",
    "2026-02-30",
    "2026-13-01",
    "20260901",
    "2026-W01-1",
    "2026-9-1",
    "2026-09-01T07:30:00Z",
    "\uff12\uff10\uff12\uff16-09-01",
    "26-09-01",
]
FAULTS += [
    ("enrollments.csv", f"d{n},,,m1,s,ann,teacher,,{date},", "row.invalid_date", "beginDate")
    for n, date in enumerate(DATES)
]
FAULTS += [
    ("enrollments.csv", f"far{n},,,m1,s,ann,teacher,,,{date}", "row.unlikely_date", "endDate")
    for n, date in enumerate(("0001-01-01", "1899-12-30", "2101-01-01", "9999-12-31"))
]
FAULTS += [
    ("academicSessions.csv", f"s{n},,,Fall,term,{date},2026-12-01,y,2027", *found)
    for n, date in enumerate(("09/01/2026", "9/1/2026"))
    for found in [("row.invalid_date", "startDate")]
]


LEFT_OUT = {
    "academicSessions.csv": {
        "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear",
    },
    "orgs.csv": {"name", "type", "parentSourcedId"},
    "courses.csv": {"schoolYearSourcedId", "courseCode", "orgSourcedId"},
    "classes.csv": {"title", "classType", "schoolSourcedId", "termSourcedIds"},
    "users.csv": {"orgSourcedIds", "username"},
    "enrollments.csv": {"schoolSourcedId", "primary", "beginDate", "endDate"},
}  # fmt: skip
"""Columns that decide nothing: a wrong value is left out with a warning, and its row is used."""
LEFT_OUT_CODES = {
    ("users.csv", "enabledUser", "row.missing_required_value"),
    ("users.csv", "status", "semantic.tobedeleted_in_bulk"),
}


def _named(faults: list[tuple[str, str, str, str]]) -> list[str]:
    """Return a short name for each fault."""
    return [
        f"{file.removesuffix('.csv')}-{line.split(',')[0][:9]}-{code}"
        for file, line, code, _ in faults
    ]


def with_faults(texts: Texts, faults: list[tuple[str, str, str, str]]) -> Texts:
    """Return the school with a row for each fault."""
    for file, row, _, _ in faults:
        texts = added(texts, file, row)
    return texts


FAULTY = with_faults(SCHOOL, FAULTS)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """The check of the school with all the faults."""
    return check_package(
        folder_of(FAULTY, tmp_path_factory.mktemp("faulty") / "p"), Profile.TOLERANT
    )


@pytest.mark.parametrize(("file", "line", "code", "column"), FAULTS, ids=_named(FAULTS))
def test_failing_row_is_named(
    faulty: Checked, file: str, line: str, code: str, column: str
) -> None:
    """A row with a wrong value has one finding, with code, file, row, column and sourcedId.

    It is an error if the value decides something, otherwise a warning.
    """
    row = row_of(FAULTY, file, line)

    found = [
        one
        for one in findings_of(faulty, file, row)
        if one["code"] != "semantic.class_without_teacher"
    ]

    assert [(one["code"], one["column"]) for one in found] == [(code, column)]
    is_left_out = column in LEFT_OUT[file] or (file, column, code) in LEFT_OUT_CODES
    assert found[0]["severity"] == ("warning" if is_left_out else "error")
    sourced_id = line.split(",", maxsplit=1)[0] or None
    # A row with an unreadable role may be a pupil's.
    is_staff = (file.split(".", maxsplit=1)[0], column) not in {
        ("users", "role"),
        ("enrollments", "role"),
    }
    assert found[0]["sourced_id"] == (sourced_id and shown_id(sourced_id, is_staff=is_staff))
    assert found[0]["expected"]
    assert found[0]["rows"] == 1


def test_good_rows_beside_failing_ones_are_not_named(faulty: Checked) -> None:
    """Valid rows have no findings when other rows of the package have errors."""
    for file, text in SCHOOL.items():
        for row in range(1, len(text.splitlines()) + 1):
            assert findings_of(faulty, file, row) == []


def test_findings_hold_no_values(faulty: Checked) -> None:
    """A finding never repeats a name, an address or any other value than the sourcedId."""
    for one in faulty.findings.table().to_pylist():
        text = " ".join(str(one[key]) for key in ("code", "file", "column", "expected"))
        for value in ("Given", "Family", "Shared", "shared", "@", "pupil", "maybe", "09/01", LONG):
            assert value not in text


def test_strict_rejects_what_tolerant_quarantines(tmp_path: Path) -> None:
    """One row that violates the standard rejects the package in strict."""
    texts = added(SCHOOL, "users.csv", person("u11", given=""))

    assert not users_checked(tmp_path, texts).rejected
    assert users_checked(tmp_path, texts, "strict").rejected


# Valid rows, and rows with a warning


RIGHT = added(
    added(
        SCHOOL,
        "users.csv",
        person("00123"),
        person("a/b"),
        person("<b>x</b>", username="b", email="b@example.org"),
        person("o'hara", email="o'hara+x@mail.example.co.uk"),
        person("ANN", username="ann2", email="ann2@example.org"),
        person("off", enabled="false"),
        person("two", orgs='"s,d"'),
        person("by-name", email="", username="by.name@example.org"),
    ),
    "enrollments.csv",
    "x1,,,m1,s,dan,administrator,,,",
    "x2,,,m1,s,dan,proctor,,2026-09-01,2026-09-01",
    "x3,,,m1,s,two,teacher,false,1999-12-31,2100-01-01",
    "ann,,,m1,s,two,teacher,,,",
)


def test_unusual_rows_are_right(tmp_path: Path) -> None:
    """Odd ids, names and addresses, a first day that is the last, ids of other files: no error."""
    checked = check_package(folder_of(RIGHT, tmp_path / "p"), Profile.TOLERANT)

    assert codes(checked.findings, "error") == []


def test_user_without_login_is_a_warning(tmp_path: Path) -> None:
    """A user without an e-mail address is used, with a warning that the user can't log in."""
    texts = added(SCHOOL, "users.csv", person("u1", email=""))

    checked = users_checked(tmp_path, texts)

    (found,) = checked.findings.table().to_pylist()
    assert (found["code"], found["severity"], found["row"]) == (
        "semantic.missing_login",
        "warning",
        8,
    )


def test_username_as_login_is_a_warning(tmp_path: Path) -> None:
    """A username that is an address replaces a blank e-mail address, with a warning."""
    texts = added(SCHOOL, "users.csv", person("u1", email="", username="u1@example.org"))

    checked = users_checked(tmp_path, texts)

    assert codes(checked.findings) == ["semantic.login_from_username"]
    assert codes(checked.findings, "error") == []


def test_repeated_row_is_used_once(tmp_path: Path) -> None:
    """Rows with the same values are one row, with one warning for the file."""
    texts = added(SCHOOL, "users.csv", person("u1"), person("u1"), person("u1"))
    texts = added(texts, "enrollments.csv", "e1,,,m1,s,u1,teacher,,,", "e1,,,m1,s,u1,teacher,,,")

    checked = check_package(folder_of(texts, tmp_path / "p"), Profile.TOLERANT)

    found = checked.findings.table().select(["code", "severity", "file", "row", "rows"])
    assert [tuple(one.values()) for one in found.to_pylist()] == [
        ("reference.repeated_row", "warning", "users.csv", 9, 2),
        ("reference.repeated_row", "warning", "enrollments.csv", 8, 1),
    ]


def test_third_row_that_differs_spoils_all(tmp_path: Path) -> None:
    """If two rows agree and a third differs, all are faulty: it is unclear which one is right."""
    other = person("u1", given="Other")
    texts = added(SCHOOL, "users.csv", person("u1"), person("u1"), other)

    checked = users_checked(tmp_path, texts)

    named = {
        one["row"]
        for one in checked.findings.table().to_pylist()
        if one["code"] == "reference.duplicate_sourced_id"
    }
    assert named == {8, 10}


def test_person_whose_rows_differ_is_one_person(tmp_path: Path) -> None:
    """Two rows with one sourcedId may share an e-mail address; no other user has taken it."""
    texts = added(SCHOOL, "users.csv", person("u1"), person("u1", given="Other"))

    checked = users_checked(tmp_path, texts)

    assert codes(checked.findings) == ["reference.duplicate_sourced_id"] * 2


def test_ids_equal_but_for_blanks_are_one(tmp_path: Path) -> None:
    """An id that becomes an existing id without its blanks is a duplicate."""
    texts = added(SCHOOL, "users.csv", person(" bob ", username="b", email="b@example.org"))

    checked = users_checked(tmp_path, texts)

    rows = [
        one["row"]
        for one in checked.findings.table().to_pylist()
        if one["code"] == "reference.duplicate_sourced_id"
    ]
    assert rows == [3, 8]
