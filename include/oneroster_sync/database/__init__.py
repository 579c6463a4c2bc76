"""The roster database: connections, migrations, locks, COPY, and who may write the audit.

The names are imported at first use, so that importing `plain`, which needs psycopg alone, does not
load SQLAlchemy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oneroster_sync.database.connections import (
        HEAD,
        MIGRATIONS,
        DatabaseError,
        engine,
        migrate,
        upgrade,
        url,
    )
    from oneroster_sync.database.locks import lock_preferences, lock_site

__all__ = [
    "HEAD",
    "MIGRATIONS",
    "DatabaseError",
    "engine",
    "lock_preferences",
    "lock_site",
    "migrate",
    "upgrade",
    "url",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "locks" if name.startswith("lock_") else "connections"
    found = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found
