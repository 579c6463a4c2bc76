"""Causes: findings that are mended together, so that ten thousand of them read as one."""

from __future__ import annotations

import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("code", pa.string()),
        ("severity", pa.string()),
        ("file", pa.string()),
        ("column", pa.string()),
        ("expected", pa.string()),
        ("findings", pa.int64()),
        ("rows", pa.int64()),
        ("first_row", pa.int64()),
    ]
)


def causes_of(findings: pa.Table) -> pa.Table:
    """Group findings by what has to be mended.

    Args:
        findings: Of one run, with the columns of `model.SCHEMA`.

    Returns:
        One row for each cause, with the columns of `SCHEMA`: errors first, then what touches the
        most rows.
    """
    keys = ["code", "severity", "file", "column", "expected"]
    grouped = findings.group_by(keys).aggregate(
        [("code", "count"), ("rows", "sum"), ("row", "min")]
    )
    named = grouped.rename_columns(
        {"code_count": "findings", "rows_sum": "rows", "row_min": "first_row"}
    )
    order = [("severity", "ascending"), ("rows", "descending")]
    order += [(key, "ascending") for key in ("code", "file", "column", "expected")]
    return named.select(SCHEMA.names).cast(SCHEMA).sort_by(order)
