"""Record a decision about a held plan, from any page or Airflow's, and carry it out.

The decision is recorded with the run before anything else happens. Then the plan is applied: by the
DAG run that waits for it, by one whose tasks are cleared, or here, if no DAG run would apply it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneroster_airflow import review_markdown
from oneroster_airflow.api import airflow_db
from oneroster_airflow.api.errors import Problem, sentence
from oneroster_airflow.review_operator import APPROVE, DISCARD
from oneroster_sync.operations import approval

if TYPE_CHECKING:
    from oneroster_sync.runs import Run


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision: approve or discard, by whom, why, and the hash of the plan.

    If removals are held back, the plan is the one without them.
    """

    approves: bool
    by: str
    reason: str
    plan_hash: str | None = None
    held_back: approval.HeldBack | None = None


def record(run: Run, verdict: Verdict) -> None:
    """Record a decision with the run; apply an approved plan if no DAG run would.

    Raises:
        Problem: 409, the run does not wait for a decision, or has another plan.
    """
    asked: dict[str, Any] = {
        "by": verdict.by,
        "now": dt.datetime.now(dt.UTC),
        "plan_hash": verdict.plan_hash,
        "reason": verdict.reason,
    }
    try:
        if not verdict.approves:
            approval.discard(run.run_id, **asked)
        # The tasks of a paused DAG would wait for ever: then the plan is applied here.
        elif _moves(run):
            approval.note_approval(run.run_id, **asked, held_back=verdict.held_back)
        else:
            done = approval.approve(run.run_id, **asked, held_back=verdict.held_back)
            approval.start_removals_run(done, clock=lambda: dt.datetime.now(dt.UTC))
    except (approval.NotHeldError, approval.OtherPlanError) as error:
        raise Problem(409, sentence(str(error)), code="run.decided") from None


def resume_dag_run(run: Run, verdict: Verdict) -> None:
    """Make the run's DAG run carry out the decision, if there is anything to do."""
    if run.dag_id is None or run.dag_run_id is None:
        return
    values = {
        review_markdown.REASON: verdict.reason or None,
        review_markdown.PLAN: run.plan_hash,
    }
    option = APPROVE if verdict.approves else DISCARD
    answered = airflow_db.answer(run.dag_id, run.dag_run_id, option, values, by=verdict.by)
    # The DAG run has passed its question, for instance because a person marked the task as done.
    if verdict.approves and not answered and run.applied_at is None and _moves(run):
        airflow_db.clear_waiting_tasks(run.dag_id, run.dag_run_id)


def _moves(run: Run) -> bool:
    return bool(run.dag_id and run.dag_run_id and airflow_db.moves(run.dag_id, run.dag_run_id))
