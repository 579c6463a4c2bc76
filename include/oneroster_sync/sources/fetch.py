"""Make a private copy of a package: complete, or none."""

from __future__ import annotations

import shutil
import time
import zipfile
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from oneroster_sync.sources import selection
from oneroster_sync.sources.base import Entry, Patience, is_plain
from oneroster_sync.sources.connect import open_source
from oneroster_sync.sources.copy import copy_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oneroster_sync.sources.base import Login, Place
    from oneroster_sync.sources.connect import Source


@dataclass(frozen=True, slots=True)
class Fetched:
    """A package that was fetched.

    Attributes:
        path: The private copy: a file, or a folder of CSV files.
        name: The name of the package at its source.
        sha256: The sha256 of the file; empty for a folder.
        files: The files of the package, as the source listed them.
    """

    path: Path
    name: str
    sha256: str
    files: tuple[Entry, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return, for JSON, what identifies the files at the source later."""
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

    The source is listed twice before the package is read, and once after: a package that changes in
    between is not used.

    Args:
        source: The source.
        into: An empty folder; a fetch that fails leaves nothing there.
        login: The source's Airflow connection.
        patience: Time and size limits.
        pause: Sleeps for a number of seconds.

    Raises:
        NoSourceError: There is no package.
        NotReadyError: The package is still being written.
        RetriableSourceError: The source was unreachable or too slow, or the connection was cut.
        RefusedSourceError: A person must fix something.
    """
    patience = patience or Patience()
    with open_source(source, login, patience) as place:
        found = selection.settled(place, source.pattern, partial(pause, patience.settle_s))
        fetched = copy_package(place, found, into, patience)
        try:
            selection.check_same(place, source.pattern, found)
        except BaseException:
            _remove(fetched.path)
            raise
    return fetched


def copy_package(
    place: Place, package: selection.Package, into: Path, patience: Patience
) -> Fetched:
    """Copy one package of a place into a folder; a copy that fails leaves nothing there.

    Raises:
        SourceError: The package can't be copied, or not now.
    """
    target = into / ("package" if package.is_folder else package.name)
    try:
        sha256 = _copy(place, package, target, patience)
    except BaseException:
        _remove(target)
        raise
    return Fetched(target, package.name, sha256, package.files)


def copy_all(source: Source, target: Path, patience: Patience) -> None:
    """Copy the file or the files of the folder that a source names, without a login.

    Raises:
        SourceError: There is nothing to copy, or it can't be read.
    """
    with open_source(source, None, patience) as place:
        is_file, entries = place.list_entries()
        package = selection.Package(target.name, tuple(entries), is_folder=not is_file)
        _copy_package(place, package, target, patience)


def _copy(place: Place, package: selection.Package, target: Path, patience: Patience) -> str:
    sha256 = _copy_package(place, package, target, patience)
    if not package.is_folder and _is_cut_off(target):
        raise selection.not_ready(package.name)
    return sha256


def _copy_package(
    place: Place, package: selection.Package, target: Path, patience: Patience
) -> str:
    deadline = time.monotonic() + patience.whole_s
    limit = patience.limits.unpacked if package.is_folder else patience.limits.packed
    if not package.is_folder:
        return copy_file(place, package.files[0], target, limit, deadline)
    target.mkdir()
    for entry in package.files:
        if is_plain(entry.name):
            copy_file(place, entry, target / entry.name, limit, deadline)
            limit -= (target / entry.name).stat().st_size
    return ""


def _is_cut_off(file: Path) -> bool:
    """Return whether a file is empty, or a zip whose end is missing.

    Only a zip has a recognizable end; a file that is no zip counts as complete and is judged when
    it is read.
    """
    with file.open("rb") as stream:
        start = stream.read(2)
    return not start or (start == b"PK" and not zipfile.is_zipfile(file))


def _remove(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
