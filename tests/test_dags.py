"""The DAGs on a real scheduler and a real PostgreSQL, as an operator sees them."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from golden.school import SCHOOL, zip_of
from live import QUESTION, STAGES, SYNC, UNASKED, UPLOAD, running, wait_for
from oneroster_sync.database.embedded import postgres
from oneroster_sync.sites import dag_names
from test_no_personal_data import NEVER, PERSONAL, files_below, marked, where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Live
    from oneroster_sync.local.airflow_api import Run, Task

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Yield an Airflow with the site `default`."""
    with running() as live:
        yield live


@pytest.fixture(scope="module")
def first(live: Live, data: Path) -> Run:
    """Return the first sync of a sample district."""
    return live.upload(data / "district-small-1.1.zip")


def test_the_dag_files_parse(live: Live) -> None:
    """Both DAGs of the first site are there, without an import error or a warning."""
    assert live.api.import_errors() == []
    assert live.api.has_dag(SYNC)
    found = live.api._call("GET", "/api/v2/dagWarnings")["dag_warnings"]
    assert found == []


@pytest.mark.parametrize("stage", ["extract", "apply"])
def test_each_wait_is_longer_than_the_one_before(live: Live, stage: str) -> None:
    """Each retry of a stage that waits for another server is delayed twice as long."""
    task = live.api._call("GET", f"/api/v2/dags/{SYNC}/tasks/{stage}")
    assert task["retry_exponential_backoff"] == 2.0


@pytest.mark.case("d06")
def test_a_dag_file_loads_nothing_heavy() -> None:
    """Parsing the DAG file loads neither pandas nor Arrow nor Great Expectations."""
    program = (
        "import sys; sys.path[:0] = ['plugins']; import oneroster_airflow.dags.site_dags;"
        "print([m for m in ('pandas', 'pyarrow', 'great_expectations') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.case("b33")
def test_a_plugin_that_can_not_be_loaded_is_shown(tmp_path: Path) -> None:
    """Airflow lists the error of a plugin that was only partly copied, and works without it."""
    plugins = shutil.copytree(PROJECT / "plugins", tmp_path / "plugins")
    (plugins / "oneroster_airflow" / "timetable.py").write_text("")
    program = (
        "import json; from airflow import plugins_manager as found;"
        "print(json.dumps([found.get_import_errors(), len(found.get_timetables_plugins())]))"
    )
    environment = {**os.environ, "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins)}
    environment["PYTHONPATH"] = f"{PROJECT / 'include'}:{plugins}"  # before the installed packages
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    errors, _ = json.loads(done.stdout.strip().splitlines()[-1])
    assert any("oneroster_airflow.timetable" in error for error in errors.values()), errors


def test_a_district_goes_through_all_six_stages(live: Live, first: Run) -> None:
    """A district passes all six stages, and the counts of the run are those of the package."""
    assert first.state == "success"
    assert live.states(first) == UNASKED
    run = live.oneroster("history")["runs"][-1]
    assert run["outcome"] == "succeeded"
    assert run["trigger"] == "upload"
    assert run["counts"]["users"]["added"] == 20
    assert run["counts"]["users"]["ignored"] == 248
    assert run["counts"]["courses"]["added"] == 91
    assert run["counts"]["assignments"]["added"] == 91


@pytest.mark.case("d06")
def test_xcom_carries_ids_only(live: Live, first: Run) -> None:
    """XCom holds only the id of the run and the task that follows the review."""
    record = live.oneroster("history")["runs"][-1]["run_id"]
    passed = [{"followed": ["apply"]}, {"skipped": ["record_removals"]}]
    for stage in (*STAGES, QUESTION):
        path = f"/api/v2/dags/{UPLOAD}/dagRuns/{first.run_id}/taskInstances/{stage}/xcomEntries"
        for entry in live.api._call("GET", path)["xcom_entries"]:
            value = live.api._call("GET", f"{path}/{entry['key']}")["value"]
            parsed = json.loads(value) if isinstance(value, str) and value[0] in "[{" else value
            assert parsed in [record, ["apply"], *passed], (stage, entry["key"], value)


@pytest.mark.case("c15")
def test_logs_describe_the_run_without_personal_data(live: Live, first: Run, data: Path) -> None:
    """The log has files, rows, repairs, changes and counts, but no names or e-mail addresses."""
    log = live.logs(first)
    assert "users.csv (bulk): 268 rows, 20 kept" in log
    assert "row.field_forbidden_in_bulk" in log
    assert "add user 029d8a49-4b99-4249-b972-593f5aeb30f1" in log
    assert "users: added 20" in log
    assert "The run ended: succeeded" in log
    with zipfile.ZipFile(data / "district-small-1.1.zip") as package:
        rows = package.read("users.csv").decode().splitlines()[1:]
    for row in rows:
        cells = row.split(",")
        email, family = cells[12], cells[9]
        assert email not in log
        assert f" {family} " not in log


def test_the_same_package_again_changes_nothing(live: Live, first: Run, data: Path) -> None:
    """The second run of a package ends as no_changes."""
    run = live.upload(data / "district-small-1.1.zip")
    assert run.state == "success"
    assert live.newest()["outcome"] == "no_changes"


@pytest.mark.case("b19")
def test_a_cleared_run_does_nothing_twice(live: Live, first: Run) -> None:
    """Clearing all tasks of an applied run leaves its record and its changes as they were."""
    before = live.oneroster("history")["runs"]
    live.api._call(
        "POST", f"/api/v2/dags/{UPLOAD}/dagRuns/{first.run_id}/clear", body={"dry_run": False}
    )
    again = live.wait(first)
    assert again.state == "success"
    assert live.oneroster("history")["runs"] == before


def test_a_held_plan_is_not_applied(live: Live, first: Run, data: Path) -> None:
    """A plan that empties a district is held, and a discarded run is not a failed one.

    All findings of the run are stored before it waits.
    """
    run = live.upload(data / "classlink-template")
    assert run.state == "running"
    states = live.states(run)
    assert (states["review"], states[QUESTION]) == ("success", "awaiting_input")
    held = live.newest()
    assert held["outcome"] == "held"
    assert held["ended_at"] is not None
    assert any("guard.removals: 20 of 20 users" in reason for reason in held["reasons"])
    assert live.oneroster("discard", held["run_id"])["outcome"] == "discarded"
    run = wait_for(lambda: ended if (ended := live.api.run(UPLOAD, run.run_id)).has_ended else None)
    live.check_tries(UPLOAD, run.run_id)
    assert run.state == "success"
    states = live.states(run)
    assert (states["apply"], states["record"]) == ("skipped", "success")


def test_a_rejected_package_is_red(live: Live, data: Path) -> None:
    """A package of another format fails the stage that refuses it, and record, with the reason."""
    run = live.upload(data / "microsoft-sds")
    assert run.state == "failed"
    states = live.states(run)
    assert (states["extract"], states["validate"], states["record"]) == (
        "failed",
        "upstream_failed",
        "failed",
    )
    rejected = live.newest()
    assert rejected["outcome"] == "rejected"
    assert "Microsoft School Data Sync" in rejected["reasons"][0]
    assert [t.try_number for t in live.api.tasks(run) if t.task_id == "extract"] == [1]
    for task in live.api.tasks(run):
        if task.task_id in {"extract", "record"}:
            log = live.api.log(run, task)
            assert "Traceback" not in log
            assert log.count("Task exited") == 1
            assert "Task failed with exception" not in log
            assert "Microsoft School Data Sync" in log
    found = live.api._call("GET", f"/api/v2/dags/{UPLOAD}/dagRuns/{run.run_id}")
    assert found["note"].startswith("OneRoster: Rejected, nothing was changed.")


def test_the_wrong_file_for_an_upload_is_named(live: Live, data: Path) -> None:
    """A courses.csv uploaded as users.csv is rejected, and the reason names the real file."""
    live.upload(data / "edfi-lms-1.1" / "courses.csv", kind="users")
    rejected = live.newest()
    assert rejected["outcome"] == "rejected"
    assert "users.csv; this is courses" in rejected["reasons"][0]


@pytest.mark.case("b13")
@pytest.mark.long
def test_two_uploads_take_turns(live: Live, data: Path) -> None:
    """Two packages at once are synced one after the other, in the order of the requests.

    The first try of the second run is deferred until its turn, and its log names the reason.
    """
    runs = [
        live.api.trigger(UPLOAD, {"package": str(data / name), "kind": "package"})
        for name in ("district-small-1.1.zip", "district-small-1.1.zip")
    ]

    def switch_off() -> Task | None:
        (extract,) = [task for task in live.api.tasks(runs[1]) if task.task_id == "extract"]
        assert extract.state not in {"up_for_retry", "failed", "success"}
        return extract if extract.state == "up_for_reschedule" else None

    waits = wait_for(switch_off)
    assert waits.try_number == 1
    assert "this run waits for its turn" in live.api.log(runs[1], waits)
    ended = [live.wait(run) for run in runs]
    assert [run.state for run in ended] == ["success", "success"]
    newest = live.oneroster("history", "--limit", "2")["runs"]
    assert newest[1]["ended_at"] <= newest[0]["started_at"]
    asked = [dag_names.run_id_of(UPLOAD, run.run_id) for run in runs]
    assert [run["run_id"] for run in newest[::-1]] == asked


def test_saved_preferences_show_in_the_next_run(live: Live) -> None:
    """A new time and a pause window change Airflow's next run within thirty seconds."""
    today = dt.datetime.now(dt.UTC).date()
    days = json.dumps([day.strftime("%A").lower() for day in (today, today + dt.timedelta(1))])
    after = today + dt.timedelta(days=9)
    pause = [{"first_on": str(today), "last_on": str(after), "note": "summer break"}]
    live.oneroster(
        "preferences",
        "--set", f"days={days}",
        "--set", 'time_utc="03:17"',
        "--set", f"pause_windows={json.dumps(pause)}",
    )  # fmt: skip

    def moved() -> dt.datetime | None:
        found = live.next_run()
        return found if found and (found.hour, found.minute) == (3, 17) else None

    assert wait_for(moved, within_s=30).date() > after


def test_the_schedule_runs_by_itself(live: Live, data: Path) -> None:
    """An unpaused DAG syncs the site's source at the time in the preferences."""
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=75)
    live.oneroster(
        "preferences",
        "--set", f"source={data / 'district-small-1.1.zip'}",
        "--set", f'days=["{soon.strftime("%A").lower()}"]',
        "--set", f'time_utc="{soon:%H:%M}"',
        "--set", "pause_windows=[]",
    )  # fmt: skip
    live.api.unpause(SYNC)

    ended = "select 1 from runs where trigger = 'schedule' and ended_at is not null"
    wait_for(lambda: live.rows(ended) or None, within_s=200)
    run = live.newest()
    assert run["trigger"] == "schedule"
    assert run["outcome"] == "no_changes"
    assert run["requested_by"] == "the schedule"


@pytest.mark.case("c15", "c16")
def test_a_whole_run_leaves_no_personal_data_in_airflow(live: Live, tmp_path: Path) -> None:
    """Airflow's rows and logs of a held, approved and applied run name no person.

    Staff are in the roster, its audit and the plan; students and unused values are nowhere.
    """
    held = live.upload(zip_of(marked(SCHOOL), tmp_path / "OneRoster.zip"))
    run = live.newest()
    assert (held.state, run["outcome"]) == ("running", "held")
    live.admin.post(f"runs/{run['run_id']}/approve", {"plan_hash": run["plan_hash"]})
    ended = wait_for(lambda: now if (now := live.api.run(UPLOAD, held.run_id)).has_ended else None)
    live.check_tries(UPLOAD, held.run_id)
    assert (ended.state, live.newest()["outcome"]) == ("success", "succeeded_with_errors")

    files = files_below(live.home, but="data")
    airflow, roster = (rows_of(live, database) for database in ("airflow", "roster"))
    assert any("/logs/" in name for name in files)
    assert any("add user ok1" in text for text in files.values())
    secret = live.environment["AIRFLOW__API_AUTH__JWT_SECRET"]
    assert [name for name in where(secret, {**files, **airflow, **roster}) if "/log" in name] == []
    assert where(NEVER, {**files, **airflow, **roster}) == []
    assert where(PERSONAL, airflow) == []
    assert sorted(where(PERSONAL, roster)) == ["changes", "users"]
    assert {Path(name).parent.name for name in where(PERSONAL, files)} == {"plan"}


def rows_of(live: Live, database: str) -> dict[str, str]:
    """Return the rows of all tables of a database as text, bytes included."""
    tables = "select tablename from pg_tables where schemaname = 'public'"
    with psycopg.connect(postgres.url(live.home, database)) as connection:
        return {
            name: str(connection.execute(f'select t.*, t::text from "{name}" t').fetchall())  # noqa: S608
            for (name,) in connection.execute(tables).fetchall()
        }


NOBODYS_RUN = "5a9b8766-7b6f-5c42-98cf-2f2726617d8c"


@pytest.mark.case("b20")
@pytest.mark.parametrize(
    "conf",
    [
        {"package": 7},
        {"package": ""},
        {"package": ["/etc/passwd"]},
        {"package": f"{tempfile.gettempdir()}/o.zip", "kind": "demographics"},
        {"undo": "the last one"},
        {"undo": "../../etc/passwd"},
        {"undo": NOBODYS_RUN, "undo_of": {"kind": "school"}},
        {"undo": NOBODYS_RUN, "undo_of": {"kind": None, "drop table": "users"}},
        {"removals_of": "' or true --"},
    ],
)
def test_invalid_parameters_start_no_run(live: Live, conf: dict[str, Any]) -> None:
    """Airflow refuses invalid parameters of a run, including those that its form does not show."""
    body = {"logical_date": None, "conf": conf}
    refused = live.api._send("POST", f"/api/v2/dags/{UPLOAD}/dagRuns", body=body)
    assert refused.status_code == (400 if conf.keys() <= {"package", "kind"} else 422), refused.text
    assert "Traceback" not in refused.text


@pytest.mark.case("c41")
@pytest.mark.parametrize(
    "package",
    [
        "/etc/passwd",
        "http://127.0.0.1:8080/o.zip",
        "s3://exports/o.zip",
        "simplecache::file:///tmp/o.zip",
        "file://localhost/tmp/o.zip",
        "carrierpigeon://coop/o.zip",
    ],
)
def test_a_package_from_anywhere_is_refused_as_it_is_asked_for(live: Live, package: str) -> None:
    """A person who may run the DAG can only name places that the deployment allows."""
    body = {"logical_date": None, "conf": {"package": package}}
    answer = live.person("op").ask("POST", f"/api/v2/dags/{UPLOAD}/dagRuns", 422, json=body)
    assert answer["code"] == "package.not_allowed"


@pytest.mark.long
@pytest.mark.case("b20")
def test_hostile_parameters_are_refused_in_words(live: Live, first: Run) -> None:
    """A run with impossible parameters fails at its first try with the reason; the roster stays."""
    live.api.unpause(SYNC)
    hostile: list[tuple[str, dict[str, Any], str]] = [
        (UPLOAD, {}, "neither a package nor a run to undo was given"),
        (UPLOAD, {"undo": NOBODYS_RUN}, f"there is no run '{NOBODYS_RUN}'"),
        (UPLOAD, {"removals_of": NOBODYS_RUN}, f"there is no run '{NOBODYS_RUN}'"),
        (SYNC, {"undo": first.run_id}, "takes no parameters"),
    ]
    before = [run for run in live.oneroster("history")["runs"] if run["counts"]]
    elsewhere = {"logical_date": None, "conf": {"package": "/etc/passwd", "kind": "users"}}
    live.admin.ask("POST", f"/api/v2/dags/{SYNC}/dagRuns", 422, json=elsewhere)

    for dag_id, conf, words in hostile:
        ended = live.wait(live.api.trigger(dag_id, conf))
        assert ended.state == "failed", conf
        log = live.logs(ended)
        assert words in log, conf
        assert "root:" not in log, conf
        (extract,) = [task for task in live.api.tasks(ended) if task.task_id == "extract"]
        assert extract.try_number == 1, conf
    assert [run for run in live.oneroster("history")["runs"] if run["counts"]] == before


@pytest.mark.long  # starts Airflow's command; test_consume_roster shows what it loads
def test_the_example_loads_the_roster_in_airflow(live: Live, first: Run, tmp_path: Path) -> None:
    """`airflow dags test` runs examples/consume_roster.py with its two connections of Airflow."""
    del first
    with psycopg.connect(postgres.url(live.home, "roster"), autocommit=True) as server:
        server.execute("create database warehouse")
    shutil.copy(PROJECT / "examples" / "consume_roster.py", tmp_path)
    own = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path),
        "AIRFLOW_CONN_ROSTER_READER": postgres.url(live.home, "roster"),
        "AIRFLOW_CONN_WAREHOUSE": postgres.url(live.home, "warehouse"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "dags", "test", "consume_roster"],
        env={**live.environment, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(postgres.url(live.home, "warehouse"), autocommit=True) as warehouse:
        query = "select kind, count(*) from roster_copy.records group by kind order by kind"
        copied: dict[str, int] = dict(warehouse.execute(query).fetchall())
    ((users, courses),) = live.rows("select (select count(*) from users), count(*) from courses")
    assert (copied["user"], copied["course"]) == (users, courses)
