"""Routes of what is told over several runs: comparisons, the roster over time, decisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from oneroster_airflow.api import models
from oneroster_airflow.api.auth import May, Reader
from oneroster_airflow.api.routes.run_details import FORGOTTEN
from oneroster_airflow.api.routes.runs import RUN_ID, RunId, find, summarize
from oneroster_sync import database
from oneroster_sync.operations.run_comparison import compare_runs

router = APIRouter(tags=["reports"])


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

    Which records it is about is told to those who may see rows.
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
