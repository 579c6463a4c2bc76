"""The shapes of what is told of a run: a part of `models`."""

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
    """One column of a record before and after, with its name for people."""

    label: str = ""


class Severities(BaseModel):
    """How many findings there are."""

    errors: int
    warnings: int


class Totals(BaseModel):
    """The counts of a kind as a list shows them: each change is in one of them."""

    added: int
    updated: int
    removed: int
    errors: int


class RunSummary(BaseModel):
    """A run as a list shows it; without an outcome it is under way.

    A preview is a run of which nothing was to be applied. `uploaded_as` is the name that an
    uploaded file had where it came from.
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
    """A guard that holds a plan, with the numbers that it judged, of the site or of a school.

    `sentence` says what it found, `hint` what to think of before a decision.
    Where several days were judged together, `earlier` of `found` were applied before the plan.
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
    """What a plan comes to in one school, of one kind of record."""

    added: int
    changed: int
    gone: int
    ended: int
    active: int


class School(BaseModel):
    """What a plan comes to in one school: `gone` leave, `ended` run out with their terms."""

    school: str
    name: str
    users: Numbers
    courses: Numbers
    assignments: Numbers


class Withheld(BaseModel):
    """What a plan leaves out: removals that wait for a decision, or all that is no addition."""

    why: Literal["removals_wait", "create_only"]
    until: dt.date | None = None
    holds: list[Hold] = []
    users: dict[str, int] = {}
    courses: dict[str, int] = {}
    assignments: dict[str, int] = {}
    held_back: dict[str, Any] | None = None


class UndoPart(BaseModel):
    """Which part of a run is taken back; nothing said means all of it."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind | None = None
    sourced_id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    changed_too: bool = False


class UndoPreview(BaseModel):
    """What an undo would come to, and what it would leave alone, with the reasons."""

    counts: dict[str, dict[str, int]]
    left: list[str]
    left_total: int


class Decision(BaseModel):
    """What a person decided about a held plan."""

    decision: Literal["approved", "discarded"]
    by: str
    at: dt.datetime
    reason: str | None


class Has(BaseModel):
    """What else there is of a run; `issues` counts what is to be fixed in the export."""

    changes: int | None
    issues: int
    report: bool
    accounts: bool
    log: bool


class Diagnostics(BaseModel):
    """What support needs to know of a run, in text that names nobody."""

    text: str


class Can(BaseModel):
    """What the user may do with the run as it stands."""

    approve: bool
    discard: bool
    undo: bool


class RunDetail(RunSummary):
    """A run with all that is known about it as a whole; `packages` are those it read, by name.

    `work_s` are the seconds that it worked, `waited_s` those that it waited for a decision.
    `earlier_run` is the one that it is compared with by default.
    """

    reasons: list[str]
    kind: str
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
    """One record, before and after, with the names of its schools and whom to ask.

    Of a course assignment the schools are those of the course, role and address those of the user.
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
    """A page of changes; not applied means that they would be made."""

    changes: list[Change]
    next: int | None
    applied: bool


class RosterChange(BaseModel):
    """One change of a user, a course or a course assignment, as the change feed has it.

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
    """Findings that are mended together.

    Of several files or columns the names stand side by side. `affected` counts the rows of a cause
    and of all that follows from it; `follows` is the number of the cause to mend first.
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
    """What has to be mended, in the order in which to mend it."""

    causes: list[Cause]


class OtherPeople(BaseModel):
    """Names of two people of one sourcedId: who has it, and who came under it."""

    known: str
    coming: str


class FindingRow(BaseModel):
    """One finding; `people` only where another person came under a known sourcedId."""

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


class HandMadeAccount(BaseModel):
    """An account that was made by hand; `managed` when it has been adopted since."""

    id: int
    email: str | None
    name: str | None
    role: str
    status: str
    managed: bool
    credited: bool


class AccountMatch(BaseModel):
    """An account, how it is like a person of the package, and who that is."""

    account: HandMadeAccount
    how: How
    sourced_id: str | None
    person: str | None


class Adoption(BaseModel):
    """A page of the accounts that were made by hand; `counts` tells how many of each sort."""

    accounts: list[AccountMatch]
    counts: dict[How, int]
    next: int | None
