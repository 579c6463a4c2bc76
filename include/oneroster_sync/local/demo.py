"""The demonstration: sync a sample district with the real DAG in a separate Airflow.

The demonstration has a home of its own and empties it first, so that each one shows the counts of a
first sync, and the user's data is not touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from oneroster_sync.database.embedded import LocalError
from oneroster_sync.local import airflow
from oneroster_sync.local.airflow_api import Api, Run, Task
from oneroster_sync.local.console import print_line, step
from oneroster_sync.local.environment import logs, password_of, without_own_databases

if TYPE_CHECKING:
    from collections.abc import Mapping

SITE = "default"
ADMIN = "admin@example.org"
DAG_ID = f"oneroster_upload__{SITE}"
SAMPLE = "district-small-1.1.zip"

# Without the triggerer, since no task of the demonstration defers.
_PARTS = ("api-server", "scheduler", "dag-processor")
# Only a folder with this file is emptied, because the path may be that of a user's own folder.
_MARK = ".demonstration"
_PARSE_S = 120
_RUN_S = 600
_LOG_LINES = 30


def demonstrate(home: Path) -> bool:
    """Sync the sample district in the home, print each task, and stop all processes.

    Returns:
        True when the run succeeded.

    Raises:
        LocalError: Airflow, PostgreSQL or the command line fails.
    """
    home = home.resolve()
    _empty(home)
    began = time.monotonic()
    base = without_own_databases(os.environ)
    try:
        running = airflow.up(home, airflow.free_port(), parts=_PARTS, base=base, prepare=make_site)
        password = password_of(running.environment, "admin")
        with (
            as_file(files(__package__) / "sample" / SAMPLE) as sample,
            Api(running.url, password) as api,
        ):
            run = _follow(api, sample)
            if run.state == "success":
                _show_counts(counts_of(run, running.environment))
    finally:
        with step("Everything", "stopped"):
            airflow.down(home)
    print_line(f"The demonstration took {time.monotonic() - began:.0f} s.")
    _show_places(home)
    return run.state == "success"


def make_site(environment: Mapping[str, str]) -> None:
    """Create the site and its administrator, unless they exist.

    Raises:
        LocalError: `oneroster init` fails.
    """
    with step(f"The site {SITE}"):
        made = _oneroster(["init", "--site", SITE, "--admin", ADMIN], environment)
        if made.returncode != 0 and "already" not in made.stdout + made.stderr:
            raise LocalError(f"The site {SITE} cannot be created: {made.stderr.strip()}")


def counts_of(run: Run, environment: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Return the counts of a run by kind of record, then by action.

    The run's record has another id than the DAG run, so take the newest record: there are no other
    syncs in this home.
    """
    answer = _oneroster(["history", "--site", SITE, "--json"], environment)
    if answer.returncode != 0:
        raise LocalError(f"The record of {run.run_id} cannot be read: {answer.stderr.strip()}")
    history: Any = json.loads(answer.stdout)
    newest = history[0] if isinstance(history, list) else history["runs"][0]
    counts: dict[str, dict[str, int]] = newest["counts"]
    return counts


def _empty(home: Path) -> None:
    """Empty the home if an earlier demonstration created it; refuse any other folder."""
    if home.exists() and any(home.iterdir()):
        if not (home / _MARK).exists():
            raise LocalError(
                f"{home} was not made by a demonstration, so it is not emptied: move it away."
            )
        airflow.down(home)
        try:
            shutil.rmtree(home)
        except OSError as error:
            raise LocalError(f"{home} cannot be emptied ({error}): remove it yourself.") from error
    home.mkdir(parents=True, exist_ok=True)
    (home / _MARK).touch()


def _follow(api: Api, sample: Path) -> Run:
    """Trigger the run and print each task when it ends."""
    with step("The DAG"):
        _wait_for_dag(api)
        api.unpause(DAG_ID)
    run = api.trigger(DAG_ID, {"package": str(sample), "kind": "package"})
    print_line(f"The run {run.run_id} of {DAG_ID} with {SAMPLE}:")
    seen: set[str] = set()
    deadline = time.monotonic() + _RUN_S
    while True:
        run = api.run(run.dag_id, run.run_id)
        tasks = api.tasks(run)
        for task in sorted(tasks, key=_end):
            if task.has_ended and task.task_id not in seen:
                seen.add(task.task_id)
                print_line(f"  {task.task_id:<12} {task.state:<16} {_duration(task)}".rstrip())
        if run.has_ended:
            break
        if any(task.state == "awaiting_input" for task in tasks):
            raise LocalError(
                "The run is held until a person approves it; the demonstration has none."
            )
        if time.monotonic() > deadline:
            raise LocalError(f"The run did not end within {_RUN_S} s.")
        time.sleep(0.2)
    for task in tasks:
        if task.state == "failed":
            log = "\n".join(api.log(run, task).splitlines()[-_LOG_LINES:])
            print_line(f"The end of the log of {task.task_id}:\n{log}")
    return run


def _wait_for_dag(api: Api) -> None:
    deadline = time.monotonic() + _PARSE_S
    while not api.has_dag(DAG_ID):
        if errors := api.import_errors():
            raise LocalError("Airflow cannot read the DAG files:\n" + "\n".join(errors))
        if time.monotonic() > deadline:
            raise LocalError(f"Airflow found no DAG {DAG_ID} within {_PARSE_S} s.")
        time.sleep(0.2)


def _end(task: Task) -> str:
    return task.ended_at.isoformat() if task.ended_at else ""


def _duration(task: Task) -> str:
    return f"{task.duration_s:5.1f} s" if task.duration_s and task.try_number else ""


def _show_counts(counts: Mapping[str, Mapping[str, int]]) -> None:
    """Print a table with a column for each kind of record and a row for each action."""
    table = Table(title="What the sync did", title_justify="left")
    table.add_column("")
    for kind in counts:
        table.add_column(kind.replace("_", " "), justify="right")
    for name in dict.fromkeys(name for done in counts.values() for name in done):
        table.add_row(name, *(str(done.get(name, "")) for done in counts.values()))
    Console().print(table)


def _show_places(home: Path) -> None:
    print_line(f"Logs of the stages and of Airflow: {logs(home)}")
    print_line(f"Package, snapshots and reports:    {home / 'storage'}")
    print_line("The same with Airflow's pages:     make up")


def _oneroster(
    arguments: list[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the installed command `oneroster`."""
    command = Path(sys.executable).with_name("oneroster")
    return subprocess.run(
        [str(command), *arguments],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
