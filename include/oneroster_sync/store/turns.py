"""One run at a time for each site: who comes second waits.

The turn is a session lock of PostgreSQL, so the server takes it back at once when its holder dies.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

log = logging.getLogger("oneroster")

_LOCK = 262_017_252
_POLL_S = 0.5
_SAY_EVERY_S = 30


class BusyError(Exception):
    """Another run of the site did not end in time; try again later."""


@contextlib.contextmanager
def turn(engine: Engine, site: str, *, wait_s: float = 600) -> Iterator[None]:
    """Hold the site's turn while the body runs.

    Raises:
        BusyError: The turn was not free within `wait_s` seconds.
    """
    take = sa.text("select pg_try_advisory_lock(:lock, hashtext(:site))")
    give = sa.text("select pg_advisory_unlock(:lock, hashtext(:site))")
    key = {"lock": _LOCK, "site": site}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        waited = 0.0
        while not connection.scalar(take, key):
            if waited % _SAY_EVERY_S == 0:
                log.info("Another run of site %s is under way; waiting for it to end.", site)
            if waited >= wait_s:
                raise BusyError(f"another run of site {site} is still under way after {wait_s:g} s")
            time.sleep(_POLL_S)
            waited += _POLL_S
        try:
            yield
        finally:
            connection.execute(give, key)
