"""The DAG files are valid, parsed as by a task, without a database or a running Airflow.

These tests take a few seconds, so run them first after a change in plugins/. test_dags.py tests the
DAGs in a real Airflow.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from homes import PROJECT
from oneroster_airflow import run_conf
from oneroster_sync.sites import dag_names
from oneroster_sync.sites.preferences import Preferences

if TYPE_CHECKING:
    from pathlib import Path

DAG_FILE = PROJECT / "dags" / "oneroster.py"
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
"""Task of a sync → its downstream tasks."""


def read(dag_id: str, monkeypatch: pytest.MonkeyPatch) -> DAG:
    """Return a DAG as a task process parses it: with the id of the wanted DAG."""
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)
    bag = DagBag(DAG_FILE, bundle_name="dags", bundle_path=DAG_FILE.parent)
    assert not bag.import_errors
    dag = bag.dags[dag_id]
    assert isinstance(dag, DAG)
    return dag


@pytest.mark.parametrize("dag_id", [SYNC, UPLOAD])
def test_a_sync_is_six_stages_in_order(dag_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both DAGs of a site have the same tasks in the same order, with a decision before apply."""
    dag = read(dag_id, monkeypatch)
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == AFTER
    assert not dag.catchup
    assert dag.doc_md
    assert {"oneroster", "here"} <= dag.tags


@pytest.mark.parametrize("dag_id", [SYNC, UPLOAD, dag_names.WATCH])
def test_every_task_ends_some_day_and_is_tried_again(
    dag_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each task has a timeout and few retries, so that no task blocks its slot for ever."""
    for task in read(dag_id, monkeypatch).tasks:
        assert task.execution_timeout is not None, task.task_id
        assert task.execution_timeout <= dt.timedelta(hours=3), task.task_id
        assert task.retries <= 5, task.task_id


def test_form_asks_for_no_internals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's form for a run of the upload DAG asks for the package and its kind only."""
    assert set(read(UPLOAD, monkeypatch).params) == {"package", "kind"}
    assert set(read(SYNC, monkeypatch).params) == set()


@pytest.mark.parametrize(
    ("conf", "problem"),
    [
        ({}, None),
        ({"package": "x", "undo": None}, None),
        ({"undo": "5a9b8766-7b6f-5c42-98cf-2f2726617d8c", "undo_of": {"kind": "user"}}, None),
        ({"undo": "the last one"}, "undo can't be used: it is the id of a run"),
        ({"undo": 7}, "undo can't be used"),
        ({"undo_of": {"drop table": "users"}}, "undo_of can't be used: it is such as"),
        ({"undo_of": {"kind": "school"}}, "undo_of can't be used"),
        ({"removals_of": "' or true --"}, "removals_of can't be used"),
        ({"package": "x", "check_only": True}, None),
        ({"package": "x", "check_only": "yes"}, "check_only can't be used: it is true or false"),
        ({"check_only": True}, "check_only can't be used without a package"),
        (
            {
                "package": "x",
                "check_only": True,
                "undo": "5a9b8766-7b6f-5c42-98cf-2f2726617d8c",
            },
            "check_only can't be used with undo",
        ),
    ],
)
def test_hidden_parameters_are_validated(conf: dict[str, Any], problem: str | None) -> None:
    """Parameters that the form hides are validated too, and the error does not repeat the value."""
    found = run_conf.find_problem(conf)
    assert found is None if problem is None else str(found).startswith(problem)


@pytest.mark.parametrize(
    ("dag_id", "name", "tag"),
    [
        (SYNC, "OneRoster sync: here", "sync"),
        (UPLOAD, "OneRoster upload: here", "upload"),
        (dag_names.WATCH, "OneRoster watch", "watch"),
    ],
)
def test_a_dag_is_recognizable_among_200_others(
    dag_id: str, name: str, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's lists show a name, an owner and a kind for each DAG, and each run has a timeout."""
    dag = read(dag_id, monkeypatch)
    assert dag.dag_display_name == name
    assert {"oneroster", tag} <= dag.tags
    assert {task.owner for task in dag.tasks} == {"oneroster"}
    assert dag.dagrun_timeout is not None
    bounds = Preferences.model_fields["approval_hours"].metadata
    hours = max(getattr(bound, "le", 0) for bound in bounds)
    assert hours > 0
    assert dag_id == dag_names.WATCH or dag.dagrun_timeout > dt.timedelta(hours=hours)


@pytest.mark.parametrize("dag_id", [SYNC, UPLOAD, dag_names.WATCH])
def test_a_dag_says_how_often_its_tasks_are_tried_again(
    dag_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each DAG has tags and at least two default retries, as Astronomer's template demands."""
    dag = read(dag_id, monkeypatch)
    assert dag.default_args["retries"] >= 2
    assert dag.tags
    retries = {task.task_id: task.retries for task in dag.tasks}
    if dag_id == dag_names.WATCH:
        assert retries == {"expire": 2, "tidy": 2, "notify": 2, "test": 0}
    else:
        assert retries[dag_names.RECORD_REMOVALS] == 0


@pytest.mark.parametrize("dag_id", [SYNC, UPLOAD, dag_names.WATCH])
def test_a_dag_goes_through_airflows_database(dag_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DAG survives Airflow's serialization, and no preference of a site is in it."""
    stored = DagSerialization.to_dict(read(dag_id, monkeypatch))
    again = DagSerialization.from_dict(stored)
    assert again.dag_id == dag_id
    assert "recipients" not in str(stored)


def test_each_reading_finds_the_sites_of_the_moment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Parsing the file again in the same process makes no DAGs for a site archived meanwhile."""
    monkeypatch.setenv("ONEROSTER_HOME", str(tmp_path))
    monkeypatch.setenv("ONEROSTER_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    found = []
    for sites in (["lake", "town"], ["town"]):
        (tmp_path / "sites.json").write_text(json.dumps(sites))
        bag = DagBag(DAG_FILE, bundle_name="dags", bundle_path=DAG_FILE.parent)
        assert not bag.import_errors
        assert {dag.fileloc for dag in bag.dags.values()} == {str(DAG_FILE)}
        found.append(set(bag.dags))
    made = {dag_names.sync_dag_id("lake"), dag_names.upload_dag_id("lake")}
    assert found[0] - found[1] == made
    assert found[1] >= {dag_names.sync_dag_id("town"), dag_names.WATCH}


def test_no_foreign_dag_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file makes only our DAGs, whatever DAG is asked for."""
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "payroll")
    bag = DagBag(DAG_FILE, bundle_name="dags", bundle_path=DAG_FILE.parent)
    assert not bag.import_errors
    assert not bag.dags


def test_reading_the_file_imports_nothing_heavy() -> None:
    """Parsing the file, which Airflow does often, loads no pandas, Arrow or Great Expectations."""
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1]); "
        "print({'pandas', 'pyarrow', 'great_expectations'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(DAG_FILE)],
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


@pytest.mark.parametrize("dag_id", [SYNC, UPLOAD])
def test_a_sync_reads_the_source_and_may_change_the_roster(
    dag_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's view of assets shows a site's source, and which DAGs change its roster."""
    tasks = {task.task_id: task for task in read(dag_id, monkeypatch).tasks}
    assert [asset.uri for asset in tasks["extract"].inlets] == ["oneroster://here/source"]
    assert [alias.name for alias in tasks["apply"].outlets] == ["oneroster_roster_changed"]
    others = [task for name, task in tasks.items() if name not in {"extract", "apply"}]
    assert not [task.task_id for task in others if task.inlets or task.outlets]
