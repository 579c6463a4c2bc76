"""Routes by which people decide: approve or discard a held plan, undo a run."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from oneroster.api import bridge, models
from oneroster.api.permissions import Administrator
from oneroster.api.problems import Problem
from oneroster.api.runs import RunId, detail, find
from oneroster.api.uploads import started
from oneroster_sync import dag_names, decisions

if TYPE_CHECKING:
    from oneroster_sync.store.runs import Run

router = APIRouter(tags=["decisions"])

_LATE: dict[int | str, dict[str, Any]] = {
    409: {"description": "It does not wait for a decision, or not for this plan."}
}


@router.post("/runs/{run_id}/approve", status_code=202, responses=_LATE)
def approve(run_id: RunId, body: models.Approval, actor: Administrator) -> models.RunDetail:
    """Approve exactly this plan; its DAG run goes on and applies it."""
    run = find(run_id)
    now = dt.datetime.now(dt.UTC)
    try:
        if not _goes_on(run):
            run = decisions.approve(
                run_id, by=actor.name, now=now, plan_hash=body.plan_hash, reason=body.reason
            )
            return detail(run, actor)
        decisions.note_approval(
            run_id, by=actor.name, now=now, plan_hash=body.plan_hash, reason=body.reason
        )
    except (decisions.NotHeldError, decisions.OtherPlanError) as error:
        raise _too_late(error) from None
    assert run.dag_id is not None
    assert run.dag_run_id is not None
    bridge.go_on(run.dag_id, run.dag_run_id)
    return detail(find(run_id), actor)


@router.post("/runs/{run_id}/discard", responses=_LATE)
def discard(run_id: RunId, body: models.Refusal, actor: Administrator) -> models.RunDetail:
    """Discard a held plan; nothing of it is applied."""
    now = dt.datetime.now(dt.UTC)
    try:
        run = decisions.discard(run_id, by=actor.name, now=now, reason=body.reason)
    except decisions.NotHeldError as error:
        raise _too_late(error) from None
    return detail(run, actor)


@router.post("/runs/{run_id}/undo", status_code=202, responses=_LATE)
def undo(run_id: RunId, actor: Administrator) -> models.Started:
    """Start a run that takes this one back, with guards, review and audit like any other."""
    run = find(run_id)
    if run.applied_at is None:
        raise Problem(409, "This run changed nothing, so there is nothing to undo.")
    dag_id = dag_names.upload_dag_id(run.site)
    return models.Started(**started(dag_id, {"undo": run.run_id}, by=actor.name))


def _goes_on(run: Run) -> bool:
    """Tell whether the run is one of Airflow's, which then applies the plan in its own task."""
    return bool(run.dag_id and run.dag_run_id and bridge.has_log(run.dag_id, run.dag_run_id))


def _too_late(error: Exception) -> Problem:
    told = str(error)
    return Problem(409, f"{told[:1].upper()}{told[1:]}.", code="run.decided")
