"""Read CSV into Arrow: only the columns that the sync uses, only the rows that are kept.

The table has the canonical column names, text values, null for blanks, and five columns of our own:
`row` (line of the file), `flaw` (a finding code if the row itself is broken; its values are then
withheld), `withheld` (the row may not be staff, so only its sourcedId was kept), `goes` (why the
row asks to remove its record, null if it does not; `decision_table`) and `left_out` (the columns
whose values validation left out of the row, each between two commas).
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from oneroster_sync.findings import Finding, Severity
from oneroster_sync.findings.finding import shown
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.extract.archive import RefusedError
from oneroster_sync.stages.extract.csv_lines import blocks, decide_quoting
from oneroster_sync.stages.extract.enrollment_pairs import with_pair_ids
from oneroster_sync.stages.extract.headers import match_header
from oneroster_sync.standard.enums import listed_values
from oneroster_sync.standard.files import Type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from oneroster_sync.stages.extract.archive import PackageFile, Readable
    from oneroster_sync.stages.extract.csv_lines import Block
    from oneroster_sync.stages.extract.dialect import Dialect
    from oneroster_sync.stages.extract.quotes import Quoting
    from oneroster_sync.standard import File

    Keep = Callable[[pa.Table], pa.Table]

_BLANK = b"\r\n"
_TOGETHER = 4
"""Number of blocks that are filtered together."""
# Without an end, because a time begins with its day.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+$")
_LOOKS = {
    Type.DATE: _DAY,
    Type.TIME: _DAY,
    Type.YEAR: re.compile(r"[0-9]{4}$"),
    Type.BOOLEAN: re.compile(r"(?i)(?:true|false)$"),
}
"""Type → pattern of its values, for types whose values are recognizable in a wrong column."""
OWN = [
    pa.field("row", pa.int64()),
    pa.field("flaw", pa.string()),
    pa.field("withheld", pa.bool_()),
    pa.field("goes", pa.string()),
    pa.field("left_out", pa.string()),
]


def snapshot_schema(file: File) -> pa.Schema:
    """Return the schema of a file's snapshot: the columns that are read, as text, and our own."""
    return pa.schema([pa.field(c.canonical, pa.string()) for c in file.read_columns] + OWN)


def is_left_out(table: pa.Table, column: str) -> pa.Array | pa.ChunkedArray:
    """Return in which rows validation left a column's value out, so that the stored value stays."""
    if "left_out" not in table.column_names:
        return pa.repeat(False, table.num_rows)
    return pc.fill_null(pc.match_substring(table["left_out"], f",{column},"), False)


def leave_out(
    table: pa.Table, column: str, rows: pa.ChunkedArray, values: pa.ChunkedArray
) -> pa.Table:
    """Return the table with a column's values replaced in some rows, which `left_out` then names.

    Args:
        table: Rows of one file.
        column: Name of the column.
        rows: Mask of the rows.
        values: The new values of the column; null for none.
    """
    kept = pc.if_else(rows, values, table[column])
    table = table.set_column(table.column_names.index(column), column, kept)
    before = pc.coalesce(table["left_out"], pa.scalar(","))
    named = pc.binary_join_element_wise(before, pa.scalar(f"{column},"), "")
    marked = pc.if_else(rows, named, table["left_out"])
    return table.set_column(table.column_names.index("left_out"), "left_out", marked)


def read_header(source: PackageFile, line_limit: int) -> list[str]:
    """Return the header's cells.

    Raises:
        RefusedError: The file is empty or not CSV.
    """
    with source.open() as stream:
        for block in blocks(_Head(stream), f"{source.name}.csv", line_limit):
            return _header(block)
    raise RefusedError(Finding("table.missing_header", file=f"{source.name}.csv"))


def read_quoting(source: PackageFile, line_limit: int) -> Quoting:
    """Decide how the lines of a file that break the grammar are read.

    Raises:
        RefusedError: Too many lines can't be read.
    """
    with source.open() as stream:
        return decide_quoting(stream, f"{source.name}.csv", line_limit)


def read_table(
    source: PackageFile,
    file: File,
    profile: Profile,
    keep: Keep,
    line_limit: int,
    dialect: Dialect,
    quoting: Quoting | None = None,
) -> tuple[pa.Table, int, list[Finding]]:
    """Read a file's rows, and pass each few blocks through `keep` at once.

    Args:
        source: The file's bytes.
        file: The file's definition in the standard.
        profile: How strictly the standard is applied.
        keep: Takes the rows of some blocks and returns the rows that are kept.
        line_limit: How many bytes a line may have.
        dialect: Encoding, delimiter and date order of the site's files.
        quoting: Decisions about lines that break the grammar; None before they are made.

    Returns:
        The kept rows, the number of rows of the file, and findings about its header. The table's
        metadata lists under `missing` the columns that the file does not have.

    Raises:
        GrammarError: A line breaks the grammar, and `quoting` has no decision about it.
        RefusedError: The file can't be read as a whole.
    """
    name = f"{source.name}.csv"
    is_tolerant = profile is Profile.TOLERANT
    width = _width_of_all(source, line_limit, quoting) if is_tolerant else None
    columns: dict[str, str] = {}
    header: list[str] = []
    findings: list[Finding] = []
    kept: list[pa.Table] = []
    waiting: list[pa.Table] = []
    edges = _Edges(name, is_tolerant=is_tolerant)
    rows, by_pair = 0, False
    with source.open() as stream:
        for block in blocks(stream, name, line_limit, quoting):
            body = block
            if not header:
                header = edges.cut_header(_header(block), width)
                columns, findings = match_header(header, file, profile)
                edges.anchor(header, columns, file)
                by_pair = file.name == "enrollments" and "sourcedId" not in columns
                body = _without_header(block)
            if body.rows.size:
                rows += body.rows.size
                parsed = dialect.swap_values(_parse(body, header, columns, file, edges))
                waiting.append(with_pair_ids(parsed) if by_pair else parsed)
            if body.apart:
                rows += len(body.apart)
                waiting.append(dialect.swap_values(_apart(body, header, columns, file)))
            # `keep` looks rows up among all that the site knows, and Arrow hashes these at each
            # call: for each block alone, that took a third of the time of reading a large district.
            if len(waiting) >= _TOGETHER:
                kept.append(keep(pa.concat_tables(waiting)))
                waiting.clear()
    if waiting:
        kept.append(keep(pa.concat_tables(waiting)))
    if not header:
        raise RefusedError(Finding("table.missing_header", file=name))
    has = {*columns, "sourcedId"} if by_pair else columns.keys()
    missing = ",".join(c.canonical for c in file.read_columns if c.canonical not in has)
    table = pa.concat_tables([snapshot_schema(file).empty_table(), *kept])
    noticed = [*edges.findings(), *findings]
    if quoting is not None:
        noticed.extend(quoting.findings(name))
    return table.replace_schema_metadata({"missing": missing}), rows, noticed


def _width_of_all(source: PackageFile, line_limit: int, quoting: Quoting | None) -> int | None:
    """Return the number of cells of every row if it is smaller than the header's, else None.

    Most files are decided by their first row. If that row is short, all rows are counted before any
    is read: if only some rows are short, they lost a value, and we can't know which.
    """
    width = _first_width(source, line_limit)
    if width is None:
        return None
    is_first = True
    with source.open() as stream:
        for block in blocks(stream, f"{source.name}.csv", line_limit, quoting):
            body = _without_header(block) if is_first else block
            is_first = False
            if body.rows.size and not _has_width(body, width):
                return None
    return width


def _first_width(source: PackageFile, line_limit: int) -> int | None:
    """Return the number of cells of the first row if it is smaller than the header's, else None."""
    try:
        with source.open() as stream:
            (block,) = blocks(_Head(stream, lines=2), f"{source.name}.csv", line_limit)
    except (RefusedError, ValueError):
        return None  # there is no row, or reading the whole file reports the error
    first = _without_header(block).data.decode("utf-8").rstrip("\r\n")
    width = len(next(csv.reader([first]), []))
    return width if 0 < width < len(_header(block)) else None


def _has_width(block: Block, width: int) -> bool:
    """Return whether every row of a block has `width` cells."""
    names = [str(number) for number in range(width)]
    try:
        pacsv.read_csv(
            pa.BufferReader(block.data),
            pacsv.ReadOptions(column_names=names, block_size=len(block.data) + 1),
            pacsv.ParseOptions(ignore_empty_lines=False),
            pacsv.ConvertOptions(include_columns=names[:1], column_types={"0": pa.string()}),
        )
    except pa.ArrowInvalid:
        return False
    return True


class _Edges:
    """Surplus and missing cells at the right edge of a file, and how they are handled."""

    def __init__(self, name: str, *, is_tolerant: bool) -> None:
        self._name = name
        self._is_tolerant = is_tolerant
        self._surplus = 0
        self._first: int | None = None
        self._missing: list[str] = []
        self._anchors: dict[int, re.Pattern[str]] = {}

    def anchor(self, header: list[str], columns: Mapping[str, str], file: File) -> None:
        """Note the columns whose values are recognizable by a pattern."""
        for column in file.read_columns:
            looks = _EMAIL if column.canonical == "email" else _LOOKS.get(column.type)
            if words := listed_values(file.name, column.canonical):
                looks = re.compile(f"(?i)(?:{'|'.join(sorted(words))})$")
            if looks is not None and column.canonical in columns:
                self._anchors[header.index(columns[column.canonical])] = looks

    def cut_header(self, header: list[str], width: int | None) -> list[str]:
        """Return a header without blank cells at its end, cut to the width of all rows."""
        if not self._is_tolerant:
            return header
        last = max((at for at, cell in enumerate(header, start=1) if cell.strip()), default=0)
        if last < len(header):
            self._first, self._surplus = 1, 1
        header = header[:last]
        if width is not None and width < last:
            self._missing, header = header[width:], header[:width]
        return header

    def cut(self, text: str, width: int, row: int) -> str | None:
        """Return a line of CSV without the blank cells beyond a width, or None.

        None if a cell beyond the width is not blank, or if an unquoted comma may have split a
        value: then the second part begins with a space, or a value is in the column right of
        its own.
        """
        cells = next(csv.reader([text]), [])
        if not self._is_tolerant or len(cells) <= width or any(c.strip() for c in cells[width:]):
            return None
        if any(cell[:1].isspace() for cell in cells[:width]):
            return None
        for at, pattern in self._anchors.items():
            moved = cells[at + 1 : at + 1 + len(cells) - width]
            if not pattern.match(cells[at]) and any(map(pattern.match, moved)):
                return None
        self._surplus += 1
        self._first = row if self._first is None else min(self._first, row)
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells[:width])
        return line.getvalue()

    def findings(self) -> Iterator[Finding]:
        """Yield the findings, at most one of each code for the file."""
        warning = Severity.WARNING
        if self._surplus:
            code, rows = "table.surplus_cells", self._surplus
            yield Finding(code, warning, self._name, self._first, rows=rows)
        if self._missing:
            expected = f"values for {', '.join(map(shown, self._missing))}"
            yield Finding("table.missing_cells", warning, self._name, 2, expected=expected)


def _parse(
    block: Block, header: list[str], columns: dict[str, str], file: File, edges: _Edges
) -> pa.Table:
    broken: list[pacsv.InvalidRow] = []

    def skip(row: pacsv.InvalidRow) -> str:
        broken.append(row)
        return "skip"

    def parse(*, in_parallel: bool) -> pa.Table:
        broken.clear()
        return pacsv.read_csv(
            pa.BufferReader(block.data),
            pacsv.ReadOptions(
                # Four pieces for the threads. Arrow refuses a line that lies in more than two of
                # them, so each has room for the longest line.
                use_threads=in_parallel,
                column_names=header,
                block_size=len(block.data) // (4 if in_parallel else 1)
                + max(block.longest + 1, 1 << 17),
            ),
            pacsv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=skip),
            pacsv.ConvertOptions(
                check_utf8=False,
                # Never guessed: `007` would become 7, and a column of blanks the type null.
                column_types=dict.fromkeys(columns.values(), pa.string()),
                include_columns=list(columns.values()),
                # Arrow's own list also has NA, NULL and nan, which are names of people.
                null_values=[""],
                strings_can_be_null=True,
            ),
        )

    table = parse(in_parallel=True)
    # Arrow 26 does not number broken rows that it reads in parallel (`number` is None).
    if broken:
        table = parse(in_parallel=False)
        repaired_block = _without_blank_cells(broken, block, header, edges, f"{file.name}.csv")
        if repaired_block is not None:
            return _parse(repaired_block, header, columns, file, edges)
    # Arrow counts rows from 1.
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


def _without_blank_cells(
    broken: list[pacsv.InvalidRow], block: Block, header: list[str], edges: _Edges, name: str
) -> Block | None:
    """Return a block without the blank cells beyond the header, or None if it has no such cells.

    Raises:
        RefusedError: The last line is short and has no line end: the file is cut off.
    """
    last = broken[-1]
    is_short = last.actual_columns < len(header)
    if block.is_open and is_short and last.number == block.rows.size:
        raise RefusedError(Finding("table.cut_off", file=name, row=int(block.rows[-1])))
    lines: dict[int, bytes] = {}
    for row in broken:
        if row.actual_columns > len(header):
            text = edges.cut(row.text, len(header), int(block.rows[row.number - 1]))
            if text is not None:
                lines[row.number - 1] = text.encode()
    if not lines:
        return None
    # str.splitlines would also split at the line separators of Unicode.
    old = block.data.removesuffix(b"\n").split(b"\n")
    data = b"".join(lines.get(at, line + b"\n") for at, line in enumerate(old))
    return replace(block, data=data)


def _complete(table: pa.Table, file: File) -> pa.Table:
    """Add the columns that the file lacks, as nulls, and put all columns in order."""
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
        # The values may be in wrong columns, and be a student's; the sourcedId protects its record.
        if name not in {"sourcedId", *(own.name for own in OWN)}:
            hidden = pc.if_else(flawed, pa.scalar(None, pa.string()), table[name])
            table = table.set_column(index, name, hidden)
    return table


def _ragged(
    row: pacsv.InvalidRow, number: int, header: list[str], columns: dict[str, str]
) -> dict[str, object]:
    """Return a row with the wrong number of cells: its sourcedId, if that is the first column."""
    cells = next(csv.reader([row.text]), [])
    first = header[0] == columns.get("sourcedId") and cells and cells[0].strip()
    return {"sourcedId": first or None, "row": number, "flaw": "row.width_mismatch"}


def _apart(block: Block, header: list[str], columns: dict[str, str], file: File) -> pa.Table:
    """Return the rows of unread lines: their sourcedId, if that is the first column."""
    is_first = header[0] == columns.get("sourcedId")
    rows = []
    for row, cell, code in block.apart:
        text = cell.decode("utf-8") if cell is not None and is_first else ""
        named = "".join(next(csv.reader([text]), [])).strip()
        rows.append({"sourcedId": named or None, "row": row, "flaw": code})
    return _complete(pa.Table.from_pylist(rows), file)


def _header(block: Block) -> list[str]:
    end = block.data.find(b"\n")
    return next(csv.reader([block.data[:end].decode("utf-8").removesuffix("\r")]))


def _without_header(block: Block) -> Block:
    end = block.data.find(b"\n") + 1
    control = block.control[block.control > 0] - 1
    return replace(block, data=block.data[end:], rows=block.rows[1:], control=control)


class _Head:
    """The beginning of a stream: the header, or the header and the first row."""

    def __init__(self, stream: Readable, lines: int = 1) -> None:
        self._stream = stream
        self._lines = lines
        self._data = b""

    def read(self, size: int, /) -> bytes:  # noqa: ARG002  returns whole lines of any size
        if self._data:
            return b""
        # A file without a line feed must not be read whole to find its header.
        while self._data.lstrip(_BLANK).count(b"\n") < self._lines and len(self._data) < 1 << 20:
            data = self._stream.read(1 << 16)
            if not data:
                break
            self._data += data
        end = len(self._data) - len(self._data.lstrip(_BLANK))
        for _ in range(self._lines):
            end = self._data.find(b"\n", end) + 1 or len(self._data)
        return self._data[:end]
