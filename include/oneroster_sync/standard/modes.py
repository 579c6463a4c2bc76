"""The mode of a file in a package: absent, bulk or delta."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """The mode of a file: not in the package, all records, or changed records only."""

    ABSENT = "absent"
    BULK = "bulk"
    DELTA = "delta"
