"""Routes that explain the state of a person or a course."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path

from oneroster_airflow.airflow_internals import GetUserDep
from oneroster_airflow.api import models
from oneroster_airflow.api.auth import Insider, May, Reader, permissions_of
from oneroster_airflow.api.errors import Problem
from oneroster_airflow.api.routes.preferences import Site, Text
from oneroster_sync import database
from oneroster_sync.roster import history, record_search
from oneroster_sync.sites import preferences_store, registry

router = APIRouter(tags=["why"])

_FOUND = 20


@router.get("/records")
def search_everywhere(actor: Reader, user: GetUserDep, q: Text) -> models.RecordsOfSites:
    """Find users and courses in all sites whose persons the user may see.

    By e-mail address or sourcedId, or by the beginning of a family name or a title.
    """
    del actor
    with database.engine().connect() as connection:
        there = registry.all_sites(connection)
        seen = [site for site in there if May.DETAILS in permissions_of(user, site)]
        found = record_search.search_sites(connection, seen, q.strip(), _FOUND)
    records = [
        models.RecordFoundAt(**record, site_title=there[record["site"]].title) for record in found
    ]
    return models.RecordsOfSites(records=records, sites=len(seen))


@router.get("/sites/{site}/records")
def search(site: Site, actor: Insider, q: Text) -> models.RecordsFound:
    """Find users and courses by name, e-mail address, course code or sourcedId."""
    del actor
    if not q.strip():
        return models.RecordsFound(records=[])
    with database.engine().connect() as connection:
        preferences_store.load(connection, site)
        found = record_search.search(connection, site, q.strip(), _FOUND)
    return models.RecordsFound(records=[models.RecordFound(**record) for record in found])


@router.get("/sites/{site}/records/{kind}/{record_id}")
def explain(
    site: Site,
    kind: Literal["user", "course"],
    record_id: Annotated[int, Path(ge=1, le=2**62)],
    actor: Insider,
) -> models.Story:
    """Explain the state of a record: its changes, its findings, and its protection."""
    del actor
    with database.engine().connect() as connection:
        story = history.read_record(connection, site, kind, record_id)
    if story is None:
        raise Problem(404, f"{site} has no such {kind}.")
    return models.Story.model_validate(story)
