"""Pause or hide, in Airflow, the DAGs of sites that were archived or restored elsewhere.

The switch "sync enabled" is Airflow's pause state. The command line can't reach it when it archives
or restores a site, so it leaves a note; no sync of the site is scheduled while the note exists.
"""

from __future__ import annotations

from oneroster_airflow.api import airflow_db
from oneroster_sync import database
from oneroster_sync.sites import registry


def settle() -> None:
    """Apply all notes; without notes this is one short query."""
    with database.engine().connect() as connection:
        asked = [site for site in registry.all_sites(connection).values() if site.off_asked]
    for site in asked:
        airflow_db.switch_off(site.site, hide=site.is_archived)
        with database.engine().begin() as connection:
            registry.note_switched(connection, site.site)
        airflow_db.ask_for_parse(site.site)
