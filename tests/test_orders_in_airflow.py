"""The shortest dangerous orders of marking and clearing tasks, performed in a live Airflow.

`test_orders.py` explores all orders in process; these tests show that its model matches Airflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from live import QUESTION, running, wait_for
from oneroster_sync.database import locks
from oneroster_sync.database.embedded import postgres
from orders import ATTACKS, SHORTEST, order_of
from run_states import EVERYBODY, PACKAGES, staff

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from live import Live, Person
    from run_states import Deed

pytestmark = pytest.mark.long
BUSY = {"scheduled", "queued", "running", "restarting", "up_for_retry", "up_for_reschedule"}
STATES = {"mark success": "success", "mark failed": "failed"}


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """A running Airflow whose site has ten people."""
    with running() as live:
        live.follow(live.person("op").upload(staff(EVERYBODY).encode(), "users"))
        assert active(live) == EVERYBODY
        yield live


def active(live: Live) -> int:
    """Return the number of active users with a sourcedId."""
    query = "select count(*) from users where sourced_id is not null and status = 'active'"
    return int(live.rows(query)[0][0])


def do(who: Person, started: dict[str, Any], deed: Deed) -> httpx.Response:
    """Mark or clear a task, as Airflow's own pages do."""
    dag, dag_run = f"/api/v2/dags/{started['dag_id']}", started["dag_run_id"]
    body: dict[str, Any] = {"include_downstream": deed.downstream}
    if deed.word == "clear":
        body |= {"dry_run": False, "only_failed": False, "task_ids": [deed.task]}
        body["dag_run_id"] = dag_run
        return who.send("POST", f"{dag}/clearTaskInstances", json=body)
    path = f"{dag}/dagRuns/{quote(dag_run, safe='')}/taskInstances/{deed.task}"
    return who.send("PATCH", path, json={**body, "new_state": STATES[deed.word]})


def stand_still(live: Live, started: dict[str, Any]) -> None:
    """Wait until the DAG run ends, or waits for nothing but a decision."""
    dag_run = f"/api/v2/dags/{started['dag_id']}/dagRuns/{quote(started['dag_run_id'], safe='')}"

    def stands_still() -> bool | None:
        tasks = live.admin.ask("GET", f"{dag_run}/taskInstances")["task_instances"]
        states = {task["task_id"]: task["state"] for task in tasks}
        if BUSY & set(states.values()):
            return None
        ended = live.admin.ask("GET", dag_run)["state"] in {"success", "failed"}
        return ended or states[QUESTION] == "awaiting_input" or None

    wait_for(stands_still)


@pytest.mark.case("b43")
@pytest.mark.parametrize("order", [*ATTACKS, *SHORTEST])
@pytest.mark.parametrize("role", ["op", "user"])
def test_nobody_is_deactivated_by_an_order_of_tasks(live: Live, role: str, order: str) -> None:
    """However a user marks and clears tasks, a plan without an approval is not applied.

    A user without the permission is refused, and nothing is applied either.
    """
    deeds, who = order_of(order), live.person(role)
    engine = sa.create_engine(postgres.url(live.home, "roster").replace("://", "+psycopg://", 1))
    with locks.hold_site_turn(engine, "default"):  # so that no task runs ahead
        started = live.person("op").upload(PACKAGES["dangerous"].encode(), "users")
        path = f"/api/v2/dags/{started['dag_id']}/dagRuns/{quote(started['dag_run_id'], safe='')}"
        extract = f"{path}/taskInstances/extract"
        wait_for(lambda: live.admin.ask("GET", extract)["state"] == "running" or None)
        answers = [do(who, started, deed) for deed in deeds.first]
    engine.dispose()
    stand_still(live, started)
    for deed in deeds.later:
        answers.append(do(who, started, deed))
        stand_still(live, started)
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200} or (role == "user" and statuses <= {200, 403}), answers[-1].text
    run = live.admin.get(f"runs/{started['run_id']}")
    assert (active(live), run["applied_at"]) == (EVERYBODY, None)
    if run["outcome"] == "held":
        live.admin.post(f"runs/{started['run_id']}/discard", {})
        assert active(live) == EVERYBODY
