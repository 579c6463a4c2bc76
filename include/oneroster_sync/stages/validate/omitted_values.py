"""Leave wrong values out of rows: a value that does not matter does not cost its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import SCHEMA
from oneroster_sync.stages.extract.csv_table import leave_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneroster_sync.stages.validate.targets import Target

FOUND = SCHEMA.append(pa.field("effect", pa.string()))
"""Schema of findings with the effect of their expectation."""
_REFERS = "expect_column_values_to_refer_to"
_COMES_FROM = {"email": "login"}
"""Column → a column that is derived from it and left out with it."""


def without_values(
    rows: pa.Table, found: pa.Table, suite: Mapping[str, Any], targets: Mapping[str, Target]
) -> pa.Table:
    """Leave out the values of rows whose expectations have the effect `value`.

    In a list of sourcedIds, those that are accepted stay.

    Args:
        rows: Valid rows of one file.
        found: Findings about the file, schema `FOUND`.
        suite: The suite, as `load_suite` returns it.
        targets: File → the records that references may point to.
    """
    odd = found.filter(pc.equal(found["effect"], "value"))
    for column in pc.unique(odd["column"]).to_pylist():
        if column not in rows.column_names:
            continue
        of_column = odd.filter(pc.equal(odd["column"], column))["row"].combine_chunks()
        chosen = pc.is_in(rows["row"], of_column)
        if not pc.any(chosen).as_py():
            continue
        rows = leave_out(rows, column, chosen, _accepted_ids(rows[column], column, suite, targets))
        made = _COMES_FROM.get(column)
        if made is not None and made in rows.column_names:
            nothing = pa.nulls(rows.num_rows, pa.string())
            rows = leave_out(rows, made, chosen, nothing)
    return rows


def _accepted_ids(
    cells: pa.ChunkedArray, column: str, suite: Mapping[str, Any], targets: Mapping[str, Target]
) -> pa.ChunkedArray | pa.Array:
    """Return the accepted sourcedIds of each cell that is a list; null for other cells."""
    asked = [
        (targets[kwargs["file"]], kwargs["state"])
        for one in suite["expectations"]
        if one["type"] == _REFERS
        and (kwargs := one["kwargs"])["column"] == column
        and kwargs.get("lists")
        and kwargs["file"] in targets
    ]
    if not asked:
        return pa.nulls(len(cells), pa.string())
    # Few lists differ, so each is split once.
    distinct = cells.combine_chunks().dictionary_encode()
    split = pc.split_pattern(distinct.dictionary, ",")
    ids, of_cell = pc.utf8_trim_whitespace(pc.list_flatten(split)), pc.list_parent_indices(split)
    accepted = pc.not_equal(ids, "")
    for target, state in asked:
        accepted = pc.and_(accepted, target.accepts(ids, state))
    kept: dict[int, list[str]] = {}
    for at, one in zip(of_cell.filter(accepted), ids.filter(accepted), strict=True):
        kept.setdefault(at.as_py(), []).append(one.as_py())
    joined = [",".join(kept[at]) if at in kept else None for at in range(len(distinct.dictionary))]
    return pa.array(joined, pa.string()).take(distinct.indices)
