"""Names of the sites in use, for the DAG file, which must not fail and must not wait."""

from __future__ import annotations

import contextlib
import json
import logging

from oneroster_sync import settings

log = logging.getLogger(__name__)

FIRST = "default"
"""The site that is listed before it is made, unless it is archived: a new installation has DAGs."""


def site_names() -> list[str]:
    """Return the names of all sites that are not archived, sorted.

    If the database does not answer, return the names of the last call, so that no DAG disappears
    while the database restarts.
    """
    remembered = settings.home() / "sites.json"
    try:
        # In the try block, because a driver that can't be imported must not break the DAG file
        # either.
        from oneroster_sync.database.plain import connect_briefly

        with connect_briefly() as connection:
            found = dict(connection.execute("select site, archived_at is null from sites"))
    except Exception as error:  # noqa: BLE001  the DAG file must not fail
        log.warning(
            "The sites can't be read, so the last known ones are used: %s", type(error).__name__
        )
        names = [FIRST]
        with contextlib.suppress(OSError, ValueError):
            names = json.loads(remembered.read_text("utf-8"))
        return names
    names = sorted(name for name, in_use in {FIRST: True, **found}.items() if in_use)
    with contextlib.suppress(OSError):
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.write_text(json.dumps(names), "utf-8")
    return names
