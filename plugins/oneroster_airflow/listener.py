"""What Airflow tells a plugin of by itself: DAG runs that end, and DAG files that can't be read.

It runs in the scheduler and in the DAG processor, which serve others too: it never raises, waits
for our database for a few seconds at most, and sends from a thread of its own.
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
"""How our notes begin: one of a person's is left alone."""
_LONGEST = 1000
THREAD = "oneroster-notification"


@hookimpl
def on_dag_run_success(dag_run: Any) -> None:
    """Note at a DAG run how its run ended: Airflow calls a superseded one a success, too."""
    note_outcome(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: Any) -> None:
    """Note at a DAG run why it failed."""
    note_outcome(dag_run)


@hookimpl
def on_new_dag_import_error(filename: str, stacktrace: str) -> None:
    """Notify people that the DAG file of ours can't be read: no sync starts until it can."""
    del stacktrace  # it may name anything; Airflow shows it to those who may see it
    try:
        is_ours = "oneroster_airflow" in Path(filename).read_text("utf-8", errors="replace")
    except OSError:
        return
    if is_ours:
        threading.Thread(target=_notify_of_file, name=THREAD, args=(filename,), daemon=True).start()


def note_outcome(dag_run: Any) -> None:
    """Write the outcome of a run as the note of its DAG run, where nobody else has written one."""
    if dag_names.site_of(dag_run.dag_id) is None:
        return
    try:
        try:
            _write_note(dag_run)
        except DetachedInstanceError:  # `airflow dags test` hands over what is of no session
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

    told = find_outcome(dag_names.run_id_of(dag_run.dag_id, dag_run.run_id))
    if told is not None:
        dag_run.note = f"{NOTE}{told}"[:_LONGEST]


def _notify_of_file(filename: str) -> None:
    from oneroster_airflow import notifier

    notifier.notify_of_dag_file(filename)
