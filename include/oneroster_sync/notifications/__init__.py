"""Notifications about a site's syncs: rules, texts, and a record so that none is sent twice.

Airflow sends the messages (`plugins/oneroster_airflow/notifier.py`), not this package.
"""

from __future__ import annotations

from oneroster_sync.notifications.freshness import Freshness, freshness
from oneroster_sync.notifications.message import Link, Message, Points
from oneroster_sync.notifications.previews import Preview, list_previews
from oneroster_sync.notifications.rules import (
    Delivery,
    Notice,
    of_dag_file,
    of_dag_run,
    of_run,
    of_site,
    of_trial,
    send_once,
)

__all__ = [
    "Delivery",
    "Freshness",
    "Link",
    "Message",
    "Notice",
    "Points",
    "Preview",
    "freshness",
    "list_previews",
    "of_dag_file",
    "of_dag_run",
    "of_run",
    "of_site",
    "of_trial",
    "send_once",
]
