"""A district as its human resources office and its principals know it, without a SIS.

People, courses and sections have numbers that never change; sourcedIds belong to a SIS
(`year.sis`). A person who is not in `people` does not work here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from district import words

if TYPE_CHECKING:
    import random

Pair = tuple[int, int]
"""A person and a course."""

SIZES = ((32, 48), (26, 40), (18, 28), (10, 18), (8, 12))
"""Staff and courses of each school."""
_ROLES = (("aide", 0.08), ("administrator", 0.07), ("proctor", 0.04))
_TWINS = 3
"""How many courses have the code and the title of a course in another school."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person who works here, or did."""

    number: int
    given_name: str
    family_name: str
    email: str
    username: str
    role: str
    schools: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """A subject that a school teaches."""

    number: int
    code: str
    title: str
    school: int


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a school year, both days included; a year is named by the one it begins in."""

    name: str
    year: int
    first_on: dt.date
    last_on: dt.date

    def runs_on(self, day: dt.date) -> bool:
        """Return whether lessons are held on a day."""
        return self.first_on <= day <= self.last_on


@dataclass(frozen=True, slots=True)
class Section:
    """A course as it is held in some terms, by its teachers."""

    number: int
    course: int
    terms: tuple[str, ...]
    teachers: tuple[int, ...]


TERMS = {
    term.name: term
    for term in (
        Term("2025-fall", 2025, dt.date(2025, 8, 18), dt.date(2025, 12, 19)),
        Term("2025-spring", 2025, dt.date(2026, 1, 5), dt.date(2026, 6, 12)),
        Term("2026-fall", 2026, dt.date(2026, 8, 17), dt.date(2026, 12, 18)),
        Term("2026-spring", 2026, dt.date(2027, 1, 4), dt.date(2027, 6, 11)),
        Term("2027-fall", 2027, dt.date(2027, 8, 18), dt.date(2027, 12, 17)),
        Term("2027-spring", 2027, dt.date(2028, 1, 3), dt.date(2028, 6, 9)),
    )
}
YEARS = (2025, 2026, 2027)


@dataclass(slots=True)
class Truth:
    """Everything that is true today.

    `former` keeps the people who left, so that they can return. `year.life` makes the changes.
    """

    schools: dict[int, str] = field(default_factory=dict)
    people: dict[int, Person] = field(default_factory=dict)
    former: dict[int, Person] = field(default_factory=dict)
    courses: dict[int, Course] = field(default_factory=dict)
    sections: dict[int, Section] = field(default_factory=dict)
    serial: int = 0

    def next_number(self) -> int:
        """Return a number that no other record has."""
        self.serial += 1
        return self.serial

    def teachers(self, school: int | None = None) -> list[Person]:
        """List the teachers, or those of a school."""
        return [
            person
            for person in self.people.values()
            if person.role == "teacher" and (school is None or school in person.schools)
        ]

    def staff_of(self, school: int) -> list[Person]:
        """List the people who work in this school only."""
        return [person for person in self.people.values() if person.schools == (school,)]

    def courses_of(self, school: int) -> list[Course]:
        """List the courses of a school."""
        return [course for course in self.courses.values() if course.school == school]

    def sections_of(self, year: int) -> list[Section]:
        """List the sections of a school year."""
        return [one for one in self.sections.values() if TERMS[one.terms[0]].year == year]

    def taught_on(self, day: dt.date) -> set[Pair]:
        """Return who teaches what in the terms that include a day."""
        return {
            (teacher, section.course)
            for section in self.sections.values()
            if any(TERMS[name].runs_on(day) for name in section.terms)
            for teacher in section.teachers
        }

    def hire(self, rng: random.Random, school: int, role: str = "teacher") -> Person:
        """Hire a new person."""
        number = self.next_number()
        given_name, family_name = words.make_name(rng)
        email = words.make_email(given_name, family_name, number)
        schools: tuple[int, ...] = (school,)
        if len(self.schools) > 1 and rng.randrange(12) == 0:
            schools = tuple(sorted({school, rng.choice(list(self.schools))}))
        person = Person(number, given_name, family_name, email, f"u{number}", role, schools)
        self.people[number] = person
        return person

    def found_course(self, rng: random.Random, school: int) -> Course:
        """Add a new course."""
        number = self.next_number()
        subject = rng.choice(words.SUBJECTS)
        code = f"{subject[:2].upper()}{number}" if number % 29 else ""
        course = Course(number, code, f"{subject} {rng.choice(words.LEVELS)}", school)
        self.courses[number] = course
        return course

    def hold(self, course: Course, terms: tuple[str, ...], teachers: tuple[int, ...]) -> Section:
        """Hold a course in some terms."""
        section = Section(self.next_number(), course.number, terms, teachers)
        self.sections[section.number] = section
        return section


def make_truth(rng: random.Random, *, sizes: tuple[tuple[int, int], ...] = SIZES) -> Truth:
    """Make a district with the sections of last year and of this one."""
    truth = Truth()
    for school in range(len(sizes)):
        truth.schools[school] = f"{words.SCHOOLS[school % len(words.SCHOOLS)]} School"
    for school, (staff, courses) in enumerate(sizes):
        for place in range(staff):
            truth.hire(rng, school, "teacher" if place % 4 else _role(rng))
        for _ in range(courses):
            truth.found_course(rng, school)
    _make_twins(truth, rng)
    for year in YEARS[:2]:
        plan_year(truth, rng, year)
    return truth


def plan_year(truth: Truth, rng: random.Random, year: int) -> None:
    """Assign the teachers of a school year: most teach the same courses as in the previous year."""
    before: dict[int, tuple[int, ...]]
    before = {section.course: section.teachers for section in truth.sections_of(year - 1)}
    fall, spring = f"{year}-fall", f"{year}-spring"
    for course in list(truth.courses.values()):
        teachers = before.get(course.number, ())
        if not teachers or rng.random() < 0.3:
            choices = truth.teachers(course.school) or truth.teachers()
            count = 1 if rng.random() < 0.8 else 2
            teachers = tuple(p.number for p in rng.sample(choices, min(count, len(choices))))
        draw = rng.random()
        if draw < 0.4:
            truth.hold(course, (fall, spring), teachers)
        if 0.4 <= draw < 0.85:
            truth.hold(course, (fall,), teachers)
        if draw >= 0.65:
            truth.hold(course, (spring,), teachers)


def _role(rng: random.Random) -> str:
    draw = rng.random() * 0.5
    for role, share in _ROLES:
        draw -= share
        if draw < 0:
            return role
    return "teacher"


def _make_twins(truth: Truth, rng: random.Random) -> None:
    """Give some courses the code and title of another school's course, as real districts do."""
    if len(truth.schools) < 2:
        return
    for _ in range(_TWINS):
        one, other = (rng.choice(truth.courses_of(school)) for school in (0, 1))
        truth.courses[other.number] = replace(other, code=one.code, title=one.title)
