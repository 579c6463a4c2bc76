"""The audit is append-only; what has had its time, and who is erased, is taken from it on purpose.

The tables `changes` and `events` refuse UPDATE, DELETE and TRUNCATE, whoever asks, by a trigger of
migration 0008, unless the transaction says that it erases.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

_ERASING = sa.text("select set_config('oneroster.erasing', :state, true)")


@contextlib.contextmanager
def erasing(connection: Connection) -> Iterator[None]:
    """Let this transaction change the audit while the block lasts; for retention and erasure."""
    connection.execute(_ERASING, {"state": "on"})
    yield
    connection.execute(_ERASING, {"state": "off"})
