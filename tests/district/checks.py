"""Rows of a package that are unusable because of a fault of their own, in plain Python.

Part of the oracle (`district.desired`): this module does not use the product's row checks.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from district.model import NOT_STAFF

if TYPE_CHECKING:
    from collections.abc import Iterable

    from district.rows import Package, Row, Table

USER_ROLES = {
    "administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher",
}  # fmt: skip
ROLES_1_2 = {
    "aide", "counselor", "districtAdministrator", "guardian", "parent", "principal", "proctor",
    "relative", "siteAdministrator", "student", "systemAdministrator", "teacher",
}  # fmt: skip
ENROLLMENT_ROLES = {"administrator", "aide", "proctor", "student", "teacher"}

REQUIRED = {
    "users": ("sourcedId", "givenName", "familyName", "email"),
    "roles": ("sourcedId", "userSourcedId", "role"),
    "courses": ("sourcedId", "title"),
    "classes": ("sourcedId", "courseSourcedId"),
    "enrollments": ("sourcedId", "classSourcedId", "userSourcedId", "role"),
}
BOOLEANS = {"users": ("enabledUser",)}
SAY_NOTHING = ("row.invalid_enum", "row.invalid_email", "reference.missing_role")
"""Faults of rows whose e-mail claims no login: it is invalid, or may belong to a student."""
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True, slots=True)
class Line:
    """A row by column name, and the code of its own fault."""

    cells: dict[str, str]
    fault: str | None
    deletes: bool = False

    @property
    def id(self) -> str:
        """The sourcedId."""
        return self.cells["sourcedId"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that could not be used."""

    file: str
    sourced_id: str
    code: str


MARKS = {"1.0": ("inactive", "tobedeleted"), "1.1": ("tobedeleted",), "1.2": ("tobedeleted",)}
"""The statuses that ask for a removal, in bulk and in delta files."""


def read_lines(package: Package, file: str, known: Iterable[str] = ()) -> list[Line]:
    """Return the staff's rows of a file; student and guardian rows are skipped.

    Identical rows become one line; different rows with the same sourcedId are all faulty. In a row
    with a surplus cell only the sourcedId can be trusted, because it comes first.

    Args:
        package: The package of the day.
        file: The file's name without extension.
        known: The site's sourcedIds of the file. If a delta has one of these as a student, this
            person has left the staff.
    """
    if file not in package.tables:
        return []
    table = package.tables[file]
    kept: dict[Row, dict[str, str]] = {}
    for row in table.rows:
        cells = dict(zip(table.header, row, strict=False))
        if len(row) != len(table.header):
            cells = {**dict.fromkeys(table.header, ""), "sourcedId": row[0]}
        if cells.get("role") not in NOT_STAFF:
            kept[row] = cells
    different_rows = Counter(cells["sourcedId"] for cells in kept.values())
    lines = _leavers(table, set(known) - set(different_rows))
    for row, cells in kept.items():
        deletes = cells["status"] in MARKS[package.version]
        if len(row) != len(table.header):
            fault: str | None = "row.width_mismatch"
        elif different_rows[cells["sourcedId"]] > 1:
            fault = "reference.duplicate_sourced_id"
        elif deletes:
            fault = None  # a removal needs only the sourcedId
        else:
            fault = own_fault(package.version, file, cells)
        lines.append(Line(cells, fault, deletes))
    return lines


def _leavers(table: Table, ours: set[str]) -> list[Line]:
    """Return the rows of a delta in which a known sourcedId has become a student, one for each."""
    if table.mode != "delta":
        return []
    found = {
        cells["sourcedId"]: cells
        for cells in reversed(table.records())
        if cells.get("role") in NOT_STAFF and cells["sourcedId"] in ours
    }
    return [Line(cells, None, deletes=True) for cells in found.values()]


def count_rows_of_students(package: Package) -> int:
    """Count the student and guardian rows of a users.csv that has a role column."""
    users = package.tables.get("users")
    if users is None or "role" not in users.header:
        return 0
    return sum(cells.get("role") in NOT_STAFF for cells in users.records())


def own_fault(version: str, file: str, cells: dict[str, str]) -> str | None:
    """Return the code of the row's first own fault, or None."""
    required = REQUIRED[file]
    if file == "users" and version != "1.2":
        required = (*required, "role")
    if any(not cells[column] for column in required):
        return "row.missing_required_value"
    if not _roles_known(version, file, cells):
        return "row.invalid_enum"
    if any(cells.get(column, "") not in ("", "true", "false") for column in BOOLEANS.get(file, ())):
        return "row.invalid_boolean"
    if file == "users" and not EMAIL.fullmatch(cells["email"]):
        return "row.invalid_email"
    return None


def shared_logins(lines: Iterable[Line]) -> set[str]:
    """Return the sourcedIds whose e-mail another sourcedId claims too, ignoring case.

    A row with an unreadable role may be a student's, and a student's e-mail claims no login.
    """
    claims: defaultdict[str, set[str]] = defaultdict(set)
    for line in lines:
        silent = line.deletes or line.cells.get("enabledUser") == "false"
        if not silent and line.fault not in SAY_NOTHING:
            claims[line.cells["email"].lower()].add(line.id)
    return {id_ for ids in claims.values() if len(ids) > 1 for id_ in ids}


def _roles_known(version: str, file: str, cells: dict[str, str]) -> bool:
    if file == "users" and version != "1.2":
        return cells["role"] in USER_ROLES
    if file == "roles":
        return cells["role"] in ROLES_1_2 and cells["roleType"] in ("primary", "secondary")
    return file != "enrollments" or cells["role"] in ENROLLMENT_ROLES
