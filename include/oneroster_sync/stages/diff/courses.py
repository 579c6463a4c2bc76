"""Changes to courses, which are matched by sourcedId; only managed records change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.columns import COMPARED_OF_COURSES, COURSE_FIELDS, COURSES, change_schema
from oneroster_sync.roster.records import (
    ABSENT,
    MARKED,
    PRESENT,
    changes,
    differs,
    in_order,
    positions,
    row_of,
)
from oneroster_sync.stages.extract.csv_table import is_left_out
from oneroster_sync.stages.extract.links import active_rows, find_removed, removed_rows

if TYPE_CHECKING:
    from oneroster_sync.roster.model import Roster
    from oneroster_sync.standard.modes import Mode


def course_changes(valid: pa.Table, quarantined: pa.Table, mode: Mode, roster: Roster) -> pa.Table:
    """Return the changes to courses, sorted by sourcedId.

    Args:
        valid: Valid rows of courses.csv.
        quarantined: Rows with errors, whose records stay unchanged.
        mode: Mode of courses.csv.
        roster: The site's roster.
    """
    stored = roster.courses
    rows = active_rows(valid)
    at = positions(rows["sourcedId"], stored["sourced_id"])
    new, old = rows.filter(pc.is_null(at)), rows.filter(pc.is_valid(at))
    parts = [
        _adds(new),
        _matched(old, stored.take(at.drop_null())),
        _departures(valid, quarantined, mode, stored),
    ]
    return in_order(pa.concat_tables(parts), "sourced_id")


def _adds(rows: pa.Table) -> pa.Table:
    schema = change_schema(COURSE_FIELDS)
    count = rows.num_rows
    nothing = pa.table(
        {
            name: pa.nulls(count, schema.field(f"after_{name}").type)
            for name in ("sourced_id", *COURSE_FIELDS, "status", "managed")
        }
    ).append_column("id", pa.nulls(count, pa.int64()))
    after = _after(rows, nothing) | {"managed": pa.repeat(True, count)}
    return changes(COURSE_FIELDS, nothing, after, "add", PRESENT, rows["row"])


def _matched(rows: pa.Table, before: pa.Table) -> pa.Table:
    after = _after(rows, before)
    moved = differs(after["status"], before["status"])
    for name in COMPARED_OF_COURSES:
        moved = pc.or_(moved, differs(after[name], before[name]))
    chosen = pc.and_(before["managed"], moved)
    rows, before = rows.filter(chosen), before.filter(chosen)
    action = pc.if_else(pc.equal(before["status"], "removed"), "reactivate", "update")
    return changes(COURSE_FIELDS, before, _after(rows, before), action, PRESENT, rows["row"])


def _departures(valid: pa.Table, quarantined: pa.Table, mode: Mode, stored: pa.Table) -> pa.Table:
    ours = pc.and_(stored["managed"], pc.equal(stored["status"], "active"))
    marked, absent = find_removed("courses", stored, valid, quarantined, mode)
    leaves = pc.and_(ours, pc.or_(marked, absent))
    before = stored.filter(leaves)
    reason = pc.if_else(marked.filter(leaves), MARKED, ABSENT)
    after = {"status": pa.repeat("removed", before.num_rows)}
    row = row_of(removed_rows(valid), before["sourced_id"])
    return changes(COURSE_FIELDS, before, after, "remove", reason, row)


def _after(rows: pa.Table, before: pa.Table) -> dict[str, pa.ChunkedArray | pa.Array]:
    missing = (rows.schema.metadata or {}).get(b"missing", b"").decode().split(",")
    after = {
        field.name: before[field.name]
        if field.source in missing or field.source not in rows.column_names
        else pc.if_else(is_left_out(rows, field.source), before[field.name], rows[field.source])
        for field in COURSES
    }
    return {**after, "sourced_id": rows["sourcedId"], "status": pa.repeat("active", rows.num_rows)}
