"""Writes the file for what is there: applied again, it changes nothing.

Connections stand in it by name, and secrets nowhere: they are in Airflow alone. What was stored
before that was so, and may hold one, is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from oneroster_sync.sites.file import ARCHIVED, VERSION
from oneroster_sync.source_url import SourceUrl, WrongSourceError
from oneroster_sync.store import preferences, site_records

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection

_HEAD = """\
# The sites of this installation. What would change:  oneroster sites plan FILE
# What a site does not say here is left as it is; a new site needs its credited_admin.
"""
_LEFT_OUT = "# left out, since they may hold a secret: the sources of {sites}\n"


def export(connection: Connection, only: Collection[str] = ()) -> str:
    """Return the file for all sites, or for some.

    Raises:
        UnknownSiteError: One of them is not there.
    """
    there = site_records.all_sites(connection)
    sites: dict[str, dict[str, Any]] = {}
    left_out = []
    for name in sorted(only or there):
        settings = preferences.load(connection, name).settings().model_dump(mode="json")
        if _may_hold_a_secret(settings["source"]):
            del settings["source"]
            left_out.append(name)
        mark = {ARCHIVED: True} if there[name].is_archived else {}
        sites[name] = {**mark, **settings}
    told = _LEFT_OUT.format(sites=", ".join(left_out)) if left_out else ""
    value = {"version": VERSION, "sites": sites}
    return _HEAD + told + yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


def _may_hold_a_secret(source: str | None) -> bool:
    if source is None:
        return False
    try:
        SourceUrl.parse(source)
    except WrongSourceError:
        return True
    return False
