"""Which files of a place are the package, and whether it is whole."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from oneroster_sync.sources.base import is_plain
from oneroster_sync.sources.errors import NoSourceError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from oneroster_sync.sources.base import Entry, Place

UNFINISHED = (".tmp", ".part", ".filepart")
"""How programs name what they have not written to the end."""
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Package:
    """The files that a place gives as one package.

    Attributes:
        name: What to call it.
        files: One file, or those of a folder.
        is_folder: Whether it is a folder of CSV files.
    """

    name: str
    files: tuple[Entry, ...]
    is_folder: bool = False


def newest_of(place: Place, pattern: str) -> Package:
    """Return the newest package of a place.

    That is the file itself; or all CSV files of a folder that holds some; or, of a folder's files
    that match the pattern, the one that was changed last.

    Raises:
        NoSourceError: There is none.
        NotReadyError: What is newest is named as unfinished.
    """
    is_file, entries = place.look()
    if is_file:
        return Package(entries[0].name, tuple(entries))
    entries = [entry for entry in entries if is_plain(entry.name)]
    csv = sorted((e for e in entries if matches(finished(e.name), "*.csv")), key=lambda e: e.name)
    if csv:
        if any(unfinished(entry.name) for entry in csv):
            raise not_ready("the folder")
        return Package("the folder", tuple(csv), is_folder=True)
    packages = _matching(entries, pattern)
    if not packages:
        raise NoSourceError(
            "source.not_found",
            f"there is no package at {place.name}",
            expected=f"a file that matches {pattern}",
        )
    newest = max(packages, key=lambda entry: (entry.modified or _NEVER, entry.name))
    if unfinished(newest.name):
        raise not_ready(newest.name)
    return Package(newest.name, (newest,))


def packages_of(place: Place, pattern: str) -> list[Entry]:
    """Return the files of a folder that are packages and written to the end."""
    entries = [entry for entry in place.look()[1] if is_plain(entry.name)]
    return [entry for entry in _matching(entries, pattern) if not unfinished(entry.name)]


def _matching(entries: list[Entry], pattern: str) -> list[Entry]:
    return [entry for entry in entries if matches(finished(entry.name), pattern)]


def settled(place: Place, pattern: str, pause: Callable[[], None]) -> Package:
    """Return the newest package, having looked twice.

    Args:
        place: Where to look.
        pattern: What its name is like, whatever the size of letters.
        pause: Waits between the two looks.

    Raises:
        NoSourceError: There is none.
        NotReadyError: It was changed in between.
    """
    before = newest_of(place, pattern)
    pause()
    check_same(place, pattern, before)
    return before


def check_same(place: Place, pattern: str, before: Package) -> None:
    """Make sure that a package is still the newest, and as it was.

    Raises:
        NotReadyError: It is not.
    """
    if newest_of(place, pattern) != before:
        raise not_ready(before.name)


def matches(name: str, pattern: str) -> bool:
    """Tell whether a name is like a pattern, whatever the size of its letters."""
    return fnmatchcase(name.lower(), pattern.lower())


def unfinished(name: str) -> str:
    """Return the suffix that says that a file is not written to the end; else nothing."""
    return next((suffix for suffix in UNFINISHED if name.lower().endswith(suffix)), "")


def finished(name: str) -> str:
    """Return what a file will be called when it is written to the end."""
    return name[: len(name) - len(unfinished(name))]


def not_ready(name: str) -> NotReadyError:
    """Return what to raise for a package that is still being written."""
    return NotReadyError("source.not_ready", f"{name} is still being written")
