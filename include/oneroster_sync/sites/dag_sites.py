"""The names of the sites in use, for the DAG file, which must never fail and never wait."""

from __future__ import annotations

import contextlib
import json
import logging

from oneroster_sync import settings

log = logging.getLogger(__name__)

FIRST = "default"
"""The site that is there unless it was archived, so that a new installation has its DAGs."""


def site_names() -> list[str]:
    """Return the names of all sites that are not archived, in order.

    When the database does not answer, those of the last time are returned, so that no DAG vanishes
    because a database is being restarted.
    """
    remembered = settings.home() / "sites.json"
    try:
        from oneroster_sync.database.plain import briefly

        with briefly() as connection:
            found = dict(connection.execute("select site, archived_at is null from sites"))
    except Exception as error:  # noqa: BLE001  whatever it is, the DAG file goes on
        log.warning(
            "The sites can't be read, those of the last time are used: %s", type(error).__name__
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
