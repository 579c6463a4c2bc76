"""What this project adds to Airflow: the timetable that follows a site's preferences.

Every Airflow process executes this file, the process of each task too: it stays light.
Airflow knows this module as `__init__`, everybody else as `oneroster`, hence no relative imports.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from oneroster.timetable import PreferencesTimetable


class OneRosterPlugin(AirflowPlugin):
    """Registers the timetable, so that a stored DAG can be read back by every component."""

    name = "oneroster"
    timetables = [PreferencesTimetable]  # noqa: RUF012 - declared so by Airflow
