"""A private copy of a package, whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
import time
import zipfile
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from oneroster_sync.sources import looking
from oneroster_sync.sources.errors import RefusedSourceError, RetriableSourceError
from oneroster_sync.sources.opening import opened
from oneroster_sync.sources.place import Entry, Patience

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oneroster_sync.sources.opening import Source
    from oneroster_sync.sources.place import Login, Place

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """A package that was fetched.

    Attributes:
        path: The private copy: a file, or a folder of CSV files.
        name: What the place calls it.
        sha256: Of the file; empty for a folder.
        files: As they were there.
    """

    path: Path
    name: str
    sha256: str
    files: tuple[Entry, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what is needed to know the files again."""
        files = [{**asdict(entry), "modified": None} for entry in self.files]
        return {"name": self.name, "sha256": self.sha256, "files": files}


def fetch(
    source: Source,
    into: Path,
    *,
    login: Login | None = None,
    patience: Patience | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Fetch the newest package of a source that is not the worker's own file system.

    It is looked at twice before it is read, and once after: what changes meanwhile is not used.

    Args:
        source: Where to look, and for what.
        into: An empty folder; a fetch that fails leaves nothing there.
        login: What the source's Airflow connection says.
        patience: How long a place may take.
        pause: Waits so many seconds.

    Raises:
        NoSourceError: There is no package.
        NotReadyError: It is still being written.
        RetriableSourceError: The source was away, too slow, or cut off.
        RefusedSourceError: A person has to mend something.
    """
    patience = patience or Patience()
    with opened(source, login, patience) as place:
        found = looking.settled(place, source.pattern, partial(pause, patience.settle_s))
        target = into / ("package" if found.is_folder else found.name)
        try:
            sha256 = _copy(place, found, target, patience)
            looking.check_same(place, source.pattern, found)
        except BaseException:
            _remove(target)
            raise
    return Fetched(target, found.name, sha256, found.files)


def _copy(place: Place, package: looking.Package, target: Path, patience: Patience) -> str:
    deadline = time.monotonic() + patience.whole_s
    limit = patience.limits.unpacked if package.is_folder else patience.limits.packed
    if not package.is_folder:
        sha256 = _copy_file(place, package.files[0], target, limit, deadline)
        if _is_cut_off(target):
            raise looking.not_ready(package.name)
        return sha256
    target.mkdir()
    for entry in package.files:
        _copy_file(place, entry, target / entry.name, limit, deadline)
        limit -= (target / entry.name).stat().st_size
    return ""


def _copy_file(place: Place, entry: Entry, target: Path, limit: int, deadline: float) -> str:
    if (entry.size or 0) > limit:
        raise _too_large(entry, limit)
    digest, size = hashlib.sha256(), 0
    with place.read(entry) as pieces, target.open("wb") as file:
        for piece in pieces:
            size += len(piece)
            if size > limit:
                raise _too_large(entry, limit)
            if time.monotonic() > deadline:
                raise RetriableSourceError("source.timeout", f"{entry.name} comes too slowly")
            digest.update(piece)
            file.write(piece)
    if entry.size is not None and size != entry.size:
        raise RetriableSourceError(
            "source.interrupted", f"{size:,} of the {entry.size:,} bytes of {entry.name} came"
        )
    return digest.hexdigest()


def _is_cut_off(file: Path) -> bool:
    """Tell whether a file is a zip whose end is missing, or nothing yet.

    What is no zip at all is whole as far as anybody can tell; reading it finds out what it is.
    """
    with file.open("rb") as stream:
        start = stream.read(2)
    return not start or (start == b"PK" and not zipfile.is_zipfile(file))


def _too_large(entry: Entry, limit: int) -> RefusedSourceError:
    return RefusedSourceError(
        "source.too_large",
        f"{entry.name} is larger than a package may be",
        expected=f"at most {limit // MIB:,} MiB",
    )


def _remove(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
