"""Databases that belong to one test, and code that makes the program use one of them."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from oneroster_sync import database

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS = itertools.count(1)


@contextlib.contextmanager
def fresh_database() -> Iterator[str]:
    """Create an empty database, yield its URL, and drop the database at the end."""
    name = f"fresh_{next(_NUMBERS)}"
    server("create database {}", name)
    try:
        yield url_of(name)
    finally:
        server("drop database {} with (force)", name)


@contextlib.contextmanager
def using(url: str) -> Iterator[None]:
    """Let this process and its children use this database as the roster's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEROSTER_DATABASE_URL", url)
        database.engine.cache_clear()
        try:
            yield
        finally:
            database.engine().dispose()
            database.engine.cache_clear()


def server(statement: str, *names: str) -> None:
    """Execute a statement about databases on the server."""
    with psycopg.connect(database.url(), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def url_of(name: str) -> str:
    """Return the URL of a database on the server."""
    url = sa.make_url(database.url()).set(database=name, drivername="postgresql")
    return url.render_as_string(hide_password=False)
