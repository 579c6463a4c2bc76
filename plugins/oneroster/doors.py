"""Guards Airflow's own ways to our DAGs: who may answer a held plan there, and who may start a run.

A run of an archived site is not started. Before a DAG of ours is paused or unpaused there, the
switches of restored sites are put off, so that what is asked for then is the last word.

Airflow lets everybody who may run a DAG answer its questions and start it. Here a plan is decided
about by administrators, and a run is started by operators, whichever way they come. So requests to
those routes of Airflow are looked at before it sees them. What cannot be judged does not pass.

A decision is recorded with the run before Airflow takes the answer: the answer alone, if it came by
another way, decides nothing.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from airflow.api_fastapi.core_api.security import get_user
from fastapi.security import HTTPBearer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import exc
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from oneroster.api import bridge, switches, verdicts
from oneroster.api.models import Reason
from oneroster.api.permissions import May, require
from oneroster.api.problems import Problem, archived, refused, sentence, unanswered, unexpected
from oneroster.api.safety import is_own
from oneroster.decision import APPROVE, DISCARD
from oneroster.held_plan import PLAN, REASON
from oneroster_sync import dag_names, stages
from oneroster_sync.package.kinds import MAPPINGS
from oneroster_sync.store import database, site_records
from oneroster_sync.store.database import DatabaseError
from oneroster_sync.store.runs import UnknownRunError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

_MOST = 1 << 16
"""How many bytes an answer or the parameters of a run may have."""
_ROOT = r"^(?:/.*)?/(?:api/v2|ui)/dags/(?P<dag_id>[^/]+)/dagRuns"
_START = re.compile(_ROOT + r"/?$")
_SWITCH = re.compile(r"^(?:/.*)?/(?:api/v2|ui)/dags(?:/(?P<dag_id>[^/]+))?/?$")
_ANSWER = re.compile(
    _ROOT + r"/(?P<dag_run_id>[^/]+)/taskInstances/(?P<task_id>[^/]+)(?:/[^/]+)?/hitlDetails/?$"
)
_GRAVER = ("undo", "test_site")
"""Parameters of which one makes a run a matter of administrators."""
_BEARER = HTTPBearer(auto_error=False)
_REASON: TypeAdapter[str] = TypeAdapter(Reason)


class Doors:
    """Lets a request to one of our DAGs pass when its user may do what it asks for."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before Airflow's app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or refuse it."""
        door = _door(scope)
        if door is None:
            await self._app(scope, receive, send)
            return
        guard, place = door
        try:
            body = await _read(receive)
            await guard(Request(scope, _again(body, receive)), place, body)
        except Exception as error:  # noqa: BLE001  whatever it is, it does not pass
            await _refusal(error)(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)


def _door(scope: Scope) -> tuple[Any, dict[str, str]] | None:
    """Return the guard of the route that is asked for, and where it leads; None where none is."""
    if scope["type"] != "http":
        return None
    for method, pattern, guard in _GUARDED:
        found = pattern.search(scope["path"])
        if scope["method"] == method and found and _is_ours(found["dag_id"]):
            return guard, found.groupdict()
    return None


def _is_ours(dag_id: str | None) -> bool:
    """Tell whether a request is about a DAG of ours; one that names none may be."""
    return dag_id is None or dag_id == dag_names.WATCH or dag_names.site_of(dag_id) is not None


async def _start(request: Request, place: dict[str, str], body: bytes) -> None:
    """Let operators start a run, and administrators one of an undo, a mapping or a message."""
    asked = _parsed(body)
    conf = asked.get("conf")
    conf = conf if isinstance(conf, dict) else {}
    is_graver = any(conf.get(name) is not None for name in _GRAVER)
    is_graver = is_graver or conf.get("kind") in tuple(MAPPINGS)
    await _user_who_may(May.ADMINISTER if is_graver else May.OPERATE, request, place)
    await run_in_threadpool(_refuse_archived, dag_names.site_of(place["dag_id"]))


def _refuse_archived(site: str | None) -> None:
    if site is not None:
        with database.engine().connect() as connection:
            site_records.refuse_archived(connection, site)


async def _switch(request: Request, place: dict[str, Any], body: bytes) -> None:
    """Put off what has to be; the pause itself is Airflow's, also while our database is away."""
    del request, place, body
    try:
        await run_in_threadpool(switches.settle)
    except (DatabaseError, exc.SQLAlchemyError) as error:
        log.warning(
            "The switches of restored sites can't be looked at.", error=type(error).__name__
        )


async def _answer(request: Request, place: dict[str, str], body: bytes) -> None:
    """Let administrators answer, and record what they decide."""
    user = await _user_who_may(May.ADMINISTER, request, place)
    if not is_own(request.scope):
        raise Problem(403, "Decisions are taken from Airflow's own pages only.", code="web.origin")
    verdict = _verdict(_parsed(body), user.get_name())
    if place["task_id"] != dag_names.REVIEW_DECISION:
        raise Problem(404, "This task asks for no decision.")
    await run_in_threadpool(_record, place, verdict)


_GUARDED = (("POST", _START, _start), ("PATCH", _ANSWER, _answer), ("PATCH", _SWITCH, _switch))


def _record(place: dict[str, str], verdict: verdicts.Verdict) -> None:
    dag_id, dag_run_id = place["dag_id"], place["dag_run_id"]
    run = stages.find(dag_names.run_id_of(dag_id, dag_run_id))
    if run.outcome == "held" and not bridge.waits(dag_id, dag_run_id):
        told = "This DAG run does not wait for an answer any more; decide on the run's own page."
        raise Problem(409, told, code="run.decided")
    verdicts.record(run, verdict)


async def _user_who_may(may: May, request: Request, place: dict[str, str]) -> Any:
    user = await get_user(request, None, await _BEARER(request))
    await run_in_threadpool(require, may, user, dag_names.site_of(place["dag_id"]))
    return user


def _verdict(asked: dict[str, Any], by: str) -> verdicts.Verdict:
    chosen, values = asked.get("chosen_options"), asked.get("params_input")
    if chosen not in ([APPROVE], [DISCARD]):
        raise Problem(422, f"Choose one option: {APPROVE} or {DISCARD}.")
    values = values if isinstance(values, dict) else {}
    plan_hash = values.get(PLAN)
    if chosen == [APPROVE] and not isinstance(plan_hash, str):
        raise Problem(422, f"Name the plan that was looked at, by its hash, as {PLAN}.")
    try:
        reason = _REASON.validate_python(values.get(REASON) or "")
    except ValidationError as error:
        raise Problem(422, f"The reason can't be used: {error.errors()[0]['msg']}.") from None
    named = str(plan_hash) if plan_hash is not None else None
    return verdicts.Verdict(chosen == [APPROVE], by, reason, named)


def _parsed(body: bytes) -> dict[str, Any]:
    """Return a body as Airflow reads it."""
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise Problem(422, "The body is no JSON object.")
    return asked


async def _read(receive: Receive) -> bytes:
    """Return the body of a request, and no more of it than may be.

    Raises:
        Problem: 413, it is too large; 400, it was cut off.
    """
    body = b""
    while True:
        message: Message = await receive()
        if message["type"] != "http.request":
            raise Problem(400, "The request was cut off.")
        body += bytes(message.get("body", b""))
        if len(body) > _MOST:
            raise Problem(413, f"The body has more than {_MOST:,} bytes.")
        if not message.get("more_body"):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body once more that has been read, and then what follows it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _refusal(error: Exception) -> Response:
    """Return the answer to a request that does not pass."""
    if isinstance(error, Problem):
        return error.answer()
    if isinstance(error, HTTPException):
        return refused(error)
    if isinstance(error, site_records.ArchivedSiteError):
        return archived(error)
    if isinstance(error, UnknownRunError):
        return Problem(HTTPStatus.NOT_FOUND, sentence(str(error))).answer()
    if isinstance(error, (DatabaseError, exc.OperationalError, exc.InterfaceError)):
        return unanswered(error)
    return unexpected(error)
