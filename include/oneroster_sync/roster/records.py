"""Compare records by sourcedId, for users and courses alike."""

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
    """Compare two columns row by row and return a mask of the differences; null equals null.

    Arrow's `not_equal` returns null if a side is null, so nulls are compared separately.
    """
    unequal = pc.fill_null(pc.not_equal(left, right), False)
    return pc.or_(unequal, pc.xor(pc.is_null(left), pc.is_null(right)))


def positions(ids: pa.ChunkedArray, among: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the index of each id in `among`; null for a null id and for one not in `among`."""
    # Without skip_nulls index_in finds a null among the values: two records without an id would
    # match.
    return pc.index_in(ids, value_set=among.combine_chunks(), skip_nulls=True)


def row_of(rows: pa.Table, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the row number in the file for each id; null for an id that is not in the file."""
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
    """Return changes in the schema of the plan.

    Args:
        fields: Columns of users or of courses.
        before: Stored records, with nulls for a new record.
        after: Column → values, for the columns that differ from `before`.
        action: One for all records, or one for each.
        reason: One for all records, or one for each.
        row: Row numbers in the file.
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
    """Return the rows sorted by keys, so that the same changes always have the same hash."""
    ordered = table.sort_by([(key, "ascending") for key in keys])
    return ordered.combine_chunks()
