"""A real Airflow for tests: start it, send it users' requests, and remove it without a trace.

    with running() as live:
        live.admin.get("sites/default/preferences")
        live.person("viewer").get("runs/…/changes", expect=403)

The tests of a module share one Airflow. The next module of the same test process that needs the
same parts and settings takes it over, with all tables, files and logs as at the start. A module
that breaks it (kills a part, fills its disk) passes `alone=True` and gets an Airflow of its own.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import httpx
import psutil
import psycopg
from psycopg import sql

import homes
from commands import CommandLine
from oneroster_sync.database.embedded import postgres, postmaster
from oneroster_sync.local import airflow, runner
from oneroster_sync.local.airflow_api import Api, Run
from oneroster_sync.local.demo import make_site
from oneroster_sync.local.environment import USERS, logs, without_own_databases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

T = TypeVar("T")
UPLOAD, SYNC = "oneroster_upload__default", "oneroster_sync__default"
STAGES = ["extract", "validate", "diff", "review", "apply", "record"]
QUESTION = "review_decision"
"""The task that waits for a decision while a plan is held."""
UNASKED = {**dict.fromkeys(STAGES, "success"), QUESTION: "skipped", "record_removals": "skipped"}
"""The states of the tasks of a run that was applied without a decision."""
EVERYTHING = ("api-server", "scheduler", "dag-processor")
PROBLEM = "application/problem+json"
_PREFIX = "/oneroster/api/v1/"
_PASSWORDS = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
PACKAGES = f"{tempfile.gettempdir()} {Path(__file__).parent / 'data'}"
"""Folders from which DAG runs of tests may name packages."""
PATIENCE_S = 8
"""Seconds for which an upload may send nothing."""
PEOPLE = {**{role: role for role in USERS}, "second": "admin"}
"""Users of an Airflow of the tests: name → role. The password is the name."""
_SETTINGS = {
    # The scheduler often checks whether a decision has arrived.
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
    # An idle scheduler looks for work less often, because several Airflows share the processors.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
        f"{name}:{role}" for name, role in PEOPLE.items()
    ),
    "ONEROSTER_ALLOWED_PACKAGES": PACKAGES,
    "ONEROSTER_UPLOAD_SECONDS": str(PATIENCE_S),
}


_CLIENTS: list[httpx.Client] = []
"""Clients of the module that uses an Airflow; they are closed after the module."""


class Person:
    """A client of our API, by default with the token of a user who logged in with a password."""

    def __init__(self, origin: str, token: str | None = None) -> None:
        """Send this token with each request, or none."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.token = token
        self.http = httpx.Client(base_url=origin, timeout=60, trust_env=False, headers=headers)
        _CLIENTS.append(self.http)

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request to a path of the API, or of the server if the path starts with a slash."""
        return self.http.request(method, path if path[0] == "/" else _PREFIX + path, **more)

    def ask(self, method: str, path: str, expect: int | None = None, **more: Any) -> Any:
        """Return the body of an answer with the expected status, or of a successful one.

        Each error is a problem document: it has that content type, its status and a sentence.
        """
        answer = self.send(method, path, **more)
        message = f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.status_code == expect if expect else answer.is_success, message
        found = answer.json()
        if answer.is_error:
            assert answer.headers["content-type"] == PROBLEM, message
            assert found["status"] == answer.status_code, message
            assert found["detail"].endswith("."), message
        return found

    def get(self, path: str, expect: int | None = None, **params: Any) -> Any:
        """Send a GET request."""
        return self.ask("GET", path, expect, params=params or None)

    def put(self, path: str, body: Any, expect: int | None = None) -> Any:
        """Send a PUT request."""
        return self.ask("PUT", path, expect, json=body)

    def post(self, path: str, body: Any = None, expect: int | None = None) -> Any:
        """Send a POST request."""
        return self.ask("POST", path, expect, json=body)

    def upload(self, content: bytes, kind: str = "package", expect: int | None = None) -> Any:
        """Upload a file to the site `default`."""
        where = f"sites/default/uploads?kind={kind}"
        return self.ask("POST", where, expect, content=content)


_command_lines: dict[frozenset[tuple[str, str]], CommandLine] = {}


def _command_line(environment: Mapping[str, str]) -> CommandLine:
    """Return the command line for an environment; it ends together with the Airflow in use."""
    key = frozenset(environment.items())
    if key not in _command_lines:
        _command_lines[key] = CommandLine(environment)
    return _command_lines[key]


@dataclass
class Live:
    """A running Airflow, the command line beside it, and its users."""

    api: Api
    environment: dict[str, str]
    home: Path
    origin: str

    def oneroster(self, *words: str) -> dict[str, Any]:
        """Run `oneroster WORDS --json` and return its parsed output."""
        output: dict[str, Any] = _command_line(self.environment).run(*words)
        return output

    def airflow(self, *words: str) -> None:
        """Run `airflow WORDS`."""
        command = [sys.executable, "-m", "airflow", *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def rows(self, query: str, *bound: object) -> list[tuple[Any, ...]]:
        """Return rows of the roster database."""
        with psycopg.connect(postgres.url(self.home, "roster")) as connection:
            return connection.execute(query, bound).fetchall()

    def person(self, name: str) -> Person:
        """Return a client that is logged in as a user; the password is the name."""
        login = {"username": name, "password": name}
        answer = httpx.post(f"{self.origin}/auth/token", json=login, timeout=60, trust_env=False)
        return Person(self.origin, answer.raise_for_status().json()["access_token"])

    @functools.cached_property
    def admin(self) -> Person:
        """A client that is logged in as administrator."""
        return self.person("admin")

    @functools.cached_property
    def nobody(self) -> Person:
        """A client that is not logged in."""
        return Person(self.origin)

    def upload(self, package: Path, kind: str = "package") -> Run:
        """Trigger the upload DAG and wait for the run to end."""
        run = self.api.trigger(UPLOAD, {"package": str(package), "kind": kind})
        return self.wait(run)

    def wait(self, run: Run, *, within_s: float = 150, may_retry: bool = False) -> Run:
        """Wait until a run ends or waits for a decision.

        Each successful task must have succeeded at its first try, unless the test expects a retry.
        """

        def stands_still() -> Run | None:
            now = self.api.run(*_ids(run))
            asks = self.states(run).get(QUESTION) == "awaiting_input"
            return now if asks or now.has_ended else None

        found = wait_for(stands_still, within_s=within_s)
        if not may_retry:
            self.check_tries(*_ids(run))
        return found

    def follow(self, started: Mapping[str, Any]) -> dict[str, Any]:
        """Poll what the API started, as a page does, and return the run when it ends or is held."""
        dag_run = quote(started["dag_run_id"], safe="")

        def stands_still() -> dict[str, Any] | None:
            found: dict[str, Any] = self.admin.get(f"dag-runs/{started['dag_id']}/{dag_run}")
            asks = any(s["state"] == "awaiting_input" for s in found["dag_run"]["stages"])
            return found if asks or found["dag_run"]["state"] in {"success", "failed"} else None

        assert wait_for(stands_still)["run_id"] == started["run_id"]
        self.check_tries(started["dag_id"], started["dag_run_id"])
        run: dict[str, Any] = self.admin.get(f"runs/{started['run_id']}")
        return run

    def decided(self, run_id: str) -> dict[str, Any]:
        """Wait for the DAG run of an approved plan to end, and return the run."""

        def ended() -> dict[str, Any] | None:
            run: dict[str, Any] = self.admin.get(f"runs/{run_id}")
            return run if run["dag_run"]["state"] in {"success", "failed"} else None

        found = wait_for(ended)
        self.check_tries(found["dag_run"]["dag_id"], found["dag_run"]["dag_run_id"])
        return found

    def check_tries(self, dag_id: str, dag_run_id: str) -> None:
        """Check that each successful task needed one try only, because a retry hides a fault.

        If a user clears a task, Airflow keeps counting and raises `max_tries` by the same number.
        """
        dag = f"/api/v2/dags/{dag_id}"
        tasks = self.admin.ask("GET", f"{dag}/tasks")["tasks"]
        retries = {task["task_id"]: int(task["retries"] or 0) for task in tasks}
        path = f"{dag}/dagRuns/{quote(dag_run_id, safe='')}/taskInstances"
        tried = {
            task["task_id"]: task["try_number"] - task["max_tries"] + retries[task["task_id"]]
            for task in self.admin.ask("GET", path)["task_instances"]
            # Each check of the decision task on the run's record counts as a try.
            if task["state"] == "success" and task["task_id"] != QUESTION
        }
        again = {task: tries for task, tries in tried.items() if tries > 1}
        assert again == {}, f"succeeded only after a retry: {again}"

    def states(self, run: Run) -> dict[str, str | None]:
        """Return the state of each task."""
        return {task.task_id: task.state for task in self.api.tasks(run)}

    def logs(self, run: Run) -> str:
        """Return the logs of all tasks."""
        return "\n".join(self.api.log(run, task) for task in self.api.tasks(run))

    def newest(self) -> dict[str, Any]:
        """Return the record of the newest run."""
        newest: dict[str, Any] = self.oneroster("history", "--limit", "1")["runs"][0]
        return newest

    def next_run(self) -> dt.datetime | None:
        """Return the time of the next run of the scheduled DAG, or None."""
        found = self.api._call("GET", f"/api/v2/dags/{SYNC}")["next_dagrun_run_after"]
        return dt.datetime.fromisoformat(found) if found else None

    def uploads(self) -> list[Path]:
        """Return the stored upload files, complete or not."""
        folder = self.home / "storage" / "uploads"
        return [path for path in folder.rglob("*") if path.is_file()]


def _ids(run: Run) -> tuple[str, str]:
    return run.dag_id, run.run_id


def wait_for(look: Callable[[], T | None], *, within_s: float = 150) -> T:
    """Return the first result of `look` that is not None."""
    deadline = time.monotonic() + within_s
    while (found := look()) is None:
        assert time.monotonic() < deadline, "nothing was found in time"
        time.sleep(0.3)
    return found


@contextmanager
def running(
    *parts: str, settings: Mapping[str, str] | None = None, alone: bool = False
) -> Iterator[Live]:
    """Yield an Airflow with the site `default`, in the state of a fresh start.

    Args:
        parts: Parts to start; none means all that a sync needs. With the DAG processor, the DAGs of
            the site exist.
        settings: Settings of Airflow, as environment variables.
        alone: The tests break it: no other module uses it before or after.
    """
    parts = parts or EVERYTHING
    found = _take_over(parts, dict(settings or {}), alone=alone)
    try:
        with Api(found.up.url, "admin") as api:
            live = Live(api, dict(found.up.environment), found.up.home, found.up.url)
            if "dag-processor" in parts:
                wait_for(lambda: _has_dags(found.up.home) or None)
            yield live
    finally:
        while _CLIENTS:
            _CLIENTS.pop().close()
        found.is_taken = False
        if alone:
            stop_shared()


@dataclass
class _Shared:
    """The Airflow of this test process, with the parts and settings that it started with."""

    up: airflow.Airflow
    parts: tuple[str, ...]
    settings: dict[str, str]
    alone: bool
    is_taken: bool = True


_shared: _Shared | None = None


def _take_over(parts: tuple[str, ...], settings: dict[str, str], *, alone: bool) -> _Shared:
    """Return the Airflow of this process in its initial state, or a new one."""
    global _shared  # noqa: PLW0603 - one for each process, shared by all modules
    wanted = (parts, settings, alone)
    if _shared and (_shared.parts, _shared.settings, _shared.alone) == wanted:
        assert not _shared.is_taken, (
            "only one module at a time may use the Airflow of a test process"
        )
        _reset(_shared)
        _shared.is_taken = True
        return _shared
    stop_shared()
    home = homes.new_home("live")
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({name: name for name in PEOPLE}))
    own = {**_SETTINGS, _PASSWORDS: str(passwords), **settings}
    base = {**without_own_databases(os.environ), **own}
    up = airflow.up(home, airflow.free_port(), parts=parts, base=base, prepare=make_site)
    _shared = _Shared(up, parts, settings, alone)
    return _shared


def stop_shared() -> None:
    """Stop the Airflow of this process, if any, and remove its home."""
    global _shared  # noqa: PLW0603
    while _command_lines:
        _command_lines.popitem()[1].end()
    if _shared:
        airflow.down(_shared.up.home)
        shutil.rmtree(_shared.up.home, ignore_errors=True)
        # Reap its runner now: otherwise a later test would reap it and seem to have used the
        # processor seconds of a whole Airflow (slowest.py).
        subprocess._cleanup()  # type: ignore[attr-defined]
        _shared = None


def servers() -> list[psutil.Process]:
    """Return the main process of the Airflow in use and that of its PostgreSQL."""
    if _shared is None:
        return []
    home = _shared.up.home
    found = [postmaster.find(home / "postgres" / "data")]
    with suppress(OSError, ValueError, psutil.Error):
        number = (runner.run_folder(home) / "supervisord.pid").read_text("ascii")
        found.append(psutil.Process(int(number)))
    return [process for process in found if process]


def tail_of_logs(lines: int = 40) -> str:
    """Return the last lines of the logs of the Airflow in use: its parts and its newest tasks."""
    if _shared is None:
        return ""
    folder = logs(_shared.up.home)
    tasks = sorted(folder.glob("tasks/**/*.log"), key=lambda path: path.stat().st_mtime)
    parts = []
    for path in [*sorted(folder.glob("*.log")), *tasks[-3:]]:
        with suppress(OSError):
            text = path.read_text("utf-8", errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"--- {path.relative_to(folder)}", *text]))
    return "\n".join(parts)


# All tables that a test can fill. The tables that a running Airflow needs stay: its jobs, its pools
# and its bundle. FAB's tables stay too, because no test uses them.
_AIRFLOW_TABLES = (
    *("dag", "dag_run", "dag_version", "dag_code", "dag_warning", "import_error", "log"),
    *("asset", "asset_alias", "asset_event", "asset_active", "asset_watcher", "backfill"),
    *("callback", "connection", "deadline", "trigger", "variable", "xcom", "task_instance"),
    *("dag_priority_parsing_request", "dag_favorite", "revoked_token", "session"),
)
_QUIET_S = 60


def _reset(shared: _Shared) -> None:
    """Restore the state of a fresh start."""
    home = shared.up.home
    with psycopg.connect(postgres.url(home, "airflow"), autocommit=True) as metadata:
        _end_tasks(home, metadata)
        _empty(metadata, _AIRFLOW_TABLES)
        metadata.execute("delete from slot_pool where pool <> 'default_pool'")
        for folder in (home / "storage", logs(home) / "tasks"):
            for path in folder.glob("*"):  # the folders themselves stay, with their modes
                shutil.rmtree(path, ignore_errors=True)
        with psycopg.connect(postgres.url(home, "roster"), autocommit=True) as roster:
            # A trigger forbids emptying the audit's tables, but it fires only in the role `origin`.
            roster.execute("set session_replication_role = replica")
            query = "select tablename from pg_tables where schemaname = 'public'"
            names = {name for (name,) in roster.execute(query)}
            _empty(roster, names - {"oneroster_schema_version"})
        make_site(shared.up.environment)
        metadata.execute(
            "insert into dag_priority_parsing_request (id, bundle_name, relative_fileloc)"
            " values ('tests', 'dags-folder', 'oneroster.py')"
        )


def _end_tasks(home: Path, metadata: psycopg.Connection) -> None:
    """Make every running task end: Airflow asks at each heartbeat whether it may go on."""
    for table in ("task_instance", "dag_run"):
        ends = sql.SQL("update {} set state = 'failed' where state not in ('success', 'failed')")
        metadata.execute(ends.format(sql.Identifier(table)))

    def is_quiet() -> bool | None:
        # A process that ran a task hides its working folder; see runner.members.
        titles = [" ".join(command_of(process)) for process in runner.members(home)]
        at_work = [title for title in titles if "airflow worker" in title and "<idle>" not in title]
        return None if at_work else True

    wait_for(is_quiet, within_s=_QUIET_S)


def command_of(process: psutil.Process) -> list[str]:
    """Return the command line of a process; none if it ended after it was listed."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _empty(connection: psycopg.Connection, names: Iterable[str]) -> None:
    """Empty tables and the tables that refer to them; retry if Airflow held a lock."""
    tables = sql.SQL(", ").join(map(sql.Identifier, names))

    def is_done() -> bool | None:
        try:
            connection.execute("set lock_timeout = '5s'")
            connection.execute(sql.SQL("truncate {} cascade").format(tables))
        except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
            return None
        return True

    wait_for(is_done, within_s=_QUIET_S)


def _has_dags(home: Path) -> bool:
    """Return whether Airflow has parsed the DAGs, independent of its users' permissions."""
    query = "select count(*) from dag where dag_id = any(%s)"
    with psycopg.connect(postgres.url(home, "airflow")) as connection:
        return connection.execute(query, ([UPLOAD, SYNC],)).fetchone() == (2,)
