"""Plans in two parts: what is done now, and what is left for later.

Two settings ask for it. While removals beyond a limit wait for a person, the rest of the plan may
go on; and during a rollover a sync may only add. And who approves a plan may hold some of its
removals back. What is left is a plan of its own: nothing is lost, and nothing is half done.
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
    """Return a plan without what it takes away, and the rest of it."""
    return _split(plan, lambda table: pc.is_in(table["action"], REMOVALS))


def additions_only(plan: Plan) -> tuple[Plan, Plan]:
    """Return what a plan adds, brings back or recognises, and the rest of it."""
    return _split(plan, lambda table: pc.is_in(table["action"], CHANGES))


def hold_back(
    plan: Plan, roster: Roster, *, schools: Collection[str], kinds: Collection[str]
) -> tuple[Plan, Plan]:
    """Return a plan without some of what it takes away, and the rest of it.

    Only what is taken away can be held back, and who needs the login of somebody who stays waits
    with them. A person of several schools stays where one of these is held back. A course that
    stays keeps its assignments. An assignment goes where its user or its course goes now: the
    roster has no active assignment of somebody who left, or to a course that is gone.

    Args:
        plan: A held plan.
        roster: What the site holds, of the version that the plan was made against.
        schools: The sourcedIds of schools whose removals are held back.
        kinds: users, courses and assignments, of which all removals are held back.
    """
    named = pa.array(sorted(schools), pa.string())
    of_school = is_of_school(plan.users["before_org_sourced_ids"], named)
    users = _chosen(plan.users, of_school, is_whole="users" in kinds)
    users = _with_waiting_logins(plan.users, users)
    orgs = plan.courses["before_org_sourced_id"]
    courses = _chosen(plan.courses, pc.is_in(orgs, named), is_whole="courses" in kinds)
    pairs = plan.assignments
    staying = _ids(plan.courses, pc.and_(_goes(plan.courses), courses))
    of_school = pc.is_in(schools_of_courses(pairs["course_sourced_id"], plan, roster), named)
    wanted = pc.or_(of_school, pc.is_in(pairs["course_sourced_id"], staying))
    wanted = _chosen(pairs, wanted, is_whole="assignments" in kinds)
    leaving = _ids(plan.users, pc.and_not(_goes(plan.users), users))
    removed = _ids(plan.courses, pc.and_not(_goes(plan.courses), courses))
    must_go = pc.or_(
        pc.is_in(pairs["user_sourced_id"], leaving), pc.is_in(pairs["course_sourced_id"], removed)
    )
    return _parted(plan, users, courses, pc.and_not(wanted, must_go))


def _chosen(table: pa.Table, wanted: pa.ChunkedArray, *, is_whole: bool) -> pa.ChunkedArray:
    """Tell which changes are removals that are held back."""
    goes = _goes(table)
    return goes if is_whole else pc.and_(goes, pc.fill_null(wanted, False))


def _goes(table: pa.Table) -> pa.ChunkedArray:
    return pc.is_in(table["action"], REMOVALS)


def _ids(table: pa.Table, rows: pa.ChunkedArray) -> pa.Array:
    return table["sourced_id"].filter(rows).drop_null().combine_chunks()


def is_of_school(cells: pa.ChunkedArray, schools: pa.Array) -> pa.Array:
    """Tell which lists of schools, parted by commas, hold one of some schools."""
    lists = pc.split_pattern(cells, ",").combine_chunks()
    parents = pc.list_parent_indices(lists)
    hits = parents.filter(pc.is_in(pc.list_flatten(lists), schools))
    return pc.is_in(pa.array(range(len(lists)), parents.type), hits)


def schools_of_courses(courses: pa.ChunkedArray, plan: Plan, roster: Roster) -> pa.ChunkedArray:
    """Return the schools of courses by sourcedId, as they are stored or as they come."""
    stored = roster.courses
    known = stored["org_sourced_id"].take(positions(courses, stored["sourced_id"]))
    coming = plan.courses["after_org_sourced_id"].take(
        positions(courses, plan.courses["sourced_id"])
    )
    return pc.coalesce(known, coming)


def _split(plan: Plan, is_later: Callable[[pa.Table], pa.ChunkedArray]) -> tuple[Plan, Plan]:
    """Return both parts; who needs the login of somebody who stays has to wait as well."""
    users = _with_waiting_logins(plan.users, is_later(plan.users))
    return _parted(plan, users, is_later(plan.courses), is_later(plan.assignments))


def _parted(
    plan: Plan, users: pa.ChunkedArray, courses: pa.ChunkedArray, assignments: pa.ChunkedArray
) -> tuple[Plan, Plan]:
    """Return a plan without the rows of later, and these; with a new user wait their assignments.

    What a plan remembers of classes and enrollments is part of what is done now.
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
    """Tell who waits: those of later, and those whose login one of them holds until then.

    Who waits keeps the login that another one may want, so the question is asked until the answer
    stands.
    """
    while True:
        keeps = users.filter(later)
        keeps = keeps.filter(pc.fill_null(pc.equal(keeps["before_status"], "active"), False))
        held = keeps["before_login"].drop_null().combine_chunks()
        active = pc.equal(users["after_status"], "active")
        wants = pc.and_(active, pc.is_in(users["after_login"], held))
        own = pc.fill_null(pc.equal(users["after_login"], users["before_login"]), False)
        # Who is not active has no login, whatever their record says.
        own = pc.and_(own, pc.fill_null(pc.equal(users["before_status"], "active"), False))
        moved = pc.or_(later, pc.and_(wants, pc.invert(own)))
        if pc.sum(moved).as_py() == pc.sum(later).as_py():
            return moved
        later = moved


def still_wanted(left: Plan, roster: Roster) -> Plan:
    """Return what was left of a plan as far as its records stand as they stood then.

    Args:
        left: Made against an earlier version of the roster.
        roster: What the site holds now; its version is that of the plan that is returned.
    """
    pairs = _pairs(left.assignments)
    stored = _pairs(roster.assignments)
    status = roster.assignments["status"].take(positions(pairs, stored))
    return replace(
        left,
        base_version=roster.version,
        users=left.users.filter(_stands(left.users, roster.users)),
        courses=left.courses.filter(_stands(left.courses, roster.courses)),
        assignments=left.assignments.filter(
            pc.invert(differs(status, left.assignments["before_status"]))
        ),
    )


def _stands(changes: pa.Table, stored: pa.Table) -> pa.ChunkedArray:
    """Tell which changes find their record as they left it; a new one must not be there yet."""
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
