"""Measure a sync by the real DAG and an empty DAG of the same structure, in turns."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from benchmarks import PROJECT
from live import EVERYTHING, UPLOAD, Live, running, wait_for
from oneroster_sync.database.embedded import postgres

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EMPTY = "empty"
_LOCAL = "airflow.dag_processing.bundles.local.LocalDagBundle"
_BUNDLES = [
    {"name": "dags-folder", "classpath": _LOCAL, "kwargs": {}},
    {
        "name": "benchmarks",
        "classpath": _LOCAL,
        "kwargs": {"path": str(PROJECT / "benchmarks" / "dags")},
    },
]
_TOOK = """
select extract(epoch from end_date - queued_at)::float from dag_run
where dag_id = %s and run_id = %s
"""


@dataclass(slots=True)
class EndToEnd:
    """Seconds from the queueing of a DAG run to its end, by kind of run."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, seconds: float) -> None:
        """Add one DAG run."""
        self.seconds.setdefault(what, []).append(seconds)


def measure(packages: Mapping[str, Path], *, rounds: int) -> EndToEnd:
    """Run the DAGs in turns.

    Args:
        packages: Name of the measurement → package, synced in this order in each round; from the
            second round on, the first package is no longer a first sync.
        rounds: Number of rounds.
    """
    took = EndToEnd()
    folders = {str(package.parent) for package in packages.values()}
    settings = {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(_BUNDLES),
        "ONEROSTER_ALLOWED_PACKAGES": " ".join(folders),
    }
    with running(*EVERYTHING, settings=settings) as live:
        wait_for(lambda: live.api.has_dag(EMPTY) or None)
        _run(live, EMPTY, {})  # warms up imports and caches
        for number in range(rounds):
            for name, package in packages.items():
                took.add(EMPTY, _run(live, EMPTY, {}))
                asked = {"package": str(package), "kind": "package"}
                what = name if number == 0 or name != next(iter(packages)) else "back to it"
                took.add(what, _run(live, UPLOAD, asked))
    return took


def _run(live: Live, dag_id: str, conf: Mapping[str, str]) -> float:
    run = live.wait(live.api.trigger(dag_id, conf))
    assert run.state == "success", live.logs(run)
    with psycopg.connect(postgres.url(live.home, "airflow")) as connection:
        row = connection.execute(_TOOK, [run.dag_id, run.run_id]).fetchone()
    assert row is not None
    return float(row[0])
