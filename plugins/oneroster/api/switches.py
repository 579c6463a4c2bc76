"""Puts off, in Airflow, the switches of sites that were archived or restored elsewhere.

Sync enabled is Airflow's pause state. Whoever archives or restores a site on the command line can't
reach it and leaves a note; until the note is gone nothing of the site is scheduled.
"""

from __future__ import annotations

from oneroster.api import bridge
from oneroster_sync.store import database, site_records


def settle() -> None:
    """Do what the notes ask for; without any this is one short query."""
    with database.engine().connect() as connection:
        asked = [site for site in site_records.all_sites(connection).values() if site.off_asked]
    for site in asked:
        bridge.put_off(site.site, hide=site.is_archived)
        with database.engine().begin() as connection:
            site_records.note_switched(connection, site.site)
        bridge.ask_for_parse(site.site)
