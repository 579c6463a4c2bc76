"""The events in a district from one working day to the next, and their announcements."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from year.truth import TERMS

if TYPE_CHECKING:
    import datetime as dt
    import random

    from year.truth import Course, Person, Truth

_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Announcement:
    """An announcement to the office: a number of people who leave, or another event by name."""

    on: dt.date
    about: str
    count: int = 1
    school: str | None = None


@dataclass(slots=True)
class News:
    """All announcements, the oldest first."""

    announcements: list[Announcement] = field(default_factory=list)

    def announce(self, on: dt.date, about: str, count: int = 1, school: str | None = None) -> None:
        """Announce an event."""
        self.announcements.append(Announcement(on, about, count, school))

    def since(self, day: dt.date, about: str) -> list[Announcement]:
        """Return the announcements of an event on a day or later."""
        return [one for one in self.announcements if one.on >= day and one.about == about]

    def count(self, day: dt.date, *about: str) -> int:
        """Count the announcements on a day or later."""
        return sum(one.count for what in about for one in self.since(day, what))


class Life:
    """A district over time, day by day; one seed gives one life.

    `settled` are people to whom no random event happens.
    """

    def __init__(self, truth: Truth, rng: random.Random) -> None:
        """Start with this truth, and without announcements."""
        self.truth = truth
        self.rng = rng
        self.news = News()
        self.settled: set[int] = set()

    def live(self, day: dt.date) -> None:
        """Simulate one day; at weekends nothing happens."""
        if day.weekday() >= _SATURDAY:
            return
        for chance, happening in (
            (0.12, self._somebody_comes),
            (0.09, self._somebody_goes),
            (0.25, self._somebody_changes),
            (0.10, self._somebody_moves),
            (0.10, self._course_begins),
            (0.06, self._course_ends),
            (0.10, self._course_is_renamed),
            (0.45, self._somebody_else_teaches),
            (0.03, self._two_swap),
        ):
            if self.rng.random() < chance:
                happening(day)

    def leave(self, person: Person, day: dt.date) -> None:
        """Let a person leave; others take over most of the person's classes."""
        truth = self.truth
        truth.former[person.number] = truth.people.pop(person.number)
        for section in list(truth.sections.values()):
            if person.number in section.teachers and not _is_over(section.terms, day):
                others = [n for n in section.teachers if n != person.number]
                if not others and self.rng.random() < 0.85:
                    others = [self._teacher(truth.courses[section.course].school).number]
                truth.sections[section.number] = replace(section, teachers=tuple(others))
        self.news.announce(day, "leaves")

    def come_back(self, number: int, day: dt.date) -> Person:
        """Let a person who left return, and teach again."""
        person = self.truth.former.pop(number)
        schools = tuple(school for school in person.schools if school in self.truth.schools)
        person = replace(person, schools=schools or (self._school(),))
        self.truth.people[number] = person
        self._give_lessons(person, day)
        return person

    def come(self, school: int, day: dt.date) -> Person:
        """Let a new person start, and teach."""
        person = self.truth.hire(self.rng, school)
        self._give_lessons(person, day)
        return person

    def marry(self, person: Person) -> None:
        """Give a person another family name, and the e-mail for it."""
        name = f"{person.family_name}-Lund"
        email = f"married{person.number}@district.example.org"
        self.truth.people[person.number] = replace(person, family_name=name, email=email)

    def swap(self, one: Person, other: Person) -> None:
        """Let two people swap their e-mails."""
        self.truth.people[one.number] = replace(one, email=other.email)
        self.truth.people[other.number] = replace(other, email=one.email)

    def close(self, school: int, day: dt.date) -> None:
        """Close a school: its courses end, every other teacher moves, the others leave."""
        truth, name = self.truth, self.truth.schools[school]
        staff = truth.staff_of(school)
        self.news.announce(day, "school closes", len(staff), name)
        for course in truth.courses_of(school):
            self._end(course)
        others = [other for other in truth.schools if other != school]
        for place, person in enumerate(staff):
            if place % 2:
                self._move(person, self.rng.choice(others))
            else:
                self.leave(person, day)
        for person in list(truth.people.values()):
            if school in person.schools:
                rest = tuple(other for other in person.schools if other != school)
                truth.people[person.number] = replace(person, schools=rest)
        del truth.schools[school]

    def _somebody_comes(self, day: dt.date) -> None:
        self.come(self._school(), day)

    def _somebody_goes(self, day: dt.date) -> None:
        self.leave(self._anybody(), day)

    def _somebody_changes(self, _day: dt.date) -> None:
        person, number = self._anybody(), self.truth.next_number()
        what = self.rng.choice(("family_name", "email", "username", "role"))
        if what == "email":
            changed = replace(person, email=f"new{number}@district.example.org")
        elif what == "username":
            changed = replace(person, username=f"renamed{number}")
        elif what == "family_name":
            changed = replace(person, family_name=f"{person.family_name.split('-')[0]}-{number}")
        else:
            role = {"aide": "proctor", "proctor": "aide"}.get(person.role, person.role)
            changed = replace(person, role=role)
        self.truth.people[person.number] = changed

    def _somebody_moves(self, _day: dt.date) -> None:
        self._move(self._anybody(), self._school())

    def _course_begins(self, day: dt.date) -> None:
        school = self._school()
        terms = [t.name for t in TERMS.values() if t.year == _year_of(day) and t.last_on > day]
        course = self.truth.found_course(self.rng, school)
        if terms:
            teacher = self._teacher(school).number
            self.truth.hold(course, (self.rng.choice(terms),), (teacher,))

    def _course_ends(self, day: dt.date) -> None:
        self._end(self.rng.choice(list(self.truth.courses.values())))
        self.news.announce(day, "course ends")

    def _course_is_renamed(self, _day: dt.date) -> None:
        course = self.rng.choice(list(self.truth.courses.values()))
        title = f"{course.title.split(' (')[0]} ({self.truth.next_number()})"
        self.truth.courses[course.number] = replace(course, title=title)

    def _somebody_else_teaches(self, day: dt.date) -> None:
        live = [s for s in self.truth.sections.values() if not _is_over(s.terms, day)]
        if not live:
            return
        section = self.rng.choice(live)
        teacher = self._teacher(self.truth.courses[section.course].school).number
        teachers = (*section.teachers, teacher) if self.rng.random() < 0.3 else (teacher,)
        changed = replace(section, teachers=tuple(dict.fromkeys(teachers)))
        self.truth.sections[section.number] = changed

    def _two_swap(self, _day: dt.date) -> None:
        one, other = self.rng.sample(self.movable(), 2)
        self.swap(one, other)

    def _end(self, course: Course) -> None:
        del self.truth.courses[course.number]
        for section in list(self.truth.sections.values()):
            if section.course == course.number:
                del self.truth.sections[section.number]

    def _move(self, person: Person, school: int) -> None:
        self.truth.people[person.number] = replace(person, schools=(school,))

    def _give_lessons(self, person: Person, day: dt.date) -> None:
        sections = [
            s
            for s in self.truth.sections.values()
            if self.truth.courses[s.course].school in person.schools and not _is_over(s.terms, day)
        ]
        for section in self.rng.sample(sections, min(3, len(sections))):
            teachers = tuple(dict.fromkeys((*section.teachers, person.number)))
            self.truth.sections[section.number] = replace(section, teachers=teachers)

    def _school(self) -> int:
        return self.rng.choice(list(self.truth.schools))

    def movable(self) -> list[Person]:
        """Return the people to whom an event may happen."""
        return [one for one in self.truth.people.values() if one.number not in self.settled]

    def _anybody(self) -> Person:
        return self.rng.choice(self.movable())

    def _teacher(self, school: int) -> Person:
        return self.rng.choice(self.truth.teachers(school) or self.truth.teachers())


def _is_over(terms: tuple[str, ...], day: dt.date) -> bool:
    return all(TERMS[name].last_on < day for name in terms)


def _year_of(day: dt.date) -> int:
    """Return the school year of a day; planning for the next year begins in August."""
    return day.year if day.month >= 8 else day.year - 1
