"""Airflow's API server in this process, behind our plugin, for tests of what the plugin refuses.

    with served("simple") as server:
        server.asks("op", "POST", "/api/v2/dags/oneroster_upload__routes/dagRuns", json={…})

Airflow's metadata is a SQLite file of the tests' Airflow home; nothing else of Airflow runs. The
DAGs are those of the site `routes`, the watch, and `payroll`, which is not one of ours.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.api_fastapi import app as airflow_app
from click.testing import CliRunner
from starlette.testclient import TestClient

from conftest import ADMIN
from oneroster_sync.cli import main
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx2

ALL, OURS = "airflow", "oneroster"
"""The scopes of the guard."""
SITE, FOREIGN, MARK = "routes", "payroll", "zqpath"
SYNC, UPLOAD, WATCH = dag_names.sync_dag_id(SITE), dag_names.upload_dag_id(SITE), dag_names.WATCH
MANAGERS = {
    "simple": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
    "fab": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
}
ROLES = ("viewer", "user", "op", "admin")
PLAIN, GRAVER = "plain", "graver"
"""Ended runs of the upload DAG: one of a package, and one of an ids.csv."""
_FOREIGN_FILE = """
from airflow.sdk import DAG, Asset, task
with DAG("payroll", schedule=None, tags=["money"]):
    @task(outlets=[Asset("file:///payroll")])
    def pay(): ...
    pay()
"""


@dataclass
class Server:
    """An API server on an auth manager, guarded in one scope, with its logged-in people."""

    manager: str
    client: TestClient
    tokens: Mapping[str, str]

    def asks(self, who: str | None, method: str, path: str, **more: Any) -> httpx2.Response:
        """Send a request as this person, or without a login."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        headers |= more.pop("headers", {})
        answer: httpx2.Response = self.client.request(method, path, headers=headers, **more)
        return answer


@pytest.fixture(scope="module", params=["simple", "fab"])
def tokens(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield an auth manager and a token for each role."""
    CliRunner().invoke(main, ["init", "--site", SITE, "--admin", ADMIN])
    with prepared(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield request.param, found


@pytest.fixture(scope="module")
def servers(tokens: tuple[str, dict[str, str]]) -> Iterator[dict[str, Server]]:
    """Yield the same Airflow under both scopes of the guard."""
    with served(*tokens, ALL) as everything, served(*tokens, OURS) as ours:
        yield {ALL: everything, OURS: ours}


@pytest.fixture(params=[ALL, OURS])
def server(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Server:
    """Return an Airflow under one of the scopes, with its initial runs."""
    runs_anew()
    return servers[request.param]


@contextlib.contextmanager
def prepared(manager: str, folder: Path) -> Iterator[dict[str, str]]:
    """Set the auth manager in use, and yield the token of a person of each role."""
    from airflow.utils.db import initdb

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", MANAGERS[manager])
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(folder / "pw.json"))
        users = ",".join(f"{role}:{role}" for role in ROLES)
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", users)
        airflow_app.purge_cached_app()
        initdb()
        _dags(folder)
        airflow_app.init_auth_manager()
        try:
            yield {role: _token(manager, role) for role in ROLES}
        finally:
            airflow_app.purge_cached_app()


@contextlib.contextmanager
def served(manager: str, tokens: Mapping[str, str], guard: str) -> Iterator[Server]:
    """Yield a server whose guard has this scope."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEROSTER_GUARD", guard)
        patch.setenv("ONEROSTER_HSTS_SECONDS", "86400")
        app = airflow_app.create_app(apps="core")
        client = TestClient(app, "http://localhost", raise_server_exceptions=False)
        client.get("/api/v2/version")  # now the guard reads its settings
        yield Server(manager, client, tokens)


def _token(manager: str, role: str) -> str:
    auth = airflow_app.get_auth_manager()
    if manager == "simple":
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

        return str(auth.generate_jwt(SimpleAuthManagerUser(username=role, role=role)))
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        security = builder.sm
        found = security.find_user(username=role) or security.add_user(
            role, role, role, f"{role}@example.org", security.find_role(role.capitalize()), role
        )
        return str(auth.generate_jwt(found))


def _dags(folder: Path) -> None:
    """Store the DAGs in Airflow's metadata, as if it had parsed their files."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    (folder / "payroll.py").write_text(_FOREIGN_FILE)
    ours = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]) / "oneroster.py"
    with create_session() as session:
        session.merge(DagBundleModel(name="dags-folder"))
    for dag_id, file in {
        SYNC: ours,
        UPLOAD: ours,
        WATCH: ours,
        FOREIGN: folder / "payroll.py",
    }.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)
            bag = DagBag(file, bundle_name="dags-folder", bundle_path=file.parent)
        assert not bag.import_errors, bag.import_errors
        bag.dags = {dag_id: bag.dags[dag_id]}
        sync_bag_to_db(bag, "dags-folder", None)
    with create_session() as session:
        assert session.get(DagModel, SYNC) is not None
    runs_anew()


def runs_anew() -> None:
    """Leave only ended runs: one of a package, one of an ids.csv, and one of the other DAG."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import delete, update

    now = dt.datetime.now(dt.UTC)
    with create_session() as session:
        session.execute(delete(DagRun))
        session.execute(update(DagModel).values(is_paused=True))
        for dag_id, run_id, asked in (
            (UPLOAD, PLAIN, {"package": f"/{MARK}/users.csv", "kind": "users"}),
            (UPLOAD, GRAVER, {"package": f"/{MARK}/ids.csv", "kind": "ids"}),
            (FOREIGN, PLAIN, {"shown": "to all"}),
        ):
            session.add(
                DagRun(
                    dag_id=dag_id,
                    run_id=run_id,
                    run_type=DagRunType.MANUAL,
                    state="failed",
                    conf=asked,
                    run_after=now,
                    queued_at=now,
                    triggered_by=DagRunTriggeredByType.TEST,
                )
            )


def is_paused(dag_id: str) -> bool:
    """Return whether a DAG is paused."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        return bool(session.get_one(DagModel, dag_id).is_paused)
