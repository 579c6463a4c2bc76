"""What a site holds, and what a plan changes of it."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt

    from oracle.door import Line

Record = dict[str, Any]
Pair = tuple[int, int]

LINKS = ("orgs", "roles", "classes", "enrollments")
ENDED = "the terms of its classes have ended"


@dataclass(slots=True)
class State:
    """The state of a site: its records by internal number, and what it remembers for later runs.

    Attributes:
        users: Number → sid, given, family, email, login, username, role, orgs, status, managed.
        courses: Number → sid, title, code, grades, subjects, org, year, status, managed.
        pairs: Numbers of user and course → status.
        links: File → sourcedId → remembered values of its row.
        moments: File and sourcedId → last modified, by a delta.
        lost_role: Users who were deactivated because they lost their last role, without a change
            since.
        admin: Number of the credited administrator.
    """

    users: dict[int, Record] = field(default_factory=dict)
    courses: dict[int, Record] = field(default_factory=dict)
    pairs: dict[Pair, str] = field(default_factory=dict)
    links: dict[str, dict[str, Record]] = field(default_factory=lambda: {n: {} for n in LINKS})
    moments: dict[tuple[str, str], dt.datetime] = field(default_factory=dict)
    lost_role: set[int] = field(default_factory=set)
    admin: int = 0
    version: int = 0

    def copy(self) -> State:
        """Return a deep copy."""
        return copy.deepcopy(self)

    def by_sid(self, kind: str) -> dict[str, int]:
        """Return the number of each user or course that has a sourcedId."""
        return {r["sid"]: n for n, r in getattr(self, kind).items() if r["sid"] is not None}

    def known(self) -> dict[str, set[str]]:
        """Return the sourcedIds that the site knows, by file."""
        ids = {name: set(rows) for name, rows in self.links.items()}
        return {**ids, "users": set(self.by_sid("users")), "courses": set(self.by_sid("courses"))}

    def active(self, kind: str) -> int:
        """Return the number of active managed records of a record type."""
        if kind == "assignments":
            return sum(status == "active" for status in self.pairs.values())
        records = getattr(self, kind).values()
        return sum(r["managed"] and r["status"] == "active" for r in records)


@dataclass(slots=True)
class Change:
    """One change: the record before (None: no record) and after, and the reason."""

    kind: str
    key: Any
    before: Any
    after: Any
    action: str
    why: str


@dataclass(slots=True)
class Plan:
    """All changes that a package makes.

    Attributes:
        users, courses, pairs: Changes; a new record has a negative key.
        links: File → values to remember; only files whose values may change.
        put, forget: Times of last modification to store and to delete.
        stay_gone: Users whom a role alone no longer reactivates.
        good, bad: File → rows without and with errors once the plan is made.
        reused: Number of rows with a known sourcedId that belong to another person.
    """

    users: list[Change] = field(default_factory=list)
    courses: list[Change] = field(default_factory=list)
    pairs: list[Change] = field(default_factory=list)
    links: dict[str, dict[str, Record]] = field(default_factory=dict)
    put: dict[tuple[str, str], dt.datetime] = field(default_factory=dict)
    forget: set[tuple[str, str]] = field(default_factory=set)
    stay_gone: set[int] = field(default_factory=set)
    bad: dict[str, list[Line]] = field(default_factory=dict)
    good: dict[str, list[Line]] = field(default_factory=dict)
    reused: int = 0

    def changes(self) -> list[Change]:
        """Return all changes."""
        return [*self.users, *self.courses, *self.pairs]

    def counts(self) -> dict[str, Counter[str]]:
        """Return the counts that a run reports for the changes."""
        again = {"reactivate": "added"}
        return {
            "users": Counter(_COUNTED[c.action] for c in self.users),
            "courses": Counter(_COUNTED[c.action] for c in self.courses),
            "assignments": Counter(again.get(c.action, _COUNTED[c.action]) for c in self.pairs),
        }


_COUNTED = {
    "add": "added", "update": "updated", "adopt": "adopted", "rekey": "rekeyed",
    "deactivate": "deactivated", "remove": "removed", "reactivate": "reactivated",
}  # fmt: skip


def without(plan: Plan, actions: set[str]) -> tuple[Plan, Plan]:
    """Split a plan: what is applied now, and what waits, with users who need its logins."""
    later = {id(c) for c in plan.users if c.action in actions}
    while True:
        held = {
            c.before["login"] for c in plan.users
            if id(c) in later and c.before and c.before["status"] == "active" and c.before["login"]
        }  # fmt: skip
        more = {
            id(c) for c in plan.users
            if c.after["status"] == "active" and c.after["login"] in held
            and not (c.before and c.before["status"] == "active"
                     and c.after["login"] == c.before["login"])
        }  # fmt: skip
        if more <= later:
            break
        later |= more
    new = {c.key for c in plan.users if id(c) in later and c.action == "add"}
    pairs = [c for c in plan.pairs if c.action in actions or c.key[0] in new]
    courses = [c for c in plan.courses if c.action in actions]
    now = copy.copy(plan)
    now.users = [c for c in plan.users if id(c) not in later]
    now.courses = [c for c in plan.courses if c not in courses]
    now.pairs = [c for c in plan.pairs if c not in pairs]
    rest = Plan([c for c in plan.users if id(c) in later], courses, pairs)
    return now, rest
