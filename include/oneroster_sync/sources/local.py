"""Files and folders that a worker sees as its own."""

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
"""How many entries of a folder are copied: far more than a package may have."""
_DEPTH = 3
"""How many folders deep a package may lie in a folder."""


class LocalPlace:
    """A file or a folder of the worker's own file system."""

    def __init__(self, path: str) -> None:
        """Look at a path."""
        self._path = Path(path)
        self.name = path

    def look(self) -> tuple[bool, list[Entry]]:
        """Return whether the path is a file, and it or the files of the folder."""
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
    """Return a file as it is now."""
    found = path.stat()
    modified = dt.datetime.fromtimestamp(found.st_mtime, dt.UTC)
    return Entry(path.name, str(path), found.st_size, str(found.st_mtime_ns), modified)


def newest_package(source: Path, pattern: str = "*.zip") -> Path:
    """Return the package at a place: a file or a folder of CSV files itself, else its newest zip.

    Raises:
        NoSourceError: There is none.
        RefusedSourceError: It may not be read.
    """
    with _permitted(source):
        if source.is_file() or (source.is_dir() and any(_csv_files(source))):
            return source
        # glob() passes over a folder that can't be read without a word.
        listed = sorted(source.iterdir()) if source.is_dir() else []
        found = [file for file in listed if matches(file.name, pattern)]
        if not found:
            raise NoSourceError("source.not_found", f"there is no package at {source}")
        return max(found, key=lambda file: (file.stat().st_mtime, file.name))


@contextlib.contextmanager
def _permitted(path: Path) -> Iterator[None]:
    """Say in words that a file or a folder may not be read; another try would not help."""
    try:
        yield
    except PermissionError:
        account = f"the account that syncs (user id {os.geteuid()})"
        raise RefusedSourceError(
            "source.not_permitted", f"{account} may not read {path}, or what is in it"
        ) from None


def holds_csv(path: Path) -> bool:
    """Tell whether a path is a folder of CSV files."""
    return path.is_dir() and any(_csv_files(path))


def files_of(package: Path) -> list[Path]:
    """Return the file that a package is, or the files of its folder."""
    return [package] if package.is_file() else [f for f in package.iterdir() if f.is_file()]


def check_settled(package: Path, wait_s: float) -> None:
    """Look at a package twice.

    Raises:
        NotReadyError: It changed in between, or a file of it is named as unfinished.
    """
    with _permitted(package):
        before = _look(package)
        time.sleep(wait_s)
        if any(unfinished(name) for name, *_ in before) or _look(package) != before:
            raise not_ready(package.name)


def copy(package: Path, target: Path, patience: Patience) -> None:
    """Copy a package within the limits of one; what is not there is not copied.

    Links stay links, so that whoever opens the copy refuses them.

    Raises:
        RefusedSourceError: It is larger than a package may be, holds what is no file, or may not
            be read.
        RetriableSourceError: It changed meanwhile, or took too long.
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
    """Copy a folder, and return how many bytes may still come."""
    target.mkdir()
    # Whatever has more entries is refused when it is opened; so is a link, and what is no file.
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
            raise RefusedSourceError("source.not_permitted", f"{path.name} is no regular file")
    return limit


def _copy_file(path: Path, target: Path, limit: int, deadline: float) -> None:
    copy_file(LocalPlace(str(path)), entry_of(path), target, limit, deadline)


def _look(package: Path) -> list[tuple[str, int, int]]:
    files = [package] if package.is_file() else sorted(package.iterdir())
    stats = [(file.name, file.stat()) for file in files]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _csv_files(folder: Path) -> Iterable[Path]:
    return (file for file in folder.iterdir() if file.suffix.lower() == ".csv")
