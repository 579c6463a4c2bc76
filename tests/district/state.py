"""The state of a site, and the counts of changes between two states."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from district.desired_users import Users


@dataclass(frozen=True, slots=True)
class UserState:
    """A user as the platform keeps them."""

    given_name: str
    family_name: str
    email: str
    username: str
    role: str
    org_sourced_ids: frozenset[str]
    status: str


@dataclass(frozen=True, slots=True)
class CourseState:
    """A course as the platform keeps it."""

    title: str
    course_code: str
    status: str


@dataclass(frozen=True, slots=True)
class Taught:
    """An enrollment as it was when its row was last usable."""

    user: str
    class_: str
    course: str
    role: str


@dataclass(frozen=True, slots=True)
class RoleHeld:
    """A roles.csv row of a member of the staff, as it was when it was last usable."""

    user: str
    role_type: str
    role: str
    org: str


@dataclass(frozen=True, slots=True)
class Roster:
    """All records that a site holds.

    Users, courses and assignments are what the platform shows; the sync must remember classes,
    enrollments and roles to understand a quarantined row or a delta.
    """

    users: dict[str, UserState] = field(default_factory=dict)
    courses: dict[str, CourseState] = field(default_factory=dict)
    assignments: dict[tuple[str, str], str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    enrollments: dict[str, Taught] = field(default_factory=dict)
    roles: dict[str, RoleHeld] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[object, object, object]:
        """The records to compare with the database."""
        return self.users, self.courses, self.assignments


EMPTY = Roster()


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of a run, under the names that the product prints."""

    users: dict[str, int]
    courses: dict[str, int]
    assignments: dict[str, int]

    def by_kind(self) -> dict[str, dict[str, int]]:
        """Return the counts by record type."""
        return {"users": self.users, "courses": self.courses, "assignments": self.assignments}

    @property
    def has_changes(self) -> bool:
        """Return whether the run changed anything."""
        return any(
            count
            for counts in self.by_kind().values()
            for name, count in counts.items()
            if name not in ("errors", "ignored")
        )


def count_changes(before: Roster, after: Roster, users: Users) -> Counts:
    """Count the changes, one per record; the errors of courses and assignments are 0."""
    user_counts = _count(before.users, after.users, "deactivated")
    course_counts = _count(before.courses, after.courses, "removed")
    pairs = set(before.assignments) | set(after.assignments)
    moves = [(before.assignments.get(pair), after.assignments.get(pair)) for pair in pairs]
    return Counts(
        {**user_counts, "errors": users.errors, "ignored": users.ignored},
        {**course_counts, "errors": 0},
        {
            "added": sum(new == "active" and old != "active" for old, new in moves),
            "removed": sum(old == "active" and new != "active" for old, new in moves),
            "errors": 0,
        },
    )


def _count(
    before: dict[str, UserState] | dict[str, CourseState],
    after: dict[str, UserState] | dict[str, CourseState],
    gone: str,
) -> dict[str, int]:
    counts = {"added": 0, "updated": 0, gone: 0, "reactivated": 0}
    for id_, new in after.items():
        old = before.get(id_)
        if old is None:
            counts["added"] += 1
        elif old.status == "active" != new.status:
            counts[gone] += 1
        elif new.status == "active" != old.status:
            counts["reactivated"] += 1
        elif old != new:
            counts["updated"] += 1
    return counts
