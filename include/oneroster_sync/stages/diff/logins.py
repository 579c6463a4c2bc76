"""Resolve login conflicts: a row may not take the e-mail address of a user who keeps it.

The suite finds two rows of one package with one address. This module compares a row with the other
active users of the roster that stay: in a conflict, the row and its enrollments are quarantined. A
row without an address leaves the user's address unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Severity
from oneroster_sync.roster.records import positions, put
from oneroster_sync.stages.extract.decision_table import claims_login, is_disabled, is_going
from oneroster_sync.stages.extract.links import find_removed

if TYPE_CHECKING:
    from oneroster_sync.roster.model import Roster
    from oneroster_sync.standard.modes import Mode


def with_known_logins(rows: pa.Table, quarantined: pa.Table, stored: pa.Table) -> pa.Table:
    """Give rows without an e-mail address the stored one, unless another row takes it.

    A blank cell is usually a mistake, and not the intention that the person can't log in.

    Args:
        rows: Valid rows of users.csv.
        quarantined: Rows with errors.
        stored: The site's users.
    """
    before = stored.take(positions(rows["sourcedId"], stored["sourced_id"]))
    claimed = pa.concat_arrays([claimed_logins(t) for t in (rows, quarantined)])
    # A disabled user holds no login, so two rows may then have the same one.
    free = pc.or_(pc.invert(pc.is_in(before["login"], claimed)), is_disabled(rows))
    kept = pc.and_(pc.is_null(rows["login"]), free)
    for name in ("email", "login"):
        rows = put(rows, name, pc.if_else(kept, before[name], rows[name]))
    return rows


def claimed_logins(rows: pa.Table) -> pa.Array:
    """Return the logins that rows of users.csv claim."""
    return rows["login"].filter(claims_login(rows)).combine_chunks()


def recognisable(rows: pa.Table) -> pa.Table:
    """Return the rows that a login may identify, one row for each login.

    A disabled row claims no login; it counts only if no other row has its login.
    """
    rows = rows.filter(pc.and_(pc.is_valid(rows["login"]), pc.invert(is_going(rows))))
    claims = claims_login(rows)
    claimed = rows["login"].filter(claims).combine_chunks()
    counts = pc.value_counts(rows["login"].combine_chunks())
    once = counts.field("values").filter(pc.equal(counts.field("counts"), 1))
    alone = pc.and_not(pc.is_in(rows["login"], once), pc.is_in(rows["login"], claimed))
    return rows.filter(pc.or_(claims, alone))


def taken_logins(
    valid: pa.Table,
    quarantined: pa.Table,
    mode: Mode,
    roster: Roster,
    *,
    without_role: pa.Array | None = None,
    adopt: bool = False,
) -> pa.Array:
    """Return the sourcedIds of rows whose login another user keeps.

    A refused row keeps its old login, which another row may want. So repeat until no further row is
    refused (fixed point).

    Args:
        valid: Valid rows of users.csv.
        quarantined: Rows with errors.
        mode: Mode of users.csv.
        roster: The site's roster.
        without_role: sourcedIds of users who lose their last role, and so their login.
        adopt: Whether linked accounts get the values of their rows from now on.
    """
    stored = roster.users
    active = pc.equal(stored["status"], "active")
    mine = pc.and_(stored["managed"], pc.not_equal(stored["id"], roster.credited_admin))
    marked, absent = find_removed("users", stored, valid, quarantined, mode)
    disabled = valid.filter(is_disabled(valid))["sourcedId"].combine_chunks()
    if without_role is not None:
        disabled = pa.concat_arrays([disabled, without_role])
    marked = pc.or_(marked, pc.is_in(stored["sourced_id"], disabled))
    leaves = pc.or_(marked, absent)
    keeps = pc.and_(active, pc.invert(pc.and_(mine, leaves)))
    if adopt:
        # A linked account gets its row's login as well, so it no longer keeps the one that it has.
        others = pc.and_(
            pc.not_equal(stored["id"], roster.credited_admin),
            pc.invert(marked),
        )
        mine = pc.or_(mine, others)
    refused = pa.array([], pa.string())
    while True:
        trusted = valid.filter(pc.invert(pc.is_in(valid["sourcedId"], refused)))
        moved = pc.and_(mine, pc.is_in(stored["sourced_id"], trusted["sourcedId"].combine_chunks()))
        holders = stored.filter(pc.and_(keeps, pc.invert(moved)))
        # A row without a login releases the user's stored login, and claims none.
        trusted = trusted.filter(claims_login(trusted))
        at = positions(trusted["login"], holders["login"])
        holder = holders["sourced_id"].take(at)
        own = pc.fill_null(pc.equal(holder, trusted["sourcedId"]), False)
        matched = pc.is_valid(positions(trusted["sourcedId"], stored["sourced_id"]))
        # The holder has no sourcedId: it is an account made by hand, which the plan links to this
        # row.
        adopts = pc.and_(pc.is_null(holder), pc.invert(matched))
        clash = pc.and_(pc.is_valid(at), pc.invert(pc.or_(own, adopts)))
        found = trusted.filter(clash)["sourcedId"].combine_chunks()
        if not len(found):
            return refused
        refused = pa.concat_arrays([refused, found])


def quarantine(
    tables: dict[str, pa.Table], bad: dict[str, pa.Table], name: str, rows: pa.ChunkedArray
) -> pa.Table:
    """Move rows of a file from the valid to the quarantined rows, and return them."""
    moved = tables[name].filter(rows)
    tables[name] = tables[name].filter(pc.invert(rows))
    bad[name] = pa.concat_tables([bad[name], moved])
    return moved


def as_findings(
    rows: pa.Table,
    name: str,
    code: str,
    column: str,
    expected: str,
    *,
    target_file: str | None = None,
) -> pa.Table:
    """Return one error for each row; with `target_file`, the error is about the row's target."""
    count = rows.num_rows
    target = rows[column] if target_file else pa.nulls(count, pa.string())
    return pa.table(
        {
            "code": pa.repeat(code, count),
            "severity": pa.repeat(Severity.ERROR.value, count),
            "file": pa.repeat(f"{name}.csv", count),
            "row": rows["row"],
            "column": pa.repeat(column, count),
            "sourced_id": rows["sourcedId"],
            "expected": pa.repeat(expected, count),
            "rows": pa.repeat(1, count),
            "target_file": pa.repeat(pa.scalar(target_file, pa.string()), count),
            "target": target,
        }
    )
