"""Routes of all sites: the user, the list of sites, creating, archiving and restoring sites."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Query

from oneroster_airflow.airflow_internals import GetUserDep
from oneroster_airflow.api import airflow_db, dag_pauses, fab_permissions, models
from oneroster_airflow.api.auth import Administrator, May, Overseer, Reader, permissions_of
from oneroster_airflow.api.errors import FieldProblem, Problem, sentence
from oneroster_airflow.api.routes.notifications import as_out_of_step
from oneroster_airflow.api.routes.preferences import Site
from oneroster_airflow.api.routes.runs import find
from oneroster_sync import database
from oneroster_sync.database.locks import BusyError
from oneroster_sync.identifiers import PATTERN
from oneroster_sync.operations import site_lifecycle
from oneroster_sync.operations.site_health import read_health, read_status
from oneroster_sync.runs import pending_deltas
from oneroster_sync.runs.standstill import find_standstills
from oneroster_sync.sites import maintenance, preferences_store, registry

router = APIRouter(tags=["sites"])

_WAIT_S = 10.0
"""How long a request waits for a running stage, in seconds."""
_ASKED = Query(pattern=PATTERN, description="What one may do at this site.")
_ASKED_RUN = Query(max_length=100, description="What one may do at the site of this run.")


@router.get("/me")
def me(
    actor: Reader,
    user: GetUserDep,
    site: Annotated[str | None, _ASKED] = None,
    run_id: Annotated[str | None, _ASKED_RUN] = None,
) -> models.Me:
    """Return the user and their permissions, at one site or at all of them."""
    if run_id is not None:
        site = find(run_id).site
    if site is None:
        return models.Me(name=actor.name, may=_permissions(actor.may))
    allowed = permissions_of(user, site)
    with database.engine().connect() as connection:
        record = registry.find(connection, site) if allowed else None
    archived_at = record.archived_at if record else None
    if archived_at is not None:
        # Nothing of an archived site changes, whatever the user may do elsewhere.
        allowed &= {May.READ, May.DETAILS}
    named = site if allowed else None
    may = _permissions(allowed)
    return models.Me(name=actor.name, may=may, site=named, archived_at=archived_at)


@router.get("/sites")
def sites(actor: Reader, user: GetUserDep) -> models.Sites:
    """List the sites that the user may see, archived sites included."""
    dag_pauses.settle()
    with database.engine().connect() as connection:
        there = registry.all_sites(connection)
        last = registry.last_runs(connection)
        lost = pending_deltas.out_of_step_by_site(connection)
        now = dt.datetime.now(dt.UTC)
        still = find_standstills(connection, now=now)
        health = read_health(connection, now=now, standstills=still)
        stopped = maintenance.find(connection)
    if actor.is_allowed(May.ADMINISTER):
        # Only administrators give permissions to roles: from their visit on, FAB has these to give.
        fab_permissions.offer(there)
    seen = {site: may for site in there if May.READ in (may := permissions_of(user, site))}
    states = airflow_db.dag_states(site for site in seen if not there[site].is_archived)
    listed = [
        models.SiteState(
            **_in_airflow(there[site], states.get(site)),
            last_run=_as(models.LastRun, last.get(site)),
            out_of_step=as_out_of_step(lost.get(site, ())),
            standstill=_as(models.Standstill, still[site]),
            health=_as(models.SiteHealth, health[site]),
            may=_permissions(seen[site]),
        )
        for site in seen
    ]
    return models.Sites(
        sites=listed,
        may_oversee=actor.is_allowed(May.ADMINISTER),
        maintenance=_as(models.Maintenance, stopped),
    )


@router.get("/sites/{site}/status")
def status(site: Site, actor: Reader) -> models.SiteStatus:
    """Return the state of a site: its size, what was applied, what comes next and what waits."""
    del actor
    now = dt.datetime.now(dt.UTC)
    with database.engine().connect() as connection:
        found = read_status(connection, site, now=now)
        zone = preferences_store.load(connection, site).time_zone
        lost = as_out_of_step(pending_deltas.out_of_step(connection, site))
        record = registry.find(connection, site)
        stopped = maintenance.find(connection)
    assert record is not None
    state = None if record.is_archived else airflow_db.dag_state(site)
    health = found.health
    return models.SiteStatus(
        site=site,
        title=record.title,
        time_zone=zone,
        active=models.Active(**found.active),
        applied_at=found.applied_at,
        applied_run=found.applied_run,
        enabled=None if state is None else not state.is_paused,
        next_run=state.next_run if state else None,
        waiting=health.waiting,
        waiting_run=health.waiting_run,
        has_export=health.has_export,
        export_days=health.export_days,
        is_stale=health.is_stale,
        out_of_step=lost,
        stale_records=found.stale_records,
        standstill=_as(models.Standstill, found.standstill),
        maintenance=_as(models.Maintenance, stopped),
    )


@router.put("/sites/{site}/title")
def rename(site: Site, body: models.SiteTitle, actor: Administrator) -> models.SiteTitle:
    """Change the display name of a site; its id, and all names made from it, stay."""
    now = dt.datetime.now(dt.UTC)
    title = site_lifecycle.rename(site, body.title, by=actor.name, now=now)
    return models.SiteTitle(title=title)


@router.put("/maintenance", responses={422: {"description": "No reason was given."}})
def set_maintenance(body: models.MaintenanceChange, actor: Overseer) -> models.MaintenanceState:
    """Stop the syncs of all sites for a reason, or resume them; each site keeps its own switch."""
    now = dt.datetime.now(dt.UTC)
    with database.engine().begin() as connection:
        if body.reason is None:
            maintenance.end(connection, by=actor.name, now=now)
        else:
            maintenance.begin(connection, body.reason, by=actor.name, now=now)
        stopped = maintenance.find(connection)
    return models.MaintenanceState(maintenance=_as(models.Maintenance, stopped))


@router.post(
    "/sites",
    status_code=202,
    responses={409: {"description": "There is a site of that name."}},
)
def create(body: models.NewSite, actor: Overseer) -> models.MadeSite:
    """Create a site with default preferences; its sync is off."""
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
    """Create a site with another site's preferences, no roster and no runs; its sync is off."""
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
    """Archive a site: no run of it can begin, and all of its data can still be read."""
    now = dt.datetime.now(dt.UTC)
    try:
        done = site_lifecycle.archive(site, by=actor.name, now=now, wait_s=_WAIT_S)
    except site_lifecycle.LastSiteError as error:
        raise Problem(409, sentence(str(error)), code="site.last") from None
    except BusyError:
        detail = "A run of this site is at work. Try again when it has ended; nothing was changed."
        raise Problem(409, detail, code="site.busy") from None
    dag_pauses.settle()
    return models.ArchivedSite(site=done.site, ended=list(done.ended))


@router.post(
    "/sites/{site}/restore",
    responses={409: {"description": "It is not archived."}},
)
def restore(site: Site, actor: Overseer) -> models.MadeSite:
    """Restore an archived site unchanged, with its sync off."""
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
    detail = sentence(str(error))
    wrong = [FieldProblem(field="site", message=detail)]
    return Problem(409, detail, code="site.exists", errors=wrong)


def _permissions(allowed: frozenset[May]) -> models.Permissions:
    return models.Permissions(**{may.value: may in allowed for may in May})


def _in_airflow(record: registry.Site, state: airflow_db.DagState | None) -> dict[str, Any]:
    """Return a site's record, and its DAG's state in Airflow."""
    return {
        "site": record.site,
        "title": record.title,
        "archived_at": record.archived_at,
        "archived_by": record.archived_by,
        "in_airflow": state is not None,
        "enabled": None if state is None else not state.is_paused,
        "next_run": state.next_run if state else None,
    }


def _as(model: Any, value: Any) -> Any:
    """Convert a value of the product to a model; None stays None."""
    return None if value is None else model.model_validate(value, from_attributes=True)
