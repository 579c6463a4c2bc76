"""The change feed: all changes of a site's roster, in order, for programs that copy the roster.

A program copies the roster once and then reads the changes after the version of its copy.
A version is the changes of one transaction: a run, an undo, a mapping or an erasure. Transactions
that change the roster of a site take the site's lock and so run one after another. Therefore a
version is never visible before an earlier one, and never in part.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.errors import GoneError, UserError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

MOST = 10_000
"""The largest number of changes on a page."""
# Any number of 18 digits fits in a bigint; the end of a version, 2**63 - 1, has 19.
CURSOR = r"^[0-9]{1,18}(\.[0-9]{1,19})?$"
"""Pattern of a cursor: VERSION.SEQ, or VERSION for the end of a version."""

_END = 2**63 - 1
_STATE = """
select roster_version, feed_after_version, feed_after_seq, :seq in (0, :end) or exists (
           select from roster_changes where site = :site and version = :version and seq = :seq
       ) as is_known
from roster_sites where site = :site
"""
# PostgreSQL writes the JSON, because converting ten thousand changes in Python takes half a second.
_PAGE = """
select version, seq, json_build_object(
           'version', version, 'seq', seq, 'run_id', run_id, 'kind', kind, 'action', action,
           'user_id', user_id, 'course_id', course_id, 'sourced_id', sourced_id,
           'before', before, 'after', after,
           'made_at', to_char(made_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
from roster_changes
where site = :site and (version, seq) > (:version, :seq)
order by version, seq limit :limit
"""


class CursorError(UserError):
    """The cursor is malformed, or the limit of the page is out of range."""


class ChangesGoneError(GoneError):
    """The feed has no changes from this cursor on; copy the roster again."""

    code = "changes.gone"


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """Position in the feed: the last change that the client has read.

    Attributes:
        version: Version of the roster.
        seq: Number of the last change of that version that was read.
    """

    version: int
    seq: int

    @classmethod
    def parse(cls, given: str) -> Cursor:
        """Parse VERSION.SEQ; VERSION alone is the end of that version.

        Raises:
            CursorError: The text is not a cursor.
        """
        if not re.fullmatch(CURSOR, given):
            raise CursorError(f"{given!r} is not a cursor: a cursor is VERSION.SEQ or VERSION")
        version, dot, seq = given.partition(".")
        return cls(int(version), min(int(seq), _END) if dot else _END)

    def __str__(self) -> str:
        """Return VERSION.SEQ, or VERSION at the end of a version."""
        return str(self.version) if self.seq == _END else f"{self.version}.{self.seq}"


@dataclass(frozen=True, slots=True)
class RosterChange:
    """One change of a user, a course or a course assignment.

    Attributes:
        version: Version of the roster that the change is part of.
        seq: Position of the change within its version.
        run_id: The run that made the change; None for an erasure.
        kind: user, course or assignment.
        action: add, update, adopt, rekey, deactivate, reactivate, remove or erased.
        user_id: `users.id`; None for a course.
        course_id: `courses.id`; None for a user.
        sourced_id: Of the user or the course; None for an assignment.
        before: The record before the change, by column; None if it did not exist.
        after: The record after the change, by column; None for an erasure.
        made_at: Time of the change, in UTC.
    """

    version: int
    seq: int
    run_id: str | None
    kind: str
    action: str
    user_id: int | None
    course_id: int | None
    sourced_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    made_at: dt.datetime


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page of the feed, with each change as the text of a JSON object.

    Attributes:
        changes: The changes in order, as the database wrote them.
        next: Cursor of the next page.
        version_complete: Whether the page contains all changes of its last version.
        roster_version: Version of the roster when the page was read.
    """

    changes: list[str]
    next: str
    version_complete: bool
    roster_version: int


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of the change feed.

    Attributes:
        changes: The changes in order.
        next: Cursor of the next page.
        version_complete: Whether the page contains all changes of its last version. If not, the
            next page continues the same version.
        roster_version: Version of the roster when the page was read.
    """

    changes: tuple[RosterChange, ...]
    next: str
    version_complete: bool
    roster_version: int


def read_page(connection: Connection, site: str, after: str, limit: int) -> RawPage:
    """Return the changes after a cursor, read in one snapshot of the database.

    Args:
        connection: A connection without an open transaction.
        site: An existing site.
        after: VERSION.SEQ, or VERSION for the end of that version.
        limit: Maximum number of changes, from 1 to `MOST`.

    Raises:
        CursorError: The cursor is malformed, or the limit is out of range.
        ChangesGoneError: Some changes after the cursor are no longer kept, or the cursor is after
            the roster's version or is no change of this roster.
    """
    cursor = Cursor.parse(after)
    if not 1 <= limit <= MOST:
        raise CursorError(f"a page has 1 to {MOST:,} changes, not {limit:,}")
    with connection.begin():
        connection.execute(sa.text("set transaction isolation level repeatable read read only"))
        bound: dict[str, Any] = {"site": site, "version": cursor.version, "seq": cursor.seq}
        state = connection.execute(sa.text(_STATE), {**bound, "end": _END}).one()
        begins_after = Cursor(state.feed_after_version, state.feed_after_seq)
        _check(cursor, state.roster_version, begins_after)
        if not state.is_known and cursor != begins_after:
            # Otherwise the rest of that version would be skipped, or a part of it sent twice.
            raise ChangesGoneError(
                f"{cursor} is no change of this roster: it is of another site, or of a database "
                "that was restored since; copy the roster again, and continue from its version"
            )
        found = connection.execute(sa.text(_PAGE), {**bound, "limit": limit + 1}).all()
    page, more = found[:limit], found[limit:]
    if more:
        last = Cursor(*page[-1][:2])
        is_complete = more[0].version != last.version
    else:
        # A version has no change in the feed if it changed only classes or enrollments.
        last = Cursor(*page[-1][:2]) if page else cursor
        last = max(last, Cursor(state.roster_version, 0))
        is_complete = True
    return RawPage([row[2] for row in page], str(last), is_complete, state.roster_version)


def list_changes(connection: Connection, site: str, after: str, limit: int) -> ChangePage:
    """Return the same page as `read_page`, with the changes as objects."""
    page = read_page(connection, site, after, limit)
    changes = []
    for text in page.changes:
        values = json.loads(text)
        values["made_at"] = dt.datetime.fromisoformat(values["made_at"])
        changes.append(RosterChange(**values))
    return ChangePage(tuple(changes), page.next, page.version_complete, page.roster_version)


def _check(cursor: Cursor, roster_version: int, begins_after: Cursor) -> None:
    if cursor < begins_after:
        raise ChangesGoneError(
            f"the changes after {cursor} are no longer kept: copy the roster again, and continue "
            "from the version of the copy"
        )
    if cursor.version > roster_version:
        raise ChangesGoneError(
            f"the roster is at version {roster_version}, and {cursor} is after it: the database "
            "was restored from a backup; copy the roster again, and continue from its version"
        )
