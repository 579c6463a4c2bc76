"""Stage 2, validate: judge a run's package by the suites, and reject what can't be used."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync import database, settings
from oneroster_sync.findings import Findings
from oneroster_sync.runs import run_log
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.runs.summary import reject
from oneroster_sync.stages.base import (
    forget_plan,
    ignore_os_errors,
    load_roster,
    note,
    unless_ended,
    unless_reused,
)
from oneroster_sync.stages.extract import pending_deltas
from oneroster_sync.stages.extract.fold import STRIDE, rows_in_files, with_rows_of_file
from oneroster_sync.stages.extract.unclear import find_unclear, hide_unknown_ids
from oneroster_sync.stages.validate.rows import asks_what_is_known, unusable_files, validate_rows

if TYPE_CHECKING:
    from oneroster_sync.runs import Run

log = logging.getLogger("oneroster")


@unless_ended
@unless_reused
def validate(run: Run) -> Run:
    """Stage 2: let the suites decide which rows are used.

    Raises:
        SuiteError: A suite can't be used; no other try helps.
        MissingStageError: No package has been read.
    """
    run = forget_plan(run)
    if not run.of_package:
        log.info("The suites have nothing to judge: this run reads no package.")
        return note(run, stage="validate")

    folder = RunFolder.of(run.site, run.run_id)
    pending_deltas.require_extracted(run)
    read_roster_once = functools.cache(lambda: load_roster(run))
    with database.engine().connect() as connection:
        extracted, made_from = pending_deltas.read_folded(run, connection, read_roster_once)
    roster = read_roster_once() if asks_what_is_known(extracted.modes) else None
    validated = validate_rows(
        extracted.tables,
        extracted.modes,
        extracted.version,
        known=roster.known() if roster else {},
        suites=settings.expectations(),
        modified=roster.modified if roster else None,
        in_use=run.preferences.in_use(),
        is_strict=run.preferences.profile == "strict",
    )
    with ignore_os_errors("report"):
        folder.remove("report")
        folder.write_json("results", validated.results)
        folder.write_json("report", validated.report)
    own, older = _by_package(validated.findings.table())
    strict = run.preferences.profile == "strict" and own.has_violations()
    if strict:
        own.make_violations_errors()
    unusable = unusable_files(validated, extracted.modes, extracted.rows)
    own.add_table(unusable.table())
    found = pa.concat_tables([own.table(), older])
    unclear = rows_in_files(find_unclear(validated.valid, validated.quarantined))
    found = hide_unknown_ids(run, found, unclear)
    run_log.log_findings(found, unclear)
    run_log.log_rows(validated.valid, validated.quarantined)
    folder.add_table("findings", "2-validate", found)
    folder.write_tables("unclear", {f: pa.table({"row": rows}) for f, rows in unclear.items()})
    folder.write_tables("valid", validated.valid)
    folder.write_tables("quarantined", validated.quarantined)
    end = _end_if_unusable(run, own, is_strict=strict, unusable=unusable)
    return note(run, stage="validate", **made_from, **end)


def _by_package(found: pa.Table) -> tuple[Findings, pa.Table]:
    """Return what is said of the run's newest package, and of the rows of older ones.

    Strict rejects a package for what it holds itself.
    """
    is_older = pc.fill_null(pc.greater_equal(found["row"], STRIDE), False)
    own = Findings()
    own.add_table(found.filter(pc.invert(is_older)))
    return own, with_rows_of_file(found.filter(is_older))


def _end_if_unusable(
    run: Run, found: Findings, *, is_strict: bool, unusable: Findings
) -> dict[str, Any]:
    """Return how a run ends whose package can't be used; nothing where it can.

    Args:
        run: With its package extracted.
        found: What validate found.
        is_strict: Whether the standard's violations reject it.
        unusable: Errors of files of which no row could be used.
    """
    folder = RunFolder.of(run.site, run.run_id)
    if folder.read_json("extracted")["packages"][-1].get("refused"):
        # What the door found comes first: the rest may follow from it.
        findings = Findings()
        findings.add_table(folder.read_tables("findings")["1-extract"])
        findings.add_table(found.table())
        return reject(findings)
    if unusable.has_errors():
        return reject(found, by_cause=True)
    return reject(found) if is_strict else {}
