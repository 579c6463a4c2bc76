"""Recognize the type of a file by its first bytes, and refuse an upload of another type."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from oneroster_sync.findings import Finding
from oneroster_sync.standard import ROSTERING_FILES, Version, rostering_file
from oneroster_sync.standard.kinds import MAPPINGS, Kind

if TYPE_CHECKING:
    from pathlib import Path

CODE = "upload.wrong_kind"
START = 1 << 16
"""Number of first bytes of a file that are inspected."""

_ALIKE = 0.6
"""Share of a header's cells that must be columns of a file to recognize it as that file."""
_COMMON = {"sourcedid", "status", "datelastmodified"}


def wrong_kind(path: Path, kind: Kind) -> Finding | None:
    """Return a finding that names the type of a file if it is not of the uploaded kind."""
    if kind is Kind.PACKAGE or not path.exists():
        return None
    if path.is_dir():
        return Finding(CODE, file=path.name, expected=f"{kind.value}.csv; this is a folder")
    with path.open("rb") as stream:
        return wrong_start(stream.read(START), kind, name=path.name)


def wrong_start(start: bytes, kind: Kind, *, name: str) -> Finding | None:
    """Return a finding if the first bytes of a file are not those of the uploaded kind.

    Args:
        start: The first `START` bytes of the file, or all bytes of a shorter one.
        kind: The kind that the upload declares; a package is a zip here.
        name: The name of the file in the finding.
    """
    found = _what_is(start, kind)
    # A table with unknown columns passes: extract finds more, and says what is missing.
    if found == kind.value or (found is None and kind is not Kind.PACKAGE):
        return None
    wanted = "a zip" if kind is Kind.PACKAGE else f"{kind.value}.csv"
    is_file = found in ROSTERING_FILES or found in MAPPINGS
    what = "not a zip" if found is None else f"{found}.csv" if is_file else found
    return Finding(CODE, file=name, expected=f"{wanted}; this is {what}")


def _what_is(start: bytes, kind: Kind) -> str | None:
    if start.startswith(b"PK"):
        return Kind.PACKAGE.value if kind is Kind.PACKAGE else "a zip"
    # UTF-16 and binary files hold NULs; texts in UTF-8 and Windows-1252 don't.
    if b"\0" in start:
        return "not a CSV file"
    line = start.decode("utf-8-sig", "replace").strip().partition("\n")[0].partition("\r")[0]
    cells = {cell.strip().lower() for cell in next(csv.reader([line]), [])}
    if (mapping := _mapping(cells)) is not None:
        return mapping.value
    header = cells - _COMMON
    # max() returns the first of equals: where two files fit equally, prefer the declared one.
    names = sorted(ROSTERING_FILES, key=lambda name: name != kind.value)
    best = max(names, key=lambda name: _likeness(name, header))
    fits = header and _likeness(best, header) >= _ALIKE * len(header)
    return best if fits else None


def _mapping(cells: set[str]) -> Kind | None:
    """Return the mapping whose columns a header has all of, without other columns of users.csv."""
    for kind, columns in MAPPINGS.items():
        own = {column.lower() for column in columns}
        if own <= cells and not _likeness("users", cells - own):
            return kind
    return None


def _likeness(name: str, header: set[str]) -> int:
    """Return how many cells of a header are columns of a file, in the best fitting version."""
    files = [rostering_file(name, version) for version in Version]
    return max(len({c.name.lower() for c in f.columns} & header) if f else 0 for f in files)
