"""Comparing records by sourcedId: the part that users and courses have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.columns import change_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

ABSENT = "absent from the file"
MARKED = "marked to be deleted"
NO_STAFF = "the role is no longer one of staff"
NO_ROLE = "no role of staff is left"
NOT_PRIMARY = "no primary role is one of staff"
ROLE_BACK = "a role of staff is back"
DISABLED = "enabledUser is false"
PRESENT = "in the package"


def differs(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    """Tell for each pair whether it differs; null equals null."""
    unequal = pc.fill_null(pc.not_equal(left, right), False)
    return pc.or_(unequal, pc.xor(pc.is_null(left), pc.is_null(right)))


def positions(ids: pa.ChunkedArray, among: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return where each id stands in `among`, null where it doesn't; null is nowhere."""
    return pc.index_in(ids, value_set=among.combine_chunks(), skip_nulls=True)


def row_of(rows: pa.Table, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the row of the file for each id, null for one that is not in it."""
    return rows["row"].take(positions(ids, rows["sourcedId"]))


def put(table: pa.Table, name: str, values: pa.ChunkedArray | pa.Array) -> pa.Table:
    """Return the table with one column replaced or appended."""
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, values)
    return table.append_column(name, values)


def changes(
    fields: tuple[str, ...],
    before: pa.Table,
    after: Mapping[str, pa.ChunkedArray | pa.Array],
    action: pa.ChunkedArray | pa.Array | str,
    reason: pa.ChunkedArray | pa.Array | str,
    row: pa.ChunkedArray | pa.Array | None = None,
) -> pa.Table:
    """Return changes as the plan holds them.

    Args:
        fields: Of users or courses.
        before: Stored records, nulls for a record that is new.
        after: What differs from `before`, column by column.
        action: One for all, or one for each.
        reason: One for all, or one for each.
        row: Row of the file.
    """
    count = before.num_rows

    def column(value: pa.ChunkedArray | pa.Array | str) -> pa.ChunkedArray | pa.Array:
        return pa.repeat(value, count) if isinstance(value, str) else value

    columns: dict[str, pa.ChunkedArray | pa.Array] = {
        "action": column(action),
        "id": before["id"],
        "sourced_id": after.get("sourced_id", before["sourced_id"]),
        "reason": column(reason),
        "row": pa.nulls(count, pa.int64()) if row is None else row,
    }
    for name in ("sourced_id", *fields, "status", "managed"):
        columns[f"before_{name}"] = before[name]
        columns[f"after_{name}"] = after.get(name, before[name])
    schema = change_schema(fields)
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def in_order(table: pa.Table, *keys: str) -> pa.Table:
    """Return the rows sorted, so that the same changes always stand in the same order."""
    ordered = table.sort_by([(key, "ascending") for key in keys])
    return ordered.combine_chunks()
