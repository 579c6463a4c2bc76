"""Stage 3, diff: compare the input of a run with the roster, and freeze the plan.

The input is a package, a mapping, an earlier run to undo, or the pending removals of an earlier
run. What a plan leaves out, with the reason, is stored beside it.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync import database, runs
from oneroster_sync.roster.recent_changes import find_deactivated_otherwise
from oneroster_sync.roster.records import positions
from oneroster_sync.runs import other_people, pending_deltas, reuse, run_log
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.runs.summary import reject
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.base import (
    MissingStageError,
    Result,
    RunContext,
    stage,
    unless_reused,
)
from oneroster_sync.stages.diff.account_matching import match_accounts
from oneroster_sync.stages.diff.build import build_plan
from oneroster_sync.stages.diff.id_mappings import plan_of_mapping
from oneroster_sync.stages.diff.partial import (
    additions_only,
    still_wanted,
    without_removals,
)
from oneroster_sync.stages.diff.plan import (
    Counts,
    Plan,
    changes_of,
    list_changes,
    read_counts,
    read_errors,
)
from oneroster_sync.stages.diff.protection import protected_records
from oneroster_sync.stages.diff.undo import WHOLE, Part, undo_plan
from oneroster_sync.stages.extract.csv_table import is_left_out
from oneroster_sync.stages.extract.fold import rows_in_files, with_rows_of_file
from oneroster_sync.stages.extract.links import active_rows, before_images
from oneroster_sync.stages.extract.pending_deltas import read_extracted
from oneroster_sync.stages.extract.unclear import find_unclear, hide_unknown_ids
from oneroster_sync.standard.kinds import MAPPINGS, Kind
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.runs import Run
    from oneroster_sync.runs.holds import Hold

log = logging.getLogger("oneroster")

_CHANGES = ("users", "courses", "assignments")


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with its counts, findings and what it leaves out.

    Attributes:
        plan: The frozen plan.
        counts: Counts of changes and errors.
        withheld: What the plan leaves out: counts by kind and `why`; None for nothing.
        rejected: Values of the run's record if the run is rejected, else None.
        bad: File → rows with errors, including those that diff found.
        made_from: Deltas and bulk files of the plan if it belongs to an earlier run; for a package,
            validate records them.
        found: Other results of the stage: findings and artifacts.
    """

    plan: Plan
    counts: Counts
    withheld: dict[str, Any] | None = None
    rejected: dict[str, Any] | None = None
    bad: dict[str, int] = field(default_factory=dict)
    made_from: dict[str, Any] = field(default_factory=dict)
    found: Result = field(default_factory=Result)


@stage
@unless_reused
def diff(context: RunContext) -> Result:
    """Stage 3: compare the input of the run with the roster, and freeze the plan.

    Raises:
        MissingStageError: The package has not been validated since it was read.
    """
    run = context.run
    if run.stage == "extract":
        raise MissingStageError(
            "the package was not validated after it was read; clear validate and the tasks after it"
        )
    roster = context.roster()
    if run.undoes:
        planned = _undo(run, run.undoes, roster)
    elif run.removals_of:
        planned = _removals(run, run.removals_of, roster)
    elif run.kind in MAPPINGS:
        planned = _mapping(context, roster)
    else:
        planned = _package(context, roster)
    result = planned.found
    is_empty = planned.plan.is_empty()
    # Only an empty plan can be reused: applying any other one changes the roster that it depends
    # on.
    result.values["basis"] = reuse.compute_unchanged_basis(run) if is_empty else None
    if planned.rejected is not None:
        result.values |= planned.rejected
    else:
        freeze(planned, roster, result)
    return result


def hold_removals_back(
    run: Run, plan: Plan, holds: Sequence[Hold], roster: Roster, result: Result
) -> bool:
    """Freeze a held plan without its removals, which stay in the run's folder.

    Args:
        run: The run.
        plan: The run's plan.
        holds: The reasons why it is held.
        roster: The site's roster.
        result: Receives the data to save.

    Returns:
        Whether the plan contains anything besides removals.
    """
    rest, removals = without_removals(plan)
    if rest.is_empty():
        return False
    counts = read_counts(run)
    for kind, numbers in rest.count().as_dict().items():
        frozen = getattr(counts, kind)
        frozen |= {word: n for word, n in numbers.items() if word not in {"errors", "ignored"}}
    withheld = {
        **describe_left_out("removals_wait", removals),
        "holds": [hold.as_dict() for hold in holds],
    }
    planned = Planned(rest, counts, withheld, bad=read_errors(run))
    result.tables["removals"] = records_of(removals)
    freeze(planned, roster, result)
    return True


def freeze(planned: Planned, roster: Roster, result: Result) -> None:
    """Log a plan, and add its tables, hash and counts to a result.

    Args:
        planned: The plan.
        roster: The roster that the plan was made against; replaced links are kept for an undo.
        result: Receives the data to save.
    """
    plan = planned.plan
    log_plan(plan, plan.hash())
    log_counts(planned.counts)
    result.tables["plan"] = plan.tables()
    result.tables["before"] = {
        name: before_images(table, plan.links[name], plan.links[f"{name}.gone"])
        for name, table in roster.links.items()
        if name in plan.links
    }
    result.documents["plan"] = {
        "hash": plan.hash(),
        "base_version": plan.base_version,
        "bad": planned.bad,
        **asdict(planned.counts),
    }
    result.values |= {
        "plan_hash": plan.hash(),
        "base_version": plan.base_version,
        "counts": planned.counts.as_dict(),
        "withheld": planned.withheld,
        # A new plan has no review yet; apply must find none of an earlier plan.
        "reviewed_hash": None,
        **planned.made_from,
    }
    result.kept["plan"] = plan


def only_adds(run: Run) -> bool:
    """Return whether a run only adds records, because of a rollover."""
    until = run.preferences.create_only_until
    return until is not None and run.started_at.date() <= until


def _package(context: RunContext, roster: Roster) -> Planned:
    run, folder = context.run, context.artifacts
    extracted = read_extracted(run)
    # The run's day and not the current one: a retry after midnight makes the same plan.
    today = run.started_at.date()
    valid, quarantined = folder.read_tables("valid"), folder.read_tables("quarantined")
    unclear = rows_in_files(find_unclear(valid, quarantined))
    roster = with_absent(roster, valid)
    plan, quarantined, findings = build_plan(
        valid,
        quarantined,
        extracted.modes,
        roster,
        run.preferences,
        today=today,
    )
    found = hide_unknown_ids(run, with_rows_of_file(findings.table()), unclear)
    plan = _with_rows_of_file(plan)
    errors = [*folder.read_tables("findings").values(), found]
    records = protected_records(valid, quarantined, extracted.modes, roster, plan)
    result = Result(
        findings=found,
        unclear=unclear,
        tables={
            "other_people": _other_people(found, quarantined.get("users"), roster),
            "adoption": _accounts(valid.get("users"), extracted.modes["users"], plan, roster),
            "protected": {"records": _with_causes(records, errors)},
        },
    )
    bad = {name: table.num_rows for name, table in quarantined.items()}
    until = run.preferences.create_only_until
    if until is None or not only_adds(run):
        counts = count_rows(plan, quarantined, extracted.modes, extracted.ignored)
        return Planned(plan, counts, bad=bad, found=result)
    plan, rest = additions_only(plan)
    withheld = None
    if not rest.is_empty():
        withheld = {**describe_left_out("create_only", rest), "until": until.isoformat()}
        log.warning(
            "Syncs only add records until %s; the plan leaves out all other changes.", until
        )
    counts = count_rows(plan, quarantined, extracted.modes, extracted.ignored)
    return Planned(plan, counts, withheld, bad=bad, found=result)


def with_absent(roster: Roster, valid: Mapping[str, pa.Table]) -> Roster:
    """Mark the users of the roster who were merely absent, among those with a blank enabledUser.

    They come back with their row. Users that `enabledUser=false` disabled stay disabled.
    """
    if "users" not in valid:
        return roster
    rows = active_rows(valid["users"])
    silent = rows.filter(is_left_out(rows, "enabledUser"))["sourcedId"].combine_chunks()
    stored = roster.users
    off = stored.filter(
        pc.and_(pc.equal(stored["status"], "inactive"), pc.is_in(stored["sourced_id"], silent))
    )["sourced_id"]
    if not len(off):
        return roster
    with database.engine().connect() as connection:
        found = find_deactivated_otherwise(connection, roster.site, off.to_pylist())
    return replace(roster, absent=pa.array(found, pa.string()))


def _with_causes(records: pa.Table, findings: Sequence[pa.Table]) -> pa.Table:
    """Return protected records with the error of the row that protects each."""
    causes = _causes_by_row(findings)
    found = [causes.get((row["file"], row["row"])) for row in records.to_pylist()]
    records = records.drop_columns(["row"])
    for name, at in (("code", 0), ("column", 1)):
        values = [cause[at] if cause else _UNKNOWN[at] for cause in found]
        records = records.append_column(name, pa.array(values, pa.string()))
    return records


_UNKNOWN = ("semantic.unclear_identity", "")


def _causes_by_row(findings: Sequence[pa.Table]) -> dict[tuple[str, int], tuple[str, str]]:
    """Return file and row → code and column of the row's first error."""
    causes: dict[tuple[str, int], tuple[str, str]] = {}
    names = ["severity", "file", "row", "code", "column"]
    for table in findings:
        errors = table.filter(pc.equal(table["severity"], "error")).select(names)
        for found in errors.to_pylist():
            if found["file"] and found["row"]:
                place = found["file"].removesuffix(".csv"), found["row"]
                causes.setdefault(place, (found["code"], found["column"] or ""))
    return causes


def _with_rows_of_file(plan: Plan) -> Plan:
    return replace(plan, **{kind: with_rows_of_file(getattr(plan, kind)) for kind in _CHANGES})


def _other_people(found: pa.Table, rows: pa.Table | None, roster: Roster) -> dict[str, pa.Table]:
    """Return the names of both people for sourcedIds that now belong to another person."""
    ids = found.filter(pc.equal(found["code"], other_people.CODE))["sourced_id"].combine_chunks()
    if rows is None or not len(ids):
        return {}
    rows = rows.take(pc.index_in(pc.unique(ids), rows["sourcedId"].combine_chunks()))
    stored = roster.users.take(positions(rows["sourcedId"], roster.users["sourced_id"]))
    people = {
        "user_id": stored["id"],
        "sourced_id": rows["sourcedId"],
        "known_given_name": stored["given_name"],
        "known_family_name": stored["family_name"],
        "new_given_name": rows["givenName"],
        "new_family_name": rows["familyName"],
        "new_login": rows["login"],
    }
    return {"people": pa.table(people).cast(other_people.SCHEMA)}


def _accounts(rows: pa.Table | None, mode: Mode, plan: Plan, roster: Roster) -> dict[str, pa.Table]:
    """Match accounts made by hand; the result has ids only, and a person decides."""
    if rows is None:
        return {}
    present = active_rows(rows)["sourcedId"].combine_chunks()
    matched = match_accounts(plan.users, roster, present, whole=mode is Mode.BULK)
    return {"accounts": matched} if matched.num_rows else {}


def _mapping(context: RunContext, roster: Roster) -> Planned:
    """Plan the valid rows of a mapping; in strict, all rows or none."""
    run = context.run
    kind = Kind(run.kind)
    rows = context.artifacts.read_tables("snapshots", {run.kind})[run.kind]
    mapped = plan_of_mapping(kind, rows, roster)
    valid, quarantined = {run.kind: mapped.valid}, {run.kind: mapped.quarantined}
    run_log.log_rows(valid, quarantined)
    result = Result(
        findings=mapped.findings.table(), tables={"valid": valid, "quarantined": quarantined}
    )
    counts = mapped.plan.count()
    of_courses = 0
    if kind is Kind.IDS:
        of_courses = pc.sum(pc.equal(mapped.quarantined["kind"], "course")).as_py() or 0
    counts.courses["errors"] = of_courses
    counts.users["errors"] = mapped.quarantined.num_rows - of_courses
    strict = run.preferences.profile is Profile.STRICT and mapped.findings.has_violations()
    rejected = reject(mapped.findings) if strict else None
    return Planned(mapped.plan, counts, rejected=rejected, found=result)


def _undo(run: Run, undone: str, roster: Roster) -> Planned:
    """Plan the undo of a run, and report what it leaves unchanged."""
    part = Part(**run.undo_of) if run.undo_of else WHOLE
    plan, left = plan_undo(undone, roster, part)
    for line in left[: run_log.LISTED]:
        log.warning("Left alone: %s.", line)
    run_log.log_rest(len(left) - run_log.LISTED, "records that are left alone")
    return Planned(plan, plan.count(), found=Result(documents={"left": left}))


def plan_undo(undone: str, roster: Roster, part: Part) -> tuple[Plan, list[str]]:
    """Return the plan that undoes a run or a part of it, and what it leaves unchanged."""
    folder = RunFolder.of(roster.site, undone)
    remembered = {
        **{n: t for n, t in folder.read_tables("plan").items() if n.startswith("links.")},
        **{f"before.{n}": t for n, t in folder.read_tables("before").items()},
    }
    with database.engine().connect() as connection:
        return undo_plan(connection, undone, roster, part, remembered)


def _removals(run: Run, of: str, roster: Roster) -> Planned:
    """Plan an earlier run's pending removals, as far as they are still wanted."""
    tables = RunFolder.of(run.site, of).read_tables("removals")
    with database.engine().begin() as connection:
        left_by = runs.get(connection, of)
        deltas = set(left_by.deltas or ())
        is_decided = pending_deltas.still_pending(connection, deltas) != deltas
    made_from: dict[str, Any] = {"deltas": left_by.deltas, "bulk_in_plan": left_by.bulk_in_plan}
    if is_decided:
        # Another plan applied these deltas, or a person discarded them: nothing is left.
        log.info("The pending removals of run %s were applied or discarded.", of)
        tables = {kind: table.slice(0, 0) for kind, table in tables.items()}
        made_from = {"deltas": [], "bulk_in_plan": []}
    users, courses, assignments = (tables[kind] for kind in _CHANGES)
    left = Plan(run.site, roster.version, users, courses, assignments, links={})
    plan = still_wanted(left, roster)
    return Planned(plan, plan.count(), made_from=made_from)


def describe_left_out(why: str, rest: Plan) -> dict[str, Any]:
    """Return the reason and the counts of a part that a plan leaves out, as they are stored."""
    counts = rest.count().as_dict()
    nonzero = {kind: {w: n for w, n in numbers.items() if n} for kind, numbers in counts.items()}
    return {"why": why, **nonzero}


def records_of(plan: Plan) -> dict[str, pa.Table]:
    """Return a plan's changes to users, courses and assignments, by kind."""
    return {kind: getattr(plan, kind) for kind in _CHANGES}


def count_rows(
    plan: Plan, quarantined: dict[str, pa.Table], modes: Mapping[str, Mode], ignored: int
) -> Counts:
    """Return the counts of a plan, with the rows with errors and the rows that are not of staff."""
    counts = plan.count()
    for kind, name in (
        (counts.users, "users"),
        (counts.courses, "courses"),
        (counts.assignments, "enrollments"),
    ):
        kind["errors"] = quarantined[name].num_rows if name in quarantined else 0
    counts.users["errors"] += _roles_alone(quarantined, modes.get("users"))
    counts.users["ignored"] = ignored
    return counts


def _roles_alone(quarantined: dict[str, pa.Table], mode: Mode | None) -> int:
    """Return the number of broken rows of roles.csv whose users have no counted row in users.csv.

    A bulk users.csv lists everybody, so there only an unreadable row belongs to nobody.
    """
    if "roles" not in quarantined:
        return 0
    roles = quarantined["roles"]
    broken = pc.is_valid(roles["flaw"]) if mode is Mode.BULK else pc.is_valid(roles["row"])
    if "users" in quarantined:
        # Nulls are dropped: is_in would otherwise match null with null.
        counted = quarantined["users"]["sourcedId"].drop_null().combine_chunks()
        broken = pc.and_not(broken, pc.is_in(roles["userSourcedId"], counted))
    return int(pc.sum(broken).as_py() or 0)


def read_other_people(run: Run) -> pa.Table:
    """Return the sourcedIds that diff found to belong to another person; may be empty."""
    tables = RunFolder.of(run.site, run.run_id).read_tables("other_people")
    return tables.get("people", other_people.SCHEMA.empty_table())


def left_alone(run: Run) -> list[str]:
    """Return a line for each record that an undo leaves unchanged, with the reason."""
    lines: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        lines = RunFolder.of(run.site, run.run_id).read_json("left")
    return lines


def log_plan(plan: Plan, plan_hash: str) -> None:
    """Log the first changes of each kind, one per line, and the plan's hash."""
    for kind, table in changes_of(plan):
        for counted in pc.value_counts(table["action"]).to_pylist():
            chosen = table.filter(pc.equal(table["action"], counted["values"]))
            for line in list_changes(kind, chosen.slice(0, run_log.LISTED)):
                log.info("%s", line)
            run_log.log_rest(counted["counts"] - run_log.LISTED, f"{kind}s to {counted['values']}")
    if plan.is_empty():
        log.info("The plan is empty: no user, course or course assignment changes.")
    log.info(
        "The plan's hash is %s; it was made for version %s of the roster.",
        plan_hash,
        plan.base_version,
    )


def log_counts(counts: Counts) -> None:
    """Log the counts of the run."""
    for kind, numbers in counts.as_dict().items():
        log.info(
            "%s: %s.", kind, ", ".join(f"{word} {number:,}" for word, number in numbers.items())
        )
