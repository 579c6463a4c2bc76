"""Fold the files of several packages into one: choose the row that counts for each sourcedId.

Pending deltas are folded with the deltas that follow them. For each file and sourcedId the row with
the newest dateLastModified counts; a row without dateLastModified counts by the arrival time of its
package. A bulk file replaces all earlier files, and later deltas amend it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.columns import COURSES, LINK_FIELDS, USERS
from oneroster_sync.roster.records import positions, put
from oneroster_sync.stages.extract.links import active_rows
from oneroster_sync.standard.modes import Mode
from oneroster_sync.standard.timestamps import in_utc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oneroster_sync.roster.model import Roster

# More than any file has lines; an int64 has room for 8 million parts.
STRIDE = 1 << 40
"""Difference between the row numbers of two parts.

Findings refer to rows by number, so the numbers must differ between parts. The newest part keeps
the row numbers of its file.
"""
_STORED = {
    # The roster stores roles in its own words, and every file has that column.
    "users": {field.source: field.name for field in USERS if field.name != "role"},
    "courses": {field.source: field.name for field in COURSES},
    **{
        name: {source: column for column, source in columns.items() if source}
        for name, columns in LINK_FIELDS.items()
    },
}
"""File → column of the standard → column of the roster."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of one package.

    Attributes:
        number: Number of its package: 0 is the newest, larger numbers are older.
        arrived_at: Arrival time of its package, as `in_utc` writes it.
        mode: Bulk or delta.
        table: Its rows, as extract writes them.
    """

    number: int
    arrived_at: str
    mode: Mode
    table: pa.Table


def part_of(rows: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the number of the part that each row number belongs to."""
    return pc.divide(rows, STRIDE)


def row_in_file(rows: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return row numbers of the newest package's file; null for rows of an older package."""
    return pc.if_else(pc.less(rows, STRIDE), rows, pa.scalar(None, pa.int64()))


def rows_in_files(rows: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """Return `row_in_file` of each file's row numbers."""
    return {file: row_in_file(numbers) for file, numbers in rows.items()}


def fold(file: str, parts: Sequence[Part], roster: Roster | None) -> tuple[pa.Table, Mode]:
    """Return the rows of a file that count, and the resulting mode.

    Args:
        file: Name of the file, without `.csv`.
        parts: The same file of several packages, the oldest first; at least one.
        roster: The site's roster, for columns that only some parts have; not needed for one part.
    """
    bulk = max((at for at, part in enumerate(parts) if part.mode is Mode.BULK), default=None)
    base, deltas = None, list(parts)
    if bulk is not None:
        base, deltas = parts[bulk], list(parts[bulk + 1 :])
    tables = [_numbered(part) for part in deltas]
    if base is not None:
        tables = [_numbered(base), *tables]
    if len(tables) == 1:
        return tables[0], parts[-1].mode
    assert roster is not None
    tables = _with_all_columns(file, tables, roster)
    newest = _newest(deltas, tables[-len(deltas) :])
    if base is None:
        return newest, Mode.DELTA
    ids = newest["sourcedId"].drop_null().combine_chunks()
    kept = tables[0].filter(pc.invert(pc.is_in(tables[0]["sourcedId"], ids)))
    # A row that goes is left out: in a bulk file absence removes the record.
    return pa.concat_tables([kept, active_rows(newest)]), Mode.BULK


def _numbered(part: Part) -> pa.Table:
    offset = part.number * STRIDE
    return put(part.table, "row", pc.add(part.table["row"], offset)) if offset else part.table


def _newest(parts: Sequence[Part], tables: Sequence[pa.Table]) -> pa.Table:
    """Return for each sourcedId all rows of the part with the newest row.

    If that part has a sourcedId twice, both rows are returned, so that the duplicate is reported.
    """
    moments = [
        pc.fill_null(in_utc(table["dateLastModified"]), part.arrived_at)
        for part, table in zip(parts, tables, strict=True)
    ]
    frame = pd.DataFrame(
        {
            "id": pd.concat([table["sourcedId"].to_pandas() for table in tables]).to_numpy(),
            "moment": pa.concat_arrays(moments).to_pandas().to_numpy(),
            "at": [at for at, table in enumerate(tables) for _ in range(table.num_rows)],
        }
    )
    # Rows are compared by time of change, then by the order of arrival.
    last = (
        frame.dropna(subset=["id"]).sort_values(["moment", "at"]).drop_duplicates("id", keep="last")
    )
    winner = frame["id"].map(last.set_index("id")["at"])
    counts = frame["id"].isna() | (winner == frame["at"])
    return pa.concat_tables(tables).filter(pa.array(counts.to_numpy()))


def _with_all_columns(file: str, tables: Sequence[pa.Table], roster: Roster) -> list[pa.Table]:
    """Fill the columns that only some of the files have, and list the columns that no file has.

    A missing column leaves its values unchanged: they are taken from another part, or else from the
    roster.
    """
    missing = [_missing(table) for table in tables]
    everywhere = set.intersection(*missing)
    filled = []
    for table, lacks in zip(tables, missing, strict=True):
        full = table
        for column in sorted(lacks - everywhere):
            values = _stored_value(file, table["sourcedId"], column, roster)
            # The newest part comes last, so its value is used before that of an older part.
            for other, others in zip(tables, missing, strict=True):
                if column not in others:
                    theirs = other[column].take(positions(table["sourcedId"], other["sourcedId"]))
                    values = pc.coalesce(theirs, values)
            # A flawed row has no values, and must not get those of another row.
            full = put(full, column, pc.if_else(pc.is_null(table["flaw"]), values, None))
        filled.append(full)
    meta = {"missing": ",".join(sorted(everywhere))}
    return [table.replace_schema_metadata(meta) for table in filled]


def _missing(table: pa.Table) -> set[str]:
    meta = table.schema.metadata or {}
    return set(filter(None, meta.get(b"missing", b"").decode().split(",")))


def _stored_value(file: str, ids: pa.ChunkedArray, column: str, roster: Roster) -> pa.Array:
    records = {"users": roster.users, "courses": roster.courses, **roster.links}
    name = _STORED.get(file, {}).get(column)
    if name is None or file not in records:
        return pa.nulls(len(ids), pa.string())
    stored = records[file]
    return stored[name].take(positions(ids, stored["sourced_id"]))


def with_rows_of_file(table: pa.Table) -> pa.Table:
    """Return changes or findings with `row_in_file` as their row numbers."""
    at = table.column_names.index("row")
    return table.set_column(at, table.schema.field(at), row_in_file(table["row"]))
