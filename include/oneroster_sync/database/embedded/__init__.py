"""The embedded PostgreSQL: for the demonstration, the tests and one machine without Docker."""

from __future__ import annotations

from oneroster_sync.errors import UserError


class LocalError(UserError):
    """The embedded PostgreSQL or Airflow failed; the message says what to do."""
