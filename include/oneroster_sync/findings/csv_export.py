"""Findings as CSV for the people who fix the export, safe to open in a spreadsheet.

`cause` is the number of the finding's cause, in the order in which to fix them; a finding with a
number in `follows` disappears when the cause of that number is fixed.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

COLUMNS = (
    "cause",
    "follows",
    "severity",
    "code",
    "file",
    "row",
    "rows",
    "column",
    "sourced_id",
    "target",
    "target_file",
    "expected",
    "meaning",
    "hint",
)
# Those of OWASP's ASVS 1.2.10 (CSV injection), the full-width twins, the line feed, | and %.
_STARTS_FORMULA = tuple("=+-@\t\r\n\0＝＋－＠|%")  # noqa: RUF001  full-width twins
_BLOCK = 500


def format_csv(
    rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...] = COLUMNS
) -> Iterator[str]:
    """Yield rows as CSV in pieces, with a byte order mark so that spreadsheets detect UTF-8.

    Args:
        rows: Findings, or other rows that have the columns.
        columns: The columns, in order.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        writer.writerow([inert(row[name]) for name in columns])
        if number % _BLOCK == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def inert(value: Any) -> Any:
    """Return a cell that no spreadsheet evaluates as a formula."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_STARTS_FORMULA):
        return f"'{value}"
    return value


def marked(text: str | None) -> str | None:
    """Return a text so that no spreadsheet evaluates it; `unmarked` restores it on upload."""
    return f"'{text}" if text and _may_be_marked(text) else text


def unmarked(cell: str | None) -> str | None:
    """Return the text from which `marked` made the cell."""
    return cell[1:] if cell and cell[0] == "'" and _may_be_marked(cell) else cell


def _may_be_marked(text: str) -> bool:
    """Return whether a text looks like a formula, or like a formula that was marked."""
    return text.lstrip(" '").startswith(_STARTS_FORMULA)
