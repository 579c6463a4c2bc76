"""Bad cells as in real exports: each makes one row fail one expectation of the suites.

Only faults in well-formed CSV: the tests cover faults that break a file, and peers can't read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.districts.records import Numbers

BAD = 0.005
"""The share of bad rows in each file."""
_NOWHERE = "00000000-0000-0000-0000-000000000000"
_LONG = "x" * 300

_CELLS = {
    "courses": (("title", ""), ("orgSourcedId", _NOWHERE)),
    "classes": (("courseSourcedId", _NOWHERE), ("classType", "lecture")),
    "users": (
        ("email", "nobody-{row}"),
        ("givenName", ""),
        ("familyName", _LONG),
        ("enabledUser", "maybe"),
        ("orgSourcedIds", _NOWHERE),
        ("role", "teachr"),
        ("sourcedId", None),
        ("email", None),
    ),
    "enrollments": (
        ("classSourcedId", _NOWHERE),
        ("userSourcedId", _NOWHERE),
        ("schoolSourcedId", None),
        ("primary", "true"),
        ("classSourcedId", ""),
        ("role", "techer"),
        ("beginDate", "{year}-02-30"),
        ("endDate", "1999-12-31"),
        ("sourcedId", None),
    ),
}
"""File → column and bad value; None means the value of another row of the same sort."""


@dataclass(frozen=True, slots=True)
class Bad:
    """Bad values of one column: their rows, counted from 0 and sorted, and the values."""

    rows: Numbers
    values: pa.Array


def plant(
    file: str,
    sorts: Numbers,
    cell: Callable[[str, int], str],
    rng: np.random.Generator,
    *,
    year: int,
) -> dict[str, Bad]:
    """Choose the bad rows of a file, and a fault and a value for each.

    Args:
        file: Name of the file, without `.csv`.
        sorts: Sort of each row: values are copied only between rows of one sort.
        cell: Returns the correct value of a column of a row.
        rng: Random generator.
        year: A year whose February has no 30th day.

    Returns:
        Column → its bad values.
    """
    count = len(sorts)
    rows = rng.choice(count, max(1, round(BAD * count)), replace=False)
    bad = set(rows.tolist())
    kinds = rng.integers(len(_CELLS[file]), size=len(rows))
    chosen: dict[str, dict[int, str]] = {}
    for row, kind in zip(rows.tolist(), kinds.tolist(), strict=True):
        column, value = _CELLS[file][kind]
        if value is None:
            alike = np.flatnonzero(sorts[max(0, row - 5000) : row + 5000] == sorts[row])
            other = int(rng.choice(alike)) + max(0, row - 5000)
            # Two faults that meet in one sourcedId come to more than each of them; the limit knows
            # the faults one by one.
            while other in bad and other != row and len(alike) > 1:
                other = int(rng.choice(alike)) + max(0, row - 5000)
            value = cell(column, other)
        chosen.setdefault(column, {})[row] = value.format(row=row, year=year)
    return {
        column: Bad(np.array(sorted(cells)), pa.array([cells[row] for row in sorted(cells)]))
        for column, cells in chosen.items()
    }


def spoil(cells: dict[str, pa.Array], faults: dict[str, Bad], start: int, count: int) -> None:
    """Put the bad values of `count` rows, from `start` on, into their cells."""
    for column, bad in faults.items():
        first, end = np.searchsorted(bad.rows, [start, start + count])
        if first == end:
            continue
        mask = np.zeros(count, np.bool_)
        mask[bad.rows[first:end] - start] = True
        # `replace_with_mask` takes the values in the order of the rows, which is why they are
        # sorted.
        values = bad.values.slice(first, end - first).cast(cells[column].type)
        cells[column] = pc.replace_with_mask(cells[column], pa.array(mask), values)
