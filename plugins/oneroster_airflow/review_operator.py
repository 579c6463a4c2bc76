"""The task that waits while a plan is held, until a person decides about it anywhere.

Airflow's Required Actions show the plan. Only the decision recorded with the run counts: an answer
in Airflow, or a timer, makes the task read the record. So a decision can be made anywhere, and an
answer that was not recorded decides nothing.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator

from oneroster_airflow.airflow_internals import SkipMixin, TaskAwaitingInput, upsert_hitl_detail
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from collections.abc import Collection

    from oneroster_sync.runs import Run

APPROVE, DISCARD = "Approve", "Discard"
SHORTEST, LONGEST = dt.timedelta(seconds=15), dt.timedelta(minutes=10)
"""Minimum and maximum time between two checks of the run's record."""


class ReviewDecision(HITLOperator, SkipMixin):
    """Asks for a decision about the held plan of this DAG run, and waits without a process.

    If the plan is approved, the DAG run continues. If it is discarded, superseded or expired, apply
    is skipped. If no plan waits, the task does not ask.
    """

    # Airflow looks at this to keep a task skipped that is cleared alone; the base class leaves it
    # False.
    inherits_from_skipmixin = True
    # The base class renders subject and body by Jinja, and ours hold names from a package.
    template_fields: Collection[str] = ()

    def __init__(self, *, execution_timeout: dt.timedelta | None = None, **kwargs: Any) -> None:
        # The base class would use this timeout as the time a person may take to answer.
        super().__init__(
            subject="A plan is held",
            options=[APPROVE, DISCARD],
            **{**kwargs, "execution_timeout": None},
        )
        self.execution_timeout = execution_timeout

    def execute(self, context: Any) -> None:
        """Ask for a decision, unless one is recorded already."""
        self._resume_or_wait(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> None:
        """Read the record again, after an answer or after the time between two checks."""
        run = _run(context)
        if "chosen_options" in event and _waits(run):
            self.log.warning(
                "An answer came that was not recorded with the run, so it does not count. Answers "
                "count where the OneRoster plugin is loaded into Airflow's API server."
            )
        self._resume_or_wait(context)

    def _resume_or_wait(self, context: Any) -> None:
        run = _run(context)
        if _waits(run):
            self._ask(run, context)
            run = _run(context)  # again: a decision before the question was stored sends no answer
        if _waits(run):
            pause = until_next_check(run, dt.datetime.now(dt.UTC))
            raise TaskAwaitingInput(method_name="execute_complete", timeout=pause)
        self._end(run, context)

    def _ask(self, run: Run, context: Any) -> None:
        """Store the question for Airflow to show, and delete an earlier answer."""
        from oneroster_airflow.review_markdown import body_of, form_of, subject_of

        self.subject, self.body, self.params = subject_of(run), body_of(run), form_of(run)
        upsert_hitl_detail(
            ti_id=context["ti"].id,
            options=self.options,
            subject=self.subject,
            body=self.body,
            params=self.serialized_params,
        )

    def _end(self, run: Run, context: Any) -> None:
        from oneroster_sync.runs.summary import format_outcome

        self.log.info("%s", format_outcome(run))
        if run.outcome is None or run.decision == "approved":
            return
        self.skip(ti=context["ti"], tasks=context["task"].get_direct_relatives(upstream=False))


def until_next_check(run: Run, now: dt.datetime) -> dt.timedelta:
    """Return the time until the next check of the record, which grows with the time waited.

    It is a quarter of the time waited so far, and never goes beyond the plan's expiry.
    """
    waited = now - (run.ended_at or run.started_at)
    pause = min(max(waited / 4, SHORTEST), LONGEST)
    if run.expires_at is None:
        return pause
    return min(pause, max(run.expires_at - now, dt.timedelta(seconds=1)))


def _run(context: Any) -> Run:
    """Return the run's record; discard a plan whose decision time has passed."""
    from oneroster_sync.operations import approval

    dag_run = context["dag_run"]
    run_id = dag_names.run_id_of(dag_run.dag_id, dag_run.run_id)
    return approval.expire(run_id, now=dt.datetime.now(dt.UTC))


def _waits(run: Run) -> bool:
    return run.outcome == "held" and run.decision is None
