"""A held plan in two: what an approver applies now, and the removals that are held back.

Nothing is parted before the decision: both plans are shown, the approval names the hash of the
first, and only together with the approval that one is frozen in place of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneroster_sync import database
from oneroster_sync.errors import ConflictError
from oneroster_sync.roster.reader import read_roster
from oneroster_sync.stages.base import Result, RunContext
from oneroster_sync.stages.diff.partial import hold_back
from oneroster_sync.stages.diff.plan import read_counts, read_errors, read_plan
from oneroster_sync.stages.diff.stage import Planned, describe_left_out, freeze, records_of
from oneroster_sync.standard.kinds import MAPPINGS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.runs import Run
    from oneroster_sync.stages.diff.plan import Plan


class RosterMovedError(ConflictError):
    """The roster moved since the plan was made, so that the plan can't be parted any more."""


class NothingToHoldError(ConflictError):
    """A plan can't be parted so: one of the parts would be empty; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Parted:
    """A held plan in two: what is applied when it is approved, and what is held back.

    Attributes:
        first: What is applied.
        rest: What is brought for a decision of its own afterwards.
        roster: What both were made against.
    """

    first: Plan
    rest: Plan
    roster: Roster


def part_held_plan(run: Run, *, schools: Collection[str], kinds: Collection[str]) -> Parted:
    """Return both parts of a held plan of which some removals are held back; nothing is stored.

    Raises:
        NothingToHoldError: One of the parts would be empty, or the run is of no package.
        RosterMovedError: The roster moved since the plan was made.
        DefectivePlanError: The plan is not the one that the run recorded.
        FileNotFoundError: The plan is not there any more.
    """
    if run.undoes or run.kind in MAPPINGS:
        raise NothingToHoldError("removals are held back of the plan of a package alone")
    assert run.credited_admin_id is not None
    plan = read_plan(run)
    with database.engine().connect() as connection:
        roster = read_roster(connection, run.site, run.credited_admin_id)
    if roster.version != plan.base_version:
        raise RosterMovedError(
            "the roster changed since this plan was made; a newer run plans anew"
        )
    first, rest = hold_back(plan, roster, schools=schools, kinds=kinds)
    if rest.is_empty():
        raise NothingToHoldError("nothing of this plan would be held back; approve all of it")
    if first.is_empty():
        raise NothingToHoldError("nothing of this plan would be applied; discard it instead")
    return Parted(first, rest, roster)


def freeze_first_part(run: Run, parted: Parted, held_back: Mapping[str, Any]) -> dict[str, Any]:
    """Freeze the first part of a held plan in place of all of it, and keep the rest beside it.

    Returns:
        What the run's record has to say from then on; the caller stores it in its transaction. A
        process that dies in between leaves files that no hash vouches for, and nothing is applied.
    """
    counts = read_counts(run)
    for kind, numbers in parted.first.count().as_dict().items():
        frozen = getattr(counts, kind)
        frozen |= {word: n for word, n in numbers.items() if word not in {"errors", "ignored"}}
    withheld = {
        **describe_left_out("removals_wait", parted.rest),
        "holds": list(run.holds),
        "held_back": {**held_back, "plan_hash": parted.rest.hash(), "of_plan": run.plan_hash},
    }
    planned = Planned(parted.first, counts, withheld, bad=read_errors(run))
    result = Result()
    result.tables["removals"] = records_of(parted.rest)
    freeze(planned, parted.roster, result)
    RunContext.of(run).write("diff", result)
    return result.values
