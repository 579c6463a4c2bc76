"""Routes of stale protection: records that rows with errors protect for long, and release."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Path

from oneroster_airflow.api import models
from oneroster_airflow.api.auth import Administrator, Insider
from oneroster_airflow.api.errors import Problem
from oneroster_airflow.api.routes.preferences import Site
from oneroster_sync import database
from oneroster_sync.database.locks import BusyError
from oneroster_sync.roster import stale_protection
from oneroster_sync.roster.stale_protection import NotStaleError, StaleCause

router = APIRouter(tags=["protections"])

_WAIT_S = 10.0
"""How long a request waits for a running stage, in seconds."""
_LISTED = 100
"""Number of records that a release would remove and that are listed."""
_MISSING: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such site, or nothing is stale by this cause."}
}
_BUSY: dict[int | str, dict[str, Any]] = {
    409: {"description": "The site is archived, or a run is at work."}
}
Cause = Annotated[
    str,
    Path(max_length=300, description="A cause, such as `users.csv:row.unknown_role:role`."),
]


@router.get("/sites/{site}/protections")
def read(site: Site, actor: Insider) -> models.StaleCauses:
    """List protections that last as many runs as the site's preferences say, by cause."""
    del actor
    with database.engine().connect() as connection:
        found = stale_protection.list_stale(connection, site)
    return models.StaleCauses(causes=[_as_stale_cause(one) for one in found])


@router.get("/sites/{site}/protections/{cause}", responses=_MISSING)
def preview(site: Site, cause: Cause, actor: Insider) -> models.ReleasePreview:
    """Show what the next plan would remove if this cause were released."""
    del actor
    try:
        with database.engine().connect() as connection:
            goes = stale_protection.preview_release(connection, site, cause)
    except NotStaleError as error:
        raise Problem(404, f"{error}.", code="protections.not_stale") from None
    return models.ReleasePreview(
        cause=cause,
        counts={kind: len(records) for kind, records in goes.items()},
        records={kind: records[:_LISTED] for kind, records in goes.items()},
    )


@router.post("/sites/{site}/protections/{cause}/release", responses={**_MISSING, **_BUSY})
def release(
    site: Site, cause: Cause, body: models.Refusal, actor: Administrator
) -> models.StaleCause:
    """Release a cause: the next plan treats its records as absent, and is reviewed as a removal."""
    now = dt.datetime.now(dt.UTC)
    try:
        found = stale_protection.release(
            site, cause, by=actor.name, now=now, reason=body.reason, wait_s=_WAIT_S
        )
    except NotStaleError as error:
        raise Problem(404, f"{error}.", code="protections.not_stale") from None
    except BusyError as error:
        raise Problem(409, str(error), code="site.busy") from None
    return _as_stale_cause(found).model_copy(update={"is_released": True})


def _as_stale_cause(found: StaleCause) -> models.StaleCause:
    return models.StaleCause(
        cause=found.cause,
        file=found.file,
        code=found.code,
        column=found.column,
        age=found.age,
        records=len(found.records),
        is_released=found.is_released,
        sentence=f"{found.to_text()}.",
    )
