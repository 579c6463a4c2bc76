"""Stage 4, review: hold a plan beyond the site's thresholds until a person decides."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from oneroster_sync import database, runs
from oneroster_sync.findings import Findings
from oneroster_sync.runs import Outcome, run_log, superseded, telemetry
from oneroster_sync.runs.holds import Hold, order_holds
from oneroster_sync.stages.base import Result, RunContext, stage
from oneroster_sync.stages.diff.account_matching import read_accounts
from oneroster_sync.stages.diff.plan import read_errors, require_plan
from oneroster_sync.stages.diff.stage import hold_removals_back
from oneroster_sync.stages.extract.pending_deltas import files_of, require_extracted
from oneroster_sync.stages.review import delta_guards
from oneroster_sync.stages.review.by_school import count_by_school
from oneroster_sync.stages.review.guards import (
    REMOVAL_CODES,
    check_plan,
    count_removals,
    measure_removals,
)
from oneroster_sync.standard.kinds import MAPPINGS

if TYPE_CHECKING:
    from oneroster_sync.roster.model import Roster
    from oneroster_sync.runs import Run
    from oneroster_sync.stages.diff.plan import Plan

log = logging.getLogger("oneroster")

_SCHOOLS = 100
"""Number of schools whose counts are stored with the run."""


@stage
def review(context: RunContext, *, now: dt.datetime) -> Result:
    """Stage 4: hold the plan if it is beyond the site's thresholds.

    The hash of a clear plan is recorded (`reviewed_hash`): apply requires it. A held plan waits as
    long as the site's preferences allow, and is then discarded. If the preferences say so, only the
    removals are held, by a follow-up run.

    Raises:
        MissingStageError: There is no plan.
        DefectivePlanError: The plan is not the one that diff recorded.
    """
    run, folder = context.run, context.artifacts
    plan, guards = require_plan(run), run.preferences.guards
    extracted, today = require_extracted(run), run.started_at.date()
    # An empty bulk file holds even an empty plan, so a file without rows is judged each time.
    if run.same_as and plan.is_empty() and all(extracted.rows.values()):
        # The earlier run's review found this plan clear with the same inputs, so the roster, which
        # may have a million people, is not read again.
        log.info("The plan changes nothing, like the plan of run %s.", run.same_as)
        telemetry.record_removals(run.site, measure_removals(plan, None, guards, today))
        return Result(values={"reviewed_hash": plan.hash()})
    roster = context.roster()
    telemetry.record_removals(run.site, measure_removals(plan, roster, guards, today))
    schools = count_by_school(plan, roster)
    valid, quarantined = folder.read_tables("valid"), folder.read_tables("quarantined")
    holds = check_plan(
        plan,
        roster,
        guards,
        modes=extracted.modes,
        valid=valid,
        quarantined=quarantined,
        rows=extracted.rows,
        today=today,
        schools=schools,
        accounts=read_accounts(run),
        recent=delta_guards.find_recent(run, plan, now),
        errors=read_errors(run),
    )
    if run.of_package:
        parts = delta_guards.parts_of(valid, quarantined, extracted.modes)
        of_deltas = delta_guards.holds_of_deltas(run, plan, roster, holds, parts, now)
        holds = order_holds(holds + of_deltas)
    if run.removals_of and (runs.find(run.removals_of).withheld or {}).get("held_back"):
        # The approver of the rest held these removals back: they wait whatever the thresholds say.
        holds = order_holds((*holds, *_hold_removals_held_back(plan, roster)))
    for hold in holds:
        log.warning("Held: %s", hold.to_text())
    # Those with the most removals, which come first. The holds are logged above, in other words.
    result = Result(values={"schools": schools[:_SCHOOLS]}, is_logged=True)
    only_removals = REMOVAL_CODES.issuperset(hold.code for hold in holds)
    may_wait = holds and only_removals and guards.removals_wait and run.of_package
    if may_wait and hold_removals_back(run, plan, holds, roster, result):
        log.warning("The removals wait for approval; the rest of the plan is applied.")
        holds = ()
    findings = Findings()
    findings.extend(hold.as_finding() for hold in holds)
    if run.of_package:
        with database.engine().connect() as connection:
            lacking = delta_guards.find_lost_deltas(connection, run.site, extracted.modes)
        run_log.log_findings(lacking.table())
        findings.add_table(lacking.table())
    result.findings = findings.table()
    if not holds:
        log.info("The plan is within the site's limits.")
        # If the removals wait, the plan to apply is the rest, which was frozen above.
        result.values["reviewed_hash"] = result.values.get("plan_hash", plan.hash())
        return result
    log.warning("Approve exactly this plan with: oneroster approve %s", run.run_id)
    result.values |= {
        "outcome": Outcome.HELD,
        "reasons": [hold.as_dict() for hold in holds],
        "expires_at": now + dt.timedelta(hours=run.preferences.approval_hours),
    }
    return result


def supersede_older(run: Run, *, now: dt.datetime) -> None:
    """Mark held plans as superseded that this run's plan replaces.

    It replaces the plans of earlier packages if this run has all of their files in bulk, and plans
    of pending deltas that are part of this plan as well. A run without a package, and a preview,
    replace no plan.
    """
    waits = run.outcome is None or (run.outcome is Outcome.HELD and run.decision is None)
    if run.plan_hash is None or not waits or not run.of_package or run.is_preview:
        return
    bulk_files = files_of(run, bulk_only=True)
    with database.engine().begin() as connection:
        for older in superseded.list_held(connection, run.site):
            # No package repeats an undo or a mapping, so a newer package replaces neither.
            is_part = older.undoes or older.kind in MAPPINGS
            if older.decision or is_part or older.started_at >= run.started_at:
                continue
            is_folded = not set(older.deltas or ()).isdisjoint(run.deltas or ())
            if is_folded or files_of(older) <= bulk_files:
                reason = superseded.newer_plan(run)
                superseded.supersede(connection, older, reason, now=now)
                log.info("The plan of %s is superseded by this one.", older.named())


def _hold_removals_held_back(plan: Plan, roster: Roster) -> list[Hold]:
    """Return the reasons to hold removals that an approver held back: all of the plan's."""
    return [
        Hold("guard.held_back", kind, found, roster.managed_active(kind), "none without approval")
        for kind, found in count_removals(plan).items()
        if found
    ]
