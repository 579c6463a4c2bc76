"""The roster database: connections, migrations, locks, COPY, and who may write the audit."""

from __future__ import annotations

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
