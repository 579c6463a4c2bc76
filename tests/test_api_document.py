"""The API does what its OpenAPI document says, for any request."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks
from schemathesis.specs.openapi.definitions import OPENAPI_31

from live import PROBLEM, SYNC, UPLOAD, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy
    from schemathesis import Case

    from live import Live

pytestmark = pytest.mark.long

OPENAPI = "openapi.json"
ANY_REFUSAL = {"400", "401", "403", "404", "422", "503"}
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
EXAMPLES = 30
"""Number of requests to each operation that fit the document, and of those that do not."""
STARTS_RUNS = ("/uploads", "/runs", "/undo", "/sites", "/copy")
SPARE = "spare"
"""The site for archive and restore; the other sites must stay as they are."""
RESTS = ("/archive", "/restore")
FEW = 4
"""The same number for operations that start a DAG run or make a site each time."""


@pytest.fixture(scope="module")
def live(data: Path) -> Iterator[Live]:
    """A running Airflow with an applied run, a held one and a rejected one."""
    with running() as live:
        live.oneroster("init", "--site", SPARE, "--admin", "admin@example.org")
        live.upload(data / "district-small-1.1.zip")
        live.upload(data / "classlink-template")
        live.upload(data / "microsoft-sds")
        # DAG runs that are started from here on stay queued.
        live.api._call("PATCH", f"/api/v2/dags/{UPLOAD}", body={"is_paused": True})
        yield live


@pytest.fixture(scope="module")
def document(live: Live) -> dict[str, Any]:
    """The OpenAPI document that the API serves."""
    found: dict[str, Any] = live.admin.get(OPENAPI)
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the operations by method and path."""
    return {
        f"{method} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_document_is_valid_openapi(document: dict[str, Any]) -> None:
    """The document is valid OpenAPI 3.1, and each type in it is a valid JSON Schema."""
    assert document["openapi"].startswith("3.1")
    jsonschema_rs.validator_for(OPENAPI_31).validate(document)
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


@pytest.mark.case("c00")
def test_every_operation_has_a_description_and_a_permission(document: dict[str, Any]) -> None:
    """Each operation has a description, a permission, and a way to log in."""
    for name, operation in operations(document).items():
        assert operation["summary"], name
        assert operation["description"].startswith(operation["summary"]), name
        assert operation["x-permission"] in {"read", "details", "operate", "administer"}, name
        assert operation["description"].endswith(f"Permission: {operation['x-permission']}."), name
        assert operation["security"], name
        for parameter in operation.get("parameters", []):
            assert parameter["schema"], name


def test_every_answer_has_a_type(document: dict[str, Any]) -> None:
    """Each operation has one successful answer, and each error is a problem document."""
    for name, operation in operations(document).items():
        answers = operation["responses"]
        good = [status for status in answers if int(status) < 300]
        assert good in (["200"], ["202"]), name
        (content,) = answers[good[0]]["content"].items()
        kind, body = content
        assert kind in {"application/json", "text/csv", "text/plain", "application/zip"}, name
        assert "$ref" in body["schema"] or kind != "application/json", name
        assert set(answers) >= ANY_REFUSAL, name
        for status in set(answers) - set(good):
            problem = {"schema": {"$ref": "#/components/schemas/ProblemBody"}}
            assert answers[status]["content"] == {PROBLEM: problem}, (name, status)
            assert answers[status]["description"], (name, status)


@pytest.mark.parametrize(
    ("operation", "refusals"),
    [
        ("put /api/v1/sites/{site}/preferences", {"409"}),
        ("put /api/v1/sites/{site}/enabled", {"409"}),
        ("post /api/v1/sites", {"409"}),
        ("post /api/v1/sites/{site}/copy", {"409"}),
        ("post /api/v1/sites/{site}/archive", {"409"}),
        ("post /api/v1/sites/{site}/restore", {"409"}),
        ("post /api/v1/sites/{site}/uploads", {"408", "409", "411", "413", "415", "507"}),
        ("post /api/v1/sites/{site}/runs", {"409"}),
        ("post /api/v1/sites/{site}/notices/test", {"409"}),
        ("get /api/v1/runs/{run_id}/changes", {"410"}),
        ("get /api/v1/sites/{site}/changes", {"410"}),
        ("get /api/v1/runs/{run_id}/log", {"410"}),
        ("get /api/v1/runs/{run_id}/adoption", {"410"}),
        ("get /api/v1/runs/{run_id}/adoption.csv", {"410"}),
        ("post /api/v1/runs/{run_id}/approve", {"409"}),
        ("post /api/v1/runs/{run_id}/discard", {"409"}),
        ("post /api/v1/runs/{run_id}/undo", {"409", "410"}),
    ],
)
def test_special_refusals_are_declared(
    document: dict[str, Any], operation: str, refusals: set[str]
) -> None:
    """Each operation declares the errors that only it can return."""
    assert set(operations(document)[operation]["responses"]) >= refusals


def test_every_type_is_used(document: dict[str, Any]) -> None:
    """Each type of the document is used."""
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_document_needs_a_login(live: Live) -> None:
    """The document is not readable without a login."""
    live.nobody.get(OPENAPI, expect=401)
    assert live.person("viewer").get(OPENAPI)["info"]["title"] == "OneRoster sync"


@pytest.mark.parametrize(
    "reason", [r"\u0000", r"\ud800", r"\u001b[2J", "x" * 501, "\xff", r"a\u0008"]
)
def test_no_reason_breaks_a_decision(live: Live, reason: str) -> None:
    """A reason that the database cannot store is refused, and the plan stays held."""
    (run,) = live.admin.get("sites/default/runs", outcome="held")["runs"]
    body = f'{{"reason": "{reason}"}}'.encode("latin-1")
    headers = {"Content-Type": "application/json"}
    where = f"runs/{run['run_id']}/discard"
    answer = live.admin.send("POST", where, content=body, headers=headers)
    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == PROBLEM
    assert live.admin.get(f"runs/{run['run_id']}")["can"]["discard"]


@pytest.mark.parametrize(
    "path",
    ["runs", "trend", "preferences", "preferences/saves", "accounts", "records", "freshness"],
)
def test_unknown_site_is_not_found(live: Live, path: str) -> None:
    """A request for an unknown site gets 404, and not an empty list."""
    detail = live.admin.get(f"sites/nowhere/{path}", expect=404, q="a")["detail"]
    assert "no site 'nowhere'" in detail


@pytest.fixture(scope="module")
def real(live: Live) -> list[dict[str, Any]]:
    """Real values of path parameters."""
    runs = live.admin.get("sites/default/runs")["runs"]
    assert {"succeeded", "held", "rejected"} <= {run["outcome"] for run in runs}
    behind = [live.admin.get(f"runs/{run['run_id']}")["dag_run"] for run in runs]
    site = {"site": "default"}
    return [
        *({"run_id": run["run_id"]} for run in runs),
        *({"dag_id": run["dag_id"], "dag_run_id": run["dag_run_id"]} for run in behind),
        {"dag_id": SYNC},
        {"dag_id": "none_of_ours"},
        *(
            {**site, "kind": record["kind"], "record_id": record["id"]}
            for record in live.admin.get("sites/default/records", q="a")["records"][:2]
        ),
        site,
    ]


@pytest.mark.case("c14")
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_answers_are_as_the_document_says(
    live: Live, document: dict[str, Any], real: list[dict[str, Any]], mode: GenerationMode
) -> None:
    """No request makes an operation fail or return an undeclared answer.

    Requests that do not fit the document are refused.
    """
    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
    schema = schemathesis.openapi.from_dict(document, config=config)
    broken: dict[str, str] = {}
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        rests = operation.path.endswith(RESTS)
        there = [{"site": SPARE}] if rests else real
        known = [it for it in there if all(f"{{{name}}}" in operation.path for name in it)]
        cases = st.one_of(
            operation.as_strategy(mode),
            *(operation.as_strategy(mode, path_parameters=named) for named in known),
        )
        try:
            ask(live, cases, FEW if operation.path.endswith(STARTS_RUNS) else EXAMPLES)
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, (
                "only an operation without input may have no invalid request"
            )
        except (Exception, FailureGroup) as error:  # noqa: BLE001  go on with the other operations
            broken[operation.label] = "".join(traceback.format_exception_only(error))
    assert not broken, "\n\n".join(f"{label}: {text}" for label, text in broken.items())


def ask(live: Live, cases: SearchStrategy[Case[Any]], examples: int) -> None:
    """Send requests and compare their answers with the document."""
    headers = {"Authorization": f"Bearer {live.admin.token}"}

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def send(case: Case[Any]) -> None:
        # Airflow's server refuses a path with a line break before the API gets it.
        assume("%0A" not in case.formatted_path)
        # Any bytes are a valid body of an upload: they are checked later, when a run reads them.
        held_to = CHECKS[:-1] if case.media_type == "application/octet-stream" else CHECKS
        case.call_and_validate(base_url=f"{live.origin}/oneroster", headers=headers, checks=held_to)

    send()
