"""Connections to the roster database, and its schema.

The schema is brought up to date by the first connection of a process. Two processes that start at
once take turns by an advisory lock; the second finds nothing to do.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync import settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

HEAD = "0008"
"""The newest migration; a test holds it against the folder."""

MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 7_262_017_251
_OLDEST = 150_000


class DatabaseError(Exception):
    """The roster database can't be used; the message says what to do."""


def url() -> str:
    """Return the URL of the roster database in use, starting the embedded PostgreSQL if need be."""
    given = settings.database_url()
    if given is not None:
        return given
    from oneroster_sync.local import postgres

    postgres.start(settings.home())
    return postgres.url(settings.home(), "roster")


@functools.cache
def engine() -> Engine:
    """Return the process's engine, with the schema up to date.

    Raises:
        DatabaseError: The server does not answer or is older than PostgreSQL 15.
    """
    made = sa.create_engine(
        _with_driver(url()), pool_pre_ping=True, pool_size=2, hide_parameters=True
    )
    sa.event.listen(made, "connect", _notice_when_we_die)
    try:
        with made.connect() as connection:
            number = int(connection.scalar(sa.text("show server_version_num")) or 0)
            if number < _OLDEST:
                raise DatabaseError(f"PostgreSQL 15 or newer is needed, this is {number // 10_000}")
    except sa.exc.OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise DatabaseError(
            f"the roster database does not answer ({reason}); check ONEROSTER_DATABASE_URL"
        ) from error
    migrate(made)
    return made


_NOTICE = """
    set tcp_keepalives_idle = 60;
    set tcp_keepalives_interval = 10;
    set tcp_keepalives_count = 6;
    set client_connection_check_interval = '5s';
"""


def _notice_when_we_die(connection: Any, _record: object) -> None:
    """Have the server notice soon that this process or its machine is gone.

    Until then it would hold the locks and the turn of a dead worker: for hours when the machine
    vanished, and for as long as a statement takes, or waits, when the process did.
    """
    connection.execute(_NOTICE)
    connection.commit()


def migrate(engine: Engine) -> None:
    """Bring the schema up to date; safe to run twice, and from several processes at once."""
    with engine.connect() as connection:
        if _current(connection) == HEAD:
            return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def lock_site(connection: Connection, site: str) -> None:
    """Keep other transactions from changing the site's roster until this one ends."""
    connection.execute(
        sa.text("select pg_advisory_xact_lock(:lock, hashtext(:site))"),
        {"lock": _LOCK % 2_147_483_647, "site": site},
    )


def _current(connection: Connection) -> str | None:
    exists = connection.scalar(sa.text("select to_regclass('oneroster_schema_version')"))
    if exists is None:
        return None
    version: str | None = connection.scalar(
        sa.text("select version_num from oneroster_schema_version")
    )
    return version


def _with_driver(given: str) -> sa.URL:
    parsed = sa.make_url(given)
    if not parsed.drivername.startswith("postgres"):
        raise DatabaseError(f"the roster database is PostgreSQL, not {parsed.drivername}")
    return parsed.set(drivername="postgresql+psycopg")
