"""Plans in two parts: what is done now, and what is left for later.

Two settings ask for it. While removals beyond a limit wait for a person, the rest of the plan may
go on; and during a rollover a sync may only add. What is left is a plan of its own: nothing is
lost, and nothing is half done.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.records import differs, positions

if TYPE_CHECKING:
    from collections.abc import Callable

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


def _split(plan: Plan, is_later: Callable[[pa.Table], pa.ChunkedArray]) -> tuple[Plan, Plan]:
    """Return both parts; who needs the login of somebody who stays has to wait as well.

    What a plan remembers of classes and enrollments is part of what is done now.
    """
    users = _with_waiting_logins(plan.users, is_later(plan.users))
    later = plan.users.filter(users)
    new = later.filter(pc.equal(later["action"], "add"))["sourced_id"].combine_chunks()
    assignments = pc.or_(
        is_later(plan.assignments), pc.is_in(plan.assignments["user_sourced_id"], new)
    )
    courses = is_later(plan.courses)
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
