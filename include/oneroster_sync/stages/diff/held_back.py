"""Split a held plan: the part that an approver applies now, and the removals held back.

Nothing is stored before the decision: both plans are shown, the approval names the hash of the
first, and this plan replaces the whole plan only together with the approval.
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
    """The roster has changed since the plan was made, so the plan can't be split."""


class NothingToHoldError(ConflictError):
    """One part of the split would be empty; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Parted:
    """A split plan: what is applied after the approval, and what is held back.

    Attributes:
        first: The plan that is applied.
        rest: The plan that a follow-up run holds for a decision of its own.
        roster: The roster that both were made against.
    """

    first: Plan
    rest: Plan
    roster: Roster


def part_held_plan(run: Run, *, schools: Collection[str], kinds: Collection[str]) -> Parted:
    """Split a held plan by the removals to hold back; nothing is stored.

    Raises:
        NothingToHoldError: One of the parts would be empty, or the run reads no package.
        RosterMovedError: The roster has changed since the plan was made.
        DefectivePlanError: The plan is not the one that the run recorded.
        FileNotFoundError: The plan has been deleted.
    """
    if run.undoes or run.kind in MAPPINGS:
        raise NothingToHoldError("removals can be held back only in the plan of a package")
    assert run.credited_admin_id is not None
    plan = read_plan(run)
    with database.engine().connect() as connection:
        roster = read_roster(connection, run.site, run.credited_admin_id)
    if roster.version != plan.base_version:
        raise RosterMovedError(
            "the roster changed after this plan was made; start a new run for a new plan"
        )
    first, rest = hold_back(plan, roster, schools=schools, kinds=kinds)
    if rest.is_empty():
        raise NothingToHoldError("this plan has nothing to hold back; approve all of it")
    if first.is_empty():
        raise NothingToHoldError("nothing of this plan would be applied; discard it instead")
    return Parted(first, rest, roster)


def freeze_first_part(run: Run, parted: Parted, held_back: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the frozen plan by the first part, and store the rest beside it.

    Returns:
        New values for the run's record, which the caller stores in its transaction. If the process
        dies in between, no hash vouches for the files, and nothing is applied.
    """
    counts = read_counts(run)
    for kind, numbers in parted.first.count().as_dict().items():
        frozen = getattr(counts, kind)
        # A plan counts changes only; rows with errors and ignored rows stay those of the whole
        # package.
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
