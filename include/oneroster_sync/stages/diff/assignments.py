"""Changes to course assignments: the distinct pairs of user and course, through classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.columns import ASSIGNMENT_CHANGES, TERMS_ENDED
from oneroster_sync.roster.records import in_order, positions, put

if TYPE_CHECKING:
    import datetime as dt

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.stages.extract.links import Link

TAUGHT = "enrolled in a class of the course"
NOT_TAUGHT = "no longer enrolled in a class of the course"
COURSE_BACK = "the course is back"
COURSE_GONE = "the course is removed"


def assignment_changes(
    enrollments: Link | None,
    rows: pa.Table | None,
    roles: tuple[str, ...],
    roster: Roster,
    users: pa.Table,
    courses: pa.Table,
    *,
    today: dt.date,
    ended: pa.Table | None = None,
) -> pa.Table:
    """Return the changes to course assignments, sorted by both sourcedIds.

    Args:
        enrollments: The merged enrollments, with their courses. None leaves assignments unchanged,
            except for those of courses that go or come back. A protected enrollment keeps its
            assignment and makes no new one.
        rows: Rows of enrollments.csv, to report the row of each assignment.
        roles: Enrollment roles that make an assignment.
        roster: The site's roster.
        users: The plan's changes to users.
        courses: The plan's changes to courses.
        today: The day of the run: a class that ended before it makes no assignment for a course
            that comes back.
        ended: Pairs whose classes have all ended; their removals get that reason.
    """
    stored = _named_after(roster, users, courses)
    gone = _removed_courses(courses, roster)
    parts = []
    if enrollments is not None:
        trusted = _without_ended_classes(enrollments.trusted, rows, roster, users, courses, today)
        wanted = _pairs(trusted, roles, rows)
        kept = _pairs(enrollments.protected, roles, None)
        wanted = wanted.filter(_exists(wanted, users, courses, gone, roster))
        at = positions(_key(wanted), _key(stored))
        before = stored["status"].take(at)
        # or_ is null if one side is null, and filter drops such rows: without fill_null nothing
        # would be added.
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
        parts.append(_returning(stored, roles, roster, users, courses, today))
    return in_order(pa.concat_tables(parts), "user_sourced_id", "course_sourced_id")


def _named_after(roster: Roster, users: pa.Table, courses: pa.Table) -> pa.Table:
    """Return the stored assignments with the sourcedIds that user and course have in the plan.

    An account keeps its assignments when its link is undone. A plan that links the account again
    has to know them: otherwise it would add existing ones, and remove unwanted ones only a sync
    later.
    """
    unnamed = roster.unnamed_assignments
    for kind, changes in (("user", users), ("course", courses)):
        at = positions(unnamed[f"{kind}_id"], changes["id"])
        names = pc.coalesce(unnamed[f"{kind}_sourced_id"], changes["after_sourced_id"].take(at))
        unnamed = put(unnamed, f"{kind}_sourced_id", names)
    return pa.concat_tables([roster.assignments, unnamed.filter(pc.is_valid(_key(unnamed)))])


def _returning(
    stored: pa.Table,
    roles: tuple[str, ...],
    roster: Roster,
    users: pa.Table,
    courses: pa.Table,
    today: dt.date,
) -> pa.Table:
    """Return the remembered assignments of courses that come back without their enrollments.

    No later delta would contain them, because an unchanged enrollment is not sent.
    """
    enrollments = roster.links["enrollments"]
    theirs = enrollments.filter(_of_returning(enrollments, courses))
    theirs = theirs.filter(_is_current(theirs, roster, users, today))
    wanted = _pairs(theirs, roles, None)
    before = stored["status"].take(positions(_key(wanted), _key(stored)))
    # As above: without fill_null a pair without a stored assignment would be null, and dropped.
    new = pc.or_(pc.is_null(before), pc.fill_null(pc.equal(before, "removed"), False))
    wanted, before = wanted.filter(new), before.filter(new)
    action = pc.if_else(pc.is_null(before), "add", "reactivate")
    return _changes(wanted, action, before, "active", COURSE_BACK, wanted["row"])


def _without_ended_classes(
    enrollments: pa.Table,
    rows: pa.Table | None,
    roster: Roster,
    users: pa.Table,
    courses: pa.Table,
    today: dt.date,
) -> pa.Table:
    """Leave out remembered enrollments in ended classes of a course that comes back.

    Args:
        enrollments: The merged enrollments.
        rows: Enrollments of the package; these are never left out.
        roster: The site's roster.
        users: The plan's changes to users.
        courses: The plan's changes to courses.
        today: The day of the run.
    """
    named = pa.array([], pa.string()) if rows is None else rows["sourcedId"].combine_chunks()
    is_named = pc.is_in(enrollments["sourced_id"], named)
    is_current = _is_current(enrollments, roster, users, today)
    returning = _of_returning(enrollments, courses)
    return enrollments.filter(pc.or_(pc.invert(returning), pc.or_(is_named, is_current)))


def _of_returning(enrollments: pa.Table, courses: pa.Table) -> pa.ChunkedArray:
    """Return which enrollments belong to a course that comes back."""
    back = courses.filter(pc.equal(courses["action"], "reactivate"))["after_sourced_id"]
    return pc.is_in(enrollments["course_sourced_id"], back.combine_chunks())


def _is_current(
    enrollments: pa.Table, roster: Roster, users: pa.Table, today: dt.date
) -> pa.ChunkedArray:
    """Return which enrollments have an active user and a class that has not ended."""
    classes = roster.links["classes"]
    at = positions(enrollments["class_sourced_id"], classes["sourced_id"])
    ends = classes["ends_on"].take(at)
    # Dates are ISO texts, whose order is the order of time. A class without a known end lasts.
    lasts = pc.fill_null(pc.greater_equal(ends, today.isoformat()), True)
    active = _active_after(roster.users, users)
    return pc.and_(lasts, pc.is_in(enrollments["user_sourced_id"], active))


def _active_after(stored: pa.Table, changes: pa.Table) -> pa.Array:
    """Return the sourcedIds of the users that are active after the plan is applied."""
    changed = pc.is_in(stored["id"], changes["id"].drop_null().combine_chunks())
    stays = pc.and_(pc.equal(stored["status"], "active"), pc.invert(changed))
    active = changes.filter(pc.equal(changes["after_status"], "active"))
    return pa.concat_arrays(
        [
            stored.filter(stays)["sourced_id"].drop_null().combine_chunks(),
            active["after_sourced_id"].drop_null().combine_chunks(),
        ]
    )


def _pairs(enrollments: pa.Table, roles: tuple[str, ...], rows: pa.Table | None) -> pa.Table:
    """Return the distinct pairs of user and course, with the first row of each."""
    teaching = enrollments.filter(pc.is_in(enrollments["role"], pa.array(roles)))
    teaching = teaching.filter(pc.is_valid(teaching["course_sourced_id"]))
    row = pa.nulls(teaching.num_rows, pa.int64())
    if rows is not None:
        row = rows["row"].take(positions(teaching["sourced_id"], rows["sourcedId"]))
    table = teaching.select(["user_sourced_id", "course_sourced_id"]).append_column("row", row)
    # With threads the order of the groups varies; the changes are sorted by both sourcedIds later.
    grouped = table.group_by(["user_sourced_id", "course_sourced_id"]).aggregate([("row", "min")])
    return grouped.rename_columns(["user_sourced_id", "course_sourced_id", "row"])


def _exists(
    wanted: pa.Table, users: pa.Table, courses: pa.Table, gone: pa.Array, roster: Roster
) -> pa.Array:
    """Return for each pair whether user and course exist after the plan is applied."""
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
    """Return the sourcedIds of courses that are not active after the plan is applied."""
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
        # This reason replaces the others, because the guards do not count removals that have it.
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
    # U+001F is in no valid sourcedId: a row with a control character is flawed.
    return pc.binary_join_element_wise(
        table["user_sourced_id"], table["course_sourced_id"], "\x1f", null_handling="emit_null"
    )
