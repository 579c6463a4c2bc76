"""Routes of being told: whether packages still come, and a message to see that messages arrive."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict

from fastapi import APIRouter

from oneroster.api import bridge, models
from oneroster.api.permissions import Administrator, Reader
from oneroster.api.problems import Problem
from oneroster.api.sites import Site
from oneroster.api.uploads import started
from oneroster_sync import dag_names
from oneroster_sync.notices import freshness
from oneroster_sync.store import database, preferences, site_records

router = APIRouter(tags=["notices"])


@router.get("/sites/{site}/freshness")
def read(site: Site, actor: Reader) -> models.Freshness:
    """Return how new the newest package of a site is, and whether that is too old."""
    del actor
    with database.engine().connect() as connection:
        found = freshness(connection, site, now=dt.datetime.now(dt.UTC))
    return models.Freshness(**asdict(found), sentence=found.in_words())


@router.post(
    "/sites/{site}/notices/test",
    status_code=202,
    responses={409: {"description": "Nobody is to be told, or Airflow can't run the DAG now."}},
)
def test(site: Site, actor: Administrator) -> models.Asked:
    """Send a test message by every way that the saved preferences name."""
    with database.engine().connect() as connection:
        chosen = preferences.load(connection, site).notices
        site_records.refuse_archived(connection, site)
    if not chosen.recipients and not chosen.channels:
        raise Problem(
            409,
            "The saved preferences name nobody to tell; add an address or a channel, and save.",
            code="notices.nobody",
        )
    if bridge.is_paused(dag_names.WATCH):
        raise Problem(
            409,
            f"The DAG {dag_names.WATCH} is paused, so nothing is sent; unpause it in Airflow.",
            code="notices.paused",
        )
    begun = started(dag_names.WATCH, {"test_site": site}, by=actor.name)
    return models.Asked(dag_id=begun["dag_id"], dag_run_id=begun["dag_run_id"])
