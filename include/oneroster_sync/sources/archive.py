"""What becomes of a package whose run ended well: it is left where it is, or moved aside."""

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
"""The folder beside a package into which it is moved."""


def put_aside(
    source: Source,
    fetched: Mapping[str, Any],
    *,
    at: dt.datetime,
    login: Login | None = None,
    patience: Patience | None = None,
) -> str | None:
    """Move a package that was read, unless another has taken its place since.

    Args:
        source: Where it was found.
        fetched: What `Fetched.as_dict` noted.
        at: When the run began: it goes into the new name, so that none replaces another.
        login: What the source's Airflow connection says.
        patience: How long the place may take.

    Returns:
        Where it is now, beside where it was; None where there was nothing to move.

    Raises:
        SourceError: It can't be moved, or not now.
    """
    if len(fetched["files"]) != 1:
        return None
    before = Entry(**fetched["files"][0])
    name = name_of(before.name, at)
    try:
        with open_source(source, login, patience or Patience()) as place:
            _, entries = place.look()
            same = [e for e in entries if (e.path, e.size, e.stamp) == _what(before)]
            if not same:
                return None
            place.move(same[0], DONE, name)
    except NoSourceError:
        return None
    return f"{DONE}/{name}"


def name_of(name: str, at: dt.datetime) -> str:
    """Return what a package is called once it is done."""
    path = PurePosixPath(name)
    return f"{path.stem}.{at:%Y%m%dT%H%M%SZ}{path.suffix}"


def _what(entry: Entry) -> tuple[str, int | None, str]:
    return entry.path, entry.size, entry.stamp
