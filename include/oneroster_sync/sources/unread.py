"""Fetch the packages of a source that were not read yet.

A bulk package is complete, so the newest one is enough. A delta holds only changes, so all deltas
since the last package that was taken are fetched, the oldest first.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneroster_sync.sources import local, selection
from oneroster_sync.sources.base import Entry, Patience
from oneroster_sync.sources.connect import open_source
from oneroster_sync.sources.fetch import Fetched, copy_package
from oneroster_sync.sources.in_place import can_be_read_in_place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from oneroster_sync.sources.base import Login, Place
    from oneroster_sync.sources.connect import Source

# By default no more pending packages are kept (`ONEROSTER_KEEP_PENDING_PACKAGES`).
MOST = 60
"""Most packages that are read in one run."""
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Taken:
    """The newest package that was taken from a source, as the source listed it.

    Attributes:
        name: The name of the package at its source.
        size: Bytes; None if the source does not report them.
        stamp: Modification time or tag.
        modified: When the package was last modified; None if the source does not report it.
        is_moved: Whether the sync moved the package, so that it is not listed any more.
        beside: Names of packages with the same modification time, which many sources report only to
            the second, and some not at all.
    """

    name: str
    size: int | None
    stamp: str
    modified: dt.datetime | None
    is_moved: bool = False
    beside: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Sequence[Entry], name: str) -> Taken:
        """Return what identifies a package with these files; those of a folder are hashed."""
        if len(files) == 1:
            (entry,) = files
            return cls(entry.name, entry.size, entry.stamp, entry.modified)
        text = "\n".join(f"{e.name}\t{e.size}\t{e.stamp}" for e in sorted(files, key=_by_name))
        return cls(name, None, hashlib.sha256(text.encode()).hexdigest(), None)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Taken:
        """Return the object that `as_dict` stored."""
        modified = stored["modified"] and dt.datetime.fromisoformat(stored["modified"])
        return cls(**{**stored, "modified": modified, "beside": tuple(stored["beside"])})

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        modified = self.modified.isoformat() if self.modified else None
        return {
            "name": self.name,
            "size": self.size,
            "stamp": self.stamp,
            "modified": modified,
            "is_moved": self.is_moved,
            "beside": list(self.beside),
        }

    def is_same(self, other: Taken) -> bool:
        """Return whether both are one package, unchanged."""
        return (self.name, self.size, self.stamp) == (other.name, other.size, other.stamp)

    def is_before(self, other: Taken) -> bool:
        """Return whether `other` is newer: by its time, or with the same time and a new name."""
        if self.name == other.name:
            return not self.is_same(other)
        mine, theirs = (one.modified or _NEVER for one in (self, other))
        return theirs > mine or (theirs == mine and other.name not in self.beside)


@dataclass(frozen=True, slots=True)
class Unread:
    """The packages that a run reads from a source.

    Attributes:
        packages: Private copies, the oldest first; at least one.
        arrived: When each package was last modified; None if the source does not report it.
        newest: The newest package.
        is_again: Whether the newest package was taken before, so that its deltas are known.
        gap: Why deltas may be missing, as text; None if none are.
    """

    packages: tuple[Fetched, ...]
    arrived: tuple[dt.datetime | None, ...]
    newest: Taken
    is_again: bool = False
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class _Listed:
    """The unread packages of a place that are older than the newest, the newest first."""

    older: list[Entry] = field(default_factory=list)
    gap: str | None = None


def fetch_unread(
    source: Source,
    into: Path,
    *,
    taken: Taken | None,
    is_moved_here: bool = False,
    holds_delta: Callable[[Path], bool],
    check_found: Callable[[str], None],
    login: Login | None = None,
    patience: Patience | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Unread:
    """Fetch the packages since the last package that was taken.

    The source is listed twice before the newest package is read, and once after. If all files of
    the newest package are bulk, only this package is fetched.

    Args:
        source: The source.
        into: An empty folder.
        taken: The last package that was taken; None if none was taken from this source.
        is_moved_here: Whether the site took packages from another source before.
        holds_delta: Returns whether any file of a private copy is a delta.
        check_found: Raises an error for a path of a local source that must not be read.
        login: The source's Airflow connection.
        patience: Time and size limits.
        pause: Sleeps for a number of seconds.

    Raises:
        NoSourceError: There is no package.
        NotReadyError: A package is still being written.
        RetriableSourceError: The source was unreachable or too slow, or the connection was cut.
        RefusedSourceError: A person must fix something.
    """
    patience = patience or Patience()
    if source.url.is_local and (found := _single(Path(source.url.path))) is not None:
        # Before anything is read: the path may be a link to the package of another site.
        check_found(str(found))
        local.check_settled(found, patience.settle_s)
        target = found
        if found.is_file() or not can_be_read_in_place(found, patience.limits):
            target = _in_own_folder(into, 0) / found.name
            local.copy(found, target, patience)
        files = tuple(map(local.entry_of, local.files_of(found)))
        fetched = Fetched(target, found.name, "", files if found.is_file() else ())
        return _alone(fetched, Taken.of(files, found.name), taken)
    with open_source(source, login, patience) as place:
        package = selection.settled(place, source.pattern, partial(pause, patience.settle_s))
        newest = Taken.of(package.files, package.name)
        if source.url.is_local:
            check_found(package.files[0].path)
        newest = replace(newest, beside=_beside(place, source.pattern, newest))
        fetched = copy_package(place, package, _in_own_folder(into, 0), patience)
        selection.check_same(place, source.pattern, package)
        alone = _alone(fetched, newest, taken)
        is_listed = not package.is_folder and not place.list_entries()[0]
        if alone.is_again or not is_listed or not holds_delta(fetched.path):
            return alone
        listed = _older(place, source.pattern, newest, taken, is_moved_here=is_moved_here)
        packages, arrived, gap = [fetched], [newest.modified], listed.gap
        for number, entry in enumerate(listed.older, start=1):
            if source.url.is_local:
                check_found(entry.path)
            one = selection.Package(entry.name, (entry,))
            packages.insert(0, copy_package(place, one, _in_own_folder(into, number), patience))
            arrived.insert(0, entry.modified)
            # A bulk package is complete: what is older, or missing before it, changes nothing.
            if not holds_delta(packages[0].path):
                gap = None
                break
        _check_unchanged(place, listed.older)
    return Unread(tuple(packages), tuple(arrived), newest, gap=gap)


def _single(path: Path) -> Path | None:
    """Return the path if it is a package itself: a file or a folder of CSV files; else None."""
    found = local.newest_package(path) if path.is_file() or local.holds_csv(path) else None
    return found if found == path else None


def _alone(fetched: Fetched, newest: Taken, taken: Taken | None) -> Unread:
    is_again = taken is not None and not taken.is_before(newest)
    return Unread((fetched,), (newest.modified,), newest, is_again=is_again)


def _older(
    place: Place, pattern: str, newest: Taken, taken: Taken | None, *, is_moved_here: bool
) -> _Listed:
    """Return the packages between the last one that was taken and the newest."""
    if taken is None:
        if is_moved_here:
            return _Listed(gap="the source changed since the last package")
        return _Listed()
    entries = selection.packages_of(place, pattern)
    between = []
    for entry in entries:
        one = Taken.of((entry,), entry.name)
        is_older = (one.modified or _NEVER) <= (newest.modified or _NEVER)
        if taken.is_before(one) and is_older and entry.name != newest.name:
            between.append(entry)
    between.sort(key=lambda entry: (entry.modified or _NEVER, entry.name), reverse=True)
    names = {entry.name for entry in entries}
    gap = None
    if len(between) >= MOST:
        gap = f"more than {MOST} packages came since the last sync"
    elif not taken.is_moved and taken.name not in names:
        gap = "the last package that was read is no longer at the source"
    # The newest package is one of the most, too.
    return _Listed(between[: MOST - 1], gap)


def _beside(place: Place, pattern: str, newest: Taken) -> tuple[str, ...]:
    is_file, _ = place.list_entries()
    if is_file:
        return ()
    same = [e.name for e in selection.packages_of(place, pattern) if e.modified == newest.modified]
    return tuple(sorted(set(same) - {newest.name}))


def _check_unchanged(place: Place, entries: Sequence[Entry]) -> None:
    """Check that the packages that were read are still listed unchanged.

    Raises:
        NotReadyError: A package changed or was removed.
    """
    if entries:
        now = {(entry.name, entry.size, entry.stamp) for entry in place.list_entries()[1]}
        for entry in entries:
            if (entry.name, entry.size, entry.stamp) not in now:
                raise selection.not_ready(entry.name)


def _in_own_folder(into: Path, number: int) -> Path:
    """Return a folder for one package, since two packages may have the same name."""
    folder = into / str(number)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    return folder


def _by_name(entry: Entry) -> str:
    return entry.name
