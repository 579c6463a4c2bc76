"""Split a CSV file into numbered lines and check them against the grammar, block by block.

OneRoster forbids line breaks inside values, so every line must be a whole row. The check is
therefore a regular expression over an array of lines, which is fast, and every row gets the number
that a spreadsheet shows (the header is row 1). `quotes` decides how a line that breaks the grammar
is read.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding
from oneroster_sync.stages.extract.archive import RefusedError
from oneroster_sync.stages.extract.quotes import GrammarError, scan_quoting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneroster_sync.stages.extract.archive import Readable
    from oneroster_sync.stages.extract.quotes import Quoting

BLOCK = 16 << 20
_PIECE = 1 << 18
_TAB, _LF, _CR, _COMMA = b"\t\n\r,"
_SPACE = ord(" ")
_VALUE = r'(?:[^",\r\n]*|"(?:[^"\r\n]|"")*")'
_LINE = rf"^{_VALUE}(?:,{_VALUE})*\r?\n$"
# Spreadsheets write an emptied row as a line of commas; it is a blank line, not a broken row.
_NOTHING = r"^,[, \t]*\r?\n$"
# All of ASCII's control characters except tab, line feed and carriage return.
_HAS_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a file.

    Attributes:
        data: The bytes, ending with a line feed, without blank lines and lines of commas only.
        rows: Row number of each line.
        control: Indices of the lines that hold control characters.
        is_open: Whether the last line is the last of the file and has no line end.
        apart: Row, first cell and finding code of lines that are left out of `data`.
        longest: Length of the longest line in bytes, or more.
    """

    data: bytes
    rows: np.ndarray
    control: np.ndarray
    is_open: bool = False
    apart: tuple[tuple[int, bytes | None, str], ...] = ()
    longest: int = 0


def blocks(
    stream: Readable, name: str, line_limit: int, quoting: Quoting | None = None
) -> Iterator[Block]:
    """Yield a file's lines in blocks of about 16 MiB; the first block begins with the header.

    Args:
        stream: The file's bytes.
        name: Its name, with `.csv`.
        line_limit: How many bytes a line may have.
        quoting: Decisions about lines that break the grammar; None before they are made.

    Raises:
        GrammarError: A line breaks the grammar, and `quoting` has no decision about it.
        RefusedError: The file can't be read.
    """
    place = _Place()
    for whole, is_open in _cut_lines(stream, name, line_limit, place, quoting):
        block, count = _checked(whole, name, place.row, line_limit, quoting)
        place.row += count
        if block.rows.size or block.apart:
            yield replace(block, is_open=is_open)


def decide_quoting(stream: Readable, name: str, line_limit: int) -> Quoting:
    """Read a file in which a line breaks the grammar, and decide how such lines are read.

    Raises:
        RefusedError: Too many lines can't be read.
    """
    place = _Place()

    def parts() -> Iterator[bytes]:
        for whole, _ in _cut_lines(stream, name, line_limit, place):
            _check_utf8(whole, name, place.row)
            yield whole
            place.row += whole.count(b"\n")

    return scan_quoting(parts(), name, line_limit)


@dataclass(slots=True)
class _Place:
    """How far a file was read; the caller counts the lines that it takes."""

    row: int = 1


def _cut_lines(
    stream: Readable, name: str, line_limit: int, place: _Place, quoting: Quoting | None = None
) -> Iterator[tuple[bytes, bool]]:
    """Yield a file's bytes, cut between rows, and whether the last line has no line end.

    Raises:
        RefusedError: A line is too long, or the file is not UTF-8 text.
    """
    rest, first = b"", True
    while True:
        data = stream.read(BLOCK)
        ended = not data
        if first and data:
            data, first = _without_mark(data, name), False
        if ended and rest:
            data = b"\n"
        cut = data.rfind(b"\n") + 1
        # A slice of a memoryview copies nothing; a slice of bytes would copy the block once more.
        whole = b"".join((rest, memoryview(data)[:cut])) if cut else b""
        rest = data[cut:] if cut else rest + data
        if len(rest) > max(BLOCK, line_limit):
            raise RefusedError(_too_long(name, place.row, line_limit))
        if quoting is not None and whole and not ended:
            last = place.row + whole.count(b"\n") - 1
            # A row with line breaks in its values must not be cut between two blocks.
            for _ in range(last + 1 - quoting.start_of(last)):
                at = whole[:-1].rfind(b"\n") + 1
                whole, rest = whole[:at], whole[at:] + rest
        if whole:
            yield whole, ended
        if ended:
            return


def _checked(
    data: bytes, name: str, first_row: int, line_limit: int, quoting: Quoting | None
) -> tuple[Block, int]:
    _check_utf8(data, name, first_row)
    repaired_lines = quoting.repair(data, first_row) if quoting is not None else None
    if repaired_lines is not None:
        data = repaired_lines.data
        if not data:
            block = Block(data, np.empty(0, np.int64), np.empty(0, np.int64))
            return replace(block, apart=tuple(repaired_lines.apart)), repaired_lines.lines
    octets = np.frombuffer(data, np.uint8)
    line_feeds, others = _find_low(octets)
    ends = (line_feeds + 1).astype(np.int32)
    starts = np.concatenate(([0], ends[:-1])).astype(np.int32)
    lengths = ends - starts
    rows = np.arange(first_row, first_row + len(ends), dtype=np.int64)
    rows = rows if repaired_lines is None else repaired_lines.rows
    longest = int(lengths.max())
    if longest > line_limit:
        at = int(np.flatnonzero(lengths > line_limit)[0])
        row = int(rows[at])
        # Before the length: a file whose lines end with a carriage return alone is one long line.
        if b"\r" in data[starts[at] : ends[at]].removesuffix(b"\n").removesuffix(b"\r"):
            raise RefusedError(Finding("csv.bare_carriage_return", file=name, row=row))
        raise RefusedError(_too_long(name, row, line_limit))
    firsts = octets[starts]
    blank = (lengths == 1) | ((lengths == len(b"\r\n")) & (firsts == _CR))
    lines = _lines(data, np.concatenate(([0], ends)).astype(np.int32))
    if (firsts == _COMMA).any():
        # `False` allows a copy: Arrow has one bit for a boolean, NumPy one byte.
        blank |= pc.match_substring_regex(lines, _NOTHING).to_numpy(False)
    if repaired_lines is None and (b'"' in data or (others == _CR).any()):
        _check_grammar(data, lines, rows, name)
    controlled = ((others != _CR) & (others != _TAB)).any() or b"\x7f" in data
    if blank.any():
        lines = lines.filter(pa.array(~blank))
        rows = rows[~blank]
        data = b"".join(lines.to_pylist())
    control = np.empty(0, np.int64)
    if controlled:
        control = np.flatnonzero(pc.match_substring_regex(lines, _HAS_CONTROL).to_numpy(False))
    if repaired_lines is not None:
        apart = tuple(repaired_lines.apart)
        return Block(data, rows, control, apart=apart, longest=longest), repaired_lines.lines
    return Block(data, rows, control, longest=longest), len(ends)


def _find_low(octets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of all line feeds, and the other octets below the space.

    Text has few octets below the space besides line feeds, so one pass over the data finds the ends
    of the lines, carriage returns and control characters. It goes piece by piece: a mask of a whole
    block is new memory each time, which the system takes as long to provide as the pass takes.
    """
    pieces = [octets[at : at + _PIECE] for at in range(0, len(octets), _PIECE)]
    low = np.concatenate(
        [np.flatnonzero(piece < _SPACE) + at * _PIECE for at, piece in enumerate(pieces)]
    )
    found = octets[low]
    is_feed = found == _LF
    return (low, found[:0]) if is_feed.all() else (low[is_feed], found[~is_feed])


def _lines(data: bytes, offsets: np.ndarray) -> pa.BinaryArray:
    # The buffers of pa.binary: no null bitmap, offsets of 32 bits, bytes. So no line is copied.
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def _check_grammar(data: bytes, lines: pa.BinaryArray, rows: np.ndarray, name: str) -> None:
    if b'"' not in data and data.count(b"\r") == data.count(b"\r\n"):
        return
    # A line without a quote breaks the grammar only by a carriage return.
    is_odd = pc.match_substring(lines, '"')
    if data.count(b"\r") != data.count(b"\r\n"):
        is_odd = pc.or_(is_odd, pc.match_substring(lines, "\r"))
    odd = np.flatnonzero(is_odd.to_numpy(False))
    wrong = odd[~pc.match_substring_regex(lines.filter(is_odd), _LINE).to_numpy(False)]
    if not wrong.size:
        return
    at = int(wrong[0])
    line = lines[at].as_py()
    row = int(rows[at])
    if b"\r" in line.removesuffix(b"\n").removesuffix(b"\r"):
        raise GrammarError(Finding("csv.bare_carriage_return", file=name, row=row))
    if line.count(b'"') % 2 == 0:
        raise GrammarError(Finding("csv.unescaped_quote", file=name, row=row))
    later = pc.count_substring(lines.slice(at + 1), '"').to_numpy(False) % 2 == 1
    code = "csv.field_line_break" if later.any() else "csv.unclosed_quote"
    raise GrammarError(Finding(code, file=name, row=row))


def _check_utf8(data: bytes, name: str, first_row: int) -> None:
    if data.isascii():
        return
    try:
        # Python would make a text of twice the size; it is only asked for the place of an error.
        _lines(data, np.array([0, len(data)], np.int32)).cast(pa.string())
    except pa.ArrowInvalid:
        pass
    else:
        return
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        row = first_row + data.count(b"\n", 0, error.start)
        byte = error.start - data.rfind(b"\n", 0, error.start)
        expected = f"UTF-8; byte {byte} of the row is 0x{data[error.start]:02X}"
        finding = Finding("csv.invalid_utf8", file=name, row=row, expected=expected)
        raise RefusedError(finding) from None


def _without_mark(data: bytes, name: str) -> bytes:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise RefusedError(_utf16(name))
    # UTF-16 without a byte order mark: every other byte of an ASCII header is 0.
    if b"\0" in data[: max(data.find(b"\n"), 0)]:
        raise RefusedError(_utf16(name))
    return data.removeprefix(codecs.BOM_UTF8)


def _utf16(name: str) -> Finding:
    return Finding("csv.invalid_utf8", file=name, row=1, expected="UTF-8, not UTF-16")


def _too_long(name: str, row: int, limit: int) -> Finding:
    return Finding("csv.field_too_large", file=name, row=row, expected=f"at most {limit:,} bytes")
