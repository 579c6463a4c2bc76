"""The oracle: the roster that a site must have after a sync, as dicts and sets.

`desired` takes the site's roster before the sync and the rows of a package, including faulty ones,
and returns the roster after the sync, the counts and the unusable rows. It shares no code with the
product, so that both can't have the same error.

The rules, in the order in which the code applies them:

1. Student, parent, guardian and relative rows count as absent, and so do their enrollments. 2. A
row with a fault is quarantined: its record, and every record that depends on it, stays
 unchanged. An enrollment depends on its user, its class and that class's course, a class on its
 course, an assignment on its user, its course and the enrollments that make it.
3. A record whose row is absent from a bulk file is removed: a user becomes inactive, a course
 removed. In a delta only `tobedeleted` removes a record, or the row of a known user who is a
 student now. A row of a removed record (in 1.0 also `inactive`) claims and protects nothing; in
 a bulk file the records that depend on it are removed too.
4. An assignment is wanted where a usable enrollment of role teacher reaches a course through a
 usable class. The removal of a course removes its assignments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from district.checks import Finding, read_lines
from district.desired_users import Users, desired_users
from district.state import Counts, CourseState, Roster, Taught, count_changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from district.rows import Package

R = TypeVar("R")

MISSING = "reference.missing_target_record"
QUARANTINED = "reference.target_quarantined"

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Desired:
    """The result that a sync must have."""

    roster: Roster
    counts: Counts
    findings: list[Finding]

    @property
    def outcome(self) -> str:
        """The outcome of the run; for a held plan, the outcome after its approval."""
        if self.findings:
            return "succeeded_with_errors"
        return "succeeded" if self.counts.has_changes else "no_changes"


@dataclass(slots=True)
class _Kind:
    """The content of one file's rows about the records of one type."""

    bulk: bool
    known: Iterable[str]
    present: dict[str, dict[str, str]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    quarantined: set[str] = field(default_factory=set)

    def is_usable(self, sourced_id: str) -> bool:
        """Return whether a reference to the record may be followed."""
        if sourced_id in self.quarantined or sourced_id in self.deleted:
            return False
        return sourced_id in self.present or (not self.bulk and sourced_id in self.known)

    def why_not(self, sourced_id: str) -> str:
        """Return the code for a reference that may not be followed."""
        return QUARANTINED if sourced_id in self.quarantined else MISSING


def desired(before: Roster, package: Package, *, scope: str = "users_and_courses") -> Desired:
    """Return what the site must hold after it has synced the package."""
    users = desired_users(before, package)
    findings = list(users.findings)
    if scope == "users":
        after = Roster(
            users.after, before.courses, before.assignments, before.classes, before.enrollments,
            users.roles_after,
        )  # fmt: skip
        return Desired(after, count_changes(before, after, users), findings)
    courses, courses_after = _courses(before, package, findings)
    classes, classes_after = _classes(before, package, courses, findings)
    lessons = _Lessons(before, users, courses, courses_after, classes, classes_after)
    errors = lessons.read(package, findings)
    after = Roster(
        users.after,
        courses_after,
        lessons.assignments(),
        classes_after,
        lessons.after,
        users.roles_after,
    )
    counts = count_changes(before, after, users)
    counts.courses["errors"] = sum(finding.file == "courses" for finding in findings)
    counts.assignments["errors"] = errors
    return Desired(after, counts, findings)


def _kind(package: Package, file: str, known: Iterable[str], findings: list[Finding]) -> _Kind:
    table = package.tables.get(file)
    kind = _Kind(table is not None and table.mode == "bulk", known)
    for line in read_lines(package, file):
        if line.fault and not line.deletes:
            kind.quarantined.add(line.id)
            findings.append(Finding(file, line.id, line.fault))
        elif line.deletes:
            kind.deleted.add(line.id)
        else:
            kind.present[line.id] = line.cells
    return kind


def _courses(
    before: Roster, package: Package, findings: list[Finding]
) -> tuple[_Kind, dict[str, CourseState]]:
    active = {id_ for id_, course in before.courses.items() if course.status == "active"}
    courses = _kind(package, "courses", active, findings)
    after = dict(before.courses)
    for id_, cells in courses.present.items():
        after[id_] = CourseState(cells["title"], cells["courseCode"], "active")
    for id_, course in before.courses.items():
        absent = courses.bulk and id_ not in courses.present and id_ not in courses.quarantined
        if absent or id_ in courses.deleted:
            after[id_] = CourseState(course.title, course.course_code, "removed")
    return courses, after


def _classes(
    before: Roster, package: Package, courses: _Kind, findings: list[Finding]
) -> tuple[_Kind, dict[str, str]]:
    """Link classes to courses: a quarantined class keeps the link it had."""
    classes = _kind(package, "classes", before.classes, findings)
    for id_, cells in list(classes.present.items()):
        goes_along = classes.bulk and cells["courseSourcedId"] in courses.deleted
        if not courses.is_usable(cells["courseSourcedId"]) and not goes_along:
            del classes.present[id_]
            classes.quarantined.add(id_)
            findings.append(Finding("classes", id_, courses.why_not(cells["courseSourcedId"])))
    after = {
        id_: course
        for id_, course in before.classes.items()
        if not classes.bulk or id_ in classes.quarantined or course in courses.quarantined
    }
    after.update({id_: cells["courseSourcedId"] for id_, cells in classes.present.items()})
    return classes, _without(after, classes.deleted)


class _Lessons:
    """Enrollments, and the assignments they make."""

    def __init__(
        self,
        before: Roster,
        users: Users,
        courses: _Kind,
        courses_after: dict[str, CourseState],
        classes: _Kind,
        links: dict[str, str],
    ) -> None:
        self.before = before
        self.users = users
        self.courses = courses
        self.courses_after = courses_after
        self.classes = classes
        self.links = links
        self.bulk = False
        self.good: dict[str, Taught] = {}
        self.bad: set[str] = set()
        self.deleted: set[str] = set()
        self.named_by_bad: set[Pair] = set()
        """Pairs that a quarantined row of today names: it adds and removes no assignment."""
        self.after: dict[str, Taught] = before.enrollments

    def read(self, package: Package, findings: list[Finding]) -> int:
        """Read enrollments.csv and return the number of staff rows that could not be used."""
        table = package.tables.get("enrollments")
        self.bulk = table is not None and table.mode == "bulk"
        errors = 0
        for line in read_lines(package, "enrollments", self.before.enrollments):
            user, class_ = line.cells["userSourcedId"], line.cells["classSourcedId"]
            hangs = user in self.users.deleted or class_ in self.classes.deleted
            goes = line.deletes or (self.bulk and hangs)
            no_staff = user in self.users.ignored_ids
            code = line.fault
            if goes and code not in ("row.width_mismatch", "reference.duplicate_sourced_id"):
                code = None  # the row of a removal needs only its sourcedId
            if no_staff or (code is None and goes):
                if not no_staff or not self.bulk:
                    self.deleted.add(line.id)
                continue
            code = code or self._reference_fault(user, class_)
            role, course = line.cells["role"], self.links.get(class_, "")
            if code is None:
                self.good[line.id] = Taught(user, class_, course, role)
                continue
            errors += 1
            findings.append(Finding("enrollments", line.id, code))
            self.bad.add(line.id)
            if role == "teacher":
                self.named_by_bad.add((user, course))
        self.after = self._enrollments()
        return errors

    def _reference_fault(self, user: str, class_: str) -> str | None:
        if not self.users.is_usable(user):
            return QUARANTINED if user in self.users.quarantined else MISSING
        if not self.classes.is_usable(class_):
            return self.classes.why_not(class_)
        course = self.links[class_]
        if not self.courses.is_usable(course) and course not in self.courses.deleted:
            return self.courses.why_not(self.links[class_])
        return None

    def _is_frozen(self, id_: str, enrollment: Taught) -> bool:
        return (
            id_ in self.bad
            or enrollment.user in self.users.quarantined
            or enrollment.class_ in self.classes.quarantined
            or enrollment.course in self.courses.quarantined
        )

    def _enrollments(self) -> dict[str, Taught]:
        after: dict[str, Taught] = {}
        for id_, old in self.before.enrollments.items():
            if self._is_frozen(id_, old):
                after[id_] = old
            elif not self.bulk and old.class_ in self.links:
                after[id_] = Taught(old.user, old.class_, self.links[old.class_], old.role)
        return _without({**after, **self.good}, self.deleted)

    def assignments(self) -> dict[Pair, str]:
        """Return the status of every pair of user and course that was ever assigned."""
        wanted: set[Pair] = set()
        kept = set(self.named_by_bad)
        for id_, enrollment in self.after.items():
            if enrollment.role == "teacher":
                frozen = self._is_frozen(id_, enrollment)
                (kept if frozen else wanted).add((enrollment.user, enrollment.course))
        after = {}
        for pair in set(self.before.assignments) | wanted:
            status = self._status(pair, wanted=pair in wanted, kept=pair in kept)
            if status is not None:
                after[pair] = status
        return after

    def _status(self, pair: Pair, *, wanted: bool, kept: bool) -> str | None:
        user, course = pair
        old = self.before.assignments.get(pair)
        if self.courses_after[course].status == "removed":
            return old and "removed"
        broken = user in self.users.quarantined or course in self.courses.quarantined
        if wanted and not broken:
            return "active"
        if old == "active" and (kept or wanted):
            return old
        return old and "removed"


def _without(records: Mapping[str, R], ids: set[str]) -> dict[str, R]:
    return {id_: record for id_, record in records.items() if id_ not in ids}
