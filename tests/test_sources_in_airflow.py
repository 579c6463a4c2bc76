"""Scheduled syncs from remote sources, through the real DAG and real Airflow connections."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from live import SYNC, Live, running, wait_for
from servers import BUCKET, HOST, LOGIN, PASSWORD, copy_into, s3_server, sftp_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers import S3, Sftp

pytestmark = pytest.mark.long
PREFERENCES = "sites/default/preferences"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """An Airflow whose sync is enabled, but not due soon."""
    with running() as live:
        live.admin.put("sites/default/enabled", {"enabled": True})
        yield live


@pytest.fixture(scope="module")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sftp]:
    """An SFTP server."""
    with sftp_server(tmp_path_factory.mktemp("sftp")) as server:
        yield server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """An S3 server."""
    with s3_server() as server:
        yield server


def connect(live: Live, name: str, kind: str, extra: dict[str, Any], **fields: Any) -> None:
    """Create a connection in Airflow, or update it."""
    body = {"connection_id": name, "conn_type": kind, "extra": json.dumps(extra), **fields}
    known = live.api._call("GET", "/api/v2/connections")["connections"]
    if name in {each["connection_id"] for each in known}:
        live.api._call("PATCH", f"/api/v2/connections/{name}", body=body)
    else:
        live.api._call("POST", "/api/v2/connections", body=body)


def choose(live: Live, **settings: str) -> None:
    """Save some preferences."""
    before = live.admin.get(PREFERENCES)
    body = {"version": before["version"], "settings": {**before["settings"], **settings}}
    live.admin.put(PREFERENCES, body)


def synced(live: Live) -> tuple[dict[str, Any], str]:
    """Sync from the site's own source; return the run and its log."""
    run = live.follow(live.admin.post("sites/default/runs"))
    dag_run = live.api.run(SYNC, run["dag_run"]["dag_run_id"])
    return run, live.logs(dag_run)


def test_a_package_comes_from_an_sftp_server(live: Live, sftp: Sftp, data: Path) -> None:
    """The DAG logs in with the connection, syncs and moves the package, and logs no secret."""
    package = copy_into(sftp.folder / "out", data / "district-small-1.1.zip")
    fields = {"host": HOST, "port": sftp.port, "login": LOGIN, "password": PASSWORD}
    connect(live, "sis_sftp", "sftp", sftp.extra(), **fields)
    choose(
        live,
        source=f"sftp://{HOST}/out",
        source_connection="sis_sftp",
        source_after="move",
    )
    run, log = synced(live)
    assert (run["outcome"], run["package"]) == ("succeeded", f"sftp://{HOST}/out")
    assert run["counts"]["users"]["added"] == 20
    assert "The package is OneRoster.zip." in log
    assert not package.exists()
    (moved,) = (sftp.folder / "out" / "done").iterdir()
    assert f"The package is now at done/{moved.name}." in log
    assert PASSWORD not in log


def test_a_wrong_password_fails_at_once(live: Live, sftp: Sftp) -> None:
    """A wrong password fails without a retry, and the run names the cause."""
    wrong = "wr0ng-secret-of-the-sis"
    fields = {"host": HOST, "port": sftp.port, "login": LOGIN, "password": wrong}
    connect(live, "sis_sftp", "sftp", sftp.extra(), **fields)
    choose(live, source=f"sftp://{HOST}/out", source_connection="sis_sftp")
    run, log = synced(live)
    assert run["outcome"] == "failed"
    assert f"{HOST} refused the login of sis_sftp" in run["sentence"]
    (finding,) = live.admin.get(f"runs/{run['run_id']}/findings")["findings"]
    assert finding["code"] == "source.login_refused"
    extract = next(s for s in run["dag_run"]["stages"] if s["stage"] == "extract")
    assert (extract["state"], extract["try_number"]) == ("failed", 1)
    assert wrong not in log


def test_a_connection_that_is_not_there_is_named(live: Live) -> None:
    """A missing Airflow connection is named."""
    choose(live, source=f"sftp://{HOST}/out", source_connection="nobody")
    run, _ = synced(live)
    assert "Airflow has no connection nobody" in run["sentence"]


def test_a_package_comes_from_s3(live: Live, s3: S3, data: Path) -> None:
    """The DAG reads an object of a bucket with the keys of a connection."""
    s3.put("out/OneRoster.zip", (data / "district-small-1.1.zip").read_bytes())
    connect(live, "sis_s3", "aws", s3.extra(), login=s3.key, password=s3.secret)
    choose(
        live,
        source=f"s3://{BUCKET}/out",
        source_connection="sis_s3",
        source_after="leave",
    )
    run, log = synced(live)
    assert run["outcome"] == "no_changes"
    assert s3.keys() == ["out/OneRoster.zip"]
    assert s3.secret not in log


def test_a_source_that_is_away_is_tried_again(live: Live, s3: S3) -> None:
    """Airflow retries a source that does not answer."""
    extra = s3.extra(endpoint_url=f"http://{HOST}:9")
    connect(live, "sis_s3", "aws", extra, login=s3.key, password=s3.secret)
    choose(live, source=f"s3://{BUCKET}/out", source_connection="sis_s3")
    started = live.admin.post("sites/default/runs")
    dag_run = live.api.run(SYNC, started["dag_run_id"])
    wait_for(lambda: live.states(dag_run).get("extract") == "up_for_retry" or None)
