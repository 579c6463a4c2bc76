"""The DAG files are sound: read as a task reads them, with no database and no Airflow running.

This is the first thing to run after a change below dags/ or plugins/: it takes a few seconds. What
the DAGs do is in test_dags.py, on a real Airflow.
"""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from homes import PROJECT
from oneroster_sync.sites import dag_names

SYNC, UPLOAD = dag_names.sync_dag_id("here"), dag_names.upload_dag_id("here")
AFTER = {
    "extract": {"validate"},
    "validate": {"diff"},
    "diff": {"review"},
    "review": {dag_names.REVIEW_DECISION, "apply"},
    dag_names.REVIEW_DECISION: {"apply"},
    "apply": {"record"},
    "record": {dag_names.RECORD_REMOVALS},
    dag_names.RECORD_REMOVALS: set(),
}
"""Task of a sync → what follows."""


def read(dag_id: str, monkeypatch: pytest.MonkeyPatch) -> DAG:
    """Return a DAG as a task process reads it: it says which DAG it wants."""
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)
    name = "oneroster_watch_dag.py" if dag_id == dag_names.WATCH else "oneroster_dags.py"
    bag = DagBag(PROJECT / "dags" / name, bundle_name="dags", bundle_path=PROJECT / "dags")
    assert not bag.import_errors
    dag = bag.dags[dag_id]
    assert isinstance(dag, DAG)
    return dag


@pytest.mark.parametrize("dag_id", [SYNC, UPLOAD])
def test_a_sync_is_six_stages_in_order(dag_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both DAGs of a site have the same tasks, and a decision stands only before apply."""
    dag = read(dag_id, monkeypatch)
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == AFTER
    assert not dag.catchup
    assert dag.doc_md
    assert {"oneroster", "here"} <= dag.tags


@pytest.mark.parametrize("dag_id", [SYNC, UPLOAD, dag_names.WATCH])
def test_every_task_ends_some_day_and_is_tried_again(
    dag_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No task may hold its slot for ever; what a person decides takes no slot."""
    for task in read(dag_id, monkeypatch).tasks:
        assert task.execution_timeout is not None, task.task_id
        assert task.execution_timeout <= dt.timedelta(hours=3), task.task_id
        assert task.retries <= 5, task.task_id


@pytest.mark.parametrize("dag_id", [SYNC, UPLOAD, dag_names.WATCH])
def test_a_dag_goes_through_airflows_database(dag_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Airflow stores of a DAG is what it reads back, and no preference of a site is in it."""
    stored = DagSerialization.to_dict(read(dag_id, monkeypatch))
    again = DagSerialization.from_dict(stored)
    assert again.dag_id == dag_id
    assert "recipients" not in str(stored)


def test_a_dag_of_nobody_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file makes DAGs of ours alone, whatever DAG is asked for."""
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "payroll")
    folder = PROJECT / "dags"
    bag = DagBag(folder / "oneroster_dags.py", bundle_name="dags", bundle_path=folder)
    assert not bag.import_errors
    assert not bag.dags


def test_reading_the_file_imports_nothing_heavy() -> None:
    """Airflow reads the file every few seconds: pandas, Arrow and Great Expectations stay out."""
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1]); "
        "print({'pandas', 'pyarrow', 'great_expectations'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(PROJECT / "dags" / "oneroster_dags.py")],
        env={
            "_AIRFLOW_PARSING_CONTEXT_DAG_ID": SYNC,
            "PYTHONPATH": str(PROJECT / "plugins"),
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr
