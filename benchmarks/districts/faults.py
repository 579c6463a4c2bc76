"""Bad cells, as exports have them: each makes one row fail one of the suites' expectations.

Only what can be seen in a row that is well-formed CSV: what breaks a file as such is the tests'
concern, and no peer's.
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
"""File → column and bad value; None is the value of another row of the same sort."""


@dataclass(frozen=True, slots=True)
class Bad:
    """Bad values of one column: their rows, counted from 0 and in order, and the values."""

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
    """Choose a file's bad rows, a kind of fault for each, and what stands there.

    Args:
        file: Without `.csv`.
        sorts: Of each row: a value is copied between two rows of one sort only.
        cell: Tells what a column of a row holds by right.
        rng: Decides.
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
    """Put the bad values of the rows from `start` on into the cells of those `count` rows."""
    for column, bad in faults.items():
        first, end = np.searchsorted(bad.rows, [start, start + count])
        if first == end:
            continue
        mask = np.zeros(count, np.bool_)
        mask[bad.rows[first:end] - start] = True
        values = bad.values.slice(first, end - first).cast(cells[column].type)
        cells[column] = pc.replace_with_mask(cells[column], pa.array(mask), values)
