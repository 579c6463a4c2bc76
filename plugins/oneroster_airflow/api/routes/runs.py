"""Routes of runs: lists, and the details of one run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from oneroster_airflow.api import airflow_db, models
from oneroster_airflow.api.auth import Actor, May, Reader
from oneroster_airflow.api.errors import FieldProblem, Problem
from oneroster_airflow.api.routes.preferences import Site, masked
from oneroster_sync import database, runs
from oneroster_sync.findings import CODES
from oneroster_sync.operations.run_comparison import find_earlier
from oneroster_sync.runs import Outcome, Run, Trigger, queries, run_details
from oneroster_sync.runs.holds import describe
from oneroster_sync.runs.summary import (
    count_changes,
    format_outcome,
    format_type,
    measure_times,
    sum_counts,
)
from oneroster_sync.sites import dag_names, preferences_store, registry
from oneroster_sync.sites.time_zone import list_zones
from oneroster_sync.stages.diff.account_report import has_accounts
from oneroster_sync.stages.validate.data_docs import read_report

router = APIRouter(tags=["runs"])

# The spelling in which we print ids: PostgreSQL reads others too, and refuses the rest by an error.
RUN_ID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
RunId = Annotated[str, Path(description="Id of a run.", pattern=RUN_ID)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[
    str, Query(max_length=100, description="The cursor that the previous page returned.")
]
_Day = Annotated[dt.date, Query(ge=dt.date(1970, 1, 1), le=dt.date(2999, 12, 31))]
_ZONE = "IANA name of the time zone of the days `from` and `to`; UTC without it."
_InAirflow = Path(max_length=250, pattern=r"^[^\x00-\x1f\x7f/]+$")
_UNDER_WAY = Literal["running", "preview"]
_KINDS_CHANGED = {"succeeded", "succeeded_with_errors"}


@router.get("/sites/{site}/runs")
def list_runs(
    site: Site,
    actor: Reader,
    outcome: Annotated[list[models.OutcomeName | _UNDER_WAY], Query(max_length=11)] = [],  # noqa: B006
    trigger: Annotated[list[Trigger], Query(max_length=3)] = [],  # noqa: B006
    first_on: Annotated[_Day | None, Query(alias="from")] = None,
    last_on: Annotated[_Day | None, Query(alias="to")] = None,
    zone: Annotated[str | None, Query(max_length=100, description=_ZONE)] = None,
    before: Cursor | None = None,
    limit: Limit = 25,
) -> models.Runs:
    """List a site's runs, the newest first, page by page."""
    del actor
    if zone is not None and zone not in list_zones():
        wrong = [FieldProblem(field="zone", message="Use a name such as America/Chicago.")]
        raise Problem(422, "This time zone is unknown.", errors=wrong)
    wanted = queries.Wanted(tuple(outcome), tuple(trigger), first_on, last_on, zone)
    with database.engine().connect() as connection:
        preferences_store.load(connection, site)
        page = queries.page_of_runs(connection, site, wanted, before=before, limit=limit)
    return models.Runs(
        runs=[models.RunSummary(**summarize(run)) for run in page.runs],
        total=page.total,
        older=page.older,
    )


@router.get("/sites/{site}/trend")
def trend(site: Site, actor: Reader, limit: Limit = 60) -> models.Trend:
    """Return the numbers of changes and errors of the last runs."""
    del actor
    with database.engine().connect() as connection:
        preferences_store.load(connection, site)
        points = queries.trend(connection, site, limit)
    return models.Trend(points=[models.Point(**point) for point in points])


@router.get("/runs/{run_id}")
def read(run_id: RunId, actor: Reader) -> models.RunDetail:
    """Return the details of a run."""
    return detail(find(run_id), actor)


@router.get("/dag-runs/{dag_id}/{dag_run_id}")
def of_dag_run(
    dag_id: Annotated[str, _InAirflow],
    dag_run_id: Annotated[str, _InAirflow],
    actor: Reader,
) -> models.DagRunState:
    """Return the run of a DAG run; 404 with `dag_run.foreign` for DAGs of others."""
    del actor
    if dag_names.site_of(dag_id) is None:
        raise Problem(404, "This DAG run is not a OneRoster sync.", code="dag_run.foreign")
    found = airflow_db.dag_run(dag_id, dag_run_id)
    if found is None:
        raise Problem(404, "Airflow has no such DAG run.", code="dag_run.unknown")
    run_id = dag_names.run_id_of(dag_id, dag_run_id)
    with database.engine().connect() as connection:
        recorded = runs.exists(connection, run_id)
    return models.DagRunState(run_id=run_id, recorded=recorded, dag_run=models.DagRun(**found))


def find(run_id: str) -> Run:
    """Return a run.

    Raises:
        UnknownRunError: There is no run with this id.
    """
    with database.engine().connect() as connection:
        return runs.get(connection, run_id)


def detail(run: Run, actor: Actor) -> models.RunDetail:
    """Return the details of a run that an actor may see."""
    behind = None
    if run.dag_id and run.dag_run_id:
        behind = airflow_db.dag_run(run.dag_id, run.dag_run_id)
    decision = None
    if run.decision and run.decided_by and run.decided_at:
        decision = models.Decision(
            decision=run.decision,
            by=run.decided_by,
            at=run.decided_at,
            reason=run.decision_reason,
        )
    times = measure_times(run, now=dt.datetime.now(dt.UTC))
    return models.RunDetail(
        **summarize(run),
        reasons=list(run.reasons),
        kind=run.kind,
        time_zone=run.preferences.time_zone,
        package=_package(run, actor),
        packages=[package["name"] for package in run.packages or ()],
        sha256=run.sha256,
        oneroster_version=run.oneroster_version,
        plan_hash=run.plan_hash,
        base_version=run.base_version,
        applied_at=run.applied_at,
        held_at=times.held_at,
        work_s=times.work_s,
        waited_s=times.waited_s,
        credited_admin=masked(run.preferences.credited_admin, actor),
        undoes=run.undoes,
        undo_of=models.UndoPart(**run.undo_of) if run.undo_of else None,
        removals_of=run.removals_of,
        removals_run=_run_of_removals(run),
        earlier_run=_run_before(run),
        expires_at=run.expires_at,
        withheld=_withheld(run),
        schools=[models.School(**school) for school in run.schools or ()],
        decision=decision,
        holds=[_hold(hold) for hold in run.holds],
        dag_run=models.DagRun(**behind) if behind else None,
        has=_has(run, behind),
        can=_can(run, actor),
    )


def _hold(hold: Mapping[str, Any]) -> models.Hold:
    code, clause = CODES.get(hold["code"]), describe(hold)
    sentence = f"{clause[:1].upper()}{clause[1:].rstrip('.')}."
    return models.Hold(**hold, sentence=sentence, hint=code.hint if code else "")


def _withheld(run: Run) -> models.Withheld | None:
    if run.withheld is None:
        return None
    holds = [_hold(hold) for hold in run.withheld.get("holds", ())]
    return models.Withheld(**{**run.withheld, "holds": holds})


def _is_archived(site: str) -> bool:
    with database.engine().connect() as connection:
        record = registry.find(connection, site)
    return record is not None and record.is_archived


def _run_of_removals(run: Run) -> str | None:
    """Return the follow-up run that holds this run's pending removals."""
    if not run.removals_wait:
        return None
    with database.engine().connect() as connection:
        return runs.find_removals_run(connection, run.run_id)


def _run_before(run: Run) -> str | None:
    """Return the run that this run is compared with by default."""
    if run.outcome is None or run.sha256 is None:
        return None
    with database.engine().connect() as connection:
        earlier = find_earlier(connection, run)
    return earlier.run_id if earlier else None


def summarize(run: Run) -> dict[str, Any]:
    """Return the fields of a run in lists."""
    values = {
        **run.summary(),
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "stage": run.stage,
        "type": format_type(run),
        "sentence": format_outcome(run),
        "totals": sum_counts(run.counts),
        "is_applied": run.applied_at is not None or run.outcome is Outcome.NO_CHANGES,
        "uploaded_as": run.uploaded_as,
    }
    return {name: values[name] for name in models.RunSummary.model_fields}


def _package(run: Run, actor: Actor) -> str | None:
    """Return the package's path if the actor may see it; for an upload, only its name."""
    if run.package is None or (run.trigger is not Trigger.UPLOAD and actor.is_allowed(May.DETAILS)):
        return run.package
    return run.uploaded_as or run.package.rstrip("/").rpartition("/")[2]


def _has(run: Run, behind: dict[str, Any] | None) -> models.Has:
    planned = None if run.counts is None else count_changes(run.counts)
    report = run.sha256 is not None and read_report(run) is not None
    accounts = run.plan_hash is not None and has_accounts(run)
    with database.engine().connect() as connection:
        issues = run_details.count_issues(connection, run.run_id)
    return models.Has(
        changes=planned,
        issues=issues,
        report=report,
        accounts=accounts,
        log=behind is not None,
    )


def _can(run: Run, actor: Actor) -> models.Can:
    decides = actor.is_allowed(May.ADMINISTER) and not _is_archived(run.site)
    waits = run.outcome is Outcome.HELD and run.decision is None and not run.is_preview
    changed = run.applied_at is not None and run.outcome in _KINDS_CHANGED
    return models.Can(
        approve=decides and waits, discard=decides and waits, undo=decides and changed
    )
