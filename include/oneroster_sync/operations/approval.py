"""Decisions about a held plan: approve it by its hash, or discard it.

The decision is stored with the run before anything else happens, so the first decision wins. A plan
whose time is over is discarded at the next access, by any caller.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from oneroster_sync import database, pipeline, runs
from oneroster_sync.database import locks
from oneroster_sync.errors import ConflictError
from oneroster_sync.runs import Outcome, pending_deltas, superseded
from oneroster_sync.sites import maintenance, preferences_store
from oneroster_sync.stages.diff.held_back import freeze_first_part, part_held_plan

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from oneroster_sync.runs import Run
    from oneroster_sync.stages.diff.held_back import Parted


class NotHeldError(ConflictError):
    """The run does not wait for a decision; the message says what happened to it."""


class OtherPlanError(ConflictError):
    """The given hash is not the hash of the held plan."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The removals that are held back when the rest of a plan is approved.

    Attributes:
        schools: sourcedIds of schools.
        kinds: users, courses or assignments: all removals of this kind.
    """

    schools: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


def preview_hold_back(run_id: str, held_back: HeldBack) -> Parted:
    """Return the two plans into which an approval with `held_back` would split a held plan.

    Raises:
        UnknownRunError: There is no such run.
        NotHeldError: The run does not wait for a decision.
        NothingToHoldError: One of the plans would be empty.
        RosterMovedError: The roster changed since the plan was made.
    """
    run = runs.find(run_id)
    if run.outcome is not Outcome.HELD or run.decision or run.is_preview:
        raise NotHeldError(f"run {run_id} {_became(run)}")
    return part_held_plan(run, schools=held_back.schools, kinds=held_back.kinds)


def approve(
    run_id: str,
    *,
    by: str,
    now: dt.datetime,
    plan_hash: str | None = None,
    reason: str = "",
    held_back: HeldBack | None = None,
) -> Run:
    """Approve a held plan and apply it.

    Args:
        run_id: The held run.
        by: Who approves.
        now: The time.
        plan_hash: Hash of the plan that the person saw; the run's own plan if None.
        reason: For the audit.
        held_back: The removals to hold back. `plan_hash` is then the hash of the first of both
            plans; after it is applied, a run of its own holds the second.

    Returns:
        The run: applied, or `superseded` if the roster changed since the plan was made.

    Raises:
        UnknownRunError: There is no such run.
        NotHeldError: The run does not wait, or another person decided first.
        OtherPlanError: `plan_hash` is not the hash of the run's plan.
    """
    run = _decide(run_id, "approved", by, now, plan_hash, reason, held_back)
    with locks.hold_site_turn(database.engine(), run.site):
        return pipeline.record(pipeline.apply(run, now=now), now=now)


def start_removals_run(run: Run, *, clock: Callable[[], dt.datetime]) -> Run | None:
    """Start the follow-up run for the pending removals of an applied run, without Airflow."""
    request = pipeline.make_removals_request(run, str(uuid.uuid4()))
    return pipeline.sync(request, clock=clock) if request else None


def note_approval(
    run_id: str,
    *,
    by: str,
    now: dt.datetime,
    plan_hash: str,
    reason: str = "",
    held_back: HeldBack | None = None,
) -> Run:
    """Store the approval of a held plan; its DAG run then continues and applies the plan.

    Raises:
        UnknownRunError: There is no such run.
        NotHeldError: The run does not wait, or another person decided first.
        OtherPlanError: `plan_hash` is not the hash of the run's plan.
    """
    return _decide(run_id, "approved", by, now, plan_hash, reason, held_back)


def discard(
    run_id: str, *, by: str, now: dt.datetime, plan_hash: str | None = None, reason: str = ""
) -> Run:
    """Discard a held plan and its deltas; nothing of them is applied, now or by a later run.

    For a run that ended without a decision, discard the deltas that are still pending.

    Args:
        run_id: The held run.
        by: Who discards.
        now: The time.
        plan_hash: Hash of the plan that the person saw; the run's own plan if None.
        reason: For the audit.

    Raises:
        UnknownRunError: There is no such run.
        NotHeldError: The run does not wait, or another person decided first.
        OtherPlanError: `plan_hash` is not the hash of the run's plan.
    """
    if (run := _discard_left(run_id, by=by, now=now, reason=reason)) is not None:
        return run
    run = _decide(run_id, "discarded", by, now, plan_hash, reason)
    return pipeline.record(run, now=now)


def _discard_left(run_id: str, *, by: str, now: dt.datetime, reason: str) -> Run | None:
    """Discard the pending deltas of a run that has ended; return None if there are none.

    This lets a person remove a delta that makes every later plan fail.
    """
    with database.engine().begin() as connection:
        run = runs.get(connection, run_id, for_update=True)
        if run.outcome in {None, Outcome.HELD}:
            return None
        own = pending_deltas.of_site(connection, run.site, pending_deltas.State.PENDING)
        ids = [delta.delta_id for delta in own if delta.run_id == run_id]
        if not pending_deltas.discard(connection, run.site, ids, by=by):
            return None
        details = {"run_id": run_id, "reason": reason}
        preferences_store.note_event(connection, run.site, by, "delta_discarded", details, now=now)
        return run


def expire(run_id: str, *, now: dt.datetime) -> Run:
    """Discard a held plan if its time for a decision is over; return the current run.

    A plan with time left or with a decision is not changed.

    Raises:
        UnknownRunError: There is no such run.
    """
    with database.engine().begin() as connection:
        run = runs.get(connection, run_id, for_update=True)
        if not superseded.is_expired(run, now):
            return run
        run = superseded.discard_expired(connection, run, now=now)
    return pipeline.record(run, now=now)


def expire_due(now: dt.datetime) -> list[str]:
    """Discard the held plans of all sites whose time for a decision is over; return the run ids."""
    with database.engine().connect() as connection:
        late = superseded.list_expired(connection, now)
    ended = [expire(run_id, now=now) for run_id in late]
    return [run.run_id for run in ended if run.outcome is Outcome.DISCARDED and not run.decision]


def _decide(
    run_id: str,
    decision: str,
    by: str,
    now: dt.datetime,
    plan_hash: str | None,
    reason: str,
    held_back: HeldBack | None = None,
) -> Run:
    # In a transaction of its own, so that it is kept although this decision is refused.
    expire(run_id, now=now)
    with database.engine().begin() as connection:
        run = runs.get(connection, run_id, for_update=True)
        # A process may end between an approval and its apply: the same person may then approve
        # again.
        cut_off = run.outcome is Outcome.HELD and (run.decision, run.decided_by) == (decision, by)
        again = cut_off and decision == "approved"
        if run.outcome is not Outcome.HELD or (run.decision and not again) or run.is_preview:
            raise NotHeldError(f"run {run_id} {_became(run)}")
        parted = None
        if held_back is not None and not again:
            # The run is locked, so no other decision can change the plan in the meantime.
            parted = part_held_plan(run, schools=held_back.schools, kinds=held_back.kinds)
            plan_hash = plan_hash or ""  # an approval of a part must name its hash
        held_hash = run.decided_hash if again else run.plan_hash
        held_hash = parted.first.hash() if parted else held_hash
        if (run.plan_hash if plan_hash is None else plan_hash) != held_hash:
            raise OtherPlanError(
                f"run {run_id} holds the plan {held_hash}, not the one that you name; "
                "look at the plan again, then decide"
            )
        if again:
            return run
        if decision == "approved":
            # A discard changes no roster, so it is allowed during a maintenance.
            maintenance.refuse(connection)
        if parted is not None and held_back is not None:
            chosen = {**asdict(held_back), "by": by}
            runs.update(connection, run_id, **freeze_first_part(run, parted, chosen))
            run = runs.get(connection, run_id)
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
            runs.update(connection, run_id, outcome=Outcome.DISCARDED, ended_at=now)
            pending_deltas.discard(connection, run.site, run.deltas or (), by=by)
        details: dict[str, Any] = {
            "run_id": run_id,
            "plan_hash": run.plan_hash,
            "reason": reason,
            **({"held_back": asdict(held_back)} if parted and held_back else {}),
        }
        preferences_store.note_event(connection, run.site, by, f"plan_{decision}", details, now=now)
        return runs.get(connection, run_id)


def _became(run: Run) -> str:
    """Return why a run allows no decision any more, and what to do instead."""
    if run.outcome is None:
        return "is under way; wait until it has ended"
    words = _BECAME.get(run.outcome, "ended without a plan to decide about; its page says why")
    if run.decision == "approved":
        words = f"was approved by {run.decided_by}, and {_APPROVED.get(run.outcome, words)}"
    elif run.decision:
        words = f"was discarded by {run.decided_by}; {_NEXT}"
    why = run.reasons[0].rstrip(".") if run.reasons else "the log says why"
    return words.replace(_WHY, why)


_WHY = "{why}"
_NEXT = "nothing was changed, and the next sync makes a plan of its own"
_DONE = "is applied; undo the run to take it back"
_BECAME = {
    Outcome.SUCCEEDED: f"was within the site's limits and {_DONE}",
    Outcome.SUCCEEDED_WITH_ERRORS: f"was within the site's limits and {_DONE}",
    Outcome.NO_CHANGES: "has nothing to decide about: the roster already matched the package",
    Outcome.DISCARDED: f"was discarded, {_WHY}; {_NEXT}",
    Outcome.SUPERSEDED: f"was superseded, {_WHY}; {_NEXT}",
}
_APPROVED = {
    Outcome.HELD: "is about to be applied; look at it again in a moment",
    Outcome.SUCCEEDED: _DONE,
    Outcome.SUCCEEDED_WITH_ERRORS: _DONE,
    Outcome.NO_CHANGES: "had nothing left to change",
    Outcome.SUPERSEDED: "was superseded, because the roster had changed; decide about a newer run",
    Outcome.FAILED: "failed; its log says why",
}
