"""Read the login of a source from an Airflow connection.

The task that needs a connection requests it over Airflow's API for tasks; Airflow masks the secrets
in the task's log.
"""

from __future__ import annotations

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from oneroster_sync.sources.base import Login
from oneroster_sync.sources.errors import RefusedSourceError


def login_of(connection_id: str) -> Login:
    """Return the login of an Airflow connection, by its id.

    Raises:
        RefusedSourceError: Airflow has no such connection, or its extra is not a JSON object.
    """
    try:
        found = Connection.get(connection_id)
    except AirflowNotFoundException:
        raise RefusedSourceError(
            "source.no_connection", f"Airflow has no connection {connection_id}"
        ) from None
    return as_login(connection_id, found)


def as_login(connection_id: str, found: Connection) -> Login:
    """Return the login of an Airflow connection.

    Raises:
        RefusedSourceError: Its extra is not a JSON object.
    """
    extra = found.extra_dejson
    if not isinstance(extra, dict):
        raise RefusedSourceError(
            "source.no_connection",
            f"the extra of the connection {connection_id} is not a JSON object",
        )
    return Login(
        connection=connection_id,
        host=found.host,
        port=found.port,
        login=found.login,
        password=found.password,
        extra=extra,
    )
