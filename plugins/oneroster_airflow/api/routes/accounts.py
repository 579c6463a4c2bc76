"""Routes of account matching: accounts made by hand, and the person each may belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from oneroster_airflow.api import models
from oneroster_airflow.api.auth import Insider
from oneroster_airflow.api.routes.run_details import FORGOTTEN, After, attachment
from oneroster_airflow.api.routes.runs import Limit, RunId, find
from oneroster_sync import database
from oneroster_sync.stages.diff import account_report as report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneroster_sync.runs import Run

router = APIRouter(tags=["details"])


@router.get("/runs/{run_id}/adoption", responses=FORGOTTEN)
def adoption(
    run_id: RunId,
    actor: Insider,
    how: models.How | None = None,
    after: After = 0,
    limit: Limit = 50,
) -> models.Adoption:
    """List the accounts that were made by hand, and the person of the package each may belong to.

    An account may have the login of a person of the package, the same name, or the same mailbox at
    another domain; an earlier run may have linked it, or it may match nobody.
    """
    del actor
    run = find(run_id)
    with database.engine().connect() as connection:
        found, following = report.page_of_accounts(
            connection, run, how=how, after=after, limit=limit
        )
    return models.Adoption(
        accounts=[models.AccountMatch(**account) for account in found],
        counts=report.count_accounts(run),
        next=following,
    )


@router.get(
    "/runs/{run_id}/adoption.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **FORGOTTEN},
)
def adoption_csv(run_id: RunId, actor: Insider) -> StreamingResponse:
    """Download the accounts as CSV; no cell is a formula.

    After you delete the wrong lines, the file is a links.csv that you can upload.
    """
    del actor
    run = find(run_id)
    report.count_accounts(run)
    return StreamingResponse(
        report.as_csv(_accounts(run)),
        media_type="text/csv; charset=utf-8",
        headers=attachment(f"adoption-{run_id}.csv"),
    )


def _accounts(run: Run) -> Iterator[dict[str, Any]]:
    with database.engine().connect() as connection:
        yield from report.all_accounts(connection, run)
