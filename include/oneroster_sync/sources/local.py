"""Files and folders of the worker's file system."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from oneroster_sync.sources.base import PIECE, Entry
from oneroster_sync.sources.copy import copy_file
from oneroster_sync.sources.errors import NoSourceError, RefusedSourceError
from oneroster_sync.sources.selection import matches, not_ready, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oneroster_sync.sources.base import Patience

_ENTRIES = 1000
"""Most entries of a folder that are copied: far more than a package may have."""
_DEPTH = 3
"""Levels of subfolders that are copied."""


class LocalPlace:
    """A file or a folder of the worker's own file system."""

    def __init__(self, path: str) -> None:
        """Make a place for a path."""
        self._path = Path(path)
        self.name = path

    def list_entries(self) -> tuple[bool, list[Entry]]:
        """Return (True, [the file]) if the path is a file, else (False, the folder's files)."""
        if self._path.is_file():
            return True, [entry_of(self._path)]
        if not self._path.is_dir():
            raise NoSourceError("source.not_found", f"there is nothing at {self.name}")
        return False, [entry_of(path) for path in self._path.iterdir() if path.is_file()]

    @contextlib.contextmanager
    def read(self, entry: Entry) -> Iterator[Iterator[bytes]]:
        """Open a file and yield its bytes in pieces."""
        with Path(entry.path).open("rb") as file:
            yield iter(lambda: file.read(PIECE), b"")

    def move(self, entry: Entry, folder: str, name: str) -> None:
        """Move a file into a folder beside it."""
        target = Path(entry.path).with_name(folder)
        try:
            target.mkdir(exist_ok=True)
            Path(entry.path).rename(target / name)
        except OSError as error:
            raise RefusedSourceError(
                "source.not_permitted",
                f"{entry.name} can't be moved to {target}: {type(error).__name__}",
            ) from None


def entry_of(path: Path) -> Entry:
    """Return the entry of a file as it is now."""
    found = path.stat()
    modified = dt.datetime.fromtimestamp(found.st_mtime, dt.UTC)
    return Entry(path.name, str(path), found.st_size, str(found.st_mtime_ns), modified)


def newest_package(source: Path, pattern: str = "*.zip") -> Path:
    """Return the package at a path: the file, the folder of CSV files, or the folder's newest zip.

    Raises:
        NoSourceError: There is no package.
        RefusedSourceError: The path may not be read.
    """
    with _permitted(source):
        if source.is_file() or (source.is_dir() and any(_csv_files(source))):
            return source
        # iterdir(), because glob() silently skips a folder that can't be read.
        listed = sorted(source.iterdir()) if source.is_dir() else []
        found = [file for file in listed if matches(file.name, pattern)]
        if not found:
            raise NoSourceError("source.not_found", f"there is no package at {source}")
        return max(found, key=lambda file: (file.stat().st_mtime, file.name))


@contextlib.contextmanager
def _permitted(path: Path) -> Iterator[None]:
    """Raise PermissionError as RefusedSourceError, since a retry does not help."""
    try:
        yield
    except PermissionError:
        account = f"the account that syncs (user id {os.geteuid()})"
        raise RefusedSourceError(
            "source.not_permitted", f"{account} may not read {path}, or what is in it"
        ) from None


def holds_csv(path: Path) -> bool:
    """Return whether a path is a folder of CSV files."""
    return path.is_dir() and any(_csv_files(path))


def files_of(package: Path) -> list[Path]:
    """Return the files of a package: itself if it is a file, else those of its folder."""
    return [package] if package.is_file() else [f for f in package.iterdir() if f.is_file()]


def check_settled(package: Path, wait_s: float) -> None:
    """Check that a package does not change within `wait_s` seconds.

    Raises:
        NotReadyError: The package changed, or the name of a file is one of an unfinished file.
    """
    with _permitted(package):
        before = _list_states(package)
        time.sleep(wait_s)
        if any(unfinished(name) for name, *_ in before) or _list_states(package) != before:
            raise not_ready(package.name)


def copy(package: Path, target: Path, patience: Patience) -> None:
    """Copy a package within the limits of a package; do nothing if it does not exist.

    Links are copied as links, so that the stage that opens the copy refuses them.

    Raises:
        RefusedSourceError: The package is too large, holds a special file, or may not be read.
        RetriableSourceError: The package changed meanwhile, or the copy took too long.
    """
    deadline = time.monotonic() + patience.whole_s
    with _permitted(package):
        if package.is_dir():
            _copy_folder(package, target, patience.limits.unpacked, deadline)
        elif package.is_file():
            is_table = package.suffix.lower() == ".csv"
            limit = patience.limits.unpacked if is_table else patience.limits.packed
            _copy_file(package, target, limit, deadline)


def _copy_folder(folder: Path, target: Path, limit: int, deadline: float, depth: int = 0) -> int:
    """Copy a folder, and return how many bytes of the limit are left."""
    target.mkdir()
    # A copy with too many entries or with links is refused when it is opened.
    for path in itertools.islice(sorted(folder.iterdir()), _ENTRIES):
        copied = target / path.name
        if path.is_symlink():
            copied.symlink_to(path.readlink())
        elif path.is_dir():
            if depth < _DEPTH:
                limit = _copy_folder(path, copied, limit, deadline, depth + 1)
        elif path.is_file():
            _copy_file(path, copied, limit, deadline)
            limit -= copied.stat().st_size
        else:
            raise RefusedSourceError("source.not_permitted", f"{path.name} is not a regular file")
    return limit


def _copy_file(path: Path, target: Path, limit: int, deadline: float) -> None:
    copy_file(LocalPlace(str(path)), entry_of(path), target, limit, deadline)


def _list_states(package: Path) -> list[tuple[str, int, int]]:
    files = [package] if package.is_file() else sorted(package.iterdir())
    stats = [(file.name, file.stat()) for file in files]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _csv_files(folder: Path) -> Iterable[Path]:
    return (file for file in folder.iterdir() if file.suffix.lower() == ".csv")
