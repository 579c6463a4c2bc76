"""Rows that say the same twice, and several rows of one person that are one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Findings, Severity


def without_repetitions(name: str, table: pa.Table, findings: Findings) -> pa.Table:
    """Keep the first of rows that are the same in every value, and make one of those of one person.

    Args:
        name: The file, without `.csv`.
        table: Its rows.
        findings: Where to say what was left out.
    """
    ids = table["sourcedId"]
    if pc.count_distinct(ids).as_py() + ids.null_count >= table.num_rows:
        return table
    frame = table.drop_columns(["row"]).to_pandas()
    again = frame.duplicated() & frame["sourcedId"].notna()
    repeated = pa.array(again.to_numpy())
    rows = table["row"].filter(repeated)
    if len(rows):
        first = pc.min(rows).as_py()
        findings.add(
            Finding(
                "reference.repeated_row", Severity.WARNING, f"{name}.csv", first, rows=len(rows)
            )
        )
    table = table.filter(pc.invert(repeated))
    return _with_merged_people(table, findings) if "orgSourcedIds" in table.column_names else table


def _with_merged_people(users: pa.Table, findings: Findings) -> pa.Table:
    """Make one row of those of one person that differ in their orgs alone, with all of these.

    Grades and agents are never read, so that rows which differ in them have become the same before.
    """
    frame = users.drop_columns(["row", "orgSourcedIds"]).to_pandas()
    is_named = (frame["sourcedId"].notna() & frame["flaw"].isna()).to_numpy()
    same = frame.duplicated(keep=False).to_numpy() & is_named
    if not same.any():
        return users
    # One more row of that sourcedId that says something else, and nobody knows which is right.
    several = frame.drop_duplicates()["sourcedId"]
    contested = set(several[several.duplicated()])
    orgs: dict[str, list[str]] = {}
    first: dict[str, int] = {}
    cells = users["orgSourcedIds"].to_pylist()
    gone = np.zeros(len(frame), bool)
    for at in np.flatnonzero(same).tolist():
        who = frame["sourcedId"].iat[at]
        if who in contested:
            continue
        gone[at] = who in first
        first.setdefault(who, at)
        parts = [part.strip() for part in (cells[at] or "").split(",")]
        orgs.setdefault(who, []).extend(part for part in parts if part)
    if not gone.any():
        return users
    for who, at in first.items():
        cells[at] = ",".join(dict.fromkeys(orgs[who])) or None
    rows = users["row"].filter(pa.array(gone))
    place = "users.csv", pc.min(rows).as_py(), "orgSourcedIds"
    findings.add(Finding("reference.merged_rows", Severity.WARNING, *place, rows=len(rows)))
    column = users.column_names.index("orgSourcedIds")
    users = users.set_column(column, "orgSourcedIds", pa.array(cells, pa.string()))
    return users.filter(pa.array(~gone))
