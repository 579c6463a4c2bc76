"""Routes of reports over several runs: comparisons, the roster over time, decisions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from oneroster_airflow.api import models
from oneroster_airflow.api.auth import May, Reader
from oneroster_airflow.api.routes.preferences import Site
from oneroster_airflow.api.routes.run_details import FORGOTTEN, attachment
from oneroster_airflow.api.routes.runs import RUN_ID, RunId, find, summarize
from oneroster_sync import database
from oneroster_sync.findings.csv_export import format_csv
from oneroster_sync.operations.run_comparison import compare_runs
from oneroster_sync.runs.decisions_report import COLUMNS, list_decisions, rows_of_decisions
from oneroster_sync.runs.roster_history import list_roster_points, list_schools
from oneroster_sync.sites import preferences_store

router = APIRouter(tags=["reports"])

_Month = Annotated[
    str, Query(pattern=r"^[12]\d{3}-(0[1-9]|1[0-2])$", description="As 2026-11, in UTC.")
]


@router.get("/sites/{site}/roster-history")
def roster_history(
    site: Site,
    actor: Reader,
    school: Annotated[
        str | None, Query(max_length=255, description="Users of this school only.")
    ] = None,
    limit: Annotated[int, Query(ge=2, le=400)] = 120,
) -> models.RosterHistory:
    """Return how many users, courses and course assignments were active after each applied run."""
    del actor
    with database.engine().connect() as connection:
        preferences_store.load(connection, site)
        points = list_roster_points(connection, site, school=school, limit=limit)
        schools = list_schools(connection, site)
    return models.RosterHistory(
        points=[models.RosterPoint(**asdict(point)) for point in points],
        schools=[models.SchoolSize(**one) for one in schools],
    )


@router.get("/sites/{site}/decisions")
def decisions(site: Site, actor: Reader, month: _Month) -> models.Decisions:
    """List who approved and discarded what in a month."""
    del actor
    with database.engine().connect() as connection:
        preferences_store.load(connection, site)
        rows = list(rows_of_decisions(list_decisions(connection, site, month)))
    return models.Decisions(month=month, decisions=[models.DecisionRow(**row) for row in rows])


@router.get(
    "/sites/{site}/decisions.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def decisions_csv(site: Site, actor: Reader, month: _Month) -> StreamingResponse:
    """Download who approved and discarded what in a month."""
    del actor
    with database.engine().connect() as connection:
        preferences_store.load(connection, site)
        decided = list_decisions(connection, site, month)
    return StreamingResponse(
        format_csv(rows_of_decisions(decided), COLUMNS),
        media_type="text/csv; charset=utf-8",
        headers=attachment(f"decisions-{site}-{month}.csv"),
    )


@router.get("/runs/{run_id}/comparison", responses=FORGOTTEN)
def compare(
    run_id: RunId,
    actor: Reader,
    earlier: Annotated[
        str | None,
        Query(pattern=RUN_ID, description="Another run of the site; by default the one before."),
    ] = None,
) -> models.Comparison:
    """Compare a run with an earlier one: findings fixed and new, counts and plans.

    Only users who may see rows get the records.
    """
    later = find(run_id)
    with database.engine().connect() as connection:
        compared = compare_runs(connection, later, earlier)
    records = compared.records if actor.is_allowed(May.DETAILS) else []
    plan = None
    if compared.plan is not None:
        plan = [
            models.PlanDifference(
                kind=kind,
                both=one.both,
                only_earlier=one.only_earlier,
                only_later=one.only_later,
            )
            for kind, one in compared.plan.items()
        ]
    return models.Comparison(
        earlier=models.RunSummary(**summarize(compared.earlier)),
        later=models.RunSummary(**summarize(compared.later)),
        errors=models.Difference(**compared.count("error")),
        warnings=models.Difference(**compared.count("warning")),
        places=[models.Place(**place) for place in compared.places],
        records=[models.RecordDifference(**record) for record in records],
        plan=plan,
    )
