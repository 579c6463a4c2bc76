"""The queue of a site's runs: one after the other, in the order of their requests.

A run that waits for a decision does not block the queue. Only Airflow knows which DAG runs are
alive, so the task asks Airflow, over the channel that every task has.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneroster_airflow.airflow_internals import GetDagRun
from oneroster_sync import database, runs
from oneroster_sync.runs import Outcome, UnknownRunError
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from oneroster_sync.runs import Run

_ALIVE = ["queued", "running"]
_FIRST = dag_names.STAGES[0]
# "null" is how Airflow's API for tasks spells the state of a task that is not scheduled yet.
_NOT_ENDED = [
    *("null", "scheduled", "queued", "running", "restarting"),
    *("up_for_retry", "up_for_reschedule", "deferred"),
]
_MAY_BEGIN_AGAIN = {Outcome.FAILED, Outcome.REJECTED, Outcome.SKIPPED}


def is_over(run: Run, ti: Any) -> bool:
    """Return whether the DAG run of a run has ended or no longer exists."""
    alive = ti.get_dr_count(dag_id=run.dag_id, run_ids=[run.dag_run_id], states=_ALIVE)
    return not alive


SHORTEST, LONGEST = dt.timedelta(seconds=10), dt.timedelta(minutes=5)
"""Minimum and maximum time between two checks of the queue."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """The runs that have to end before a run can begin.

    Attributes:
        first: The run or DAG run that the log names.
        count: The number of these runs.
    """

    first: str
    count: int

    def until_next_check(self, waited: dt.timedelta) -> dt.timedelta:
        """Return the time until the next check; each check is a process of a task.

        A run's turn can't come before the runs ahead of it, and after a long wait a quarter more
        does not matter. So twenty queued runs check about once in three seconds in total, and less
        often later, instead of twice a second all the time.
        """
        return min(max(SHORTEST * self.count, waited / 4), LONGEST)


def ahead_of(run_id: str, site: str, context: Any) -> Ahead | None:
    """Return the runs that have to end before a run can begin, or None if it is its turn.

    A run goes before runs with later requests, and before runs that have not begun when it has
    begun. A run of a paused DAG does not proceed, so no run waits for it. The caller holds the
    site's lock, and begins the run before it releases the lock.

    Args:
        run_id: The run that wants to begin.
        site: The site of the run.
        context: Context of the task.
    """
    ti = context["ti"]
    with database.engine().connect() as connection:
        try:
            run = runs.get(connection, run_id)
        except UnknownRunError:
            pass
        else:
            if run.applied_at is not None or run.outcome not in _MAY_BEGIN_AGAIN:
                return None
        others = runs.list_unfinished(connection, site, run_id)
    at_work = [
        other.named()
        for other in others
        if other.dag_id and not is_over(other, ti) and not ti.get_dag(other.dag_id).is_paused
    ]
    earlier = _asked_for_earlier(context["dag_run"], ti)
    in_line = [*at_work, *(f"the DAG run {dag_run_id}" for dag_run_id in earlier)]
    return Ahead(in_line[0], len(in_line)) if in_line else None


def _asked_for_earlier(mine: Any, ti: Any) -> list[str]:
    """Return the DAG runs of the same DAG with earlier requests that are about to begin."""
    asked: dict[str, Any] = {"dag_id": mine.dag_id, "task_ids": [_FIRST]}
    # One request in the usual case; the states of all runs are read only if another one waits.
    if ti.get_ti_count(**asked, states=_NOT_ENDED) <= 1:
        return []
    earlier = []
    found: dict[str, dict[str, Any]] = ti.get_task_states(**asked)
    for dag_run_id, states in found.items():
        if dag_run_id == mine.run_id or str(states[_FIRST] or "null") not in _NOT_ENDED:
            continue
        other = _dag_run(mine.dag_id, dag_run_id)
        if other.state == "running" and place_of(other) < place_of(mine):
            earlier.append(dag_run_id)
    return earlier


def place_of(dag_run: Any) -> tuple[Any, str]:
    """Return the sort key of DAG runs: the time of the request, and then the id.

    A request may set any `run_after`. So the time is never before Airflow's start of the run: a run
    with a past date does not go before runs that were started earlier.
    """
    return max(dag_run.run_after, dag_run.start_date or dag_run.run_after), dag_run.run_id


def _dag_run(dag_id: str, dag_run_id: str) -> Any:
    # Airflow binds the name when a task begins, so it is not imported at module level.
    from oneroster_airflow.airflow_internals import SUPERVISOR_COMMS

    return SUPERVISOR_COMMS.send(GetDagRun(dag_id=dag_id, run_id=dag_run_id))
