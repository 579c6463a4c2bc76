"""A school small enough to check by hand, and functions that change one row of its package.

Ann teaches both Mathematics classes and helps Bob in Art; Bob teaches Art. One student is in a
class, and must never appear in the roster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from district.model import AcademicSession, Class, Course, District, Enrollment, Org, User

if TYPE_CHECKING:
    from district.rows import Package

ANN_MATHS, ANN_ART, BOB_ART = ("ann", "maths"), ("ann", "art"), ("bob", "art")


def school() -> District:
    """Return the school of this module."""
    orgs = [Org("d", "District", "district", "1"), Org("s", "School", "school", "2", "d")]
    sessions = [
        AcademicSession("y", "2027", "schoolYear", "2026-08-01", "2027-06-01", "2027"),
        AcademicSession("t", "Fall", "term", "2026-08-01", "2026-12-01", "2027", "y"),
    ]
    users = [
        User("ann", "Ann", "Lee", "ann@example.org", "ann", "teacher", ("s",)),
        User("bob", "Bob", "Ray", "bob@example.org", "bob", "teacher", ("s",)),
        User("kid", "Kim", "Poe", "", "kim", "student", ("s",)),
    ]
    courses = [Course("maths", "Maths", "M1", "d", "y"), Course("art", "Art", "A1", "d", "y")]
    classes = [
        Class("m1", "Maths 1", "maths", "s", ("t",), "M1-1"),
        Class("m2", "Maths 2", "maths", "s", ("t",), "M1-2"),
        Class("a1", "Art 1", "art", "s", ("t",), "A1-1"),
    ]
    enrollments = [
        Enrollment("ann-m1", "ann", "m1", "teacher", primary=True),
        Enrollment("ann-m2", "ann", "m2", "teacher", primary=True),
        Enrollment("ann-a1", "ann", "a1", "teacher"),
        Enrollment("bob-a1", "bob", "a1", "teacher", primary=True),
        Enrollment("kid-m1", "kid", "m1", "student"),
    ]
    return District(
        "by hand",
        orgs={org.sourced_id: org for org in orgs},
        sessions={session.sourced_id: session for session in sessions},
        courses={course.sourced_id: course for course in courses},
        classes={class_.sourced_id: class_ for class_ in classes},
        users={user.sourced_id: user for user in users},
        enrollments={enrollment.sourced_id: enrollment for enrollment in enrollments},
    )


def without(package: Package, file: str, *ids: str) -> Package:
    """Return the package without some rows of a file."""
    return package.with_rows(file, [row for row in package.tables[file].rows if row[0] not in ids])


def edited(package: Package, file: str, id_: str, **cells: str) -> Package:
    """Change cells of the rows whose sourcedId is, or begins with, `id_`."""
    table = package.tables[file]
    rows = []
    for row in table.rows:
        if _is(row[0], id_):
            rows.append(
                tuple(cells.get(name, cell) for name, cell in zip(table.header, row, strict=True))
            )
        else:
            rows.append(row)
    return package.with_rows(file, rows)


def with_cell_too_many(package: Package, file: str, id_: str) -> Package:
    """Add a surplus cell to the rows whose sourcedId is, or begins with, `id_`."""
    rows = [(*row, "surplus") if _is(row[0], id_) else row for row in package.tables[file].rows]
    return package.with_rows(file, rows)


def _is(sourced_id: str, id_: str) -> bool:
    """Return whether the row is the one meant; a role's sourcedId begins with its user's."""
    return sourced_id == id_ or sourced_id.startswith(f"{id_} ")
