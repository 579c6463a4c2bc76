"""Listener for Airflow's events: DAG runs that end, and DAG files that can't be read.

It runs in the scheduler and in the DAG processor, which serve others too: so it never raises, waits
for our database a few seconds at most, and sends from a separate thread.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.listeners import hookimpl
from sqlalchemy.orm.exc import DetachedInstanceError

from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

NOTE = "OneRoster: "
"""Beginning of our notes; notes of people are never overwritten."""
_LONGEST = 1000
THREAD = "oneroster-notification"


@hookimpl
def on_dag_run_success(dag_run: Any) -> None:
    """Write the outcome as a note of the DAG run, since "success" may mean superseded."""
    note_outcome(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: Any) -> None:
    """Write the reason as a note of a failed DAG run."""
    note_outcome(dag_run)


@hookimpl
def on_new_dag_import_error(filename: str, stacktrace: str) -> None:
    """Notify people that our DAG file can't be read: no sync starts until it can."""
    del stacktrace  # it may contain anything; Airflow shows it to those who may see it
    try:
        is_ours = "oneroster_airflow" in Path(filename).read_text("utf-8", errors="replace")
    except OSError:
        return
    # In a thread, since the DAG processor waits for its listeners.
    if is_ours:
        threading.Thread(target=_notify_of_file, name=THREAD, args=(filename,), daemon=True).start()


def note_outcome(dag_run: Any) -> None:
    """Write the outcome of a run as the note of its DAG run, unless a person has written a note."""
    if dag_names.site_of(dag_run.dag_id) is None:
        return
    try:
        try:
            _write_note(dag_run)
        except DetachedInstanceError:  # `airflow dags test` passes objects without a session
            from oneroster_airflow.airflow_internals import DagRun, create_session

            with create_session() as session:
                _write_note(session.get(DagRun, dag_run.id))
    except Exception as error:  # noqa: BLE001 - a note is never in the way of the scheduler
        log.warning("The DAG run %s gets no note: %s.", dag_run.run_id, type(error).__name__)


def _write_note(dag_run: Any) -> None:
    before = dag_run.note
    if before and not before.startswith(NOTE):
        return
    from oneroster_sync.runs.summary import find_outcome

    outcome = find_outcome(dag_names.run_id_of(dag_run.dag_id, dag_run.run_id))
    if outcome is not None:
        # Airflow's column has 1,000 characters.
        dag_run.note = f"{NOTE}{outcome}"[:_LONGEST]


def _notify_of_file(filename: str) -> None:
    from oneroster_airflow import notifier

    notifier.notify_of_dag_file(filename)
