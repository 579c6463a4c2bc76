"""A district's records as the rows of a OneRoster package: all of them (bulk) or changes (delta).

A `Package` is the text of a package before it is encoded: `district.faults` plants faults in it,
`district.desired` reads the desired state from it, and `district.write` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from district.columns import COLUMNS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from district.model import Class, Course, District, Enrollment, Org, User

NEVER_READ = "never-read-3b1f"
"""In every password cell: a text that must appear in no output."""

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One file: its header, its rows, and its mode in the manifest (`bulk` or `delta`)."""

    header: Row
    rows: tuple[Row, ...]
    mode: str = "bulk"

    def index(self, column: str) -> int:
        """Return the position of a column."""
        return self.header.index(column)

    def records(self) -> list[dict[str, str]]:
        """Return the rows by column name; cells beyond the header are left out."""
        return [dict(zip(self.header, row, strict=False)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Package:
    """The files of a package, by name without `.csv`, in the order in which they are written."""

    version: str
    tables: dict[str, Table]

    def with_rows(self, file: str, rows: Iterable[Row]) -> Package:
        """Return the same package with other rows in one file."""
        table = replace(self.tables[file], rows=tuple(rows))
        return replace(self, tables={**self.tables, file: table})

    def only(self, *files: str) -> Package:
        """Return the same package with only some of its files."""
        return replace(self, tables={name: self.tables[name] for name in files})


def bulk_package(
    district: District, version: str = "1.1", *, filled_status: bool = False
) -> Package:
    """Return the whole district as a bulk package.

    With `filled_status` each row carries `active` and a date, as many SIS write although the
    standard wants both blank in a bulk file.
    """
    marks = ("active", _modified_at(district)) if filled_status else ("", "")
    return Package(
        version,
        {
            file: Table(header, tuple(_row(header, cells, marks) for cells in records))
            for file, header, records in _files(district, version)
        },
    )


def delta_package(yesterday: District, today: District, version: str = "1.1") -> Package:
    """Return the changes between two days: new and changed rows, and removed ones as `tobedeleted`.

    A row is changed if any of its cells is. A file without a changed row is left out. A changed
    user without changed roles has no row in roles.csv, and the other way round.

    Raises:
        ValueError: the version is 1.0, which has no delta.
    """
    if version == "1.0":
        raise ValueError("OneRoster 1.0 has no manifest, so no delta; use 1.1 or 1.2")
    at = _modified_at(today)
    before = {file: records for file, _, records in _files(yesterday, version)}
    tables = {}
    for file, header, records in _files(today, version):
        old = {cells["sourcedId"]: cells for cells in before[file]}
        new = {cells["sourcedId"]: cells for cells in records}
        rows = [
            _row(header, cells, ("active", at))
            for id_, cells in new.items()
            if cells != old.get(id_)
        ]
        rows += [
            _row(header, cells, ("tobedeleted", at)) for id_, cells in old.items() if id_ not in new
        ]
        if rows:
            tables[file] = Table(header, tuple(rows), mode="delta")
    return Package(version, tables)


def shuffled(package: Package, rng: random.Random) -> Package:
    """Return the same rows and the same files in random order."""
    tables = {
        file: replace(table, rows=tuple(rng.sample(table.rows, len(table.rows))))
        for file, table in rng.sample(list(package.tables.items()), len(package.tables))
    }
    return replace(package, tables=tables)


def _modified_at(district: District) -> str:
    return f"2026-{9 + district.day // 28:02d}-{1 + district.day % 28:02d}T04:15:00.000Z"


def _row(header: Row, cells: dict[str, str], marks: tuple[str, str]) -> Row:
    marked = {**cells, "status": marks[0], "dateLastModified": marks[1]}
    return tuple(marked.get(column, "") for column in header)


def _files(district: District, version: str) -> Iterable[tuple[str, Row, list[dict[str, str]]]]:
    cells = {
        "orgs": [_org(org) for org in district.orgs.values()],
        "academicSessions": _sessions(district),
        "courses": [_course(course) for course in district.courses.values()],
        "classes": [_class(class_) for class_ in district.classes.values()],
        "users": [_user(user) for user in district.users.values()],
        "roles": [cells for user in district.users.values() for cells in _roles(district, user)],
        "enrollments": [
            _enrollment(district, enrollment) for enrollment in district.enrollments.values()
        ],
    }
    for file, header in COLUMNS[version].items():
        yield file, header, cells[file]


def _org(org: Org) -> dict[str, str]:
    return {
        "sourcedId": org.sourced_id,
        "name": org.name,
        "type": org.type,
        "identifier": org.identifier,
        "parentSourcedId": org.parent or "",
    }


def _sessions(district: District) -> list[dict[str, str]]:
    return [
        {
            "sourcedId": session.sourced_id,
            "title": session.title,
            "type": session.type,
            "startDate": session.start_on,
            "endDate": session.end_on,
            "parentSourcedId": session.parent or "",
            "schoolYear": session.school_year,
        }
        for session in district.sessions.values()
    ]


def _course(course: Course) -> dict[str, str]:
    grades = ",".join(course.grades)
    return {
        "sourcedId": course.sourced_id,
        "schoolYearSourcedId": course.school_year,
        "schoolYearId": course.school_year,
        "title": course.title,
        "courseCode": course.code,
        "grades": grades,
        "grade": grades,
        "orgSourcedId": course.org,
        "subjects": ",".join(course.subjects),
    }


def _class(class_: Class) -> dict[str, str]:
    return {
        "sourcedId": class_.sourced_id,
        "title": class_.title,
        "courseSourcedId": class_.course,
        "classCode": class_.code,
        "classType": "scheduled",
        "location": class_.location,
        "schoolSourcedId": class_.school,
        "termSourcedIds": ",".join(class_.terms),
        "termSourcedId": ",".join(class_.terms),
    }


def _user(user: User) -> dict[str, str]:
    return {
        "sourcedId": user.sourced_id,
        "enabledUser": "true" if user.enabled else "false",
        "orgSourcedIds": ",".join(user.orgs),
        "role": user.role,
        "username": user.username,
        "givenName": user.given_name,
        "familyName": user.family_name,
        "email": user.email,
        "phone": user.phone,
        "agentSourcedIds": ",".join(user.agents),
        "agents": ",".join(user.agents),
        "grades": user.grade,
        "password": NEVER_READ,
        "primaryOrgSourcedId": user.orgs[0],
    }


def _roles(district: District, user: User) -> list[dict[str, str]]:
    """Return one primary role per org, and the secondary role in the first org."""
    rows = [(org, "primary", _role_1_2(district, user, org)) for org in user.orgs]
    if user.second_role:
        rows.append((user.orgs[0], "secondary", user.second_role))
    return [
        {
            "sourcedId": f"{user.sourced_id} {role_type} {org}",
            "userSourcedId": user.sourced_id,
            "roleType": role_type,
            "role": role,
            "orgSourcedId": org,
        }
        for org, role_type, role in rows
    ]


def _role_1_2(district: District, user: User, org: str) -> str:
    """Return an administrator's 1.2 role, which depends on the org, or the role as it is."""
    if user.role != "administrator":
        return user.role
    if district.orgs[org].type == "district":
        return "districtAdministrator"
    kinds = ("principal", "siteAdministrator", "systemAdministrator")
    return kinds[len(user.given_name) % len(kinds)]


def _enrollment(district: District, enrollment: Enrollment) -> dict[str, str]:
    return {
        "sourcedId": enrollment.sourced_id,
        "classSourcedId": enrollment.class_,
        "schoolSourcedId": district.classes[enrollment.class_].school,
        "userSourcedId": enrollment.user,
        "role": enrollment.role,
        "primary": "true" if enrollment.primary else "false",
        "beginDate": "2026-08-17",
        "endDate": "2027-06-11",
    }
