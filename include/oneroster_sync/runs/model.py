"""The record of a run, its outcome and its trigger."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from oneroster_sync.errors import NotFoundError
from oneroster_sync.standard.kinds import MAPPINGS

if TYPE_CHECKING:
    import datetime as dt

    from oneroster_sync.sites.preferences import Preferences, Scope


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    SUCCEEDED_WITH_ERRORS = "succeeded_with_errors"
    NO_CHANGES = "no_changes"
    HELD = "held"
    REJECTED = "rejected"
    DISCARDED = "discarded"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Trigger(StrEnum):
    """What started a run."""

    SCHEDULE = "schedule"
    UPLOAD = "upload"
    COMMAND = "command"


class UnknownRunError(NotFoundError):
    """There is no run with that id."""


@dataclass(frozen=True, slots=True)
class Run:
    """The record of one run.

    `preferences` are those in force when the run began. `reasons` explain why it was held,
    rejected, skipped or failed, and `holds` has the numbers of the guards. An approval names
    `plan_hash`; `reviewed_hash` is the hash of the plan that review did not hold. `dag_id` and
    `dag_run_id` are None for a run of the command line. `undoes` is the run that this one undoes.
    `same_as` is the run whose results this one reuses, `findings_of` the run whose rows of findings
    it shares, and `basis` a hash of everything but the package that the results depend on.
    `packages` are the packages that were read, oldest first. `deltas` are the numbers of the
    pending deltas in the plan, its own included, and `bulk_in_plan` the bulk files in the plan.
    `uploaded_as` is the original name of an uploaded file. `is_preview` distinguishes a preview
    from a plan that a person discarded. `roster_counts` is the number of active records after the
    run was applied.
    """

    run_id: str
    site: str
    trigger: Trigger
    requested_by: str
    credited_admin_id: int | None
    package: str | None
    sha256: str | None
    oneroster_version: str | None
    scope: Scope
    preferences: Preferences
    started_at: dt.datetime
    ended_at: dt.datetime | None
    stage: str
    outcome: Outcome | None
    reasons: tuple[str, ...]
    plan_hash: str | None
    base_version: int | None
    applied_at: dt.datetime | None
    applied_version: int | None
    decision: str | None
    decided_hash: str | None
    decided_by: str | None
    decided_at: dt.datetime | None
    decision_reason: str | None
    counts: dict[str, dict[str, int]] | None
    findings: dict[str, int] | None
    dag_id: str | None
    dag_run_id: str | None
    undoes: str | None
    kind: str
    expires_at: dt.datetime | None
    undo_of: dict[str, Any] | None
    removals_of: str | None
    withheld: dict[str, Any] | None
    schools: list[dict[str, Any]] | None
    basis: str | None
    same_as: str | None
    findings_of: str | None
    reviewed_hash: str | None
    packages: list[dict[str, Any]] | None
    deltas: list[int] | None
    bulk_in_plan: list[str] | None
    uploaded_as: str | None
    is_preview: bool
    roster_counts: dict[str, int] | None
    holds: tuple[dict[str, Any], ...] = ()

    @classmethod
    def opened(cls, **values: Any) -> Run:
        """Return the record of a new run from some values; all other fields are blank."""
        blank: dict[str, Any] = dict.fromkeys(cls.__dataclass_fields__)
        blank |= {"stage": "extract", "kind": "package", "reasons": (), "holds": ()}
        blank |= {"is_preview": False}
        return cls(**{**blank, **values})

    @property
    def of_package(self) -> bool:
        """Whether the run reads a package: no mapping, undo or run of pending removals."""
        of_run = self.undoes or self.removals_of
        return of_run is None and self.kind not in MAPPINGS

    def named(self) -> str:
        """Return the name of the run in sentences."""
        return f"run {self.run_id} of {self.started_at:%Y-%m-%d %H:%M} UTC"

    @property
    def changed_roster(self) -> bool:
        """Whether the run was applied and changed a user, a course or a course assignment."""
        return self.applied_at is not None and any(
            number
            for numbers in (self.counts or {}).values()
            for word, number in numbers.items()
            if word not in {"errors", "ignored"}
        )

    @property
    def removals_wait(self) -> bool:
        """Whether the rest of the plan is applied while its removals wait for a decision."""
        return self.withheld is not None and self.withheld["why"] == "removals_wait"

    def summary(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "run_id": self.run_id,
            "site": self.site,
            "outcome": self.outcome.value if self.outcome else None,
            "reasons": list(self.reasons),
            "plan_hash": self.plan_hash,
            "counts": self.counts,
            "findings": self.findings or {"errors": 0, "warnings": 0},
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "trigger": self.trigger.value,
            "scope": self.scope.value,
            "requested_by": self.requested_by,
            "withheld": self.withheld,
            "is_preview": self.is_preview,
        }
