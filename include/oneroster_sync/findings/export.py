"""Findings as CSV for the people who mend the export, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

COLUMNS = (
    "severity",
    "code",
    "file",
    "row",
    "rows",
    "column",
    "sourced_id",
    "expected",
    "meaning",
    "hint",
)
_STARTS_FORMULA = tuple("=+-@\t\r\n\0＝＋－＠|%")  # noqa: RUF001  full-width twins
_BLOCK = 500


def as_csv(findings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the CSV in pieces, with a mark at its start that tells spreadsheets its encoding."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(COLUMNS)
    for number, finding in enumerate(findings, start=1):
        writer.writerow([inert(finding[name]) for name in COLUMNS])
        if number % _BLOCK == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def inert(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_STARTS_FORMULA):
        return f"'{value}"
    return value
