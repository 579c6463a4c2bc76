"""Measure many sites at rest: their cost while nothing is due, and the time of single actions.

All syncs are paused. Then the benchmark creates one more site, uploads a package, reads the lists,
and plans the changes of a file of all sites.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks.scale.production import ADMIN, as_seconds
from benchmarks.timing.services import cpu_s
from live import wait_for
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.scale.production import House

LISTS = ("sites", "sites/default/runs?limit=25")
_PROBE = "one-more-{count}"
_ASKED = 20
_WAIT_S = 1_200
_READS = [sys.executable, "-m", "benchmarks.scale.dag_file"]


@dataclass(frozen=True, slots=True)
class Rest:
    """The results for one number of sites.

    Attributes:
        sites: Number of sites.
        apply_s: Creating the new sites with `oneroster sites apply`.
        dags_s: Time from then until Airflow has all DAGs.
        dag_file_s: One parse of the DAG file.
        new_site_s: Time from the request for one more site until its DAGs exist.
        upload_s: Time of an upload, from the request to the end of its DAG run.
        idle_share: Service → its share of a core while nothing happens.
        airflow_mib: Size of Airflow's database.
        list_ms: List → median time of its answers.
        plan_s: Time of `oneroster sites plan` for the file of all sites.
    """

    sites: int
    apply_s: float | None
    dags_s: float
    dag_file_s: float
    new_site_s: float
    upload_s: float
    idle_share: dict[str, float]
    airflow_mib: float
    list_ms: dict[str, float]
    plan_s: float | None


def rest(house: House, counts: Sequence[int], *, idle_s: float) -> Iterator[Rest]:
    """Measure with each number of sites, first site included, in increasing order."""
    for number, count in enumerate(sorted(counts)):
        others = max(0, count - 1 - number)  # without the first site and those created one by one
        apply_s = house.apply(others, None) if others else None
        dags_s = house.wait_for_dags(others)
        yield Rest(
            sites=count,
            apply_s=apply_s,
            dags_s=dags_s,
            dag_file_s=_reading_s(house),
            idle_share=_idle(house, idle_s),
            airflow_mib=house.airflow_mib(),
            list_ms={path.partition("?")[0]: _asked_ms(house, path) for path in LISTS},
            plan_s=_plan_s(house, house.write_file(others, None)) if others else None,
            # The two days in turns: the package of the upload before would be recognised, and do
            # nothing.
            upload_s=_upload_s(house, day=1 + number % 2),
            new_site_s=_new_site_s(house, _PROBE.format(count=count)),
        )


def _reading_s(house: House) -> float:
    return median(as_seconds(house.run("dag-processor", *_READS)))


def _idle(house: House, seconds: float) -> dict[str, float]:
    services = house.services()
    before, began = cpu_s(services), time.perf_counter()
    time.sleep(seconds)
    after, passed = cpu_s(services), time.perf_counter() - began
    return {name: (after[name] - before[name]) / passed for name in services}


def _asked_ms(house: House, path: str) -> float:
    took = []
    for _ in range(_ASKED):
        began = time.perf_counter()
        house.there.live.admin.get(path)
        took.append((time.perf_counter() - began) * 1e3)
    return median(took[1:])  # without the first answer, because of imports and caches


def _plan_s(house: House, file: Path) -> float:
    began = time.perf_counter()
    done = house.there.live.oneroster("sites", "plan", str(file))
    assert done["outcome"] == "no_changes", done
    return time.perf_counter() - began


def _upload_s(house: House, day: int) -> float:
    began = time.perf_counter()
    started = house.upload(day)
    run = f"dag-runs/{started['dag_id']}/{quote(started['dag_run_id'], safe='')}"

    def has_ended() -> bool | None:
        state = house.there.live.admin.get(run)["dag_run"]["state"]
        assert state != "failed", started
        return state == "success" or None

    wait_for(has_ended, within_s=_WAIT_S)
    return time.perf_counter() - began


def _new_site_s(house: House, name: str) -> float:
    live, began = house.there.live, time.perf_counter()
    live.admin.post("sites", {"site": name, "admin": ADMIN}, expect=202)
    for dag_id in (dag_names.sync_dag_id(name), dag_names.upload_dag_id(name)):
        wait_for(lambda dag_id=dag_id: live.api.has_dag(dag_id) or None, within_s=_WAIT_S)  # type: ignore[misc]
    return time.perf_counter() - began
