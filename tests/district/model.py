"""A school district as its student information system (SIS) knows it.

Plain records, keyed by sourcedId, independent of any file format: `district.write` turns them into
packages. A `District` is a value; a school day is a function from one district to the next
(`district.days`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

NOT_STAFF = frozenset({"student", "parent", "guardian", "relative"})
"""Roles whose rows a staff sync must never keep."""


@dataclass(frozen=True, slots=True)
class Org:
    """A district or one of its schools."""

    sourced_id: str
    name: str
    type: str
    identifier: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class AcademicSession:
    """The school year or one of its terms."""

    sourced_id: str
    title: str
    type: str
    start_on: str
    end_on: str
    school_year: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """A subject that is taught; the curriculum depends on it."""

    sourced_id: str
    title: str
    code: str
    org: str
    school_year: str
    grades: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Class:
    """A course held in a school, for some terms, with some students."""

    sourced_id: str
    title: str
    course: str
    school: str
    terms: tuple[str, ...]
    code: str
    location: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """A teacher, an aide, an administrator, a student, a guardian."""

    sourced_id: str
    given_name: str
    family_name: str
    email: str
    username: str
    role: str
    orgs: tuple[str, ...]
    enabled: bool = True
    phone: str = ""
    grade: str = ""
    agents: tuple[str, ...] = ()
    second_role: str = ""
    """A secondary role in the first org; only 1.2 has it."""

    @property
    def is_staff(self) -> bool:
        """Return whether a staff sync keeps this user."""
        return self.role not in NOT_STAFF


@dataclass(frozen=True, slots=True)
class Enrollment:
    """A user in a class, in a role."""

    sourced_id: str
    user: str
    class_: str
    role: str
    primary: bool = False


@dataclass(frozen=True, slots=True)
class District:
    """All records of one day.

    `left_users` and `left_courses` keep removed records, so that they can return. `serials` are the
    numbers of the next new records of each type: no sourcedId is used twice.
    """

    ids: str
    day: int = 0
    serials: dict[str, int] = field(default_factory=dict)
    orgs: dict[str, Org] = field(default_factory=dict)
    sessions: dict[str, AcademicSession] = field(default_factory=dict)
    courses: dict[str, Course] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    enrollments: dict[str, Enrollment] = field(default_factory=dict)
    left_users: dict[str, User] = field(default_factory=dict)
    left_courses: dict[str, Course] = field(default_factory=dict)

    @property
    def schools(self) -> list[str]:
        """The sourcedIds of the schools."""
        return [org.sourced_id for org in self.orgs.values() if org.type == "school"]

    @property
    def terms(self) -> list[str]:
        """The sourcedIds of the terms."""
        return [session.sourced_id for session in self.sessions.values() if session.type == "term"]

    def staff(self, role: str | None = None) -> list[User]:
        """List the staff, or those of one role."""
        return [
            user
            for user in self.users.values()
            if user.is_staff and (role is None or user.role == role)
        ]

    def assignments(self) -> set[tuple[str, str]]:
        """Return the distinct pairs (user, course) that teachers' enrollments reach."""
        return {
            (enrollment.user, self.classes[enrollment.class_].course)
            for enrollment in self.enrollments.values()
            if enrollment.role == "teacher"
        }


def dangling(district: District) -> list[str]:
    """Return every reference of the district whose target is missing; a clean day has none."""
    d = district
    references: list[tuple[str, str | None, Container[str]]] = [
        *((org.sourced_id, org.parent, d.orgs) for org in d.orgs.values()),
        *((one.sourced_id, one.parent, d.sessions) for one in d.sessions.values()),
        *((course.sourced_id, course.org, d.orgs) for course in d.courses.values()),
        *((course.sourced_id, course.school_year, d.sessions) for course in d.courses.values()),
        *((class_.sourced_id, class_.course, d.courses) for class_ in d.classes.values()),
        *((class_.sourced_id, class_.school, d.orgs) for class_ in d.classes.values()),
        *((one.sourced_id, term, d.sessions) for one in d.classes.values() for term in one.terms),
        *((user.sourced_id, org, d.orgs) for user in d.users.values() for org in user.orgs),
        *((user.sourced_id, one, d.users) for user in d.users.values() for one in user.agents),
        *((one.sourced_id, one.user, d.users) for one in d.enrollments.values()),
        *((one.sourced_id, one.class_, d.classes) for one in d.enrollments.values()),
    ]
    return [
        f"{record} points to {target}"
        for record, target, targets in references
        if target is not None and target not in targets
    ]
