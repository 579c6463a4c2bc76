"""Find the DAGs of ours that a request reaches without naming them, in Airflow's database.

The API server may use Airflow's models; as in `airflow_db`, each function opens its own session.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query
from pydantic import NonNegativeInt, TypeAdapter, ValidationError
from sqlalchemy import select

from oneroster_airflow.airflow_internals import (
    AssetModel,
    Backfill,
    DagModel,
    DagRun,
    DagScheduleAssetReference,
    EditableDagsFilterDep,
    QueryDagIdPatternSearchWithNone,
    QueryDagIdPrefixPatternSearchWithNone,
    QueryExcludeStaleFilter,
    QueryOwnersFilter,
    QueryPausedFilter,
    QueryTagsFilter,
    SessionDep,
    TaskInletAssetReference,
    TaskOutletAssetReference,
    apply_filters_to_select,
    create_session,
)
from oneroster_airflow.airflow_routes import Target, is_graver, is_ours
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from starlette.types import Message, Scope

_NUMBER: TypeAdapter[int] = TypeAdapter(NonNegativeInt)
"""Airflow's parser for the number of an asset or a backfill; it reads `1.0` as 1."""
_ASSETS = (TaskOutletAssetReference, TaskInletAssetReference, DagScheduleAssetReference)


def all_ours() -> set[Target]:
    """Return all of our DAGs that Airflow knows."""
    with create_session() as session:
        return {Target(each) for each in session.scalars(select(DagModel.dag_id)) if is_ours(each)}


def of_backfill(number: Any) -> set[Target]:
    """Return the DAG of a backfill, if it is ours."""
    return _ours(select(Backfill.dag_id).where(Backfill.id == _read(number)))


def of_asset(number: Any) -> set[Target]:
    """Return our DAGs that write, read or wait for an asset."""
    asset = _read(number)
    found = set().union(*(_ours(select(m.dag_id).where(m.asset_id == asset)) for m in _ASSETS))
    # An asset that our task names by an alias has no reference of its own.
    with create_session() as session:
        uri = session.scalar(select(AssetModel.uri).where(AssetModel.id == asset))
    site = dag_names.site_of_asset(uri) if uri else None
    return found | ({Target(dag_names.sync_dag_id(site))} if site else set())


def is_graver_run(target: Target) -> bool:
    """Return whether a run, or one of a range, may be an undo, a mapping or a test message."""
    if target.dag_run_id is None:
        return not target.dag_id.startswith(dag_names.SYNC)  # scheduled runs have no parameters
    asked = select(DagRun.conf).where(
        DagRun.dag_id == target.dag_id, DagRun.run_id == target.dag_run_id
    )
    with create_session() as session:
        return is_graver(session.scalar(asked))


async def of_pattern(scope: Scope) -> set[Target]:
    """Return our DAGs that a bulk change of DAGs reaches, by Airflow's own filters."""
    # Airflow's dependencies find the auth manager in the state of the app that answers.
    _filters.state.auth_manager = scope["app"].state.auth_manager
    asked = {**scope, "path": "/", "root_path": "", "raw_path": b"/", "method": "GET"}
    asked.pop("app", None)
    status, body = 0, b""

    async def nothing() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def take(message: Message) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += bytes(message.get("body", b""))

    await _filters(asked, nothing, take)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return set()  # Airflow refuses the same query for the same reason
    # The body of an error is no list of ids, so it raises here, and the request is refused.
    return {Target(dag_id) for dag_id in _IDS.validate_json(body) if is_ours(dag_id)}


_IDS: TypeAdapter[list[str]] = TypeAdapter(list[str])
_filters = FastAPI(openapi_url=None)
"""Selects the DAGs of a query; only `of_pattern` calls it, and it is not mounted."""


@_filters.get("/")
def _selected(
    tags: QueryTagsFilter,
    owners: QueryOwnersFilter,
    dag_id_pattern: QueryDagIdPatternSearchWithNone,
    dag_id_prefix_pattern: QueryDagIdPrefixPatternSearchWithNone,
    exclude_stale: QueryExcludeStaleFilter,
    paused: QueryPausedFilter,
    editable: EditableDagsFilterDep,
    session: SessionDep,
    update_mask: Annotated[list[str] | None, Query()] = None,
) -> list[str]:
    del update_mask
    filters = [exclude_stale, paused, dag_id_pattern, dag_id_prefix_pattern, tags, owners, editable]
    wanted = apply_filters_to_select(statement=select(DagModel.dag_id), filters=filters)
    return [str(dag_id) for dag_id in session.scalars(wanted)]


def _ours(query: Any) -> set[Target]:
    with create_session() as session:
        return {Target(dag_id) for dag_id in session.scalars(query) if is_ours(dag_id)}


def _read(number: Any) -> int:
    """Return a number as Airflow reads it; a number that matches nothing if Airflow refuses it."""
    try:
        found = _NUMBER.validate_python(number)
    except ValidationError:
        return -1
    # Airflow's ids are 32-bit integers, and PostgreSQL raises an error for a larger one.
    return found if found < 1 << 31 else -1
