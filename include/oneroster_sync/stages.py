"""The six stages of a run, each from the run's folder and the database to the same.

A stage can be run again: what an earlier try left is replaced, and what was applied stays applied.
A stage whose run has ended does nothing.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from oneroster_sync import apply as applying
from oneroster_sync import settings, sources, story, uploads
from oneroster_sync.findings import Findings
from oneroster_sync.findings.model import rows_as_findings
from oneroster_sync.package import extract as read_package
from oneroster_sync.package.extract import Extracted
from oneroster_sync.package.kinds import Kind, wrong_kind
from oneroster_sync.plan import Counts, Plan, build_plan, check_plan
from oneroster_sync.preferences import Scope
from oneroster_sync.run_contents import all_findings, read_counts, read_extracted, read_plan
from oneroster_sync.run_folder import RunFolder
from oneroster_sync.spec import Version
from oneroster_sync.store import database, runs
from oneroster_sync.store.roster import read_known, read_roster
from oneroster_sync.store.runs import Outcome, Trigger
from oneroster_sync.undo import undo_plan

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from oneroster_sync.plan import Roster
    from oneroster_sync.store.runs import Run

P = ParamSpec("P")

log = logging.getLogger("oneroster")

_FILES = {
    Scope.USERS: ("orgs", "roles", "users"),
    Scope.COURSES: ("academicSessions", "orgs", "courses"),
}
_TRIES = 3


def _unless_ended(stage: Callable[Concatenate[Run, P], Run]) -> Callable[Concatenate[Run, P], Run]:
    """Make a stage return a run that has ended as it is; an approved one goes on."""

    @functools.wraps(stage)
    def guarded(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> Run:
        approved = run.outcome is Outcome.HELD and run.decision == "approved"
        return stage(run, *args, **kwargs) if run.outcome is None or approved else run

    return guarded


@_unless_ended
def extract(run: Run, kind: Kind) -> Run:
    """Stage 1: read the package into staff-only snapshots.

    Raises:
        OSError: The file system failed; another try may help.
    """
    folder = RunFolder.of(run.site, run.run_id)
    if run.undoes:
        log.info("Run %s is taken back; an undo reads no package.", run.undoes)
        folder.write_json(
            "extracted", {"version": Version.V1_1, "modes": {}, "rows": {}, "ignored": 0}
        )
        return _note(run, stage="extract")
    with database.engine().connect() as connection:
        known = read_known(connection, run.site)
    with _private_copy(run, kind) as package:
        finding = wrong_kind(package, kind)
        if finding is None:
            files = _FILES.get(run.scope)
            extracted = read_package(package, run.preferences.profile, known, files=files)
        else:
            extracted = Extracted("", refused=True)
            extracted.findings.add(finding)
    found = extracted.findings.table()
    story.tell_files(extracted)
    story.tell_findings(found)
    folder.write_tables("findings", {"1-extract": found})
    folder.write_tables("snapshots", extracted.tables)
    folder.write_json(
        "extracted",
        {
            "version": extracted.version,
            "modes": extracted.modes,
            "rows": extracted.rows,
            "ignored": extracted.ignored,
        },
    )
    return _note(
        run,
        stage="extract",
        sha256=extracted.sha256,
        oneroster_version=extracted.version,
        **_rejection(extracted.findings) if extracted.refused else {},
    )


@_unless_ended
def validate(run: Run) -> Run:
    """Stage 2: let the suites decide which rows are used.

    Raises:
        SuiteError: A suite can't be used; no other try helps.
    """
    if run.undoes:
        return _note(run, stage="validate")
    from oneroster_sync.validation import validate as judge

    folder = RunFolder.of(run.site, run.run_id)
    extracted = read_extracted(run)
    with tempfile.TemporaryDirectory() as docs:
        validated = judge(
            extracted.tables,
            extracted.modes,
            extracted.version,
            known=_roster(run).known(),
            suites=settings.expectations(),
            docs=Path(docs),
        )
        folder.remove("report")
        folder.copy_in(Path(docs), "report")
    folder.write_json("report", validated.report)
    found = validated.findings.table()
    story.tell_findings(found)
    story.tell_rows(validated.valid, validated.quarantined)
    folder.add_table("findings", "2-validate", found)
    folder.write_tables("valid", validated.valid)
    folder.write_tables("quarantined", validated.quarantined)
    strict = run.preferences.profile == "strict" and validated.findings.has_violations()
    return _note(run, stage="validate", **_rejection(validated.findings) if strict else {})


@_unless_ended
def diff(run: Run) -> Run:
    """Stage 3: compare with the roster and freeze the plan."""
    if run.undoes:
        return _diff_undo(run, run.undoes)
    folder = RunFolder.of(run.site, run.run_id)
    extracted = read_extracted(run)
    plan, quarantined, findings = build_plan(
        folder.read_tables("valid"),
        folder.read_tables("quarantined"),
        extracted.modes,
        _roster(run),
        run.preferences,
    )
    folder.add_table("findings", "3-diff", findings.table())
    story.tell_findings(findings.table())
    return _freeze(run, plan, _counts(plan, quarantined, extracted.ignored))


def _diff_undo(run: Run, undone: str) -> Run:
    """Freeze the plan that takes a run back, and name what it leaves alone."""
    roster = _roster(run)
    with database.engine().connect() as connection:
        plan, left = undo_plan(connection, undone, roster)
    for record_ in left:
        log.warning("Left alone, because it changed again since: %s.", record_)
    RunFolder.of(run.site, run.run_id).write_json("left", left)
    return _freeze(run, plan, plan.count())


def _freeze(run: Run, plan: Plan, counts: Counts) -> Run:
    """Write the plan, tell it, and record its hash."""
    folder = RunFolder.of(run.site, run.run_id)
    plan_hash = plan.hash()
    story.tell_plan(plan, plan_hash)
    story.tell_counts(counts)
    folder.write_tables("plan", plan.tables())
    folder.write_json(
        "plan", {"hash": plan_hash, "base_version": plan.base_version, **asdict(counts)}
    )
    return _note(
        run,
        stage="diff",
        plan_hash=plan_hash,
        base_version=plan.base_version,
        counts=counts.as_dict(),
    )


@_unless_ended
def review(run: Run) -> Run:
    """Stage 4: hold the plan if it is beyond the site's limits and nobody has approved it."""
    if run.decision == "approved":
        log.info("The plan was approved by %s.", run.decided_by)
        return run
    folder = RunFolder.of(run.site, run.run_id)
    extracted = read_extracted(run)
    holds = check_plan(
        read_plan(run),
        _roster(run),
        run.preferences.guards,
        modes=extracted.modes,
        valid=folder.read_tables("valid"),
        quarantined=folder.read_tables("quarantined"),
        rows=extracted.rows,
    )
    findings = Findings()
    findings.extend(hold.as_finding() for hold in holds)
    folder.add_table("findings", "4-review", findings.table())
    if not holds:
        log.info("The plan is within the site's limits.")
        return _note(run, stage="review")
    for hold in holds:
        log.warning("Held: %s", hold.in_words())
    log.warning("Approve exactly this plan with: oneroster approve %s", run.run_id)
    reasons = [hold.as_dict() for hold in holds]
    return _note(run, stage="review", outcome=Outcome.HELD, reasons=reasons)


@_unless_ended
def apply(run: Run, *, now: dt.datetime) -> Run:
    """Stage 5: apply the plan, once.

    When the roster moved since the plan was made, a plan that nobody approved is made again, and
    one that somebody did ends the run as superseded.
    """
    for _ in range(_TRIES):
        found = all_findings(run)
        try:
            return applying.apply_plan(
                database.engine(),
                run.run_id,
                read_plan(run),
                read_counts(run),
                found,
                story.count_by_severity(found),
                now=now,
            )
        except applying.StalePlanError as stale:
            log.warning("%s", stale)
            if run.decision == "approved":
                return _note(run, outcome=Outcome.SUPERSEDED, reasons=[str(stale)], ended_at=now)
            run = review(diff(run))
            if run.outcome is not None:
                return run
    raise applying.StalePlanError("the roster moved at every try; try again later")


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
            runs.update(
                connection, run.run_id, findings=story.count_by_severity(found), ended_at=now
            )
    run = find(run.run_id)
    folder.write_json("run", run.summary())
    for data in (
        "snapshots",
        *(("valid", "quarantined") if run.outcome is not Outcome.HELD else ()),
    ):
        if run.outcome is not Outcome.FAILED:
            folder.remove(data)
    if run.outcome is not Outcome.FAILED:
        uploads.forget(run.site, run.package)
    story.tell_end(run)
    return run


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
        _note(run, outcome=Outcome.DISCARDED, reasons=["a preview: nothing was to be applied"])


@contextlib.contextmanager
def recorded(run: Run, clock: Callable[[], dt.datetime]) -> Iterator[None]:
    """Record the run when its stages are through, or when one of them could not go on."""
    try:
        with noting(run):
            yield
    finally:
        record(find(run.run_id), now=clock())


def _counts(plan: Plan, quarantined: dict[str, pa.Table], ignored: int) -> Counts:
    counts = plan.count()
    for kind, name in (
        (counts.users, "users"),
        (counts.courses, "courses"),
        (counts.assignments, "enrollments"),
    ):
        kind["errors"] = quarantined[name].num_rows if name in quarantined else 0
    counts.users["errors"] += _roles_alone(quarantined)
    counts.users["ignored"] = ignored
    return counts


def _roles_alone(quarantined: dict[str, pa.Table]) -> int:
    """Return how many broken rows of roles.csv are of nobody whose row of users.csv counts."""
    if "roles" not in quarantined:
        return 0
    roles = quarantined["roles"]
    counted = quarantined["users"]["sourcedId"].combine_chunks() if "users" in quarantined else None
    broken = pc.is_valid(roles["flaw"])
    if counted is not None:
        broken = pc.and_(broken, pc.invert(pc.is_in(roles["userSourcedId"], counted)))
    return int(pc.sum(broken).as_py() or 0)


def _roster(run: Run) -> Roster:
    assert run.credited_admin_id is not None
    with database.engine().connect() as connection:
        return read_roster(connection, run.site, run.credited_admin_id)


@contextlib.contextmanager
def _private_copy(run: Run, kind: Kind) -> Iterator[Path]:
    """Yield a copy of the package that nobody else can change; it goes when the stage ends."""
    source = UPath(run.package or "")
    if run.trigger is Trigger.SCHEDULE:
        source = UPath(sources.locate(run.package))
        log.info("The package is %s.", source.name)
    with tempfile.TemporaryDirectory(prefix="oneroster-") as folder:
        lone = kind is not Kind.PACKAGE and source.suffix.lower() == ".csv"
        target = Path(folder) / (f"{kind}.csv" if lone else source.name)
        if source.is_dir():
            shutil.copytree(source.path, target, symlinks=True)
        elif source.is_file():
            with source.open("rb") as read, target.open("wb") as written:
                shutil.copyfileobj(read, written)
        yield target


def _rejection(findings: Findings) -> dict[str, object]:
    table = findings.table()
    errors = [f for f in rows_as_findings(table) if f.severity == "error"][:10]
    return {"outcome": Outcome.REJECTED, "reasons": [f.in_words() for f in errors]}


def _note(run: Run, **values: object) -> Run:
    with database.engine().begin() as connection:
        runs.update(connection, run.run_id, **values)
        return runs.get(connection, run.run_id)
