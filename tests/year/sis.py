"""The SIS: it gives sourcedIds to the true records, and exports what it shows."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING

from district.model import AcademicSession, Class, Course, District, Enrollment, Org, User
from year.truth import TERMS

if TYPE_CHECKING:
    from year.truth import Section, Truth

_SHOWN_BEFORE = dt.timedelta(days=28)
"""How long before its first day a term is shown."""
_DROPPED_AFTER = dt.timedelta(days=17)
"""How long after its last day the classes of a term are dropped."""
_STUDENTS = 40


class Sis:
    """One system, from the day of its installation.

    Attributes:
        version: Version of OneRoster.
        year: The school year that it shows.
        keeps_ended: Whether it shows ended classes until the school year is changed.
        nightly: Whether enrollments get other sourcedIds every night.
        people: All sourcedIds that a person ever had here.
        courses: All sourcedIds that a course ever had here.
    """

    def __init__(self, truth: Truth, name: str, version: str, *, year: int = 2026) -> None:
        """Install a system; without a name it numbers its records, otherwise they have UUIDs."""
        self.truth = truth
        self.name = name
        self.version = version
        self.year = year
        self.keeps_ended = False
        self.nightly = False
        self.people: dict[str, int] = {}
        self.courses: dict[str, int] = {}
        self._files: defaultdict[int, int] = defaultdict(int)
        self._catalog = 0
        self._day = dt.date.min

    def open_another_file(self, person: int) -> None:
        """Give a known person another sourcedId from now on."""
        self._files[person] += 1

    def number_courses_anew(self) -> None:
        """Give every course another sourcedId."""
        self._catalog += 1

    def export(self, day: dt.date) -> District:
        """Return all records as they are on the evening of a day."""
        self._day = day
        truth, year = self.truth, f"y{self.year}"
        district = District(
            self.name, day=day.toordinal() % 84, orgs=self._orgs(), sessions=self._sessions(year)
        )
        for course in truth.courses.values():
            id_ = self._course(course.number)
            district.courses[id_] = Course(
                id_, course.title, course.code, self._id("school", course.school), year
            )
        for person in truth.people.values():
            id_ = self._person(person.number)
            orgs = tuple(self._id("school", school) for school in person.schools)
            district.users[id_] = User(
                id_,
                person.given_name,
                person.family_name,
                person.email,
                person.username,
                person.role,
                orgs,
            )
        self._add_students(district)
        for section in truth.sections.values():
            if self._is_shown(section):
                self._add_class(district, section)
        return district

    def _orgs(self) -> dict[str, Org]:
        root = self._id("district", 9999)
        orgs = {root: Org(root, "Example Unified", "district", "0")}
        for number, name in self.truth.schools.items():
            id_ = self._id("school", number)
            orgs[id_] = Org(id_, name, "school", str(number + 1), parent=root)
        return orgs

    def _sessions(self, year: str) -> dict[str, AcademicSession]:
        terms = [term for term in TERMS.values() if term.year == self.year]
        ends = str(self.year + 1)
        first, last = str(terms[0].first_on), str(terms[-1].last_on)
        sessions = {
            year: AcademicSession(year, f"{self.year}-{ends}", "schoolYear", first, last, ends)
        }
        for term in terms:
            first, last = str(term.first_on), str(term.last_on)
            sessions[term.name] = AcademicSession(
                term.name, term.name, "term", first, last, ends, parent=year
            )
        return sessions

    def _is_shown(self, section: Section) -> bool:
        terms = [TERMS[name] for name in section.terms]
        if terms[0].year != self.year:
            return False
        begun = self._day >= terms[0].first_on - _SHOWN_BEFORE
        over = self._day > terms[-1].last_on + _DROPPED_AFTER
        return begun and (self.keeps_ended or not over)

    def _add_students(self, district: District) -> None:
        for number in range(_STUDENTS):
            id_ = self._id("student", number)
            school = self._id("school", list(self.truth.schools)[number % len(self.truth.schools)])
            district.users[id_] = User(
                id_, f"Given{number}", f"Family{number}", "", f"s{number}", "student", (school,)
            )

    def _add_class(self, district: District, section: Section) -> None:
        course = self.truth.courses[section.course]
        id_, school = self._id("class", section.number), self._id("school", course.school)
        title = f"{course.title} - {section.number}"
        district.classes[id_] = Class(
            id_, title, self._course(course.number), school, section.terms, str(section.number)
        )
        there = [teacher for teacher in section.teachers if teacher in self.truth.people]
        members = [(self._person(teacher), "teacher") for teacher in there]
        places = (section.number % _STUDENTS, (section.number + 7) % _STUDENTS)
        members += [(self._id("student", place), "student") for place in places]
        for user, role in members:
            night = self._day.toordinal() if self.nightly else 0
            one = self._id(f"enrollment/{night}/{id_}/{user}", section.number)
            district.enrollments[one] = Enrollment(one, user, id_, role, primary=role == "teacher")

    def _person(self, number: int) -> str:
        id_ = self._id("user", number + 100_000 * self._files[number])
        self.people[id_] = number
        return id_

    def _course(self, number: int) -> str:
        id_ = self._id("course", number + 100_000 * self._catalog)
        self.courses[id_] = number
        return id_

    def _id(self, kind: str, number: int) -> str:
        if self.name or kind.startswith("enrollment"):
            return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.name}/{kind}/{number}"))
        return f"{number:07d}" if kind != "student" else f"9{number:06d}"
