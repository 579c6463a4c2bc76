"""A small typed client of Airflow's REST API, for the demonstration."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import httpx

from oneroster_sync.database.embedded import LocalError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_RUN_ENDS = frozenset({"success", "failed"})
_TASK_ENDS = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a DAG."""

    dag_id: str
    run_id: str
    state: str

    @property
    def has_ended(self) -> bool:
        """Whether the run has reached a final state."""
        return self.state in _RUN_ENDS


@dataclass(frozen=True, slots=True)
class Task:
    """A task of a run, in its latest try."""

    task_id: str
    state: str | None
    try_number: int
    started_at: dt.datetime | None
    ended_at: dt.datetime | None

    @property
    def has_ended(self) -> bool:
        """Whether the task has reached a final state."""
        return self.state in _TASK_ENDS

    @property
    def duration_s(self) -> float | None:
        """How long the task ran, in seconds; None if it never did."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


class Api:
    """A client of Airflow's REST API, and a context manager that closes its connections.

    Raises:
        LocalError: Airflow refuses a call or cannot be reached.
    """

    def __init__(self, origin: str, password: str = "", user: str = "admin") -> None:
        """Make a client; it logs in at the first call that needs a login."""
        self._login = {"username": user, "password": password}
        # Ignore the environment's proxies: all calls go to this machine.
        self._http = httpx.Client(base_url=origin, timeout=30, trust_env=False)

    def __enter__(self) -> Self:
        """Return this client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._http.close()

    def is_up(self) -> bool:
        """Return whether the API answers."""
        try:
            return self._http.get("/api/v2/version", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def warm_up(self) -> None:
        """Make the server load its execution API now, so that the first task need not wait."""
        self._http.get("/execution/health", timeout=60)

    def health(self) -> dict[str, str]:
        """Return the state of each part from Airflow's monitor: healthy, unhealthy or unknown."""
        parts = self._call("GET", "/api/v2/monitor/health", needs_login=False)
        return {name: (part or {}).get("status") or "unknown" for name, part in parts.items()}

    def has_dag(self, dag_id: str) -> bool:
        """Return whether Airflow has read the DAG."""
        return self._send("GET", f"/api/v2/dags/{dag_id}").status_code != httpx.codes.NOT_FOUND

    def import_errors(self) -> list[str]:
        """Return file and traceback of each import error of the DAG files."""
        found = self._call("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{error['filename']}\n{error['stack_trace']}" for error in found]

    def unpause(self, dag_id: str) -> None:
        """Unpause the DAG, so that its runs start."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", body={"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> Run:
        """Start a run of the DAG with these parameters."""
        # Airflow 3 requires the field; a date would be unique among the runs of the DAG.
        body = {"logical_date": None, "conf": dict(conf)}
        return _run(self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body=body))

    def run(self, dag_id: str, run_id: str) -> Run:
        """Return the current state of the run."""
        return _run(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"))

    def tasks(self, run: Run) -> list[Task]:
        """Return the current state of the run's tasks."""
        found = self._call("GET", f"{_path(run)}/taskInstances?limit=100")["task_instances"]
        return [_task(task) for task in found]

    def log(self, run: Run, task: Task) -> str:
        """Return the log of the task's latest try as text, one event on each line."""
        answer = self._send(
            "GET",
            # A task that never began is at try 0, and Airflow's logs begin with 1.
            f"{_path(run)}/taskInstances/{task.task_id}/logs/{max(task.try_number, 1)}"
            f"?full_content=true",
            headers={"Accept": "application/x-ndjson"},
        )
        # Lines that begin with `::` only fold groups in Airflow's own view.
        events = [json.loads(line) for line in answer.text.splitlines() if line.strip()]
        return "\n".join(
            _log_line(event) for event in events if not event.get("event", "").startswith("::")
        )

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        needs_login: bool = True,
    ) -> Any:
        answer = self._send(method, path, body=body, needs_login=needs_login)
        if answer.is_error:
            raise LocalError(
                f"Airflow refused {method} {path} with status {answer.status_code}: {answer.text}"
            )
        return answer.json()

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        needs_login: bool = True,
    ) -> httpx.Response:
        try:
            if needs_login and "Authorization" not in self._http.headers:
                token = self._call("POST", "/auth/token", body=self._login, needs_login=False)
                self._http.headers["Authorization"] = f"Bearer {token['access_token']}"
            return self._http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise LocalError(
                f"Airflow at {self._http.base_url} did not answer {method} {path}: {error!r}"
            ) from error


def _path(run: Run) -> str:
    return f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}"


def _run(answer: Mapping[str, Any]) -> Run:
    return Run(answer["dag_id"], answer["dag_run_id"], answer["state"])


def _task(answer: Mapping[str, Any]) -> Task:
    return Task(
        task_id=answer["task_id"],
        state=answer["state"],
        try_number=answer["try_number"],
        started_at=_instant(answer["start_date"]),
        ended_at=_instant(answer["end_date"]),
    )


def _instant(value: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(value) if value else None


def _log_line(event: Mapping[str, Any]) -> str:
    """Format one event as a line without the task's ids, followed by its errors."""
    head = [str(event[key]) for key in ("timestamp", "level", "event") if event.get(key)]
    fields = [f"{key}={value}" for key, value in event.items() if key not in _NO_FIELDS]
    errors = [f"\n  {error['exc_type']}: {error['exc_value']}" for error in _errors(event)]
    return " ".join(head + fields) + "".join(errors)


def _errors(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return event.get("error_detail") or []


_NO_FIELDS = frozenset(
    {"timestamp", "level", "event", "logger", "filename", "lineno", "loc", "error_detail"}
    | {"dag_id", "run_id", "task_id", "map_index", "try_number", "ti_id"}
)
