"""The sha256 that identifies a package; imports only the standard library, to start fast."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PIECE = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, or of a folder's files in the order of their names.

    Where there is nothing it is blank: the hash of no bytes would look like that of a package, so
    that the site would seem to have a new export.
    """
    digest = hashlib.sha256()
    piece = memoryview(bytearray(_PIECE))
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    if not files:
        return ""
    for file in files:
        if path.is_dir():
            digest.update(mark(file, path))
        with file.open("rb", buffering=0) as stream:
            while size := stream.readinto(piece):
                digest.update(piece[:size])
    return digest.hexdigest()


def mark(file: Path, folder: Path) -> bytes:
    """Return the bytes that precede a file's bytes in the sha256 of its folder: name and NUL."""
    # No name holds a NUL, so a name and the bytes after it can't be divided in another way.
    return file.relative_to(folder).as_posix().encode() + b"\0"


class Hashing:
    """A sha256 that is computed in a thread, in parallel with reading the package.

    hashlib releases the GIL while it hashes.
    """

    def __init__(self, compute: Callable[[], str]) -> None:
        """Start the thread that calls `compute`."""
        self._compute = compute
        self._found = ""
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="sha256", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._compute()
        except OSError as error:
            self._error = error

    def __enter__(self) -> Self:
        """Return this object."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the thread, since the caller closes the files that it reads next."""
        self._thread.join()

    def result(self) -> str:
        """Wait for the thread and return the sha256.

        Raises:
            OSError: The package can't be read.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found
