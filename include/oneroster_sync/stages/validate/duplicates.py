"""Remove repeated rows, and merge rows of one person that differ only in their orgs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Findings, Severity


def without_repetitions(name: str, table: pa.Table, findings: Findings) -> pa.Table:
    """Keep the first of identical rows, and merge rows of one person that differ in orgs only.

    Args:
        name: The file, without `.csv`.
        table: Its rows.
        findings: Receives a finding about the removed rows.
    """
    ids = table["sourcedId"]
    if pc.count_distinct(ids).as_py() + ids.null_count >= table.num_rows:
        return table
    frame = table.drop_columns(["row"]).to_pandas()
    # pandas, because `duplicated` compares all columns at once, and null equals null in it.
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
    """Merge rows of one person that differ only in their orgs into one row with all orgs.

    Grades and agents are never read, so rows that differ only in them are already identical
    here.
    """
    frame = users.drop_columns(["row", "orgSourcedIds"]).to_pandas()
    is_named = (frame["sourcedId"].notna() & frame["flaw"].isna()).to_numpy()
    same = frame.duplicated(keep=False).to_numpy() & is_named
    if not same.any():
        return users
    # If another row of the sourcedId differs otherwise, it is unknown which row is right.
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
