"""Temporary folders of a process, for example for the private copy of a package.

A process that is killed deletes nothing, and a package holds data of students. So all work folders
are in one folder, `ONEROSTER_TEMPORARY`, and each has a lock file that its process keeps locked:
the system releases the lock however the process ends. A work folder that is not locked is
abandoned, and the next run, or the DAG oneroster_watch, deletes it.

    oneroster-<user id>/
        <random>/         mode 0700
        <random>.lock     locked by the process that uses <random>/
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import stat
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from oneroster_sync.settings import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("oneroster")

_LOCK = ".lock"


def root() -> Path:
    """Return the folder of all work folders, created with mode 0700.

    Raises:
        SettingError: Another account owns the folder and could read and change its content.
    """
    given = os.environ.get("ONEROSTER_TEMPORARY")
    folder = Path(given or Path(tempfile.gettempdir()) / f"oneroster-{os.geteuid()}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Not stat: in a shared /tmp another account may have put a link of that name.
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise SettingError(
            f"{folder} does not belong to this account; remove it, or set ONEROSTER_TEMPORARY "
            "to a folder that does"
        )
    if stat.S_IMODE(found.st_mode) != 0o700:  # noqa: PLR2004  no access for other accounts
        folder.chmod(0o700)
    return folder


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """Yield an empty folder for this process, deleted at the end of the block.

    Raises:
        SettingError: Another account owns the folder of all work folders.
    """
    folder = root() / uuid.uuid4().hex
    lock = folder.with_suffix(_LOCK)
    with _held(lock):
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            # A folder that can't be deleted now keeps its lock file, so that a sweep tries again.
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
                lock.unlink(missing_ok=True)


def sweep() -> int:
    """Delete the work folders of processes that have ended, and return how many there were."""
    swept = 0
    for lock in sorted(root().glob(f"*{_LOCK}")):
        with contextlib.suppress(OSError):
            swept += _remove(lock)
    if swept:
        log.info("Deleted the temporary folders of %d interrupted processes.", swept)
    return swept


def is_held(file: Path) -> bool:
    """Return whether a living process holds the lock of a file, on this or another machine."""
    with file.open("rb") as stream:
        try:
            # A shared lock, so that two checks at once don't take each other for the holder.
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _remove(lock: Path) -> bool:
    """Delete a work folder unless a process uses it; return whether it was deleted."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_there(lock, descriptor):
            return False
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(lock.with_suffix(""))
        lock.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextlib.contextmanager
def _held(lock: Path) -> Iterator[None]:
    """Hold a lock file during the block.

    Between the creation of the file and its locking, a sweep may find it unlocked and delete it:
    this process would then hold the lock of a deleted file that no other process sees. So check
    after locking that the path still leads to the file, and try again otherwise.
    """
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_there(lock, descriptor):
            break
        os.close(descriptor)
    try:
        yield
    finally:
        os.close(descriptor)


def _is_there(path: Path, descriptor: int) -> bool:
    """Return whether a path still leads to the file that was opened as `descriptor`."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)
