"""Who goes first: runs of a site go one after the other, in the order in which they were asked for.

A run that waits for a decision is in nobody's way. Which DAG runs are alive is known to Airflow
alone, so a task asks it, by what every task is given for that.
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
_NOT_ENDED = [
    *("null", "scheduled", "queued", "running", "restarting"),
    *("up_for_retry", "up_for_reschedule", "deferred"),
]
_BEGINS_ANEW = {Outcome.FAILED, Outcome.REJECTED, Outcome.SKIPPED}


def is_over(run: Run, ti: Any) -> bool:
    """Tell whether Airflow is through with the DAG run that a run is, or has none such any more."""
    alive = ti.get_dr_count(dag_id=run.dag_id, run_ids=[run.dag_run_id], states=_ALIVE)
    return not alive


SHORTEST, LONGEST = dt.timedelta(seconds=10), dt.timedelta(minutes=5)
"""Bounds of the time between two looks whether it is a run's turn."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What has to end before a run can begin.

    Attributes:
        first: The run or DAG run that the log names.
        count: How many there are.
    """

    first: str
    count: int

    def until_next_look(self, waited: dt.timedelta) -> dt.timedelta:
        """Return how long to wait before the next look, each of which is a process of a task.

        Nobody's turn comes before those ahead have had theirs, and who has waited for long does not
        mind a quarter more. Twenty runs in line thus look once in three seconds in all, and less
        often later, instead of twice a second for as long as they wait.
        """
        return min(max(SHORTEST * self.count, waited / 4), LONGEST)


def ahead_of(run_id: str, site: str, context: Any) -> Ahead | None:
    """Return what has to end before a run can begin, None when it is this one's turn.

    A run goes before those that were asked for later, and before those that have not begun when it
    has. A run of a paused DAG does not move, so nobody waits for it. The caller has the site's turn
    and begins the run before it gives that back.

    Args:
        run_id: The run that wants to begin.
        site: Whose.
        context: Of the task that asks.
    """
    ti = context["ti"]
    with database.engine().connect() as connection:
        try:
            run = runs.get(connection, run_id)
        except UnknownRunError:
            pass
        else:
            if run.applied_at is not None or run.outcome not in _BEGINS_ANEW:
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
    """Return the DAG runs of the same DAG that are about to begin and were asked for before."""
    asked: dict[str, Any] = {"dag_id": mine.dag_id, "task_ids": [_FIRST]}
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
    """Return what DAG runs are sorted by: when they were asked for, and then their ids.

    `run_after` is what somebody may have written into a request. No run was asked for later than
    Airflow started it, and none that is dated back goes before those that were started earlier.
    """
    return max(dag_run.run_after, dag_run.start_date or dag_run.run_after), dag_run.run_id


def _dag_run(dag_id: str, dag_run_id: str) -> Any:
    # Bound when a task begins, so not to be imported by whoever only looks at the DAG.
    from oneroster_airflow.airflow_internals import SUPERVISOR_COMMS

    return SUPERVISOR_COMMS.send(GetDagRun(dag_id=dag_id, run_id=dag_run_id))
