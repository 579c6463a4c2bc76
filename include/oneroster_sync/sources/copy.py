"""Copy the bytes of a package's file, within a size limit and a deadline."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from oneroster_sync.sources.errors import RefusedSourceError, RetriableSourceError

if TYPE_CHECKING:
    from pathlib import Path

    from oneroster_sync.sources.base import Entry, Place

MIB = 1 << 20


def copy_file(place: Place, entry: Entry, target: Path, limit: int, deadline: float) -> str:
    """Copy one file of a place, and return the sha256 of its bytes.

    Args:
        place: The place of the file.
        entry: The file, as it was listed.
        target: The file to write.
        limit: Most bytes that the file may have.
        deadline: When the copy must be complete, in seconds of `time.monotonic()`.

    Raises:
        RefusedSourceError: The file is larger than the limit.
        RetriableSourceError: The deadline passed, or the bytes received are not as many as listed.
    """
    if (entry.size or 0) > limit:
        raise _too_large(entry, limit)
    digest, size = hashlib.sha256(), 0
    with place.read(entry) as pieces, target.open("wb") as file:
        for piece in pieces:
            size += len(piece)
            # The listed size is a claim of the server, which may be wrong or missing.
            if size > limit:
                raise _too_large(entry, limit)
            # Files of the worker's own disk, such as a slow mount, have no `WatchedPlace` around
            # them.
            if time.monotonic() > deadline:
                raise RetriableSourceError(
                    "source.timeout", f"{entry.name} is transferred too slowly"
                )
            digest.update(piece)
            file.write(piece)
    if entry.size is not None and size != entry.size:
        raise RetriableSourceError(
            "source.interrupted",
            f"{size:,} of the {entry.size:,} bytes of {entry.name} were received",
        )
    return digest.hexdigest()


def _too_large(entry: Entry, limit: int) -> RefusedSourceError:
    return RefusedSourceError(
        "source.too_large",
        f"{entry.name} is larger than a package may be",
        expected=f"at most {limit // MIB:,} MiB",
    )
