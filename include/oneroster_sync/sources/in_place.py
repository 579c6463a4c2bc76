"""Read a folder without copying it, and check that it did not change meanwhile.

A private copy of a folder takes a third of the time of reading it, and as many bytes on the disk.
So each file is opened once, and all reading, hashing and parsing uses these descriptors: a file
that is replaced afterwards is not seen. Writing into an opened file changes its size or a time, and
adding or removing a file changes the listing. Both are compared before the first and after the last
read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Self

from oneroster_sync.sources.digest import mark
from oneroster_sync.sources.errors import NotReadyError
from oneroster_sync.sources.selection import not_ready

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from oneroster_sync.settings import Limits

_DEPTH = 3
_PIECE = 1 << 20
# Between the listing and the opening a file may be replaced: by a link, which O_NOFOLLOW refuses,
# or by a pipe, where open() without O_NONBLOCK waits for a writer.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

_Seen = dict[Path, tuple[int, ...]]


class FolderInPlace:
    """The files of a folder, each of them open."""

    def __init__(self, folder: Path, seen: _Seen) -> None:
        """Make a folder without open files; use `FolderInPlace.open`."""
        self._folder = folder
        self._seen = seen
        self._files: dict[Path, int] = {}

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, limits: Limits) -> Iterator[FolderInPlace | None]:
        """Yield a folder whose files are open; None if the folder must be copied.

        A folder must be copied if it holds links or special files, exceeds the limits of a package,
        or may not be read: the copy then raises the error for the case.

        Raises:
            NotReadyError: The folder changed before all its files were open.
        """
        seen = _list_plain(folder, limits)
        if seen is None:
            yield None
            return
        found = cls(folder, seen)
        try:
            yield found if found._open_all() else None
        finally:
            found._close()

    def _open_all(self) -> bool:
        """Open all files; return whether all of them may be read."""
        for path, seen in self._seen.items():
            if not stat.S_ISREG(seen[0]):
                continue
            try:
                self._files[path] = os.open(path, _FLAGS)
            except PermissionError:
                return False
            except OSError:  # it was removed or replaced by a link
                raise not_ready(self._folder.name) from None
            if _as_seen(os.fstat(self._files[path])) != seen:
                raise not_ready(self._folder.name)
        return True

    def _close(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def read(self, path: Path) -> OpenedFile:
        """Return an open file at its beginning; several can be read at once.

        Raises:
            NotReadyError: The file did not exist when the folder was opened.
        """
        if path not in self._files:
            raise not_ready(self._folder.name)
        return OpenedFile(self._files[path])

    def sha256(self) -> str:
        """Return the sha256 of the opened files, equal to `digest.sha256_of` of the folder."""
        digest = hashlib.sha256()
        piece = memoryview(bytearray(_PIECE))
        for path in sorted(self._files):
            digest.update(mark(path, self._folder))
            at = 0
            while size := os.preadv(self._files[path], [piece], at):
                digest.update(piece[:size])
                at += size
        return digest.hexdigest()

    def check_unchanged(self) -> None:
        """Check that nothing has changed since the folder was opened.

        Raises:
            NotReadyError: Something changed, so the data read may be inconsistent.
        """
        try:
            is_same = _list_entries(self._folder) == self._seen and all(
                _as_seen(os.fstat(descriptor)) == self._seen[path]
                for path, descriptor in self._files.items()
            )
        except OSError:
            is_same = False
        if not is_same:
            raise NotReadyError(
                "source.not_ready", f"{self._folder.name} was changed while it was read"
            )


class OpenedFile:
    """A reader with its own position in an open file; the folder closes the file."""

    def __init__(self, descriptor: int) -> None:
        """Start at the beginning of the file."""
        self._descriptor = descriptor
        self._at = 0

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, `b""` at the end."""
        # pread: the hash and the parser read one descriptor at once, and would share its position.
        data = os.pread(self._descriptor, size, self._at)
        self._at += len(data)
        return data

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the file open; the folder closes it."""


def can_be_read_in_place(folder: Path, limits: Limits) -> bool:
    """Return whether a folder holds plain files within the limits of a package."""
    return _list_plain(folder, limits) is not None


def _list_plain(folder: Path, limits: Limits) -> _Seen | None:
    """Return the entries of a folder of plain files within the limits, else None."""
    try:
        seen = _list_entries(folder)
    except OSError:
        return None
    sizes = [size for mode, size, *_ in seen.values() if stat.S_ISREG(mode)]
    is_plain = all(stat.S_ISREG(mode) or stat.S_ISDIR(mode) for mode, *_ in seen.values())
    is_small = len(seen) <= limits.entries and sum(sizes) <= limits.unpacked
    return seen if is_plain and is_small else None


def _list_entries(folder: Path, depth: int = 0) -> _Seen:
    """Return the path and the state of each entry below a folder."""
    seen: _Seen = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            path, found = Path(entry.path), entry.stat(follow_symlinks=False)
            seen[path] = _as_seen(found)
            if stat.S_ISDIR(found.st_mode) and depth < _DEPTH:
                seen |= _list_entries(path, depth + 1)
    return seen


def _as_seen(found: os.stat_result) -> tuple[int, ...]:
    """Return the values of a stat that differ if a file was replaced or its bytes changed.

    For a folder, the listing shows all changes. ctime can't be set by a program: copying a file in
    and then setting its mtime to that of the original still changes its ctime.
    """
    if stat.S_ISDIR(found.st_mode):
        return found.st_mode, 0, found.st_ino
    return (
        # Without the access time, which our own reading changes.
        *(found.st_mode, found.st_size, found.st_dev, found.st_ino),
        *(found.st_mtime_ns, found.st_ctime_ns),
    )
