"""Rows of a delta, and the roles.csv of 1.2: required and optional values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

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
)
from oneroster_sync import settings
from oneroster_sync.operations.check import Checked, check_package
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.validate.rows import validate_rows

if TYPE_CHECKING:
    from pathlib import Path


SUITES = settings.PROJECT / "expectations"


NOW = "2026-09-01T00:00:00.000Z"


Found = list[dict[str, Any]]


def findings_of(checked: Checked, file: str, row: int) -> Found:
    """Return the findings about one row."""
    rows: Found = checked.findings.table().to_pylist()
    return [one for one in rows if one["file"] == file and one["row"] == row]


def row_of(texts: Texts, file: str, line: str) -> int:
    """Return the number of a line as a spreadsheet shows it."""
    return texts[file].splitlines().index(line) + 1


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


STAMP = f"active,{NOW}"
DELTA = as_delta(
    SCHOOL,
    orgs=[f"s,{STAMP},School,school,,", f"o1,tobedeleted,{NOW},,,,"],
    courses=[f"maths,{STAMP},,Mathematics,,,s,,", f"art,tobedeleted,{NOW},,,,,,,"],
    classes=[
        f"m1,{STAMP},Maths 1,,maths,,scheduled,,s,t,,,",
        f"a1,{STAMP},Art 1,,art,,scheduled,,s,t,,,",
    ],
    users=[
        f"ann,{STAMP},true,s,teacher,ann,,Ann,Lee,,,ann@example.org,,,,,",
        f"bob,tobedeleted,{NOW},,,,,,,,,,,,,,,",
        f"u1,,{NOW},true,s,teacher,u1,,Given,Family,,,u1@example.org,,,,,",
        "u2,active,,true,s,teacher,u2,,Given,Family,,,u2@example.org,,,,,",
        f"u3,gone,{NOW},true,s,teacher,u3,,Given,Family,,,u3@example.org,,,,,",
        "u4,active,2026-09-01,true,s,teacher,u4,,Given,Family,,,u4@example.org,,,,,",
        f"u5,inactive,{NOW},true,s,teacher,u5,,Given,Family,,,u5@example.org,,,,,",
        f"u6,{STAMP},true,o1,teacher,u6,,Given,Family,,,u6@example.org,,,,,",
        f"u7,active,{NOW.removesuffix('Z')}+02:00,true,s,teacher,u7,,G,F,,,u7@example.org,,,,,",
    ],
    enrollments=[
        f"ann-m1,{STAMP},m1,s,ann,teacher,,,",
        f"old,tobedeleted,{NOW},,,,,,,",
        f"e1,{STAMP},m1,s,bob,teacher,,,",
        f"e2,{STAMP},a1,s,ann,teacher,,,",
    ],
)


@pytest.fixture(scope="module")
def delta(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """Check a delta package."""
    return check_package(folder_of(DELTA, tmp_path_factory.mktemp("delta") / "p"), Profile.TOLERANT)


@pytest.mark.parametrize(
    ("file", "sourced_id", "expected"),
    [
        ("users.csv", "ann", []),
        ("users.csv", "bob", []),
        ("users.csv", "u1", [("row.field_required_in_delta", "status", "error")]),
        ("users.csv", "u2", [("row.field_required_in_delta", "dateLastModified", "warning")]),
        ("users.csv", "u3", [("row.invalid_enum", "status", "error")]),
        ("users.csv", "u4", [("row.invalid_timestamp", "dateLastModified", "warning")]),
        ("users.csv", "u5", [("row.invalid_enum", "status", "error")]),
        ("users.csv", "u6", [("reference.target_removed", "orgSourcedIds", "warning")]),
        ("users.csv", "u7", []),
        ("courses.csv", "maths", []),
        ("courses.csv", "art", []),
        ("classes.csv", "m1", []),
        ("classes.csv", "a1", [("reference.target_removed", "courseSourcedId", "error")]),
        ("enrollments.csv", "ann-m1", []),
        ("enrollments.csv", "old", []),
        ("enrollments.csv", "e1", [("reference.target_removed", "userSourcedId", "error")]),
        ("enrollments.csv", "e2", [("reference.target_quarantined", "classSourcedId", "error")]),
    ],
)
def test_row_of_a_delta(
    delta: Checked, file: str, sourced_id: str, expected: list[tuple[str, str, str]]
) -> None:
    """A delta row needs a status and a time; a row that removes needs no other value."""
    (line,) = [line for line in DELTA[file].splitlines() if line.startswith(f"{sourced_id},")]

    found = findings_of(delta, file, row_of(DELTA, file, line))

    assert [(one["code"], one["column"], one["severity"]) for one in found] == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"users": ["ann"], "classes": ["m1"], "orgs": ["s"]}, []),
        ({"users": ["ann"], "classes": [], "orgs": ["s"]}, ["reference.missing_target_record"]),
        ({"users": [], "classes": ["m1"], "orgs": ["s"]}, ["reference.missing_target_record"]),
    ],
)
def test_delta_may_point_to_what_the_site_has(
    tmp_path: Path, known: dict[str, list[str]], expected: list[str]
) -> None:
    """References of a delta may refer to stored records if their file is absent."""
    texts = as_delta(SCHOOL, enrollments=[f"ann-m1,{STAMP},m1,s,ann,teacher,,,"])
    extracted = opened(folder_of(texts, tmp_path / "p"))

    validated = validate_rows(
        extracted.tables,
        extracted.modes,
        extracted.version,
        known={name: pa.array(ids, pa.string()) for name, ids in known.items()},
        suites=SUITES,
    )

    assert codes(validated.findings) == expected


def test_bulk_may_not_point_to_what_only_the_site_has(tmp_path: Path) -> None:
    """References of a bulk file may only refer to records of the package."""
    texts = changed(SCHOOL, "classes.csv", "a1,,,Art 1,09,art,A1-1,scheduled,,s,t,,,\n", "")
    extracted = opened(folder_of(texts, tmp_path / "p"))

    validated = validate_rows(
        extracted.tables,
        extracted.modes,
        extracted.version,
        known={"classes": pa.array(["a1"], pa.string())},
        suites=SUITES,
    )

    assert set(codes(validated.findings)) == {"reference.missing_target_record"}


# Roles of 1.2


def in_1_2(sourced_id: str, org: str = "s") -> str:
    """Return a row of users.csv in 1.2."""
    return (
        f"{sourced_id},,,true,{sourced_id},,Given,Family,,,{sourced_id}@example.org,,,,,,,,,,{org},"
    )


ROLE_FAULTS: list[tuple[str, str, str, str]] = [
    ("users.csv", in_1_2("u2"), "reference.target_quarantined", "sourcedId"),
    ("users.csv", in_1_2("u3", "gone"), "reference.missing_target_record", "primaryOrgSourcedId"),
    ("roles.csv", "r2,,,u2,first,teacher,,,s,", "row.invalid_enum", "roleType"),
    ("roles.csv", "r4,,,ann,secondary,headteacher,,,s,", "row.invalid_enum", "role"),
    ("roles.csv", "r5,,,ann,secondary,,,,s,", "row.missing_required_value", "role"),
    ("roles.csv", "r6,,,ann,secondary,aide,,,gone,",
     "reference.missing_target_record", "orgSourcedId"),
    ("roles.csv", "r7,,,gone,primary,aide,,,s,",
     "reference.missing_target_record", "userSourcedId"),
    ("roles.csv", "r8,,,bob,secondary,aide,2026-02-30,,s,", "row.invalid_date", "beginDate"),
    ("roles.csv", "r9,,,bob,secondary,aide,2026-09-01,2026-08-01,s,",
     "semantic.date_order", "endDate"),
]  # fmt: skip
ROLES = added(
    with_faults(SCHOOL_1_2, ROLE_FAULTS), "roles.csv", "r3,,,u3,primary,siteAdministrator,,,s,"
)


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """Check the school with faulty roles."""
    return check_package(folder_of(ROLES, tmp_path_factory.mktemp("roles") / "p"), Profile.TOLERANT)


@pytest.mark.parametrize(("file", "line", "code", "column"), ROLE_FAULTS, ids=_named(ROLE_FAULTS))
def test_failing_role_is_named(
    roles: Checked, file: str, line: str, code: str, column: str
) -> None:
    """A user needs a role of the standard, and each row with a fault has one finding."""
    found = findings_of(roles, file, row_of(ROLES, file, line))

    assert [(one["code"], one["column"]) for one in found] == [(code, column)]
