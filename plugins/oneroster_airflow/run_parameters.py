"""Remove the parameters of our runs from Airflow's answers to people who may not see them.

The parameters contain names of packages and records, which viewers must not see.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request

from oneroster_airflow.airflow_internals import get_user
from oneroster_airflow.airflow_routes import ANY, HIDDEN, is_ours, reads_parameters
from oneroster_airflow.api.auth import May, permissions_of
from oneroster_airflow.api.errors import Problem
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from starlette.types import Message, Scope, Send

_BEARER = HTTPBearer(auto_error=False)


async def without_parameters(scope: Scope, path: str, send: Send) -> Send:
    """Wrap `send` to remove the parameters that the reader may not see.

    Raises:
        Problem: 403, the query filters or sorts by parameters.
    """
    place = reads_parameters(path)
    dag_id = place.get("dag_id", ANY) if place is not None else ""
    if not (dag_id == ANY or is_ours(dag_id)):
        return send
    request = Request(scope)
    try:
        user = await get_user(request, None, await _BEARER(request))
    except HTTPException:
        return send  # Airflow refuses the request
    if May.DETAILS in await run_in_threadpool(permissions_of, user, dag_names.site_of(dag_id)):
        return send
    # Filtering or sorting by parameters would reveal them.
    if any("conf" in name or value.endswith("conf") for name, value in _query(request)):
        detail = "The parameters of these runs are shown to operators and administrators."
        raise Problem(403, detail, code=f"permission.{May.DETAILS}")
    return _Blanks(user, send)


def _query(request: Request) -> list[tuple[str, str]]:
    return request.query_params.multi_items()


class _Blanks:
    """Collects an answer, and sends it without the parameters of our runs."""

    def __init__(self, user: Any, send: Send) -> None:
        self._user = user
        self._send = send
        self._start: Message = {}
        self._body = b""
        self._sites: dict[str | None, bool] = {}

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # Held back too: its content-length is that of the answer with the parameters.
            self._start = message
            return
        self._body += bytes(message.get("body", b""))
        if message.get("more_body"):
            return
        if self._start["status"] < HTTPStatus.BAD_REQUEST and self._body:
            self._body = await run_in_threadpool(self._blanked)
            MutableHeaders(scope=self._start)["content-length"] = str(len(self._body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": self._body})

    def _blanked(self) -> bytes:
        answer = json.loads(self._body)
        waiting = [answer]
        while waiting:
            one = waiting.pop()
            if isinstance(one, dict):
                if is_ours(one.get("dag_id")) and not self._sees(one["dag_id"]):
                    one |= dict.fromkeys(set(one) & HIDDEN)
                waiting += one.values()
            elif isinstance(one, list):
                waiting += one
        return json.dumps(answer).encode()

    def _sees(self, dag_id: str) -> bool:
        site = dag_names.site_of(dag_id)
        if site not in self._sites:
            self._sites[site] = May.DETAILS in permissions_of(self._user, site)
        return self._sites[site]
