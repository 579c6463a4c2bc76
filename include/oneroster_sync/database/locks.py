"""The turn of a site: one run at a time for each site, further runs wait.

The turn is a session-level advisory lock, so PostgreSQL releases it as soon as its holder's
connection ends.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.database.plain import SITE_LOCK, TURN_LOCK
from oneroster_sync.errors import RetriableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection, Engine

log = logging.getLogger("oneroster")

_POLL_S = 0.5
_SAY_EVERY_S = 30


class BusyError(RetriableError):
    """Another run of the site did not end in time; a later try may succeed."""


# hashtextextended has 64 bits: with 32, two of some thousands of sites would share a lock.
_TAKE = sa.text("select pg_try_advisory_lock(hashtextextended(:site, :lock))")
_GIVE = sa.text("select pg_advisory_unlock(hashtextextended(:site, :lock))")


@contextlib.contextmanager
def hold_site_turn(engine: Engine, site: str, *, wait_s: float = 600) -> Iterator[None]:
    """Hold the site's turn while the body runs.

    Raises:
        BusyError: The turn was not free within `wait_s` seconds.
    """
    with hold_site_turns(engine, [site], wait_s=wait_s):
        yield


@contextlib.contextmanager
def hold_site_turns(engine: Engine, sites: Iterable[str], *, wait_s: float) -> Iterator[None]:
    """Hold the turns of several sites, taken in the order of their names to prevent deadlocks.

    Raises:
        BusyError: One of the turns was not free within `wait_s` seconds; none is held then.
    """
    held: list[dict[str, Any]] = []
    # Without AUTOCOMMIT the session would be idle in a transaction for a whole stage, which keeps
    # VACUUM from removing rows, and which a server with a timeout for it would end with the lock.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            for site in sorted(sites):
                key = {"lock": TURN_LOCK, "site": site}
                _take(connection, key, wait_s)
                held.append(key)
            yield
        finally:
            # Closing returns the connection to the pool, and its session would keep the locks.
            for key in reversed(held):
                connection.execute(_GIVE, key)


def _take(connection: Connection, key: dict[str, Any], wait_s: float) -> None:
    site, waited = key["site"], 0.0
    # Polled: a statement that waits for the lock could neither log the wait nor end after `wait_s`.
    while not connection.scalar(_TAKE, key):
        if waited % _SAY_EVERY_S == 0:
            log.info("Another run of site %s is under way; waiting for it to end.", site)
        if waited >= wait_s:
            raise BusyError(f"another run of site {site} is still under way after {wait_s:g} s")
        time.sleep(_POLL_S)
        waited += _POLL_S


def lock_site(connection: Connection, site: str) -> None:
    """Keep other transactions from changing the site's roster until this one ends."""
    _lock(connection, 0, site)


def lock_preferences(connection: Connection, site: str) -> None:
    """Keep other transactions from saving the site's preferences until this one ends.

    This lock is separate from that of the roster, so that saving does not wait until a plan is
    applied.
    """
    _lock(connection, 1, site)


def _lock(connection: Connection, of: int, site: str) -> None:
    connection.execute(
        sa.text("select pg_advisory_xact_lock(hashtextextended(:site, :lock))"),
        {"site": site, "lock": SITE_LOCK + of},
    )
