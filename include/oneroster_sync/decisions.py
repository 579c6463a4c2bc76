"""What people decide about a held plan: approve exactly this hash, or discard it.

The decision is stored with the run before anything else happens; the first one wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneroster_sync import stages
from oneroster_sync.store import database, preferences, runs, turns
from oneroster_sync.store.runs import Outcome

if TYPE_CHECKING:
    import datetime as dt

    from oneroster_sync.store.runs import Run


class NotHeldError(Exception):
    """The run does not wait for a decision; the message says what became of it."""


class OtherPlanError(Exception):
    """The hash that was approved is not the plan's."""


def approve(
    run_id: str, *, by: str, now: dt.datetime, plan_hash: str | None = None, reason: str = ""
) -> Run:
    """Approve a held plan and apply it.

    Args:
        run_id: The held run.
        by: Who approves.
        now: When.
        plan_hash: The plan that was looked at; the run's own when not given.
        reason: For the audit.

    Returns:
        The run: applied, or `superseded` when the roster moved since the plan was made.

    Raises:
        UnknownRunError: There is no such run.
        NotHeldError: It does not wait, or somebody else decided first.
        OtherPlanError: `plan_hash` is not the run's plan.
    """
    run = _decide(run_id, "approved", by, now, plan_hash, reason)
    with turns.turn(database.engine(), run.site):
        return stages.record(stages.apply(run, now=now), now=now)


def note_approval(
    run_id: str, *, by: str, now: dt.datetime, plan_hash: str, reason: str = ""
) -> Run:
    """Note that a held plan is approved; its DAG run then goes on and applies it.

    Raises:
        UnknownRunError: There is no such run.
        NotHeldError: It does not wait, or somebody else decided first.
        OtherPlanError: `plan_hash` is not the run's plan.
    """
    return _decide(run_id, "approved", by, now, plan_hash, reason)


def discard(run_id: str, *, by: str, now: dt.datetime, reason: str = "") -> Run:
    """Discard a held plan; nothing of it is applied.

    Raises:
        UnknownRunError: There is no such run.
        NotHeldError: It does not wait, or somebody else decided first.
    """
    run = _decide(run_id, "discarded", by, now, None, reason)
    return stages.record(run, now=now)


def _decide(
    run_id: str, decision: str, by: str, now: dt.datetime, plan_hash: str | None, reason: str
) -> Run:
    with database.engine().begin() as connection:
        run = runs.get(connection, run_id, for_update=True)
        cut_off = run.outcome is Outcome.HELD and (run.decision, run.decided_by) == (decision, by)
        again = cut_off and decision == "approved"
        if run.outcome is not Outcome.HELD or (run.decision and not again):
            who = f", {run.decision} by {run.decided_by}" if run.decision else ""
            raise NotHeldError(f"run {run_id} does not wait for a decision: {run.outcome}{who}")
        if plan_hash is not None and plan_hash != run.plan_hash:
            raise OtherPlanError(f"run {run_id} holds plan {run.plan_hash}, not {plan_hash}")
        if again:
            return run
        runs.update(
            connection,
            run_id,
            decision=decision,
            decided_hash=run.plan_hash,
            decided_by=by,
            decided_at=now,
            decision_reason=reason,
        )
        if decision == "discarded":
            runs.update(connection, run_id, outcome=Outcome.DISCARDED)
        details = {"run_id": run_id, "plan_hash": run.plan_hash, "reason": reason}
        preferences.note_event(connection, run.site, by, f"plan_{decision}", details, now=now)
        return runs.get(connection, run_id)
