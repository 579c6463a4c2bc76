"""Models of requests and answers about sites."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from oneroster_airflow.api.models.runs import OutcomeName
from oneroster_sync.identifiers import PATTERN
from oneroster_sync.sites.preferences import Address

_LINES = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
SchoolId = Annotated[str, StringConstraints(min_length=1, max_length=255)]
SiteName = Annotated[str, StringConstraints(pattern=PATTERN)]
Reason = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True, pattern=_LINES)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Permissions(BaseModel):
    """The user's permissions."""

    read: bool
    details: bool
    operate: bool
    administer: bool


class Me(BaseModel):
    """The user and their permissions, at the requested site or at all sites.

    At an archived site everybody may only read.
    """

    name: str
    may: Permissions
    site: str | None = None
    archived_at: dt.datetime | None = None


class LastRun(BaseModel):
    """The newest run of a site."""

    run_id: str
    started_at: dt.datetime
    outcome: OutcomeName | None
    is_preview: bool


class OutOfStep(BaseModel):
    """A file whose deltas were lost: its removals are held until a bulk file is applied."""

    file: str
    since: dt.datetime
    cause: str


class Standstill(BaseModel):
    """The time since which no sync of a site was applied; without a level it is no problem."""

    run_id: str | None
    since: dt.datetime | None
    syncs: int
    level: Literal["warning", "error"] | None
    sentence: str


class Active(BaseModel):
    """The numbers of active records."""

    users: int
    courses: int
    assignments: int


class SiteHealth(BaseModel):
    """The state of a site: what needs attention first, and a few numbers.

    `active` and `changes` are values of applied runs, the newest last.
    """

    level: Literal["warning", "error"] | None
    reasons: list[str]
    active: Active | None
    changes: list[int]
    errors: int | None
    waiting: int
    waiting_run: str | None
    export_since: dt.datetime
    has_export: bool
    export_days: int
    is_stale: bool


class Maintenance(BaseModel):
    """A stop of all syncs: since when, by whom and why."""

    since: dt.datetime
    started_by: str
    reason: str


class MaintenanceState(BaseModel):
    """Whether all syncs are stopped."""

    maintenance: Maintenance | None


class MaintenanceChange(_Body):
    """A reason to stop all syncs; without a reason, syncs are resumed."""

    reason: Reason | None


class SiteTitle(_Body):
    """The display name of a site; by default, its id."""

    title: Annotated[str, StringConstraints(max_length=100, pattern=_LINES)] | None


class SiteStatus(BaseModel):
    """The state of one site, for the head of each of its pages."""

    site: str
    title: str | None
    time_zone: str | None
    active: Active
    applied_at: dt.datetime | None
    applied_run: str | None
    enabled: bool | None
    next_run: dt.datetime | None
    waiting: int
    waiting_run: str | None
    has_export: bool
    export_days: int
    is_stale: bool
    out_of_step: list[OutOfStep]
    stale_records: int
    standstill: Standstill
    maintenance: Maintenance | None


class SiteState(BaseModel):
    """A site, its last run, its DAG's state in Airflow, and its health."""

    site: str
    title: str | None
    in_airflow: bool
    enabled: bool | None
    next_run: dt.datetime | None
    last_run: LastRun | None
    archived_at: dt.datetime | None
    archived_by: str | None
    out_of_step: list[OutOfStep] = []
    standstill: Standstill
    health: SiteHealth
    may: Permissions


class StaleCause(BaseModel):
    """The records that one cause has protected for long, as a sentence and in numbers."""

    cause: str
    file: str
    code: str
    column: str
    age: int
    records: int
    is_released: bool
    sentence: str


class StaleCauses(BaseModel):
    """The causes of old protections by rows with errors."""

    causes: list[StaleCause]


class ReleasePreview(BaseModel):
    """The removals of the next plan if a cause were released; the first of many."""

    cause: str
    counts: dict[str, int]
    records: dict[str, list[str]]


class Sites(BaseModel):
    """The sites that the user may see, and whether they may create, copy and archive sites."""

    sites: list[SiteState]
    may_oversee: bool
    maintenance: Maintenance | None


class NewSite(_Body):
    """A site to create, and its administrator, whose account is created with it."""

    site: SiteName
    admin: Address


class ArchivedSite(BaseModel):
    """An archived site, and its unfinished runs that were discarded."""

    site: str
    ended: list[str]


class MadeSite(BaseModel):
    """A created or restored site; its sync is off, and Airflow reads its DAGs soon."""

    site: str


class Started(BaseModel):
    """A requested run; Airflow starts it as soon as it can."""

    run_id: str
    dag_id: str
    dag_run_id: str


class Asked(BaseModel):
    """A requested run of a DAG that is not a sync."""

    dag_id: str
    dag_run_id: str


class Freshness(BaseModel):
    """The age of a site's newest package, its lost deltas, and whether syncs are applied.

    Days of pause windows do not count.
    """

    site: str
    seen_at: dt.datetime | None
    run_id: str | None
    since: dt.datetime
    days: int
    again: int
    failed: int
    stale_after_days: int | None
    is_stale: bool
    sentence: str
    out_of_step: list[OutOfStep] = []
    standstill: Standstill


class MessagePreview(BaseModel):
    """A message as it would be sent; an example has invented numbers."""

    label: str
    subject: str
    text: str
    html: str
    run_id: str | None
    is_example: bool


class MessagePreviews(BaseModel):
    """The messages of a topic."""

    previews: list[MessagePreview]


class EarlierRun(BaseModel):
    """An earlier run of the same package; a preview applied nothing."""

    run_id: str
    started_at: dt.datetime
    outcome: OutcomeName | None
    is_preview: bool


class Uploaded(Started):
    """An accepted upload, and its run."""

    sha256: str
    size: int
    same_as: EarlierRun | None


class UploadLimits(BaseModel):
    """Maximum size of an upload in bytes, by kind."""

    package: int
    users: int
    courses: int
    ids: int
    links: int


class HeldBack(_Body):
    """Which removals to hold back: of schools, by sourcedId, or all of a kind."""

    schools: Annotated[list[SchoolId], Field(max_length=1000)] = []
    kinds: Annotated[list[Literal["users", "courses", "assignments"]], Field(max_length=3)] = []


class Approval(_Body):
    """An approval of exactly one plan; if removals are held back, of the rest."""

    plan_hash: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    reason: Reason = ""
    held_back: HeldBack | None = None


class PlanPart(BaseModel):
    """One of two plans: its hash and its counts."""

    plan_hash: str
    counts: dict[str, dict[str, int]]


class TwoPlans(BaseModel):
    """The plan that an approval applies, and the plan held back for its own decision."""

    first: PlanPart
    rest: PlanPart


class Refusal(_Body):
    """The reason for discarding a plan, or for a release."""

    reason: Reason = ""


class DocumentName(BaseModel):
    """The name and title of a page of the documentation."""

    name: str = Field(description="Its part and its name in addresses, such as guide/held-run.")
    title: str


class Documents(BaseModel):
    """The pages of the guide in their order, and of the reference."""

    pages: list[DocumentName]


class DocumentPage(DocumentName):
    """A page of the documentation."""

    html: str = Field(description="The text under its heading.")


class Health(BaseModel):
    """The answer that the server is up."""

    status: Literal["healthy"]
