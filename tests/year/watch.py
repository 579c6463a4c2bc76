"""Conditions that must hold after each day, read from the database and compared with the truth.

A person who works here and was active once stays active, and so do their assignments in a running
term. A new person must be active after the first good package that has them: after a good package,
the roster equals the SIS in all fields.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt

    from conftest import Site
    from district import District
    from oneroster_sync.runs import Run
    from year.sis import Sis
    from year.truth import Pair, Truth

_USERS = """
select sourced_id, given_name, family_name, email, username, role, org_sourced_ids, managed
from users where site = :site and status = 'active' and sourced_id is not null
"""
_COURSES = """
select sourced_id, title, coalesce(course_code, ''), org_sourced_id, school_year_sourced_id
from courses where site = :site and status = 'active'
"""
_PAIRS = """
select u.sourced_id, c.sourced_id
from course_assignments a join users u on u.id = a.user_id join courses c on c.id = a.course_id
where a.site = :site and a.status = 'active'
"""
_BY_HAND = """
select id, given_name, family_name, email, login, username, role, org_sourced_ids, status, managed
from users where site = :site and not managed order by id
"""
_WITHOUT_LOGIN = """
select count(*) from users where site = :site and status = 'active' and login is null
"""
_AUDIT = """
select kind, action, count(*) from changes
where site = :site and run_id::text = :run_id group by kind, action
"""
_WORDS = {
    "user": ("users", {"add": "added", "update": "updated", "adopt": "adopted",
                       "rekey": "rekeyed", "deactivate": "deactivated",
                       "reactivate": "reactivated"}),
    "course": ("courses", {"add": "added", "update": "updated", "rekey": "rekeyed",
                           "remove": "removed", "reactivate": "reactivated"}),
    "assignment": ("assignments", {"add": "added", "reactivate": "added", "remove": "removed"}),
}  # fmt: skip


@dataclass(slots=True)
class Watch:
    """Compares a site with the truth.

    Attributes:
        site: The watched site.
        truth: The true district.
        systems: All SIS of the district so far, which map sourcedIds to people and courses.
        by_hand: People whose accounts were made by hand.
        excused: People and assignments that are inactive because of a person's mistake.
    """

    site: Site
    truth: Truth
    systems: list[Sis]
    by_hand: frozenset[int]
    excused: set[int | Pair] = field(default_factory=set)
    _seen: set[int] = field(default_factory=set)
    _taught: set[Pair] = field(default_factory=set)
    _accounts: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Remember the accounts that were made by hand."""
        self._accounts = self.site.rows(_BY_HAND)

    def excuse(self, day: dt.date) -> int:
        """Excuse all that is missing now as a person's mistake, and return the number of people."""
        people, pairs = self._missing(day)
        self.excused = {*people, *pairs}
        return len(people)

    def people_excused(self) -> set[int]:
        """Return the people who are inactive because of a person's mistake."""
        return {one for one in self.excused if isinstance(one, int)}

    def wrongs(self, day: dt.date) -> list[str]:
        """Return all violations, whatever the outcome of the day's package."""
        people, pairs = self._missing(day)
        self.excused &= people | pairs
        accounts = Counter(self._active())
        twice = sorted(number for number, count in accounts.items() if count > 1)
        wrong = [
            *(f"person {one} works here and is inactive" for one in sorted(people - self.excused)),
            *(f"person {one} has lost course {two}" for one, two in sorted(pairs - self.excused)),
            *(f"person {one} has two active accounts" for one in twice),
        ]
        if self.site.rows(_BY_HAND) != self._accounts:
            wrong.append("an account made by hand was changed")
        return wrong

    def _missing(self, day: dt.date) -> tuple[set[int], set[Pair]]:
        """Return people and assignments that were active once and should be, but are not."""
        active, works = set(self._active()), set(self.truth.people)
        whose, which = self._known_people(), self._known_courses()
        rows = self.site.rows(_PAIRS)
        pairs = {(whose[one], which[two]) for one, two in rows if one in whose and two in which}
        needed = {pair for pair in self.truth.taught_on(day) if pair[0] in works}
        self._seen = (self._seen & works) | (active & works)
        self._taught = (self._taught & needed) | (pairs & needed)
        return self._seen - active, self._taught - pairs

    def differences(self, district: District) -> list[str]:
        """Return all differences between the roster and the SIS."""
        by_hand = {id_ for id_, n in self._known_people().items() if n in self.by_hand}
        users = {
            user.sourced_id: (
                user.given_name,
                user.family_name,
                user.email,
                user.username,
                user.role,
                ",".join(sorted(user.orgs)),
            )
            for user in district.staff()
            if user.sourced_id not in by_hand
        }
        courses = {
            one.sourced_id: (one.title, one.code, one.org, one.school_year)
            for one in district.courses.values()
        }
        found = {row[0]: row[1:-1] for row in self.site.rows(_USERS) if row[-1]}
        return [
            *_different("user", users, found),
            *_different("course", courses, {row[0]: row[1:] for row in self.site.rows(_COURSES)}),
            *_different(
                "assignment",
                dict.fromkeys(district.assignments(), ()),
                dict.fromkeys(self.site.rows(_PAIRS), ()),
            ),
        ]

    def without_login(self) -> int:
        """Count active users without a login, for whom the SIS has no address."""
        return int(self.site.rows(_WITHOUT_LOGIN)[0][0])

    def miscounted(self, run: Run) -> list[str]:
        """Return the counts of an applied run that differ from its audit."""
        audited: Counter[tuple[str, str]] = Counter()
        for kind, action, count in self.site.rows(_AUDIT, run_id=run.run_id):
            counted, words = _WORDS[kind]
            audited[counted, words[action]] += count
        reported = {
            (kind, word): n
            for kind, numbers in (run.counts or {}).items()
            for word, n in numbers.items()
            if word not in {"errors", "ignored"}
        }
        return [
            f"{kind} {word}: counted {reported.get((kind, word), 0)}, audited {audited[kind, word]}"
            for kind, word in sorted({*reported, *audited})
            if reported.get((kind, word), 0) != audited[kind, word]
        ]

    def _active(self) -> list[int]:
        """Return the people to whom the active accounts belong."""
        whose = self._known_people()
        return [whose[row[0]] for row in self.site.rows(_USERS) if row[0] in whose]

    def _known_people(self) -> dict[str, int]:
        return {id_: number for one in self.systems for id_, number in one.people.items()}

    def _known_courses(self) -> dict[str, int]:
        return {id_: number for one in self.systems for id_, number in one.courses.items()}


def _different(kind: str, wanted: dict[Any, Any], found: dict[Any, Any]) -> list[str]:
    return [
        f"{kind} {id_}: wanted {wanted.get(id_)}, found {found.get(id_)}"
        for id_ in sorted({*wanted, *found}, key=str)
        if wanted.get(id_) != found.get(id_)
    ]
