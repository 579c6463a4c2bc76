"""A whole sync: six stages, from a package to an updated roster.

The command line and Airflow share these functions; Airflow's tasks call the stages one by one.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from oneroster_sync import database, runs
from oneroster_sync.database import locks
from oneroster_sync.errors import OneRosterError
from oneroster_sync.runs import Outcome, Run, Trigger, pending_deltas, superseded, telemetry
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sites import allow_list, maintenance, preferences_store, registry
from oneroster_sync.sites.preferences import Scope
from oneroster_sync.sources import uploads
from oneroster_sync.sources.errors import RefusedSourceError
from oneroster_sync.stages.apply import OldPlanError, StalePlanError, apply_reviewed
from oneroster_sync.stages.base import beside_reading, note
from oneroster_sync.stages.diff.stage import diff
from oneroster_sync.stages.extract.stage import extract
from oneroster_sync.stages.record import record
from oneroster_sync.stages.review.stage import review, supersede_older
from oneroster_sync.stages.validate.gx_loader import load_beside
from oneroster_sync.stages.validate.stage import validate
from oneroster_sync.standard.kinds import Kind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from oneroster_sync.sites.preferences import Preferences, Profile
    from oneroster_sync.stages.diff.undo import Part

    Clock = Callable[[], dt.datetime]

__all__ = [
    "Request",
    "apply",
    "begin",
    "diff",
    "discard_preview",
    "extract",
    "make_removals_request",
    "note_failure",
    "preview",
    "record",
    "recorded",
    "review",
    "skip",
    "supersede_older",
    "sync",
    "validate",
]

log = logging.getLogger("oneroster")

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for a run, made by a person or the schedule.

    Attributes:
        site: The site.
        requested_by: The person or the schedule, for the audit.
        run_id: A UUID, by default a new one; the same id means the same run.
        package: Path of a zip, a folder or a single CSV file; None for the site's own source.
        trigger: What started the run.
        kind: The declared kind of the package.
        scope: Overrides the site's scope.
        profile: Overrides the site's profile.
        undoes: The run to undo; then no package is read.
        undo_of: The part of that run to undo; None for all of it.
        removals_of: The run whose pending removals are held for approval; no package is read.
        dag_run: The id of the DAG and of the DAG run; None on the command line.
        asked_at: When the request was made, if it may have waited since; None means now.
        is_preview: Whether the plan is only shown: it is never applied, even if approved.
    """

    site: str
    requested_by: str
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    package: str | None = None
    trigger: Trigger = Trigger.COMMAND
    kind: Kind = Kind.PACKAGE
    scope: Scope | None = None
    profile: Profile | None = None
    undoes: str | None = None
    undo_of: Part | None = None
    removals_of: str | None = None
    dag_run: tuple[str, str] | None = None
    asked_at: dt.datetime | None = None
    is_preview: bool = False


def sync(request: Request, *, clock: Clock) -> Run:
    """Sync one package: run all six stages.

    A stage does nothing if the run has already ended or is held.

    Args:
        request: The site, the package and the options of the run.
        clock: Returns the current time.

    Returns:
        The run's record; its outcome says how it ended.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    with locks.hold_site_turn(database.engine(), request.site):
        run = begin(request, now=clock())
        folder = RunFolder.of(run.site, run.run_id)
        with telemetry.batch(), folder.opened(is_whole=True), recorded(run, clock):
            with beside_reading(load_beside):
                run = extract(run, request.kind)
            run = validate(run)
            run = diff(run)
            run = review(run, now=clock())
            # Not left to apply: an empty or a held plan of a newer package replaces older ones too.
            supersede_older(run, now=clock())
            run = apply(run, now=clock())
        return runs.find(run.run_id)


def make_removals_request(run: Run, run_id: str) -> Request | None:
    """Return the request for the follow-up run that holds this run's removals, or None.

    Args:
        run: A run that was applied without its removals.
        run_id: The id of the follow-up run.
    """
    if run.applied_at is None or not run.removals_wait:
        return None
    return Request(
        run_id=run_id,
        site=run.site,
        package=None,
        trigger=run.trigger,
        requested_by=run.requested_by,
        removals_of=run.run_id,
    )


def apply(run: Run, *, now: dt.datetime) -> Run:
    """Apply the run's plan, and plan again if the roster changed meanwhile.

    Only a plan without approval is made again; a run with an approved plan ends as superseded,
    because a person approved exactly that plan. A plan that was not reviewed is reviewed first,
    even if Airflow marked the task review as successful.

    Raises:
        MissingStageError: There is no plan.
        DefectivePlanError: The plan differs from the one that the run recorded.
        StalePlanError: The roster changed at every try.
    """
    with RunFolder.of(run.site, run.run_id).opened():
        return _apply(run, now)


def _apply(run: Run, now: dt.datetime) -> Run:
    approved = run.outcome is Outcome.HELD and run.decision == "approved"
    if run.is_preview or (run.outcome is not None and not approved):
        return discard_preview(run) if run.is_preview else run
    if approved and run.decided_hash != run.plan_hash:
        return _supersede(run, "the approved plan is no longer the run's plan", now)
    if not approved and (run.plan_hash is None or run.reviewed_hash != run.plan_hash):
        run = review(run, now=now)
        if run.outcome is not None:
            return run
    for _ in range(_TRIES):
        try:
            return apply_reviewed(run, now=now)
        except StalePlanError as stale:
            log.warning("%s", stale)
            # A person approved exactly this plan; a reused one has no rows from which to plan
            # again.
            if approved or run.same_as:
                return _supersede(run, _why(run, stale), now)
            # Validate again too: other deltas may be pending now, and another run may have changed
            # records that rows point to.
            run = review(diff(validate(run)), now=now)
            if run.outcome is not None:
                return run
    raise StalePlanError("the roster changed at every try; try again later")


def _why(run: Run, stale: StalePlanError) -> str:
    """Return why a plan is stale: another run changed the roster, or another version made it."""
    if isinstance(stale, OldPlanError):
        return str(stale)
    with database.engine().connect() as connection:
        other = runs.find_first_after(connection, run.site, run.base_version)
    return f"{superseded.moved_roster(other)}: {stale}"


def _supersede(run: Run, reason: str, now: dt.datetime) -> Run:
    """End a run as superseded: its plan can't be applied, and must not be made again."""
    with database.engine().begin() as connection:
        superseded.supersede(connection, run, reason, now=now)
        return runs.get(connection, run.run_id)


def begin(
    request: Request, *, now: dt.datetime, is_over: Callable[[Run], bool] | None = None
) -> Run:
    """Create the run's record, with the preferences in effect.

    Interrupted runs of the site are ended. The caller holds the site's turn. The command line holds
    the turn during the whole run, so none of its other runs can be in progress now. A DAG run takes
    the turn for each stage, so only Airflow knows whether it has ended.

    Without an active credited administrator, or with a source that the site may not use, the run
    ends as failed, before anything is read. While all syncs are stopped, it ends as skipped.

    Args:
        request: The site, the package and the options of the run.
        now: When the run begins.
        is_over: Returns whether Airflow has ended the DAG run of a run; if None, unfinished runs of
            DAGs are not ended.

    Raises:
        UnknownSiteError: The site does not exist.
        UnknownRunError: The site has no run to undo with this id.
        ArchivedSiteError: The site is archived, or was archived after the request was made.
        ForeignPackageError: The site may not read the package.
    """
    with database.engine().begin() as connection:
        registry.refuse_archived(connection, request.site)
        if registry.was_asked_before_restore(connection, request.site, request.asked_at):
            raise registry.ArchivedSiteError(
                f"this was requested before the site {request.site} was archived; request it again"
            )
        earlier = request.undoes or request.removals_of
        if earlier and runs.get(connection, earlier).site != request.site:
            raise runs.UnknownRunError(f"there is no run {earlier} of site {request.site}")
        chosen = preferences_store.load(connection, request.site)
        if request.package and not earlier:
            is_command = request.trigger is Trigger.COMMAND
            allow_list.check_package(request.site, request.package, from_anywhere=is_command)
        chosen = chosen.model_copy(update={"profile": request.profile or chosen.profile})
        admin = None
        if chosen.credited_admin is not None:
            admin = preferences_store.find_admin(connection, request.site, chosen.credited_admin)
        for other in runs.list_unfinished(connection, request.site, request.run_id):
            if other.outcome is None and _is_cut_off(other, is_over):
                runs.mark_cut_off(connection, other.run_id, now=now)
        run = runs.begin(connection, _opened(request, chosen, admin, now))
        # A retry of a run that was applied must not turn it into a failed one.
        if admin is None and run.applied_at is None:
            reason = "the credited administrator is missing or inactive; choose another one"
            runs.update(
                connection, run.run_id, outcome=Outcome.FAILED, reasons=[reason], ended_at=now
            )
            run = runs.get(connection, run.run_id)
        if run.outcome is None and not (earlier or request.package):
            run = _check_source(connection, run, now)
        stopped = maintenance.find(connection) if run.outcome is None else None
        if stopped is not None:
            ends = {"outcome": Outcome.SKIPPED, "reasons": [stopped.to_text()], "ended_at": now}
            runs.update(connection, run.run_id, **ends)
            run = runs.get(connection, run.run_id)
    log.info(
        "Run %s of site %s: %s, asked for by %s.",
        run.run_id,
        run.site,
        run.trigger,
        run.requested_by,
    )
    return run


def _check_source(connection: Connection, run: Run, now: dt.datetime) -> Run:
    """Return the run, ended as failed if its site may not use its source.

    The source is taken from the run's preferences: a retried run keeps those of its start.
    """
    try:
        allow_list.check_source(connection, run.preferences)
    except RefusedSourceError as error:
        found = {"1-extract": error.as_findings()}
        RunFolder.of(run.site, run.run_id).write_tables("findings", found)
        values = {"outcome": Outcome.FAILED, "reasons": [str(error)], "ended_at": now}
        runs.update(connection, run.run_id, **values)
        return runs.get(connection, run.run_id)
    return run


def _is_cut_off(run: Run, is_over: Callable[[Run], bool] | None) -> bool:
    if run.trigger is Trigger.COMMAND:
        return True
    return run.dag_id is not None and is_over is not None and is_over(run)


def _scope(request: Request, of_site: Scope) -> Scope:
    """Return the scope of a run: a single file changes only records of its own kind."""
    if request.kind is Kind.USERS:
        return Scope.USERS
    if request.kind is Kind.COURSES:
        return Scope.COURSES
    return request.scope or of_site


def _opened(request: Request, chosen: Preferences, admin: int | None, now: dt.datetime) -> Run:
    of_run = request.undoes or request.removals_of
    return Run.opened(
        run_id=request.run_id,
        site=request.site,
        trigger=request.trigger,
        requested_by=request.requested_by,
        credited_admin_id=admin,
        package=None if of_run else request.package or chosen.source,
        kind=request.kind.value,
        scope=_scope(request, chosen.scope),
        preferences=chosen,
        started_at=now,
        dag_id=request.dag_run[0] if request.dag_run else None,
        dag_run_id=request.dag_run[1] if request.dag_run else None,
        undoes=request.undoes,
        undo_of=request.undo_of.as_dict() if request.undo_of else None,
        removals_of=request.removals_of,
        uploaded_as=uploads.find_name(request.site, request.package or ""),
        is_preview=request.is_preview,
    )


def preview(request: Request, *, clock: Clock) -> Run:
    """Run all stages of a sync except apply, to see its plan and whether it would be held.

    The run is recorded as a discarded preview. Its plan stays in the run's folder.
    """
    with locks.hold_site_turn(database.engine(), request.site):
        run = begin(replace(request, is_preview=True), now=clock())
        folder = RunFolder.of(run.site, run.run_id)
        with telemetry.batch(), folder.opened(is_whole=True), recorded(run, clock):
            run = extract(run, request.kind)
            run = validate(run)
            run = diff(run)
            run = review(run, now=clock())
            discard_preview(run)
        return run


@contextlib.contextmanager
def note_failure(run: Run) -> Iterator[None]:
    """Save the reason of an exception in the run's record, and raise it again."""
    try:
        yield
    except Exception as error:
        ours = isinstance(error, OneRosterError)
        # The text of another exception may contain a value of the package.
        note(run, reasons=[str(error) if ours else f"{type(error).__name__}; see the log"])
        raise


def skip(run: Run, reason: str) -> None:
    """End a run as skipped before it reads anything."""
    note(run, outcome=Outcome.SKIPPED, reasons=[reason])


def discard_preview(run: Run) -> Run:
    """End a preview as discarded, keeping the reasons that would hold its plan."""
    if run.outcome in {None, Outcome.HELD}:
        reasons = ["a preview: nothing was to be applied", *run.holds]
        run = note(run, outcome=Outcome.DISCARDED, reasons=reasons, expires_at=None)
    with database.engine().begin() as connection:
        pending_deltas.forget(connection, run.run_id)
    return run


@contextlib.contextmanager
def recorded(run: Run, clock: Callable[[], dt.datetime]) -> Iterator[None]:
    """Run the stage record at the end of the block, also after an exception."""
    try:
        with note_failure(run):
            yield
    finally:
        record(runs.find(run.run_id), now=clock())
