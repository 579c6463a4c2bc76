"""What the pages ask of Airflow itself: pause states, runs of DAGs, their tasks and their logs.

The API server may use Airflow's models; nothing else of the product does. Each function opens a
session of its own and commits before it returns, so that an error reaches the client.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from airflow.api.common.trigger_dag import trigger_dag
from airflow.models.dag import DagModel
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.utils.log.log_reader import TaskLogReader
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from oneroster_sync import dag_names

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

log = structlog.get_logger(__name__)

_AGAIN = ("review", "apply", "record")
"""What runs again when a held plan is approved."""
_ASIDE = "::group::Log message source details"
_NOT_FIELDS = frozenset(
    {"timestamp", "level", "event", "logger", "filename", "lineno", "loc", "error_detail"}
    | {"dag_id", "run_id", "task_id", "map_index", "try_number", "ti_id"}
)


class NoDagError(Exception):
    """Airflow does not know the DAG (yet); the message says what to do."""


@dataclass(frozen=True, slots=True)
class DagState:
    """A site's scheduled DAG as Airflow has it now."""

    is_paused: bool
    next_run: dt.datetime | None


def dag_state(site: str) -> DagState | None:
    """Return the state of a site's scheduled DAG, None when Airflow does not know it."""
    with create_session() as session:
        dag = session.get(DagModel, dag_names.sync_dag_id(site))
        if dag is None or dag.is_stale:
            return None
        return DagState(dag.is_paused, None if dag.is_paused else dag.next_dagrun)


def set_enabled(site: str, *, enabled: bool) -> None:
    """Unpause or pause a site's scheduled DAG, and have its next run computed at once.

    Raises:
        NoDagError: Airflow does not know the DAG.
    """
    with create_session() as session:
        dag = session.get(DagModel, dag_names.sync_dag_id(site))
        if dag is None:
            raise NoDagError(_unknown(dag_names.sync_dag_id(site)))
        dag.is_paused = not enabled
    ask_for_parse(site)


def ask_for_parse(site: str) -> None:
    """Have the DAG file read at once, so that the next run shows what was saved."""
    with create_session() as session:
        dag = session.get(DagModel, dag_names.sync_dag_id(site))
        if dag is None or dag.bundle_name is None or dag.relative_fileloc is None:
            return
        place = dag.bundle_name, dag.relative_fileloc
    with (
        contextlib.suppress(IntegrityError),
        create_session() as session,
    ):  # it is asked for already
        session.add(DagPriorityParsingRequest(*place))


def start(dag_id: str, conf: dict[str, Any], *, by: str) -> str:
    """Start a run of a DAG and return its id.

    Raises:
        NoDagError: Airflow does not know the DAG.
    """
    with create_session() as session:
        dag = session.get(DagModel, dag_id)
        if dag is None or dag.is_stale:
            raise NoDagError(_unknown(dag_id))
        made = trigger_dag(
            dag_id,
            triggered_by=DagRunTriggeredByType.UI,
            triggering_user_name=by,
            conf=conf,
            session=session,
        )
        if made is None:
            raise NoDagError(_unknown(dag_id))
        return str(made.run_id)


def dag_run(dag_id: str, dag_run_id: str) -> dict[str, Any] | None:
    """Return a DAG run with its six stages, None when Airflow has none such."""
    with create_session() as session:
        state = session.scalar(
            select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id == dag_run_id)
        )
        if state is None:
            return None
        tasks = session.scalars(
            select(TaskInstance).where(
                TaskInstance.dag_id == dag_id, TaskInstance.run_id == dag_run_id
            )
        )
        by_id = {task.task_id: task for task in tasks}
        return {
            "dag_id": dag_id,
            "dag_run_id": dag_run_id,
            "state": _value(state),
            "stages": [_stage(name, by_id.get(name)) for name in dag_names.STAGES],
        }


def go_on(dag_id: str, dag_run_id: str) -> bool:
    """Let a DAG run whose plan was approved go on from its review.

    Returns:
        False when Airflow no longer has the DAG run.
    """
    with create_session() as session:
        # Two clicks at once take turns: Airflow can't clear the same tasks twice at a time.
        state = session.scalar(
            select(DagRun.state)
            .where(DagRun.dag_id == dag_id, DagRun.run_id == dag_run_id)
            .with_for_update()
        )
        if state == DagRunState.QUEUED:  # it was let go on already, and has not begun
            return True
        tasks = session.scalars(
            select(TaskInstance).where(
                TaskInstance.dag_id == dag_id,
                TaskInstance.run_id == dag_run_id,
                TaskInstance.task_id.in_(_AGAIN),
            )
        ).all()
        if not tasks:
            return False
        clear_task_instances(list(tasks), session)
        return True


def has_log(dag_id: str, dag_run_id: str) -> bool:
    """Tell whether Airflow has the DAG run, and so its logs."""
    with create_session() as session:
        found = session.scalar(
            select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == dag_run_id)
        )
        return found is not None


def log_lines(dag_id: str, dag_run_id: str) -> Iterator[str]:
    """Yield the log of all tasks and tries of a DAG run, in order, as lines of text."""
    reader = TaskLogReader()
    for stage in dag_names.STAGES:
        with create_session() as session:
            tries = _tries(session, dag_id, dag_run_id, stage)
            for task in tries:
                yield f"=== {stage}, try {task.try_number} ===\n"
                messages, _ = reader.read_log_chunks(task, task.try_number, {"download_logs": True})
                for message in _told(messages):
                    yield _line(message.model_dump(mode="json"))


def _told(messages: Iterable[Any]) -> Iterator[Any]:
    """Yield the messages without those on where Airflow keeps the log."""
    aside = False
    for message in messages:
        aside = aside or message.event.startswith(_ASIDE)
        if not aside and not message.event.startswith("::"):
            yield message
        aside = aside and message.event != "::endgroup::"


def _tries(session: Any, dag_id: str, dag_run_id: str, stage: str) -> list[Any]:
    """Return the tries of a task, the first one first; those that never began have no log."""
    found: dict[int, Any] = {}
    for model in (TaskInstanceHistory, TaskInstance):
        query = select(model).where(
            model.dag_id == dag_id, model.run_id == dag_run_id, model.task_id == stage
        )
        for task in session.scalars(query.options(joinedload(model.dag_run))):
            if task.try_number > 0 and task.start_date is not None:
                found[task.try_number] = task
    return [found[number] for number in sorted(found)]


def _line(event: dict[str, Any]) -> str:
    """Return one event as one line: the moment, the level, the message and its fields."""
    moment = (event.get("timestamp") or "").replace("+00:00", "Z")
    level = str(event.get("level") or "").upper()
    fields = [f"{key}={value}" for key, value in event.items() if key not in _NOT_FIELDS]
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in _errors(event)]
    text = " ".join([str(event["event"]), *fields, *errors])
    return f"{moment:<27} {level:<8} {_one_line(text)}\n".lstrip()


def _one_line(text: str) -> str:
    """Keep a message from looking like several, or from moving a terminal's cursor."""
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)


def _errors(event: dict[str, Any]) -> list[dict[str, Any]]:
    return event.get("error_detail") or []


def _stage(name: str, task: Any) -> dict[str, Any]:
    return {
        "stage": name,
        "state": _value(task.state) if task and task.state else None,
        "try_number": task.try_number if task else 0,
        "started_at": task.start_date if task else None,
        "ended_at": task.end_date if task else None,
    }


def _value(state: Any) -> str:
    return str(getattr(state, "value", state))


def _unknown(dag_id: str) -> str:
    return (
        f"Airflow does not know the DAG {dag_id} yet; wait until the DAG file was read, or look "
        "at Airflow's import errors"
    )
