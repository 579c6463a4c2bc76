"""Being told: what people are to know of a site's syncs, in which words, and never twice.

Nothing here sends anything: that is Airflow's part (`plugins/oneroster/telling.py`).
"""

from __future__ import annotations

from oneroster_sync.notices.due import Notice, Told, of_run, of_site, tell
from oneroster_sync.notices.freshness import Freshness, freshness
from oneroster_sync.notices.message import Link, Message, Points
from oneroster_sync.notices.messages import trial

__all__ = [
    "Freshness",
    "Link",
    "Message",
    "Notice",
    "Points",
    "Told",
    "freshness",
    "of_run",
    "of_site",
    "tell",
    "trial",
]
