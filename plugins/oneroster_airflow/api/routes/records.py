"""Routes that answer why a person or a course is as it is."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path

from oneroster_airflow.api import models
from oneroster_airflow.api.auth import Insider
from oneroster_airflow.api.errors import Problem
from oneroster_airflow.api.routes.preferences import Site, Text
from oneroster_sync import database
from oneroster_sync.roster import history
from oneroster_sync.sites import preferences_store

router = APIRouter(tags=["why"])

_FOUND = 20


@router.get("/sites/{site}/records")
def search(site: Site, actor: Insider, q: Text) -> models.RecordsFound:
    """Find users and courses by name, e-mail address, course code or sourcedId."""
    del actor
    if not q.strip():
        return models.RecordsFound(records=[])
    with database.engine().connect() as connection:
        preferences_store.load(connection, site)
        found = history.search(connection, site, q.strip(), _FOUND)
    return models.RecordsFound(records=[models.RecordFound(**record) for record in found])


@router.get("/sites/{site}/records/{kind}/{record_id}")
def tell(
    site: Site,
    kind: Literal["user", "course"],
    record_id: Annotated[int, Path(ge=1, le=2**62)],
    actor: Insider,
) -> models.Story:
    """Tell why a record is as it is: its changes, its findings, and what protects it."""
    del actor
    with database.engine().connect() as connection:
        story = history.tell(connection, site, kind, record_id)
    if story is None:
        raise Problem(404, f"{site} has no such {kind}.")
    return models.Story.model_validate(story)
