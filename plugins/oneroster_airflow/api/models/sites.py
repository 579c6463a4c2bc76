"""The shapes of requests and answers that are of sites."""

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
    """What the user may do."""

    read: bool
    details: bool
    operate: bool
    administer: bool


class Me(BaseModel):
    """Who is logged in, and what they may do: at the site that was asked for, or at all of them.

    At an archived site nobody may do more than read.
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
    """A file of which deltas were lost: its removals are held until a bulk file is applied."""

    file: str
    since: dt.datetime
    cause: str


class Standstill(BaseModel):
    """Since when no sync of a site was applied; without a level there is nothing to tell."""

    run_id: str | None
    since: dt.datetime | None
    syncs: int
    level: Literal["warning", "error"] | None
    sentence: str


class Active(BaseModel):
    """How many records are active."""

    users: int
    courses: int
    assignments: int


class SiteHealth(BaseModel):
    """How a site is: what needs attention first, and in a few numbers.

    `active` and `changes` are of applied runs, the newest of which is the last one.
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
    """That all syncs are stopped: since when, by whom and why."""

    since: dt.datetime
    started_by: str
    reason: str


class MaintenanceState(BaseModel):
    """Whether all syncs are stopped."""

    maintenance: Maintenance | None


class MaintenanceChange(_Body):
    """Stops all syncs for a reason; without one they are resumed."""

    reason: Reason | None


class SiteTitle(_Body):
    """What people call a site; nothing means by its id."""

    title: Annotated[str, StringConstraints(max_length=100, pattern=_LINES)] | None


class SiteStatus(BaseModel):
    """How one site is, for the head of each of its pages."""

    site: str
    title: str | None
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
    """A site, its last run, what Airflow has of it, and how it is."""

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
    """What one cause has protected for long, in a sentence and in numbers."""

    cause: str
    file: str
    code: str
    column: str
    age: int
    records: int
    is_released: bool
    sentence: str


class StaleCauses(BaseModel):
    """What broken rows have protected for long, by cause."""

    causes: list[StaleCause]


class ReleasePreview(BaseModel):
    """What the next plan would take away if a cause were released; of many records the first."""

    cause: str
    counts: dict[str, int]
    records: dict[str, list[str]]


class Sites(BaseModel):
    """The sites that the user may see, and whether they may make, copy, archive and restore."""

    sites: list[SiteState]
    may_oversee: bool
    maintenance: Maintenance | None


class NewSite(_Body):
    """A site that is to be made, and its administrator, whose account is made with it."""

    site: SiteName
    admin: Address


class ArchivedSite(BaseModel):
    """A site that was archived, and the runs that had not ended and were discarded with it."""

    site: str
    ended: list[str]


class MadeSite(BaseModel):
    """A site that was made or restored; its sync is off, and Airflow reads its DAGs soon."""

    site: str


class Started(BaseModel):
    """A run that was asked for; Airflow begins it as soon as it can."""

    run_id: str
    dag_id: str
    dag_run_id: str


class Asked(BaseModel):
    """A run of a DAG that was asked for; it is no sync."""

    dag_id: str
    dag_run_id: str


class Freshness(BaseModel):
    """How new the newest package of a site is, whether deltas were lost and syncs are applied.

    Days of pause windows don't count.
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


class EarlierRun(BaseModel):
    """A run that read the same package before; a preview applied nothing of it."""

    run_id: str
    started_at: dt.datetime
    outcome: OutcomeName | None
    is_preview: bool


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
    ids: int
    links: int


class HeldBack(_Body):
    """Whose removals stay back: of schools, by sourcedId, or all of a kind."""

    schools: Annotated[list[SchoolId], Field(max_length=1000)] = []
    kinds: Annotated[list[Literal["users", "courses", "assignments"]], Field(max_length=3)] = []


class Approval(_Body):
    """An approval of exactly one plan; where removals stay back it is that of the rest."""

    plan_hash: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    reason: Reason = ""
    held_back: HeldBack | None = None


class PlanPart(BaseModel):
    """One of two plans: its hash, and what it comes to."""

    plan_hash: str
    counts: dict[str, dict[str, int]]


class TwoPlans(BaseModel):
    """What an approval applies, and what stays back for a decision of its own."""

    first: PlanPart
    rest: PlanPart


class Refusal(_Body):
    """Why a plan is discarded."""

    reason: Reason = ""


class DocumentName(BaseModel):
    """A page of the documentation in its list."""

    name: str = Field(description="Its part and its name in addresses, such as guide/held-run.")
    title: str


class Documents(BaseModel):
    """The pages of the guide, in their order, and of the reference."""

    pages: list[DocumentName]


class DocumentPage(DocumentName):
    """A page of the documentation."""

    html: str = Field(description="What stands under its heading.")


class Health(BaseModel):
    """That the pages are there."""

    status: Literal["healthy"]
