"""Airflow's writing routes, and the permission that each requires for one of our DAGs.

The table follows Airflow's OpenAPI document: a test compares both, and lists routes of a new
version that are missing here. Our own deployments refuse a route that is not listed. Routes whose
permission is None are left to Airflow: they only read, or write the user's own data.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.routing import compile_path

from oneroster_airflow.api.auth import May
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Mapping

ANY = "~"
"""Airflow's wildcard for all DAGs, or all runs of a DAG."""


class Reach(StrEnum):
    """The part of a request that names its DAGs and runs."""

    NOTHING = "nothing"
    DAG = "dag"
    """Path: the DAG, and possibly the run."""
    RUNS = "runs"
    """Body: `actions` with DAG runs."""
    TASKS = "tasks"
    """Body: `actions` with task instances."""
    CLEARED_RUNS = "cleared_runs"
    """Body: `dag_runs`, or a partition."""
    CLEARED_TASKS = "cleared_tasks"
    """Path: the DAG; body: the run, or a range of dates."""
    PATTERN = "pattern"
    """Query: a pattern for ids of DAGs."""
    BACKFILL = "backfill"
    """Path: a backfill."""
    BODY = "body"
    """Body: `dag_id`."""
    ASSET = "asset"
    """Path or body: an asset."""
    INSTALLATION = "installation"
    """None: the request affects all of Airflow, as connections, pools, variables."""


class Deed(StrEnum):
    """The kind of action, for the audit and for closer checks."""

    START = "start"
    SWITCH = "switch"
    CLEAR = "clear"
    DELETE_DAG = "delete_dag"
    DELETE_RUN = "delete_run"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of a route for requests that reach one of our DAGs.

    Attributes:
        may: The required permission; None leaves the decision to Airflow.
        reach: The part of the request that names DAGs.
        deed: The kind of action.
        is_dry: Default of the body's `dry_run`; None if the body has no such field.
    """

    may: May | None
    reach: Reach = Reach.DAG
    deed: Deed | None = None
    is_dry: bool | None = None


class Target(NamedTuple):
    """A DAG that a request reaches, and one of its runs; None means any run."""

    dag_id: str
    dag_run_id: str | None = None


_WITHOUT_BODY = {Reach.NOTHING, Reach.DAG, Reach.BACKFILL, Reach.INSTALLATION}
AIRFLOWS_OWN = Rule(None, Reach.NOTHING)
_ADMINISTER = Rule(May.ADMINISTER)
_OPERATE = Rule(May.OPERATE)
_INSTALLATION = Rule(May.ADMINISTER, Reach.INSTALLATION)

_API = "/api/v2"
_DAG = f"{_API}/dags/{{dag_id}}"
_RUNS = f"{_DAG}/dagRuns"
_RUN = f"{_RUNS}/{{dag_run_id}}"
_TASKS = f"{_RUN}/taskInstances"
_TASK = f"{_TASKS}/{{task_id}}"
_GROUP = f"{_RUN}/taskGroupInstances/{{group_id}}"
_ASSET = f"{_API}/assets/{{asset_id}}"
_BACKFILL = f"{_API}/backfills/{{backfill_id}}"

WRITING: dict[tuple[str, str], Rule] = {
    # DAGs
    ("PATCH", f"{_API}/dags"): Rule(May.ADMINISTER, Reach.PATTERN, Deed.SWITCH),
    ("PATCH", _DAG): Rule(May.ADMINISTER, Reach.DAG, Deed.SWITCH),
    ("DELETE", _DAG): Rule(May.ADMINISTER, Reach.DAG, Deed.DELETE_DAG),
    ("POST", f"{_DAG}/favorite"): AIRFLOWS_OWN,
    ("POST", f"{_DAG}/unfavorite"): AIRFLOWS_OWN,
    ("PUT", f"{_API}/parseDagFile/{{file_token}}"): AIRFLOWS_OWN,
    # Runs
    ("POST", _RUNS): Rule(May.OPERATE, Reach.DAG, Deed.START),
    ("PATCH", _RUNS): Rule(May.OPERATE, Reach.RUNS),
    ("PATCH", _RUN): _OPERATE,
    ("DELETE", _RUN): Rule(May.ADMINISTER, Reach.DAG, Deed.DELETE_RUN),
    ("POST", f"{_RUN}/clear"): Rule(May.OPERATE, Reach.DAG, Deed.CLEAR, is_dry=True),
    ("POST", f"{_DAG}/clearDagRuns"): Rule(
        May.OPERATE, Reach.CLEARED_RUNS, Deed.CLEAR, is_dry=True
    ),
    ("POST", f"{_DAG}/clearPartitions"): Rule(May.ADMINISTER, Reach.DAG),
    ("POST", f"{_RUNS}/list"): AIRFLOWS_OWN,
    # Tasks
    ("PATCH", _TASKS): Rule(May.OPERATE, Reach.TASKS),
    ("PATCH", _TASK): Rule(May.OPERATE, Reach.CLEARED_TASKS),
    ("PATCH", f"{_TASK}/{{map_index}}"): Rule(May.OPERATE, Reach.CLEARED_TASKS),
    ("PATCH", _GROUP): Rule(May.OPERATE, Reach.CLEARED_TASKS),
    ("DELETE", _TASK): _ADMINISTER,
    ("POST", f"{_DAG}/clearTaskInstances"): Rule(
        May.OPERATE, Reach.CLEARED_TASKS, Deed.CLEAR, is_dry=True
    ),
    ("PATCH", f"{_TASK}/dry_run"): AIRFLOWS_OWN,
    ("PATCH", f"{_TASK}/{{map_index}}/dry_run"): AIRFLOWS_OWN,
    ("PATCH", f"{_GROUP}/dry_run"): AIRFLOWS_OWN,
    ("POST", f"{_TASKS}/list"): AIRFLOWS_OWN,
    ("PATCH", f"{_TASK}/{{map_index}}/hitlDetails"): Rule(May.ADMINISTER, Reach.DAG, Deed.ANSWER),
    # XComs: writing them changes the input of a task
    ("POST", f"{_TASK}/xcomEntries"): _ADMINISTER,
    ("PATCH", f"{_TASK}/xcomEntries/{{xcom_key}}"): _ADMINISTER,
    ("DELETE", f"{_TASK}/xcomEntries/{{xcom_key}}"): _ADMINISTER,
    ("DELETE", f"{_TASK}/state-store"): _ADMINISTER,
    ("PUT", f"{_TASK}/state-store/{{key}}"): _ADMINISTER,
    ("PATCH", f"{_TASK}/state-store/{{key}}"): _ADMINISTER,
    ("DELETE", f"{_TASK}/state-store/{{key}}"): _ADMINISTER,
    # Backfills
    ("POST", f"{_API}/backfills"): Rule(May.ADMINISTER, Reach.BODY),
    ("POST", f"{_API}/backfills/dry_run"): AIRFLOWS_OWN,
    ("PUT", f"{_BACKFILL}/pause"): Rule(May.ADMINISTER, Reach.BACKFILL),
    ("PUT", f"{_BACKFILL}/unpause"): Rule(May.ADMINISTER, Reach.BACKFILL),
    ("PUT", f"{_BACKFILL}/cancel"): Rule(May.ADMINISTER, Reach.BACKFILL),
    # Assets: an event starts the DAGs that wait for it, and reports that one of our DAGs ran
    ("POST", f"{_API}/assets/events"): Rule(May.ADMINISTER, Reach.ASSET),
    ("POST", f"{_ASSET}/materialize"): Rule(May.OPERATE, Reach.ASSET, Deed.START),
    ("DELETE", f"{_ASSET}/queuedEvents"): Rule(May.ADMINISTER, Reach.ASSET),
    ("DELETE", f"{_DAG}/assets/queuedEvents"): _ADMINISTER,
    ("DELETE", f"{_DAG}/assets/{{asset_id}}/queuedEvents"): _ADMINISTER,
    ("DELETE", f"{_ASSET}/state-store"): Rule(May.ADMINISTER, Reach.ASSET),
    ("PUT", f"{_ASSET}/state-store/{{key}}"): Rule(May.ADMINISTER, Reach.ASSET),
    ("DELETE", f"{_ASSET}/state-store/{{key}}"): Rule(May.ADMINISTER, Reach.ASSET),
    # The whole of Airflow
    ("POST", f"{_API}/connections"): _INSTALLATION,
    ("PATCH", f"{_API}/connections"): _INSTALLATION,
    ("PATCH", f"{_API}/connections/{{connection_id}}"): _INSTALLATION,
    ("DELETE", f"{_API}/connections/{{connection_id}}"): _INSTALLATION,
    ("POST", f"{_API}/connections/test"): _INSTALLATION,
    ("POST", f"{_API}/connections/enqueue-test"): _INSTALLATION,
    ("POST", f"{_API}/connections/defaults"): _INSTALLATION,
    ("POST", f"{_API}/pools"): _INSTALLATION,
    ("PATCH", f"{_API}/pools"): _INSTALLATION,
    ("PATCH", f"{_API}/pools/{{pool_name}}"): _INSTALLATION,
    ("DELETE", f"{_API}/pools/{{pool_name}}"): _INSTALLATION,
    ("POST", f"{_API}/variables"): _INSTALLATION,
    ("PATCH", f"{_API}/variables"): _INSTALLATION,
    ("PATCH", f"{_API}/variables/{{variable_key}}"): _INSTALLATION,
    ("DELETE", f"{_API}/variables/{{variable_key}}"): _INSTALLATION,
    # The token of an open page
    ("POST", "/ui/auth/token"): AIRFLOWS_OWN,
}
"""Method and path, as in Airflow's OpenAPI document → the rule."""

LOGS = (
    f"{_TASK}/logs/{{try_number}}",
    f"{_TASK}/externalLogUrl/{{try_number}}",
)
"""Reading routes that show a task's log, which contains row numbers and sourcedIds."""
PARAMETERS = (
    _RUNS,
    _RUN,
    f"{_RUNS}/list",
    f"{_API}/backfills",
    _BACKFILL,
    "/ui/backfills",
    f"{_API}/eventLogs",
    f"{_API}/eventLogs/{{event_log_id}}",
)
"""Reading routes whose answers contain parameters of runs: package paths, records to undo."""
HIDDEN = frozenset({"conf", "dag_run_conf", "extra"})
"""The fields of those answers with the parameters."""

PASSED = ("/auth", "/execution", "/static", "/oneroster")
"""Paths with guards of their own: the login, reporting tasks, files, and our API."""
OF_AIRFLOW = ("/api", "/ui")
"""Paths of Airflow's own routes; all other paths belong to plugins."""

_GRAVER = ("undo", "undo_of", "test_site")


class Route(NamedTuple):
    """A requested route: its rule, and the parameters of its path."""

    rule: Rule
    place: dict[str, str]


def find(method: str, path: str) -> list[Route]:
    """Return all writing routes that match a request; a path may match several."""
    return [
        Route(rule, found)
        for (verb, template), rule in WRITING.items()
        # `dry_run` is not a number for Airflow, so only the route of that name is meant.
        if verb == method
        and (found := _match(template, path)) is not None
        and found.get("map_index") != "dry_run"
    ]


def reads_log(path: str) -> dict[str, str] | None:
    """Return the path's parameters if it shows a task's log, else None."""
    return next((found for each in LOGS if (found := _match(each, path)) is not None), None)


def reads_parameters(path: str) -> dict[str, str] | None:
    """Return the path's parameters if its answer contains parameters of runs, else None."""
    return next((found for each in PARAMETERS if (found := _match(each, path)) is not None), None)


def has_body(route: Route) -> bool:
    """Return whether judging a request requires its body."""
    if route.rule.deed is not None or route.rule.is_dry is not None:
        return True
    if route.rule.reach is Reach.ASSET:
        return "asset_id" not in route.place
    return route.rule.reach not in _WITHOUT_BODY


def is_under(path: str, roots: Iterable[str]) -> bool:
    """Return whether a path is one of `roots` or below one."""
    return any(path == root or path.startswith(f"{root}/") for root in roots)


def is_ours(dag_id: object) -> bool:
    """Return whether an id belongs to one of our DAGs."""
    if not isinstance(dag_id, str):
        return False
    return dag_id == dag_names.WATCH or dag_names.site_of(dag_id) is not None


def names_ours(value: Any) -> bool:
    """Return whether a JSON value contains the id of one of our DAGs anywhere."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif is_ours(one):
            return True
    return False


def is_graver(conf: Any) -> bool:
    """Return whether the parameters of a run require an administrator."""
    from oneroster_sync.standard.kinds import MAPPINGS

    if not isinstance(conf, dict):
        return False
    kinds = tuple(kind.value for kind in MAPPINGS)
    return conf.get("kind") in kinds or any(conf.get(name) is not None for name in _GRAVER)


def is_dry(rule: Rule, body: dict[str, Any]) -> bool:
    """Return whether a request is a dry run.

    Airflow also reads `"off"` and 0 as false, so only `true` itself counts as true.
    """
    return rule.is_dry is not None and body.get("dry_run", rule.is_dry) is True


def deletes(body: dict[str, Any]) -> bool:
    """Return whether an action of the body deletes something."""
    return any(action.get("action") == "delete" for action in _actions(body))


def targets(reach: Reach, place: Mapping[str, str], body: dict[str, Any]) -> set[Target]:
    """Return the DAGs and runs that the path and the body of a request name.

    The DAG may be ANY; the run is None for ANY or a range of runs.
    """
    dag_id = place.get("dag_id", ANY)
    in_path = Target(dag_id, _run(place.get("dag_run_id")))
    if reach is Reach.BODY:
        return {Target(str(body.get("dag_id") or ANY))}
    if reach in {Reach.RUNS, Reach.TASKS}:
        is_run = reach is Reach.RUNS
        return {_entity(entity, in_path, is_run=is_run) for entity in _entities(body)}
    if reach is Reach.CLEARED_RUNS:
        named = [run for run in _list(body.get("dag_runs")) if isinstance(run, dict)]
        return {_entity(run, in_path, is_run=True) for run in named} or {in_path}
    if reach is Reach.CLEARED_TASKS:
        run = _run(place.get("dag_run_id") or body.get("dag_run_id"))
        return {Target(dag_id, None if _reaches_further(body) else run)}
    return {in_path} if reach is Reach.DAG else set()


def _entity(entity: Any, in_path: Target, *, is_run: bool) -> Target:
    if isinstance(entity, str):
        return Target(in_path.dag_id, _run(entity)) if is_run else in_path
    dag_id = str(entity.get("dag_id") or in_path.dag_id)
    run = _run(entity.get("dag_run_id") or in_path.dag_run_id)
    return Target(dag_id, None if _reaches_further(entity) else run)


def _entities(body: dict[str, Any]) -> Iterator[Any]:
    for action in _actions(body):
        for entity in _list(action.get("entities")):
            if isinstance(entity, (str, dict)):
                yield entity


def _actions(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [action for action in _list(body.get("actions")) if isinstance(action, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _reaches_further(body: dict[str, Any]) -> bool:
    """Return whether a change of tasks also reaches earlier or later runs."""
    return any(body.get(name) not in (None, False) for name in ("include_past", "include_future"))


def _run(named: Any) -> str | None:
    return named if isinstance(named, str) and named != ANY else None


def _match(template: str, path: str) -> dict[str, str] | None:
    """Return the parameters of a path that matches a template, by the rules of Airflow's router."""
    found = _pattern(template).match(path)
    return found.groupdict() if found else None


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    return compile_path(template)[0]
