"""The values for Airflow's Helm chart fit the chart, our image and Airflow, and have no secret."""

from __future__ import annotations

import copy
import gzip
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft7Validator

from oneroster_sync import settings
from oneroster_sync.sites import allow_list, dag_names

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[1]
VALUES = PROJECT / "deploy" / "helm" / "values.yaml"
SCHEMA = PROJECT / "tests" / "data" / "airflow-chart-1.21.0" / "values.schema.json.gz"
DOCKERFILE = (PROJECT / "Dockerfile").read_text("utf-8")
OF_CLOUD = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}
"""Variables that s3fs and Airflow's Amazon provider read."""
OF_PREPARE = {"ADMIN_USERNAME", "ADMIN_EMAIL", "ADMIN_PASSWORD"}
"""Variables that deploy/prepare.sh reads."""


@pytest.fixture(scope="module")
def text() -> str:
    """The values as text."""
    return VALUES.read_text("utf-8")


@pytest.fixture
def values(text: str) -> dict[str, Any]:
    """The values, parsed."""
    read: dict[str, Any] = yaml.safe_load(text)
    return read


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The chart's JSON Schema of its values."""
    read: dict[str, Any] = json.loads(gzip.decompress(SCHEMA.read_bytes()))
    return read


def faults(schema: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """Return what the chart would refuse, and the keys that it would silently ignore."""
    refused = [error.message for error in Draft7Validator(schema).iter_errors(values)]
    return refused + [f"unknown: {'.'.join(path)}" for path in unknown(schema, schema, values)]


def unknown(
    schema: dict[str, Any], part: dict[str, Any], values: Any, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yield keys that the schema does not name, where it names keys and allows no others."""
    if "$ref" in part:
        part = schema["definitions"][part["$ref"].rpartition("/")[2]]
    if isinstance(values, list):
        for value in values:
            yield from unknown(schema, part.get("items", {}), value, path)
    named = part.get("properties")
    if not isinstance(values, dict) or not named:
        return
    for key, value in values.items():
        if key in named:
            yield from unknown(schema, named[key], value, (*path, key))
        elif not part.get("additionalProperties"):
            yield (*path, key)


def test_the_chart_takes_the_values(schema: dict[str, Any], values: dict[str, Any]) -> None:
    """The values match the chart's schema, which Helm checks first."""
    assert faults(schema, values) == []


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("executr",), "CeleryExecutor"),
        (("workers", "celery", "kedda"), {"enabled": True}),
        (("scheduler", "replicas"), "two"),
        (("pgbouncer", "enabled"), "yes"),
    ],
    ids=lambda given: ".".join(given) if isinstance(given, tuple) else "",
)
def test_the_chart_refuses_what_is_misspelt(
    schema: dict[str, Any], values: dict[str, Any], path: tuple[str, ...], wrong: Any
) -> None:
    """The check finds a key that the chart does not know, and a value of another type."""
    changed = copy.deepcopy(values)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = wrong
    assert faults(schema, changed)


def test_the_chart_runs_the_airflow_that_is_pinned(values: dict[str, Any]) -> None:
    """The values have the pinned version of Airflow, which decides what the chart renders."""
    import airflow

    assert values["airflowVersion"] == airflow.__version__


def env_names(values: dict[str, Any]) -> set[str]:
    """Return the variables that all of Airflow's containers get."""
    plain = {one["name"] for one in values["env"]}
    return plain | {one["envName"] for one in values["secret"]}


def options() -> dict[str, set[str]]:
    """Return Airflow's options by section, those of its providers included."""
    from airflow.configuration import retrieve_configuration_description

    sections = retrieve_configuration_description(include_providers=True)
    return {section: set(found["options"]) for section, found in sections.items()}


def test_every_variable_is_one_that_is_read(values: dict[str, Any]) -> None:
    """Each variable is one that Airflow or our code reads, so that no misspelt one is ignored."""
    ours = "".join(Path(str(one.__file__)).read_text("utf-8") for one in (settings, allow_list))
    known = set(re.findall(r"ONEROSTER_[A-Z_]+[A-Z]", ours))
    airflows = {
        f"AIRFLOW__{section}__{option}".upper()
        for section, names in options().items()
        for option in names
    }
    assert env_names(values) <= known | airflows | OF_CLOUD
    asked = {one["name"] for one in values["migrateDatabaseJob"]["env"]}
    assert asked == OF_PREPARE | {"ONEROSTER_OWNER_URL"}
    assert "ONEROSTER_KEEP_FILES_DAYS" in known
    assert "AIRFLOW__CORE__EXECUTOR" in airflows


def test_every_option_is_airflows(values: dict[str, Any]) -> None:
    """Each option of airflow.cfg exists in this version of Airflow and its providers."""
    known = options()
    given = {(section, name) for section, names in values["config"].items() for name in names}
    assert {(s, n) for s, n in given if n not in known.get(s, ())} == set()


def leaves(given: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each value with the keys that lead to it."""
    items = (
        given.items()
        if isinstance(given, dict)
        else enumerate(given)
        if isinstance(given, list)
        else None
    )
    if items is None:
        yield path, given
        return
    for key, value in items:
        yield from leaves(value, (*path, str(key)))


def test_no_secret_stands_in_the_values(values: dict[str, Any]) -> None:
    """The values name Secrets without their contents, and the chart makes no secret either."""
    for path, value in leaves(values):
        if re.search(r"(?i)pass|secret|fernet|jwt|token", path[-1]):
            assert re.fullmatch(r"oneroster-[a-z-]+|[a-z-]+", str(value)), path
        assert not re.search(r"://[^/\s]*:[^/\s]*@", str(value)), path
    needed = {"fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName"}
    assert needed <= values.keys()
    assert not values["postgresql"]["enabled"]
    assert not values["createUserJob"]["enabled"]


def test_the_secrets_that_are_needed_are_listed(text: str, values: dict[str, Any]) -> None:
    """The list at the top of the values has exactly the Secrets that the values use."""
    listed = set(re.findall(r"(?m)^#   (oneroster-[a-z-]+):", text))
    used = {
        value
        for path, value in leaves(values)
        if path[-1].endswith(("SecretName", "secretName")) or path[-2:] == ("secretKeyRef", "name")
    }
    assert listed == used


def test_paths_are_those_of_the_image(values: dict[str, Any]) -> None:
    """Each path inside the image is one that the Dockerfile makes."""
    core = values["config"]["core"]
    assert f"AIRFLOW_HOME={values['airflowHome']}" in DOCKERFILE
    assert f"AIRFLOW__CORE__DAGS_FOLDER={core['dags_folder']}" in DOCKERFILE
    assert f"AIRFLOW__CORE__PLUGINS_FOLDER={core['plugins_folder']}" in DOCKERFILE
    assert f"--uid {values['uid']}" in DOCKERFILE
    _, prepare = values["migrateDatabaseJob"]["args"]
    assert f"COPY {prepare.removeprefix('/opt/oneroster/')} " in DOCKERFILE
    # The chart passes whole commands as arguments, which an entrypoint would take as its own.
    assert "ENTRYPOINT" not in DOCKERFILE
    logs = next(e for e in values["env"] if e["name"] == "AIRFLOW__LOGGING__BASE_LOG_FOLDER")
    assert logs["value"] == f"{values['airflowHome']}/logs"


def test_nothing_of_another_image_is_called(values: dict[str, Any]) -> None:
    """No probe or sidecar uses /entrypoint or /clean-logs, which our image does not have."""
    celery = values["workers"]["celery"]
    for part in (values["scheduler"], values["dagProcessor"], values["triggerer"], celery):
        assert part["livenessProbe"]["command"]
        assert part["logGroomerSidecar"] == {"enabled": False}
    assert values["scheduler"]["startupProbe"]["command"]
    assert "/entrypoint" not in json.dumps(values)


def test_tasks_are_forks_of_a_warm_worker(values: dict[str, Any]) -> None:
    """Workers start through the module that preloads what tasks need."""
    python, option, module = values["workers"]["celery"]["command"]
    assert (python, option) == ("python", "-m")
    assert (PROJECT / "include" / f"{module.replace('.', '/')}.py").is_file()
    assert values["workers"]["celery"]["args"][:2] == ["celery", "worker"]
    assert values["dagProcessor"]["command"] == [python, option, module]
    assert values["dagProcessor"]["args"] == ["dag-processor"]


def test_uploads_have_workers_of_their_own(values: dict[str, Any]) -> None:
    """Tasks of upload DAGs go to a queue of their own with workers of their own."""
    policy: dict[str, Any] = {}
    exec(values["airflowLocalSettings"], policy)  # noqa: S102  the chart makes a module of it
    queues = {}
    for dag_id in (dag_names.upload_dag_id("oak"), dag_names.sync_dag_id("oak"), dag_names.WATCH):
        task = SimpleNamespace(dag_id=dag_id, queue="default")
        policy["task_policy"](task)
        queues[dag_id] = task.queue
    assert list(queues.values()) == ["uploads", "default", "default"]
    celery = values["workers"]["celery"]
    (uploads,) = celery["sets"]
    assert (celery["queue"], uploads["queue"]) == ("default", "uploads")
    assert uploads["keda"]["minReplicaCount"] >= 1  # an upload never waits for a new machine


def test_airflow_keeps_what_has_no_slot(values: dict[str, Any]) -> None:
    """Airflow's parallelism covers the slots of all workers, as the capacity model assumes."""
    sys.path.append(str(PROJECT))
    from benchmarks.capacity.assumptions import Assumptions

    celery, config = values["workers"]["celery"], values["config"]
    replicas = [one["keda"]["maxReplicaCount"] for one in (celery, *celery["sets"])]
    slots = sum(replicas) * config["celery"]["worker_concurrency"]
    assert slots <= config["core"]["parallelism"]
    assert config["celery"]["worker_concurrency"] == Assumptions().slots_of_worker
