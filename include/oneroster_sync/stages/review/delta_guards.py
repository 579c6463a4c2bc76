"""Guards on deltas: check each delta alone, and removals after deltas were lost."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync import database
from oneroster_sync.findings import Finding, Findings, Severity
from oneroster_sync.roster.columns import TERMS_ENDED
from oneroster_sync.roster.recent_changes import read_recent
from oneroster_sync.runs import pending_deltas as store
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.runs.holds import Hold
from oneroster_sync.runs.pending_deltas import State
from oneroster_sync.stages.diff.build import build_plan
from oneroster_sync.stages.diff.partial import REMOVALS, additions_only
from oneroster_sync.stages.diff.stage import only_adds, with_absent
from oneroster_sync.stages.extract.fold import part_of
from oneroster_sync.stages.extract.pending_deltas import ASK_FOR_BULK, read_extracted
from oneroster_sync.stages.review.by_school import count_by_school
from oneroster_sync.stages.review.guards import check_plan, find_reactivated, with_second_role
from oneroster_sync.standard import ROSTERING_FILES
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping

    from sqlalchemy.engine import Connection

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.roster.recent_changes import Recent
    from oneroster_sync.runs import Run
    from oneroster_sync.stages.diff.plan import Plan

_FROM = {
    "users": ("users", "roles"),
    "courses": ("courses",),
    "assignments": ("enrollments", "classes", "courses"),
}
"""Kind of removal → the files whose rows may ask for it."""


def holds_of_deltas(
    run: Run,
    plan: Plan,
    roster: Roster,
    holds: tuple[Hold, ...],
    parts: Mapping[int, tuple[dict[str, pa.Table], dict[str, pa.Table]]],
    now: dt.datetime,
) -> tuple[Hold, ...]:
    """Return reasons to hold a plan that appear only in one of its deltas alone.

    Each delta is checked alone, so that folding it with others can't hide a reason to hold it.

    Args:
        run: The run.
        plan: The run's plan.
        roster: The site's roster.
        holds: The reasons to hold the plan as a whole.
        parts: Number of a delta → its valid and quarantined rows, as `parts_of` returns them.
        now: Current time.
    """
    folder = RunFolder.of(run.site, run.run_id)
    extracted, arrivals = read_extracted(run), folder.read_json("extracted").get("arrivals", {})
    with database.engine().connect() as connection:
        lost = {one.file for one in store.out_of_step(connection, run.site)}
    found = hold_out_of_step(plan, extracted.modes, lost, roster)
    if plan.is_empty():
        return tuple(found)
    # What holds the plan as a whole is not named once more for a part.
    known = {(hold.code, hold.kind, hold.school) for hold in holds}
    for number, (good, bad) in sorted(parts.items()):
        for hold in _judge_part(run, good, bad, roster, now):
            if (hold.code, hold.kind, hold.school) not in known:
                limit = f"{hold.limit}, in {_named(number, arrivals)} alone"
                found.append(dataclasses.replace(hold, limit=limit))
    return tuple(found)


def parts_of(
    valid: Mapping[str, pa.Table], quarantined: Mapping[str, pa.Table], modes: Mapping[str, Mode]
) -> dict[int, tuple[dict[str, pa.Table], dict[str, pa.Table]]]:
    """Return number of a package → its valid rows and rows with errors in a folded plan.

    Empty if the plan is made from one package only.
    """
    found: dict[int, tuple[dict[str, pa.Table], dict[str, pa.Table]]] = {}
    packages = set()
    for side, tables in enumerate((valid, quarantined)):
        for file, table in tables.items():
            numbers = part_of(table["row"])
            for number in pc.unique(numbers).to_pylist():
                packages.add(number)
                if modes[file] is Mode.DELTA:
                    rows = table.filter(pc.equal(numbers, number))
                    found.setdefault(number, ({}, {}))[side][file] = rows
    return found if len(packages) > 1 else {}


def hold_out_of_step(
    plan: Plan, modes: Mapping[str, Mode], lost: Collection[str], roster: Roster
) -> list[Hold]:
    """Return the reasons to hold removals by deltas of files whose earlier deltas are lost."""
    holds = []
    for kind, files in _FROM.items():
        by_delta = [file for file in files if file in lost and modes.get(file) is Mode.DELTA]
        table = getattr(plan, kind)
        going = table.filter(pc.is_in(table["action"], REMOVALS))
        found = int(pc.sum(pc.not_equal(going["reason"], TERMS_ENDED)).as_py() or 0)
        if by_delta and found:
            limit = f"none by delta until a bulk {by_delta[0]}.csv is applied: {ASK_FOR_BULK}"
            holds.append(Hold("guard.out_of_step", kind, found, roster.managed_active(kind), limit))
    return holds


def find_lost_deltas(connection: Connection, site: str, modes: Mapping[str, Mode]) -> Findings:
    """Return findings about lost deltas, except for files that now come in bulk."""
    findings = Findings()
    lacking = {
        "package.out_of_step": [one.file for one in store.out_of_step(connection, site)],
        "package.changes_discarded": [
            one.file for one in store.of_site(connection, site, State.DISCARDED)
        ],
    }
    for code, files in lacking.items():
        for file in sorted(set(files)):
            if modes.get(file) is not Mode.BULK:
                findings.add(
                    Finding(code, Severity.WARNING, f"{file}.csv", expected=f"a bulk {file}.csv")
                )
    return findings


def find_recent(run: Run, plan: Plan, now: dt.datetime) -> Recent:
    """Return the recent changes of the site that the plan's changes are counted with."""
    with database.engine().connect() as connection:
        return read_recent(
            connection,
            run.site,
            now=now,
            find_reactivated=find_reactivated(plan),
            second=with_second_role(plan),
        )


def _judge_part(
    run: Run,
    valid: dict[str, pa.Table],
    quarantined: dict[str, pa.Table],
    roster: Roster,
    now: dt.datetime,
) -> tuple[Hold, ...]:
    """Return the reasons to hold one delta alone.

    Args:
        run: The run with the delta.
        valid: File → valid rows of the delta.
        quarantined: File → rows of the delta with errors.
        roster: The site's roster.
        now: Current time.
    """
    none = {name: table.slice(0, 0) for name, table in (valid | quarantined).items()}
    good, bad = none | valid, none | quarantined
    modes = {name: Mode.DELTA if name in none else Mode.ABSENT for name in ROSTERING_FILES}
    today = run.started_at.date()
    roster = with_absent(roster, good)
    plan, unused, _ = build_plan(good, bad, modes, roster, run.preferences, today=today)
    if only_adds(run):
        plan, _ = additions_only(plan)
    return check_plan(
        plan,
        roster,
        run.preferences.guards,
        modes=modes,
        valid=good,
        quarantined=bad,
        # Only the check for bulk files without rows reads these numbers.
        rows={},
        today=today,
        schools=count_by_school(plan, roster),
        recent=find_recent(run, plan, now),
        errors={name: table.num_rows for name, table in unused.items()},
    )


def _named(number: int, arrivals: Mapping[str, str]) -> str:
    """Return the name of a package of a folded plan in messages."""
    arrived = arrivals.get(str(number))
    if arrived is None:
        return "an earlier package"
    return f"the package that arrived at {arrived[:16].replace('T', ' ')} UTC"
