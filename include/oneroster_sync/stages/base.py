"""What all stages share: they can be run again, by whoever may clear a task, and in any order.

No stage trusts that the ones before it ran: each asks for what it needs, and forgets what was made
from what it replaces. What was applied stays applied. A stage whose run has ended does nothing.
While a plan is held, and once it is approved, only apply goes on.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from oneroster_sync import database, runs
from oneroster_sync.errors import OneRosterError
from oneroster_sync.roster.reader import read_roster
from oneroster_sync.runs import Outcome, pending_deltas
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sources import positions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.runs import Run

P = ParamSpec("P")

log = logging.getLogger("oneroster")


class MissingStageError(OneRosterError):
    """A stage has nothing to work on, because an earlier one did not run; the message names it."""


def unless_ended(stage: Callable[Concatenate[Run, P], Run]) -> Callable[Concatenate[Run, P], Run]:
    """Decorator: skip the stage if the run has ended or is held.

    A held plan never changes, so that an approval is of the plan that people were shown.
    """

    @functools.wraps(stage)
    def guarded(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> Run:
        return stage(run, *args, **kwargs) if run.outcome is None else run

    return guarded


def unless_reused(stage: Callable[Concatenate[Run, P], Run]) -> Callable[Concatenate[Run, P], Run]:
    """Decorator: skip the stage if the run reuses the results of an earlier run."""

    @functools.wraps(stage)
    def guarded(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> Run:
        if run.same_as is None:
            return stage(run, *args, **kwargs)
        log.info("The stage is skipped: the results of run %s are reused.", run.same_as)
        return run

    return guarded


@contextlib.contextmanager
def ignore_os_errors(artifact: str) -> Iterator[None]:
    """Log and ignore OSError while writing an optional artifact."""
    try:
        yield
    except OSError as error:
        log.warning("The %s can't be written (%s); the run goes on.", artifact, error.strerror)


def forget_plan(run: Run) -> Run:
    """Forget the plan and its review, because what the plan was made from is about to be replaced.

    The record goes first: a stage that is killed then leaves files that no hash vouches for.
    """
    forgotten = ("plan_hash", "base_version", "reviewed_hash", "counts", "withheld", "schools")
    had_plan = run.plan_hash is not None
    run = note(run, stage="extract", same_as=None, **dict.fromkeys(forgotten))
    if had_plan:
        folder = RunFolder.of(run.site, run.run_id)
        for name in ("plan.json", "plan", "before", "removals", "other_people"):
            folder.remove(name)
    return run


def load_roster(run: Run) -> Roster:
    """Return what the platform holds of the run's site now."""
    assert run.credited_admin_id is not None
    with database.engine().connect() as connection:
        return read_roster(connection, run.site, run.credited_admin_id)


def note(run: Run, **values: object) -> Run:
    """Store values with the run's record, and return the record as it is then.

    A package that is rejected leaves no pending deltas, and its source may give it again.
    """
    with database.engine().begin() as connection:
        if values.get("outcome") is Outcome.REJECTED:
            pending_deltas.forget(connection, run.run_id)
            positions.give_back(connection, run.run_id)
        runs.update(connection, run.run_id, **values)
        return runs.get(connection, run.run_id)
