"""Connections to the roster database, and its schema.

The first connection of a process upgrades the schema, unless the tables belong to another role:
then `oneroster migrate` does so as that role. If two processes start at the same time, an advisory
lock makes the second wait; it then finds the schema up to date.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync import settings
from oneroster_sync.database import audit
from oneroster_sync.database.plain import CONNECT_TIMEOUT_S, connect_briefly
from oneroster_sync.errors import RetriableError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

__all__ = [
    "CONNECT_TIMEOUT_S",
    "HEAD",
    "MIGRATIONS",
    "DatabaseError",
    "connect_briefly",
    "engine",
    "migrate",
    "upgrade",
    "url",
]

HEAD = "0033"
"""Number of the newest migration; a test compares it with the folder."""

MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 7_262_017_251
_OLDEST = 150_000


class DatabaseError(RetriableError):
    """The roster database can't be used; the message says what to do."""


def url() -> str:
    """Return the URL of the roster database in use, starting the embedded PostgreSQL if need be.

    Raises:
        DatabaseError: No database is configured, and the embedded PostgreSQL can't run here.
    """
    given = settings.database_url()
    if given is not None:
        return given
    from oneroster_sync.database.embedded import LocalError, postgres

    if not postgres.is_carried():
        raise DatabaseError(
            "no roster database is named: set ONEROSTER_DATABASE_URL, or database_url in the "
            "section [oneroster] of Airflow's configuration, for all its services; on one machine "
            "the extra `local` contains a PostgreSQL"
        )
    try:
        postgres.start(settings.home())
    except LocalError as error:
        raise DatabaseError(str(error)) from error
    return postgres.url(settings.home(), "roster")


@functools.cache
def engine() -> Engine:
    """Return the engine of this process, after upgrading the schema.

    Raises:
        DatabaseError: The server does not answer or is older than PostgreSQL 15.
    """
    made = _connect_to(url(), settings.name_database_setting())
    migrate(made)
    return made


def upgrade() -> None:
    """Upgrade the schema as the owner of the tables, and grant the application its rights.

    Where `ONEROSTER_OWNER_URL` is not set, one role owns the tables and uses them.

    Raises:
        DatabaseError: The owner can't be reached, does not own the tables, or lacks a right.
    """
    owner_url = settings.owner_url()
    if owner_url is None:
        engine()
        return
    role = sa.make_url(url()).username
    if role is None:
        raise DatabaseError("ONEROSTER_DATABASE_URL must name a role if ONEROSTER_OWNER_URL is set")
    made = _connect_to(owner_url, "ONEROSTER_OWNER_URL")
    try:
        with made.connect() as connection:
            _check_may_migrate(connection)
        migrate(made)
        with made.begin() as connection:
            audit.grant_to(connection, role, keep_days=settings.keeping().audit_days)
    except audit.GrantError as error:
        raise DatabaseError(str(error)) from error
    finally:
        made.dispose()


def _connect_to(given: str, variable: str) -> Engine:
    """Return an engine for a URL after checking that its server answers and is new enough.

    Raises:
        DatabaseError: The server does not answer or is too old; the message names the variable.
    """
    # Two connections are kept: a stage has one for its site's turn and one for its work. Parameters
    # are names and addresses of people: they stay out of errors, and so of the logs.
    made = sa.create_engine(
        _with_driver(given), pool_pre_ping=True, pool_size=2, hide_parameters=True
    )
    sa.event.listen(made, "connect", _set_keepalives)
    try:
        with made.connect() as connection:
            number = int(connection.scalar(sa.text("show server_version_num")) or 0)
            if number < _OLDEST:
                raise DatabaseError(f"PostgreSQL 15 or newer is needed, this is {number // 10_000}")
    except sa.exc.OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise DatabaseError(
            f"the roster database does not answer ({reason}); check {variable}"
        ) from error
    return made


# 60 s + 6 × 10 s: a machine that vanished is noticed after two minutes, by default after two hours.
_NOTICE = """
    set tcp_keepalives_idle = 60;
    set tcp_keepalives_interval = 10;
    set tcp_keepalives_count = 6;
    set client_connection_check_interval = '5s';
"""


def _set_keepalives(connection: Any, _record: object) -> None:
    """Make the server detect soon that this process or its machine has died.

    Until it does, the server holds the locks of the dead worker, the site's turn among them: for
    hours if the machine vanished, and until the current statement ends if only the process died.
    """
    connection.execute(_NOTICE)
    # SET lasts for the session only if its transaction commits; the pool rolls back what is open.
    connection.commit()


def migrate(engine: Engine) -> None:
    """Upgrade the schema; safe to repeat, and to run from several processes at once.

    Raises:
        DatabaseError: The role of the engine does not own the tables, or may not create tables.
    """
    with engine.connect() as connection:
        if _current(connection) == HEAD:
            return
        _check_may_migrate(connection)
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Alembic keeps options in a ConfigParser, which reads % as the start of an interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        # The lock comes before Alembic reads the version: a process that waited here finds the new
        # one.
        connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        # Create the views for readers again, so that they show new columns of the tables too.
        connection.execute(sa.text("select make_reader_views()"))


_OWNER = """
select pg_get_userbyid(relowner), pg_has_role(current_user, relowner, 'USAGE'), current_user
from pg_class where oid = to_regclass('oneroster_schema_version')
"""
_MAY_CREATE = """
select current_user, has_schema_privilege(current_schema(), 'CREATE'), current_schema(),
       current_setting('search_path')
"""
_FOREIGN = """
select array(
    select relname::text from pg_class
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
    order by relname
)
where to_regclass('oneroster_schema_version') is null
"""
"""One statement: while another process creates our tables, it sees all of them or none."""


def _check_may_migrate(connection: Connection) -> None:
    """Raise DatabaseError if a migration would fail half-way for lack of rights."""
    if (found := connection.execute(sa.text(_OWNER)).first()) is not None:
        owner, is_ours, me = found
        if not is_ours:
            raise DatabaseError(
                f"the tables of the roster database must be upgraded by their owner, {owner}, "
                f"and not by {me}: run `oneroster migrate` with ONEROSTER_OWNER_URL set to a URL "
                f"of {owner}; to make {me} their owner instead, a superuser runs in that database: "
                f"reassign owned by {owner} to {me}"
            )
        return
    me, may_create, schema, path = connection.execute(sa.text(_MAY_CREATE)).one()
    if schema is None:
        raise DatabaseError(
            f"the roster database has none of the schemas that its URL names ({path}): create one"
        )
    _check_is_free(connection, schema)
    if may_create is False:
        raise DatabaseError(
            f"the roster database has no tables yet, and the role {me} may not create any: run "
            "`oneroster migrate` with ONEROSTER_OWNER_URL set to a URL of the owner"
        )


def _check_is_free(connection: Connection, schema: str) -> None:
    """Raise DatabaseError if the schema holds tables of another application."""
    there = set(connection.scalar(sa.text(_FOREIGN)) or ())
    advice = (
        "name an empty database, or a schema of its own by ?options=-csearch_path%3Doneroster at "
        "the end of the URL, once `create schema oneroster` has made it"
    )
    if {"alembic_version", "dag", "dag_run"} <= there:
        raise DatabaseError(f"this is the metadata database of an Airflow: {advice}")
    if taken := sorted(there & _list_ours()):
        raise DatabaseError(
            f"the schema {schema} holds tables named {', '.join(taken)} that are not ours: {advice}"
        )


def _list_ours() -> set[str]:
    """Return the names of the tables and views that the migrations create."""
    made = re.compile(r"^create (?:or replace )?(?:table|view) (\w+)", re.MULTILINE)
    files = (MIGRATIONS / "versions").glob("*.py")
    return {name for file in files for name in made.findall(file.read_text("utf-8"))}


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
