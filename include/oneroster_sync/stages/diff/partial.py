"""Split a plan into a part that is applied now and a part that is left for later.

Three features need this: removals beyond a threshold can wait for a person while the rest of the
plan is applied; during a rollover a sync only adds; and an approver may hold some removals back.
The part for later is a complete plan of its own: nothing is lost, and nothing is half done.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.records import differs, positions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.stages.diff.plan import Plan

REMOVALS = pa.array(["deactivate", "remove"])
CHANGES = pa.array(["deactivate", "remove", "update"])


def without_removals(plan: Plan) -> tuple[Plan, Plan]:
    """Split a plan into everything except removals, and the removals."""
    return _split(plan, lambda table: pc.is_in(table["action"], REMOVALS))


def additions_only(plan: Plan) -> tuple[Plan, Plan]:
    """Split a plan into additions, reactivations and links, and the rest."""
    return _split(plan, lambda table: pc.is_in(table["action"], CHANGES))


def hold_back(
    plan: Plan, roster: Roster, *, schools: Collection[str], kinds: Collection[str]
) -> tuple[Plan, Plan]:
    """Split a plan into the part to apply, and removals to hold back.

    Only removals can be held back, and with them changes of users who need the login of a user that
    stays. A user of several schools stays if one of these is held back. A course that stays keeps
    its assignments. An assignment is removed if its user or course is removed now: the roster has
    no active assignment of a removed user or course.

    Args:
        plan: A held plan.
        roster: The site's roster, of the version that the plan was made against.
        schools: sourcedIds of schools whose removals are held back.
        kinds: Which of users, courses and assignments are held back with all removals.
    """
    named = pa.array(sorted(schools), pa.string())
    of_school = is_of_school(plan.users["before_org_sourced_ids"], named)
    users = _chosen(plan.users, of_school, is_whole="users" in kinds)
    users = _with_waiting_logins(plan.users, users)
    orgs = plan.courses["before_org_sourced_id"]
    courses = _chosen(plan.courses, pc.is_in(orgs, named), is_whole="courses" in kinds)
    pairs = plan.assignments
    staying = _ids(plan.courses, pc.and_(_is_going(plan.courses), courses))
    of_school = pc.is_in(schools_of_courses(pairs["course_sourced_id"], plan, roster), named)
    wanted = pc.or_(of_school, pc.is_in(pairs["course_sourced_id"], staying))
    wanted = _chosen(pairs, wanted, is_whole="assignments" in kinds)
    leaving = _ids(plan.users, pc.and_not(_is_going(plan.users), users))
    removed = _ids(plan.courses, pc.and_not(_is_going(plan.courses), courses))
    must_go = pc.or_(
        pc.is_in(pairs["user_sourced_id"], leaving), pc.is_in(pairs["course_sourced_id"], removed)
    )
    return _parted(plan, users, courses, pc.and_not(wanted, must_go))


def _chosen(table: pa.Table, wanted: pa.ChunkedArray, *, is_whole: bool) -> pa.ChunkedArray:
    """Return which changes are removals to hold back."""
    goes = _is_going(table)
    return goes if is_whole else pc.and_(goes, pc.fill_null(wanted, False))


def _is_going(table: pa.Table) -> pa.ChunkedArray:
    return pc.is_in(table["action"], REMOVALS)


def _ids(table: pa.Table, rows: pa.ChunkedArray) -> pa.Array:
    return table["sourced_id"].filter(rows).drop_null().combine_chunks()


def is_of_school(cells: pa.ChunkedArray, schools: pa.Array) -> pa.Array:
    """Return which comma-separated lists of schools contain one of `schools`."""
    lists = pc.split_pattern(cells, ",").combine_chunks()
    parents = pc.list_parent_indices(lists)
    hits = parents.filter(pc.is_in(pc.list_flatten(lists), schools))
    return pc.is_in(pa.array(range(len(lists)), parents.type), hits)


def schools_of_courses(courses: pa.ChunkedArray, plan: Plan, roster: Roster) -> pa.ChunkedArray:
    """Return the schools of courses by sourcedId, from the roster or the plan."""
    stored = roster.courses
    known = stored["org_sourced_id"].take(positions(courses, stored["sourced_id"]))
    coming = plan.courses["after_org_sourced_id"].take(
        positions(courses, plan.courses["sourced_id"])
    )
    return pc.coalesce(known, coming)


def _split(plan: Plan, is_later: Callable[[pa.Table], pa.ChunkedArray]) -> tuple[Plan, Plan]:
    """Split a plan; users who need the login of a user that stays wait as well."""
    users = _with_waiting_logins(plan.users, is_later(plan.users))
    return _parted(plan, users, is_later(plan.courses), is_later(plan.assignments))


def _parted(
    plan: Plan, users: pa.ChunkedArray, courses: pa.ChunkedArray, assignments: pa.ChunkedArray
) -> tuple[Plan, Plan]:
    """Split a plan by masks of the rows for later; a new user's assignments wait with the user.

    Changes to remembered classes and enrollments belong to the first part.
    """
    later = plan.users.filter(users)
    new = later.filter(pc.equal(later["action"], "add"))["sourced_id"].combine_chunks()
    assignments = pc.or_(assignments, pc.is_in(plan.assignments["user_sourced_id"], new))
    return (
        replace(
            plan,
            users=plan.users.filter(pc.invert(users)),
            courses=plan.courses.filter(pc.invert(courses)),
            assignments=plan.assignments.filter(pc.invert(assignments)),
        ),
        replace(
            plan,
            users=later,
            courses=plan.courses.filter(courses),
            assignments=plan.assignments.filter(assignments),
            links={},
        ),
    )


def _with_waiting_logins(users: pa.Table, later: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return which users wait: those of `later`, and those who want a login that one of them holds.

    A user who waits keeps a login that another user may want. So repeat until no further user waits
    (fixed point).
    """
    while True:
        keeps = users.filter(later)
        keeps = keeps.filter(pc.fill_null(pc.equal(keeps["before_status"], "active"), False))
        held = keeps["before_login"].drop_null().combine_chunks()
        active = pc.equal(users["after_status"], "active")
        wants = pc.and_(active, pc.is_in(users["after_login"], held))
        own = pc.fill_null(pc.equal(users["after_login"], users["before_login"]), False)
        # An inactive user holds no login, even if the record has one.
        own = pc.and_(own, pc.fill_null(pc.equal(users["before_status"], "active"), False))
        moved = pc.or_(later, pc.and_(wants, pc.invert(own)))
        if pc.sum(moved).as_py() == pc.sum(later).as_py():
            return moved
        later = moved


def still_wanted(left: Plan, roster: Roster) -> Plan:
    """Return the remaining part of a plan whose records have not changed since.

    Args:
        left: A plan made against an earlier version of the roster.
        roster: The site's current roster; the returned plan has its version.
    """
    pairs = _pairs(left.assignments)
    stored = _pairs(roster.assignments)
    status = roster.assignments["status"].take(positions(pairs, stored))
    return replace(
        left,
        base_version=roster.version,
        users=left.users.filter(_still_matches(left.users, roster.users)),
        courses=left.courses.filter(_still_matches(left.courses, roster.courses)),
        assignments=left.assignments.filter(
            pc.invert(differs(status, left.assignments["before_status"]))
        ),
    )


def _still_matches(changes: pa.Table, stored: pa.Table) -> pa.ChunkedArray:
    """Return which changes still match their record; a new record must not exist yet."""
    # An added record has no id; index_in would otherwise look for a null among the stored ids.
    at = pc.index_in(changes["id"], stored["id"].combine_chunks(), skip_nulls=True)
    stands = pc.equal(pc.is_valid(at), pc.is_valid(changes["id"]))
    for name in stored.column_names:
        if name != "id":
            now = stored[name].take(at)
            stands = pc.and_(stands, pc.invert(differs(now, changes[f"before_{name}"])))
    known = pc.is_in(changes["sourced_id"], stored["sourced_id"].drop_null().combine_chunks())
    return pc.and_(stands, pc.or_(pc.is_valid(changes["id"]), pc.invert(known)))


def _pairs(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(
        table["user_sourced_id"], table["course_sourced_id"], "\x1f", null_handling="emit_null"
    )
