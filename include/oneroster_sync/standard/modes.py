"""How a file of a package counts: absent, bulk or delta."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """How a file counts: not at all, as the whole truth, or as changes to it."""

    ABSENT = "absent"
    BULK = "bulk"
    DELTA = "delta"
