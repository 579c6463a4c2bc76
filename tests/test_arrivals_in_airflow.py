"""A new package starts a sync in a real Airflow, through its triggerer."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from live import SYNC, Live, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# These tests start an Airflow with a triggerer of their own; test_arrivals.py proves all but
# Airflow's part.
pytestmark = pytest.mark.long
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
PREFERENCES = "sites/default/preferences"
LOOKS_S = 1
"""Seconds between two checks of the source."""


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """An Airflow with a triggerer that checks the source every second."""
    settings = {
        "ONEROSTER_WATCH_SECONDS": str(LOOKS_S),
        # Airflow disables and enables the triggers of a paused DAG only when it parses the DAG.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
    }
    with running(*PARTS, settings=settings, alone=True) as live:
        yield live


@pytest.fixture(scope="module")
def drop(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the site; a new package in it starts a sync."""
    folder = tmp_path_factory.mktemp("drop")
    choose(live, source=str(folder), started_by="new_file")
    return folder


def choose(live: Live, **settings: Any) -> None:
    """Save some preferences."""
    before = live.admin.get(PREFERENCES)
    body = {"version": before["version"], "settings": {**before["settings"], **settings}}
    live.admin.put(PREFERENCES, body)


def arrived(live: Live) -> list[dict[str, Any]]:
    """Return the runs that a new package started, as Airflow lists them."""
    runs = live.api._call("GET", f"/api/v2/dags/{SYNC}/dagRuns?limit=100")["dag_runs"]
    return [run for run in runs if run["run_type"] == "asset_triggered"]


def remembered(live: Live) -> str | None:
    """Return the name of the last noticed package."""
    rows = live.rows("select package ->> 'name' from arrivals where site = 'default'")
    return str(rows[0][0]) if rows else None


def test_a_new_package_starts_one_sync(live: Live, drop: Path, data: Path) -> None:
    """Two packages in quick succession start one run of the newer one; none is deleted."""
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
    """During a pause window, the run of a new package is skipped and gives the reason."""
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
    """A package that arrives while the sync is off starts no sync, on again or not."""
    before = len(arrived(live))
    live.admin.put("sites/default/enabled", {"enabled": False})
    triggers = f"/api/v2/dags/{SYNC}"
    wait_for(lambda: live.api._call("GET", triggers)["is_paused"] or None)
    time.sleep(15)
    shutil.copy(data / "district-small-1.1.zip", drop / "while off.zip")
    time.sleep(10)
    assert len(arrived(live)) == before
    live.admin.put("sites/default/enabled", {"enabled": True})
    wait_for(lambda: live.api._call("GET", triggers)["is_paused"] is False or None)
    time.sleep(15)
    assert len(arrived(live)) == before
    shutil.copy(data / "district-small-1.1.zip", drop / "on again.zip")
    (run,) = wait_for(lambda: arrived(live)[before:] or None)
    assert "The package is on again.zip." in live.logs(
        live.wait(live.api.run(SYNC, run["dag_run_id"]))
    )
