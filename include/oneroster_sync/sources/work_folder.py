"""Folders for what a process needs for a while, such as the private copy of a package.

A process that is killed removes nothing, and a package holds students. So all such folders are in
one folder of ours, `ONEROSTER_TEMPORARY`, and each has a lock file that its process holds open: the
system gives the lock back however the process ends. Whatever is not locked belongs to nobody any
more, and the next run, or the DAG oneroster_watch, removes it.

    oneroster-<user id>/
        <random>/         closed to everybody else
        <random>.lock     locked by who works in <random>/
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
    """Return the folder of all work folders, which nobody else may enter.

    Raises:
        SettingError: It belongs to somebody else, who could read and change what is put there.
    """
    given = os.environ.get("ONEROSTER_TEMPORARY")
    folder = Path(given or Path(tempfile.gettempdir()) / f"oneroster-{os.geteuid()}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise SettingError(
            f"{folder} is no folder of this account's own; remove it, or set ONEROSTER_TEMPORARY "
            "to a folder that is"
        )
    if stat.S_IMODE(found.st_mode) != 0o700:  # noqa: PLR2004  nobody else's business
        folder.chmod(0o700)
    return folder


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """Yield an empty folder of this process's own, which goes with the block or with the process.

    Raises:
        SettingError: The folder of all work folders belongs to somebody else.
    """
    folder = root() / uuid.uuid4().hex
    lock = folder.with_suffix(_LOCK)
    with _held(lock):
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            # What can't be removed now keeps its lock file, so that a sweep tries again.
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
                lock.unlink(missing_ok=True)


def sweep() -> int:
    """Remove the work folders of processes that are gone, and return how many there were."""
    swept = 0
    for lock in sorted(root().glob(f"*{_LOCK}")):
        with contextlib.suppress(OSError):
            swept += _remove(lock)
    if swept:
        log.info("Removed what %d processes that were cut off had left.", swept)
    return swept


def is_held(file: Path) -> bool:
    """Tell whether a living process holds the lock of a file, on this or another machine."""
    with file.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _remove(lock: Path) -> bool:
    """Remove a work folder unless a process works there."""
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
    """Hold a lock file while the block lasts.

    Between making the file and locking it, a sweep may take it for one that nobody holds and remove
    it: the lock would then be one on a file that nobody else sees. So it is looked at again.
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
    """Tell whether a path still leads to the file that was opened."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)
