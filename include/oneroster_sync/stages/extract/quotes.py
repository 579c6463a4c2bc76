"""How the tolerant profile reads lines whose quotes break the grammar of CSV.

A missing or surplus quote moves the end of a value, and with it the end of the row. A reader that
guesses makes rows of a typed note, or swallows the rows after an unclosed quote. So a file with
such a line is read a second time, and each of these lines is handled in one of four ways:

- *as it stands*: an unquoted value contains quotes in pairs, `Ben "Benny"`;
- *joined*: a quoted value contains line breaks, and only one row is possible; they become spaces;
- *apart*: the line is one row, but its values are ambiguous: an error of that row alone;
- *unread*: the end of the row is ambiguous. Everything up to the next sure line is unread, since it
  may be inside a value, and since any row may be part of it.

A *sure* line is a whole row with a quoted value that would break the grammar inside another value.
Writers double the quotes inside a value, so one fault never makes a sure line out of a text.
"""

from __future__ import annotations

import bisect
import csv
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Severity
from oneroster_sync.stages.extract.archive import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

UNREAD = "csv.unread_lines"
"""Code of the single error for all lines of an unread region of a file."""
_MOST_LINES = 100
_MOST_SHARE = 0.01
_WINDOW = _MOST_LINES + 1
"""Number of lines examined around a fault; a longer region refuses the file anyway."""

_PLAIN = r'[^",\r\n]*'
_QUOTED = r'"(?:[^"\r\n]|"")*"'
_STRICT = rf"(?:{_QUOTED}|{_PLAIN})"
_END = r"\r?\n$"
_STRICT_LINE = rf"^{_STRICT}(?:,{_STRICT})*{_END}"
_INSIDE = r'(?:[^"\r\n]|"")*'
# What a line can do with a quoted value that has line breaks: begin it, lie within it, end it, or
# end it and begin another one.
_OPENS = re.compile(rf'(?:{_STRICT},)*"{_INSIDE}{_END}'.encode())
_STAYS_INSIDE = re.compile(rf"{_INSIDE}{_END}".encode())
_CLOSES = re.compile(rf'{_INSIDE}"(?:,{_STRICT})*{_END}'.encode())
_CLOSES_AND_OPENS = re.compile(rf'{_INSIDE}"(?:,{_STRICT})*,"{_INSIDE}{_END}'.encode())
# A quote at the beginning or the end of a cell may open or close a value, blanks beside it or not.
_MAY_OPEN = re.compile(rb'(?:^|,)\s*"')
_MAY_CLOSE = re.compile(rb'"\s*(?:,|$)')
_NEXT_CELL = re.compile(rf"({_QUOTED}(?=,|$)|[^,]*)(?:,|$)".encode())
_FIRST_CELL = re.compile(rf'({_QUOTED}|[^",\r\n]+)(?:,|\r?\n)'.encode())
_QUOTED_CELL = re.compile(rb'"(?:[^"]|"")*"')


class GrammarError(RefusedError):
    """A line breaks the grammar of CSV; the tolerant profile reads the file again by `Quoting`."""


@dataclass(slots=True)
class Quoting:
    """Decisions about the lines of one file that break the grammar.

    Attributes:
        unread: First and last row of each region, in order and disjoint.
        joined: First and last line of each row that has several lines, in order.
        apart: Rows of which only the sourcedId may be used.
        unambiguous: Rows with quotes in pairs inside unquoted values.
    """

    unread: list[tuple[int, int]] = field(default_factory=list)
    joined: list[tuple[int, int]] = field(default_factory=list)
    apart: set[int] = field(default_factory=set)
    unambiguous: list[int] = field(default_factory=list)

    def findings(self, name: str) -> Iterator[Finding]:
        """Yield findings about lines that were read although they break the grammar."""
        warning = Severity.WARNING
        if self.joined:
            row, rows = self.joined[0][0], len(self.joined)
            yield Finding("csv.field_line_break", warning, name, row, rows=rows)
        if self.unambiguous:
            row, rows = self.unambiguous[0], len(self.unambiguous)
            yield Finding("csv.unescaped_quote", warning, name, row, rows=rows)

    def start_of(self, row: int) -> int:
        """Return where to cut after a line: before the next line, or before its joined row."""
        at = bisect.bisect_left(self.joined, (row + 1, 0)) - 1
        if at >= 0 and self.joined[at][0] <= row < self.joined[at][1]:
            return self.joined[at][0]
        return row + 1

    def repair(self, data: bytes, first_row: int) -> RepairedLines:
        """Return lines of a file with the decisions applied.

        Args:
            data: Whole lines.
            first_row: Row number of the first line.
        """
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
        starts = np.concatenate(([0], ends[:-1]))
        last_row = first_row + len(ends) - 1
        stays = np.ones(len(ends), bool)
        pieces: list[bytes] = []
        apart: list[tuple[int, bytes | None, str]] = []
        copied = 0
        for first, last, what in self._events(first_row, last_row):
            begin, end = max(first, first_row) - first_row, min(last, last_row) - first_row
            pieces.append(data[copied : starts[begin]])
            text, copied = data[starts[begin] : ends[end]], int(ends[end])
            stays[begin : end + 1] = False
            if what == "joined":
                stays[begin] = True
                pieces.append(_on_one_line(text))
            elif what == "apart":
                cell = _FIRST_CELL.match(text)
                apart.append((first, cell[1] if cell else None, "csv.unescaped_quote"))
            elif first >= first_row:
                apart.append((first, None, UNREAD))
        pieces.append(data[copied:])
        rows = np.arange(first_row, last_row + 1, dtype=np.int64)[stays]
        return RepairedLines(b"".join(pieces), rows, apart, len(ends))

    def _events(self, first_row: int, last_row: int) -> list[tuple[int, int, str]]:
        found = [(*region, "unread") for region in _within(self.unread, first_row, last_row)]
        found += [(*region, "joined") for region in _within(self.joined, first_row, last_row)]
        found += [(row, row, "apart") for row in self.apart if first_row <= row <= last_row]
        return sorted(found)


@dataclass(frozen=True, slots=True)
class RepairedLines:
    """Lines with the decisions applied.

    Attributes:
        data: The bytes of the lines that are read.
        rows: Row number of each line.
        apart: Row, first cell and finding code of lines that are not read.
        lines: Number of lines in the input.
    """

    data: bytes
    rows: np.ndarray
    apart: list[tuple[int, bytes | None, str]]
    lines: int


def scan_quoting(parts: Iterable[bytes], name: str, line_limit: int) -> Quoting:
    """Examine all lines of a file, and decide how lines that break the grammar are read.

    Args:
        parts: Whole lines, in pieces that fit into memory.
        name: The file's name, with `.csv`.
        line_limit: How many bytes a row may have.

    Raises:
        RefusedError: Too much of the file can't be read.
    """
    scan = _Scan(name, line_limit)
    for part in parts:
        scan.take(part)
    return scan.end()


@dataclass(slots=True)
class _Scan:
    """A pass over a file that keeps the lines around each fault for examination."""

    name: str
    line_limit: int
    _quoting: Quoting = field(default_factory=Quoting)
    _regions: list[tuple[int, int]] = field(default_factory=list)
    _lines: list[bytes] = field(default_factory=list)
    _odd: list[int] = field(default_factory=list)
    _row: int = 1
    _header: int | None = None
    _width: int = 0
    _whole: re.Pattern[bytes] = re.compile(b"")
    _next: int = 0
    _count: int = 0
    _openers: list[int] = field(default_factory=list)
    _first_fault: Finding | None = None

    def take(self, part: bytes) -> None:
        """Examine whole lines; lines near the end wait for the lines that follow."""
        lines = part.removesuffix(b"\n").split(b"\n")
        lines = [line + b"\n" for line in lines]
        if self._header is None:
            self._find_header(lines)
        base = self._row + len(self._lines)
        array = pa.array(lines, pa.binary())
        is_strict = pc.match_substring_regex(array, _STRICT_LINE).to_numpy(False)
        self._odd.extend((base + np.flatnonzero(~is_strict)).tolist())
        self._count += sum(1 for line in lines if line.strip(b",\r\n \t"))
        self._lines.extend(lines)
        self._decide(is_end=False)
        self._forget()

    def end(self) -> Quoting:
        """Return the decisions about the file's lines.

        Raises:
            RefusedError: Too much of it can't be read.
        """
        self._decide(is_end=True)
        regions = _merged(self._regions)
        for pair in self._quoting.joined:
            if _touches(pair, regions):
                regions = _merged([*regions, pair])
        unread = sum(last - first + 1 for first, last in regions)
        # The header is no row.
        if unread > min(_MOST_LINES, _MOST_SHARE * max(self._count - 1, 0)):
            self._refuse()
        quoting = self._quoting
        quoting.unread = regions
        hidden = {row for first, last in regions for row in range(first, last + 1)}
        quoting.apart -= hidden
        quoting.unambiguous = [row for row in quoting.unambiguous if row not in hidden]
        quoting.joined = [pair for pair in quoting.joined if not _touches(pair, regions)]
        return quoting

    def _find_header(self, lines: list[bytes]) -> None:
        for at, line in enumerate(lines):
            if line.strip(b",\r\n \t"):
                self._header = self._row + len(self._lines) + at
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                self._width = len(next(csv.reader([text]), []))
                whole = rf"{_STRICT}(?:,{_STRICT}){{{self._width - 1}}}{_END}"
                self._whole = re.compile(whole.encode())
                return

    def _decide(self, *, is_end: bool) -> None:
        last = self._row + len(self._lines) - 1
        done = 0
        for row in self._odd:
            if not is_end and row > last - _WINDOW - 1:
                break
            done += 1
            if row >= self._next:
                self._decide_one(row, last)
        del self._odd[:done]

    def _decide_one(self, row: int, last: int) -> None:
        line = self._line(row)
        if row == self._header:
            self._note_fault(row, line, last)
            self._refuse()
        end = self._end_of_joined(row, last)
        if end is not None:
            self._quoting.joined.append((row, end))
            self._next = end + 1
            return
        self._next = row + 1
        if b"\r" in line.removesuffix(b"\n").removesuffix(b"\r"):
            raise RefusedError(Finding("csv.bare_carriage_return", file=self.name, row=row))
        ending = line.rstrip(b"\r\n")
        cells = _cells(ending)
        if len(cells) == self._width and all(map(_is_unambiguous, cells)):
            self._quoting.unambiguous.append(row)
            return
        may_open, may_close = _MAY_OPEN.search(ending), _MAY_CLOSE.search(ending)
        is_row = len(cells) == self._width and all(map(_has_its_end, cells))
        if is_row or not (may_open or may_close):
            self._quoting.apart.add(row)
            return
        self._note_fault(row, line, last)
        first = self._sure_before(row) + 1 if may_close else row
        until = self._sure_after(row, last) - 1 if may_open else row
        self._leave_unread(row, first, until, may_open=bool(may_open), may_close=bool(may_close))

    def _leave_unread(
        self, row: int, first: int, until: int, *, may_open: bool, may_close: bool
    ) -> None:
        if may_close and (near := [at for at in self._openers if row - at <= _MOST_LINES]):
            # If a writer does not double quotes, lines of a note look like sure lines. The note's
            # opening quote is near, so the region begins there.
            first = min(first, near[0])
        if may_open:
            self._openers.append(row)
        self._regions.append((first, until))
        if until - first >= _MOST_LINES or len(self._regions) > _MOST_LINES:
            self._refuse()

    def _end_of_joined(self, row: int, last: int) -> int | None:
        """Return the last line of a row whose quoted values contain line breaks, or None.

        The grammar alone is not enough: if two quotes of two rows are missing, all text between
        them is one value. So lines that could be split into two rows are not joined.
        """
        text = self._line(row)
        if not _OPENS.match(text):
            return row if self._is_joined(text) else None
        commas = [text.count(b",")]
        for end in range(row + 1, min(last, row + _WINDOW) + 1):
            line = self._line(end)
            text += line
            if len(text) > self.line_limit:
                return None
            commas.append(line.count(b","))
            if _STAYS_INSIDE.match(line) or _CLOSES_AND_OPENS.match(line):
                continue
            if not _CLOSES.match(line) or not self._is_joined(text):
                return None
            needed, before = self._width - 1, np.cumsum(commas)
            parts = [(part, before[-1] - part) for part in before[:-1]]
            return None if any(min(part) >= needed for part in parts) else end
        return None

    def _is_joined(self, text: bytes) -> bool:
        """Return whether lines are one whole row after line breaks inside quotes become spaces."""
        line = _on_one_line(text)
        return line != text and self._whole.match(line) is not None

    def _sure_before(self, row: int) -> int:
        assert self._header is not None
        for at in range(row - 1, max(row - _WINDOW - 1, self._header, self._row - 1), -1):
            if self._is_sure(self._line(at)):
                return at
        if row - self._header <= _WINDOW:
            return self._header
        return row - _WINDOW - 1

    def _sure_after(self, row: int, last: int) -> int:
        for at in range(row + 1, min(last, row + _WINDOW) + 1):
            if self._is_sure(self._line(at)):
                return at
        return row + _WINDOW + 1  # too far away, or beyond the file's end

    def _is_sure(self, line: bytes) -> bool:
        """Return whether a line is certainly a row: it is not possible inside a quoted value."""
        if b'"' not in line or not self._whole.match(line):
            return False
        inside = (_STAYS_INSIDE, _CLOSES, _CLOSES_AND_OPENS)
        return not any(pattern.match(line) for pattern in inside)

    def _note_fault(self, row: int, line: bytes, last: int) -> None:
        if self._first_fault is not None:
            return
        if line.count(b'"') % 2 == 0:
            code = "csv.unescaped_quote"
        else:
            later = (self._line(at) for at in range(row + 1, last + 1))
            is_odd = any(other.count(b'"') % 2 for other in later)
            code = "csv.field_line_break" if is_odd else "csv.unclosed_quote"
        self._first_fault = Finding(code, file=self.name, row=row)

    def _refuse(self) -> None:
        assert self._first_fault is not None
        raise RefusedError(self._first_fault)

    def _line(self, row: int) -> bytes:
        return self._lines[row - self._row]

    def _forget(self) -> None:
        """Drop the lines that are no longer needed to examine the next fault or the file's end."""
        known = [*self._odd[:1], self._row + len(self._lines) - _WINDOW]
        drop = max(min(known) - _WINDOW - 2 - self._row, 0)
        self._lines, self._row = self._lines[drop:], self._row + drop


def hides_rows(rows: pa.Table) -> bool:
    """Return whether a table of rows with errors includes an unread region."""
    if "flaw" not in rows.column_names:
        return False
    return bool(pc.any(pc.equal(rows["flaw"], UNREAD)).as_py())


def _cells(line: bytes) -> list[bytes]:
    """Split a line at commas outside quotes; the values keep their quotes."""
    cells, at = [], 0
    while True:
        cell = _NEXT_CELL.match(line, at)
        assert cell is not None
        cells.append(cell[1])
        if cell.end() == cell.end(1):
            return cells
        at = cell.end()


def _is_unambiguous(cell: bytes) -> bool:
    """Return whether a value is unambiguous: without quotes, in quotes, or with pairs inside.

    A value that begins with a blank, or begins with a quote and does not end with one, has more
    than one likely reading.
    """
    is_bare = cell[:1] not in {b'"', b" ", b"\t"} and cell.count(b'"') % 2 == 0
    return is_bare or _QUOTED_CELL.fullmatch(cell) is not None


def _has_its_end(cell: bytes) -> bool:
    """Return whether no quoted part of a value can extend beyond the value."""
    return cell.count(b'"') % 2 == 0 or (cell[:1] != b'"' and cell[-1:] != b'"')


def _on_one_line(text: bytes) -> bytes:
    """Replace line breaks inside quoted values by spaces."""
    breaks = re.compile(rb"\r\n|\r|\n")
    return _QUOTED_CELL.sub(lambda cell: breaks.sub(b" ", cell[0]), text)


def _within(regions: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    at = max(bisect.bisect_left(regions, (first + 1, 0)) - 1, 0)
    found = []
    for region in regions[at:]:
        if region[0] > last:
            break
        if region[1] >= first:
            found.append(region)
    return found


def _merged(regions: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(regions):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def _touches(pair: tuple[int, int], regions: list[tuple[int, int]]) -> bool:
    return any(first <= pair[1] and pair[0] <= last for first, last in regions)
