"""Read mappings: ids.csv changes sourcedIds, links.csv matches accounts with sourcedIds.

People write these files by hand, or edit the report of an account matching and upload it. The files
are therefore small and read strictly: a row that can't be read is left out, and a file with another
header is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Severity
from oneroster_sync.findings.csv_export import unmarked
from oneroster_sync.settings import MIB, Limits
from oneroster_sync.sources.digest import sha256_of
from oneroster_sync.stages.extract.archive import PackageFile, RefusedError, open_package
from oneroster_sync.stages.extract.csv_table import read_header, read_table
from oneroster_sync.stages.extract.dialect import Dialect
from oneroster_sync.stages.extract.headers import check_delimiter
from oneroster_sync.stages.extract.package import Extracted, refusing
from oneroster_sync.stages.extract.repairs import Repairs
from oneroster_sync.standard import Column, File, Need, Version
from oneroster_sync.standard.kinds import MAPPINGS, Kind
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from pathlib import Path

    from oneroster_sync.findings import Findings
    from oneroster_sync.sites.preferences import Profile

KINDS = ("user", "course")
"""Values of the column `kind` of ids.csv."""
LIMITS = Limits(unpacked=64 * MIB)
"""Size limits of a mapping file."""

_LONGEST = 255
_NOT_REPORTED = {"schema.column_order", "schema.unknown_column"}
"""Findings of a header that are not reported: columns are read by name, others are notes."""


def read_mapping(
    path: Path, kind: Kind, profile: Profile, *, sha256: str | None = None
) -> Extracted:
    """Read a mapping file.

    The table's column `sourcedId` holds the old sourcedIds of ids.csv. A row that is broken by
    itself has the code of its first error as `flaw`.

    Args:
        path: A local CSV file that is no longer written to.
        kind: One of `MAPPINGS`.
        profile: In strict, every violation refuses the file.
        sha256: Hash of its bytes, if known already.

    Returns:
        One table, named by the kind, and all findings. An unusable file is `refused`.

    Raises:
        OSError: The file system failed.
    """
    # A delta, because a record that a mapping does not name stays as it is.
    extracted = Extracted(
        sha256_of(path) if sha256 is None else sha256, modes={kind.value: Mode.DELTA}
    )
    with refusing(extracted, profile), open_package(path, LIMITS) as package:
        (file,) = package.files.values()
        _read(PackageFile(kind.value, package, file.member), kind, profile, extracted)
    return extracted


def _read(source: PackageFile, kind: Kind, profile: Profile, extracted: Extracted) -> None:
    name, findings = f"{kind}.csv", extracted.findings
    check_delimiter(read_header(source, LIMITS.line), name)
    repairs = Repairs(name, Mode.DELTA, profile)
    table, rows, noticed = read_table(
        source, _file(kind), profile, repairs.apply, LIMITS.line, Dialect()
    )
    noticed = [finding for finding in noticed if finding.code not in _NOT_REPORTED]
    if lacking := [finding for finding in noticed if finding.severity is Severity.ERROR]:
        raise RefusedError(*lacking)
    findings.extend(noticed)
    findings.extend(repairs.findings())
    if rows == 0:
        findings.add(Finding("table.no_rows", Severity.WARNING, name))
    table = table.rename_columns([_column(header) for header in table.column_names])
    if kind is Kind.LINKS:
        for column in MAPPINGS[kind]:
            table = _with_column(table, column, _unmarked(table[column]))
    extracted.tables[kind.value] = _judged(table, kind, findings)
    extracted.rows[kind.value] = rows


def _file(kind: Kind) -> File:
    columns = (
        Column(name, name, Need.ESSENTIAL, read=True, is_list=False) for name in MAPPINGS[kind]
    )
    return File(kind.value, Version.V1_1, tuple(columns))


def _column(header: str) -> str:
    """Return the table's name for a header's column."""
    return "sourcedId" if header == "oldSourcedId" else header


def _unmarked(cells: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Return cells without the mark against spreadsheet formulas."""
    if not pc.any(pc.starts_with(cells, "'")).as_py():
        return cells
    return pa.array([unmarked(cell) for cell in cells.to_pylist()], pa.string())


def _judged(table: pa.Table, kind: Kind, findings: Findings) -> pa.Table:
    """Record the first error of each row as its flaw and as a finding."""
    for code in pc.unique(table["flaw"]).drop_null().to_pylist():
        findings.add_table(
            mapping_findings(table.filter(pc.equal(table["flaw"], code)), kind, code)
        )
    for header in MAPPINGS[kind]:
        cells = table[_column(header)]
        blank = pc.is_null(cells)
        if kind is Kind.LINKS:
            # A row of links.csv without a sourcedId links nothing; the caller handles it.
            blank = pc.and_(pc.is_valid(table["sourcedId"]), blank)
        long = pc.greater(pc.utf8_length(cells), _LONGEST)
        for wrong, code, expected in (
            (blank, "row.missing_required_value", "a value"),
            (long, "row.too_long", f"at most {_LONGEST} characters"),
        ):
            table = _flawed(table, kind, findings, wrong, code, header, expected)
    if kind is Kind.IDS:
        other = pc.invert(pc.is_in(table["kind"], pa.array(KINDS)))
        expected = " or ".join(KINDS)
        return _flawed(table, kind, findings, other, "row.invalid_enum", "kind", expected)
    return table


def _flawed(
    table: pa.Table,
    kind: Kind,
    findings: Findings,
    wrong: pa.ChunkedArray,
    code: str,
    header: str,
    expected: str,
) -> pa.Table:
    """Record one kind of error for the rows that have no flaw yet."""
    wrong = pc.and_(pc.fill_null(wrong, False), pc.is_null(table["flaw"]))
    findings.add_table(mapping_findings(table.filter(wrong), kind, code, header, expected))
    return _with_column(table, "flaw", pc.if_else(wrong, code, table["flaw"]))


def mapping_findings(
    rows: pa.Table, kind: Kind, code: str, header: str | None = None, expected: str | None = None
) -> pa.Table:
    """Return one error for each row of a mapping."""
    count = rows.num_rows
    error, file = Severity.ERROR.value, f"{kind}.csv"
    constants = {
        "code": code,
        "severity": error,
        "file": file,
        "column": header,
        "expected": expected,
    }
    return pa.table(
        {
            **{
                name: pa.repeat(pa.scalar(text, pa.string()), count)
                for name, text in constants.items()
            },
            "row": rows["row"],
            "sourced_id": rows["sourcedId"],
            "rows": pa.repeat(1, count),
        }
    )


def _with_column(table: pa.Table, name: str, values: pa.ChunkedArray | pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)
