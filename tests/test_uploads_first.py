"""The tasks of an upload go before those of syncs, because a person waits for the upload.

An Airflow has one slot. One run holds it, the syncs of several other sites wait, and then a package
is uploaded. A task's weight depends on its DAG alone, not on who started it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
import yaml

from live import EVERYTHING, STAGES, running, wait_for
from oneroster_sync.database import locks
from oneroster_sync.database.embedded import postgres
from oneroster_sync.sites import dag_names
from places import zipped
from roster_of import SCHOOL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live import Live

pytestmark = pytest.mark.long

ADMIN = "admin@example.org"
OTHERS = ("east", "north", "south", "west")
BUSY = "busy"
ONE_SLOT = {"AIRFLOW__CORE__PARALLELISM": "1"}
BEGUN = """
select dag_id, task_id from task_instance where start_date > %s and operator <> ''
and state <> 'skipped' order by start_date
"""


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """An Airflow with one slot, for its executor and its pool."""
    with running(*EVERYTHING, settings=ONE_SLOT) as live:
        live.admin.ask("PATCH", "/api/v2/pools/default_pool?update_mask=slots", json={"slots": 1})
        yield live


def of_airflow(live: Live, query: str, *bound: object) -> list[tuple[Any, ...]]:
    """Query Airflow's own database."""
    with psycopg.connect(postgres.url(live.home, "airflow")) as connection:
        return connection.execute(query, bound).fetchall()


def apply_sites(live: Live, folder: Path, package: Path) -> None:
    """Make the other sites, and one that keeps the slot busy."""
    sites = {name: {"credited_admin": ADMIN, "source": str(package)} for name in (*OTHERS, BUSY)}
    file = folder / "sites.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "sites": sites}), "utf-8")
    output = live.oneroster("sites", "apply", str(file))
    assert output["outcome"] == "succeeded", output


def test_an_upload_goes_before_syncs_that_wait(live: Live, tmp_path: Path) -> None:
    """Each stage of the upload gets the next free slot, although other runs wait longer."""
    package = tmp_path / "OneRoster.zip"
    package.write_bytes(zipped(SCHOOL))
    apply_sites(live, tmp_path, package)
    for name in (*OTHERS, BUSY):
        wait_for(lambda name=name: live.api.has_dag(dag_names.sync_dag_id(name)) or None)  # type: ignore[misc]
        live.admin.put(f"sites/{name}/enabled", {"enabled": True})
    url = postgres.url(live.home, "roster").replace("postgresql", "postgresql+psycopg", 1)
    with locks.hold_site_turn(sa.create_engine(url), BUSY):
        live.admin.post(f"sites/{BUSY}/runs")
        wait_for(lambda: states(live, [BUSY], "running"))
        for name in OTHERS:
            live.admin.post(f"sites/{name}/runs")
        wait_for(lambda: states(live, OTHERS, "scheduled"))
        started = live.admin.upload(zipped(SCHOOL))
        upload = started["dag_id"]
        query = "select 1 from task_instance where dag_id = %s and task_id = %s and state = %s"
        wait_for(lambda: of_airflow(live, query, upload, STAGES[0], "scheduled") or None)
        (released,) = of_airflow(live, "select now()")
    assert live.follow(started)["outcome"] == "succeeded"

    begun = [dag_id for dag_id, _ in of_airflow(live, BEGUN, *released)]
    assert begun[0] == upload
    places = [place for place, dag_id in enumerate(begun) if dag_id == upload]
    assert len(places) == len(STAGES)
    # A slot may become free before Airflow knows that the upload's next stage is due, so that one
    # other task may run in between, but not two.
    assert all(after - before <= 2 for before, after in itertools.pairwise(places))


def test_all_tasks_of_an_upload_weigh_more(live: Live) -> None:
    """The lightest task of an upload weighs more than all tasks of a sync together."""
    upload, sync = (
        live.api._call("GET", f"/api/v2/dags/{dag_id}/tasks")["tasks"]
        for dag_id in (dag_names.upload_dag_id("default"), dag_names.sync_dag_id("default"))
    )
    assert {task["weight_rule"] for task in upload} == {"absolute"}
    lightest = min(task["priority_weight"] for task in upload)
    assert lightest > sum(task["priority_weight"] for task in sync)


def test_later_stages_weigh_more(live: Live) -> None:
    """Later stages of scheduled runs weigh more than earlier ones."""
    query = "select distinct task_id, priority_weight from task_instance where dag_id = %s"
    weights = dict(of_airflow(live, query, dag_names.sync_dag_id(OTHERS[0])))
    along = [weights[stage] for stage in STAGES]
    assert along == sorted(along)
    assert len(set(along)) == len(along)


def states(live: Live, sites: tuple[str, ...] | list[str], state: str) -> bool | None:
    """Return True if the first task of each site's scheduled DAG is in a state, else None."""
    query = """
    select count(distinct dag_id) from task_instance
    where task_id = %s and state = %s and dag_id = any(%s)
    """
    ids = [dag_names.sync_dag_id(name) for name in sites]
    return of_airflow(live, query, STAGES[0], state, ids) == [(len(ids),)] or None
