"""Models of answers about one person or course."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel

from oneroster_airflow.api.models.runs import ColumnChange, Kind


class RecordFound(BaseModel):
    """A user or a course that a search found."""

    kind: Literal["user", "course"]
    id: int
    sourced_id: str | None
    label: str | None
    email: str | None
    status: str
    managed: bool


class RecordFoundAt(RecordFound):
    """A user or a course with its site."""

    site: str
    site_title: str | None


class RecordsOfSites(BaseModel):
    """The results of a search in several sites, and the number of searched sites."""

    records: list[RecordFoundAt]
    sites: int


class RecordsFound(BaseModel):
    """The results of a search."""

    records: list[RecordFound]


class RecordChange(BaseModel):
    """One change of a record, with its run."""

    made_at: dt.datetime
    run_id: str
    kind: Kind
    action: str
    reason: str
    file: str | None
    row: int | None
    requested_by: str
    credited_to: str | None
    fields: list[ColumnChange]
    other: str | None
    uploaded_as: str | None
    decision: str | None
    decided_by: str | None
    decision_reason: str | None


class RecordFinding(BaseModel):
    """A finding about a record's row."""

    code: str
    file: str | None
    row: int | None
    column: str | None
    expected: str | None
    run_id: str
    started_at: dt.datetime
    meaning: str
    hint: str


class CurrentRecord(BaseModel):
    """The user or course at the other end of a course assignment."""

    kind: Literal["user", "course"]
    id: int
    sourced_id: str | None
    label: str | None


class Story(RecordFound):
    """The history that explains the state of a record.

    `sentence` describes the last change. `undoes` is the run that deactivated or removed the
    record: an undo of that run for this record restores it. `current` are the courses of a person
    or the people of a course, the first of `current_total`.
    """

    sentence: str
    undoes: str | None
    schools: list[str]
    current: list[CurrentRecord]
    current_total: int
    role: str | None
    created_at: dt.datetime
    protected: str | None
    changes: list[RecordChange]
    findings: list[RecordFinding]
