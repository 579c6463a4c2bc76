"""What this project adds to Airflow: a timetable that follows preferences, an API, and pages.

Every Airflow process imports this module, task processes included, so it imports little. Parts that
only the API server needs are created on access.
"""

from __future__ import annotations

import functools
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from oneroster_airflow import listener
from oneroster_airflow.airflow_internals import warn_if_untested
from oneroster_airflow.timetable import PreferencesTimetable


class OneRosterPlugin(AirflowPlugin):
    """Registers the timetable for every component, and API, guards and pages for the server."""

    name = "oneroster"
    listeners = [listener]  # noqa: RUF012
    timetables = [PreferencesTimetable]  # noqa: RUF012 - declared so by Airflow

    @classmethod
    def on_load(cls, *_args: Any, **_more: Any) -> None:
        """Log once in each process if this Airflow is not the tested version."""
        warn_if_untested()

    @functools.cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """Return the JSON API and the pages' files, mounted at /oneroster."""
        from oneroster_airflow.api.app import create_app

        return [{"app": create_app(), "url_prefix": "/oneroster", "name": "OneRoster"}]

    @functools.cached_property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:
        """Return the middlewares around Airflow's app; the last one sees a request first."""
        from oneroster_airflow.dag_guard import Doors
        from oneroster_airflow.login_delay import LoginDelay
        from oneroster_airflow.web_server import WebServer

        return [
            # So foreign host names are refused before anything else, and the guard, which queries
            # databases, comes last.
            {"middleware": Doors, "name": "OneRoster's guard of Airflow's routes"},
            {"middleware": LoginDelay, "name": "OneRoster's delay of guessed logins"},
            {"middleware": WebServer, "name": "OneRoster's headers and hosts"},
        ]

    @functools.cached_property
    def react_apps(self) -> list[dict[str, Any]]:
        """Return the pages."""
        from oneroster_airflow.ui import react_apps

        return react_apps()
