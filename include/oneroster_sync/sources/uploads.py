"""Uploads: a file that a person uploads, received in pieces and kept until it was read.

    uploads/<site>/<random>/OneRoster.zip | users.csv | courses.csv | ids.csv | links.csv
    uploads/<site>/<random>/name.txt

The name that the client sends is kept for display only; no file gets this name. A file that is too
large or of another kind is refused as early as possible, and nothing of it is kept. A file that was
read is deleted when its run has ended, because it may hold data of students.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import hashlib
import unicodedata
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from upath import UPath

from oneroster_sync import settings
from oneroster_sync.errors import UserError
from oneroster_sync.findings import CODES
from oneroster_sync.sources.sniff import START, wrong_start
from oneroster_sync.sources.work_folder import is_held
from oneroster_sync.standard.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from oneroster_sync.findings import Finding

MIB = 1 << 20
LIMITS = {
    Kind.PACKAGE: 256 * MIB,
    Kind.USERS: 512 * MIB,
    Kind.COURSES: 512 * MIB,
    Kind.IDS: 64 * MIB,
    Kind.LINKS: 64 * MIB,
}
"""Most bytes that an upload may have."""

_NAMES = {kind: "OneRoster.zip" if kind is Kind.PACKAGE else f"{kind}.csv" for kind in Kind}
_NAME = "name.txt"
_LONGEST = 120
"""Most characters of a name that are kept."""
_KEPT = dt.timedelta(days=7)
"""How long a file is kept whose run did not end well, since the run may be tried again."""
_BEGUN = dt.timedelta(minutes=1)
"""How long a new upload counts as active before its locked file exists."""
_UNLOCKED = dt.timedelta(days=1)
"""Age from which an unfinished upload in an object store, which has no locks, is deleted."""


class RefusedUploadError(UserError):
    """The upload is refused; the message says why and what to do."""


class TooLargeError(RefusedUploadError):
    """The upload has more bytes than the limit."""


class WrongKindError(RefusedUploadError):
    """The file is not of the declared kind; `finding` names its type."""

    def __init__(self, finding: Finding) -> None:
        """Make an error with the texts of `finding`."""
        code = CODES[finding.code]
        super().__init__(f"{code.describe('error')} Expected {finding.expected}. {code.hint}")
        self.finding = finding


class EmptyUploadError(RefusedUploadError):
    """The upload holds no bytes."""


class NoRoomError(RefusedUploadError):
    """The storage has no room for the upload."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A received file: its path, its sha256 and its size in bytes."""

    package: str
    sha256: str
    size: int


class Receiving:
    """An upload in progress: a context manager that deletes the file unless it was finished."""

    def __init__(self, site: str, kind: Kind, name: str = "") -> None:
        """Prepare an upload; nothing is written before the `with` block.

        Args:
            site: The site.
            kind: The declared kind of the file.
            name: The name of the file at the client.
        """
        self._kind = kind
        self._name = _shown_name(name)
        self._target = _folder(site) / uuid.uuid4().hex / _NAMES[kind]
        self._part = self._target.with_name(f"{self._target.name}.part")
        self._digest = hashlib.sha256()
        self._start = b""
        self._size = 0
        self._done = False
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Open the file.

        Raises:
            NoRoomError: The storage is full.
        """
        with _room():
            self._target.parent.mkdir(parents=True)
            if _is_local(self._target):
                self._target.parent.chmod(0o700)
            self._file = self._open.enter_context(self._part.open("wb"))
            if _is_local(self._part):
                # The system releases the lock however this process ends: see sweep_unfinished.
                fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Delete the written bytes, unless the upload was finished."""
        with contextlib.suppress(OSError):
            self._open.close()
        if not self._done:
            _remove(self._target.parent)

    def expect(self, size: int) -> None:
        """Check the announced size of an upload.

        Raises:
            TooLargeError: The size is above the limit.
        """
        if size > LIMITS[self._kind]:
            raise TooLargeError(
                f"{_NAMES[self._kind]} may have {LIMITS[self._kind] // MIB:,} MiB at most; "
                "export less, or let the scheduled sync read it from its source"
            )

    def write(self, piece: bytes) -> None:
        """Write the next bytes.

        Raises:
            TooLargeError: There are more bytes than the limit.
            WrongKindError: The file is not of the declared kind.
            NoRoomError: The storage is full.
        """
        self._size += len(piece)
        self.expect(self._size)
        if len(self._start) < START:
            self._start += piece[: START - len(self._start)]
            if len(self._start) == START:
                self._check_kind()
        self._digest.update(piece)
        with _room():
            self._file.write(piece)

    def finish(self) -> Upload:
        """Rename the complete file to its final name, and return it.

        Raises:
            EmptyUploadError: There were no bytes.
            WrongKindError: The file is not of the declared kind.
            NoRoomError: The storage is full.
        """
        if not self._size:
            raise EmptyUploadError("the file is empty; export it again")
        if self._size < START:
            self._check_kind()
        with _room():
            # Closing writes what is still buffered, so a full storage may show only here.
            self._open.close()
            if _is_local(self._part):
                self._part.chmod(0o600)
            # Before the rename, so that the file is never there without its name.
            if self._name:
                self._target.with_name(_NAME).write_text(self._name, "utf-8")
            self._part.rename(self._target)
        self._done = True
        package = self._target.path if _is_local(self._target) else str(self._target)
        return Upload(package, self._digest.hexdigest(), self._size)

    def _check_kind(self) -> None:
        finding = wrong_start(self._start, self._kind, name="the file")
        if finding is not None:
            raise WrongKindError(finding)


def find_name(site: str, package: str) -> str | None:
    """Return the name that an uploaded file had at the client; None if unknown."""
    root = _folder(site)
    if not package.startswith((f"{root.path}/", f"{root}/")):
        return None
    try:
        kept = UPath(package, **root.storage_options).with_name(_NAME).read_text("utf-8")
    except (OSError, ValueError):
        return None
    return _shown_name(kept) or None


def _shown_name(name: str) -> str:
    """Return a name for display: without folders and invisible characters."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    # Category C has control characters, and marks that turn the direction of the text around.
    seen = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    return seen[:_LONGEST]


def forget(site: str, package: str | None) -> None:
    """Delete an uploaded file whose run has ended; do nothing for a package from elsewhere."""
    root = _folder(site)
    if package is None or not root.exists():
        return
    for folder in root.iterdir():
        if package.startswith((f"{folder.path}/", f"{folder}/")):
            _remove(folder)


def sweep_unfinished(site: str, *, now: dt.datetime) -> None:
    """Delete unfinished uploads whose server was killed: they may hold data of students."""
    root = _folder(site)
    for folder in root.iterdir() if root.exists() else ():
        with contextlib.suppress(OSError):
            if _is_cut_off(folder, now):
                _remove(folder)


def sweep(site: str, *, now: dt.datetime) -> None:
    """Delete expired and unfinished uploads."""
    sweep_unfinished(site, now=now)
    root = _folder(site)
    for folder in root.iterdir() if root.exists() else ():
        with contextlib.suppress(OSError):
            if now.timestamp() - _touched_at(folder) > _KEPT.total_seconds():
                _remove(folder)


def _folder(site: str) -> UPath:
    return settings.storage_of("uploads", site)


def _is_cut_off(folder: UPath, now: dt.datetime) -> bool:
    """Return whether an upload is unfinished and no process is writing it any more."""
    files = list(folder.iterdir())
    age = dt.timedelta(seconds=now.timestamp() - _touched_at(folder))
    parts = [file for file in files if file.name.endswith(".part")]
    if (files and not parts) or age < _BEGUN:
        return False
    if not _is_local(folder):
        return age > _UNLOCKED
    return not any(is_held(Path(part.path)) for part in parts)


def _touched_at(folder: UPath) -> float:
    """Return when a file of a folder was last written; folders of object stores have no time."""
    return max(file.stat().st_mtime for file in [*folder.iterdir()] or [folder])


def _is_local(path: UPath) -> bool:
    return path.protocol in {"", "file", "local"}


def _remove(folder: UPath) -> None:
    with contextlib.suppress(OSError):
        folder.fs.rm(folder.path, recursive=True)


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """Raise NoRoomError if the storage is full."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            message = "the storage is full; free some space, then upload the file again"
            raise NoRoomError(message) from None
        raise
