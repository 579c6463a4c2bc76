"""Move a package into the folder `done` at its source after its run has ended well."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from oneroster_sync.sources.base import Entry, Patience
from oneroster_sync.sources.connect import open_source
from oneroster_sync.sources.errors import NoSourceError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from oneroster_sync.sources.base import Login
    from oneroster_sync.sources.connect import Source

DONE = "done"
"""Name of the folder beside a package that the package is moved into."""


def move_read_package(
    source: Source,
    fetched: Mapping[str, Any],
    *,
    at: dt.datetime,
    login: Login | None = None,
    patience: Patience | None = None,
) -> str | None:
    """Move a package that was read, unless the file has been replaced or removed since.

    Args:
        source: The source of the package.
        fetched: The result of `Fetched.as_dict`.
        at: When the run began: part of the new name, so that no package replaces another.
        login: The source's Airflow connection.
        patience: Time limits.

    Returns:
        The new path, relative to the folder of the package; None if there was nothing to move.

    Raises:
        SourceError: The package can't be moved, or not now.
    """
    if len(fetched["files"]) != 1:
        return None
    before = Entry(**fetched["files"][0])
    name = name_of(before.name, at)
    try:
        with open_source(source, login, patience or Patience()) as place:
            _, entries = place.list_entries()
            same = [e for e in entries if (e.path, e.size, e.stamp) == _what(before)]
            if not same:
                return None
            place.move(same[0], DONE, name)
    except NoSourceError:
        return None
    return f"{DONE}/{name}"


def name_of(name: str, at: dt.datetime) -> str:
    """Return the name of a package in `done`: its own with the time of the run."""
    path = PurePosixPath(name)
    return f"{path.stem}.{at:%Y%m%dT%H%M%SZ}{path.suffix}"


def _what(entry: Entry) -> tuple[str, int | None, str]:
    return entry.path, entry.size, entry.stamp
