"""The shapes of what is told over several runs: comparisons, the roster over time, decisions."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from oneroster_airflow.api.models.runs import RunSummary


class Difference(BaseModel):
    """How many rows with findings are fixed, new and still there."""

    fixed: int
    new: int
    still: int


class Place(Difference):
    """A difference in one column of one file, by one code."""

    code: str
    severity: Literal["error", "warning"]
    file: str | None
    column: str | None
    meaning: str
    hint: str


class RecordDifference(BaseModel):
    """Findings of one record that are fixed or new; `row` is where it stands in the later run."""

    code: str
    severity: Literal["error", "warning"]
    file: str | None
    column: str | None
    sourced_id: str | None
    row: int | None
    fixed: int
    new: int
    meaning: str


class PlanDifference(BaseModel):
    """How many changes of a kind both plans make, and how many only one of them."""

    kind: Literal["user", "course", "course assignment"]
    both: int
    only_earlier: int
    only_later: int


class Comparison(BaseModel):
    """What is different in a run since an earlier one.

    `records` lists the first of what is fixed or new, for those who may see rows; `plan` is null
    where one of the plans is not there any more.
    """

    earlier: RunSummary
    later: RunSummary
    errors: Difference
    warnings: Difference
    places: list[Place]
    records: list[RecordDifference]
    plan: list[PlanDifference] | None
