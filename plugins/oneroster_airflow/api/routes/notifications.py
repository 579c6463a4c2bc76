"""Routes of notifications: the age of the newest package, previews, and a test message."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import TYPE_CHECKING

from fastapi import APIRouter

from oneroster_airflow import notifier
from oneroster_airflow.api import airflow_db, models
from oneroster_airflow.api.auth import Administrator, Reader
from oneroster_airflow.api.errors import Problem
from oneroster_airflow.api.routes.preferences import Site
from oneroster_airflow.api.routes.uploads import started
from oneroster_sync import database
from oneroster_sync.notifications import freshness, list_previews
from oneroster_sync.runs import pending_deltas
from oneroster_sync.runs.standstill import find_standstill
from oneroster_sync.sites import dag_names, preferences_store, registry
from oneroster_sync.sites.preferences import Topic

if TYPE_CHECKING:
    from collections.abc import Iterable

router = APIRouter(tags=["notices"])


@router.get("/sites/{site}/freshness")
def read(site: Site, actor: Reader) -> models.Freshness:
    """Return the age of the newest package, files out of step, and whether syncs are applied."""
    del actor
    now = dt.datetime.now(dt.UTC)
    with database.engine().connect() as connection:
        found = freshness(connection, site, now=now)
        lost = as_out_of_step(pending_deltas.out_of_step(connection, site))
        still = find_standstill(connection, site, now=now)
    return models.Freshness(
        **asdict(found),
        sentence=found.to_text(),
        out_of_step=lost,
        standstill=models.Standstill.model_validate(still, from_attributes=True),
    )


@router.get("/sites/{site}/notices/{topic}/preview")
def preview(site: Site, topic: Topic, actor: Administrator) -> models.MessagePreviews:
    """Return the messages of a topic as they would be sent, from real runs or from examples."""
    del actor
    with database.engine().connect() as connection:
        found = list_previews(
            connection,
            site,
            topic,
            base_url=notifier.base_url(),
            now=dt.datetime.now(dt.UTC),
        )
    return models.MessagePreviews(
        previews=[
            models.MessagePreview(
                label=one.label,
                subject=one.message.title(),
                text=one.message.text(),
                html=one.message.html(),
                run_id=one.run_id,
                is_example=one.is_example,
            )
            for one in found
        ]
    )


@router.post(
    "/sites/{site}/notices/test",
    status_code=202,
    responses={409: {"description": "There is no recipient, or Airflow can't run the DAG now."}},
)
def test(site: Site, actor: Administrator) -> models.Asked:
    """Send a test message through every channel of the saved preferences."""
    with database.engine().connect() as connection:
        chosen = preferences_store.load(connection, site).notices
        registry.refuse_archived(connection, site)
    if not chosen.recipients and not chosen.channels:
        raise Problem(
            409,
            "The saved preferences have no recipient: add an address or a channel, and save.",
            code="notices.nobody",
        )
    if airflow_db.is_paused(dag_names.WATCH):
        raise Problem(
            409,
            f"The DAG {dag_names.WATCH} is paused, so nothing is sent. Unpause it in Airflow.",
            code="notices.paused",
        )
    begun = started(dag_names.WATCH, {"test_site": site}, by=actor.name)
    return models.Asked(dag_id=begun["dag_id"], dag_run_id=begun["dag_run_id"])


def as_out_of_step(lost: Iterable[pending_deltas.OutOfStep]) -> list[models.OutOfStep]:
    """Return the files whose deltas were lost, with their display names."""
    return [
        models.OutOfStep(file=f"{one.file}.csv", since=one.since, cause=one.cause) for one in lost
    ]
