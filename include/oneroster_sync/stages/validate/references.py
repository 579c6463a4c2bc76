"""Repair references that are written differently from their sourcedIds, if one reading fits.

Spreadsheets drop leading zeros of numbers, and some systems separate lists by `;` or `|`. Only
references are repaired, never a record's own sourcedId, and each repair is one finding for a
column. A repair never depends on one value alone: see `find_lost_zeros`. Extract repairs the
references of roles.csv to users, because it has to know who is staff.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Findings, Severity
from oneroster_sync.stages.extract.repairs import find_lost_zeros
from oneroster_sync.standard import rostering_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from oneroster_sync.stages.validate.targets import Target
    from oneroster_sync.standard import Column, Version

_MISSING = "reference.missing_target_record"
_SEPARATORS = re.compile("[;|]")


def with_references(
    tables: Mapping[str, pa.Table],
    targets: Mapping[str, Target],
    version: Version,
    findings: Findings,
) -> dict[str, pa.Table]:
    """Return the rows of a package with repaired references.

    Args:
        tables: File → rows.
        targets: File → the records that references may point to.
        version: Version of the standard.
        findings: Receives a finding for each repair.
    """
    found = dict(tables)
    for name, table in tables.items():
        for column in _references(name, version):
            target = targets.get(column.target or "")
            if (
                target is None
                or not len(target.present)
                or column.canonical not in table.schema.names
            ):
                continue
            if column.is_list:
                found[name] = _with_commas(name, found[name], column, target, findings)
            found[name] = _with_zeros(name, found[name], column, target, findings)
    return found


def with_suggestions(
    found: pa.Table,
    table: pa.Table,
    name: str,
    version: Version,
    valid: Mapping[str, pa.Table],
    targets: Mapping[str, Target],
) -> pa.Table:
    """Return the findings, with a question whether a sourcedId with leading zeros was meant.

    Args:
        found: Findings about one file.
        table: Its rows.
        name: The file, without `.csv`.
        version: Version of the standard.
        valid: File → valid rows; only users among them are staff and may be named.
        targets: File → the records that references may point to.
    """
    dangling = pc.equal(found["code"], _MISSING)
    if not pc.any(dangling).as_py():
        return found
    expected = found["expected"].to_pylist()
    for column in _references(name, version):
        target = column.target or ""
        of_column = pc.and_(dangling, pc.equal(found["column"], column.canonical))
        at = pc.indices_nonzero(of_column)
        if target not in valid or not len(at):
            continue
        used = valid[target]["sourcedId"].combine_chunks()
        ids = pa.concat_arrays([used, targets[target].stored])
        rows = pc.index_in(found["row"].take(at), table["row"].combine_chunks())
        cells = table[column.canonical].take(rows).to_pylist()
        by_number = _by_number(ids)
        for place, cell in zip(at.to_pylist(), cells, strict=True):
            parts = [part.strip() for part in (cell or "").split(",")]
            meant = {by_number.get(part.lstrip("0")) for part in parts if part.isdecimal()} - {None}
            if meant:
                expected[place] = (
                    f"{expected[place]}; did you mean {', '.join(sorted(map(str, meant)))}?"
                )
    index = found.column_names.index("expected")
    return found.set_column(index, found.schema.field(index), pa.array(expected, pa.string()))


def _references(name: str, version: Version) -> list[Column]:
    file = rostering_file(name, version)
    return [column for column in file.read_columns if column.target] if file else []


def _with_commas(
    name: str, table: pa.Table, column: Column, target: Target, findings: Findings
) -> pa.Table:
    """Read `;` and `|` in a list as commas if every part is a known sourcedId."""
    cells = table[column.canonical]
    if not pc.any(pc.match_substring_regex(cells, "[;|]")).as_py():
        return table

    def in_commas(cell: str) -> str | None:
        whole = [part.strip() for part in cell.split(",") if part.strip()]
        parts = [part.strip() for part in _SEPARATORS.split(cell.replace(",", ";"))]
        parts = [part for part in parts if part]
        if not _SEPARATORS.search(cell) or _all_known(whole, target):
            return None
        return ",".join(parts) if parts and _all_known(parts, target) else None

    return _replaced(name, table, column, in_commas, "row.list_separator", findings)


def _with_zeros(
    name: str, table: pa.Table, column: Column, target: Target, findings: Findings
) -> pa.Table:
    """Restore the leading zeros of references that a spreadsheet dropped."""
    cells = table[column.canonical].drop_null()
    if not len(cells):
        return table
    # In a correct file the first value matches; a scan for one value is faster than hashing all.
    first = _parts(cells[0].as_py())[:1]
    if first and pc.index(target.present, first[0]).as_py() >= 0:
        return table
    parts = {part for cell in pc.unique(cells).to_pylist() for part in _parts(cell)}
    length = find_lost_zeros(pa.array(sorted(parts), pa.string()), target.present)
    if length is None:
        return table

    def with_zeros(cell: str) -> str:
        return ",".join(part.zfill(length) for part in _parts(cell))

    return _replaced(name, table, column, with_zeros, "reference.lost_zeros", findings)


def _replaced(
    name: str,
    table: pa.Table,
    column: Column,
    meant: Callable[[str], str | None],
    code: str,
    findings: Findings,
) -> pa.Table:
    cells = table[column.canonical].combine_chunks().dictionary_encode()
    read = [meant(cell) for cell in cells.dictionary.to_pylist()]
    repaired = pa.array(read, pa.string()).take(cells.indices)
    rows = table["row"].filter(pc.is_valid(repaired))
    if not len(rows):
        return table
    place = f"{name}.csv", pc.min(rows).as_py(), column.canonical
    findings.add(Finding(code, Severity.WARNING, *place, rows=len(rows)))
    at = table.column_names.index(column.canonical)
    return table.set_column(at, column.canonical, pc.coalesce(repaired, table[column.canonical]))


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(",") if part.strip()]


def _all_known(ids: list[str], target: Target) -> bool:
    return bool(pc.all(pc.is_in(pa.array(ids, pa.string()), target.present)).as_py())


def _by_number(ids: pa.Array) -> dict[str, str | None]:
    """Return number without leading zeros → the one sourcedId that it may mean, or None."""
    by_number: dict[str, str | None] = {}
    ids = pc.unique(ids)
    for one in ids.filter(pc.match_substring_regex(ids, "^0[0-9]+$")).to_pylist():
        number = one.lstrip("0")
        by_number[number] = None if number in by_number else one
    return by_number
