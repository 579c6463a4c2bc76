"""Select the package among the files of a place, and check that it is complete."""

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
"""Suffixes that programs give to files that are not completely written."""
# For places that report no time: there the name alone decides which is the newest.
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Package:
    """The files of a place that are one package.

    Attributes:
        name: The name of the package in messages.
        files: One file, or the files of a folder.
        is_folder: Whether the package is a folder of CSV files.
    """

    name: str
    files: tuple[Entry, ...]
    is_folder: bool = False


def newest_of(place: Place, pattern: str) -> Package:
    """Return the newest package of a place.

    The package is the place's single file; else all CSV files of the folder; else the file matching
    the pattern that was modified last.

    Raises:
        NoSourceError: There is no package.
        NotReadyError: The name of the newest file is one of an unfinished file.
    """
    is_file, entries = place.list_entries()
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
    """Return the files of a folder that match the pattern and are completely written."""
    entries = [entry for entry in place.list_entries()[1] if is_plain(entry.name)]
    return [entry for entry in _matching(entries, pattern) if not unfinished(entry.name)]


def _matching(entries: list[Entry], pattern: str) -> list[Entry]:
    # An unfinished file counts by its final name, so that the newest one makes the run wait for it.
    return [entry for entry in entries if matches(finished(entry.name), pattern)]


def settled(place: Place, pattern: str, pause: Callable[[], None]) -> Package:
    """Return the newest package after two listings that agree.

    Args:
        place: The place.
        pattern: Glob pattern of the name, ignoring case.
        pause: Waits between the two listings.

    Raises:
        NoSourceError: There is no package.
        NotReadyError: The package changed in between.
    """
    before = newest_of(place, pattern)
    pause()
    check_same(place, pattern, before)
    return before


def check_same(place: Place, pattern: str, before: Package) -> None:
    """Check that a package is still the newest and unchanged.

    Raises:
        NotReadyError: There is a newer package, or this one changed.
    """
    if newest_of(place, pattern) != before:
        raise not_ready(before.name)


def matches(name: str, pattern: str) -> bool:
    """Return whether a name matches a glob pattern, ignoring case."""
    # Not `fnmatch`, which ignores case only on systems that do.
    return fnmatchcase(name.lower(), pattern.lower())


def unfinished(name: str) -> str:
    """Return the suffix that marks a name as unfinished, or an empty text."""
    return next((suffix for suffix in UNFINISHED if name.lower().endswith(suffix)), "")


def finished(name: str) -> str:
    """Return the name without the suffix of an unfinished file."""
    return name[: len(name) - len(unfinished(name))]


def not_ready(name: str) -> NotReadyError:
    """Return the error for a package that is still being written."""
    return NotReadyError("source.not_ready", f"{name} is still being written")
