"""Measure the pages' lists beside a list of Airflow's own, with years of runs stored.

    make bench-pages        or: python -m benchmarks.pages.measure [--keep HOME]

Starts its own PostgreSQL and Airflow in a temporary folder. It stores 1,000 sites: one with 10,000
runs, a million findings and as many DAG runs, the others with ten runs each. Then it sends requests
to both over HTTP with a token, alternately, and prints Markdown. Only the ratios matter: the
milliseconds depend on the machine and its load.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from benchmarks.pages.history import DAG_ID, RUNS, SITE, Stored, store
from benchmarks.pages.timed_requests import (
    CLIENTS,
    Case,
    Download,
    Memory,
    download,
    measure,
    percentile,
)
from oneroster_sync.local import airflow, runner
from oneroster_sync.local.airflow_api import Api
from oneroster_sync.local.console import step
from oneroster_sync.local.demo import make_site
from oneroster_sync.local.environment import environment, password_of, without_own_databases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psutil import Process

_ALL = "/oneroster/api/v1"
_OURS = f"{_ALL}/sites/{SITE}"
_LIST = f"/api/v2/dags/{DAG_ID}/dagRuns?limit=25"
_BESIDE = "DAG runs, as Airflow's page asks"
_PARTS = ("api-server", "dag-processor")
_PARSE_S = 120
_GOAL_MS = 300


@dataclass(frozen=True, slots=True)
class Measured:
    """All measurements."""

    cases: list[Case]
    csv: Download
    memory_mib: dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=120, help="requests of each, one at a time")
    parser.add_argument("--bursts", type=int, default=8, help=f"of each, {CLIENTS} at once")
    parser.add_argument("--keep", type=Path, help="a home to fill, or one filled before; it stays")
    chosen = parser.parse_args()
    with _home(chosen.keep) as home, _running(home) as (url, stored):
        measured = _measure(home, url, stored, rounds=chosen.rounds, bursts=chosen.bursts)
    print("\n".join(as_markdown(measured)))


def cases_of(stored: Stored, client: httpx.Client) -> list[Case]:
    """Return the requests: Airflow's lists, then ours."""
    run = f"/oneroster/api/v1/runs/{stored.heavy_run}"
    plan = f"/oneroster/api/v1/runs/{stored.held_run}/changes"
    middle = _middle(client)
    return [
        Case(_BESIDE, f"{_LIST}&order_by=-run_after", is_ours=False),
        Case("DAG runs, in no order", _LIST, is_ours=False),
        Case("DAG runs, the middle", f"{_LIST}&order_by=-run_after&offset=5000", is_ours=False),
        Case("DAG runs, filtered", f"{_LIST}&order_by=-run_after&state=failed", is_ours=False),
        Case("DAG runs, searched", f"{_LIST}&run_id_pattern=nowhere", is_ours=False),
        Case(
            "Task instances of all DAG runs",
            f"/api/v2/dags/{DAG_ID}/dagRuns/~/taskInstances?limit=50",
            is_ours=False,
        ),
        Case(
            "Grid of DAG runs",
            f"/ui/grid/runs/{DAG_ID}?limit=25&order_by=-run_after",
            is_ours=False,
        ),
        Case("Runs", f"{_OURS}/runs?limit=25"),
        Case("Runs, the middle", f"{_OURS}/runs?limit=25&before={middle}"),
        Case("Runs, filtered", f"{_OURS}/runs?limit=25&outcome=held&trigger=upload"),
        Case("Chart of runs", f"{_OURS}/trend?limit=60"),
        Case("One run", run),
        Case("Causes", f"{run}/causes"),
        Case("Findings", f"{run}/findings?limit=50"),
        Case("Findings, the last", f"{run}/findings?limit=50&after={stored.late_finding}"),
        Case("Findings, filtered", f"{run}/findings?limit=50&code=row.invalid_email"),
        Case("Findings, searched", f"{run}/findings?limit=50&q={stored.rare_id}"),
        Case("Findings, searched in vain", f"{run}/findings?limit=50&q=nobody@nowhere"),
        Case("Changes", f"{run}/changes?limit=50"),
        Case("Changes, the last", f"{run}/changes?limit=50&after={stored.late_change}"),
        Case("Changes, filtered", f"{run}/changes?limit=50&kind=course&action=add"),
        Case("Changes, searched", f"{run}/changes?limit=50&q={stored.email}"),
        Case("Changes, searched in vain", f"{run}/changes?limit=50&q=nobody@nowhere"),
        Case("Changes of a plan", f"{plan}?limit=50"),
        Case("Changes of a plan, the last", f"{plan}?limit=50&after=49000"),
        Case("Changes of a plan, searched", f"{plan}?limit=50&q=person+email+19999"),
        Case("Report", f"{run}/report"),
        Case("Records, searched", f"{_OURS}/records?q={stored.email[:4]}"),
        Case("Record and its story", f"{_OURS}/records/user/{stored.user_id}"),
        Case("Record of all sites, searched", f"{_ALL}/records?q={stored.family}"),
        Case("Record of all sites, by its beginning", f"{_ALL}/records?q={stored.family[:2]}"),
        Case("Record of all sites, searched in vain", f"{_ALL}/records?q=nobody@nowhere"),
        Case("Comparison with the run before", f"{run}/comparison"),
        Case("Log of 20,000 lines, the story", f"{run}/log?story=true"),
        Case("Preferences", f"{_OURS}/preferences"),
        Case("Saves of preferences", f"{_OURS}/preferences/saves"),
        Case("Calendar", f"{_OURS}/calendar?months=2"),
        Case("Roster over time", f"{_OURS}/roster-history"),
        Case("Decisions of a month", f"{_OURS}/decisions?month=2026-11"),
        Case("Status of a site", f"{_OURS}/status"),
        Case("Freshness of a site", f"{_OURS}/freshness"),
        Case("Sites, 1,000 of them", f"{_ALL}/sites"),
    ]


def as_markdown(measured: Measured) -> Iterator[str]:
    """Yield the lines of the tables."""
    beside = next(case for case in measured.cases if case.name == _BESIDE)
    yield f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    yield ""
    alone_heads = "| | kB | p50 ms | p95 ms | p95 ÷ Airflow's |"
    yield f"{alone_heads} {CLIENTS} clients: p50 | p95 | p50 ÷ Airflow's |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for case in measured.cases:
        alone, together = percentile(case.alone, 95), percentile(case.together, 50)
        cells = [
            case.name if case.is_ours else f"*Airflow:* {case.name}",
            f"{case.size / 1000:.0f}",
            f"{percentile(case.alone, 50):.0f}",
            f"{alone:.0f}{' **!**' if case.is_ours and alone >= _GOAL_MS else ''}",
            f"{alone / percentile(beside.alone, 95):.1f}",
            f"{together:.0f}",
            f"{percentile(case.together, 95):.0f}",
            f"{together / percentile(beside.together, 50):.1f}",
        ]
        yield f"| {' | '.join(cells)} |"
    csv = measured.csv
    yield ""
    yield (
        f"findings.csv of {csv.rows:,} rows, {csv.size / 1e6:.0f} MB: first byte after "
        f"{csv.first_ms:.0f} ms, the last after {csv.total_ms / 1000:.1f} s."
    )
    text = ", ".join(f"{mib:,.0f} MiB {when}" for when, mib in measured.memory_mib.items())
    yield f"Memory of the API server: {text}."


def _measure(home: Path, url: str, stored: Stored, *, rounds: int, bursts: int) -> Measured:
    memory = Memory(_servers(home))
    taken = {"at the start": memory.now()}
    # No proxy of the environment between the two.
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        password = password_of(environment(home, airflow.DEFAULT_PORT), "admin")
        login = client.post("/auth/token", json={"username": "admin", "password": password})
        client.headers["Authorization"] = (
            f"Bearer {login.raise_for_status().json()['access_token']}"
        )
        cases = cases_of(stored, client)
        with step(f"{len(cases)} requests, {rounds} times alone and {bursts} × {CLIENTS} at once"):
            with memory.watched():
                measure(cases, client, rounds=rounds, bursts=bursts)
            taken |= {"after all lists": memory.now(), "at their peak": memory.peak}
        with step("findings.csv"), memory.watched():
            csv = download(client, f"/oneroster/api/v1/runs/{stored.heavy_run}/findings.csv")
        taken["at the peak of findings.csv"] = memory.peak
    return Measured(cases, csv, taken)


def _middle(client: httpx.Client) -> str:
    """Return the cursor of the middle page, by reading all pages before it."""
    cursor = ""
    for _ in range(RUNS // 2 // 200):
        before = {"before": cursor} if cursor else {}
        page = client.get(f"{_OURS}/runs", params={"limit": 200, **before}).raise_for_status()
        cursor = page.json()["older"]
    return cursor


@contextlib.contextmanager
def _home(kept: Path | None) -> Iterator[Path]:
    """Yield the given home, or a new one that is deleted after the block."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def _running(home: Path) -> Iterator[tuple[str, Stored]]:
    """Run an Airflow on the home, fill it unless it is filled, and yield its address."""
    # No parse of the DAG file while requests are timed.
    quiet = {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600"}
    base = without_own_databases(os.environ) | quiet
    note = home / "stored.json"
    try:
        here = airflow.up(home, airflow.free_port(), parts=_PARTS, base=base, prepare=make_site)
        if not note.exists():
            password = password_of(here.environment, "admin")
            with (
                Api(here.url, password) as api,
                step(f"{RUNS:,} runs with all that belongs to them"),
            ):
                _wait_for_dag(api)
                api.trigger(DAG_ID, {})  # no scheduler runs, so the DAG run stays queued
                stored = store(home)
            note.write_text(json.dumps(asdict(stored)), encoding="utf-8")
        yield here.url, Stored(**json.loads(note.read_text(encoding="utf-8")))
    finally:
        airflow.down(home)


def _wait_for_dag(api: Api) -> None:
    deadline = time.monotonic() + _PARSE_S
    while not api.has_dag(DAG_ID):
        if time.monotonic() > deadline:
            raise SystemExit("Airflow did not read the DAG file: " + "\n".join(api.import_errors()))
        time.sleep(0.5)


def _servers(home: Path) -> list[Process]:
    """Return the processes of the API server."""
    found = runner.members(home)
    return [process for process in found if "api_server" in " ".join(process.cmdline())]


if __name__ == "__main__":
    main()
