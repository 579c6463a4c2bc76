"""Decisions through the API: the first decision about a held plan counts, and undo is possible."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from conftest import csv_text
from live import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live import Live, Person

HEADER = "sourcedId,role,givenName,familyName,email"
ADMINS = ("admin", "second")


def staff(count: int) -> str:
    """Return a users.csv of numbered teachers."""
    rows = (f"u{n},teacher,Given{n},Family,u{n}@x.org" for n in range(count))
    return csv_text(HEADER, *rows)


EVERYBODY, FEWER = staff(10), staff(4)
"""Six of ten users are missing: more than a threshold lets pass."""


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """An Airflow of its own with two administrators, and the site `default` with ten users."""
    with running() as live:
        assert synced(live, EVERYBODY)["outcome"] == "succeeded"
        yield live


def synced(live: Live, users: str) -> dict[str, Any]:
    """Upload a users.csv as an operator, and return the run when it has ended."""
    return live.follow(live.person("op").upload(users.encode(), "users"))


def held(live: Live) -> dict[str, Any]:
    """Return a run that is held because of six of ten users."""
    run = newest(live, "held")
    if run is None:
        if active(live) != 10:
            synced(live, EVERYBODY)
        run = synced(live, FEWER)
    assert run["outcome"] == "held"
    return run


def newest(live: Live, *outcomes: str) -> dict[str, Any] | None:
    """Return the newest run with one of these outcomes, or None."""
    listed = live.admin.get("sites/default/runs", outcome=outcomes, limit=1)["runs"]
    return live.admin.get(f"runs/{listed[0]['run_id']}") if listed else None


def active(live: Live) -> int:
    """Return the number of active users with a sourcedId."""
    query = "select count(*) from users where sourced_id is not null and status = 'active'"
    return int(live.rows(query)[0][0])


def audited(live: Live, run: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return who requested a run's changes, who is credited with them, and how many they are."""
    query = (
        "select c.requested_by, u.email, count(*), count(distinct c.user_id) from changes c "
        "join users u on u.id = c.credited_admin_id where c.run_id = %s group by 1, 2"
    )
    return live.rows(query, run["run_id"])


def events(live: Live, run: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the decisions of people about a run from the audit."""
    query = (
        "select event, actor, details ->> 'reason' from events "
        "where details ->> 'run_id' = %s order by id"
    )
    return live.rows(query, run["run_id"])


def states(run: dict[str, Any]) -> dict[str, Any]:
    """Return the state of each stage of a run's DAG run."""
    return {stage["stage"]: stage["state"] for stage in run["dag_run"]["stages"]}


def approve(who: Person, run: dict[str, Any], expect: int | None = None, **body: Any) -> Any:
    """Approve a run's plan."""
    body = {"plan_hash": run["plan_hash"], "reason": "new school", **body}
    return who.post(f"runs/{run['run_id']}/approve", body, expect)


def test_discarded_plan_is_never_applied(live: Live) -> None:
    """A discarded run names who discarded it, changes nothing, and accepts no other decision."""
    run = held(live)
    assert states(run) == {
        **dict.fromkeys(("extract", "validate", "diff"), "success"),
        "review": "awaiting_input",
        **dict.fromkeys(("apply", "record")),
    }
    ended = live.admin.post(f"runs/{run['run_id']}/discard", {"reason": " wrong year "})
    assert ended["outcome"] == "discarded"
    assert (ended["decision"]["by"], ended["decision"]["reason"]) == ("admin", "wrong year")
    assert ended["can"] == {"approve": False, "discard": False, "undo": False}
    assert ended["sentence"] == "Discarded by admin, nothing was changed."
    refused = approve(live.person("second"), run, 409)
    assert refused["code"] == "run.decided"
    assert "discarded by admin" in refused["detail"]
    assert (
        "discarded by admin" in live.admin.post(f"runs/{run['run_id']}/discard", {}, 409)["detail"]
    )
    assert events(live, run) == [("plan_discarded", "admin", "wrong year")]
    assert active(live) == 10
    ended = live.follow({**run["dag_run"], "run_id": run["run_id"]})
    assert (ended["outcome"], ended["dag_run"]["state"]) == ("discarded", "success")
    assert states(ended)["apply"] == "skipped"


def test_run_of_the_command_line_is_approved_here_too(live: Live, tmp_path: Path) -> None:
    """A held run without a DAG run is applied when it is approved on its page."""
    (tmp_path / "users.csv").write_text(FEWER)
    made = live.oneroster("sync", str(tmp_path), "--scope", "users")
    run = live.admin.get(f"runs/{made['run_id']}")
    assert (run["outcome"], run["dag_run"]) == ("held", None)

    applied = approve(live.admin, run)

    assert (applied["outcome"], applied["dag_run"]) == ("succeeded", None)
    assert active(live) == 4
    approved_by = f"{run['requested_by']}, approved by admin"
    assert audited(live, run) == [(approved_by, "admin@example.org", 6, 6)]
    assert "approved by admin" in approve(live.person("second"), run, 409)["detail"]


def test_only_the_plan_that_was_looked_at_is_approved(live: Live) -> None:
    """An approval names the hash of the plan; another hash, or none, is refused."""
    run = held(live)
    refused = approve(live.admin, run, 409, plan_hash="0" * 64)
    assert run["plan_hash"] in refused["detail"]
    for body in ({"plan_hash": ""}, {"plan_hash": "x" * 64}, {"plan_hash": None}, {}):
        live.admin.post(f"runs/{run['run_id']}/approve", body, 422)
    live.admin.post(f"runs/{run['run_id']}/discard", {"reason": "x" * 501}, 422)
    now = live.admin.get(f"runs/{run['run_id']}")
    assert (now["outcome"], now["decision"]) == ("held", None)
    assert events(live, run) == []
    assert active(live) == 10


@pytest.mark.case("b16")
def test_approved_plan_is_applied_once_by_its_own_dag_run(live: Live) -> None:
    """When two people click twice at once, one of them wins, and the plan is applied once."""
    run = held(live)
    start = threading.Barrier(4)
    answers: list[tuple[str, int, dict[str, Any]]] = []

    def click(name: str) -> None:
        who = live.person(name)
        start.wait()
        body = {"plan_hash": run["plan_hash"], "reason": "new school"}
        answer = who.send("POST", f"runs/{run['run_id']}/approve", json=body)
        answers.append((name, answer.status_code, answer.json()))

    clicks = [threading.Thread(target=click, args=[name]) for name in ADMINS * 2]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()

    winners = {name for name, status, _ in answers if status == 202}
    assert len(winners) == 1, answers
    (winner,) = winners
    for name, status, content in answers:
        assert status in {202, 409}
        if name != winner:
            assert f"approved by {winner}" in content["detail"]
    behind = run["dag_run"]
    ended = live.follow({**behind, "run_id": run["run_id"]})
    assert ended["outcome"] == "succeeded"
    assert ended["sentence"] == f"Applied after approval by {winner}: 6 users deactivated."
    assert set(states(ended).values()) == {"success"}
    tries = {stage["stage"]: stage["try_number"] for stage in ended["dag_run"]["stages"]}
    assert (tries["extract"], tries["validate"], tries["diff"]) == (1, 1, 1)
    assert ended["decision"]["by"] == winner
    assert ended["plan_hash"] == run["plan_hash"]
    assert audited(live, run) == [(f"op, approved by {winner}", "admin@example.org", 6, 6)]
    assert events(live, run) == [("plan_approved", winner, "new school")]
    assert active(live) == 4


def test_applied_run_is_undone_by_a_run(live: Live) -> None:
    """Undo starts a run that undoes an applied run, and names it."""
    run = newest(live, "succeeded")
    if run is None or run["decision"] is None:
        waiting = held(live)
        approve(live.admin, waiting)
        run = live.follow({**waiting["dag_run"], "run_id": waiting["run_id"]})
    assert run["can"]["undo"] is True
    before = active(live)

    undone = live.follow(live.admin.post(f"runs/{run['run_id']}/undo", {}))

    assert (undone["type"], undone["undoes"]) == ("Undo of a run", run["run_id"])
    assert undone["outcome"] == "succeeded"
    assert undone["package"] is None
    assert active(live) == before + run["counts"]["users"]["deactivated"]
    assert audited(live, undone) == [("admin", "admin@example.org", 6, 6)]
    story = live.admin.get(f"runs/{undone['run_id']}/changes")["changes"]
    assert {(c["reason"], c["file"]) for c in story} == {(f"undo of run {run['run_id']}", None)}


def test_run_that_changed_nothing_can_not_be_undone(live: Live) -> None:
    """A run without changes can't be undone, and no run starts."""
    run = newest(live, "discarded", "no_changes") or held(live)
    before = live.admin.get("sites/default/runs")["total"]
    refused = live.admin.post(f"runs/{run['run_id']}/undo", {}, 409)
    assert "nothing to undo" in refused["detail"]
    assert live.admin.get("sites/default/runs")["total"] == before


@pytest.mark.parametrize("verb", ["approve", "discard", "undo"])
@pytest.mark.parametrize("run", ["00000000-0000-0000-0000-000000000000", "nonsense"])
def test_missing_run_accepts_no_decision(live: Live, verb: str, run: str) -> None:
    """A decision about a missing run is 404 with a message."""
    body = {"plan_hash": "0" * 64} if verb == "approve" else {}
    assert "There is no run" in live.admin.post(f"runs/{run}/{verb}", body, 404)["detail"]
