"""Compare two rosters: stored records, findings, and changes.

Database ids, times and requesters differ between two runs of the same sync; nothing else may
differ. Data that only the product writes (causes of findings, the plan's hash) is not compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

_USER = "sourced_id, given_name, family_name, email, login, username, role, org_sourced_ids"
_COURSE = "sourced_id, title, course_code, grades, subjects, org_sourced_id, school_year_sourced_id"
_NEWEST = "(select run_id from runs where site = 'default' order by started_at desc limit 1)"
_SAID = {
    "users": f"select {_USER}, status, managed from users where site = 'default'",
    "courses": f"select {_COURSE}, status, managed from courses where site = 'default'",
    "course assignments": """
        select u.sourced_id, c.sourced_id, a.status, a.managed from course_assignments a
        join users u on u.id = a.user_id join courses c on c.id = a.course_id
        where a.site = 'default'""",
    "orgs": "select sourced_id, name, type, parent_sourced_id from orgs where site = 'default'",
    "classes": "select sourced_id, course_sourced_id, ends_on from classes where site = 'default'",
    "enrollments": """
        select sourced_id, class_sourced_id, user_sourced_id, role, course_sourced_id
        from enrollments where site = 'default'""",
    "findings": f"""
        select code, severity, file, row, "column", sourced_id, rows
        from run_findings where run_id = {_NEWEST}""",
    "audit": f"""
        select h.kind, h.action, u.sourced_id, c.sourced_id, h.sourced_id, h.before, h.after,
            h.reason, h.file, h.row from changes h
        left join users u on u.id = h.user_id left join courses c on c.id = h.course_id
        where h.run_id = {_NEWEST}""",
}
_SHOWN = 3


class DisagreementError(Exception):
    """Two contestants came to different results, so that their times can't be compared."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The records of the site `default`, and the findings and changes of its newest run.

    Attributes:
        lines: Kind of record → its rows as CSV, sorted.
    """

    lines: dict[str, list[bytes]]

    @classmethod
    def of(cls, url: str) -> SyncResult:
        """Read the lines from a roster database."""
        with psycopg.connect(url) as connection:
            # Sorted here, not by SQL: bytes have one order, whatever the database's collation.
            return cls({kind: sorted(_rows(connection, query)) for kind, query in _SAID.items()})

    def count(self, kind: str) -> int:
        """Return the number of rows of a kind."""
        return len(self.lines[kind])


def must_agree(ours: SyncResult, theirs: SyncResult, whose: str) -> None:
    """Raise a DisagreementError with the first different rows of each kind."""
    differences: list[str] = []
    for kind, lines in ours.lines.items():
        if lines == theirs.lines[kind]:
            continue
        left, right = set(lines), set(theirs.lines[kind])
        differences += [
            f"{kind}: ours has {len(lines):,} rows, {whose} {len(theirs.lines[kind]):,}"
        ]
        differences += [f"  only ours: {line!r}" for line in sorted(left - right)[:_SHOWN]]
        differences += [f"  only {whose}: {line!r}" for line in sorted(right - left)[:_SHOWN]]
    if differences:
        raise DisagreementError("\n".join(differences))


def _rows(connection: psycopg.Connection, query: str) -> Iterator[bytes]:
    with connection.cursor().copy(f"copy ({query}) to stdout (format csv)".encode()) as copy:
        yield from b"".join(copy).splitlines()
