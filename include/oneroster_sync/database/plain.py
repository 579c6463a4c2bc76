"""Connections of psycopg for callers that must not wait: no import of SQLAlchemy, no migration."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from oneroster_sync import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSIONS = Path(__file__).with_name("migrations") / "versions"
CONNECT_TIMEOUT_S = 3


def connect_briefly() -> psycopg.Connection[tuple[Any, ...]]:
    """Return a short-lived connection to the roster database; use it in a `with` statement.

    The call never starts or migrates a database, gives up after `CONNECT_TIMEOUT_S` seconds, and
    keeps no pool, because schedulers fork and a connection must not be shared by two processes.

    Raises:
        psycopg.Error: The database does not answer.
    """
    given = settings.database_url()
    if given is None:
        from oneroster_sync.database.embedded import postgres

        given = postgres.url(settings.home(), "roster")
    # libpq does not know SQLAlchemy's schemes with a driver, such as postgresql+psycopg.
    scheme, _, rest = given.partition("://")
    return psycopg.connect(
        f"{scheme.partition('+')[0]}://{rest}", connect_timeout=CONNECT_TIMEOUT_S, autocommit=True
    )


def is_up_to_date(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the schema is that of the newest migration.

    Raises:
        psycopg.Error: The database has no schema yet.
    """
    newest = max(file.name for file in _VERSIONS.glob("[0-9]*_*.py"))
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute("select version_num from oneroster_schema_version").fetchone()
    return row is not None and newest.startswith(f"{row[0]}_")


TURN_LOCK = 262_017_252
"""Key of a site's turn, a session-level advisory lock."""
SITE_LOCK = 7_262_017_251
"""Key of the lock of a site's roster, held by a transaction; key + 1 locks its preferences."""
_TAKE_TURN = "select pg_try_advisory_lock(hashtextextended(%s, %s))"
_RELEASE_TURN = "select pg_advisory_unlock(hashtextextended(%s, %s))"


@contextlib.contextmanager
def hold_site_turn(connection: psycopg.Connection[Any], site: str) -> Iterator[bool]:
    """Hold the site's turn while the body runs; yield False if another run holds it.

    The turn is released explicitly. When a connection closes, the server releases it too, but only
    after `close` has returned, so the next stage of this process could find it still taken.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_TAKE_TURN, (site, TURN_LOCK)).fetchone()
        if row is None or not row[0]:
            yield False
            return
        try:
            yield True
        finally:
            cursor.execute(_RELEASE_TURN, (site, TURN_LOCK))


def lock_site(connection: psycopg.Connection[Any], site: str) -> None:
    """Lock the site's roster until the transaction ends, as all changes of the roster do."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, %s))", (site, SITE_LOCK))
