"""A new package starts a sync in a real Airflow, by its triggerer."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from live import SYNC, Live, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# An Airflow with a triggerer is started for it; test_arrivals.py shows all but Airflow's own part.
pytestmark = pytest.mark.long
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
PREFERENCES = "sites/default/preferences"
LOOKS_S = 1
"""How often the source is looked at."""


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """An Airflow with a triggerer that looks every second."""
    settings = {
        "ONEROSTER_WATCH_SECONDS": str(LOOKS_S),
        # Airflow turns a paused DAG's triggers off, and on, when it reads the DAG again.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
    }
    with running(*PARTS, settings=settings, alone=True) as live:
        yield live


@pytest.fixture(scope="module")
def drop(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the site, whose syncs a new package starts."""
    folder = tmp_path_factory.mktemp("drop")
    choose(live, source=str(folder), started_by="new_file")
    return folder


def choose(live: Live, **settings: Any) -> None:
    """Save some preferences."""
    before = live.admin.get(PREFERENCES)
    body = {"version": before["version"], "settings": {**before["settings"], **settings}}
    live.admin.put(PREFERENCES, body)


def arrived(live: Live) -> list[dict[str, Any]]:
    """Return the runs that a new package started, the oldest first."""
    runs = live.api._call("GET", f"/api/v2/dags/{SYNC}/dagRuns?limit=100")["dag_runs"]
    return [run for run in runs if run["run_type"] == "asset_triggered"]


def remembered(live: Live) -> str | None:
    """Return the name of the package that was last noticed."""
    rows = live.rows("select package ->> 'name' from arrivals where site = 'default'")
    return str(rows[0][0]) if rows else None


def test_a_new_package_starts_one_sync(live: Live, drop: Path, data: Path) -> None:
    """Two that arrive one after the other are one run, of the newest; none is deleted."""
    package = data / "district-small-1.1.zip"
    shutil.copy(package, drop / "first.zip")
    live.admin.put("sites/default/enabled", {"enabled": True})
    wait_for(lambda: remembered(live) == "first.zip" or None)
    assert arrived(live) == []
    for name in ("second.zip", "third.zip"):
        (drop / name).write_bytes(package.read_bytes())
        time.sleep(LOOKS_S)
    (run,) = wait_for(lambda: arrived(live) or None)
    ended = live.wait(live.api.run(SYNC, run["dag_run_id"]))
    assert ended.state == "success"
    newest = live.admin.get("sites/default/runs")["runs"][0]
    assert (newest["outcome"], newest["requested_by"]) == ("succeeded", "a new file")
    assert newest["type"].endswith("automated")
    assert "The package is third.zip." in live.logs(ended)
    assert sorted(path.name for path in drop.iterdir()) == ["first.zip", "second.zip", "third.zip"]
    wait_for(lambda: remembered(live) == "third.zip" or None)
    assert len(arrived(live)) == 1


def test_a_pause_window_keeps_a_new_package_from_starting_anything(
    live: Live, drop: Path, data: Path
) -> None:
    """The run says in words why it does nothing, as a scheduled one does."""
    before = len(arrived(live))
    choose(
        live,
        pause_windows=[{"first_on": "2000-01-01", "last_on": "2999-12-31", "note": "closed"}],
    )
    shutil.copy(data / "district-small-1.1.zip", drop / "in the break.zip")
    run = wait_for(lambda: arrived(live)[before:] or None)[-1]
    live.wait(live.api.run(SYNC, run["dag_run_id"]))
    newest = live.admin.get("sites/default/runs")["runs"][0]
    assert newest["outcome"] == "skipped"
    assert "starts no sync: closed until 2999-12-31" in newest["sentence"]
    choose(live, pause_windows=[])


def test_what_arrives_while_the_sync_is_off_starts_nothing(
    live: Live, drop: Path, data: Path
) -> None:
    """Not then, and not when it is switched on again, unless it has been noticed as new since."""
    before = len(arrived(live))
    live.admin.put("sites/default/enabled", {"enabled": False})
    triggers = f"/api/v2/dags/{SYNC}"
    wait_for(lambda: live.api._call("GET", triggers)["is_paused"] or None)
    time.sleep(15)
    shutil.copy(data / "district-small-1.1.zip", drop / "while off.zip")
    time.sleep(10)
    assert len(arrived(live)) == before
