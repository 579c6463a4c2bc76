"""Models of answers about several runs: comparisons, the roster over time, decisions."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel

from oneroster_airflow.api.models.runs import RunSummary


class Difference(BaseModel):
    """The numbers of rows with findings that are fixed, new and unchanged."""

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
    """Fixed or new findings of one record; `row` is its row in the later run."""

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
    """The numbers of changes of a kind that both plans make, and that only one makes."""

    kind: Literal["user", "course", "course assignment"]
    both: int
    only_earlier: int
    only_later: int


class Comparison(BaseModel):
    """The differences between a run and an earlier one.

    `records` lists the first fixed or new findings, for users who may see rows; `plan` is null if
    one of the plans was deleted.
    """

    earlier: RunSummary
    later: RunSummary
    errors: Difference
    warnings: Difference
    places: list[Place]
    records: list[RecordDifference]
    plan: list[PlanDifference] | None


class RosterPoint(BaseModel):
    """The active records after a run; rebuilt ones are reckoned from the audit."""

    run_id: str
    at: dt.datetime
    outcome: str
    is_undo: bool
    changes: int
    active: dict[str, int]
    is_rebuilt: bool


class SchoolSize(BaseModel):
    """A school and its active users."""

    sourced_id: str
    name: str
    users: int


class RosterHistory(BaseModel):
    """How a roster grew and shrank, the oldest run first, and the schools to choose from."""

    points: list[RosterPoint]
    schools: list[SchoolSize]


class DecisionRow(BaseModel):
    """Who decided what about a held plan, and why it was held."""

    decided_at: dt.datetime
    site: str
    decision: Literal["approved", "discarded"]
    decided_by: str
    reason: str
    plan: str
    why_held: str
    applied: str
    started_at: dt.datetime
    started_by: str
    package: str
    run_id: str
    plan_hash: str


class Decisions(BaseModel):
    """The decisions of a month, the first one first."""

    month: str
    decisions: list[DecisionRow]
