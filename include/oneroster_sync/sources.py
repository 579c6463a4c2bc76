"""Where scheduled syncs find their package: a file, a folder of CSV files, or a drop folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

if TYPE_CHECKING:
    from collections.abc import Iterable

_SETTLE_S = 2.0


class NoSourceError(Exception):
    """The site does not say where its packages are, or nothing is there."""


class NotReadyError(Exception):
    """The package is still being written; try again later."""


def locate(source: str | None) -> Path:
    """Return the package that a scheduled sync reads.

    Args:
        source: What the site's preferences say: a path or a file:// URL.

    Raises:
        NoSourceError: The site has no source, or there is nothing in it.
        NotReadyError: The package changes while it is being looked at.
    """
    if source is None:
        raise NoSourceError(
            "the site has no source; set one with: oneroster preferences --set source=/path"
        )
    found = newest_package(_local(source))
    check_settled(found, _SETTLE_S)
    return found


def newest_package(source: Path) -> Path:
    """Return the package at a place: a file or a folder of CSV files itself, else its newest zip.

    Raises:
        NoSourceError: There is none.
    """
    if source.is_file() or (source.is_dir() and any(_csv_files(source))):
        return source
    zips = [f for f in source.glob("*") if f.suffix.lower() == ".zip"] if source.is_dir() else []
    if not zips:
        raise NoSourceError(f"there is no package at {source}")
    return max(zips, key=lambda file: (file.stat().st_mtime, file.name))


def check_settled(package: Path, wait_s: float) -> None:
    """Look at a package twice.

    Raises:
        NotReadyError: It changed in between, or a file of it is named as unfinished.
    """
    before = _look(package)
    time.sleep(wait_s)
    unfinished = [name for name, *_ in before if name.endswith((".tmp", ".part", ".filepart"))]
    if unfinished or _look(package) != before:
        raise NotReadyError(f"{package.name} is still being written; it is read when it is whole")


def _look(package: Path) -> list[tuple[str, int, int]]:
    files = [package] if package.is_file() else sorted(package.iterdir())
    stats = [(file.name, file.stat()) for file in files]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _csv_files(folder: Path) -> Iterable[Path]:
    return (file for file in folder.iterdir() if file.suffix.lower() == ".csv")


def _local(source: str) -> Path:
    parsed = urlparse(source)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    if "://" in source:
        raise NoSourceError(f"{parsed.scheme}:// can't be read yet; use a path or a file:// URL")
    return Path(source)
