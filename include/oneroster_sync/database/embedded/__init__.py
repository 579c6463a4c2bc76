"""The embedded PostgreSQL: for the demonstration, the tests and one machine without Docker."""

from __future__ import annotations


class LocalError(Exception):
    """The embedded PostgreSQL or Airflow cannot do what was asked; the message says what to do."""
