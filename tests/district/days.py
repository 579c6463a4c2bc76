"""One day of a school district: who arrives, who leaves, what changes.

Every day is clean, so that no reference dangles: the enrollments of a user who leaves go too, and
so do the classes of a course with their enrollments. At least one teacher, course, class and
teacher's enrollment stay, so that no file ever loses its last staff row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from district import words
from district.make import Recorder

if TYPE_CHECKING:
    import random

    from district.model import Class, Course, District, Enrollment, User

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rates:
    """The shares of staff, courses, classes and enrollments that change in one day."""

    added: float = 0.01
    removed: float = 0.01
    changed: float = 0.02
    returning: float = 0.25
    """The share of the users and courses that left on earlier days."""


QUIET = Rates()
BUSY = Rates(added=0.05, removed=0.04, changed=0.10, returning=0.5)
"""Enough to show every kind of change in a small district within a few days."""


def next_day(district: District, rng: random.Random, rates: Rates = QUIET) -> District:
    """Return the district one day later; the same generator state gives the same day."""
    day = _Day(district, rng, rates)
    day.remove()
    day.change()
    day.swap_emails()
    day.switch_off_and_on()
    day.bring_back()
    day.add()
    return replace(day.made.district, day=district.day + 1)


class _Day:
    def __init__(self, district: District, rng: random.Random, rates: Rates) -> None:
        self.made = Recorder(district, rng)
        self.rng = rng
        self.rates = rates
        self.touched: set[str] = set()
        """Users that this day has already changed: they take no part in a swap of e-mails."""
        self.away_users = list(district.left_users)
        self.away_courses = list(district.left_courses)

    def remove(self) -> None:
        d = self.made.district
        for course in self._draw(list(d.courses.values()), self.rates.removed):
            self._remove_course(course)
        for class_ in self._draw(list(d.classes.values()), self.rates.removed):
            self._remove_class(class_)
        for user in self._draw(list(d.users.values()), self.rates.removed):
            self._remove_user(user)
        for enrollment in self._draw(list(d.enrollments.values()), self.rates.removed):
            if not self._is_last([enrollment]):
                del d.enrollments[enrollment.sourced_id]

    def _remove_course(self, course: Course) -> None:
        d = self.made.district
        classes = [c for c in d.classes.values() if c.course == course.sourced_id]
        if self._is_last(self._enrollments_of(classes)):
            return
        for class_ in classes:
            self._remove_class(class_)
        d.left_courses[course.sourced_id] = d.courses.pop(course.sourced_id)

    def _remove_class(self, class_: Class) -> None:
        d = self.made.district
        enrollments = self._enrollments_of([class_])
        if self._is_last(enrollments):
            return
        for enrollment in enrollments:
            del d.enrollments[enrollment.sourced_id]
        del d.classes[class_.sourced_id]

    def _remove_user(self, user: User) -> None:
        d = self.made.district
        enrollments = [e for e in d.enrollments.values() if e.user == user.sourced_id]
        is_agent = user.role in ("guardian", "parent")
        if is_agent or self._is_last(enrollments) or not self._others_of_role(user):
            return
        for enrollment in enrollments:
            del d.enrollments[enrollment.sourced_id]
        del d.users[user.sourced_id]
        if user.is_staff:
            d.left_users[user.sourced_id] = user

    def _others_of_role(self, user: User) -> bool:
        return any(
            other.role == user.role and other != user for other in self.made.district.users.values()
        )

    def _enrollments_of(self, classes: list[Class]) -> list[Enrollment]:
        ids = {class_.sourced_id for class_ in classes}
        return [e for e in self.made.district.enrollments.values() if e.class_ in ids]

    def _is_last(self, leaving: list[Enrollment]) -> bool:
        """Return whether no teacher, or no student, would be enrolled anywhere after this."""
        gone = {enrollment.sourced_id for enrollment in leaving}
        before = {e.role for e in self.made.district.enrollments.values()}
        after = {
            e.role for e in self.made.district.enrollments.values() if e.sourced_id not in gone
        }
        return bool({"teacher", "student"} & (before - after))

    def change(self) -> None:
        d = self.made.district
        for user in self._draw(d.staff(), self.rates.changed):
            d.users[user.sourced_id] = self._changed_user(user)
            self.touched.add(user.sourced_id)
        for course in self._draw(list(d.courses.values()), self.rates.changed):
            d.courses[course.sourced_id] = self._changed_course(course)
        for class_ in self._draw(list(d.classes.values()), self.rates.changed):
            d.classes[class_.sourced_id] = self._changed_class(class_)
        for enrollment in self._draw(list(d.enrollments.values()), self.rates.changed):
            if not self._is_last([enrollment]):
                d.enrollments[enrollment.sourced_id] = self._changed_enrollment(enrollment)

    def _changed_user(self, user: User) -> User:
        what = self.rng.choice(("family_name", "email", "username", "role", "orgs", "phone"))
        if what == "family_name":
            return replace(user, family_name=f"{user.family_name}-{self.made.district.day + 1}")
        if what == "email":
            number = 100_000 + self.made.next_number("change")
            return replace(user, email=words.make_email(user.given_name, user.family_name, number))
        if what == "username":
            return replace(user, username=f"renamed{self.made.next_number('change')}")
        if what == "role" and user.role in ("aide", "teacher") and self._others_of_role(user):
            return replace(user, role="teacher" if user.role == "aide" else "aide")
        if what == "orgs":
            return replace(user, orgs=(self.rng.choice(self.made.district.schools),))
        return replace(user, phone=f"777-{self.made.next_number('change'):04d}")

    def _changed_course(self, course: Course) -> Course:
        if self.rng.random() < 0.5:
            return replace(course, code=f"N{self.made.next_number('change')}")
        return replace(course, title=f"{course.title} (day {self.made.district.day + 1})")

    def _changed_class(self, class_: Class) -> Class:
        if self.rng.random() < 0.5:
            return replace(class_, location=f"Annex {self.made.next_number('change')}")
        return replace(class_, course=self.rng.choice(list(self.made.district.courses)))

    def _changed_enrollment(self, enrollment: Enrollment) -> Enrollment:
        d = self.made.district
        draw = self.rng.random()
        if enrollment.role == "teacher" and draw < 0.3:
            return replace(enrollment, user=self.rng.choice(d.staff("teacher")).sourced_id)
        if enrollment.role == "teacher" and draw < 0.5:
            return replace(enrollment, role="proctor", primary=False)
        if enrollment.role in ("proctor", "administrator") and draw < 0.5:
            return replace(enrollment, role="teacher")
        return replace(enrollment, class_=self.rng.choice(list(d.classes)))

    def swap_emails(self) -> None:
        """Let two teachers exchange their e-mails, if this day has left two of them unchanged."""
        calm = [
            user
            for user in self.made.district.staff("teacher")
            if user.sourced_id not in self.touched
        ]
        if len(calm) < 2:
            return
        one, other = self.rng.sample(calm, 2)
        self.made.district.users[one.sourced_id] = replace(one, email=other.email)
        self.made.district.users[other.sourced_id] = replace(other, email=one.email)
        self.touched |= {one.sourced_id, other.sourced_id}

    def switch_off_and_on(self) -> None:
        """Disable one teacher, and enable one disabled teacher."""
        for enabled in (True, False):
            calm = [
                user
                for user in self.made.district.staff("teacher")
                if user.sourced_id not in self.touched and user.enabled is enabled
            ]
            if calm and self.rng.random() < 0.5:
                user = self.rng.choice(calm)
                self.made.district.users[user.sourced_id] = replace(user, enabled=not enabled)
                self.touched.add(user.sourced_id)

    def bring_back(self) -> None:
        """Let some users and courses of earlier days return with the sourcedId they had."""
        d = self.made.district
        for course_id in self.away_courses:
            if self.rng.random() < self.rates.returning:
                d.courses[course_id] = d.left_courses.pop(course_id)
                self._staff_class(d.courses[course_id])
        for user_id in self.away_users:
            if self.rng.random() < self.rates.returning:
                d.users[user_id] = d.left_users.pop(user_id)
                class_ = d.classes[self.rng.choice(list(d.classes))]
                self.made.enroll(d.users[user_id], class_, "teacher")

    def add(self) -> None:
        rng, made = self.rng, self.made
        for _ in self._draw(made.district.staff(), self.rates.added):
            user = made.add_staff()
            class_ = made.district.classes[rng.choice(list(made.district.classes))]
            made.enroll(user, class_, "teacher" if user.role != "proctor" else "proctor")
        for _ in self._draw(list(made.district.courses), self.rates.added):
            self._staff_class(made.add_course())
        for _ in self._draw(list(made.district.classes), self.rates.added):
            self._staff_class(made.district.courses[rng.choice(list(made.district.courses))])
        for _ in self._draw(made.district.staff("teacher"), self.rates.added):
            teacher = rng.choice(made.district.staff("teacher"))
            class_ = made.district.classes[rng.choice(list(made.district.classes))]
            made.enroll(teacher, class_, "teacher")
        students = [user for user in made.district.users.values() if user.role == "student"]
        for _ in self._draw(students, self.rates.added):
            student = made.add_user("student", (rng.choice(made.district.schools),))
            class_ = made.district.classes[rng.choice(list(made.district.classes))]
            made.enroll(student, class_, "student")

    def _staff_class(self, course: Course) -> None:
        class_ = self.made.add_class(course)
        teacher = self.rng.choice(self.made.district.staff("teacher"))
        self.made.enroll(teacher, class_, "teacher", primary=True)

    def _draw(self, records: list[T], share: float) -> list[T]:
        """Draw about this share of the records; chance decides about the fraction of a record."""
        count = int(share * len(records) + self.rng.random())
        return self.rng.sample(records, min(count, len(records)))
