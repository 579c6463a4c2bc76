"""Plant errors in a package, each of a named kind and with its expected finding.

Faults are planted only in rows that matter for staff (a student's row is never read), and each
fault in another row, so that a row has at most one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from district.model import NOT_STAFF

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from district.rows import Package, Row

Place = tuple[str, str]
"""A file and a sourcedId in it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted error: its kind, its place, and the code of its finding."""

    name: str
    file: str
    sourced_id: str
    code: str


@dataclass(slots=True)
class _Field:
    """The package while faults are planted."""

    rng: random.Random
    rows: dict[str, list[Row]]
    header: dict[str, Row]
    staff: dict[str, set[str]]
    used: set[Place]
    planted: list[Fault] = field(default_factory=list)

    def pick(self, file: str) -> int | None:
        """Draw a staff row that has no fault yet and mark it, or return None.

        Rows that ask for a removal are not drawn: only their sourcedId is needed.
        """
        status = self.header[file].index("status")
        choices = [
            at
            for at, row in enumerate(self.rows[file])
            if row[self.id_at(file)] in self.staff[file]
            and (file, row[self.id_at(file)]) not in self.used
            and row[status] != "tobedeleted"
        ]
        if not choices:
            return None
        at = self.rng.choice(choices)
        self.used.add((file, self.id(file, at)))
        return at

    def id_at(self, file: str) -> int:
        return self.header[file].index("sourcedId")

    def id(self, file: str, at: int) -> str:
        return self.rows[file][at][self.id_at(file)]

    def cell(self, file: str, at: int, column: str) -> str:
        return self.rows[file][at][self.header[file].index(column)]

    def is_disabled(self, at: int) -> bool:
        """Return whether a row of users.csv belongs to a disabled account."""
        has_column = "enabledUser" in self.header["users"]
        return has_column and self.cell("users", at, "enabledUser") == "false"

    def put(self, file: str, at: int, column: str, value: str) -> None:
        row = list(self.rows[file][at])
        row[self.header[file].index(column)] = value
        self.rows[file][at] = tuple(row)

    def note(self, name: str, file: str, at: int, code: str) -> None:
        self.planted.append(Fault(name, file, self.id(file, at), code))


@dataclass(frozen=True, slots=True)
class _BadCell:
    """A fault that is one wrong value in one cell."""

    name: str
    files: tuple[str, ...]
    column: str
    values: tuple[str, ...]
    code: str

    def plant(self, field_: _Field) -> bool:
        files = [file for file in self.files if self.column in field_.header.get(file, ())]
        if not files:
            return False
        file = field_.rng.choice(files)
        at = field_.pick(file)
        if at is None:
            return False
        field_.put(file, at, self.column, field_.rng.choice(self.values))
        field_.note(self.name, file, at, self.code)
        return True


@dataclass(frozen=True, slots=True)
class _ExtraCell:
    name: str = "one cell too many"

    def plant(self, field_: _Field) -> bool:
        file = field_.rng.choice(sorted(field_.rows))
        at = field_.pick(file)
        if at is None:
            return False
        field_.rows[file][at] = (*field_.rows[file][at], "surplus")
        field_.note(self.name, file, at, "row.width_mismatch")
        return True


@dataclass(frozen=True, slots=True)
class _Twin:
    """Two different rows with one sourcedId."""

    name: str = "the same sourcedId twice"
    columns: tuple[tuple[str, str], ...] = (
        ("users", "givenName"),
        ("courses", "title"),
        ("classes", "title"),
        ("enrollments", "primary"),
    )

    def plant(self, field_: _Field) -> bool:
        file, column = field_.rng.choice([one for one in self.columns if one[0] in field_.rows])
        at = field_.pick(file)
        if at is None:
            return False
        place = field_.rng.randint(0, len(field_.rows[file]))
        twin_of = field_.rows[file][at]
        field_.rows[file].insert(place, twin_of)
        old = field_.cell(file, place, column)
        new = ("false" if old == "true" else "true") if column == "primary" else f"{old} (again)"
        field_.put(file, place, column, new)
        field_.note(self.name, file, place, "reference.duplicate_sourced_id")
        return True


@dataclass(frozen=True, slots=True)
class _SharedLogin:
    name: str = "two users with one e-mail"

    def plant(self, field_: _Field) -> bool:
        if "users" not in field_.rows or field_.header["users"].count("email") != 1:
            return False
        one = field_.pick("users")
        if one is None:
            return False
        other = field_.pick("users")
        if other is None:
            field_.used.discard(("users", field_.id("users", one)))
            return False
        if any(field_.is_disabled(at) for at in (one, other)):
            return False  # a disabled account claims no e-mail, so the e-mail is not taken twice
        email = field_.cell("users", one, "email")
        field_.put("users", other, "email", field_.rng.choice((email, email.upper())))
        for at in (one, other):
            field_.note(self.name, "users", at, "semantic.login_taken")
        return True


FAULTS: tuple[_BadCell | _ExtraCell | _Twin | _SharedLogin, ...] = (
    _BadCell("blank familyName", ("users",), "familyName", ("",), "row.missing_required_value"),
    _BadCell("blank title", ("courses",), "title", ("",), "row.missing_required_value"),
    _BadCell("unknown role", ("users", "roles"), "role", ("wizard",), "row.invalid_enum"),
    _BadCell("unknown role in a class", ("enrollments",), "role", ("wizard",), "row.invalid_enum"),
    _BadCell(
        "dangling class",
        ("enrollments",),
        "classSourcedId",
        ("no-such-class",),
        "reference.missing_target_record",
    ),
    _BadCell(
        "dangling user",
        ("enrollments",),
        "userSourcedId",
        ("no-such-user",),
        "reference.missing_target_record",
    ),
    _BadCell(
        "dangling course",
        ("classes",),
        "courseSourcedId",
        ("no-such-course",),
        "reference.missing_target_record",
    ),
    _BadCell(
        "invalid e-mail",
        ("users",),
        "email",
        ("nobody", "no body@example.org", "a@b@example.org", "@example.org"),
        "row.invalid_email",
    ),
    _BadCell("invalid boolean", ("users",), "enabledUser", ("maybe",), "row.invalid_boolean"),
    _ExtraCell(),
    _Twin(),
    _SharedLogin(),
)
FAULT_NAMES = tuple(fault.name for fault in FAULTS)


def plant_faults(
    package: Package,
    rng: random.Random,
    *,
    share: float = 0.01,
    names: Iterable[str] = FAULT_NAMES,
    avoid: Iterable[Place] = (),
) -> tuple[Package, list[Fault]]:
    """Return a copy of the package with faults in about this share of the staff rows, at least one.

    Args:
        package: The original package.
        rng: Decides which rows get which faults.
        share: The share of the staff rows of users, roles, courses, classes and enrollments.
        names: The kinds of faults to draw from, of `FAULT_NAMES`.
        avoid: Rows to leave alone.

    Returns:
        The package with faults, and the list of the faults. A kind for which the package has no
        row is not planted, so the list may be shorter than the share, or even empty.
    """
    staff = staff_rows(package)
    field_ = _Field(
        rng,
        {file: list(package.tables[file].rows) for file in staff},
        {file: package.tables[file].header for file in staff},
        staff,
        set(avoid),
    )
    kinds = [fault for fault in FAULTS if fault.name in set(names)]
    count = max(1, round(share * sum(len(ids) for ids in staff.values())))
    tries = 0
    while len(field_.planted) < count and tries < 20 * count:
        tries += 1
        rng.choice(kinds).plant(field_)
    for file, rows in field_.rows.items():
        package = package.with_rows(file, rows)
    return package, field_.planted


def staff_rows(package: Package) -> dict[str, set[str]]:
    """Return the sourcedIds of the rows that a staff sync must read, by file."""
    students: set[str] = set()
    staff: dict[str, set[str]] = {}
    if "roles" in package.tables:
        by_role = [
            (cells["userSourcedId"], cells["role"] in NOT_STAFF)
            for cells in package.tables["roles"].records()
        ]
        students = {user for user, dropped in by_role if dropped} - {
            user for user, dropped in by_role if not dropped
        }
    for file in ("users", "roles", "courses", "classes", "enrollments"):
        if file not in package.tables:
            continue
        staff[file] = {
            cells["sourcedId"]
            for cells in package.tables[file].records()
            if cells.get("role") not in NOT_STAFF
            and not (file == "users" and cells["sourcedId"] in students)
        }
    return staff
