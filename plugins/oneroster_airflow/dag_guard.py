"""Guard Airflow's own routes to our DAGs with the permissions of our own pages.

Airflow lets everybody who may run a DAG pause it, clear it, and answer its questions. Here, only
administrators switch the sync and decide about plans, and only operators start runs, by any route.
So this middleware checks requests before Airflow sees them, by the table in `airflow_routes`. A
request that can't be judged is refused.

In our own deployments (`ONEROSTER_GUARD=airflow`) the guard covers all of Airflow: a writing route
that is not in the table is refused, and connections, pools and variables require an administrator.
Elsewhere it judges only requests that can reach one of our DAGs.

A decision is recorded with the run before Airflow takes the answer; an answer that came otherwise
decides nothing. A run of an archived site is not started. Before one of our DAGs is paused or
unpaused, pending switches of restored sites are applied, so that the request is the last word. Who
paused, deleted or cleared what is written into our audit after Airflow has done it.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import structlog
from fastapi.security import HTTPBearer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import exc
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from oneroster_airflow import airflow_routes, run_conf
from oneroster_airflow.airflow_internals import get_route_path, get_user
from oneroster_airflow.airflow_routes import Deed, Reach, Target
from oneroster_airflow.api import airflow_db, dag_pauses, held_decision, reach
from oneroster_airflow.api.auth import May, require
from oneroster_airflow.api.errors import (
    Problem,
    explained,
    refused,
    sentence,
    unanswered,
    unexpected,
)
from oneroster_airflow.api.models.sites import Reason
from oneroster_airflow.api.security import is_own
from oneroster_airflow.review_markdown import PLAN, REASON
from oneroster_airflow.review_operator import APPROVE, DISCARD
from oneroster_airflow.run_parameters import without_parameters
from oneroster_sync import database, runs, settings
from oneroster_sync.database import DatabaseError
from oneroster_sync.errors import ConflictError, NotFoundError
from oneroster_sync.sites import allow_list, dag_names, preferences_store, registry

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from oneroster_airflow.airflow_routes import Route

log = structlog.get_logger(__name__)

_READS = {"GET", "HEAD", "OPTIONS"}
_MOST, _MOST_OF_MANY = 1 << 16, 1 << 20
"""Maximum size of a body about one DAG, and of a body about several, in bytes."""
_BEARER = HTTPBearer(auto_error=False)
_REASON: TypeAdapter[str] = TypeAdapter(Reason)
_BOOL: TypeAdapter[bool] = TypeAdapter(bool)
_MOMENT: TypeAdapter[dt.datetime] = TypeAdapter(dt.datetime)
_NOTED: set[tuple[str, str]] = set()
"""Unknown writing routes that this process has logged."""


class _ElsewhereError(Exception):
    """The request does not concern us; only Airflow answers it."""


@dataclass
class _Asked:
    """A request as far as it is judged: the user, the action, and our DAGs that it reaches."""

    scope: Scope
    receive: Receive
    path: str
    user: Any = None
    body: bytes = b""
    parsed: dict[str, Any] = field(default_factory=dict)
    targets: set[Target] = field(default_factory=set)
    notes: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """Entries for the audit after Airflow has done it: site, event, details."""


class Doors:
    """Middleware that passes a request to one of our DAGs if its user has the permission."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap Airflow's app."""
        self._app = app
        self._guards_all = settings.guards_all_of_airflow()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = _Asked(scope, receive, get_route_path(scope))
        if "\0" in asked.path:  # no name contains it, and PostgreSQL raises an error for it
            await Problem(404, "There is nothing here.").answer()(scope, receive, send)
            return
        judge = self._read if scope["method"] in _READS else self._write
        try:
            send = await judge(asked, send)
        except _ElsewhereError:
            pass
        except Exception as error:  # noqa: BLE001  whatever it is, it does not pass
            await _refusal(error)(scope, receive, send)
            return
        await self._app(scope, asked.receive, send)

    async def _read(self, asked: _Asked, send: Send) -> Send:
        """Judge a reading request: logs contain row numbers, parameters contain package paths."""
        place = airflow_routes.reads_log(asked.path)
        if place is not None and airflow_routes.is_ours(place["dag_id"]):
            await self._log_in(asked)
            await _insist(asked.user, May.DETAILS, [Target(place["dag_id"])])
            return send
        return await without_parameters(asked.scope, asked.path, send)

    async def _write(self, asked: _Asked, send: Send) -> Send:
        """Judge a writing request by the rules of all matching routes."""
        if airflow_routes.is_under(asked.path, airflow_routes.PASSED):
            return send
        routes = airflow_routes.find(asked.scope["method"], asked.path)
        if not routes:
            await self._unknown(asked)
            return send
        if all(route.rule.may is None for route in routes):
            return await without_parameters(asked.scope, asked.path, send)
        if self._is_elsewhere(routes):
            return send
        # Before the body: without a login, no request makes this server read one.
        await self._log_in(asked, must=self._guards_all or _is_placed(routes))
        for route in routes:
            if airflow_routes.has_body(route):
                await _read_body(asked, _MOST if route.rule.reach is Reach.DAG else _MOST_OF_MANY)
            await self._judge(asked, route)
        return _noting(asked, send) if asked.notes else send

    def _is_elsewhere(self, routes: list[Route]) -> bool:
        """Return whether the request can't concern us, whatever its body and user are."""
        return all(
            (route.rule.reach is Reach.INSTALLATION and not self._guards_all)
            or (
                route.rule.reach in {Reach.DAG, Reach.CLEARED_TASKS}
                and not _may_be_ours(route.place["dag_id"])
            )
            for route in routes
        )

    async def _log_in(self, asked: _Asked, *, must: bool = True) -> None:
        """Identify the user, before the body is read.

        Airflow itself refuses users who are not logged in, if the request may not concern us.
        """
        request = Request(asked.scope, asked.receive)
        try:
            asked.user = await get_user(request, None, await _BEARER(request))
        except HTTPException:
            if must:
                raise
            raise _ElsewhereError from None

    async def _unknown(self, asked: _Asked) -> None:
        """Refuse a writing route that is not in the table, if the guard covers it."""
        named = f"{asked.scope['method']} {asked.path}"
        detail = (
            f"{named} is not a route that OneRoster's guard knows, so it is refused. With "
            "ONEROSTER_GUARD=oneroster the guard checks only requests that reach a DAG of "
            "OneRoster."
        )
        if self._guards_all:
            await self._log_in(asked)
            raise Problem(403, detail, code="route.unknown")
        # latin-1 reads any bytes; parse_qsl then decodes the escapes as UTF-8.
        query = parse_qsl(asked.scope["query_string"].decode("latin-1"))
        if not airflow_routes.is_under(asked.path, airflow_routes.OF_AIRFLOW):
            return
        names_ours = airflow_routes.names_ours([asked.path.split("/"), [v for _, v in query]])
        await self._log_in(asked, must=names_ours)
        await _read_body(asked, _MOST_OF_MANY, must=False)
        if names_ours or airflow_routes.names_ours(_value(asked.body)):
            raise Problem(403, detail, code="route.unknown")
        where = (asked.scope["method"], asked.path)
        # Bounded, because the paths come from requests.
        if where not in _NOTED and len(_NOTED) < _MOST:
            _NOTED.add(where)
            log.warning("A writing route of Airflow is not known to the guard.", route=named)

    async def _judge(self, asked: _Asked, route: Route) -> None:
        """Check that the user has the route's permission at every site that the request reaches.

        Raises:
            Problem: 403, the user lacks the permission.
        """
        rule = route.rule
        if rule.may is None or airflow_routes.is_dry(rule, asked.parsed):
            return
        if rule.reach is Reach.INSTALLATION:
            if self._guards_all:
                await run_in_threadpool(require, rule.may, asked.user, None)
            return
        found = await _targets(asked, route)
        if not found:
            return
        asked.targets |= found
        if rule.deed is Deed.ANSWER:
            await _answer(asked, route.place)
            return
        await _insist(asked.user, _needed(rule.may, rule.deed, asked.parsed), found)
        if rule.deed is Deed.START:
            await run_in_threadpool(_check_start, found, asked.parsed)
            return
        if rule.deed is Deed.SWITCH:
            if not _is_bool(asked.parsed.get("is_paused")):
                raise Problem(422, "Send is_paused: true pauses the DAG, false resumes it.")
            # A pending pause of a restored site would otherwise undo this switch later.
            await run_in_threadpool(_settle)
        elif rule.may is May.OPERATE:
            # Only those who may request an undo or a mapping may repeat one.
            graver = [t for t in found if await run_in_threadpool(reach.is_graver_run, t)]
            await _insist(asked.user, May.ADMINISTER, graver)
            found = set(graver)
        asked.notes += _notes(rule.deed, found, asked.parsed)


def _may_be_ours(dag_id: str) -> bool:
    return dag_id == airflow_routes.ANY or airflow_routes.is_ours(dag_id)


def _is_placed(routes: list[Route]) -> bool:
    """Return whether the path contains one of our DAGs."""
    return any(airflow_routes.is_ours(route.place.get("dag_id")) for route in routes)


def _needed(may: May, deed: Deed | None, body: dict[str, Any]) -> May:
    """Return the permission that a request needs because of its body."""
    if airflow_routes.deletes(body):
        return May.ADMINISTER
    if deed is Deed.START:
        conf = body.get("conf")
        brings = isinstance(conf, dict) and conf.get("removals_of") is not None
        if brings or airflow_routes.is_graver(conf):
            return May.ADMINISTER
    return may


async def _targets(asked: _Asked, route: Route) -> set[Target]:
    """Return our DAGs and runs that a request reaches."""
    where, place = route.rule.reach, route.place
    if where is Reach.PATTERN:
        return await reach.of_pattern(asked.scope)
    if where is Reach.BACKFILL:
        return await run_in_threadpool(reach.of_backfill, place["backfill_id"])
    if where is Reach.ASSET:
        asset = place.get("asset_id", asked.parsed.get("asset_id"))
        return await run_in_threadpool(reach.of_asset, asset)
    named = airflow_routes.targets(where, place, asked.parsed)
    found = {target for target in named if airflow_routes.is_ours(target.dag_id)}
    if any(target.dag_id == airflow_routes.ANY for target in named):
        found |= await run_in_threadpool(reach.all_ours)
    return found


async def _insist(user: Any, may: May, targets: Any) -> None:
    """Check that a user has a permission at the site of every DAG.

    Raises:
        Problem: 403, the user lacks the permission.
    """
    for dag_id in {target.dag_id for target in targets}:
        await run_in_threadpool(require, may, user, dag_names.site_of(dag_id))


def _refuse_package(site: str, package: Any) -> None:
    """Refuse a package that the site may not read; Airflow refuses a value that is not text."""
    if not isinstance(package, str) or not package:
        return
    try:
        allow_list.check_package(site, package)
    except allow_list.ForeignPackageError as error:
        raise Problem(422, sentence(str(error)), code="package.not_allowed") from None


def _check_start(found: set[Target], body: dict[str, Any]) -> None:
    """Refuse a run of an archived site, and a run that would overtake earlier requests.

    Raises:
        ArchivedSiteError: The site is archived.
        Problem: 422, the run has a date in the past, or a package that its site may not read.
    """
    conf = body.get("conf")
    package = conf.get("package") if isinstance(conf, dict) else None
    is_upload = any(target.dag_id.startswith(dag_names.UPLOAD) for target in found)
    if is_upload and isinstance(conf, dict) and (problem := run_conf.find_problem(conf)):
        raise Problem(422, sentence(problem), code="conf.not_usable")
    for site in {dag_names.site_of(target.dag_id) for target in found} - {None}:
        _refuse_package(str(site), package)
    with database.engine().connect() as connection:
        for site in {dag_names.site_of(target.dag_id) for target in found} - {None}:
            registry.refuse_archived(connection, str(site))
    try:
        moment = _MOMENT.validate_python(body.get("run_after"))
    except ValidationError:
        return  # the value is missing, or Airflow refuses it
    if moment.replace(tzinfo=moment.tzinfo or dt.UTC) < dt.datetime.now(dt.UTC):
        raise Problem(422, "run_after lies in the past; leave it out to start the run now.")


def _is_bool(value: Any) -> bool:
    """Return whether Airflow can read a value as a boolean."""
    try:
        _BOOL.validate_python(value)
    except ValidationError:
        return False
    return True


def _settle() -> None:
    """Apply pending pauses; if our database can't be reached, the request still goes to Airflow."""
    try:
        dag_pauses.settle()
    except (DatabaseError, exc.SQLAlchemyError) as error:
        log.warning("The switches of restored sites can't be read.", error=type(error).__name__)


def _notes(
    deed: Deed | None, found: set[Target], body: dict[str, Any]
) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the audit entries for a request, to be written once it is done."""
    notes: list[tuple[str, str, dict[str, Any]]] = []
    for dag_id, run in sorted(found, key=str):
        site = dag_names.site_of(dag_id)
        if site is None:
            continue
        details: dict[str, Any] = {"dag_id": dag_id}
        if run is not None:
            details |= {"dag_run_id": run, "run_id": dag_names.run_id_of(dag_id, run)}
        if deed is Deed.SWITCH:
            what = "sync" if dag_id == dag_names.sync_dag_id(site) else "uploads"
            state = "disabled" if _BOOL.validate_python(body.get("is_paused")) else "enabled"
            notes.append((site, f"{what}_{state}", {}))
        elif deed in {Deed.DELETE_DAG, Deed.DELETE_RUN}:
            notes.append((site, "dag_deleted" if run is None else "dag_run_deleted", details))
        elif airflow_routes.deletes(body):
            notes.append((site, "dag_run_deleted", details))
        elif deed is Deed.CLEAR:
            notes.append((site, "dag_run_cleared", details))
    return notes


def _noting(asked: _Asked, send: Send) -> Send:
    """Wrap `send` to write the audit entries after Airflow has reported success."""

    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < HTTPStatus.BAD_REQUEST:
            await run_in_threadpool(_note, asked)
        await send(message)

    return noting


def _note(asked: _Asked) -> None:
    """Write the audit entries; log an error, since Airflow has already done the action."""
    by, now = asked.user.get_name(), dt.datetime.now(dt.UTC)
    try:
        with database.engine().begin() as connection:
            for site, event, details in asked.notes:
                preferences_store.note_event(connection, site, by, event, details, now=now)
    except (DatabaseError, exc.SQLAlchemyError) as error:
        detail = "This was done in Airflow and could not be written into the audit."
        log.warning(detail, by=by, notes=asked.notes, error=type(error).__name__)


async def _answer(asked: _Asked, place: dict[str, str]) -> None:
    """Let only administrators answer a question, and record their decision."""
    await _insist(asked.user, May.ADMINISTER, asked.targets)
    if not is_own(asked.scope):
        raise Problem(403, "Decisions are taken from Airflow's own pages only.", code="web.origin")
    verdict = _verdict(asked.parsed, asked.user.get_name())
    if place["task_id"] != dag_names.REVIEW_DECISION:
        raise Problem(404, "This task asks for no decision.")
    await run_in_threadpool(_record, place, verdict)


def _record(place: dict[str, str], verdict: held_decision.Verdict) -> None:
    dag_id, dag_run_id = place["dag_id"], place["dag_run_id"]
    run = runs.find(dag_names.run_id_of(dag_id, dag_run_id))
    # No task would act on this answer; the run's own page clears the last tasks instead.
    if run.outcome == "held" and not airflow_db.waits(dag_id, dag_run_id):
        detail = "This DAG run does not wait for an answer any more; decide on the run's own page."
        raise Problem(409, detail, code="run.decided")
    held_decision.record(run, verdict)


def _verdict(asked: dict[str, Any], by: str) -> held_decision.Verdict:
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
    return held_decision.Verdict(chosen == [APPROVE], by, reason, named)


async def _read_body(asked: _Asked, most: int, *, must: bool = True) -> None:
    """Read the body up to its maximum size, and keep it for Airflow.

    Raises:
        Problem: 413, it is too large; 400, it was cut off; 422, it is not the required object.
    """
    receive = asked.receive
    body = b""
    while True:
        message: Message = await receive()
        if message["type"] != "http.request":
            raise Problem(400, "The request was cut off.")
        body += bytes(message.get("body", b""))
        if len(body) > most:
            raise Problem(413, f"The body has more than {most:,} bytes.")
        if not message.get("more_body"):
            break
    asked.body, asked.receive = body, _again(body, receive)
    if not must or not body:
        return
    value = _value(body)
    if value is not None and not isinstance(value, dict):
        raise Problem(422, "The body is not a JSON object.")
    asked.parsed = value or {}


def _value(body: bytes) -> Any:
    """Return the JSON value of a body, as Airflow reads it.

    Raises:
        Problem: 422, it is not JSON, or nested too deeply.
    """
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Problem(422, "The body is not a JSON object.") from None


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that repeats a body that was read, and then continues."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _refusal(error: Exception) -> Response:
    """Return the answer to a refused request."""
    if isinstance(error, Problem):
        return error.answer()
    if isinstance(error, HTTPException):
        return refused(error)
    if isinstance(error, ConflictError | NotFoundError):
        return explained(error)
    if isinstance(error, (DatabaseError, exc.OperationalError, exc.InterfaceError)):
        return unanswered(error)
    return unexpected(error)
