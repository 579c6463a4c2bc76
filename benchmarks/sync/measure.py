"""Measure the sync of a district, compared with the limit and the peers.

    make bench SIZE=S|M|L        or: python -m benchmarks.sync.measure SIZE

Generates the districts, starts its own PostgreSQL in build/bench/, and lets every contestant sync
day 1, day 2 and day 3 in turns, in several rounds, each from a new database; ours syncs day 3 once
more. In every round it compares the results of ours and the limit in the database, and stops if a
row differs. Prints the tables, and writes them with a plot to build/bench/.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks import PROJECT
from benchmarks.districts import DAYS, SIZES, packages
from benchmarks.districts.days import AGAIN, NAMES
from benchmarks.report.documents import PERFORMANCE, PICTURES, README, write_parts
from benchmarks.report.plot import plot
from benchmarks.report.results import Results, Series
from benchmarks.report.tables import as_markdown, format_large, format_states, missed, syncs
from benchmarks.scale.dag_file import MAKE_SITES
from benchmarks.sync import through_airflow
from benchmarks.sync.agreement import DisagreementError, SyncResult, must_agree
from benchmarks.sync.contestants import (
    Dlt,
    FreeLimit,
    Ground,
    Limit,
    Ours,
    Plain,
    PolarsAdbc,
    Psql,
    Stages,
    validators,
)
from benchmarks.sync.server_work import watched
from benchmarks.timing.machine import QUIET, code_state, load, machine
from benchmarks.timing.processes import run
from oneroster_sync.database.embedded import postgres

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.sync.contestants import Contestant
    from benchmarks.timing.processes import Timed

OUT = PROJECT / "build" / "bench"
WHAT = dict(zip(DAYS, NAMES, strict=True))
SITES = (1, 100, 1000)
_SEED = 1
_ONCE_AT_L = {"pandas + to_sql", "dlt merge", "pandera", "GX, the ordinary way"}
_IMPORT = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)", re.MULTILINE)
_JULY = 7


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("size", nargs="?", default="S", choices=SIZES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the tables into the documents")
    parser.add_argument(
        "--check",
        action="store_true",
        help="one round; fail where a target that holds on any machine is missed twice over",
    )
    chosen = parser.parse_args()
    rounds = 1 if chosen.check else chosen.rounds
    if chosen.write and load() > QUIET:
        raise SystemExit(
            f"The load is {load():.1f}. Numbers that are kept are measured on a quiet machine: "
            f"wait until it is {QUIET:g} or less, or leave out --write."
        )
    try:
        results = measure(chosen.size, rounds)
    finally:
        postgres.stop(OUT / f"home-{chosen.size}")
    results.save(OUT / f"{chosen.size}.json")
    smaller = Results.load(OUT / "M.json") if chosen.size == "L" else None
    text = "\n".join(as_markdown(results, smaller))
    drawn = plot(results)
    (OUT / f"{chosen.size}.md").write_text(text + "\n", encoding="utf-8")
    (OUT / f"{chosen.size}.svg").write_text(drawn, encoding="utf-8")
    print(text)
    print(f"\nWritten to {OUT.relative_to(PROJECT)}: {chosen.size}.md, .json and .svg")
    if chosen.write:
        kept = {size: Results.load(OUT / f"{size}.json") for size in SIZES}
        write_parts(PERFORMANCE, {chosen.size: text, "state": format_states(kept)})
        (PICTURES / f"sync-{chosen.size}.svg").write_text(drawn, encoding="utf-8")
        if chosen.size == "M":
            write_parts(README, {"syncs": "\n".join(syncs(results))})
        if chosen.size == "L":
            write_parts(README, {"large": format_large(results)})
    if chosen.check and (wrong := missed(results)):
        raise SystemExit("\n".join(wrong))


def measure(size: str, rounds: int) -> Results:
    """Measure all contestants with a size.

    Raises:
        DisagreementError: Two contestants came to different results.
    """
    results = Results(size, machine(), state=code_state())
    _log(f"the districts of size {size}")
    today = dt.datetime.now(dt.UTC).date()
    # Until July the school year is the one that began the year before.
    folders = packages(size, _SEED, today.year - (today.month <= _JULY))
    if size == "L":
        slow = ", ".join(sorted(_ONCE_AT_L))
        results.notes.append(f"Of {slow} there is one round only: each takes minutes.")
    results.notes.append(f"Rounds: {rounds}.")
    ground = Ground(OUT / f"home-{size}")
    hashes: dict[int, set[str]] = {day: set() for day in DAYS}
    for number in range(rounds):
        _log(f"round {number + 1} of {rounds}")
        _sync_all(results, ground, folders, hashes, is_first=number == 0)
        _run_stages(results, ground, folders, hashes)
        _judge_all(results, ground, folders, is_first=number == 0)
        results.save(OUT / f"{size}.json")
    _log("reading the DAG file")
    _parse(results, ground)
    if size == "S":
        _log("through Airflow")
        days = {WHAT[day]: folder for day, folder in folders.items()}
        days[AGAIN] = folders[DAYS[-1]]
        took = through_airflow.measure(days, rounds=3)
        for what, seconds in took.seconds.items():
            results.series[f"{what}/through Airflow"] = Series(seconds)
    return results


def _sync_all(
    results: Results,
    ground: Ground,
    folders: dict[int, Path],
    hashes: dict[int, set[str]],
    *,
    is_first: bool,
) -> None:
    """Let every contestant sync all days, in turns by day, and compare ours with the limit."""
    ours, limit = Ours(ground), Limit(ground)
    others = (FreeLimit(ground), Psql(ground), PolarsAdbc(ground), Dlt(ground), Plain(ground))
    everybody: list[Contestant] = [ours, limit, *others]
    if results.size == "L" and not is_first:
        everybody = [one for one in everybody if one.name not in _ONCE_AT_L]
    for one in everybody:
        one.reset()
    for day in DAYS:
        # In turns by day, so that a machine that gets busy meanwhile is so for all.
        _time(results, ground, WHAT[day], "read + sha256", partial(_hash, ground, folders[day]))
        for one in everybody:
            timed = _time(results, ground, WHAT[day], one.name, partial(one.sync, folders[day]))
            if one is ours:
                summary = json.loads(timed.output)
                hashes[day].add(summary["plan_hash"])
                results.facts[WHAT[day]] = _to_text(summary)
        answers = SyncResult.of(ground.url(ours.database))
        must_agree(answers, SyncResult.of(ground.url(limit.database)), "the limit")
        if day == DAYS[-1] and answers.count("audit"):
            raise DisagreementError("the same package made changes")
    what, folder = AGAIN, folders[DAYS[-1]]
    _time(results, ground, what, "read + sha256", partial(_hash, ground, folder))
    timed = _time(results, ground, what, ours.name, partial(ours.sync, folder))
    hashes[DAYS[-1]].add(json.loads(timed.output)["plan_hash"])
    must_agree(SyncResult.of(ground.url(ours.database)), answers, "the run before")


def _run_stages(
    results: Results, ground: Ground, folders: dict[int, Path], hashes: dict[int, set[str]]
) -> None:
    """Sync all days stage by stage; the plan must have the same hash as before."""
    staged = Stages(ground)
    staged.reset()
    for day in DAYS:
        ground.settle()
        done, plan_hash = staged.stages(folders[day])
        hashes[day].add(plan_hash)
        if len(hashes[day]) > 1:
            raise DisagreementError(f"one package, two plans: {sorted(hashes[day])}")
        for stage, timed in done.items():
            results.add(f"{WHAT[day]}: {stage}", "stages", timed)
            took: Counter[str] = Counter()
            for micros, package in _IMPORT.findall(timed.errors):
                took[package] += int(micros)
            results.imports.setdefault(stage, []).append(took.total() / 1e6)
            results.packages.setdefault(stage, {name: n / 1e6 for name, n in took.items()})


def _judge_all(
    results: Results, ground: Ground, folders: dict[int, Path], *, is_first: bool
) -> None:
    """Let every validator check the package of day 2; ours and DuckDB must agree."""
    answers = {}
    for who, judge in validators(ground).items():
        if results.size == "L" and not is_first and who in _ONCE_AT_L:
            continue
        timed = _time(results, ground, "validation", who, partial(judge, folders[2]))
        answers[who] = timed.output
    listed = json.loads(answers["ours"])["list"]
    ours = sorted((f["code"], f["file"], f["row"], f["column"]) for f in listed)
    theirs = sorted(map(tuple, json.loads(answers["DuckDB SQL"])))
    if ours != theirs:
        odd = sorted(set(ours) ^ set(theirs))[:5]
        raise DisagreementError(f"ours and DuckDB's checks name different rows: {odd}")


def _parse(results: Results, ground: Ground) -> None:
    """Time the parsing of the DAG file with growing numbers of sites in a scratch database."""
    ground.recreate("sites")
    url = ground.url("sites")
    ground.oneroster("init", "--admin", "admin@example.org", database="sites")
    extra = {
        "ONEROSTER_DATABASE_URL": url,
        "ONEROSTER_HOME": str(ground.home / "parsing"),
        "AIRFLOW_HOME": str(ground.home / "parsing"),
    }
    for count in SITES:
        with psycopg.connect(url) as connection:
            for statement in MAKE_SITES.split(";\n"):
                connection.execute(statement.encode(), {"count": count})
        command = [sys.executable, "-m", "benchmarks.scale.dag_file"]
        timed = run(command, ground.environment | extra, PROJECT)
        seconds = json.loads(timed.output.splitlines()[-1])
        results.series[f"{count} sites/DAG file"] = Series(seconds)


def _time(results: Results, ground: Ground, what: str, who: str, act: Callable[[], Timed]) -> Timed:
    ground.settle()
    with watched(ground.url("postgres")) as work:
        timed = act()
    timed = replace(timed, server_cpu_s=work.cpu_s, wal_mib=work.wal_mib)
    results.add(what, who, timed)
    cost = (
        f"{timed.seconds:8.2f} s {timed.cpu_s:8.2f} CPU s {timed.peak_mib:8.0f} MiB "
        f"{work.cpu_s:8.2f} CPU s and {work.wal_mib:6.0f} MiB of WAL by PostgreSQL"
    )
    _log(f"  {what:<12} {who:<22} {cost}")
    return timed


def _hash(ground: Ground, package: Path) -> Timed:
    return ground.python("limit.hash_only", package, of=sys.executable)


def _to_text(summary: dict[str, Any]) -> str:
    """Return the results of a run as one line."""
    parts = []
    for kind, numbers in summary["counts"].items():
        changed = ", ".join(f"{n:,} {word}" for word, n in numbers.items() if n)
        parts.append(f"{kind}: {changed or 'nothing'}")
    found = summary["findings"]
    return f"{'; '.join(parts)}; {found['errors']:,} errors, {found['warnings']:,} warnings"


def _log(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
