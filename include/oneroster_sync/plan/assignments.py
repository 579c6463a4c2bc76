"""Changes to course assignments: the distinct pairs of user and course reached through classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.plan.compare import in_order, positions
from oneroster_sync.plan.fields import ASSIGNMENT_CHANGES

if TYPE_CHECKING:
    from oneroster_sync.plan.links import Link
    from oneroster_sync.plan.roster import Roster

TAUGHT = "enrolled in a class of the course"
NOT_TAUGHT = "no longer enrolled in a class of the course"
COURSE_GONE = "the course is removed"
TERMS_ENDED = "the terms of its classes have ended"


def assignment_changes(
    enrollments: Link | None,
    rows: pa.Table | None,
    roles: tuple[str, ...],
    roster: Roster,
    users: pa.Table,
    courses: pa.Table,
    *,
    ended: pa.Table | None = None,
) -> pa.Table:
    """Return the changes to course assignments, sorted by both sourcedIds.

    Args:
        enrollments: The enrollments that hold from now on, with their courses; None leaves
            assignments alone, but for those of courses that go. A protected enrollment keeps its
            assignment and makes none.
        rows: Rows of enrollments.csv, to name where an assignment comes from.
        roles: Enrollment roles that make an assignment.
        roster: What the site holds.
        users: The plan's changes to users.
        courses: The plan's changes to courses.
        ended: Pairs of which every class has ended; they go for that reason.
    """
    stored = roster.assignments
    gone = _removed_courses(courses, roster)
    parts = []
    if enrollments is not None:
        wanted = _pairs(enrollments.trusted, roles, rows)
        kept = _pairs(enrollments.protected, roles, None)
        wanted = wanted.filter(_exists(wanted, users, courses, gone, roster))
        at = positions(_key(wanted), _key(stored))
        before = stored["status"].take(at)
        new = pc.or_(pc.is_null(at), pc.fill_null(pc.equal(before, "removed"), False))
        added = wanted.filter(new)
        was = before.filter(new)
        action = pc.if_else(pc.is_null(was), "add", "reactivate")
        parts.append(_changes(added, action, was, "active", TAUGHT, added["row"]))
        known = pa.concat_arrays([_key(wanted).combine_chunks(), _key(kept).combine_chunks()])
        unwanted = pc.invert(pc.is_in(_key(stored), known))
        parts.append(_removals(stored, unwanted, gone, ended))
    else:
        parts.append(_removals(stored, pa.repeat(False, stored.num_rows), gone, None))
    return in_order(pa.concat_tables(parts), "user_sourced_id", "course_sourced_id")


def _pairs(enrollments: pa.Table, roles: tuple[str, ...], rows: pa.Table | None) -> pa.Table:
    """Return the distinct pairs of user and course, with the first row that names each."""
    teaching = enrollments.filter(pc.is_in(enrollments["role"], pa.array(roles)))
    teaching = teaching.filter(pc.is_valid(teaching["course_sourced_id"]))
    row = pa.nulls(teaching.num_rows, pa.int64())
    if rows is not None:
        row = rows["row"].take(positions(teaching["sourced_id"], rows["sourcedId"]))
    table = teaching.select(["user_sourced_id", "course_sourced_id"]).append_column("row", row)
    grouped = table.group_by(["user_sourced_id", "course_sourced_id"]).aggregate([("row", "min")])
    return grouped.rename_columns(["user_sourced_id", "course_sourced_id", "row"])


def _exists(
    wanted: pa.Table, users: pa.Table, courses: pa.Table, gone: pa.Array, roster: Roster
) -> pa.Array:
    """Tell for each pair whether both ends are there once the plan is applied."""
    people = _after(roster.users, users)
    offered = _after(roster.courses, courses)
    there = pc.and_(
        pc.is_in(wanted["user_sourced_id"], people), pc.is_in(wanted["course_sourced_id"], offered)
    )
    return pc.and_(there, pc.invert(pc.is_in(wanted["course_sourced_id"], gone)))


def _after(stored: pa.Table, changes: pa.Table) -> pa.Array:
    return pa.concat_arrays(
        [
            stored["sourced_id"].drop_null().combine_chunks(),
            changes["after_sourced_id"].drop_null().combine_chunks(),
        ]
    )


def _removed_courses(courses: pa.Table, roster: Roster) -> pa.Array:
    """Return the sourcedIds of courses that are not active once the plan is applied."""
    removed = courses.filter(pc.equal(courses["after_status"], "removed"))["sourced_id"]
    back = courses.filter(pc.equal(courses["after_status"], "active"))[
        "sourced_id"
    ].combine_chunks()
    stored = roster.courses
    before = stored.filter(pc.equal(stored["status"], "removed"))["sourced_id"].drop_null()
    before = before.filter(pc.invert(pc.is_in(before, back)))
    return pa.concat_arrays([removed.combine_chunks(), before.combine_chunks()])


def _removals(
    stored: pa.Table,
    unwanted: pa.Array | pa.ChunkedArray,
    gone: pa.Array,
    ended: pa.Table | None,
) -> pa.Table:
    held = pc.and_(stored["managed"], pc.equal(stored["status"], "active"))
    cascades = pc.is_in(stored["course_sourced_id"], gone)
    leaving = pc.and_(held, pc.or_(unwanted, cascades))
    rows = stored.filter(leaving)
    reason = pc.if_else(cascades.filter(leaving), COURSE_GONE, NOT_TAUGHT)
    if ended is not None:
        over = pc.is_in(_key(rows), _key(ended).combine_chunks())
        reason = pc.if_else(over, TERMS_ENDED, reason)
    none = pa.nulls(rows.num_rows, pa.int64())
    return _changes(rows, "remove", rows["status"], "removed", reason, none)


def _changes(
    pairs: pa.Table,
    action: pa.ChunkedArray | str,
    before: pa.ChunkedArray,
    after: str,
    reason: pa.ChunkedArray | str,
    row: pa.ChunkedArray | pa.Array,
) -> pa.Table:
    count = pairs.num_rows
    columns = {
        "action": pa.repeat(action, count) if isinstance(action, str) else action,
        "user_sourced_id": pairs["user_sourced_id"],
        "course_sourced_id": pairs["course_sourced_id"],
        "before_status": before,
        "after_status": pa.repeat(after, count),
        "reason": pa.repeat(reason, count) if isinstance(reason, str) else reason,
        "row": row,
    }
    return pa.table(columns, schema=ASSIGNMENT_CHANGES)


def _key(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(
        table["user_sourced_id"], table["course_sourced_id"], "\x1f", null_handling="emit_null"
    )
