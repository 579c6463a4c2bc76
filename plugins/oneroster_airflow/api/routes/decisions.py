"""Routes for decisions of people: approve or discard a held plan, undo a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query

from oneroster_airflow.api import held_decision, models
from oneroster_airflow.api.auth import Administrator
from oneroster_airflow.api.errors import Problem
from oneroster_airflow.api.routes.runs import RunId, detail, find
from oneroster_airflow.api.routes.uploads import started
from oneroster_sync import database
from oneroster_sync.operations import approval
from oneroster_sync.operations.approval import HeldBack
from oneroster_sync.roster.reader import read_roster
from oneroster_sync.runs.artifacts import release_memory
from oneroster_sync.sites import dag_names, maintenance, registry
from oneroster_sync.stages.diff.stage import plan_undo
from oneroster_sync.stages.diff.undo import Part, refuse_without_audit

if TYPE_CHECKING:
    from oneroster_sync.runs import Run

_LISTED = 100
"""Number of records that an undo leaves unchanged and that are listed."""

router = APIRouter(tags=["decisions"])

_LATE: dict[int | str, dict[str, Any]] = {
    409: {"description": "It does not wait for a decision, or not for this plan."}
}
_UNDO: dict[int | str, dict[str, Any]] = {
    409: {"description": "It changed nothing, or its site is archived."},
    410: {"description": "Its audit expired and was deleted."},
}


@router.post("/runs/{run_id}/approve", status_code=202, responses=_LATE)
def approve(run_id: RunId, body: models.Approval, actor: Administrator) -> models.RunDetail:
    """Approve exactly this plan; its DAG run continues and applies it."""
    stays = body.held_back
    held_back = HeldBack(tuple(stays.schools), tuple(stays.kinds)) if stays else None
    verdict = held_decision.Verdict(True, actor.name, body.reason, body.plan_hash, held_back)
    held_decision.record(find(run_id), verdict)
    held_decision.resume_dag_run(find(run_id), verdict)
    return detail(find(run_id), actor)


@router.get("/runs/{run_id}/hold-back", responses=_LATE)
def preview_hold_back(
    run_id: RunId,
    actor: Administrator,
    school: Annotated[list[models.SchoolId], Query(max_length=1000)] = [],  # noqa: B006
    kind: Annotated[list[Literal["users", "courses", "assignments"]], Query(max_length=3)] = [],  # noqa: B006
) -> models.TwoPlans:
    """Show the two plans that an approval makes if some removals are held back."""
    del actor
    try:
        parted = approval.preview_hold_back(run_id, HeldBack(tuple(school), tuple(kind)))
        first, rest = (
            models.PlanPart(plan_hash=plan.hash(), counts=plan.count().as_dict())
            for plan in (parted.first, parted.rest)
        )
    except FileNotFoundError:
        raise Problem(410, "The plan no longer exists.") from None
    finally:
        release_memory()
    return models.TwoPlans(first=first, rest=rest)


@router.post("/runs/{run_id}/discard", responses=_LATE)
def discard(run_id: RunId, body: models.Refusal, actor: Administrator) -> models.RunDetail:
    """Discard a held plan; nothing of it is applied."""
    verdict = held_decision.Verdict(False, actor.name, body.reason)
    held_decision.record(find(run_id), verdict)
    held_decision.resume_dag_run(find(run_id), verdict)
    return detail(find(run_id), actor)


@router.get("/runs/{run_id}/undo", responses=_UNDO)
def preview_undo(
    run_id: RunId,
    actor: Administrator,
    kind: models.Kind | None = None,
    sourced_id: Annotated[str | None, Query(min_length=1, max_length=255)] = None,
    changed_too: bool = False,  # noqa: FBT001, FBT002  a query is asked by name
) -> models.UndoPreview:
    """Show the counts of an undo of a run, and the records that it would leave unchanged."""
    del actor
    run = _applied(run_id)
    assert run.credited_admin_id is not None
    with database.engine().connect() as connection:
        roster = read_roster(connection, run.site, run.credited_admin_id)
    plan, left = plan_undo(run.run_id, roster, Part(kind, sourced_id, changed_too))
    counts = plan.count().as_dict()
    return models.UndoPreview(counts=counts, left=left[:_LISTED], left_total=len(left))


@router.post("/runs/{run_id}/undo", status_code=202, responses=_UNDO)
def undo(
    run_id: RunId, actor: Administrator, body: models.UndoPart | None = None
) -> models.Started:
    """Start a run that undoes this one, or a part of it, reviewed and audited like any other."""
    run = _applied(run_id)
    with database.engine().connect() as connection:
        registry.refuse_archived(connection, run.site)
        maintenance.refuse(connection)
        # The run checks all this again; here the person gets the reason at once.
        refuse_without_audit(connection, run.run_id)
    conf = {"undo": run.run_id, "undo_of": body.model_dump() if body else None}
    return models.Started(**started(dag_names.upload_dag_id(run.site), conf, by=actor.name))


def _applied(run_id: str) -> Run:
    run = find(run_id)
    if run.applied_at is None:
        raise Problem(409, "This run changed nothing, so there is nothing to undo.")
    return run
