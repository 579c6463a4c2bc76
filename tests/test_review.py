"""The review in a real Airflow: a held plan asks for a decision, and one decision counts.

A decision on any page or command is recorded with the run first, and the waiting DAG run continues
from there. No one below administrator can decide anywhere.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest

from browser import browsing, log_in
from conftest import csv_text
from live import QUESTION, STAGES, UPLOAD, running, wait_for
from oneroster_sync.database.embedded import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from live import Live, Person

pytestmark = pytest.mark.long
MARK = "zqmark"
HEADER = "sourcedId,role,givenName,familyName,email"
WAITING = {
    **dict.fromkeys(("extract", "validate", "diff", "review"), "success"),
    QUESTION: "awaiting_input",
    "apply": None,
    "record": None,
}
APPROVED = dict.fromkeys((*STAGES, QUESTION), "success")
ENDED = {**APPROVED, "apply": "skipped"}


def staff(count: int) -> bytes:
    """Return a users.csv of numbered teachers with marked names and addresses."""
    rows = (f"u{n},teacher,{MARK}{n},{MARK},{MARK}{n}@x.org" for n in range(count))
    return csv_text(HEADER, *rows).encode()


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """An Airflow of its own, with the site `default`."""
    with running() as live:
        yield live


@pytest.fixture
def held(live: Live) -> dict[str, Any]:
    """A run whose DAG run waits for a decision about six of ten users."""
    listed = live.admin.get("sites/default/runs", outcome="held", limit=1)["runs"]
    if listed:
        run: dict[str, Any] = live.admin.get(f"runs/{listed[0]['run_id']}")
        if states(live, run) == WAITING and active(live) == 10:
            return run
    if active(live) != 10:
        live.follow(live.person("op").upload(staff(10), "users"))
    return synced(live, 4)


def synced(live: Live, count: int) -> dict[str, Any]:
    """Upload so many users as an operator, and return the run when it is held."""
    run = live.follow(live.person("op").upload(staff(count), "users"))
    assert run["outcome"] == "held", run["sentence"]
    return run


def states(live: Live, run: dict[str, Any]) -> dict[str, str | None]:
    """Return the state of each stage of a run's DAG run, and of its question."""
    tasks = live.admin.ask("GET", f"{of(run)}/taskInstances")["task_instances"]
    found = {task["task_id"]: task["state"] for task in tasks}
    return {name: found[name] for name in APPROVED}


def of(run: dict[str, Any], api: str = "/api/v2") -> str:
    """Return the path of a run's DAG run in Airflow's API."""
    dag_run = quote(run["dag_run"]["dag_run_id"], safe="")
    return f"{api}/dags/{run['dag_run']['dag_id']}/dagRuns/{dag_run}"


def question(live: Live, run: dict[str, Any]) -> dict[str, Any]:
    """Return Airflow's question about a run."""
    path = f"{of(run)}/taskInstances/{QUESTION}/-1/hitlDetails"
    found: dict[str, Any] = live.admin.ask("GET", path)
    return found


def answer(
    who: Person, run: dict[str, Any], option: str = "Approve", *, path: str = "", **values: Any
) -> httpx.Response:
    """Answer Airflow's question about a run, as its own pages do."""
    values = {"plan_hash": run["plan_hash"], "reason": "new school", **values}
    body = {"chosen_options": [option], "params_input": values}
    path = path or f"{of(run)}/taskInstances/{QUESTION}/-1/hitlDetails"
    headers = {} if who.token else {"Sec-Fetch-Site": "same-origin"}
    return who.send("PATCH", path, json=body, headers=headers)


def ended(live: Live, run: dict[str, Any]) -> dict[str, Any]:
    """Wait for a run's DAG run to end, and return the run."""
    return live.decided(run["run_id"])


def an_hour_goes_by(live: Live, run: dict[str, Any]) -> None:
    """Set the time of the next look at a run's record to the past."""
    statement = "update task_instance set trigger_timeout = now() - interval '1 s'"
    change(live, "airflow", statement, run)


def change(live: Live, database: str, statement: str, run: dict[str, Any]) -> None:
    """Change the row of a run's question, or of the run, directly in the database."""
    keys = (
        "task_id = 'review_decision' and run_id = %s"
        if database == "airflow"
        else "run_id::text = %s"
    )
    key = run["dag_run"]["dag_run_id"] if database == "airflow" else run["run_id"]
    with psycopg.connect(postgres.url(live.home, database)) as connection:
        done = connection.execute(f"{statement} where {keys}".encode(), (key,))
        assert done.rowcount == 1


def active(live: Live) -> int:
    """Return the number of active users with a sourcedId."""
    query = "select count(*) from users where sourced_id is not null and status = 'active'"
    return int(live.rows(query)[0][0])


def events(live: Live, run: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the audit of the decision about a run."""
    query = (
        "select event, actor, details ->> 'reason', details ->> 'plan_hash' from events "
        "where details ->> 'run_id' = %s order by id"
    )
    return live.rows(query, run["run_id"])


def test_held_plan_asks_for_a_decision(live: Live, held: dict[str, Any]) -> None:
    """Required Actions show the reasons, the counts, the expiry and a link to the run.

    The waiting task takes no slot, and its texts have no personal data.
    """
    assert states(live, held) == WAITING
    asked = question(live, held)
    assert asked["options"] == ["Approve", "Discard"]
    assert asked["subject"].startswith("default: 6 of 10 users would be deactivated; only 4 of 10")
    body = re.sub(r"\\(.)", r"\1", asked["body"])
    assert "- 6 of 10 users would be deactivated (60.0 %). Limit: less than 10 % or fewer" in body
    assert "| Users | 6 |" in body
    assert f"](plugin/oneroster/runs/{held['run_id']})" in body
    assert f"`{held['plan_hash']}`" in body
    assert "Expires " in body
    assert asked["params"]["plan_hash"]["schema"]["const"] == held["plan_hash"]
    assert asked["response_received"] is False
    assert MARK not in json.dumps(asked)
    shown = {stage["stage"]: stage["state"] for stage in held["dag_run"]["stages"]}
    assert shown == {stage: WAITING[stage] for stage in STAGES} | {"review": "awaiting_input"}
    assert held["can"]["approve"] is True
    assert held["findings"]["errors"] + held["findings"]["warnings"] > 0


@pytest.mark.case("c00")
@pytest.mark.parametrize("role", ["viewer", "user", "op", None])
def test_only_administrators_may_answer(live: Live, held: dict[str, Any], role: str | None) -> None:
    """Airflow lets everyone who may run a DAG answer; we refuse that, in every spelling."""
    who = live.person(role) if role else live.nobody
    task = f"{of(held)}/taskInstances"
    for path in (
        f"{task}/{QUESTION}/-1/hitlDetails",
        f"{task}/{quote(QUESTION).replace('_', '%5F')}/-1/hitlDetails",
        f"{task}/{QUESTION}/%2D1/hitlDetails",
        f"{of(held).replace('oneroster', '%6Fneroster')}/taskInstances/{QUESTION}/-1/hitlDetails",
    ):
        for option in ("Approve", "Discard"):
            refused = answer(who, held, option, path=path)
            assert refused.status_code == (403 if role else 401), (path, refused.text)
            assert refused.json()["detail"].endswith(".")
    assert question(live, held)["response_received"] is False
    assert live.admin.get(f"runs/{held['run_id']}")["decision"] is None
    assert states(live, held) == WAITING
    assert events(live, held) == []


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b'{"chosen_options": ["Approve"], "params_input": {}}', 422, "plan_hash"),
        (b'{"chosen_options": ["Approve", "Discard"]}', 422, "Approve or Discard"),
        (b'{"chosen_options": ["Reject"]}', 422, "Approve or Discard"),
        (b'{"chosen_options": [', 422, "JSON"),
        (b"[]", 422, "JSON object"),
        (b" " * 70_000, 413, "bytes"),
    ],
    ids=["no plan", "both", "another", "no JSON", "no object", "too large"],
)
def test_answer_without_a_decision_is_refused(
    live: Live, held: dict[str, Any], body: bytes, status: int, reason: str
) -> None:
    """An answer without a decision and a plan decides nothing."""
    path = f"{of(held)}/taskInstances/{QUESTION}/-1/hitlDetails"
    headers = {"Content-Type": "application/json"}
    refused = live.admin.send("PATCH", path, content=body, headers=headers)
    assert (refused.status_code, reason in refused.json()["detail"]) == (status, True), refused.text
    assert question(live, held)["response_received"] is False
    assert events(live, held) == []


def test_answer_about_another_plan_is_refused(live: Live, held: dict[str, Any]) -> None:
    """An answer about another plan is refused with 409, and a cross-site answer with 403."""
    for option in ("Approve", "Discard"):
        refused = answer(live.admin, held, option, plan_hash="0" * 64)
        assert (refused.status_code, refused.json()["code"]) == (409, "run.decided")
        assert held["plan_hash"] in refused.json()["detail"]
    live.nobody.http.cookies.set("_token", live.admin.token or "")
    try:
        path = f"{of(held)}/taskInstances/{QUESTION}/-1/hitlDetails"
        headers = {"Sec-Fetch-Site": "cross-site"}
        foreign = live.nobody.send("PATCH", path, json={}, headers=headers)
    finally:
        live.nobody.http.cookies.clear()
    assert (foreign.status_code, foreign.json()["code"]) == (403, "web.origin")
    assert question(live, held)["response_received"] is False
    assert events(live, held) == []


def test_unrecorded_answer_does_not_count(live: Live, held: dict[str, Any]) -> None:
    """An answer that bypassed the check is logged, and the question is open again."""
    statement = (
        "update hitl_detail set responded_at = now(), chosen_options = '[\"Approve\"]' "
        "from task_instance t"
    )
    dag_run = held["dag_run"]["dag_run_id"]
    with psycopg.connect(postgres.url(live.home, "airflow")) as connection:
        where = "where t.id = ti_id and t.run_id = %s"
        assert connection.execute(f"{statement} {where}".encode(), (dag_run,)).rowcount == 1
    an_hour_goes_by(live, held)
    wait_for(lambda: question(live, held)["response_received"] is False or None)
    wait_for(lambda: states(live, held) == WAITING or None)
    log = live.admin.send("GET", f"runs/{held['run_id']}/log").text
    assert "it does not count" in log.partition(f"=== {QUESTION}, try 1 ===")[2]
    assert live.admin.get(f"runs/{held['run_id']}")["decision"] is None
    assert active(live) == 10


def test_plan_is_discarded_in_airflow(live: Live, held: dict[str, Any]) -> None:
    """A discard drops the plan: apply is skipped, the DAG run succeeds, and no approval follows."""
    assert answer(live.admin, held, "Discard", reason="wrong year").status_code == 200
    run = ended(live, held)
    assert (run["outcome"], run["dag_run"]["state"]) == ("discarded", "success")
    assert states(live, run) == ENDED
    assert run["sentence"] == "Discarded by admin, nothing was changed."
    assert events(live, run) == [("plan_discarded", "admin", "wrong year", held["plan_hash"])]
    refused = answer(live.admin, held)
    assert (refused.status_code, refused.json()["code"]) == (409, "run.decided")
    assert "discarded by admin" in refused.json()["detail"]
    assert active(live) == 10


def test_administrator_approves_on_airflows_own_page(live: Live, held: dict[str, Any]) -> None:
    """Required Actions show reasons and counts, and an approval there applies the plan.

    The run's own page names who approved, and the audit has the reason and the plan.
    """
    with browsing() as page:
        log_in(page, live.origin)
        page.goto(f"{live.origin}/required_actions?response_received=false")
        page.get_by_role("link", name="6 of 10 users would be deactivated").click()
        page.get_by_text("6 of 10 users would be deactivated (60.0 %)").wait_for()
        assert page.get_by_role("row", name="Users 6").is_visible()
        assert page.get_by_text(held["plan_hash"]).is_visible()
        link = page.get_by_role("link", name="See every change of the plan")
        of_run = f"{live.origin}/plugin/oneroster/runs/{held['run_id']}"
        assert link.evaluate("a => a.href") == of_run
        page.locator("input[name=element_reason]").fill("a new school")
        page.get_by_test_id("hitl-option-Approve").click()
        run = ended(live, held)
        page.goto(of_run)
        page.get_by_text("Applied after approval by admin: 6 users deactivated.").first.wait_for()
    assert states(live, run) == APPROVED
    assert (run["outcome"], run["decision"]["reason"]) == ("succeeded", "a new school")
    assert events(live, run) == [("plan_approved", "admin", "a new school", held["plan_hash"])]
    changes = "select distinct requested_by from changes where run_id = %s"
    assert live.rows(changes, run["run_id"]) == [("op, approved by admin",)]
    assert active(live) == 4
    late = answer(live.admin, held)
    assert late.status_code == 409
    assert "approved by admin" in late.json()["detail"]


def test_approval_on_the_command_line_ends_the_dag_run(live: Live, held: dict[str, Any]) -> None:
    """An approval on the command line applies the plan at once; the DAG run notices it later."""
    assert live.oneroster("approve", held["run_id"])["outcome"] == "succeeded"
    assert active(live) == 4
    run = ended(live, held)
    assert states(live, run) == APPROVED
    assert run["applied_at"] < run["dag_run"]["stages"][4]["started_at"]
    assert len(events(live, run)) == 1


def test_plan_without_a_decision_expires(live: Live, held: dict[str, Any]) -> None:
    """When a plan expires it is discarded, and its DAG run ends without a failure."""
    change(live, "roster", "update runs set expires_at = now() - interval '1 s'", held)
    an_hour_goes_by(live, held)
    run = ended(live, held)
    assert run["sentence"] == "Discarded, nothing was changed: nobody decided within 72 hours."
    assert (run["outcome"], run["dag_run"]["state"]) == ("discarded", "success")
    assert states(live, run) == ENDED
    assert [event[:2] for event in events(live, run)] == [("plan_expired", "OneRoster")]
    assert active(live) == 10


def test_held_run_blocks_no_other(live: Live, held: dict[str, Any]) -> None:
    """While a plan is held the next package is synced, and its plan supersedes the older one."""
    newer = synced(live, 3)
    older = live.admin.get(f"runs/{held['run_id']}")
    assert older["outcome"] == "superseded"
    assert f"run {newer['run_id']} of " in older["sentence"]
    refused = answer(live.admin, held)
    assert (refused.status_code, newer["run_id"] in refused.json()["detail"]) == (409, True)
    an_hour_goes_by(live, held)
    assert states(live, ended(live, held)) == ENDED
    assert states(live, newer) == WAITING
    assert active(live) == 10


def test_question_marked_as_done_decides_nothing(live: Live, held: dict[str, Any]) -> None:
    """A question that is marked as done by hand leaves the plan held, and it can still be approved.

    Airflow's own form is closed then, and the DAG run continues when the run's page approves.
    """
    mark(live, held, QUESTION)
    run = ended(live, held)
    assert (run["outcome"], run["decision"], active(live)) == ("held", None, 10)
    refused = answer(live.admin, held)
    assert (refused.status_code, "own page" in refused.json()["detail"]) == (409, True)
    live.admin.post(f"runs/{run['run_id']}/approve", {"plan_hash": run["plan_hash"]})
    run = ended(live, run)
    assert (run["outcome"], run["dag_run"]["state"]) == ("succeeded", "success")
    assert active(live) == 10 - run["counts"]["users"]["deactivated"]


def test_approved_plan_that_was_not_applied_fails(live: Live, held: dict[str, Any]) -> None:
    """If apply is marked as done by hand, nothing is applied, and the DAG run fails.

    The approval remains: after a clear, apply applies the plan.
    """
    mark(live, held, "apply")
    assert answer(live.admin, held).status_code == 200
    run = ended(live, held)
    assert (run["outcome"], run["dag_run"]["state"], active(live)) == ("held", "failed", 10)
    again = {"dry_run": False, "task_ids": ["apply", "record"], "only_failed": False}
    again["dag_run_id"] = run["dag_run"]["dag_run_id"]
    live.person("op").ask("POST", f"/api/v2/dags/{UPLOAD}/clearTaskInstances", json=again)
    wait_for(lambda: live.admin.get(f"runs/{run['run_id']}")["applied_at"])
    run = ended(live, run)
    assert (run["outcome"], run["dag_run"]["state"], active(live)) == ("succeeded", "success", 4)
    assert len(events(live, run)) == 1


def mark(live: Live, run: dict[str, Any], task: str) -> None:
    """Mark a task of a run's DAG run as done, as an operator."""
    path = f"{of(run)}/taskInstances/{task}"
    live.person("op").ask("PATCH", path, json={"new_state": "success"})


def test_plan_of_a_paused_dag_is_applied_when_it_is_approved(
    live: Live, held: dict[str, Any]
) -> None:
    """Airflow never continues a paused DAG's run, so an approval applies the plan itself."""
    dag = f"/api/v2/dags/{UPLOAD}"
    live.admin.ask("PATCH", dag, json={"is_paused": True})
    try:
        assert answer(live.admin, held).status_code == 200
        assert live.admin.get(f"runs/{held['run_id']}")["outcome"] == "succeeded"
        assert active(live) == 4
    finally:
        live.admin.ask("PATCH", dag, json={"is_paused": False})
    assert states(live, ended(live, held)) == APPROVED
