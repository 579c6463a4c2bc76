"""A district as arrays: numbers represent the cells of each file's records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

ROLES = ("student", "guardian", "teacher", "aide", "administrator", "proctor")
STAFF = 2
"""Roles from here on are staff."""


@dataclass(slots=True)
class Records:
    """The records of one file: numbers that represent its cells and sourcedIds."""

    ids: Numbers
    columns: dict[str, Numbers] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.ids)

    def where(self, kept: Flags | Numbers | slice) -> Records:
        """Return the selected records."""
        return Records(self.ids[kept], {name: c[kept] for name, c in self.columns.items()})

    def and_also(self, more: Records) -> Records:
        """Return these records and some more."""
        columns = {n: np.concatenate([c, more.columns[n]]) for n, c in self.columns.items()}
        return Records(np.concatenate([self.ids, more.ids]), columns)


@dataclass(slots=True)
class District:
    """A district on one day; references are the numbers of the targets' sourcedIds."""

    seed: int
    schools: int
    files: dict[str, Records]
