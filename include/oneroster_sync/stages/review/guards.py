"""Check a plan against the site's thresholds, and return the reasons to hold it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.columns import COURSE_FIELDS, TERMS_ENDED
from oneroster_sync.roster.recent_changes import WINDOW, Recent
from oneroster_sync.roster.records import NOT_PRIMARY, differs, positions
from oneroster_sync.runs.holds import (
    ACCOUNTS,
    DELTA,
    KINDS,
    Hold,
    beyond,
    has_many_errors,
    knows_few,
    order_holds,
)
from oneroster_sync.sites.thresholds import Limit
from oneroster_sync.stages.diff.account_matching import NEAR
from oneroster_sync.stages.diff.rekeys import find_other_people
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.sites.thresholds import Guards
    from oneroster_sync.stages.diff.plan import Plan

_NEVER_EMPTY = ("orgs", "users", "roles", "courses")
_EMPTY_IN_SUMMER = ("classes", "enrollments")
"""Files that may be empty between two school years."""
_EARLY, _LATE = dt.timedelta(days=30), dt.timedelta(days=90)
"""How far from today all sessions of a package may be, in the future and in the past."""
_EARLIER = dt.timedelta(days=14)
"""How much a class's known end may move forward without a hold."""
_ROWS_OF_A_DELTA = 20
"""Minimum number of rows for the check whether a delta belongs to the site."""
_POINTS_TO = {
    "orgs": {"sourcedId": "orgs", "parentSourcedId": "orgs"},
    "users": {"sourcedId": "users", "orgSourcedIds": "orgs"},
    "roles": {"sourcedId": "roles", "userSourcedId": "users", "orgSourcedId": "orgs"},
    "courses": {"sourcedId": "courses", "orgSourcedId": "orgs"},
    "classes": {"sourcedId": "classes", "courseSourcedId": "courses", "schoolSourcedId": "orgs"},
    "enrollments": {
        "sourcedId": "enrollments",
        "userSourcedId": "users",
        "classSourcedId": "classes",
        "schoolSourcedId": "orgs",
    },
}
"""File → column → the file that it refers to."""
_REUSED = Limit(percent=10, minimum=5)
"""Threshold for rows of another person under a known sourcedId."""
REMOVAL_CODES = frozenset(
    {
        *("guard.removals", "guard.school_removals", "guard.week_removals"),
        *("guard.out_of_step", "guard.not_primary"),
    }
)
"""Reasons for which only the removals need to wait."""


def check_plan(
    plan: Plan,
    roster: Roster,
    guards: Guards,
    *,
    modes: Mapping[str, Mode],
    valid: Mapping[str, pa.Table],
    quarantined: Mapping[str, pa.Table],
    rows: Mapping[str, int],
    today: dt.date,
    schools: Iterable[Mapping[str, Any]] = (),
    accounts: pa.Table | None = None,
    recent: Recent | None = None,
    errors: Mapping[str, int] | None = None,
) -> tuple[Hold, ...]:
    """Return all reasons to hold a plan; an empty tuple means that it is clear.

    A plan that changes nothing is held only for an empty file and for terms that move, so that
    errors that nobody fixes do not require a decision every day.

    Args:
        plan: The plan.
        roster: The roster that the plan was made against.
        guards: The site's thresholds.
        modes: File → its mode.
        valid: File → valid rows.
        quarantined: File → rows with errors.
        rows: File → number of its rows, staff or not.
        today: The day of the run, for raised thresholds.
        schools: The plan's counts by school, as `count_by_school` returns them.
        accounts: Account matches, as `match_accounts` returns them.
        recent: Recent changes of the site; none by default.
        errors: File → number of rows with errors after diff; by default, of `quarantined`.
    """
    holds = [
        *_empty_files(modes, rows, roster, today),
        # A plan that only moves the end of a term is empty. The next plan would end all records of
        # the term without counting them as removals.
        *_moved_terms(plan, roster, guards.moved_terms),
    ]
    if not plan.is_empty():
        recent = recent or Recent()
        reused = len(find_other_people(valid["users"], roster)) if "users" in valid else 0
        removals = _removals(plan, roster, guards, today)
        holds += [
            *removals,
            *_week(plan, guards, recent, today, {hold.kind for hold in removals}),
            *_additions(plan, roster, guards, recent),
            *_reactivations(plan, roster, guards, recent),
            *_blank_enabled(plan, valid, recent),
            *_second_roles(plan, roster, recent),
            *_changed_roles(plan, roster, guards.changed_roles),
            *_school_removals(schools, guards, today, {hold.kind for hold in removals}),
            *_updates(plan, roster, guards),
            *_errors(guards, valid, quarantined, errors, reused),
            *beyond(
                "guard.identity_reuse", "users", reused, roster.managed_active("users"), _REUSED
            ),
            *_wrong_source(guards, modes, valid, quarantined, roster, plan),
            *_wrong_delta(guards, modes, valid, quarantined, roster),
            *_other_year(valid, roster, today),
            *_identity_shift(plan, roster, guards.sourced_ids),
            *_look_alikes(accounts, roster),
        ]
    return order_holds(holds)


def _removals(plan: Plan, roster: Roster, guards: Guards, today: dt.date) -> list[Hold]:
    return [
        hold
        for kind, judged in measure_removals(plan, roster, guards, today).items()
        for hold in beyond("guard.removals", kind, *judged)
    ]


def measure_removals(
    plan: Plan, roster: Roster | None, guards: Guards, today: dt.date
) -> dict[str, tuple[int, int, Limit, str]]:
    """Return kind → removals, active managed records (0 without a roster), threshold, its note."""
    measured = {}
    for kind, found in count_removals(plan).items():
        limit, words = _in_force(getattr(guards, kind), guards, today)
        measured[kind] = found, roster.managed_active(kind) if roster else 0, limit, words
    return measured


def count_removals(plan: Plan) -> dict[str, int]:
    """Return kind → number of removals, without those of ended terms."""
    counts = {}
    for kind, table, action in (
        ("users", plan.users, "deactivate"),
        ("courses", plan.courses, "remove"),
        ("assignments", plan.assignments, "remove"),
    ):
        going = table.filter(pc.equal(table["action"], action))
        counts[kind] = int(pc.sum(pc.not_equal(going["reason"], TERMS_ENDED)).as_py() or 0)
    return counts


def _week(plan: Plan, guards: Guards, recent: Recent, today: dt.date, held: set[str]) -> list[Hold]:
    """Check removals together with recent removals that nobody approved."""
    limit, words = _in_force(guards.week, guards, today)
    holds: list[Hold] = []
    for kind, going in count_removals(plan).items():
        earlier = recent.gone.get(kind, 0)
        if not going or not earlier or kind in held:
            continue
        of = recent.active.get(kind, 0)
        found = beyond("guard.week_removals", kind, going + earlier, of, limit, words)
        holds += [replace(hold, days=WINDOW.days, earlier=earlier) for hold in found]
    return holds


def _additions(plan: Plan, roster: Roster, guards: Guards, recent: Recent) -> list[Hold]:
    """Hold too many new users, except the first users of a site."""
    if not pc.any(roster.users["managed"]).as_py():
        return []
    found = int(pc.sum(pc.equal(plan.users["action"], "add")).as_py() or 0)
    return _hold_returning(
        "guard.additions", found, recent.added, roster, guards.added_users, recent
    )


def _reactivations(plan: Plan, roster: Roster, guards: Guards, recent: Recent) -> list[Hold]:
    """Hold too many returning users; absent users come back when an export is fixed."""
    found = len(find_reactivated(plan) - recent.absent)
    limit = guards.reactivated_users
    return _hold_returning("guard.reactivations", found, recent.reactivated, roster, limit, recent)


def find_reactivated(plan: Plan) -> frozenset[int]:
    """Return the `id` of the managed users whom a plan would reactivate."""
    users = plan.users
    back = pc.and_(
        pc.equal(users["before_status"], "inactive"), pc.equal(users["after_status"], "active")
    )
    ours = pc.fill_null(pc.and_(back, users["before_managed"]), False)
    return frozenset(users.filter(ours)["id"].to_pylist())


def _hold_returning(
    code: str, found: int, earlier: int, roster: Roster, limit: Limit, recent: Recent
) -> list[Hold]:
    """Check users who come by this plan alone, or together with recent unapproved ones."""
    holds = beyond(code, "users", found, roster.managed_active("users"), limit)
    if holds or not found or not earlier:
        return holds
    of = recent.active.get("users", 0)
    holds = beyond(code, "users", found + earlier, of, limit)
    return [replace(hold, days=WINDOW.days, earlier=earlier) for hold in holds]


def _blank_enabled(plan: Plan, valid: Mapping[str, pa.Table], recent: Recent) -> list[Hold]:
    """Hold each disabled account that would come back because enabledUser is blank."""
    rows = valid.get("users")
    if rows is None or not recent.disabled:
        return []
    chosen = rows
    if "enabledUser" in rows.column_names:
        chosen = rows.filter(pc.is_null(rows["enabledUser"]))
    back = plan.users.filter(
        pc.is_in(plan.users["id"], pa.array(sorted(recent.disabled), pa.int64()))
    )
    silent = pc.is_in(back["after_sourced_id"], chosen["sourcedId"].combine_chunks())
    found = int(pc.sum(silent).as_py() or 0)
    limit = "none whose enabledUser is blank or missing"
    code = "guard.blank_enabled_user"
    return [Hold(code, "users", found, len(recent.disabled), limit)] if found else []


def _changed_roles(plan: Plan, roster: Roster, limit: Limit) -> list[Hold]:
    users = plan.users
    kept = pc.and_(pc.equal(users["before_status"], "active"), users["before_managed"])
    moved = pc.and_(kept, differs(users["before_role"], users["after_role"]))
    found = int(pc.sum(pc.fill_null(moved, False)).as_py() or 0)
    return beyond("guard.role_changes", "users", found, roster.managed_active("users"), limit)


def with_second_role(plan: Plan) -> list[int]:
    """Return the `id` of the users removed because no primary role of theirs is of staff."""
    going = plan.users.filter(pc.equal(plan.users["reason"], NOT_PRIMARY))
    return [int(id_) for id_ in going["id"].to_pylist()]


def _second_roles(plan: Plan, roster: Roster, recent: Recent) -> list[Hold]:
    """Hold the first removals by this rule, because an SIS may use roleType differently."""
    found = len(set(with_second_role(plan)) - recent.second)
    if not found:
        return []
    limit = "a person decides the first time"
    return [Hold("guard.not_primary", "users", found, roster.managed_active("users"), limit)]


def _moved_terms(plan: Plan, roster: Roster, limit: Limit) -> list[Hold]:
    """Hold terms that end much earlier than known: their records would end uncounted."""
    moved = plan.links.get("classes")
    if moved is None or not moved.num_rows:
        return []
    classes = roster.links["classes"]
    before = classes["ends_on"].take(positions(moved["sourced_id"], classes["sourced_id"]))
    days = [
        None if was is None or ends is None else dt.date.fromisoformat(was) - _EARLIER
        for was, ends in zip(before.to_pylist(), moved["ends_on"].to_pylist(), strict=True)
    ]
    limits = pa.array([day and day.isoformat() for day in days], pa.string())
    earlier = moved.filter(pc.fill_null(pc.less(moved["ends_on"], limits), False))
    if not earlier.num_rows:
        return []
    enrollments = roster.links["enrollments"]
    there = pc.is_in(enrollments["class_sourced_id"], earlier["sourced_id"].combine_chunks())
    stored = roster.assignments
    active = stored.filter(pc.and_(stored["managed"], pc.equal(stored["status"], "active")))
    hanging = pc.is_in(_pair(active), _pair(enrollments.filter(there)).combine_chunks())
    found = int(pc.sum(hanging).as_py() or 0)
    return beyond("guard.moved_terms", "assignments", found, active.num_rows, limit)


def _pair(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(
        table["user_sourced_id"], table["course_sourced_id"], "\x1f", null_handling="emit_null"
    )


def _school_removals(
    schools: Iterable[Mapping[str, Any]], guards: Guards, today: dt.date, held: set[str]
) -> list[Hold]:
    """Check each school by its own numbers, for the kinds that pass for the whole site."""
    limit, words = _in_force(guards.school, guards, today)
    return [
        hold
        for school in schools
        for kind in KINDS
        if kind not in held
        for hold in beyond(
            "guard.school_removals",
            kind,
            school[kind]["gone"],
            school[kind]["active"],
            limit,
            words,
            school["name"],
        )
    ]


def _in_force(limit: Limit, guards: Guards, today: dt.date) -> tuple[Limit, str]:
    """Return today's threshold for removals, with a note if it is raised."""
    raised = guards.raised
    if raised is None or not raised.holds_on(today):
        return limit, ""
    words = f", raised until {raised.until}" if raised.until else ", raised for one run"
    # Without the cap, which would still hold what the raised percentage allows.
    return limit.model_copy(update={"percent": raised.percent, "cap": None}), words


def _updates(plan: Plan, roster: Roster, guards: Guards) -> list[Hold]:
    holds = []
    for kind, table, limit in (
        ("users", plan.users, guards.updated_users),
        ("courses", _beyond_their_year(plan.courses), guards.updated_courses),
    ):
        found = int(pc.sum(pc.equal(table["action"], "update")).as_py() or 0)
        holds += beyond("guard.updates", kind, found, roster.managed_active(kind), limit)
    return holds


def _beyond_their_year(courses: pa.Table) -> pa.Table:
    """Leave out course changes that only move the course to another school year."""
    moved = pa.repeat(False, courses.num_rows)
    for name in COURSE_FIELDS:
        if name != "school_year_sourced_id":
            moved = pc.or_(moved, differs(courses[f"before_{name}"], courses[f"after_{name}"]))
    return courses.filter(moved)


def _errors(
    guards: Guards,
    valid: Mapping[str, pa.Table],
    quarantined: Mapping[str, pa.Table],
    errors: Mapping[str, int] | None,
    reused: int,
) -> list[Hold]:
    """Hold files with many errors, by the numbers after diff, which finds more of them.

    They are compared with the staff rows: 60 broken teachers among 2,000 students are not 3 %. Rows
    of another person under a known sourcedId are not counted: they have a threshold of their own.
    """
    holds = []
    for name, table in quarantined.items():
        of = table.num_rows + valid[name].num_rows
        found = (errors or {}).get(name, table.num_rows)
        if errors and name == "users":
            found -= reused
        if has_many_errors(found, of, guards.error_percent):
            limit = f"at most {guards.error_percent:g} % with errors"
            holds.append(Hold("guard.error_rate", f"{name}.csv", found, of, limit))
    return holds


def _empty_files(
    modes: Mapping[str, Mode], rows: Mapping[str, int], roster: Roster, today: dt.date
) -> list[Hold]:
    """Hold empty files; files of classes only while a remembered class has not ended."""
    ends = roster.links["classes"]["ends_on"]
    continuing = pc.any(pc.fill_null(pc.greater_equal(ends, today.isoformat()), True)).as_py()
    is_summer = roster.managed_active("users") > 0 and not continuing
    expected = _NEVER_EMPTY if is_summer else (*_NEVER_EMPTY, *_EMPTY_IN_SUMMER)
    of = {"users": roster.managed_active("users"), "courses": roster.managed_active("courses")}
    return [
        Hold("guard.empty_file", f"{name}.csv", 0, of.get(name, 0), "at least one row")
        for name in expected
        if modes.get(name) is Mode.BULK and rows.get(name) == 0
    ]


def _wrong_source(
    guards: Guards,
    modes: Mapping[str, Mode],
    valid: Mapping[str, pa.Table],
    quarantined: Mapping[str, pa.Table],
    roster: Roster,
    plan: Plan,
) -> list[Hold]:
    """Hold a bulk file that has few of the known records; changed sourcedIds count as known."""
    holds = []
    for name, table, changes in (
        ("users", roster.users, plan.users),
        ("courses", roster.courses, plan.courses),
    ):
        if modes.get(name) is not Mode.BULK or name not in valid:
            continue
        ours = pc.and_(table["managed"], pc.equal(table["status"], "active"))
        moved = changes.filter(pc.is_valid(changes["before_sourced_id"]))
        at = positions(table["sourced_id"], moved["before_sourced_id"])
        called = pc.coalesce(moved["after_sourced_id"].take(at), table["sourced_id"])
        known = called.filter(ours)
        found = sum(
            int(pc.sum(pc.is_in(known, side[name]["sourcedId"].combine_chunks())).as_py() or 0)
            for side in (valid, quarantined)
        )
        if knows_few(found, len(known), guards.known_percent):
            limit = f"at least {guards.known_percent:g} % of the known sourcedIds"
            holds.append(Hold("guard.wrong_source", name, found, len(known), limit))
    return holds


def _wrong_delta(
    guards: Guards,
    modes: Mapping[str, Mode],
    valid: Mapping[str, pa.Table],
    quarantined: Mapping[str, pa.Table],
    roster: Roster,
) -> list[Hold]:
    """Hold a delta whose rows hardly refer to known records."""
    if not pc.any(roster.users["managed"]).as_py():
        return []
    ids = roster.known()
    found = of = 0
    for name, columns in _POINTS_TO.items():
        if modes.get(name) is not Mode.DELTA or name not in valid:
            continue
        for rows in (valid[name], quarantined[name]):
            known = pa.repeat(False, rows.num_rows)
            for column, file in columns.items():
                if column in rows.column_names:
                    known = pc.or_(known, _names_one(rows[column], ids[file]))
            found += int(pc.sum(known).as_py() or 0)
            of += rows.num_rows
    if of < _ROWS_OF_A_DELTA or found * 100 >= guards.known_percent * of:
        return []
    limit = f"at least {guards.known_percent:g} % of the rows name or point to what is known"
    return [Hold("guard.wrong_source", DELTA, found, of, limit)]


def _names_one(cells: pa.ChunkedArray, known: pa.Array) -> pa.ChunkedArray:
    """Return which cells have a known sourcedId; a cell may be a comma-separated list."""
    whole = pc.is_in(cells, known)
    listed = pc.fill_null(pc.match_substring(cells, ","), False)
    if not pc.any(listed).as_py():
        return whole
    ids = set(known.to_pylist())
    parts = [
        any(part.strip() in ids for part in cell.split(",")) if cell else False
        for cell in cells.to_pylist()
    ]
    return pc.or_(whole, pa.chunked_array([pa.array(parts, pa.bool_())]))


def _other_year(valid: Mapping[str, pa.Table], roster: Roster, today: dt.date) -> list[Hold]:
    """Hold a package whose sessions are all far from today, if nearer sessions are known."""
    sessions = valid.get("academicSessions")
    known = pc.max(roster.links["classes"]["ends_on"]).as_py()
    if sessions is None or not sessions.num_rows or known is None:
        return []
    first, last = pc.min(sessions["startDate"]).as_py(), pc.max(sessions["endDate"]).as_py()
    if first is None or last is None:
        return []
    early = first > (today + _EARLY).isoformat() and known >= today.isoformat()
    late = last < (today - _LATE).isoformat() and last < known
    if not (early or late):
        return []
    which = "next year's, too early" if early else "last year's"
    limit = f"sessions around {today}, not from {first} to {last} ({which})"
    count = sessions.num_rows
    return [Hold("guard.other_year", "academicSessions.csv", count, count, limit)]


def _identity_shift(plan: Plan, roster: Roster, limit: Limit) -> list[Hold]:
    holds = []
    for kind, table in (("users", plan.users), ("courses", plan.courses)):
        found = int(pc.sum(_changes_id(table)).as_py() or 0)
        of = roster.managed_active(kind)
        holds += beyond("guard.identity_shift", kind, found, of, limit)
    return holds


def _look_alikes(accounts: pa.Table | None, roster: Roster) -> list[Hold]:
    """Hold a first sync that would add second accounts for people who seem to have one."""
    users = roster.users
    if accounts is None or pc.any(users["managed"]).as_py():
        return []
    near = pc.is_in(accounts["how"], pa.array(NEAR))
    found = pc.sum(pc.and_(near, pc.not_equal(accounts["id"], roster.credited_admin))).as_py() or 0
    limit = "none on a first sync"
    return [Hold("guard.look_alikes", ACCOUNTS, found, users.num_rows, limit)] if found else []


def _changes_id(table: pa.Table) -> pa.ChunkedArray:
    """Return which changes change the sourcedId of a record."""
    return pc.fill_null(pc.not_equal(table["before_sourced_id"], table["after_sourced_id"]), False)
