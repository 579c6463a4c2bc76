"""The sha256 by which a package is known again: hashlib alone, so that nobody waits for more."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PIECE = 1 << 20
"""Bytes that are read at once: they stay in the processor's cache until they are hashed."""


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes; of a folder, of its files in order of their names."""
    found = _sha256_of(path, threading.Event())
    assert found is not None
    return found


class Hashing(threading.Thread):
    """Computes the sha256 of a package on the other processor, until somebody cancels it.

    hashlib lets go of the interpreter's lock, so that modules are loaded meanwhile.
    """

    def __init__(self, path: Path) -> None:
        """Begin at once."""
        super().__init__(daemon=True)
        self._path = path
        self._cancelled = threading.Event()
        self._found: str | None = None
        self.start()

    def run(self) -> None:
        """Hash; what can't be read has no hash, and whoever reads the package says why."""
        try:
            self._found = _sha256_of(self._path, self._cancelled)
        except OSError:
            self._found = None

    def cancel(self) -> None:
        """Stop soon: the hash is not asked for."""
        self._cancelled.set()

    def result(self) -> str | None:
        """Return the sha256 when it is known; None where the package can't be read."""
        self.join()
        return self._found


def _sha256_of(path: Path, cancelled: threading.Event) -> str | None:
    digest = hashlib.sha256()
    piece = memoryview(bytearray(_PIECE))
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    for file in files:
        if path.is_dir():
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb", buffering=0) as stream:
            while size := stream.readinto(piece):
                digest.update(piece[:size])
                if cancelled.is_set():
                    return None
    return digest.hexdigest()
