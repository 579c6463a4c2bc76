"""What an upload button takes: users.csv, courses.csv or a whole package."""

from __future__ import annotations

import csv
from enum import StrEnum
from typing import TYPE_CHECKING

from oneroster_sync.findings import Finding
from oneroster_sync.spec import ROSTERING_FILES, Version, rostering_file

if TYPE_CHECKING:
    from pathlib import Path

_ALIKE = 0.6
"""Share of a header's cells that must be columns of a file for it to be taken for that file."""


_COMMON = {"sourcedid", "status", "datelastmodified"}


class Kind(StrEnum):
    """What is uploaded."""

    USERS = "users"
    COURSES = "courses"
    PACKAGE = "package"


def wrong_kind(path: Path, kind: Kind) -> Finding | None:
    """Return a finding when a file is not what its upload takes, naming what it is."""
    found = _what_is(path, kind)
    if kind is Kind.PACKAGE or found in {kind.value, None}:
        return None
    return Finding(
        "upload.wrong_kind", file=path.name, expected=f"{kind.value}.csv; this is {found}"
    )


def _what_is(path: Path, kind: Kind) -> str | None:
    if path.is_dir():
        return "a folder"
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        start = stream.read(1 << 16)
    if start.startswith(b"PK"):
        return "a zip"
    if b"\0" in start:
        return "no CSV file"
    line = start.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip()
    header = {cell.strip().lower() for cell in next(csv.reader([line]), [])} - _COMMON
    # Where two files fit as well, the one that was asked for does.
    names = sorted(ROSTERING_FILES, key=lambda name: name != kind.value)
    best = max(names, key=lambda name: _likeness(name, header))
    return best if _likeness(best, header) >= _ALIKE * len(header) else None


def _likeness(name: str, header: set[str]) -> int:
    """Return how many cells of a header are columns of a file, in the version that fits best."""
    files = [rostering_file(name, version) for version in Version]
    return max(len({c.name.lower() for c in f.columns} & header) if f else 0 for f in files)
