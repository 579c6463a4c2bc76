"""Changes to users, matched by sourcedId, then by login; only managed records change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.columns import COMPARED_OF_USERS, USER_FIELDS, USERS, change_schema
from oneroster_sync.roster.records import (
    ABSENT,
    DISABLED,
    MARKED,
    NO_ROLE,
    NO_STAFF,
    NOT_PRIMARY,
    PRESENT,
    ROLE_BACK,
    changes,
    differs,
    in_order,
    positions,
    put,
)
from oneroster_sync.stages.diff.logins import recognisable
from oneroster_sync.stages.extract import decision_table
from oneroster_sync.stages.extract.csv_table import is_left_out
from oneroster_sync.stages.extract.decision_table import is_disabled, is_going
from oneroster_sync.stages.extract.links import find_removed, link_changes, removed_rows
from oneroster_sync.standard import PLATFORM_ROLE

if TYPE_CHECKING:
    from oneroster_sync.roster.model import Roster
    from oneroster_sync.standard.modes import Mode

_SAME_LOGIN = "same login as a hand-made account"
_LINKED = "a hand-made account that was linked before"


def desired_users(
    valid: pa.Table, roles: pa.Table | None, stored: pa.Table, *, absent: pa.Array | None = None
) -> pa.Table:
    """Return the users as the package describes them: sourced_id, the fields, status and row.

    A missing column, or a value that validation left out, leaves the stored value unchanged. A
    blank enabledUser means nothing: a new account is active, a disabled account stays disabled, and
    a user who was merely absent or marked comes back.

    Args:
        valid: Valid rows of users.csv that do not go.
        roles: From 1.2 on, the merged roles.
        stored: The site's users.
        absent: sourcedIds of inactive users that no `enabledUser=false` disabled.
    """
    missing = (valid.schema.metadata or {}).get(b"missing", b"").decode().split(",")
    before = stored.take(positions(valid["sourcedId"], stored["sourced_id"]))
    columns: dict[str, pa.ChunkedArray | pa.Array] = {"sourced_id": valid["sourcedId"]}
    for field in USERS:
        if not field.derived:
            is_there = field.source not in missing and field.source in valid.column_names
            kept = _kept(valid, field.source, before[field.name]) if is_there else None
            columns[field.name] = before[field.name] if kept is None else kept
    # Where the username is the login, it is the person's address too.
    columns["email"] = pc.coalesce(columns["email"], columns["login"])
    if roles is None:
        columns["role"] = to_platform_roles(valid["role"])
        orgs = sort_lists(_kept(valid, "orgSourcedIds", before["org_sourced_ids"]))
        columns["org_sourced_ids"] = (
            before["org_sourced_ids"] if "orgSourcedIds" in missing else orgs
        )
    else:
        by_user = fold_roles(roles)
        at = positions(valid["sourcedId"], by_user["user_sourced_id"])
        columns["role"] = pc.coalesce(by_user["role"].take(at), before["role"])
        columns["org_sourced_ids"] = pc.coalesce(
            by_user["org_sourced_ids"].take(at), before["org_sourced_ids"]
        )
    enabled = valid["enabledUser"] if "enabledUser" in valid.column_names else None
    disabled = (
        pa.repeat(False, len(valid))
        if enabled is None
        else pc.fill_null(pc.equal(enabled, "false"), False)
    )
    status = pc.if_else(disabled, "inactive", "active")
    unstated = pc.and_(is_left_out(valid, "enabledUser"), pc.is_valid(before["status"]))
    if absent is not None:
        unstated = pc.and_not(unstated, pc.is_in(valid["sourcedId"], absent))
    columns["status"] = pc.if_else(unstated, before["status"], status)
    columns["row"] = valid["row"]
    return pa.table(columns)


def _kept(valid: pa.Table, source: str, before: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column's values; the stored value where validation left all of the value out."""
    lost = pc.and_(is_left_out(valid, source), pc.is_null(valid[source]))
    return pc.if_else(lost, before, valid[source])


def with_new_roles(desired: pa.Table, moved: pa.Array, roles: pa.Table, roster: Roster) -> pa.Table:
    """Add users whose roles change although the package has no row of users.csv for them.

    Args:
        desired: Users as `desired_users` returns them.
        moved: sourcedIds of the added users, as `users_of_new_roles` returns them.
        roles: The merged roles.
        roster: The site's roster.
    """
    stored = roster.users
    others = stored.filter(pc.is_in(stored["sourced_id"], moved))
    by_user = fold_roles(roles)
    at = positions(others["sourced_id"], by_user["user_sourced_id"])
    role = by_user["role"].take(at)
    back = pc.and_(
        pc.is_in(others["sourced_id"], roster.lost_role),
        pc.invert(pc.is_in(others["login"], _held_logins(stored, desired))),
    )
    status = pc.if_else(back, "active", others["status"])
    others = put(others, "status", pc.if_else(pc.is_null(role), "inactive", status))
    others = put(others, "role", pc.coalesce(role, others["role"]))
    others = put(
        others,
        "org_sourced_ids",
        pc.coalesce(by_user["org_sourced_ids"].take(at), others["org_sourced_ids"]),
    )
    others = others.append_column("row", pa.nulls(others.num_rows, pa.int64()))
    return pa.concat_tables(
        [desired, others.select(desired.column_names)], promote_options="permissive"
    )


def _held_logins(stored: pa.Table, desired: pa.Table) -> pa.Array:
    """Return the logins that active users have, or get by their own rows."""
    return pa.concat_arrays(
        [
            t.filter(pc.equal(t["status"], "active"))["login"].drop_null().combine_chunks()
            for t in (stored, desired)
        ]
    )


def find_kept_inactive(valid: pa.Table, quarantined: pa.Table, roster: Roster) -> pa.Array:
    """Return users that a role alone no longer brings back, because a row says that they are gone.

    A row that was withheld because its user has no role may have said so too: its values are lost,
    so it is no permission to come back.

    Args:
        valid: Valid rows of users.csv.
        quarantined: Rows with errors.
        roster: The site's roster.
    """
    gone = valid.filter(pc.or_(is_going(valid), is_disabled(valid)))["sourcedId"]
    unseen = quarantined.filter(quarantined["withheld"])["sourcedId"]
    named = pa.concat_arrays([gone.combine_chunks(), unseen.combine_chunks()])
    return roster.lost_role.filter(pc.is_in(roster.lost_role, named))


def users_of_new_roles(
    before: pa.Table, after: pa.Table, broken: pa.Table, named: pa.Array
) -> pa.Array:
    """Return the sourcedIds of users with changed roles but without a row in users.csv.

    A user with a broken row of roles.csv stays unchanged. While a broken row may be any user's, no
    user loses the last role.

    Args:
        before: The remembered roles.
        after: The merged roles.
        broken: Rows of roles.csv with errors.
        named: sourcedIds of the users with rows of their own in the package.
    """
    moved = link_changes("roles", before, after)
    touched = pa.concat_arrays(
        [
            moved["roles"]["sourced_id"].combine_chunks(),
            moved["roles.gone"]["sourced_id"].combine_chunks(),
        ]
    )
    users = pa.concat_arrays(
        [
            t.filter(pc.is_in(t["sourced_id"], touched))["user_sourced_id"].combine_chunks()
            for t in (before, after)
        ]
    )
    at = positions(broken["sourcedId"], before["sourced_id"])
    whose = pc.coalesce(broken["userSourcedId"], before["user_sourced_id"].take(at))
    left_alone = pa.concat_arrays([named, whose.drop_null().combine_chunks()])
    if whose.null_count:
        staff = after["user_sourced_id"].combine_chunks()
        left_alone = pa.concat_arrays([left_alone, users.filter(pc.invert(pc.is_in(users, staff)))])
    users = pc.unique(users.drop_null())
    return users.filter(pc.invert(pc.is_in(users, left_alone)))


def user_changes(
    desired: pa.Table,
    valid: pa.Table,
    quarantined: pa.Table,
    mode: Mode,
    roster: Roster,
    *,
    adopt: bool,
    second: pa.Array,
) -> pa.Table:
    """Return the changes to users, sorted by sourcedId.

    Args:
        desired: Users as `desired_users` returns them.
        valid: Valid rows of users.csv.
        quarantined: Rows with errors, whose records stay unchanged.
        mode: Mode of users.csv.
        roster: The site's roster.
        adopt: Whether matched accounts made by hand are managed from now on, whether this package
            or an earlier one linked them.
        second: sourcedIds of users whose primary roles are all not of staff.
    """
    stored = roster.users
    at = positions(desired["sourced_id"], stored["sourced_id"])
    accounts = _adoptable(stored)
    known_by_login = pc.is_in(
        desired["sourced_id"], recognisable(valid)["sourcedId"].combine_chunks()
    )
    account = positions(desired["login"], accounts["login"])
    account = pc.if_else(known_by_login, account, pa.scalar(None, account.type))
    # The sourcedId goes before the login: a known user is not linked to a second account.
    account = pc.if_else(pc.is_null(at), account, pa.scalar(None, account.type))
    known, before = desired.filter(pc.is_valid(at)), stored.take(at.drop_null())
    parts = [
        _adds(desired.filter(pc.and_(pc.is_null(at), pc.is_null(account)))),
        _adoptions(desired, accounts, account, roster.credited_admin, adopt=adopt),
        _matched(known, before, roster.credited_admin, second),
        _departures(valid, quarantined, mode, roster),
    ]
    # Not part of `_matched`, which changes managed records only.
    if adopt:
        parts.append(_late_adoptions(known, before, roster.credited_admin))
    return in_order(pa.concat_tables(parts), "sourced_id")


def _adds(desired: pa.Table) -> pa.Table:
    blank = change_schema(USER_FIELDS)
    nothing = pa.table(
        {
            name: pa.nulls(desired.num_rows, blank.field(f"after_{name}").type)
            for name in ("sourced_id", *USER_FIELDS, "status", "managed")
        }
    ).append_column("id", pa.nulls(desired.num_rows, pa.int64()))
    after = _after(desired) | {"managed": pa.repeat(True, desired.num_rows)}
    return changes(USER_FIELDS, nothing, after, "add", PRESENT, desired["row"])


def _adoptions(
    desired: pa.Table, accounts: pa.Table, account: pa.ChunkedArray, admin: int, *, adopt: bool
) -> pa.Table:
    """Link accounts made by hand to their sourcedId; with `adopt`, update their fields as well."""
    desired = desired.filter(pc.is_valid(account))
    before = accounts.take(account.drop_null())
    theirs = pc.and_(pc.not_equal(before["id"], admin), pa.scalar(adopt))
    after = {
        name: pc.if_else(theirs, value, before[name]) if name != "sourced_id" else value
        for name, value in _after(desired).items()
    }
    after["managed"] = theirs
    return changes(USER_FIELDS, before, after, "adopt", _SAME_LOGIN, desired["row"])


def _late_adoptions(desired: pa.Table, before: pa.Table, admin: int) -> pa.Table:
    """Manage accounts that an earlier run only linked, with the fields of their rows."""
    theirs = pc.and_(pc.invert(before["managed"]), pc.not_equal(before["id"], admin))
    desired, before = desired.filter(theirs), before.filter(theirs)
    after = _after(desired) | {"managed": pa.repeat(True, desired.num_rows)}
    leaves = pc.and_(pc.equal(before["status"], "active"), pc.equal(desired["status"], "inactive"))
    # No adoption, so that the guards count it as a removal.
    action = pc.if_else(leaves, "deactivate", "adopt")
    reason = pc.if_else(leaves, DISABLED, _LINKED)
    return changes(USER_FIELDS, before, after, action, reason, desired["row"])


def _matched(desired: pa.Table, before: pa.Table, admin: int, second: pa.Array) -> pa.Table:
    ours = pc.and_(before["managed"], pc.not_equal(before["id"], admin))
    moved = differs(desired["status"], before["status"])
    for name in COMPARED_OF_USERS:
        moved = pc.or_(moved, differs(desired[name], before[name]))
    chosen = pc.and_(ours, moved)
    desired, before = desired.filter(chosen), before.filter(chosen)
    leaves = pc.and_(pc.equal(before["status"], "active"), pc.equal(desired["status"], "inactive"))
    coming = pc.and_(pc.equal(before["status"], "inactive"), pc.equal(desired["status"], "active"))
    action = pc.case_when(pc.make_struct(leaves, coming), "deactivate", "reactivate", "update")
    # A user who leaves without a row of users.csv has lost the last role.
    by_role = pc.is_null(desired["row"])
    lost = pc.if_else(pc.is_in(desired["sourced_id"], second), NOT_PRIMARY, NO_ROLE)
    why = pc.if_else(by_role, lost, DISABLED)
    reason = pc.if_else(leaves, why, pc.if_else(pc.and_(coming, by_role), ROLE_BACK, PRESENT))
    return changes(USER_FIELDS, before, _after(desired), action, reason, desired["row"])


def _departures(valid: pa.Table, quarantined: pa.Table, mode: Mode, roster: Roster) -> pa.Table:
    """Deactivate users that a bulk file lacks or a row marks, unless a broken row may be theirs."""
    stored = roster.users
    ours = pc.and_(stored["managed"], pc.not_equal(stored["id"], roster.credited_admin))
    ours = pc.and_(ours, pc.equal(stored["status"], "active"))
    marked, absent = find_removed("users", stored, valid, quarantined, mode)
    before = stored.filter(pc.and_(ours, pc.or_(marked, absent)))
    rows = removed_rows(valid)
    at = positions(before["sourced_id"], rows["sourcedId"])
    goes = rows["goes"].take(at)
    reason = pc.if_else(pc.is_valid(at), MARKED, ABSENT)
    for why, text in (
        (decision_table.NO_STAFF, NO_STAFF),
        (decision_table.NOT_PRIMARY, NOT_PRIMARY),
    ):
        # if_else returns null where the condition is null, and `goes` is null for an absent user.
        reason = pc.if_else(pc.fill_null(pc.equal(goes, why), False), text, reason)
    after = {"status": pa.repeat("inactive", before.num_rows)}
    return changes(USER_FIELDS, before, after, "deactivate", reason, rows["row"].take(at))


def _adoptable(stored: pa.Table) -> pa.Table:
    """Return the accounts without a sourcedId, the active ones first."""
    accounts = stored.filter(
        pc.and_(pc.is_null(stored["sourced_id"]), pc.is_valid(stored["login"]))
    )
    # `positions` finds the first account of a login, and the text `active` sorts before `inactive`.
    return accounts.sort_by([("status", "ascending"), ("id", "ascending")])


def _after(desired: pa.Table) -> dict[str, pa.ChunkedArray | pa.Array]:
    return {name: desired[name] for name in ("sourced_id", *USER_FIELDS, "status")}


def to_platform_roles(roles: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the platform's role for each role of the standard; null stays null."""
    at = pc.index_in(roles, pa.array(list(PLATFORM_ROLE)))
    return pc.take(pa.array(list(PLATFORM_ROLE.values())), at)


def sort_lists(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return comma-separated cells with their parts sorted, so that order does not matter."""
    known = pc.unique(cells)
    ordered = [_sorted_list(cell) for cell in known.to_pylist()]
    return pc.take(pa.array(ordered, pa.string()), pc.index_in(cells, known))


def _sorted_list(cell: str | None) -> str | None:
    parts = {part.strip() for part in (cell or "").split(",")} - {""}
    return ",".join(sorted(parts)) or None


def fold_roles(roles: pa.Table) -> pa.Table:
    """Return one row for each user: the highest-ranked primary role, and the orgs of all roles."""
    known = pa.array(list(PLATFORM_ROLE))
    rank = pc.add(
        pc.fill_null(pc.index_in(roles["role"], known), len(PLATFORM_ROLE) - 1),
        # More than there are roles: any primary role goes before any secondary one.
        pc.if_else(pc.equal(pc.fill_null(roles["role_type"], "secondary"), "primary"), 0, 100),
    )
    table = pa.table(
        {
            "user_sourced_id": roles["user_sourced_id"],
            "rank": rank,
            "org": roles["org_sourced_id"],
        }
    )
    grouped = table.group_by("user_sourced_id", use_threads=False).aggregate(
        [
            ("rank", "min"),
            ("org", "distinct"),
        ]
    )
    # binary_join returns null for a list with a null, so blank orgs are left out in Python.
    orgs = [",".join(filter(None, ids)) for ids in grouped["org_distinct"].to_pylist()]
    ranks = pc.if_else(
        pc.greater_equal(grouped["rank_min"], 100),
        pc.subtract(grouped["rank_min"], 100),
        grouped["rank_min"],
    )
    platform = pa.array(list(PLATFORM_ROLE.values()))
    joined = pa.chunked_array([pa.array(orgs, pa.string())])
    return pa.table(
        {
            "user_sourced_id": grouped["user_sourced_id"],
            "role": pc.take(platform, ranks),
            "org_sourced_ids": sort_lists(joined),
        }
    )
