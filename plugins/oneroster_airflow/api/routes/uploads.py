"""Routes that start a run: an upload, or a sync of the site's source now."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from oneroster_airflow.api import airflow_db, models
from oneroster_airflow.api.auth import May, Operator, Reader
from oneroster_airflow.api.errors import Problem, sentence
from oneroster_airflow.api.routes.preferences import Site
from oneroster_sync import database, settings
from oneroster_sync.runs import queries
from oneroster_sync.sites import dag_names, maintenance, preferences_store, registry
from oneroster_sync.sources import uploads
from oneroster_sync.standard.kinds import MAPPINGS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneroster_sync.sources.uploads import Receiving, Upload

router = APIRouter(tags=["runs"])

_SLOWEST = 64 << 10
"""Minimum speed of an upload after the seconds of patience, in bytes per second."""
_UNDER_WAY = 20
"""Maximum number of one person's uploads at a site that are received, queued or read."""
_AT_ONCE = 40
"""Maximum number of uploads that this process receives at a time; each may be 500 MB."""
_RECEIVED: Counter[str] = Counter()
"""Person → number of their uploads that this process is receiving."""
_AGAIN_S = 60
_STATUS: dict[type[uploads.RefusedUploadError], int] = {
    uploads.TooLargeError: 413,
    uploads.WrongKindError: 415,
    uploads.EmptyUploadError: 422,
    uploads.NoRoomError: 507,
}


@router.get("/sites/{site}/uploads/limits")
def limits(site: Site, actor: Reader) -> models.UploadLimits:
    """Return the maximum sizes of uploads."""
    del site, actor
    return models.UploadLimits(**{kind.value: size for kind, size in uploads.LIMITS.items()})


@router.post(
    "/sites/{site}/uploads",
    status_code=202,
    responses={
        status: {"description": words}
        for status, words in {
            408: "The client stopped sending, or is too slow.",
            409: "Airflow does not know the site's DAG.",
            411: "The length of the body is not declared.",
            413: "The file is too large.",
            415: "The file is not of that kind.",
            429: "Many uploads are under way, of this person or of all.",
            507: "The storage is full.",
        }.items()
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def upload(
    site: Site,
    request: Request,
    actor: Operator,
    kind: Annotated[Kind, Query(description="What the file is.")],
    name: Annotated[
        str, Query(max_length=1000, description="What it is called where it comes from.")
    ] = "",
    check_only: Annotated[  # noqa: FBT002  a parameter of the query
        bool, Query(description="Make the plan and show it; nothing is applied.")
    ] = False,
    content_length: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> models.Uploaded:
    """Receive a file, as the raw body, and start a run that reads it.

    With `check_only` the run is a preview: its plan is made and reviewed, never held and never
    applied. It requires the same permission, because it reads the same people.

    Mappings (`ids` and `links`) decide which record is which person, so they require an
    administrator.
    """
    if kind in MAPPINGS:
        actor.require_also(May.ADMINISTER)
    await run_in_threadpool(_check_site, site)
    # `isdigit` alone is true for digits such as ², which `int` refuses.
    if content_length is None or not content_length.isascii() or not content_length.isdigit():
        raise Problem(411, "Send the length of the file as Content-Length.")
    with _counted(actor.name):
        await run_in_threadpool(_check_rate, site, actor.name)
        # First make room: what killed servers left may be as large as this upload.
        await run_in_threadpool(uploads.sweep, site, now=dt.datetime.now(dt.UTC))
        receiving = uploads.Receiving(site, kind, name)
        try:
            receiving.expect(int(content_length))
            taken = await _receive(request, receiving, int(content_length))
        except uploads.RefusedUploadError as error:
            code = "upload.wrong_kind" if isinstance(error, uploads.WrongKindError) else None
            raise Problem(_STATUS[type(error)], sentence(str(error)), code=code) from None
        return await run_in_threadpool(_begin, site, kind, taken, actor.name, check_only=check_only)


@router.post(
    "/sites/{site}/runs",
    status_code=202,
    responses={409: {"description": "The sync is off, or Airflow does not know the DAG."}},
)
def run_now(site: Site, actor: Operator) -> models.Started:
    """Start a sync from the site's own source now."""
    _check_site(site)
    state = airflow_db.dag_state(site)
    if state is not None and state.is_paused:
        raise Problem(
            409,
            "The sync of this site is off. Switch it on in the preferences, or upload a package.",
            code="sync.disabled",
        )
    return models.Started(**started(dag_names.sync_dag_id(site), {}, by=actor.name))


def started(dag_id: str, conf: dict[str, Any], *, by: str) -> dict[str, str]:
    """Start a DAG run, and return the ids of the DAG run and its run.

    Raises:
        Problem: 409, Airflow does not know the DAG.
    """
    try:
        dag_run_id = airflow_db.start(dag_id, conf, by=by)
    except airflow_db.NoDagError as error:
        raise Problem(409, f"{error}.", code="dag.unknown") from None
    run_id = dag_names.run_id_of(dag_id, dag_run_id)
    return {"run_id": run_id, "dag_id": dag_id, "dag_run_id": dag_run_id}


def _check_site(site: str) -> None:
    """Check that the site exists, is not archived, and no maintenance stops it."""
    with database.engine().connect() as connection:
        preferences_store.load(connection, site)
        registry.refuse_archived(connection, site)
        maintenance.refuse(connection)


@contextlib.contextmanager
def _counted(person: str) -> Iterator[None]:
    """Count an upload for a person until its run has been started.

    It is counted before the limit is checked, so that no upload is missed between being received
    and being queued.

    Raises:
        Problem: 429, too many uploads are being received.
    """
    if _RECEIVED.total() >= _AT_ONCE:
        raise Problem(
            429,
            f"{_AT_ONCE} uploads are being received; try again in a moment.",
            code="upload.too_many",
            headers={"Retry-After": str(_AGAIN_S)},
        )
    _RECEIVED[person] += 1
    try:
        yield
    finally:
        _RECEIVED[person] -= 1
        if not _RECEIVED[person]:
            del _RECEIVED[person]


def _check_rate(site: str, person: str) -> None:
    """Refuse an upload of a person with many unfinished ones: each may be large, and is stored."""
    waiting = airflow_db.under_way(dag_names.upload_dag_id(site), by=person)
    if _RECEIVED[person] + waiting > _UNDER_WAY:
        raise Problem(
            429,
            f"{_UNDER_WAY} of your uploads are under way; they are read one after the other. Try "
            "again when some have ended.",
            code="upload.too_many",
            headers={"Retry-After": str(_AGAIN_S)},
        )


async def _receive(request: Request, receiving: Receiving, size: int) -> Upload:
    """Receive the body as a stream.

    A client may pause for some seconds, and may be as many seconds behind the minimum speed in
    total: a client that sends a byte now and then would keep the upload open for years.

    Raises:
        RefusedUploadError: The upload is refused.
        Problem: 408, the client stopped sending, disconnected, or is too slow.
    """
    patience = settings.upload_seconds()
    pieces = request.stream().__aiter__()
    with receiving:
        try:
            async with asyncio.timeout(patience + size / _SLOWEST):
                while True:
                    try:
                        piece = await asyncio.wait_for(anext(pieces), patience)
                    except StopAsyncIteration:
                        break
                    # A disk or a bucket may block, and would stop all other requests of this
                    # server.
                    await run_in_threadpool(receiving.write, piece)
        except (TimeoutError, ClientDisconnect):
            raise Problem(
                408, "The upload was cut off or too slow; nothing was kept. Try again."
            ) from None
        return await run_in_threadpool(receiving.finish)


def _begin(site: str, kind: Kind, taken: Upload, by: str, *, check_only: bool) -> models.Uploaded:
    with database.engine().connect() as connection:
        earlier = queries.earlier_run(connection, site, taken.sha256)
    conf: dict[str, Any] = {"package": taken.package, "kind": kind.value}
    if check_only:
        conf["check_only"] = True
    try:
        begun = started(dag_names.upload_dag_id(site), conf, by=by)
    except Problem:
        # No run will read the file and delete it.
        uploads.forget(site, taken.package)
        raise
    same = None
    if earlier is not None:
        same = models.EarlierRun(
            run_id=earlier.run_id,
            started_at=earlier.started_at,
            outcome=earlier.outcome.value if earlier.outcome else None,
            is_preview=earlier.is_preview,
        )
    return models.Uploaded(**begun, sha256=taken.sha256, size=taken.size, same_as=same)
