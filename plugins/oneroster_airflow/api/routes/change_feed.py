"""The change feed of a site: changes of its roster, in order, for programs that follow it."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from oneroster_airflow.api import models
from oneroster_airflow.api.auth import Insider
from oneroster_airflow.api.routes.preferences import Site
from oneroster_sync import database
from oneroster_sync.roster import change_feed
from oneroster_sync.sites import preferences_store

router = APIRouter(tags=["change feed"])

After = Annotated[
    str,
    Query(
        pattern=change_feed.CURSOR,
        description="VERSION.SEQ, the `next` of the page before; VERSION alone is the end of that "
        "version of the roster.",
    ),
]


@router.get(
    "/sites/{site}/changes",
    response_model=models.ChangesAfter,
    responses={410: {"description": "Changes after the cursor are not kept: copy the roster."}},
)
def changes_after(
    site: Site,
    actor: Insider,
    after: After = "0",
    limit: Annotated[int, Query(ge=1, le=change_feed.MOST)] = 1_000,
) -> Response:
    """List changes of the roster after a cursor, in order: runs, undos, mappings and erasures.

    Continue with `next`. If `version_complete` is false, the next page continues the version of the
    last change. Changes made by hand are not in the feed.
    """
    del actor
    with database.engine().connect() as connection:
        # A transaction of its own: `read_page` sets the isolation level, which only a new one
        # allows.
        with connection.begin():
            preferences_store.load(connection, site)
        page = change_feed.read_page(connection, site, after, limit)
    # The database returns the changes as JSON. Parsing and writing them again would take longer
    # than the query.
    envelope = {
        "next": page.next,
        "version_complete": page.version_complete,
        "roster_version": page.roster_version,
    }
    body = f'{{"changes": [{", ".join(page.changes)}], {json.dumps(envelope)[1:]}'
    return Response(body, media_type="application/json")
