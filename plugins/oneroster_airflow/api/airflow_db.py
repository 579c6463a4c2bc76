"""Queries and changes in Airflow's database: pause states, DAG runs, tasks and logs.

Only the API server may use Airflow's models; the rest of the product does not. Each function opens
a session of its own and commits before it returns, so that an error reaches the client.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from airflow.triggers.base import TriggerEvent
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from oneroster_airflow.airflow_internals import (
    DagModel,
    DagPriorityParsingRequest,
    DagRun,
    DagRunState,
    DagRunTriggeredByType,
    HITLDetail,
    HITLUser,
    State,
    TaskInstance,
    TaskInstanceHistory,
    TaskInstanceState,
    TaskLogReader,
    clear_task_instances,
    create_session,
    handle_event_submit,
    trigger_dag,
)
from oneroster_sync.errors import RetriableError
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

log = structlog.get_logger(__name__)

_AGAIN = (dag_names.REVIEW_DECISION, "apply", "record")
"""Tasks to clear when a held plan is decided and no DAG run waits for it any more."""
_PASSED_OVER = {TaskInstanceState.SKIPPED, TaskInstanceState.UPSTREAM_FAILED, None}
_OURS = "oneroster"
"""Prefix of the names of our loggers."""
_GRAVE = {"error", "critical"}
_ASIDE = "::group::Log message source details"
_NOT_FIELDS = frozenset(
    {"timestamp", "level", "event", "logger", "filename", "lineno", "loc", "error_detail"}
    | {"dag_id", "run_id", "task_id", "map_index", "try_number", "ti_id"}
)


class NoDagError(RetriableError):
    """Airflow does not know the DAG (yet); the message says what to do."""


@dataclass(frozen=True, slots=True)
class DagState:
    """The current state of a site's scheduled DAG in Airflow."""

    is_paused: bool
    next_run: dt.datetime | None


def dag_state(site: str) -> DagState | None:
    """Return the state of a site's scheduled DAG, or None if Airflow does not know it."""
    with create_session() as session:
        dag = session.get(DagModel, dag_names.sync_dag_id(site))
        if dag is None or dag.is_stale:
            return None
        return DagState(dag.is_paused, None if dag.is_paused else dag.next_dagrun)


def set_enabled(site: str, *, enabled: bool) -> None:
    """Unpause or pause a site's scheduled DAG, and make Airflow compute its next run at once.

    Raises:
        NoDagError: Airflow does not know the DAG.
    """
    with create_session() as session:
        dag = session.get(DagModel, dag_names.sync_dag_id(site))
        if dag is None:
            raise NoDagError(_unknown(dag_names.sync_dag_id(site)))
        # The parse is requested after this session has committed: Airflow must not read the old
        # state.
        dag.is_paused = not enabled
    ask_for_parse(site)


def dag_states(sites: Iterable[str]) -> dict[str, DagState]:
    """Return site → state of its scheduled DAG, for the DAGs that Airflow knows."""
    by_dag = {dag_names.sync_dag_id(site): site for site in sites}
    wanted = select(DagModel).where(DagModel.dag_id.in_(by_dag), ~DagModel.is_stale)
    with create_session() as session:
        return {
            by_dag[dag.dag_id]: DagState(dag.is_paused, None if dag.is_paused else dag.next_dagrun)
            for dag in session.scalars(wanted)
        }


def switch_off(site: str, *, hide: bool) -> None:
    """Switch a site's sync off; with `hide`, also hide its DAGs and end runs that have not begun.

    The DAG file no longer contains the DAGs of an archived site, but Airflow notices that only some
    time later.
    """
    ids = [dag_names.sync_dag_id(site), dag_names.upload_dag_id(site)]
    with create_session() as session:
        for dag in session.scalars(select(DagModel).where(DagModel.dag_id.in_(ids))):
            if dag.dag_id == ids[0]:
                dag.is_paused = True
            dag.is_stale = dag.is_stale or hide
        if not hide:
            return
        open_runs = select(DagRun).where(
            DagRun.dag_id.in_(ids), DagRun.state.in_(State.unfinished_dr_states)
        )
        for dag_run in session.scalars(open_runs).all():
            for task in dag_run.task_instances:
                # A running task ends by itself: its run has been discarded.
                if task.state not in {*State.finished, TaskInstanceState.RUNNING}:
                    task.state = TaskInstanceState.SKIPPED
            dag_run.set_state(DagRunState.FAILED)


def is_paused(dag_id: str) -> bool:
    """Return whether Airflow knows a DAG and it is paused."""
    with create_session() as session:
        dag = session.get(DagModel, dag_id)
        return dag is not None and bool(dag.is_paused)


def ask_for_parse(site: str) -> None:
    """Make Airflow parse the DAG file at once, so that the next run shows saved preferences."""
    _ask_for_parse(DagModel.dag_id == dag_names.sync_dag_id(site))


def ask_for_any_parse() -> None:
    """Make Airflow parse the DAG file at once, so that the DAGs of a new site appear."""
    _ask_for_parse(DagModel.dag_id.startswith(dag_names.SYNC, autoescape=True))


def _ask_for_parse(which: Any) -> None:
    found = select(DagModel.bundle_name, DagModel.relative_fileloc).where(
        which, DagModel.bundle_name.is_not(None), DagModel.relative_fileloc.is_not(None)
    )
    with create_session() as session:
        # One row is enough, since all our DAGs are in one file; a stale DAG may have been in
        # another.
        place = session.execute(found.order_by(DagModel.is_stale).limit(1)).first()
        if place is None:
            return
    with (
        contextlib.suppress(IntegrityError),
        create_session() as session,
    ):  # requested already
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
            run_id=_name_run(conf),
            triggered_by=DagRunTriggeredByType.UI,
            triggering_user_name=by,
            conf=conf,
            session=session,
        )
        if made is None:
            raise NoDagError(_unknown(dag_id))
        return str(made.run_id)


def _name_run(conf: dict[str, Any]) -> str:
    """Return an id for a new DAG run that describes it: Airflow's lists show little else.

    Example: `users__2026-11-30T02:12:39.123456Z_3f2a`.
    """
    what = next((name for name in ("undo", "test_site") if conf.get(name)), None)
    what = what or (str(conf.get("kind") or "package") if conf.get("package") else "by_hand")
    if conf.get("check_only"):
        what = f"check_{what}"
    return f"{what}__{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}_{secrets.token_hex(2)}"


def under_way(dag_id: str, *, by: str) -> int:
    """Return the number of unfinished runs of a DAG that a person started."""
    unfinished = select(func.count()).where(
        DagRun.dag_id == dag_id,
        DagRun.triggering_user_name == by,
        DagRun.state.in_(State.unfinished_dr_states),
    )
    with create_session() as session:
        return int(session.scalar(unfinished) or 0)


def dag_run(dag_id: str, dag_run_id: str) -> dict[str, Any] | None:
    """Return a DAG run with its six stages, or None if Airflow does not have it."""
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
            "stages": [
                _stage(stage, [by_id[name] for name in names if name in by_id])
                for stage, names in dag_names.TASKS.items()
            ],
        }


def moves(dag_id: str, dag_run_id: str) -> bool:
    """Return whether Airflow has a DAG run and its tasks can begin."""
    with create_session() as session:
        dag = session.get(DagModel, dag_id)
        if dag is None or dag.is_paused or dag.is_stale:
            return False
    return has_log(dag_id, dag_run_id)


def waits(dag_id: str, dag_run_id: str) -> bool:
    """Return whether a DAG run has not passed its question for a decision."""
    with create_session() as session:
        return _asks(session.scalar(_task(dag_id, dag_run_id, dag_names.REVIEW_DECISION)))


def answer(dag_id: str, dag_run_id: str, option: str, values: dict[str, Any], *, by: str) -> bool:
    """Answer the question of a DAG run, so that its task reads the recorded decision.

    Returns:
        False if it does not ask (any more), or Airflow no longer has it.
    """
    with create_session() as session:
        # Lock in Airflow's own order, the task before the question, to avoid a deadlock.
        query = _task(dag_id, dag_run_id, dag_names.REVIEW_DECISION)
        task = session.scalar(query.with_for_update(of=TaskInstance))
        if not _asks(task):
            return False
        question = session.scalar(
            select(HITLDetail).where(HITLDetail.ti_id == task.id).with_for_update(of=HITLDetail)
        )
        if question is None or question.response_received:
            return True  # the task is about to read the record anyway
        question.responded_by = HITLUser(id=by, name=by)
        question.responded_at = dt.datetime.now(dt.UTC)
        question.chosen_options = [option]
        question.params_input = values
        if task.state == TaskInstanceState.AWAITING_INPUT:
            event = TriggerEvent(question.as_resume_event_payload())
            handle_event_submit(event, task_instance=task, session=session)
        return True


def clear_waiting_tasks(dag_id: str, dag_run_id: str) -> bool:
    """Clear the tasks of a DAG run that no longer waits, from its question on.

    Returns:
        False if Airflow no longer has the DAG run.
    """
    with create_session() as session:
        # The lock serializes two clicks: Airflow can't clear the same tasks twice at a time.
        state = session.scalar(
            select(DagRun.state)
            .where(DagRun.dag_id == dag_id, DagRun.run_id == dag_run_id)
            .with_for_update()
        )
        if state == DagRunState.QUEUED:  # it was cleared already, and has not begun
            return True
        apply = session.scalar(_task(dag_id, dag_run_id, "apply"))
        if state == DagRunState.RUNNING and apply is not None and apply.state not in State.finished:
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
    """Return whether Airflow has the DAG run, and so its logs."""
    with create_session() as session:
        found = session.scalar(
            select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == dag_run_id)
        )
        return found is not None


def log_lines(dag_id: str, dag_run_id: str, *, story_only: bool = False) -> Iterator[str]:
    """Yield the log of all tasks and tries of a DAG run, in order, as lines of text.

    Args:
        dag_id: Id of the DAG.
        dag_run_id: Id of the DAG run.
        story_only: Whether to leave out lines of Airflow and libraries; their errors are always
            included.
    """
    reader = TaskLogReader()
    for name in (task for tasks in dag_names.TASKS.values() for task in tasks):
        with create_session() as session:
            tries = _tries(session, dag_id, dag_run_id, name)
            for task in tries:
                yield f"=== {name}, try {task.try_number} ===\n"
                messages, _ = reader.read_log_chunks(task, task.try_number, {"download_logs": True})
                for message in _without_storage_notes(messages):
                    if not story_only or _is_of_story(message):
                        yield _line(message)


def _is_of_story(message: Any) -> bool:
    """Return whether a line is ours, an error, or of an unknown logger."""
    extra = message.model_extra or {}
    logger = str(extra.get("logger") or _OURS)
    return logger.startswith(_OURS) or str(extra.get("level")).lower() in _GRAVE


def _without_storage_notes(messages: Iterable[Any]) -> Iterator[Any]:
    """Yield the messages except those about where Airflow stores the log."""
    aside = False
    for message in messages:
        aside = aside or message.event.startswith(_ASIDE)
        if not aside and not message.event.startswith("::"):
            yield message
        aside = aside and message.event != "::endgroup::"


def _task(dag_id: str, dag_run_id: str, name: str) -> Any:
    """Return the query of a task of a DAG run."""
    return select(TaskInstance).where(
        TaskInstance.dag_id == dag_id,
        TaskInstance.run_id == dag_run_id,
        TaskInstance.task_id == name,
    )


def _asks(task: Any) -> bool:
    """Return whether a task asks for a decision, is about to ask, or reads the decision."""
    return task is not None and task.state is not None and task.state not in State.finished


def _tries(session: Any, dag_id: str, dag_run_id: str, name: str) -> list[Any]:
    """Return the tries of a task in order, without those that never began and have no log."""
    found: dict[int, Any] = {}
    for model in (TaskInstanceHistory, TaskInstance):
        query = select(model).where(
            model.dag_id == dag_id, model.run_id == dag_run_id, model.task_id == name
        )
        # Airflow's log reader looks at the DAG run of each task.
        for task in session.scalars(query.options(joinedload(model.dag_run))):
            if task.try_number > 0 and task.start_date is not None:
                found[task.try_number] = task
    return [found[number] for number in sorted(found)]


def _line(message: Any) -> str:
    """Return a log event as one line: the time, the level, the message and its fields.

    A log may have twenty thousand events, so they are not converted to JSON first.
    """
    event = message.model_extra or {}
    moment = message.timestamp.isoformat().replace("+00:00", "Z") if message.timestamp else ""
    level = str(event.get("level") or "").upper()
    fields = [f"{key}={value}" for key, value in event.items() if key not in _NOT_FIELDS]
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in _errors(event)]
    text = " ".join([message.event, *fields, *errors])
    return f"{moment:<27} {level:<8} {_one_line(text)}\n".lstrip()


def _one_line(text: str) -> str:
    """Escape characters that would split a message into lines or move a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)


def _errors(event: dict[str, Any]) -> list[dict[str, Any]]:
    return event.get("error_detail") or []


def _stage(stage: str, tasks: list[Any]) -> dict[str, Any]:
    """Return the state of a stage: that of its last task that has begun."""
    first = tasks[0] if tasks else None
    last = next((task for task in tasks[:0:-1] if task.state not in _PASSED_OVER), first)
    return {
        "stage": stage,
        "state": _value(last.state) if last and last.state else None,
        "try_number": first.try_number if first else 0,
        "started_at": first.start_date if first else None,
        "ended_at": last.end_date if last else None,
    }


def _value(state: Any) -> str:
    return str(getattr(state, "value", state))


def _unknown(dag_id: str) -> str:
    return (
        f"Airflow does not know the DAG {dag_id} yet; wait until the DAG file was read, or look "
        "at Airflow's import errors"
    )
