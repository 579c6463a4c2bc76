"""Make a plan from valid rows and the roster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Findings, Severity
from oneroster_sync.roster.columns import (
    COURSE_FIELDS,
    KEPT_INACTIVE,
    LINK_FIELDS,
    USER_FIELDS,
    change_schema,
    link_schema,
)
from oneroster_sync.roster.records import in_order
from oneroster_sync.stages.diff.assignments import assignment_changes
from oneroster_sync.stages.diff.courses import course_changes
from oneroster_sync.stages.diff.last_modified import moments_of
from oneroster_sync.stages.diff.logins import (
    as_findings,
    quarantine,
    taken_logins,
    with_known_logins,
)
from oneroster_sync.stages.diff.plan import Plan
from oneroster_sync.stages.diff.protection import count_waiting, split_released, with_reasons
from oneroster_sync.stages.diff.rekeys import find_other_people, propose_rekeys, with_rekeys
from oneroster_sync.stages.diff.terms import pairs_that_ended, with_ends
from oneroster_sync.stages.diff.users import (
    desired_users,
    find_kept_inactive,
    user_changes,
    users_of_new_roles,
    with_new_roles,
)
from oneroster_sync.stages.extract.decision_table import (
    NOT_PRIMARY,
    is_disabled,
    is_going,
    with_goes,
)
from oneroster_sync.stages.extract.links import (
    Link,
    active_rows,
    is_unclear,
    link_changes,
    merge_link,
    with_courses,
)
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.sites.preferences import Preferences


_NO_USERS = pa.table(
    {
        "sourcedId": pa.array([], pa.string()),
        "status": pa.array([], pa.string()),
        "enabledUser": pa.array([], pa.string()),
        "username": pa.array([], pa.string()),
        "givenName": pa.array([], pa.string()),
        "familyName": pa.array([], pa.string()),
        "email": pa.array([], pa.string()),
        "login": pa.array([], pa.string()),
        "goes": pa.array([], pa.string()),
        "row": pa.array([], pa.int64()),
    }
)
"""An empty users.csv, for a delta with roles only."""


def build_plan(
    valid: Mapping[str, pa.Table],
    quarantined: Mapping[str, pa.Table],
    modes: Mapping[str, Mode],
    roster: Roster,
    preferences: Preferences,
    *,
    today: dt.date,
) -> tuple[Plan, dict[str, pa.Table], Findings]:
    """Compare a package with the roster, and return the plan.

    Args:
        valid: File → valid rows.
        quarantined: File → rows with errors, whose records stay unchanged.
        modes: File → absent, bulk or delta.
        roster: The site's roster.
        preferences: The site's preferences when the run began.
        today: The day on which the run began; earlier terms have ended.

    Returns:
        The plan; the quarantined rows, including rows whose login belongs to another user; and the
        findings about the latter.
    """
    good = {name: with_goes(table) for name, table in valid.items()}
    broken = {name: with_goes(table) for name, table in quarantined.items()}
    parted = split_released(broken, modes, roster)
    bad, findings = parted.protects, Findings()
    # First, and on the roster itself: all later comparisons then find a person under the new
    # sourcedId, so a new id and a new role are one change, and assignments stay the same rows.
    rekeys = propose_rekeys(good, bad, modes, roster, preferences.guards.sourced_ids)
    before, roster = roster, rekeys.applied_to(roster)
    if "users" in good:
        good["users"] = with_known_logins(good["users"], bad["users"], roster.users)
    # Before the claims: who loses the last role gives up a login that another row may take.
    moved = _users_of_new_roles(good, bad, modes, roster)
    _settle_claims(good, bad, modes, roster, findings, moved, adopt=preferences.adopt_accounts)
    _note_unclear(good, bad, modes, roster, findings)
    # After the claims: the enrollments of rows that were refused there are protected by the merge.
    links = {
        name: merge_link(name, roster.links[name], good[name], bad, modes[name])
        for name in LINK_FIELDS
        if name in good
    }
    if "classes" in links:
        links["classes"] = with_ends(links["classes"], roster.links["classes"], good)
    merged = {
        name: links[name].all() if name in links else roster.links[name] for name in LINK_FIELDS
    }
    enrollments = None
    if "enrollments" in links or "classes" in links:
        remembered = Link(roster.links["enrollments"], link_schema("enrollments").empty_table())
        # Without enrollments, a bulk file of classes can move enrollments, but not end them.
        lasting = "enrollments" not in links and modes["classes"] is Mode.BULK
        enrollments = with_courses(
            links.get("enrollments", remembered), merged["classes"], lasting=lasting
        )
        merged["enrollments"] = enrollments.all()
        links["enrollments"] = enrollments
    users = change_schema(USER_FIELDS).empty_table()
    if "users" in good:
        users = _users(good, bad, modes, merged, roster, preferences, moved.users)
        users = with_rekeys(USER_FIELDS, users, rekeys.users, before.users, good["users"])
        _note_admin(good, bad, modes, roster, findings)
        _note_deactivated_accounts(good["users"], users, roster, preferences, findings)
    elif "roles" in good:
        nobody = {"users": _NO_USERS}
        users = _users({**good, **nobody}, nobody, modes, merged, roster, preferences, moved.users)
    courses = change_schema(COURSE_FIELDS).empty_table()
    if "courses" in good:
        courses = course_changes(good["courses"], bad["courses"], modes["courses"], roster)
        courses = with_rekeys(
            COURSE_FIELDS, courses, rekeys.courses, before.courses, good["courses"]
        )
    assignments = assignment_changes(
        enrollments,
        good.get("enrollments"),
        preferences.assignment_roles,
        roster,
        users,
        courses,
        today=today,
        ended=pairs_that_ended(roster, today) if preferences.expire_ended_terms else None,
    )
    remembered_anew: dict[str, pa.Table] = {}
    # A new sourcedId also changes remembered links of files that the package does not have. They
    # are compared with the rows as stored, not with those that already have the new sourcedIds.
    for name in merged if rekeys else links:
        remembered_anew |= link_changes(name, before.links[name], merged[name])
    present = {name: table["sourced_id"] for name, table in merged.items()}
    present |= {"users": users["after_sourced_id"], "courses": courses["after_sourced_id"]}
    ids = {name: column.drop_null().combine_chunks() for name, column in present.items()}
    remembered_anew |= moments_of(good, modes, roster, ids)
    if "users" in good and len(stay := find_kept_inactive(good["users"], bad["users"], roster)):
        remembered_anew[KEPT_INACTIVE] = in_order(pa.table({"sourced_id": stay}), "sourced_id")
    plan = Plan(roster.site, roster.version, users, courses, assignments, remembered_anew)
    # Releases name the records by their stored sourcedIds, so `before` and not the renamed roster.
    return with_reasons(plan, before), parted.with_released(bad), findings


def _users(
    good: dict[str, pa.Table],
    bad: dict[str, pa.Table],
    modes: Mapping[str, Mode],
    merged: Mapping[str, pa.Table],
    roster: Roster,
    preferences: Preferences,
    moved: pa.Array,
) -> pa.Table:
    by_roles = "role" not in good["users"].column_names
    roles = merged["roles"] if by_roles else None
    desired = desired_users(active_rows(good["users"]), roles, roster.users, absent=roster.absent)
    if roles is not None and len(moved):
        desired = with_new_roles(desired, moved, roles, roster)
    return user_changes(
        desired,
        good["users"],
        bad["users"],
        modes["users"],
        roster,
        adopt=preferences.adopt_accounts,
        second=_find_lost_second_roles(good, roster),
    )


def _find_lost_second_roles(good: Mapping[str, pa.Table], roster: Roster) -> pa.Array:
    """Return the users with a staff role whose primary roles are all not of staff."""
    stored = roster.links["roles"]
    if "roles" not in good:
        return stored["user_sourced_id"].combine_chunks()[:0]
    rows = good["roles"]
    ids = rows.filter(pc.fill_null(pc.equal(rows["goes"], NOT_PRIMARY), False))["sourcedId"]
    theirs = pc.is_in(stored["sourced_id"], ids.combine_chunks())
    return stored.filter(theirs)["user_sourced_id"].combine_chunks()


@dataclass(frozen=True, slots=True)
class _NewRoles:
    """Users whose roles change although the package has no row of users.csv for them.

    Attributes:
        users: sourcedIds of these users.
        none_left: sourcedIds of those who lose their last role and are therefore deactivated.
    """

    users: pa.Array
    none_left: pa.Array


def _users_of_new_roles(
    good: Mapping[str, pa.Table],
    bad: Mapping[str, pa.Table],
    modes: Mapping[str, Mode],
    roster: Roster,
) -> _NewRoles:
    """Return the users with changed roles only; none for a bulk users.csv, which lists all."""
    nobody = pa.array([], pa.string())
    if "roles" not in good or modes["users"] is Mode.BULK:
        return _NewRoles(nobody, nobody)
    before = roster.links["roles"]
    after = merge_link("roles", before, good["roles"], bad, modes["roles"]).all()
    named = [t["users"]["sourcedId"].combine_chunks() for t in (good, bad) if "users" in t]
    users = users_of_new_roles(before, after, bad["roles"], pa.concat_arrays([nobody, *named]))
    left = pc.is_in(users, after["user_sourced_id"].combine_chunks())
    return _NewRoles(users, users.filter(pc.invert(left)))


def _settle_claims(
    good: dict[str, pa.Table],
    bad: dict[str, pa.Table],
    modes: Mapping[str, Mode],
    roster: Roster,
    findings: Findings,
    moved: _NewRoles,
    *,
    adopt: bool,
) -> None:
    """Quarantine rows of another person, and rows whose login another user keeps.

    Their enrollments are quarantined with them.
    """
    if "users" not in good:
        return
    # Before the logins: a refused row keeps its record's login, which other rows then may not take.
    others = find_other_people(good["users"], roster)
    expected = "the person who has this sourcedId; another person needs another sourcedId"
    _refuse(good, bad, findings, others, "semantic.identity_reuse", "sourcedId", expected)
    refused = taken_logins(
        good["users"],
        bad["users"],
        modes["users"],
        roster,
        without_role=moved.none_left,
        adopt=adopt,
    )
    expected = "an e-mail address that no other user has"
    _refuse(good, bad, findings, refused, "semantic.login_taken", "email", expected)


def _refuse(
    good: dict[str, pa.Table],
    bad: dict[str, pa.Table],
    findings: Findings,
    refused: pa.Array,
    code: str,
    column: str,
    expected: str,
) -> None:
    """Quarantine rows of users.csv with an error, and their enrollments."""
    if not len(refused):
        return
    rows = quarantine(good, bad, "users", pc.is_in(good["users"]["sourcedId"], refused))
    findings.add_table(as_findings(rows, "users", code, column, expected))
    if "enrollments" in good:
        hanging = pc.is_in(good["enrollments"]["userSourcedId"], refused)
        # A row that goes still removes its enrollment: it needs no user.
        hanging = pc.and_not(hanging, is_going(good["enrollments"]))
        rows = quarantine(good, bad, "enrollments", hanging)
        code, expected = "reference.target_quarantined", "a user without errors"
        findings.add_table(
            as_findings(
                rows, "enrollments", code, "userSourcedId", expected, target_file="users.csv"
            )
        )


def _note_unclear(
    good: Mapping[str, pa.Table],
    bad: Mapping[str, pa.Table],
    modes: Mapping[str, Mode],
    roster: Roster,
    findings: Findings,
) -> None:
    """Add a finding that no record is removed, because a broken row may be any record's.

    The number of waiting removals is reported from the first run: the effect is otherwise
    invisible.
    """
    for name, table in bad.items():
        # Sessions are not remembered: no record is removed because a session is absent.
        rows = table.filter(is_unclear(name, table))["row"] if name != "academicSessions" else []
        if not len(rows):
            continue
        expected = None
        if modes.get(name) is Mode.BULK and (
            waiting := count_waiting(name, good[name], table, roster)
        ):
            removals = "1 removal waits" if waiting == 1 else f"{waiting:,} removals wait"
            expected = f"a sourcedId in every row; {removals} until these rows have one"
        findings.add(
            Finding(
                "semantic.unclear_identity",
                Severity.WARNING,
                f"{name}.csv",
                pc.min(rows).as_py(),
                expected=expected,
                rows=len(rows),
            )
        )


def _note_admin(
    good: Mapping[str, pa.Table],
    bad: Mapping[str, pa.Table],
    modes: Mapping[str, Mode],
    roster: Roster,
    findings: Findings,
) -> None:
    """Add a finding that the credited administrator is kept, against the package."""
    stored = roster.users
    of_admin = pc.and_(pc.equal(stored["id"], roster.credited_admin), stored["managed"])
    admin = stored.filter(of_admin)["sourced_id"]
    if not len(admin) or admin[0].as_py() is None:
        return
    rows = good["users"]
    ends = pc.or_(is_going(rows), is_disabled(rows))
    of_admin = pc.fill_null(pc.equal(rows["sourcedId"], admin[0]), False)
    leaves = pc.any(pc.and_(of_admin, ends)).as_py()
    broken = pc.any(pc.equal(bad["users"]["sourcedId"], admin[0])).as_py()
    absent = modes["users"] is Mode.BULK and not pc.any(of_admin).as_py() and not broken
    if leaves or absent:
        findings.add(
            Finding(
                "semantic.credited_admin_kept",
                Severity.WARNING,
                "users.csv",
                sourced_id=admin[0].as_py(),
            )
        )


def _note_deactivated_accounts(
    rows: pa.Table,
    changes: pa.Table,
    roster: Roster,
    preferences: Preferences,
    findings: Findings,
) -> None:
    """Add a finding on users who can't log in: their account was made and deactivated by hand."""
    stored = roster.users
    off = pc.and_not(pc.equal(stored["status"], "inactive"), stored["managed"])
    linked = stored.filter(off)["sourced_id"].drop_null().combine_chunks()
    if preferences.adopt_accounts:
        linked = linked.slice(0, 0)
    stays_off = pc.and_(
        pc.equal(changes["action"], "adopt"), pc.equal(changes["after_status"], "inactive")
    )
    linking = changes.filter(stays_off)["sourced_id"].combine_chunks()
    coming = rows.filter(pc.invert(pc.or_(is_going(rows), is_disabled(rows))))
    theirs = pc.is_in(coming["sourcedId"], pa.concat_arrays([linked, linking]))
    for row in coming.filter(theirs).select(["row", "sourcedId"]).to_pylist():
        findings.add(
            Finding(
                "semantic.deactivated_account",
                Severity.WARNING,
                "users.csv",
                row["row"],
                sourced_id=row["sourcedId"],
            )
        )
