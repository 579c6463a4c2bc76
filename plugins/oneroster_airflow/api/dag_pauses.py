"""Puts off, in Airflow, the switches of sites that were archived or restored elsewhere.

Sync enabled is Airflow's pause state. Whoever archives or restores a site on the command line can't
reach it and leaves a note; until the note is gone nothing of the site is scheduled.
"""

from __future__ import annotations

from oneroster_airflow.api import airflow_db
from oneroster_sync import database
from oneroster_sync.sites import registry


def settle() -> None:
    """Do what the notes ask for; without any this is one short query."""
    with database.engine().connect() as connection:
        asked = [site for site in registry.all_sites(connection).values() if site.off_asked]
    for site in asked:
        airflow_db.put_off(site.site, hide=site.is_archived)
        with database.engine().begin() as connection:
            registry.note_switched(connection, site.site)
        airflow_db.ask_for_parse(site.site)
