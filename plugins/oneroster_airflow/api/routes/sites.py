"""Routes of all sites: who one is, which sites there are, making, archiving and restoring them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query

from oneroster_airflow.airflow_internals import GetUserDep
from oneroster_airflow.api import airflow_db, dag_pauses, fab_permissions, models
from oneroster_airflow.api.auth import May, Overseer, Reader, permissions_of
from oneroster_airflow.api.errors import FieldProblem, Problem, sentence
from oneroster_airflow.api.routes.notifications import as_out_of_step
from oneroster_airflow.api.routes.preferences import Site
from oneroster_airflow.api.routes.runs import find
from oneroster_sync import database
from oneroster_sync.database.locks import BusyError
from oneroster_sync.identifiers import PATTERN
from oneroster_sync.operations import site_lifecycle
from oneroster_sync.runs import pending_deltas
from oneroster_sync.runs.standstill import find_standstills
from oneroster_sync.sites import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneroster_sync.runs.pending_deltas import OutOfStep
    from oneroster_sync.runs.standstill import Standstill

router = APIRouter(tags=["sites"])

_WAIT_S = 10.0
"""How long a request waits for a stage that is at work, in seconds."""
_ASKED = Query(pattern=PATTERN, description="What one may do at this site.")
_ASKED_RUN = Query(max_length=100, description="What one may do at the site of this run.")


@router.get("/me")
def me(
    actor: Reader,
    user: GetUserDep,
    site: Annotated[str | None, _ASKED] = None,
    run_id: Annotated[str | None, _ASKED_RUN] = None,
) -> models.Me:
    """Tell who is logged in and what they may do, at one site or at all of them."""
    if run_id is not None:
        site = find(run_id).site
    if site is None:
        return models.Me(name=actor.name, may=_permissions(actor.may))
    allowed = permissions_of(user, site)
    with database.engine().connect() as connection:
        record = registry.find(connection, site) if allowed else None
    archived_at = record.archived_at if record else None
    if archived_at is not None:
        allowed &= {May.READ, May.DETAILS}
    named = site if allowed else None
    may = _permissions(allowed)
    return models.Me(name=actor.name, may=may, site=named, archived_at=archived_at)


@router.get("/sites")
def sites(actor: Reader, user: GetUserDep) -> models.Sites:
    """List the sites that the user may see, the archived ones too."""
    dag_pauses.settle()
    with database.engine().connect() as connection:
        there = registry.all_sites(connection)
        last = registry.last_runs(connection)
        lost = pending_deltas.out_of_step_by_site(connection)
        still = find_standstills(connection, now=dt.datetime.now(dt.UTC))
    if actor.is_allowed(May.ADMINISTER):
        fab_permissions.offer(there)
    seen = {site: may for site in there if May.READ in (may := permissions_of(user, site))}
    states = airflow_db.dag_states(site for site in seen if not there[site].is_archived)
    listed = [
        _state(there[site], last.get(site), states.get(site), seen[site], lost, still[site])
        for site in seen
    ]
    return models.Sites(sites=listed, may_oversee=actor.is_allowed(May.ADMINISTER))


@router.post(
    "/sites",
    status_code=202,
    responses={409: {"description": "There is a site of that name."}},
)
def create(body: models.NewSite, actor: Overseer) -> models.MadeSite:
    """Make a site with default preferences; its sync is off."""
    try:
        site_lifecycle.create(body.site, body.admin, by=actor.name, now=dt.datetime.now(dt.UTC))
    except site_lifecycle.SiteExistsError as error:
        raise _taken(error) from None
    return _made(body.site)


@router.post(
    "/sites/{site}/copy",
    status_code=202,
    responses={409: {"description": "There is a site of that name."}},
)
def copy(site: Site, body: models.NewSite, actor: Overseer) -> models.MadeSite:
    """Make a site with the preferences of another one, and no roster or runs; its sync is off."""
    try:
        site_lifecycle.copy(site, body.site, body.admin, by=actor.name, now=dt.datetime.now(dt.UTC))
    except site_lifecycle.SiteExistsError as error:
        raise _taken(error) from None
    return _made(body.site)


@router.post(
    "/sites/{site}/archive",
    responses={409: {"description": "It is the last one in use, or a run is at work."}},
)
def archive(site: Site, actor: Overseer) -> models.ArchivedSite:
    """Archive a site: no run of it can begin, and everything can still be read."""
    now = dt.datetime.now(dt.UTC)
    try:
        done = site_lifecycle.archive(site, by=actor.name, now=now, wait_s=_WAIT_S)
    except site_lifecycle.LastSiteError as error:
        raise Problem(409, sentence(str(error)), code="site.last") from None
    except BusyError:
        told = "A run of this site is at work. Try again when it has ended; nothing was changed."
        raise Problem(409, told, code="site.busy") from None
    dag_pauses.settle()
    return models.ArchivedSite(site=done.site, ended=list(done.ended))


@router.post(
    "/sites/{site}/restore",
    responses={409: {"description": "It is not archived."}},
)
def restore(site: Site, actor: Overseer) -> models.MadeSite:
    """Bring an archived site back as it was, with its sync off."""
    try:
        site_lifecycle.restore(site, by=actor.name, now=dt.datetime.now(dt.UTC))
    except site_lifecycle.NotArchivedError as error:
        raise Problem(409, sentence(str(error)), code="site.in_use") from None
    dag_pauses.settle()
    return _made(site)


def _made(site: str) -> models.MadeSite:
    airflow_db.ask_for_any_parse()
    return models.MadeSite(site=site)


def _taken(error: site_lifecycle.SiteExistsError) -> Problem:
    told = sentence(str(error))
    wrong = [FieldProblem(field="site", message=told)]
    return Problem(409, told, code="site.exists", errors=wrong)


def _permissions(allowed: frozenset[May]) -> models.Permissions:
    return models.Permissions(**{may.value: may in allowed for may in May})


def _state(
    record: registry.Site,
    last: registry.LastRun | None,
    state: airflow_db.DagState | None,
    allowed: frozenset[May],
    lost: Mapping[str, list[OutOfStep]],
    still: Standstill,
) -> models.SiteState:
    return models.SiteState(
        site=record.site,
        in_airflow=state is not None,
        enabled=None if state is None else not state.is_paused,
        next_run=state.next_run if state else None,
        last_run=models.LastRun.model_validate(last, from_attributes=True) if last else None,
        archived_at=record.archived_at,
        archived_by=record.archived_by,
        out_of_step=as_out_of_step(lost.get(record.site, ())),
        standstill=models.Standstill.model_validate(still, from_attributes=True),
        may=_permissions(allowed),
    )
