"""Make a district of any size from a seed."""

from __future__ import annotations

import random
from dataclasses import replace

from district import words
from district.model import AcademicSession, Class, Course, District, Enrollment, Org, User

STUDENT_SHARE = 0.70
GUARDIAN_SHARE = 0.08
STAFF_ROLES = (("aide", 0.08), ("administrator", 0.07), ("proctor", 0.03))
"""The share of each staff role; the rest are teachers."""
DISABLED_SHARE = 0.04


class Recorder:
    """Adds records to a district, each under a sourcedId that was never used before."""

    def __init__(self, district: District, rng: random.Random) -> None:
        self.district = replace(
            district,
            serials=dict(district.serials),
            orgs=dict(district.orgs),
            sessions=dict(district.sessions),
            courses=dict(district.courses),
            classes=dict(district.classes),
            users=dict(district.users),
            enrollments=dict(district.enrollments),
            left_users=dict(district.left_users),
            left_courses=dict(district.left_courses),
        )
        self.rng = rng

    def next_number(self, kind: str) -> int:
        """Return the number of the next record of this type."""
        number = self.district.serials.get(kind, 0)
        self.district.serials[kind] = number + 1
        return number

    def next_id(self, kind: str, *, in_lists: bool = False) -> tuple[str, int]:
        """Return a new sourcedId and its number."""
        number = self.next_number(kind)
        return words.make_id(self.district.ids, kind, number, in_lists=in_lists), number

    def add_user(self, role: str, orgs: tuple[str, ...]) -> User:
        """Add a user of the role."""
        sourced_id, number = self.next_id("user", in_lists=role in ("guardian", "parent"))
        given_name, family_name = words.make_name(self.rng)
        email = words.make_email(given_name, family_name, number)
        user = User(
            sourced_id,
            given_name,
            family_name,
            email if role != "student" or number % 3 else "",
            email if number % 4 == 0 else f"u{number}",
            role,
            orgs,
            phone=f"555-{number:04d}",
            grade=self.rng.choice(words.GRADES) if role == "student" else "",
        )
        self.district.users[sourced_id] = user
        return user

    def add_staff(self, role: str | None = None) -> User:
        """Add a member of the staff with this role, or with a role drawn by `STAFF_ROLES`."""
        if role is None:
            draw = self.rng.random()
            role = "teacher"
            for name, share in STAFF_ROLES:
                draw -= share
                if draw < 0:
                    role = name
                    break
        schools = self.district.schools
        orgs = tuple(self.rng.sample(schools, 2 if len(schools) > 1 and self._once_in(6) else 1))
        if role == "administrator" and self._once_in(3):
            orgs = (next(iter(self.district.orgs)),)
        user = replace(
            self.add_user(role, orgs),
            enabled=self.rng.random() >= DISABLED_SHARE,
            second_role="parent" if role == "teacher" and self._once_in(12) else "",
        )
        self.district.users[user.sourced_id] = user
        return user

    def add_course(self) -> Course:
        """Add a course without classes."""
        sourced_id, number = self.next_id("course")
        subject = self.rng.choice(words.SUBJECTS)
        course = Course(
            sourced_id,
            f"{subject} {self.rng.choice(words.LEVELS)}",
            f"C{number}" if number % 7 else "",
            next(iter(self.district.orgs)),
            next(iter(self.district.sessions)),
            grades=tuple(sorted(self.rng.sample(words.GRADES, self.rng.randint(0, 2)))),
            subjects=(subject.replace(",", ""),),
        )
        self.district.courses[sourced_id] = course
        return course

    def add_class(self, course: Course) -> Class:
        """Add a class of the course without enrollments."""
        sourced_id, number = self.next_id("class")
        terms = self.district.terms
        class_ = Class(
            sourced_id,
            f"{course.title} - {number}",
            course.sourced_id,
            self.rng.choice(self.district.schools),
            tuple(self.rng.sample(terms, self.rng.randint(1, len(terms)))),
            f"{course.code or 'X'}-{number}",
            f"Room {number % 40}",
        )
        self.district.classes[sourced_id] = class_
        return class_

    def enroll(self, user: User, class_: Class, role: str, *, primary: bool = False) -> None:
        """Enroll the user."""
        sourced_id, _ = self.next_id("enrollment")
        self.district.enrollments[sourced_id] = Enrollment(
            sourced_id, user.sourced_id, class_.sourced_id, role, primary
        )

    def _once_in(self, times: int) -> bool:
        return self.rng.randrange(times) == 0


def make_district(
    seed: int, users: int = 120, *, schools: int | None = None, ids: str = "uuid"
) -> District:
    """Make the first day of a district with exactly `users` users; one seed gives one district.

    There is always a teacher with a course, and a student.

    Raises:
        ValueError: `users` is less than 2, or `ids` is not one of `words.ID_STYLES`.
    """
    if users < 2:
        raise ValueError(f"a district needs a teacher and a student, but users is {users}")
    made = Recorder(District(ids), random.Random(seed))
    _add_orgs_and_sessions(made, schools or 1 + users // 400)
    students = max(1, round(users * STUDENT_SHARE))
    guardians = round(users * GUARDIAN_SHARE)
    for number in range(users - students - guardians):
        made.add_staff("teacher" if number == 0 else None)
    _add_courses(made)
    _add_families(made, students, guardians)
    return made.district


def _add_orgs_and_sessions(made: Recorder, schools: int) -> None:
    district_id, number = made.next_id("org", in_lists=True)
    made.district.orgs[district_id] = Org(
        district_id, "Example Unified, School District", "district", f"{number:05d}"
    )
    for index in range(schools):
        school_id, number = made.next_id("org", in_lists=True)
        name = f"{words.SCHOOLS[index % len(words.SCHOOLS)]} School {index + 1}"
        made.district.orgs[school_id] = Org(
            school_id, name, "school", f"{number:05d}", parent=district_id
        )
    year_id, _ = made.next_id("session", in_lists=True)
    made.district.sessions[year_id] = AcademicSession(
        year_id, "2026-2027", "schoolYear", "2026-08-17", "2027-06-11", "2027"
    )
    for title, start_on, end_on in (
        ("Fall", "2026-08-17", "2026-12-18"),
        ("Spring", "2027-01-04", "2027-06-11"),
    ):
        term_id, _ = made.next_id("session", in_lists=True)
        made.district.sessions[term_id] = AcademicSession(
            term_id, title, "term", start_on, end_on, "2027", parent=year_id
        )


def _add_courses(made: Recorder) -> None:
    """Add courses with one to three classes; some teachers share classes or repeat a course."""
    rng = made.rng
    teachers = made.district.staff("teacher")
    others = [user for user in made.district.staff() if user.role != "teacher"]
    for index in range(max(1, round(len(teachers) * 0.8))):
        course = made.add_course()
        teacher = teachers[index % len(teachers)]
        for _ in range(rng.randint(1, 3)):
            class_ = made.add_class(course)
            made.enroll(teacher, class_, "teacher", primary=True)
            if rng.random() < 0.25 and len(teachers) > 1:
                made.enroll(_other(rng, teachers, teacher), class_, "teacher")
            if rng.random() < 0.10 and others:
                helper = rng.choice(others)
                made.enroll(helper, class_, "teacher" if helper.role == "aide" else "administrator")
            if rng.random() < 0.5:
                teacher = rng.choice(teachers)


def _other(rng: random.Random, teachers: list[User], teacher: User) -> User:
    while (other := rng.choice(teachers)) == teacher:
        pass
    return other


def _add_families(made: Recorder, students: int, guardians: int) -> None:
    rng = made.rng
    roles = ("guardian", "parent")
    staff = made.district.staff()
    families = []
    for index in range(guardians):
        user = made.add_user(roles[index % 2], (rng.choice(made.district.schools),))
        if index % 8 == 0:  # a teacher's own child is at the school too
            user = replace(user, email=rng.choice(staff).email)
            made.district.users[user.sourced_id] = user
        families.append(user)
    classes = list(made.district.classes.values())
    for _ in range(students):
        student = made.add_user("student", (rng.choice(made.district.schools),))
        if families and rng.random() < 0.5:
            agents = tuple(user.sourced_id for user in rng.sample(families, min(len(families), 2)))
            made.district.users[student.sourced_id] = replace(student, agents=agents)
        for class_ in rng.sample(classes, min(len(classes), 4)):
            made.enroll(student, class_, "student")
