"""Routes of a run's details: changes, causes, findings, the report and the log."""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

import oneroster_sync
from oneroster_airflow.api import airflow_db, models
from oneroster_airflow.api.auth import Insider, May, Reader
from oneroster_airflow.api.errors import Problem
from oneroster_airflow.api.routes.preferences import Text
from oneroster_airflow.api.routes.runs import Limit, RunId, find
from oneroster_sync import database
from oneroster_sync.findings.csv_export import format_csv
from oneroster_sync.runs import other_people, run_details
from oneroster_sync.runs.artifacts import RunFolder, release_memory
from oneroster_sync.runs.diagnostics import format_diagnostics
from oneroster_sync.runs.summary import count_changes
from oneroster_sync.stages.diff.plan import read_changes
from oneroster_sync.stages.diff.preview import page_of_plan
from oneroster_sync.stages.record import list_in_full
from oneroster_sync.stages.validate.data_docs import DataDocsError, ensure_data_docs, read_report
from oneroster_sync.standard.kinds import MAPPINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run

    _Page = tuple[list[dict[str, Any]], int | None]

router = APIRouter(tags=["details"])
_logger = logging.getLogger(__name__)

After = Annotated[
    int, Query(ge=0, le=2**62, description="The cursor that the previous page returned.")
]
FORGOTTEN: dict[int | str, dict[str, Any]] = {410: {"description": "It expired and was deleted."}}
_BLOCK = 1000
"""Number of changes, or lines of a log, to read at a time."""
_FIRST_LINES = 20
_COLUMNS = (
    *("school", "role", "name", "email", "action", "kind", "sourced_id", "reason", "file", "row"),
    "applied",
)
_FORGETTING = "It may have expired and been deleted; the run's record is kept."


@router.get("/runs/{run_id}/changes", responses=FORGOTTEN)
def changes(
    run_id: RunId,
    actor: Insider,
    kind: models.Kind | None = None,
    action: Annotated[str | None, Query(pattern="^[a-z]{1,20}$")] = None,
    q: Text | None = None,
    school: Text | None = None,
    after: After = 0,
    limit: Limit = 50,
) -> models.Changes:
    """List the changes of a run, or those of its plan, field by field."""
    del actor
    run = find(run_id)
    asked: dict[str, Any] = {"kind": kind, "action": action, "q": q, "school": school}
    found, following = _page_of_changes(run, **asked, after=after, limit=limit)
    return models.Changes(
        changes=[models.Change(**change) for change in found],
        next=following,
        applied=run.applied_at is not None,
    )


@router.get(
    "/runs/{run_id}/changes.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **FORGOTTEN},
)
def changes_csv(
    run_id: RunId,
    actor: Insider,
    kind: models.Kind | None = None,
    action: Annotated[str | None, Query(pattern="^[a-z]{1,20}$")] = None,
    q: Text | None = None,
    school: Text | None = None,
) -> StreamingResponse:
    """Download the changes of a run or of its plan as CSV, with names."""
    del actor
    run = find(run_id)
    asked: dict[str, Any] = {"kind": kind, "action": action, "q": q, "school": school}
    # Read before the answer begins: after its first byte, a missing plan could not become a 410.
    first = _page_of_changes(run, **asked, after=0, limit=_BLOCK)
    return StreamingResponse(
        format_csv(_rows_of_changes(run, first, asked), _COLUMNS),
        media_type="text/csv; charset=utf-8",
        headers=attachment(f"changes-{run_id}.csv"),
    )


def _rows_of_changes(run: Run, page: _Page, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    while True:
        found, following = page
        for change in found:
            yield {
                **change,
                "school": "; ".join(change["schools"]),
                "name": change["label"],
                "applied": "yes" if run.applied_at else "no",
            }
        if following is None:
            return
        # Each page opens its own connection, so that a slow download does not keep one.
        page = _page_of_changes(run, **asked, after=following, limit=_BLOCK)


def _page_of_changes(run: Run, **asked: Any) -> _Page:
    """Return a page of the changes of a run or of its plan, with the names of schools.

    Raises:
        Problem: 410, the changes have expired and were deleted.
    """
    with database.engine().connect() as connection:
        if run.applied_at is not None:
            found, following = run_details.page_of_changes(connection, run.run_id, **asked)
            if not found and count_changes(run.counts):
                _refuse_if_expired(connection, run, "changes")
        elif run.plan_hash is None:
            found, following = [], None
        else:
            try:
                found, following = _page_of_plan(connection, run, **asked)
            except FileNotFoundError:
                raise Problem(410, f"The plan no longer exists. {_FORGETTING}") from None
        names = run_details.name_schools(connection, run.site) if found else {}
    for change in found:
        change["schools"] = [names.get(school, school) for school in change["schools"]]
    return found, following


@router.get("/runs/{run_id}/causes", responses=FORGOTTEN)
def causes(run_id: RunId, actor: Reader) -> models.Causes:
    """List what to fix in the export, in the order in which to fix it.

    Only users who may see rows get the sourcedId of a missing record.
    """
    run = find(run_id)
    with database.engine().connect() as connection:
        found = run_details.causes(connection, run_id)
        if not found and any((run.findings or {}).values()):
            _refuse_if_expired(connection, run, "findings")
    # A target is the sourcedId of a record, which may be a person.
    if not actor.is_allowed(May.DETAILS):
        found = [{**cause, "target": None} for cause in found]
    return models.Causes(causes=[models.Cause(**cause) for cause in found])


@router.get("/runs/{run_id}/findings", responses=FORGOTTEN)
def findings(
    run_id: RunId,
    actor: Insider,
    severity: Literal["error", "warning"] | None = None,
    code: Text | None = None,
    file: Text | None = None,
    column: Text | None = None,
    cause: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    q: Text | None = None,
    after: After = 0,
    limit: Limit = 50,
) -> models.FindingRows:
    """List a run's findings, row by row.

    If another person came under a known sourcedId, the names of both are included here, and in no
    file for download.
    """
    del actor
    run = find(run_id)
    with database.engine().connect() as connection:
        found, following = run_details.page_of_findings(
            connection,
            run_id,
            severity=severity,
            code=code,
            file=file,
            column=column,
            cause=cause,
            q=q,
            after=after,
            limit=limit,
        )
        if not found and any((run.findings or {}).values()):
            _refuse_if_expired(connection, run, "findings")
        ids = [row["sourced_id"] for row in found if row["code"] == other_people.CODE]
        people = other_people.names_of(connection, run_id, ids) if ids else {}
    rows = [{**row, "people": _people_of(row, people)} for row in found]
    return models.FindingRows(findings=[models.FindingRow(**row) for row in rows], next=following)


@router.get(
    "/runs/{run_id}/findings.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def findings_csv(run_id: RunId, actor: Insider) -> StreamingResponse:
    """Download what to fix in the export, most important first; no cell is a formula."""
    del actor
    return StreamingResponse(
        format_csv(_findings_to_fix(run_id)),
        media_type="text/csv; charset=utf-8",
        headers=attachment(f"findings-{run_id}.csv"),
    )


@router.get(
    "/runs/{run_id}/log",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **FORGOTTEN},
)
def log(
    run_id: RunId,
    actor: Insider,
    download: bool = False,  # noqa: FBT001, FBT002  a query is asked by name
    story: bool = False,  # noqa: FBT001, FBT002
) -> StreamingResponse:
    """Return the log of a run: all tasks and tries; for download, with all changes and findings.

    The story is the log without lines of Airflow and libraries about themselves.
    """
    del actor
    run = find(run_id)
    if run.dag_id is None or run.dag_run_id is None:
        raise Problem(404, "This run was made on the command line; its log was printed there.")
    if not airflow_db.has_log(run.dag_id, run.dag_run_id):
        raise Problem(410, f"Airflow no longer has this DAG run. {_FORGETTING}")
    lines = airflow_db.log_lines(run.dag_id, run.dag_run_id, story_only=story)
    if download:
        lines = itertools.chain(lines, (f"{line}\n" for line in list_in_full(run)))
    return StreamingResponse(
        _in_blocks(lines),
        media_type="text/plain; charset=utf-8",
        headers=attachment(f"log-{run_id}.txt") if download else None,
    )


def _in_blocks(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines in blocks, because each piece that is sent costs a change of thread.

    The first block is small, so that a page can show something at once.
    """
    size = _FIRST_LINES
    while block := list(itertools.islice(lines, size)):
        yield "".join(block)
        size = _BLOCK


@router.get("/runs/{run_id}/diagnostics")
def diagnostics(run_id: RunId, actor: Reader) -> models.Diagnostics:
    """Return the facts about a run that support needs, without names of persons or records."""
    del actor
    run = find(run_id)
    versions = {
        "oneroster-sync": oneroster_sync.__version__,
        "apache-airflow": metadata.version("apache-airflow-core"),
        "python": platform.python_version(),
    }
    with database.engine().connect() as connection:
        found = run_details.causes(connection, run_id)
    now = dt.datetime.now(dt.UTC)
    return models.Diagnostics(text=format_diagnostics(run, found, versions=versions, now=now))


@router.get("/runs/{run_id}/report")
def report(run_id: RunId, actor: Reader) -> models.Report:
    """Return Great Expectations' results for the package, suite by suite."""
    del actor
    run = find(run_id)
    stored = read_report(run)
    if stored is None:
        raise Problem(404, f"There is no report of this run. {_no_report(run)}")
    suites = [_suite(suite, run.oneroster_version) for suite in stored]
    docs = None
    folder = RunFolder.of(run.site, run.run_id)
    if folder.has("results.json") or folder.has("report/index.html"):
        docs = f"oneroster/api/v1/runs/{run.run_id}/report/docs.zip"
    return models.Report(suites=suites, docs=docs)


@router.get(
    "/runs/{run_id}/report/docs.zip",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {"schema": {"type": "string"}}}}},
)
def data_docs(run_id: RunId, actor: Reader) -> StreamingResponse:
    """Download Great Expectations' Data Docs, which are made for the first download.

    They contain scripts that load more from other hosts, so the pages here do not show them.
    """
    del actor
    run = find(run_id)
    try:
        folder = ensure_data_docs(run)
    except DataDocsError as error:
        _logger.warning("The Data Docs of run %s could not be made: %s", run_id, error)
        raise Problem(503, "Great Expectations could not make its pages. Try again.") from error
    packed = folder.packed("report") if folder else None
    if packed is None:
        raise Problem(404, f"There are no Data Docs of this run. {_no_report(run)}")
    return StreamingResponse(
        packed, media_type="application/zip", headers=attachment(f"data-docs-{run_id}.zip")
    )


def _people_of(finding: dict[str, Any], people: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    is_of_two = finding["code"] == other_people.CODE
    return people.get(finding["sourced_id"]) if is_of_two else None


def _refuse_if_expired(
    connection: Connection, run: Run, what: Literal["changes", "findings"]
) -> None:
    if not run_details.has_rows(connection, run.run_id, what):
        raise Problem(410, f"The {what} no longer exist. {_FORGETTING}")


def _page_of_plan(connection: Connection, run: Run, **asked: Any) -> _Page:
    """Return a page of a frozen plan.

    Each thread of a server would keep the memory of the plan, so it is released.
    """
    try:
        plan = read_changes(run)
        mapping = run.kind if run.kind in MAPPINGS else None
        undoes = run.undoes is not None
        return page_of_plan(connection, plan, undoes=undoes, mapping=mapping, **asked)
    finally:
        release_memory()


def _findings_to_fix(run_id: str) -> Iterator[dict[str, object]]:
    with database.engine().connect() as connection:
        yield from run_details.findings_to_fix(connection, run_id)


def _suite(suite: dict[str, object], version: str | None) -> models.SuiteResult:
    listed = suite["expectations"]
    assert isinstance(listed, list)
    expectations = [
        models.Expectation(
            title=": ".join(filter(None, (one["column"], one["expected"]))) or one["expectation"],
            **{name: value for name, value in one.items() if name != "expected"},
        )
        for one in listed
    ]
    return models.SuiteResult.model_validate(
        {**suite, "version": version, "expectations": expectations}
    )


def _no_report(run: Run) -> str:
    if run.undoes:
        return "An undo reads no package."
    if run.outcome == "rejected":
        return "The package was rejected before its rows were validated."
    return "Nothing was validated yet, or the results expired and were deleted."


def attachment(name: str) -> dict[str, str]:
    """Return the headers of an answer to save as a file."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
