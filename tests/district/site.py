"""A site as its operator sees it on the command line, and as its database shows it.

All commands are the documented ones and run in this process; the database is only read.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from click.testing import CliRunner, Result

from district.state import CourseState, Roster, UserState
from oneroster_sync.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from district.desired import Desired

DONE, HELD, REJECTED = 0, 3, 4

_numbers = itertools.count(1)

_USERS = """
select sourced_id, given_name, family_name, email, username, role, org_sourced_ids, status
from users where site = %s and managed
"""
_COURSES = "select sourced_id, title, course_code, status from courses where site = %s and managed"
_ASSIGNMENTS = """
select u.sourced_id, c.sourced_id, a.status
from course_assignments a join users u on u.id = a.user_id join courses c on c.id = a.course_id
where a.site = %s
"""
_HAND_MADE = "select email, status from users where site = %s and not managed"
_FINDINGS = """
select file, sourced_id, code from run_findings where run_id = %s and severity = 'error'
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The printed result of a sync, a plan or an approval."""

    exit_code: int
    outcome: str
    run_id: str
    counts: dict[str, dict[str, int]]

    @property
    def changes(self) -> int:
        """Return the number of changes in the counts."""
        return sum(
            count
            for kind in self.counts.values()
            for name, count in kind.items()
            if name not in ("errors", "ignored")
        )


class Site:
    """A new site with one administrator whose account was made by hand."""

    def __init__(self) -> None:
        self.name = f"district-{next(_numbers)}"
        self.admin = f"admin@{self.name}.example.org"
        self._command("init", "--admin", self.admin)
        url = self._command("database-url", site=False).stdout.strip()
        self._url = url.replace("postgresql+psycopg://", "postgresql://")

    def sync(self, package: Path, *options: str) -> Answer:
        """Sync a package; a guard may hold it, and a package without a usable row is rejected."""
        return self._answer("sync", str(package), *options, expect=(DONE, HELD, REJECTED))

    def sync_and_approve(self, package: Path, *options: str) -> Answer:
        """Sync a package, and approve the plan if a guard holds it."""
        answer = self.sync(package, *options)
        if answer.outcome != "held":
            return answer
        return self._answer("approve", answer.run_id)

    def plan(self, package: Path) -> Answer:
        """Plan a package without applying it."""
        return self._answer("plan", str(package), expect=(DONE, HELD))

    def roster(self) -> Roster:
        """Read the users, courses and course assignments that the sync made."""
        with psycopg.connect(self._url) as connection:
            users = connection.execute(_USERS, [self.name]).fetchall()
            courses = connection.execute(_COURSES, [self.name]).fetchall()
            assignments = connection.execute(_ASSIGNMENTS, [self.name]).fetchall()
        return Roster(
            {
                id_: UserState(given, family, email, username, role, _set_of(orgs), status)
                for id_, given, family, email, username, role, orgs, status in users
            },
            {id_: CourseState(title, code or "", status) for id_, title, code, status in courses},
            {(user, course): status for user, course, status in assignments},
        )

    def hand_made(self) -> list[tuple[str, str]]:
        """Read the e-mail and the status of the accounts that the sync must never change."""
        with psycopg.connect(self._url) as connection:
            return [(row[0], row[1]) for row in connection.execute(_HAND_MADE, [self.name])]

    def findings(self, run_id: str) -> set[tuple[str, str, str]]:
        """Read the errors of a run: file (without `.csv`), sourcedId, code."""
        with psycopg.connect(self._url) as connection:
            rows = connection.execute(_FINDINGS, [run_id]).fetchall()
        return {((file or "").removesuffix(".csv"), id_, code) for file, id_, code in rows}

    def assert_is(self, wanted: Desired, answer: Answer) -> None:
        """Check the counts and the outcome of a run, and the database against the wanted roster."""
        found = {
            f"{kind} {name}": (count, answer.counts[kind].get(name))
            for kind, counts in wanted.counts.by_kind().items()
            for name, count in counts.items()
        }
        wrong = differences(wanted.roster, self.roster())
        wrong += [
            f"count of {name}: wanted {count}, found {other}"
            for name, (count, other) in found.items()
            if count != other
        ]
        if answer.outcome != wanted.outcome:
            wrong.append(f"outcome: wanted {wanted.outcome}, found {answer.outcome}")
        if self.hand_made() != [(self.admin, "active")]:
            wrong.append(f"hand-made accounts: found {self.hand_made()}")
        if wrong:
            raise AssertionError("\n".join(wrong))

    def _answer(self, *words: str, expect: tuple[int, ...] = (DONE,)) -> Answer:
        result = self._command(*words, "--json", expect=expect)
        printed: dict[str, Any] = json.loads(result.stdout)
        return Answer(
            result.exit_code,
            printed.get("outcome", ""),
            printed.get("run_id", ""),
            printed["counts"] or {},
        )

    def _command(self, *words: str, site: bool = True, expect: tuple[int, ...] = (DONE,)) -> Result:
        arguments = ["--quiet", *words, *(("--site", self.name) if site else ())]
        result = CliRunner().invoke(main, arguments)
        if result.exit_code not in expect:
            raise AssertionError(
                f"oneroster {' '.join(arguments)} ended with {result.exit_code}: "
                f"{result.output} {result.exception!r}"
            ) from result.exception
        return result


def differences(wanted: Roster, found: Roster) -> list[str]:
    """Return a line for each record in which two rosters differ."""
    return [
        f"{kind} {id_}: wanted {old.get(id_)}, found {new.get(id_)}"
        for kind, old, new in (
            ("user", wanted.users, found.users),
            ("course", wanted.courses, found.courses),
            ("assignment", wanted.assignments, found.assignments),
        )
        for id_ in sorted({*old, *new}, key=str)
        if old.get(id_) != new.get(id_)
    ]


def _set_of(orgs: object) -> frozenset[str]:
    if isinstance(orgs, str):
        return frozenset(orgs.split(","))
    return frozenset(orgs) if isinstance(orgs, (list, tuple)) else frozenset()
