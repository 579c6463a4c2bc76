"""CSV into Arrow: only the columns that are read, only the rows that are kept.

The result has the canonical column names as text, blanks as null, and four columns of our own:
`row` (line of the file), `flaw` (a finding code when the row itself is broken; its values are then
withheld), `withheld` (the row may not be staff, so nothing but its sourcedId was kept) and `goes`
(why the row asks for its record to go, null when it does not; `verdicts`).
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from oneroster_sync.findings import Finding
from oneroster_sync.package.headers import match_header
from oneroster_sync.package.lines import blocks
from oneroster_sync.package.opening import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from oneroster_sync.package.lines import Block
    from oneroster_sync.package.opening import PackageFile
    from oneroster_sync.preferences import Profile
    from oneroster_sync.spec import File

    Keep = Callable[[pa.Table], pa.Table]

_BLANK = b"\r\n"
OWN = [
    pa.field("row", pa.int64()),
    pa.field("flaw", pa.string()),
    pa.field("withheld", pa.bool_()),
    pa.field("goes", pa.string()),
]


def snapshot_schema(file: File) -> pa.Schema:
    """Return the schema of a file's snapshot: the columns read, as text, and our own."""
    return pa.schema([pa.field(c.canonical, pa.string()) for c in file.read_columns] + OWN)


def read_header(source: PackageFile, line_limit: int) -> list[str]:
    """Return the header's cells.

    Raises:
        RefusedError: The file is empty or no CSV.
    """
    with source.open() as stream:
        for block in blocks(_Head(stream), f"{source.name}.csv", line_limit):
            return _header(block)
    raise RefusedError(Finding("table.missing_header", file=f"{source.name}.csv"))


def read_table(
    source: PackageFile, file: File, profile: Profile, keep: Keep, line_limit: int
) -> tuple[pa.Table, int, list[Finding]]:
    """Read a file's rows, passing each block through `keep` at once.

    Returns:
        The kept rows, how many rows the file has, and what was noticed about its header. The
        table's metadata names under `missing` the columns that the file does not have.

    Raises:
        RefusedError: The file can't be read as a whole.
    """
    name = f"{source.name}.csv"
    columns: dict[str, str] = {}
    header: list[str] = []
    findings: list[Finding] = []
    kept: list[pa.Table] = []
    rows = 0
    with source.open() as stream:
        for block in blocks(stream, name, line_limit):
            body = block
            if not header:
                header = _header(block)
                columns, findings = match_header(header, file, profile)
                body = _without_header(block)
            if body.rows.size:
                rows += body.rows.size
                kept.append(keep(_parse(body, header, columns, file)))
    if not header:
        raise RefusedError(Finding("table.missing_header", file=name))
    missing = ",".join(c.canonical for c in file.read_columns if c.canonical not in columns)
    table = pa.concat_tables([snapshot_schema(file).empty_table(), *kept])
    return table.replace_schema_metadata({"missing": missing}), rows, findings


def _parse(block: Block, header: list[str], columns: dict[str, str], file: File) -> pa.Table:
    broken: list[pacsv.InvalidRow] = []

    def skip(row: pacsv.InvalidRow) -> str:
        broken.append(row)
        return "skip"

    def parse(*, in_parallel: bool) -> pa.Table:
        broken.clear()
        return pacsv.read_csv(
            pa.BufferReader(block.data),
            pacsv.ReadOptions(
                use_threads=in_parallel,
                column_names=header,
                block_size=len(block.data) // (4 if in_parallel else 1) + (1 << 17),
            ),
            pacsv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=skip),
            pacsv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(columns.values(), pa.string()),
                include_columns=list(columns.values()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )

    table = parse(in_parallel=True)
    if broken:
        table = parse(in_parallel=False)
    numbers = np.delete(block.rows, [row.number - 1 for row in broken])
    flaws = np.full(len(numbers), None, dtype=object)
    if block.control.size:
        flaws[np.isin(numbers, block.rows[block.control])] = "row.invalid_character"
    arrays = {name: table[actual] for name, actual in columns.items()}
    own = {"row": numbers, "flaw": pa.array(flaws, pa.string())}
    parsed = _complete(pa.table({**arrays, **own}), file)
    parsed = _withhold_flawed(parsed)
    if not broken:
        return parsed
    ragged = [_ragged(row, int(block.rows[row.number - 1]), header, columns) for row in broken]
    return pa.concat_tables([parsed, _complete(pa.Table.from_pylist(ragged), file)])


def _complete(table: pa.Table, file: File) -> pa.Table:
    """Add the columns that the file lacks, as nulls, and put all in order."""
    schema = snapshot_schema(file)
    arrays = []
    for field in schema:
        if field.name == "withheld":
            arrays.append(pa.nulls(table.num_rows, pa.bool_()).fill_null(False))
        elif field.name in table.column_names:
            arrays.append(table[field.name].cast(field.type))
        else:
            arrays.append(pa.nulls(table.num_rows, field.type))
    return pa.table(arrays, schema=schema)


def _withhold_flawed(table: pa.Table) -> pa.Table:
    if table["flaw"].null_count == table.num_rows:
        return table
    flawed = pc.is_valid(table["flaw"])
    for index, name in enumerate(table.column_names):
        if name not in {"sourcedId", *(own.name for own in OWN)}:
            hidden = pc.if_else(flawed, pa.scalar(None, pa.string()), table[name])
            table = table.set_column(index, name, hidden)
    return table


def _ragged(
    row: pacsv.InvalidRow, number: int, header: list[str], columns: dict[str, str]
) -> dict[str, object]:
    """Return what can be known of a row of another width: its sourcedId, when that comes first."""
    cells = next(csv.reader([row.text]), [])
    first = header[0] == columns.get("sourcedId") and cells and cells[0].strip()
    return {"sourcedId": first or None, "row": number, "flaw": "row.width_mismatch"}


def _header(block: Block) -> list[str]:
    end = block.data.find(b"\n")
    return next(csv.reader([block.data[:end].decode("utf-8").removesuffix("\r")]))


def _without_header(block: Block) -> Block:
    end = block.data.find(b"\n") + 1
    control = block.control[block.control > 0] - 1
    return type(block)(block.data[end:], block.rows[1:], control)


class _Head:
    """The beginning of a stream, for reading no more than the header."""

    def __init__(self, stream: object) -> None:
        self._stream = stream
        self._line = b""

    def read(self, size: int, /) -> bytes:  # noqa: ARG002  the line is as long as it is
        if self._line:
            return b""
        while b"\n" not in self._line.lstrip(_BLANK) and len(self._line) < 1 << 20:
            data = self._stream.read(1 << 16)  # type: ignore[attr-defined]
            if not data:
                break
            self._line += data
        blank = len(self._line) - len(self._line.lstrip(_BLANK))
        end = self._line.find(b"\n", blank) + 1
        return self._line[:end] if end else self._line
