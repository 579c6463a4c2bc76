"""The results of a wave of many sites: once each, in time, and how long they waited."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from oneroster_sync import settings

sys.path.append(str(settings.PROJECT))
from benchmarks.scale.at_rest import Rest
from benchmarks.scale.measure import Scale, as_markdown, parts
from benchmarks.scale.waiting import (
    GRACE_S,
    SiteRun,
    TaskRun,
    Upload,
    Used,
    Wave,
    best_minute,
    late,
    late_from,
    not_once,
    per_second,
    percentile,
)

if TYPE_CHECKING:
    from pathlib import Path

GOOD = SiteRun("oak", 1, 1, "success", "succeeded", begun_s=2.0, extract_s=5.0, ended_s=9.0)
LATE = replace(GOOD, site="elm", outcome="skipped", begun_s=GRACE_S + 1)
NEVER = SiteRun("ash", 0, 0)
UPLOAD = Upload(8.0, 100, 12, 0.5, 1.5, 10.0, 6.0, "succeeded")


def tasks_at(*moments: float) -> list[TaskRun]:
    """Return tasks that started at these times."""
    return [TaskRun("extract", moment, moment + 1) for moment in moments]


def wave_of(*runs: SiteRun, upload: Upload | None = UPLOAD) -> Wave:
    """Return a wave of these runs."""
    services = {"scheduler": Used(12.5, 310.0)}
    return Wave(
        "day 1", "as shipped", list(runs), tasks_at(5, 6), 1, upload, services, 30, (20.0, 25.0)
    )


@pytest.mark.parametrize(
    ("values", "percent", "found"),
    [
        ([], 95, None),
        ([7.0], 50, 7.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([1.0, 2.0], 50, 1.0),
        ([float(n) for n in range(1, 101)], 95, 95.0),
        ([float(n) for n in range(1, 101)], 100, 100.0),
        ([float(n) for n in range(1, 21)], 95, 19.0),
    ],
)
def test_so_many_percent_do_not_pass_it(
    values: list[float], percent: float, found: float | None
) -> None:
    """A percentile is one of the values, in any order; without values it is None."""
    assert percentile(values, percent) == found


def test_runs_that_are_not_once_are_listed() -> None:
    """Two DAG runs, two records or no record are not once; no run at all is late."""
    runs = [
        GOOD,
        replace(GOOD, site="two-dag-runs", dag_runs=2),
        replace(GOOD, site="two-records", records=2),
        replace(GOOD, site="no-record", records=0),
        LATE,
        NEVER,
    ]
    assert not_once(runs) == ["two-dag-runs", "two-records", "no-record"]


def test_runs_that_did_not_start_in_time_are_late() -> None:
    """A run is late if it was skipped after the grace time, or never made; waiting is not late."""
    runs = [
        GOOD,
        LATE,
        NEVER,
        replace(GOOD, site="waits", extract_s=2 * GRACE_S, ended_s=3 * GRACE_S),
        replace(GOOD, site="paused", outcome="skipped"),
    ]
    assert late(runs) == ["elm", "ash"]
    assert [run.is_done for run in runs] == [True, False, False, True, False]


def test_lateness_begins_after_all_that_were_in_time() -> None:
    """The number from which runs are late is one more than were on time, or None."""
    assert late_from([GOOD] * 3) is None
    assert late_from([GOOD, LATE, GOOD, NEVER]) == 3
    assert late_from([NEVER]) == 1


def test_tasks_are_counted_by_when_they_began() -> None:
    """The mean is from the first to the last start; the best minute is any sixty seconds."""
    assert per_second([]) is None
    assert per_second(tasks_at(4)) is None
    assert per_second(tasks_at(4, 4)) is None
    assert per_second(tasks_at(10, 0, 5)) == 0.2
    assert best_minute([]) == 0
    assert best_minute(tasks_at(0, 30, 59, 60, 200)) == 3 / 60
    assert best_minute(tasks_at(0, 60)) == 1 / 60


def test_an_upload_waits_while_it_has_no_slot() -> None:
    """The time without request and work is waiting, and never negative."""
    assert UPLOAD.waited_s == 3.5
    assert replace(UPLOAD, worked_s=20.0).waited_s == 0


def test_a_wave_is_as_long_as_its_last_run() -> None:
    """A wave lasts from its slot to the last end; runs without an outcome count by their state."""
    wave = wave_of(GOOD, replace(GOOD, ended_s=40.0), LATE, NEVER)
    assert wave.wall_s == 40
    assert wave.outcomes == {"succeeded": 2, "skipped": 1, "no run": 1}
    assert wave_of(NEVER).wall_s == 0


def test_results_are_saved_and_printed(tmp_path: Path) -> None:
    """Saved results load unchanged, and all are in the tables."""
    rest = Rest(
        sites=100,
        apply_s=2.0,
        dags_s=20.0,
        dag_file_s=1.5,
        new_site_s=3.0,
        upload_s=9.0,
        idle_share={"scheduler": 0.1, "dag-processor": 0.2},
        airflow_mib=30.0,
        list_ms={"sites": 80.0},
        plan_s=None,
    )
    setup = {"size": "S", "distinct": 10, "slots": 4, "parallelism": 8}
    waves = [wave_of(GOOD, LATE), wave_of(GOOD, upload=None)]
    scale = Scale({"waves": "2 cores", "rest": "2 cores"}, setup, waves, [rest])
    path = tmp_path / "bench" / "scale.json"
    assert Scale.load(path) == Scale()
    scale.save(path)
    assert Scale.load(path) == scale
    text = "\n".join(as_markdown(scale))
    assert "| **not run, because nobody had begun in time** | **1** | **0** |" in text
    assert "| … which begins at a number of sites of | 2 | – |" in text
    assert "| scheduler, share of a core at idle | 10 % |" in text
    assert "| an upload amid the wave | day 1, as shipped (100) |" in text
    assert parts(Scale()) == {}


def test_the_page_has_places_for_the_tables() -> None:
    """docs/scale.md has comments with these names around the tables."""
    page = (settings.PROJECT / "docs" / "scale.md").read_text("utf-8")
    for name in ("waves", "rest"):
        assert page.count(f"<!-- {name} -->") == page.count(f"<!-- end of {name} -->") == 1
