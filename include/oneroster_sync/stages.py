"""The six stages of a run, each from the run's folder and the database to the same.

A stage can be run again, by whoever may clear a task, and in any order. So no stage trusts that the
ones before it ran: each asks for what it needs, and forgets what was made from what it replaces.
What was applied stays applied. A stage whose run has ended does nothing. While a plan is held, and
once it is approved, only apply goes on.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import logging
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import pyarrow as pa

from oneroster_sync import apply as applying
from oneroster_sync import delta_guards, pending, settings, story, unchanged, uploads
from oneroster_sync.extracting import read_package
from oneroster_sync.findings import Findings
from oneroster_sync.package.kinds import MAPPINGS
from oneroster_sync.package.staff import find_unclear
from oneroster_sync.plan import check_plan
from oneroster_sync.plan.folding import rows_in_files
from oneroster_sync.plan.guards import REMOVAL_CODES
from oneroster_sync.plan.schools import count_by_school
from oneroster_sync.planning import (
    end_if_unusable,
    hide_unknown_ids,
    let_the_rest_go_on,
    make_plan,
    note_plan,
)
from oneroster_sync.protections import list_stale
from oneroster_sync.run_contents import (
    all_findings,
    files_of,
    read_accounts,
    read_counts,
    read_errors,
    read_extracted,
    read_plan,
    read_protected,
)
from oneroster_sync.run_folder import RunFolder
from oneroster_sync.store import database, held, positions, run_details, runs
from oneroster_sync.store import pending as kept
from oneroster_sync.store.roster import read_roster
from oneroster_sync.store.runs import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oneroster_sync.incoming import Connections
    from oneroster_sync.package.extract import Extracted
    from oneroster_sync.package.kinds import Kind
    from oneroster_sync.plan import Plan, Roster
    from oneroster_sync.store.runs import Run

P = ParamSpec("P")

log = logging.getLogger("oneroster")

_TRIES = 3
_SCHOOLS = 100
"""Of how many schools it is kept what the plan comes to there."""


class MissingStageError(Exception):
    """A stage has nothing to work on, because an earlier one did not run; the message names it."""


def _unless_ended(stage: Callable[Concatenate[Run, P], Run]) -> Callable[Concatenate[Run, P], Run]:
    """Make a stage return a run that has ended as it is, and one that is held.

    A held plan never changes, so that an approval is of the plan that people were shown.
    """

    @functools.wraps(stage)
    def guarded(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> Run:
        return stage(run, *args, **kwargs) if run.outcome is None else run

    return guarded


def _unless_known(stage: Callable[Concatenate[Run, P], Run]) -> Callable[Concatenate[Run, P], Run]:
    """Make a stage return a run as it is whose package was judged before."""

    @functools.wraps(stage)
    def guarded(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> Run:
        if run.same_as is None:
            return stage(run, *args, **kwargs)
        log.info("Nothing to judge: what run %s found and planned holds.", run.same_as)
        return run

    return guarded


@_unless_ended
def extract(
    run: Run, kind: Kind, connections: Connections | None = None, *, is_preview: bool = False
) -> Run:
    """Stage 1: read the package into staff-only snapshots, unless it was judged before.

    Its delta files are pending from then on, until a plan that they are part of is applied.

    Args:
        run: The run.
        kind: What its package is said to be.
        connections: Finds an Airflow connection by its id; None outside of Airflow.
        is_preview: Whether nothing will be applied, so that nothing stays pending.

    Raises:
        SourceError: The site's source does not give a package.
        OSError: The file system failed; another try may help.
    """
    run = _forget_plan(run)
    # Removed first and written last: a stage that is killed leaves nothing that looks finished.
    RunFolder.of(run.site, run.run_id).remove("extracted.json")
    read = read_package(run, kind, connections, is_preview=is_preview)
    # One transaction: whoever is killed before it has read nothing, and after it loses nothing.
    with database.engine().begin() as connection:
        kept.register(connection, run.site, run.run_id, read.deltas)
        if read.taken is not None:
            positions.take(connection, run.site, run.run_id, *read.taken)
        for file, cause in read.lost.items():
            kept.mark_out_of_step(connection, run.site, [file], cause=cause, now=run.started_at)
        pending.expire(connection, run.site, now=run.started_at)
        runs.update(connection, run.run_id, **{"same_as": None, "stage": "extract", **read.values})
        return runs.get(connection, run.run_id)


@_unless_ended
@_unless_known
def validate(run: Run) -> Run:
    """Stage 2: let the suites decide which rows are used.

    Raises:
        SuiteError: A suite can't be used; no other try helps.
        MissingStageError: No package has been read.
    """
    run = _forget_plan(run)
    if not run.of_package:
        log.info("The suites have nothing to judge: this run reads no package.")
        return _note(run, stage="validate")
    from oneroster_sync.validation import asks_what_is_known, unusable_files
    from oneroster_sync.validation import validate as judge

    folder = RunFolder.of(run.site, run.run_id)
    _extracted(run)  # it says so where nothing was read
    read_roster_once = functools.cache(lambda: _roster(run))
    with database.engine().connect() as connection:
        extracted, made_from = pending.read_folded(run, connection, read_roster_once)
    roster = read_roster_once() if asks_what_is_known(extracted.modes) else None
    validated = judge(
        extracted.tables,
        extracted.modes,
        extracted.version,
        known=roster.known() if roster else {},
        suites=settings.expectations(),
        modified=roster.modified if roster else None,
        in_use=run.preferences.in_use(),
        is_strict=run.preferences.profile == "strict",
    )
    with _dispensable("report"):
        folder.remove("report")
        folder.write_json("results", validated.results)
        folder.write_json("report", validated.report)
    own, older = delta_guards.by_package(validated.findings.table())
    strict = run.preferences.profile == "strict" and own.has_violations()
    if strict:
        own.make_violations_errors()
    unusable = unusable_files(validated, extracted.modes, extracted.rows)
    own.add_table(unusable.table())
    found = pa.concat_tables([own.table(), older])
    unclear = rows_in_files(find_unclear(validated.valid, validated.quarantined))
    found = hide_unknown_ids(run, found, unclear)
    story.tell_findings(found, unclear)
    story.tell_rows(validated.valid, validated.quarantined)
    folder.add_table("findings", "2-validate", found)
    folder.write_tables("valid", validated.valid)
    folder.write_tables("quarantined", validated.quarantined)
    end = end_if_unusable(run, own, is_strict=strict, unusable=unusable)
    return _note(run, stage="validate", **made_from, **end)


@_unless_ended
@_unless_known
def diff(run: Run) -> Run:
    """Stage 3: compare with the roster and freeze the plan.

    Raises:
        MissingStageError: The package has not been validated since it was read.
    """
    if run.stage == "extract":
        raise MissingStageError(
            "the package was not validated after it was read; clear validate and the tasks after it"
        )
    planned = make_plan(run, _roster(run))
    basis = unchanged.still(run) if planned.plan.is_empty() else None
    return note_plan(run, planned, basis=basis)


@_unless_ended
def review(run: Run, *, now: dt.datetime) -> Run:
    """Stage 4: hold the plan if it is beyond the site's limits and nobody has approved it.

    A plan that is clear is recorded by its hash (`reviewed_hash`): apply demands to see that. A
    held plan waits for as long as the site says, and is then discarded. Where the site says so,
    only what a plan takes away is held, by a run of its own that follows.

    Raises:
        MissingStageError: There is no plan.
        DefectivePlanError: The plan is not the one that diff recorded.
    """
    folder = RunFolder.of(run.site, run.run_id)
    plan, guards = _plan(run), run.preferences.guards
    extracted = _extracted(run)
    if run.same_as and plan.is_empty() and all(extracted.rows.values()):
        # The earlier run's review found this plan clear, on the same basis. A roster of a million
        # people is not read again to say so.
        log.info("The plan changes nothing, as that of run %s.", run.same_as)
        return _note(run, stage="review", reviewed_hash=plan.hash())
    roster = _roster(run)
    schools = count_by_school(plan, roster)
    holds = check_plan(
        plan,
        roster,
        guards,
        modes=extracted.modes,
        valid=folder.read_tables("valid"),
        quarantined=folder.read_tables("quarantined"),
        rows=extracted.rows,
        today=run.started_at.date(),
        schools=schools,
        accounts=read_accounts(run),
        recent=delta_guards.find_recent(run, plan, now),
        errors=read_errors(run),
    )
    if run.of_package:
        holds += delta_guards.holds_of_deltas(run, plan, roster, holds, now)
    for hold in holds:
        log.warning("Held: %s", hold.in_words())
    only_removals = REMOVAL_CODES.issuperset(hold.code for hold in holds)
    if holds and only_removals and guards.removals_wait and run.of_package:
        rest = let_the_rest_go_on(run, plan, holds, roster)
        if rest is not None:
            log.warning("The removals wait for a decision; the rest of the plan goes on.")
            run, holds = note_plan(run, rest), ()
    findings = Findings()
    findings.extend(hold.as_finding() for hold in holds)
    if run.of_package:
        with database.engine().connect() as connection:
            lacking = delta_guards.find_what_is_lacking(connection, run.site, extracted.modes)
        story.tell_findings(lacking.table())
        findings.add_table(lacking.table())
    folder.add_table("findings", "4-review", findings.table())
    if not holds:
        log.info("The plan is within the site's limits.")
        return _note(run, stage="review", reviewed_hash=run.plan_hash, schools=schools[:_SCHOOLS])
    log.warning("Approve exactly this plan with: oneroster approve %s", run.run_id)
    return _note(
        run,
        stage="review",
        outcome=Outcome.HELD,
        reasons=[hold.as_dict() for hold in holds],
        schools=schools[:_SCHOOLS],
        expires_at=now + dt.timedelta(hours=run.preferences.approval_hours),
    )


def supersede_older(run: Run, *, now: dt.datetime) -> None:
    """End the plans that wait for a decision and that this run's plan takes the place of.

    Those are the plans of packages that came before, all of whose files this run has in bulk, and
    the plans of pending deltas that this run's plan is made from, too. A run that reads no package
    takes no plan's place.
    """
    waits = run.outcome is None or (run.outcome is Outcome.HELD and run.decision is None)
    if run.plan_hash is None or not waits or not run.of_package:
        return
    brought = files_of(run, bulk_only=True)
    with database.engine().begin() as connection:
        for older in held.held_runs(connection, run.site):
            is_part = older.undoes or older.kind in MAPPINGS
            if older.decision or is_part or older.started_at >= run.started_at:
                continue
            is_folded = not set(older.deltas or ()).isdisjoint(run.deltas or ())
            if is_folded or files_of(older) <= brought:
                reason = f"{run.named()} made a newer plan"
                held.supersede(connection, older, reason, now=now)
                log.info("The plan of %s is superseded by this one.", older.named())


def apply(run: Run, *, now: dt.datetime) -> Run:
    """Stage 5: apply the plan, once.

    When the roster moved since the plan was made, a plan that nobody approved is made again, and
    one that somebody did ends the run as superseded. A plan that no review found clear is reviewed
    first, also where Airflow was told that it had been.

    Raises:
        MissingStageError: There is no plan.
        DefectivePlanError: The plan is not the one that the run recorded.
    """
    approved = run.outcome is Outcome.HELD and run.decision == "approved"
    if run.outcome is not None and not approved:
        return run
    if approved and run.decided_hash != run.plan_hash:
        return _too_late(run, "the plan that was approved is not the run's any more", now)
    if not approved and (run.plan_hash is None or run.reviewed_hash != run.plan_hash):
        run = review(run, now=now)
        if run.outcome is not None:
            return run
    for _ in range(_TRIES):
        found = all_findings(run)
        try:
            return applying.apply_plan(
                database.engine(),
                run.run_id,
                _plan(run),
                read_counts(run),
                found,
                story.count_by_severity(found),
                now=now,
                protected=read_protected(run),
            )
        except applying.StalePlanError as stale:
            log.warning("%s", stale)
            if approved or run.same_as:
                return _too_late(run, _why(run, stale), now)
            # Other deltas may be pending now, and rows may point to what another run changed.
            run = review(diff(validate(run)), now=now)
            if run.outcome is not None:
                return run
    raise applying.StalePlanError("the roster moved at every try; try again later")


def _why(run: Run, stale: applying.StalePlanError) -> str:
    """Return why a plan is of a roster, or of a version of this program, that is no more."""
    if isinstance(stale, applying.OldPlanError):
        return str(stale)
    with database.engine().connect() as connection:
        other = runs.first_after(connection, run.site, run.base_version)
    return f"{other.named() if other else 'another run'} changed the roster first: {stale}"


def _too_late(run: Run, reason: str, now: dt.datetime) -> Run:
    """End a run whose plan can't be applied any more and must not be made again."""
    with database.engine().begin() as connection:
        held.supersede(connection, run, reason, now=now)
        return runs.get(connection, run.run_id)


def record(run: Run, *, now: dt.datetime) -> Run:
    """Stage 6: store what is not stored yet, tell the end, and drop what is no longer needed."""
    folder = RunFolder.of(run.site, run.run_id)
    if run.outcome is None:
        reasons = run.reasons or (f"stage {run.stage} was the last to end",)
        run = _note(run, outcome=Outcome.FAILED, reasons=[*reasons, "nothing was changed"])
    if run.applied_at is None:
        found = all_findings(run)
        with database.engine().begin() as connection:
            runs.save_findings(connection, run.run_id, found)
            severities = story.count_by_severity(found)
            ended_at = run.ended_at or now
            runs.update(connection, run.run_id, findings=severities, ended_at=ended_at)
    run = find(run.run_id)
    with _dispensable("summary"):
        folder.write_json("run", run.summary())
    for data in (
        *folder.names("snapshots"),
        *(("valid", "quarantined") if run.outcome is not Outcome.HELD else ()),
    ):
        if run.outcome is not Outcome.FAILED:
            folder.remove(data)
    if run.outcome is not Outcome.FAILED:
        uploads.forget(run.site, run.package)
    with database.engine().connect() as connection:
        story.tell_causes(run_details.causes(connection, run.run_id))
        for cause in list_stale(connection, run.site) if run.of_package else ():
            log.warning("Stale protection: %s. See: oneroster protections list", cause.in_words())
    story.tell_end(run)
    return run


@contextlib.contextmanager
def _dispensable(what: str) -> Iterator[None]:
    """Go on without something that tells of the run, where it can't be written."""
    try:
        yield
    except OSError as error:
        log.warning("The %s is not there: it can't be written (%s).", what, error.strerror)


@contextlib.contextmanager
def noting(run: Run) -> Iterator[None]:
    """Note why a stage can't go on with the run's record, and let the exception pass."""
    try:
        yield
    except Exception as error:
        ours = type(error).__module__.startswith("oneroster_sync")
        _note(run, reasons=[str(error) if ours else f"{type(error).__name__}; see the log"])
        raise


def find(run_id: str) -> Run:
    """Return a run's record.

    Raises:
        UnknownRunError: There is none of that id.
    """
    with database.engine().connect() as connection:
        return runs.get(connection, run_id)


def skip(run: Run, reason: str) -> None:
    """End a run before it reads anything, because it is not wanted."""
    _note(run, outcome=Outcome.SKIPPED, reasons=[reason])


def set_aside(run: Run) -> None:
    """End a run whose plan was only to be looked at."""
    if run.outcome in {None, Outcome.HELD}:
        run = _note(
            run, outcome=Outcome.DISCARDED, reasons=["a preview: nothing was to be applied"]
        )
    with database.engine().begin() as connection:
        kept.forget(connection, run.run_id)


@contextlib.contextmanager
def recorded(run: Run, clock: Callable[[], dt.datetime]) -> Iterator[None]:
    """Record the run when its stages are through, or when one of them could not go on."""
    try:
        with noting(run):
            yield
    finally:
        record(find(run.run_id), now=clock())


def _forget_plan(run: Run) -> Run:
    """Forget the plan and its review, because what the plan was made from is about to be replaced.

    The record goes first: a stage that is killed then leaves files that no hash vouches for.
    """
    forgotten = ("plan_hash", "base_version", "reviewed_hash", "counts", "withheld", "schools")
    had_plan = run.plan_hash is not None
    run = _note(run, stage="extract", same_as=None, **dict.fromkeys(forgotten))
    if had_plan:
        folder = RunFolder.of(run.site, run.run_id)
        for name in ("plan.json", "plan", "before", "removals"):
            folder.remove(name)
    return run


def _extracted(run: Run) -> Extracted:
    """Return what extract left.

    Raises:
        MissingStageError: It did not run to its end.
    """
    try:
        return read_extracted(run)
    except FileNotFoundError:
        raise MissingStageError(
            "the package was not read; clear extract and the tasks after it"
        ) from None


def _plan(run: Run) -> Plan:
    """Return the run's plan, which has the hash that the run recorded.

    Raises:
        MissingStageError: There is none.
        DefectivePlanError: It has another hash.
    """
    if run.plan_hash is None:
        raise MissingStageError("there is no plan; clear diff and the tasks after it")
    return read_plan(run)


def _roster(run: Run) -> Roster:
    assert run.credited_admin_id is not None
    with database.engine().connect() as connection:
        return read_roster(connection, run.site, run.credited_admin_id)


def _note(run: Run, **values: object) -> Run:
    with database.engine().begin() as connection:
        if values.get("outcome") is Outcome.REJECTED:
            kept.forget(connection, run.run_id)
            positions.give_back(connection, run.run_id)
        runs.update(connection, run.run_id, **values)
        return runs.get(connection, run.run_id)
