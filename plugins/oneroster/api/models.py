"""The shapes of requests and answers: what the OpenAPI document is made of."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from oneroster_sync.preferences import PauseWindow, Settings, Weekday

Kind = Literal["user", "course", "assignment"]
OutcomeName = Literal[
    "succeeded",
    "succeeded_with_errors",
    "no_changes",
    "held",
    "rejected",
    "discarded",
    "superseded",
    "failed",
    "skipped",
]
_LINES = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Reason = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True, pattern=_LINES)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Permissions(BaseModel):
    """What the user may do."""

    read: bool
    details: bool
    operate: bool
    administer: bool


class Me(BaseModel):
    """Who is logged in."""

    name: str
    may: Permissions


class SiteState(BaseModel):
    """A site, and what Airflow has of it."""

    site: str
    in_airflow: bool
    enabled: bool | None
    next_run: dt.datetime | None


class Sites(BaseModel):
    """The sites that the user may see."""

    sites: list[SiteState]


class Upcoming(BaseModel):
    """A sync that is due, or the first of those that a pause skips."""

    at: dt.datetime
    skipped_because: str | None


class UpcomingList(BaseModel):
    """What comes next."""

    upcoming: list[Upcoming]


class Schedule(_Body):
    """Days, time and pauses that may not have been saved; each may be left out."""

    days: Annotated[list[Weekday], Field(max_length=7)]
    time_utc: dt.time
    pause_windows: Annotated[list[PauseWindow], Field(max_length=100)] = []


class PreferencesState(BaseModel):
    """A site's preferences as they stand, and what follows from them."""

    site: str
    version: int
    settings: Settings
    saved_at: dt.datetime
    saved_by: str
    credited_admin_active: bool
    enabled: bool | None
    next_run: dt.datetime | None
    upcoming: list[Upcoming]


class PreferencesSave(_Body):
    """Preferences to be saved, and the version that they were made from."""

    version: Annotated[int, Field(ge=0, le=2**31 - 1)]
    settings: Settings


class Enabled(_Body):
    """Whether scheduled syncs run."""

    enabled: bool


class EnabledState(BaseModel):
    """Whether scheduled syncs run, and when the next one is."""

    enabled: bool
    next_run: dt.datetime | None


class FieldChange(BaseModel):
    """One field before and after."""

    field: str
    before: Any = None
    after: Any = None


class Save(BaseModel):
    """Something that a person did to a site."""

    at: dt.datetime
    actor: str
    event: str
    changes: list[FieldChange]


class Saves(BaseModel):
    """What people did to a site, the newest first."""

    saves: list[Save]


class Account(BaseModel):
    """An active account of a site."""

    email: str
    name: str
    role: str
    managed: bool


class Accounts(BaseModel):
    """Accounts that a search found."""

    accounts: list[Account]


class Started(BaseModel):
    """A run that was asked for; Airflow begins it as soon as it can."""

    run_id: str
    dag_id: str
    dag_run_id: str


class EarlierRun(BaseModel):
    """A run that read the same package before."""

    run_id: str
    started_at: dt.datetime
    outcome: OutcomeName | None


class Uploaded(Started):
    """An upload that was taken in, and the run that reads it."""

    sha256: str
    size: int
    same_as: EarlierRun | None


class UploadLimits(BaseModel):
    """Bytes that an upload may have, by what it is."""

    package: int
    users: int
    courses: int


class Severities(BaseModel):
    """How many findings there are."""

    errors: int
    warnings: int


class RunSummary(BaseModel):
    """A run as a list shows it; without an outcome it is under way."""

    run_id: str
    site: str
    started_at: dt.datetime
    ended_at: dt.datetime | None
    outcome: OutcomeName | None
    stage: str
    trigger: Literal["schedule", "upload", "command"]
    type: str
    scope: Literal["users", "users_and_courses", "courses"]
    requested_by: str
    counts: dict[str, dict[str, int]] | None
    findings: Severities
    sentence: str


class Runs(BaseModel):
    """A page of runs, the newest first."""

    runs: list[RunSummary]
    total: int
    older: str | None


class Point(BaseModel):
    """One run as a point in time."""

    run_id: str
    started_at: dt.datetime
    outcome: OutcomeName
    changes: int
    errors: int


class Trend(BaseModel):
    """The last runs, the oldest first."""

    points: list[Point]


class Stage(BaseModel):
    """One stage as Airflow runs it."""

    stage: str
    state: str | None
    try_number: int
    started_at: dt.datetime | None
    ended_at: dt.datetime | None


class DagRun(BaseModel):
    """The DAG run behind a run."""

    dag_id: str
    dag_run_id: str
    state: str
    stages: list[Stage]


class DagRunState(BaseModel):
    """A DAG run, and the run that it is; not recorded means that it has not begun."""

    run_id: str
    recorded: bool
    dag_run: DagRun


class Hold(BaseModel):
    """A guard that holds a plan, with the numbers that it judged."""

    code: str
    kind: str
    found: int
    of: int
    limit: str
    text: str


class Decision(BaseModel):
    """What a person decided about a held plan."""

    decision: Literal["approved", "discarded"]
    by: str
    at: dt.datetime
    reason: str | None


class Has(BaseModel):
    """What else there is of a run."""

    changes: int | None
    report: bool
    log: bool


class Can(BaseModel):
    """What the user may do with the run as it stands."""

    approve: bool
    discard: bool
    undo: bool


class RunDetail(RunSummary):
    """A run with all that is known about it as a whole."""

    reasons: list[str]
    package: str | None
    sha256: str | None
    oneroster_version: str | None
    plan_hash: str | None
    base_version: int | None
    applied_at: dt.datetime | None
    credited_admin: str | None
    undoes: str | None
    decision: Decision | None
    holds: list[Hold]
    dag_run: DagRun | None
    has: Has
    can: Can


class Change(BaseModel):
    """One record, before and after."""

    kind: Kind
    action: str
    sourced_id: str | None
    label: str | None
    fields: list[FieldChange]
    reason: str
    file: str | None
    row: int | None


class Changes(BaseModel):
    """A page of changes; not applied means that they would be made."""

    changes: list[Change]
    next: int | None
    applied: bool


class Cause(BaseModel):
    """Findings that are mended together."""

    code: str
    severity: Literal["error", "warning"]
    file: str | None
    column: str | None
    expected: str | None
    findings: int
    rows: int
    first_row: int | None
    meaning: str
    hint: str


class Causes(BaseModel):
    """What has to be mended, errors first, then by rows touched."""

    causes: list[Cause]


class FindingRow(BaseModel):
    """One finding."""

    seq: int
    code: str
    severity: Literal["error", "warning"]
    file: str | None
    row: int | None
    rows: int
    column: str | None
    sourced_id: str | None
    expected: str | None
    meaning: str
    hint: str


class FindingRows(BaseModel):
    """A page of findings."""

    findings: list[FindingRow]
    next: int | None


class Expectation(BaseModel):
    """What became of one expectation."""

    expectation: str
    column: str | None
    title: str
    severity: str
    success: bool
    unexpected: int
    checked: int
    code: str | None


class SuiteResult(BaseModel):
    """What became of one suite."""

    file: str
    version: str | None
    success: bool
    rows: int
    expectations: list[Expectation]


class Report(BaseModel):
    """What Great Expectations said of a package."""

    suites: list[SuiteResult]
    docs: str | None


class Approval(_Body):
    """An approval of exactly one plan."""

    plan_hash: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    reason: Reason = ""


class Refusal(_Body):
    """Why a plan is discarded."""

    reason: Reason = ""


class RecordFound(BaseModel):
    """A user or a course that a search found."""

    kind: Literal["user", "course"]
    id: int
    sourced_id: str | None
    label: str | None
    email: str | None
    status: str
    managed: bool


class RecordsFound(BaseModel):
    """What a search found."""

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
    fields: list[FieldChange]
    other: str | None


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


class Story(RecordFound):
    """Why a record is as it is."""

    role: str | None
    created_at: dt.datetime
    protected: str | None
    changes: list[RecordChange]
    findings: list[RecordFinding]


class Health(BaseModel):
    """That the pages are there."""

    status: Literal["healthy"]
