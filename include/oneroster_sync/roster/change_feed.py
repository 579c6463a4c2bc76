"""The change feed: what moved a site's roster, in order, for programs that follow it.

Whoever follows a roster copies it once and then asks for what came after the version of the copy.
A version is the changes of one transaction: a run, an undo, a mapping or an erasure. Transactions
that change the roster of a site wait for each other by the site's lock, so a version is never seen
before an earlier one, and never in part.
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
"""How many changes a page has at most."""
CURSOR = r"^[0-9]{1,18}(\.[0-9]{1,19})?$"
"""What a cursor looks like: VERSION.SEQ, or VERSION for the end of a version."""

_END = 2**63 - 1
_STATE = """
select roster_version, feed_after_version, feed_after_seq from roster_sites where site = :site
"""
# PostgreSQL writes the JSON: ten thousand changes as objects of Python take half a second.
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
    """The cursor is none, or a page can't have so many changes."""


class ChangesGoneError(GoneError):
    """The feed does not go back, or on, to the cursor; copy the roster again."""

    code = "changes.gone"


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """After which change somebody has read a feed.

    Attributes:
        version: Of the roster.
        seq: Of the last change of that version that was read.
    """

    version: int
    seq: int

    @classmethod
    def parse(cls, given: str) -> Cursor:
        """Return the cursor that VERSION.SEQ names; VERSION alone is the end of that version.

        Raises:
            CursorError: It is none.
        """
        if not re.match(CURSOR, given):
            raise CursorError(f"{given!r} is no cursor: that is VERSION.SEQ, or VERSION alone")
        version, dot, seq = given.partition(".")
        return cls(int(version), min(int(seq), _END) if dot else _END)

    def __str__(self) -> str:
        """Return VERSION.SEQ, or VERSION at the end of a version."""
        return str(self.version) if self.seq == _END else f"{self.version}.{self.seq}"


@dataclass(frozen=True, slots=True)
class RosterChange:
    """One change of a user, a course or a course assignment.

    Attributes:
        version: The version of the roster that it is part of.
        seq: Orders the changes of a version.
        run_id: The run that made it; None for an erasure.
        kind: user, course or assignment.
        action: add, update, adopt, rekey, deactivate, reactivate, remove or erased.
        user_id: `users.id`; None for a course.
        course_id: `courses.id`; None for a user.
        sourced_id: Of the user or the course; None for an assignment.
        before: The record before, by column; None where there was none.
        after: The record after, by column; None for an erasure.
        made_at: When, in UTC.
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
    """A page of the feed, whose changes are JSON objects as text.

    Attributes:
        changes: As the database wrote them, in order.
        next: The cursor to ask for the next page with.
        version_complete: Whether the version of the last change ends with it.
        roster_version: The version of the roster when the page was read.
    """

    changes: list[str]
    next: str
    version_complete: bool
    roster_version: int


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of the change feed.

    Attributes:
        changes: In order.
        next: The cursor to ask for the next page with.
        version_complete: Whether the version of the last change ends with it. Where it does not,
            the next page goes on with the same version.
        roster_version: The version of the roster when the page was read.
    """

    changes: tuple[RosterChange, ...]
    next: str
    version_complete: bool
    roster_version: int


def read_page(connection: Connection, site: str, after: str, limit: int) -> RawPage:
    """Return what came after a cursor, as of one moment.

    Args:
        connection: A connection without a transaction under way.
        site: The site; it has been made.
        after: VERSION.SEQ, or VERSION for the end of that version.
        limit: How many changes at most, up to `MOST`.

    Raises:
        CursorError: The cursor is none, or the limit is out of bounds.
        ChangesGoneError: Changes after it are not in the feed, or the roster was never so far.
    """
    cursor = Cursor.parse(after)
    if not 1 <= limit <= MOST:
        raise CursorError(f"a page has 1 to {MOST:,} changes, not {limit:,}")
    with connection.begin():
        connection.execute(sa.text("set transaction isolation level repeatable read read only"))
        state = connection.execute(sa.text(_STATE), {"site": site}).one()
        _check(cursor, state.roster_version, Cursor(state.feed_after_version, state.feed_after_seq))
        bound = {
            "site": site,
            "version": cursor.version,
            "seq": cursor.seq,
            "limit": limit + 1,
        }
        found = connection.execute(sa.text(_PAGE), bound).all()
    page, more = found[:limit], found[limit:]
    if more:
        last = Cursor(*page[-1][:2])
        is_complete = more[0].version != last.version
    else:
        # A version may have no change of the three kinds: it moved classes or enrollments alone.
        last = Cursor(*page[-1][:2]) if page else cursor
        last = max(last, Cursor(state.roster_version, 0))
        is_complete = True
    return RawPage([row[2] for row in page], str(last), is_complete, state.roster_version)


def list_changes(connection: Connection, site: str, after: str, limit: int) -> ChangePage:
    """Return what came after a cursor, as `read_page`, with the changes as objects."""
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
            f"the changes after {cursor} are not kept any more: copy the roster again, and go on "
            "from the version of the copy"
        )
    if cursor.version > roster_version:
        raise ChangesGoneError(
            f"the roster is at version {roster_version}, and {cursor} is after it: the database "
            "was restored from a backup; copy the roster again, and go on from its version"
        )
