"""Airflow's own routes to our DAGs ask for the permissions that our pages ask for.

The tests use both auth managers. The API server runs in this process, once with a guard for the
whole Airflow and once with one for requests to our DAGs, beside a DAG of another team. The routes
come from Airflow's own OpenAPI document, so that these tests name the new routes of a new version.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import airflow
import pytest
import yaml

from oneroster_airflow import airflow_routes
from served import ALL, OURS, ROLES, SYNC, UPLOAD, Server, server, servers, tokens

__all__ = ["server", "servers", "tokens"]
GHOST = "oneroster_upload__ghost"
"""A DAG with one of our names that Airflow does not have, so that no request has an effect."""
_FOLDER = Path(airflow.__file__).parent / "api_fastapi/core_api/openapi"
DOCUMENTS = [
    yaml.load((_FOLDER / name).read_text("utf-8"), yaml.CSafeLoader)
    for name in ("v2-rest-api-generated.yaml", "_private_ui.yaml")
]
OPERATIONS = {
    (method.upper(), path): operation
    for document in DOCUMENTS
    for path, methods in document["paths"].items()
    for method, operation in methods.items()
    if method != "parameters"
}
WRITING = {
    route: operation["operationId"]
    for route, operation in OPERATIONS.items()
    if route[0] not in {"GET", "HEAD", "OPTIONS"}
}
LOOKS = {
    *("favorite_dag", "unfavorite_dag", "reparse_dag_file", "generate_token"),
    *("get_list_dag_runs_batch", "get_task_instances_batch", "create_backfill_dry_run"),
    *("patch_task_instance_dry_run", "patch_task_instance_dry_run_by_map_index"),
    "patch_task_group_instances_dry_run",
}
"""Routes for readers: they change at most the reader's own data."""
RUNS = {
    *("trigger_dag_run", "patch_dag_run", "bulk_dag_runs", "clear_dag_run", "clear_dag_runs"),
    *("patch_task_instance", "patch_task_instance_by_map_index", "bulk_task_instances"),
    *("post_clear_task_instances", "patch_task_group_instances", "materialize_asset"),
}
"""Routes for operators: start, clear and mark."""
OF_ALL = re.compile(r"_(connections?|pools?|variables?)$|connection_test$|default_connections$")
"""Routes about the whole of Airflow."""
UNPLACED = re.compile(r"^/api/v2/(assets/(\{|events)|backfills/\{|dags$)")
"""Routes that name a DAG otherwise than by its id."""
PLACED = [r for r in WRITING if not OF_ALL.search(WRITING[r]) and not UNPLACED.search(r[1])]


def filled(path: str) -> str:
    """Return a path that names a DAG of ours."""
    given = {"dag_id": GHOST, "task_id": "apply", "map_index": "-1", "try_number": "1"}
    return re.sub(r"\{(\w+)\}", lambda it: given.get(it[1], "1"), path)


def body() -> dict[str, Any]:
    """Return a body that names a DAG of ours wherever a route may look for one."""
    entity = {"dag_id": GHOST, "dag_run_id": "none", "task_id": "apply"}
    return {
        "dag_id": GHOST,
        "dag_run_id": "none",
        "dry_run": False,
        "is_paused": False,
        "logical_date": None,
        "conf": {},
        "chosen_options": ["Approve"],
        "actions": [{"action": "update", "entities": [entity]}],
        "dag_runs": [entity],
    }


def test_every_writing_route_of_airflow_is_known(servers: dict[str, Server]) -> None:
    """The guard knows the writing routes of Airflow's OpenAPI document, and no others.

    If this fails after an upgrade of Airflow, it names the routes that need a decision.
    """
    known, documented = set(airflow_routes.WRITING), set(WRITING)
    assert sorted(documented - known) == [], "new in this Airflow"
    assert sorted(known - documented) == [], "no longer in this Airflow"
    live = servers[ALL].client.app.openapi()["paths"]  # type: ignore[attr-defined]
    mounted = {
        (method.upper(), path)
        for path, methods in live.items()
        for method in methods
        if method not in {"get", "head", "options"}
    }
    assert sorted(mounted - known) == [], "served but not documented"


def properties(
    schema: Any, document: dict[str, Any], seen: frozenset[str] = frozenset()
) -> set[str]:
    """Return the names of all properties, at any depth, that a value of a schema may have."""
    if isinstance(schema, list):
        return set().union(*(properties(each, document, seen) for each in schema))
    if not isinstance(schema, dict):
        return set()
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in seen:
        return set()
    if name:
        return {name} | properties(document["components"]["schemas"][name], document, seen | {name})
    found = set(schema.get("properties", {}))
    parts = [*schema.get("properties", {}).values()]
    parts += [schema.get(key) for key in ("items", "anyOf", "oneOf", "allOf")]
    return found | properties(parts, document, seen)


def test_every_answer_with_parameters_of_runs_is_known() -> None:
    """The guard knows each reading route that shows parameters of runs or the log of a task."""
    shown = set()
    for document in DOCUMENTS:
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                is_read = method == "get" or path.endswith("/list")
                answers = operation["responses"] if is_read else {}
                schemas = [
                    content.get("schema")
                    for status, answer in answers.items()
                    for content in answer.get("content", {}).values()
                    if status == "200"
                ]
                found = properties(schemas, document)
                if found & {"conf", "dag_run_conf", "EventLogResponse"}:
                    shown.add(path)
    assert shown == set(airflow_routes.PARAMETERS)
    logs = {path for _, path in OPERATIONS if re.search(r"/(logs|externalLogUrl)/", path)}
    assert logs == set(airflow_routes.LOGS)


@pytest.mark.case("c00", "c21")
@pytest.mark.parametrize("route", PLACED, ids=WRITING.get)
def test_route_to_our_dag_asks_for_what_our_pages_ask_for(
    server: Server, route: tuple[str, str]
) -> None:
    """Reading needs a reader, running an operator, and all else an administrator."""
    name, (method, path) = WRITING[route], route
    for role in ROLES:
        answer = server.asks(role, method, filled(path), json=body())
        refused = (answer.status_code, (answer.json() or {}).get("code")) if answer.content else ()
        may = role == "admin" or name in LOOKS or (name in RUNS and role == "op")
        asked = "operate" if name in RUNS else "administer"
        assert (refused == (403, f"permission.{asked}")) is not may, (role, answer.text)
    if name not in LOOKS:
        assert server.asks(None, method, filled(path), json=body()).status_code == 401


@pytest.mark.case("c21")
def test_routes_of_all_of_airflow_need_an_administrator_in_our_deployments(
    servers: dict[str, Server],
) -> None:
    """A guard of all Airflow leaves e.g. pools to administrators; else Airflow decides."""
    routes = [route for route in WRITING if OF_ALL.search(WRITING[route])]
    assert len(routes) == 15
    for method, path in routes:
        answer = servers[ALL].asks("op", method, filled(path), json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "permission.administer")
        answer = servers[OURS].asks("op", method, filled(path), json={})
        assert not answer.content or "code" not in answer.json(), (path, answer.text)
        answer = servers[ALL].asks("admin", method, filled(path), json={})
        assert not answer.content or "code" not in answer.json(), (path, answer.text)


@pytest.mark.case("c21")
@pytest.mark.parametrize("path", ["/api/v2/brandNew", "/ui/brandNew", "/plugin-of-others/write"])
def test_a_route_that_is_not_known_is_refused_in_our_deployments(
    servers: dict[str, Server], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Our deployments refuse an unknown route; elsewhere Airflow's are refused for our DAGs.

    An unknown route that passes is logged at most once.
    """
    for role in ROLES:
        answer = servers[ALL].asks(role, "POST", path, json={"x": 1})
        assert (answer.status_code, answer.json()["code"]) == (403, "route.unknown")
    assert servers[ALL].asks(None, "POST", path).status_code == 401
    for _ in range(2):
        assert servers[OURS].asks("admin", "POST", path, json={"x": 1}).status_code in {404, 405}
    noted = [record for record in caplog.records if f"POST {path}" in record.getMessage()]
    assert len(noted) <= 1
    is_airflows = not path.startswith("/plugin")
    for asked in ({"json": {"a": [{"b": UPLOAD}]}}, {"params": {"dag": SYNC}}):
        answer = servers[OURS].asks("admin", "POST", path, **asked)
        assert (answer.status_code == 403) is is_airflows, answer.text
