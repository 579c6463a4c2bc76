"""One short connection for those who must not wait: schedulers and DAG files.

It never starts a database or migrates it, keeps no pool (schedulers fork), and gives up soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from oneroster_sync import settings

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_TIMEOUT_S = 3


def briefly() -> Connection[tuple[Any, ...]]:
    """Return a new connection to the roster database; use it in a `with` statement.

    Raises:
        psycopg.Error: The database does not answer.
    """
    given = settings.database_url()
    if given is None:
        from oneroster_sync.database.embedded import postgres

        given = postgres.url(settings.home(), "roster")
    scheme, _, rest = given.partition("://")
    return psycopg.connect(
        f"{scheme.partition('+')[0]}://{rest}", connect_timeout=CONNECT_TIMEOUT_S, autocommit=True
    )
