"""The capacity model: a week of runs, the workers for it, its storage and its costs."""

from __future__ import annotations

import dataclasses
import math
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from oneroster_sync import database, settings

sys.path.append(str(settings.PROJECT))
from benchmarks.capacity import growth
from benchmarks.capacity.assumptions import DAY_S, HOUR_S, Assumptions
from benchmarks.capacity.costs import KINDS, Costs, CostsError, Stage, is_quiet, measured
from benchmarks.capacity.model import as_markdown, assumptions, main
from benchmarks.capacity.queue import End, Layout, Pool, Run, simulate
from benchmarks.capacity.sizing import (
    GRACE_S,
    SCHEDULED_S,
    UPLOADS_S,
    fewest,
    layout_of,
    longest_until_begun,
    size,
)
from benchmarks.capacity.storage import Kept, bytes_of_row, count
from benchmarks.capacity.week import runs_of_week
from benchmarks.report.documents import with_part
from benchmarks.report.results import Results, Series
from benchmarks.sync.one_stage import STAGES

if TYPE_CHECKING:
    from pathlib import Path

DISTRICTS, SEED = 200, 3
ASSUMED = Assumptions()


@pytest.fixture(scope="module")
def costs() -> Costs:
    """Return the stored measurements."""
    return Costs.load()


@pytest.fixture(scope="module")
def week(costs: Costs) -> list[Run]:
    """Return a week of a few districts."""
    return runs_of_week(DISTRICTS, costs, ASSUMED, seed=SEED)


def test_no_run_is_lost_or_done_twice(week: list[Run]) -> None:
    """Every run ends exactly once despite all failures, and the work done is the work asked for."""
    layout = layout_of({Pool.SCHEDULED: 5, Pool.UPLOADS: 1}, ASSUMED)
    outcome = simulate(week, layout)
    assert [one.run.number for one in outcome.served] == [run.number for run in week]
    assert all(one.end is not None and not math.isnan(one.ended_at) for one in outcome.served)
    assert math.isclose(sum(one.taken_s for one in outcome.served), outcome.busy_area)
    away = [one for one in outcome.served if one.end is End.FAILED]
    assert away
    for one in outcome.served:
        if one.end is End.FAILED:
            assert one.run.source_away is not None
            assert one.tries == 1 + len(ASSUMED.retry_s)
        elif one.tries == 1:
            assert math.isclose(one.taken_s, one.run.slot_s)
        else:
            assert one.taken_s > one.run.slot_s


def test_more_slots_never_wait_longer(week: list[Run]) -> None:
    """With more slots no run waits longer; with failures, this holds for the p95."""
    sound = [dataclasses.replace(run, fails_in=None, source_away=None) for run in week]
    before: list[float] | None = None
    for slots in (1, 2, 3, 5, 9, 40):
        layout = Layout({Pool.SCHEDULED: slots}, run_starts_s=1)
        waits = [one.waited_s for one in simulate(sound, layout).served]
        if before is not None:
            assert all(now <= then + 1e-6 for now, then in zip(waits, before, strict=True))
        before = waits
    p95s = [
        simulate(week, layout_of({Pool.SCHEDULED: slots, Pool.UPLOADS: 1}, ASSUMED)).p95(
            Pool.SCHEDULED
        )
        for slots in (5, 6, 8, 12, 40)
    ]
    assert p95s == sorted(p95s, reverse=True)


def test_a_seed_is_a_week(costs: Costs, week: list[Run]) -> None:
    """A seed gives one week, another seed another one; fewer districts are a part of it."""
    assert runs_of_week(DISTRICTS, costs, ASSUMED, seed=SEED) == week
    assert runs_of_week(DISTRICTS, costs, ASSUMED, seed=SEED + 1) != week
    fewer = runs_of_week(DISTRICTS // 2, costs, ASSUMED, seed=SEED)
    assert week[: len(fewer)] == fewer


def test_a_week_is_as_it_was_assumed(week: list[Run]) -> None:
    """Scheduled runs start in the chosen hours, uploads in office hours, in the assumed numbers."""
    by_pool = {pool: [run for run in week if run.pool is pool] for pool in Pool}
    hours = {int(run.at % DAY_S // HOUR_S) for run in by_pool[Pool.SCHEDULED]}
    assert hours <= set(ASSUMED.hours)
    opens, closes = ASSUMED.office_hours
    assert all(opens <= run.at % DAY_S / HOUR_S < closes for run in by_pool[Pool.UPLOADS])
    expected = sum(n for by in growth.runs_a_week(DISTRICTS, ASSUMED).values() for n in by.values())
    assert len(week) == pytest.approx(expected, rel=0.1)


def test_littles_law_holds(week: list[Run]) -> None:
    """The queue integrated over time equals the sum of all waits (Little's law)."""
    outcome = simulate(week, layout_of({Pool.SCHEDULED: 5, Pool.UPLOADS: 1}, ASSUMED))
    assert outcome.queued_area > 0
    assert outcome.queued_area == pytest.approx(sum(one.waited_s for one in outcome.served))


def test_the_fewest_slots_are_enough_and_one_less_is_not(costs: Costs, week: list[Run]) -> None:
    """The slots that are found keep both promises; one slot less in either pool breaks one."""
    dear = dataclasses.replace(costs, airflow_s=600)
    found = size(DISTRICTS, dear, ASSUMED, seed=SEED)
    assert found.outcome.p95(Pool.SCHEDULED) < SCHEDULED_S
    assert found.outcome.p95(Pool.UPLOADS) < UPLOADS_S
    assert found.runs == {pool: sum(run.pool is pool for run in week) for pool in Pool}
    runs = runs_of_week(DISTRICTS, dear, ASSUMED, seed=SEED)
    for pool, promise in ((Pool.SCHEDULED, SCHEDULED_S), (Pool.UPLOADS, UPLOADS_S)):
        fewer = {**found.slots, pool: found.slots[pool] - 1}
        if fewer[pool]:
            assert simulate(runs, layout_of(fewer, ASSUMED, found.schedulers)).p95(pool) >= promise


def test_schedulers_begin_every_run_before_it_would_be_skipped(costs: Costs) -> None:
    """Enough schedulers start each run within its grace time; one scheduler less does not.

    Ten runs at once, one started each second: the last starts after 10 s.
    """
    at_once = [Run(n, Pool.SCHEDULED, 100, (1,)) for n in range(10)]
    assert longest_until_begun(at_once, 1) == 10
    slow = dataclasses.replace(ASSUMED, tasks_per_s=0.1)
    found = size(50, costs, slow, seed=SEED)
    runs = runs_of_week(50, costs, slow, seed=SEED)
    mornings = [run for run in runs if run.pool is Pool.SCHEDULED]
    assert found.schedulers > 1
    assert found.begun_s < GRACE_S
    fewer = (found.schedulers - 1) * slow.tasks_per_s / 6
    assert longest_until_begun(mornings, fewer) >= GRACE_S


@pytest.mark.parametrize("enough", [1, 2, 7, 64, 65])
def test_the_fewest_is_found(enough: int) -> None:
    """`fewest` returns the smallest number that is enough, wherever it is."""
    assert fewest(lambda n: n >= enough, least=1) == enough


def test_growth_is_linear_in_the_districts() -> None:
    """Ten times the districts store ten times the bytes, in every table, after any time."""
    kept = Kept.load()
    for grow in (growth.database, growth.airflow, growth.bucket):
        few, many = (list(grow(n, kept, ASSUMED)) for n in (100, 1_000))
        assert few
        for one, ten in zip(few, many, strict=True):
            for years in (0.1, 1, 7):
                assert ten.after(years) == pytest.approx(10 * one.after(years))


def test_tables_with_a_retention_stop_growing() -> None:
    """Findings have a retention, so their number stays constant; runs and changes grow."""
    tables = {one.name: one for one in growth.database(100, Kept.load(), ASSUMED)}
    assert tables["findings"].after(7) == tables["findings"].after(1)
    assert tables["runs"].after(7) > 5 * tables["runs"].after(1)
    assert tables["changes"].after(7) > tables["changes"].after(1)
    keeping = settings.Keeping(findings_days=180)
    longer = {one.name: one for one in growth.database(100, Kept.load(), ASSUMED, keeping)}
    assert longer["findings"].after(1) == pytest.approx(2 * tables["findings"].after(1))


def test_all_that_is_kept_was_measured() -> None:
    """Each table that a sync writes has measured bytes for each row."""
    kept = Kept.load()
    tables = {t for by in kept.rows.values() for rows in by.values() for t in rows}
    assert {"runs", "findings", "changes", "users", "courses"} <= tables
    assert all(kept.row_bytes[table] > 24 for table in tables)
    assert {"dag_run", "task_instance", "xcom"} <= kept.airflow_bytes.keys()


def test_bytes_of_a_row_are_those_on_the_disk() -> None:
    """The bytes of a row in a small table are scaled as if it had many rows."""
    make = "create table {} (id bigint primary key, words text)"
    fill = "insert into {} select n, repeat('x', 100) from generate_series(1, {}) n"
    tables = {"few_rows": 3, "many_rows": 10_000}
    with psycopg.connect(database.url(), autocommit=True) as connection:
        try:
            for name, rows in tables.items():
                connection.execute(make.format(name).encode())
                connection.execute(fill.format(name, rows).encode())
                connection.execute(f"vacuum analyze {name}".encode())
            assert count(connection)["few_rows"] == 3
            few, many = (bytes_of_row(connection, name) for name in tables)
        finally:
            for name in tables:
                connection.execute(f"drop table if exists {name}".encode())
    assert few == pytest.approx(many, rel=0.15)
    assert 100 + 24 < few < 300


def results(name: str, machine: str, took: float) -> Results:
    """Return results of a benchmark: all stages take equally long, half of it for imports."""
    made = Results(name, machine)
    for stage in STAGES:
        for day in KINDS[:3]:
            made.series[f"{day}: {stage}/stages"] = Series([4 * took], [took], [100 * took])
        made.imports[stage] = [2 * took]
    made.series["empty/through Airflow"] = Series([3.0])
    made.series["1000 sites/DAG file"] = Series([10.0])
    return made


def test_costs_are_made_of_what_was_measured() -> None:
    """Costs use wall clock of a quiet machine, processor time of a busy one, less the imports."""
    quiet, busy = (
        "2 cores (x), Linux; load 0.8 when it began",
        "2 cores (x); load 9.8 when it began",
    )
    assert [is_quiet(machine) for machine in (quiet, busy, "a machine")] == [True, False, False]
    made = measured([results("M", quiet, 2), results("S", busy, 1)])
    assert made.slot_s("S", "day 2") == pytest.approx(6 * 1 * 0.5 + 3)
    assert made.slot_s("M", "day 2") == pytest.approx(6 * 8 * 0.5 + 3)
    assert made.runs["M"]["day 2"][0].database_s == pytest.approx(4)
    assert made.database_s("M", "day 2") == pytest.approx(6 * 4)
    # Unknown for S, so the share of its time is that of M.
    assert made.database_s("S", "day 2") == pytest.approx(6 * 0.5)
    assert made.mib("L", "day 2") > made.mib("M", "day 2")
    assert any("L was not measured" in note for note in made.notes)
    cold = measured([results("M", quiet, 2), results("S", busy, 1)], is_warm=False)
    assert cold.slot_s("S", "day 2") == pytest.approx(6 * 1 + 3)
    with pytest.raises(CostsError, match="make bench SIZE=S"):
        measured([results("M", quiet, 2)])


def test_kept_costs_are_read_as_they_were_written(tmp_path: Path, costs: Costs) -> None:
    """Saved costs load unchanged; another file is refused with the command to run."""
    path = tmp_path / "costs.json"
    costs.save(path)
    assert Costs.load(path) == costs
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(CostsError, match="--costs-from"):
        Costs.load(path)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--shares", "S=1,M=1,L=1"], "have to come to 1 together"),
        (["--shares", "S"], "it takes S=0.9"),
        (["--districts", "0"], "numbers from 1 on"),
        (["--costs-from", "nowhere"], "run make bench SIZE=M"),
    ],
)
def test_invalid_option_ends_with_a_hint(
    words: list[str],
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An invalid share or folder of measurements ends the command with what to do."""
    monkeypatch.setattr(sys, "argv", ["capacity", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert hint in capsys.readouterr().err


def test_all_tables_are_printed(costs: Costs) -> None:
    """The output has all tables, with every number of districts, the same for the same seed."""
    kept = Kept.load()
    text, again = ("\n".join(as_markdown([20, 40], costs, kept, ASSUMED, SEED)) for _ in range(2))
    assert text == again
    for head in ("### What a run takes", "### Workers", "### Database and bucket"):
        assert head in text
    assert "| 20 districts | 40 districts |" in text


def test_the_page_lists_the_assumptions() -> None:
    """docs/scale.md has the current assumptions, and tables of the three numbers of districts."""
    page = (settings.PROJECT / "docs" / "scale.md").read_text("utf-8")
    assert with_part(page, "assumptions", "\n".join(assumptions(ASSUMED))) == page
    assert "| | 100 districts | 1,000 districts | 10,000 districts |" in page


def test_every_assumption_is_named(costs: Costs) -> None:
    """Each assumption has words, a value and a source; shares and kinds sum to one."""
    rows = list(ASSUMED.rows())
    assert len(rows) == len(dataclasses.fields(ASSUMED))
    assert all(all(cells) for cells in rows)
    for shares in (ASSUMED.shares, ASSUMED.kinds, ASSUMED.hours, ASSUMED.minutes):
        assert sum(shares.values()) == pytest.approx(1)
    assert set(ASSUMED.kinds) <= set(KINDS)
    assert isinstance(costs.runs["S"]["day 1"][0], Stage)
