"""What all stages share: the run's context, the result of a stage, and the decorator `stage`.

Operators can clear a task in any order, so a stage does not trust that the stages before it ran: it
checks for the artifacts that it needs, and removes what was made from the artifacts it replaces.
Applied changes stay applied. A stage whose run has ended does nothing. While a plan is held, and
once it is approved, only apply continues.

A stage computes: it takes a `RunContext` and returns a `Result`. `RunContext.save` writes
artifacts, the findings' log lines and the run's record. Two stages have transactions of their own,
because their rows have to commit with the run's record: apply and record.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from oneroster_sync import database, runs
from oneroster_sync.errors import OneRosterError
from oneroster_sync.roster.reader import read_roster, roster_version
from oneroster_sync.runs import Outcome, pending_deltas, reuse, run_log, telemetry
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sources import positions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa
    from sqlalchemy.engine import Connection

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.runs import Run

P = ParamSpec("P")

log = logging.getLogger("oneroster")

_FINDINGS_OF = {
    "extract": "1-extract",
    "validate": "2-validate",
    "diff": "3-diff",
    "review": "4-review",
}
"""Stage → the name of its table of findings; the tables are read in this order."""


class MissingStageError(OneRosterError):
    """An artifact of an earlier stage is missing; the message names that stage."""


@dataclass(slots=True, kw_only=True)
class Result:
    """The result of a stage, which `RunContext.save` writes.

    Attributes:
        values: Columns of the run's record, with their new values.
        findings: The stage's findings; None leaves the stored findings of the stage unchanged.
        is_logged: Whether the stage has logged its findings itself.
        unclear: File → rows that may be a student's, whose sourcedId is not logged.
        removed: Names of artifacts that are removed before anything is written.
        tables: Folder → tables by name; they replace the folder's contents.
        documents: Name → value, written as JSON.
        optional: Documents that the run does not need; an OSError (disk full) is logged, not
            raised.
        kept: Name → value that is kept in memory for later stages in this process, as the plan.
        reuses: The earlier run whose artifacts are copied.
        store: Writes more rows in the transaction of the run's record, before the record.
    """

    values: dict[str, Any] = field(default_factory=dict)
    findings: pa.Table | None = None
    is_logged: bool = False
    unclear: Mapping[str, pa.Array] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    tables: dict[str, Mapping[str, pa.Table]] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    optional: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    reuses: Run | None = None
    store: Callable[[Connection], None] | None = None


@dataclass(slots=True)
class RunContext:
    """One run as a stage sees it: its record, its artifacts and the site's roster.

    Attributes:
        run: The run's record as last read or saved.
        artifacts: The run's folder of artifacts.
    """

    run: Run
    artifacts: RunFolder

    @classmethod
    def of(cls, run: Run) -> RunContext:
        """Return the context of a run."""
        return cls(run, RunFolder.of(run.site, run.run_id))

    def roster(self) -> Roster:
        """Return the roster of the run's site.

        The process reads it once, and again only if another run has changed it since.
        """
        run = self.run
        assert run.credited_admin_id is not None
        with database.engine().connect() as connection:
            roster: Roster | None = self.artifacts.kept("roster")
            if roster is None or roster.version != roster_version(connection, run.site):
                connection.rollback()  # the reader begins a transaction of its own
                roster = read_roster(connection, run.site, run.credited_admin_id)
                self.artifacts.keep("roster", roster)
        return roster

    def save(self, stage: str, result: Result) -> Run:
        """Write the result of a stage, and return the run's updated record.

        The record is written last, so that a stage that is killed never looks finished.
        """
        if result.findings is not None and not result.is_logged:
            run_log.log_findings(result.findings, result.unclear)
        self.write(stage, result)
        if result.findings is not None and self.run.findings_of is not None:
            # Findings of its own: the earlier run's findings no longer are all of this run's.
            result.values = {"findings_of": None, **result.values}
        if result.values.get("outcome") is Outcome.HELD:
            self.artifacts.write_out()  # the plan is approved in another process
        with database.engine().begin() as connection:
            if result.store is not None:
                result.store(connection)
            self.run = _note(connection, self.run, **{"stage": stage, **result.values})
        return self.run

    def write(self, stage: str, result: Result) -> None:
        """Write the result of a stage except for the run's record, which is written after it."""
        folder = self.artifacts
        for name in result.removed:
            folder.remove(name)
        if result.reuses is not None:
            reuse.copy_results(result.reuses, self.run)
        with ignore_os_errors("report"):
            for name, value in result.optional.items():
                folder.write_json(name, value)
        if result.findings is not None:
            folder.add_table("findings", _FINDINGS_OF[stage], result.findings)
        for kind, tables in result.tables.items():
            folder.write_tables(kind, tables)
        for name, value in result.documents.items():
            folder.write_json(name, value)
        for name, value in result.kept.items():
            folder.keep(name, value)

    def forget_plan(self) -> None:
        """Delete the plan and its review, because the data that it was made from will be replaced.

        The record is updated first: if the stage is killed, no record vouches for the files left.
        """
        forgotten = ("plan_hash", "base_version", "reviewed_hash", "counts", "withheld", "schools")
        had_plan = self.run.plan_hash is not None
        self.run = note(
            self.run, stage="extract", same_as=None, findings_of=None, **dict.fromkeys(forgotten)
        )
        if had_plan:
            for name in ("plan.json", "plan", "before", "removals", "other_people"):
                self.artifacts.remove(name)


def stage(
    compute: Callable[Concatenate[RunContext, P], Result | None],
) -> Callable[Concatenate[Run, P], Run]:
    """Decorator: turn a function that computes a `Result` into a stage that saves the result.

    The stage takes a run and returns the run's updated record. A run that has ended or is held is
    skipped: a held plan never changes, so that people approve the plan that they were shown. A
    function that returns None has nothing to save.
    """

    @functools.wraps(compute)
    def saved(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> Run:
        if run.outcome is not None:
            return run
        return telemetry.observe(compute.__name__, run, lambda: work(run, *args, **kwargs))

    def work(run: Run, *args: P.args, **kwargs: P.kwargs) -> Run:
        context = RunContext.of(run)
        with context.artifacts.opened():
            result = compute(context, *args, **kwargs)
            return context.run if result is None else context.save(compute.__name__, result)

    return saved


def unless_reused(
    compute: Callable[[RunContext], Result | None],
) -> Callable[[RunContext], Result | None]:
    """Decorator: skip the stage if the run reuses the results of an earlier run."""

    @functools.wraps(compute)
    def guarded(context: RunContext) -> Result | None:
        if context.run.same_as is None:
            return compute(context)
        log.info("The stage is skipped: the results of run %s are reused.", context.run.same_as)
        return None

    return guarded


_BESIDE: contextvars.ContextVar[Callable[[], None] | None] = contextvars.ContextVar(
    "beside", default=None
)


@contextlib.contextmanager
def beside_reading(begin: Callable[[], None]) -> Iterator[None]:
    """Call `begin` when a package is about to be read within the block.

    A process that runs all stages knows what the next stage needs. Only extract knows whether the
    package has to be read at all, or the results of an earlier run are reused.
    """
    token = _BESIDE.set(begin)
    try:
        yield
    finally:
        _BESIDE.reset(token)


def begin_reading() -> None:
    """Call the function of `beside_reading`: the package will be read, not reused."""
    if (begin := _BESIDE.get()) is not None:
        begin()


@contextlib.contextmanager
def ignore_os_errors(artifact: str) -> Iterator[None]:
    """Log and ignore OSError while writing an optional artifact."""
    try:
        yield
    except OSError as error:
        log.warning("The %s can't be written (%s); the run goes on.", artifact, error.strerror)


def note(run: Run, **values: object) -> Run:
    """Update columns of the run's record, and return the updated record."""
    with database.engine().begin() as connection:
        return _note(connection, run, **values)


def _note(connection: Connection, run: Run, **values: object) -> Run:
    """Update columns of the run's record, and return the updated record.

    A rejected package leaves no pending deltas, and its source may deliver it again.
    """
    if values.get("outcome") is Outcome.REJECTED:
        pending_deltas.forget(connection, run.run_id)
        positions.reset_position(connection, run.run_id)
    runs.update(connection, run.run_id, **values)
    return runs.get(connection, run.run_id)
