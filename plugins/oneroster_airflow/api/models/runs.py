"""Models of answers about a run."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Kind = Literal["user", "course", "assignment"]
How = Literal["login", "name", "mailbox", "linked", "orphan"]
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


class FieldChange(BaseModel):
    """One field before and after."""

    field: str
    before: Any = None
    after: Any = None


class ColumnChange(FieldChange):
    """One column of a record before and after, with its display name."""

    label: str = ""


class Severities(BaseModel):
    """The numbers of findings."""

    errors: int
    warnings: int


class Totals(BaseModel):
    """The counts of a kind in a list; each change counts once."""

    added: int
    updated: int
    removed: int
    errors: int


class RunSummary(BaseModel):
    """A run in a list; a run without an outcome is in progress.

    A preview is a run that applies nothing. `uploaded_as` is the original name of an uploaded
    file.
    """

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
    totals: dict[str, Totals] | None
    findings: Severities
    sentence: str
    is_applied: bool
    is_preview: bool
    uploaded_as: str | None


class Runs(BaseModel):
    """A page of runs, the newest first."""

    runs: list[RunSummary]
    total: int
    older: str | None


class Point(BaseModel):
    """One run as a point in time; its changes were made only if it was applied."""

    run_id: str
    started_at: dt.datetime
    outcome: OutcomeName
    is_applied: bool
    is_preview: bool
    changes: int
    errors: int


class Trend(BaseModel):
    """The last runs, the oldest first."""

    points: list[Point]


class Stage(BaseModel):
    """One stage and its state in Airflow."""

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
    """A DAG run and its run; a run that is not recorded has not begun."""

    run_id: str
    recorded: bool
    dag_run: DagRun


class Hold(BaseModel):
    """A guard that holds a plan, with its numbers, for the site or a school.

    `sentence` describes the reason, `hint` what to consider before a decision.
    If several days were counted together, `earlier` of `found` were applied before the plan.
    """

    code: str
    kind: str
    found: int
    of: int
    limit: str
    text: str
    sentence: str
    hint: str
    school: str | None = None
    days: int | None = None
    earlier: int = 0


class Numbers(BaseModel):
    """A plan's counts in one school for one kind of record."""

    added: int
    changed: int
    gone: int
    ended: int
    active: int


class School(BaseModel):
    """A plan's counts in one school; `gone` are removals, `ended` are removals of ended terms."""

    school: str
    name: str
    users: Numbers
    courses: Numbers
    assignments: Numbers


class Withheld(BaseModel):
    """The part that a plan leaves out: removals that wait, or everything except additions."""

    why: Literal["removals_wait", "create_only"]
    until: dt.date | None = None
    holds: list[Hold] = []
    users: dict[str, int] = {}
    courses: dict[str, int] = {}
    assignments: dict[str, int] = {}
    held_back: dict[str, Any] | None = None


class UndoPart(BaseModel):
    """The part of a run to undo; all of it by default."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind | None = None
    sourced_id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    changed_too: bool = False


class UndoPreview(BaseModel):
    """The counts of an undo, and the records that it would leave unchanged, with reasons."""

    counts: dict[str, dict[str, int]]
    left: list[str]
    left_total: int


class Decision(BaseModel):
    """A person's decision about a held plan."""

    decision: Literal["approved", "discarded"]
    by: str
    at: dt.datetime
    reason: str | None


class Has(BaseModel):
    """Which further data of a run exists; `issues` counts the causes to fix in the export."""

    changes: int | None
    issues: int
    report: bool
    accounts: bool
    log: bool


class Diagnostics(BaseModel):
    """The facts about a run that support needs, as text without names."""

    text: str


class Can(BaseModel):
    """The actions that the user may take on the run in its current state."""

    approve: bool
    discard: bool
    undo: bool


class RunDetail(RunSummary):
    """A run with all of its details; `packages` are the names of the packages that it read.

    `work_s` is the time that it worked, `waited_s` the time that it waited for a decision, in
    seconds. `earlier_run` is the run that it is compared with by default.
    """

    reasons: list[str]
    kind: str
    time_zone: str | None
    package: str | None
    packages: list[str]
    sha256: str | None
    oneroster_version: str | None
    plan_hash: str | None
    base_version: int | None
    applied_at: dt.datetime | None
    held_at: dt.datetime | None
    work_s: float
    waited_s: float
    credited_admin: str | None
    undoes: str | None
    undo_of: UndoPart | None
    removals_of: str | None
    removals_run: str | None
    earlier_run: str | None
    expires_at: dt.datetime | None
    withheld: Withheld | None
    schools: list[School]
    decision: Decision | None
    holds: list[Hold]
    dag_run: DagRun | None
    has: Has
    can: Can


class Change(BaseModel):
    """One record before and after, with the names of its schools and whom to ask.

    For a course assignment, schools are the course's, and role and address the user's.
    """

    kind: Kind
    action: str
    sourced_id: str | None
    label: str | None
    fields: list[ColumnChange]
    reason: str
    file: str | None
    row: int | None
    schools: list[str] = []
    role: str | None = None
    email: str | None = None


class Changes(BaseModel):
    """A page of changes; `applied` false means that they are only planned."""

    changes: list[Change]
    next: int | None
    applied: bool


class RosterChange(BaseModel):
    """One change of a user, a course or a course assignment in the change feed.

    `seq` orders the changes of a version. An erasure has no run, no `before` and no `after`.
    """

    version: int
    seq: int
    run_id: str | None
    kind: Kind
    action: str
    user_id: int | None
    course_id: int | None
    sourced_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    made_at: dt.datetime


class ChangesAfter(BaseModel):
    """A page of the change feed, and the cursor of the next one."""

    changes: list[RosterChange]
    next: str
    version_complete: bool
    roster_version: int


class Cause(BaseModel):
    """Findings that are fixed together.

    Names of several files or columns are listed together. `affected` counts the rows of a cause
    and of all causes that follow from it; `follows` is the number of the cause to fix first.
    """

    number: int
    code: str
    severity: Literal["error", "warning"]
    file: str | None
    column: str | None
    expected: str | None
    target_file: str | None
    target: str | None
    findings: int
    rows: int
    first_row: int | None
    affected: int
    follows: int | None
    meaning: str
    hint: str


class Causes(BaseModel):
    """The causes to fix, in the order in which to fix them."""

    causes: list[Cause]


class OtherPeople(BaseModel):
    """Names of two people with one sourcedId: its owner, and the person of the new row."""

    known: str
    coming: str


class FindingRow(BaseModel):
    """One finding; `people` is set only if another person came under a known sourcedId."""

    seq: int
    code: str
    severity: Literal["error", "warning"]
    file: str | None
    row: int | None
    rows: int
    column: str | None
    sourced_id: str | None
    expected: str | None
    target_file: str | None
    target: str | None
    cause: int | None
    meaning: str
    hint: str
    people: OtherPeople | None = None


class FindingRows(BaseModel):
    """A page of findings."""

    findings: list[FindingRow]
    next: int | None


class Expectation(BaseModel):
    """The result of one expectation."""

    expectation: str
    column: str | None
    title: str
    severity: str
    success: bool
    unexpected: int
    checked: int
    code: str | None


class SuiteResult(BaseModel):
    """The result of one suite."""

    file: str
    version: str | None
    success: bool
    rows: int
    expectations: list[Expectation]


class Report(BaseModel):
    """Great Expectations' results for a package."""

    suites: list[SuiteResult]
    docs: str | None


class HandMadeAccount(BaseModel):
    """An account that was made by hand; `managed` if the sync manages it now."""

    id: int
    email: str | None
    name: str | None
    role: str
    status: str
    managed: bool
    credited: bool


class AccountMatch(BaseModel):
    """An account, how it matches a person of the package, and that person."""

    account: HandMadeAccount
    how: How
    sourced_id: str | None
    person: str | None


class Adoption(BaseModel):
    """A page of accounts that were made by hand; `counts` has the number of each match type."""

    accounts: list[AccountMatch]
    counts: dict[How, int]
    next: int | None
