"""Stage 2, validate: judge a run's package by the suites, and reject an unusable package."""

from __future__ import annotations

import logging
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync import database, settings
from oneroster_sync.findings import Findings
from oneroster_sync.runs import run_log
from oneroster_sync.runs.summary import reject
from oneroster_sync.stages.base import Result, RunContext, stage, unless_reused
from oneroster_sync.stages.extract import pending_deltas
from oneroster_sync.stages.extract.fold import STRIDE, rows_in_files, with_rows_of_file
from oneroster_sync.stages.extract.unclear import find_unclear, hide_unknown_ids
from oneroster_sync.stages.validate.rows import unusable_files, validate_rows
from oneroster_sync.stages.validate.targets import may_refer_to_known

log = logging.getLogger("oneroster")


@stage
@unless_reused
def validate(context: RunContext) -> Result:
    """Stage 2: let the suites decide which rows are used.

    Raises:
        SuiteError: A suite can't be used; another try does not help.
        MissingStageError: No package has been read.
    """
    # Before anything is written: a plan that was made from other rows must keep no evidence.
    context.forget_plan()
    run = context.run
    if not run.of_package:
        log.info("There is nothing to validate: this run reads no package.")
        return Result()

    with database.engine().connect() as connection:
        folded = pending_deltas.read_folded(context, connection)
    extracted = folded.extracted
    roster = context.roster() if may_refer_to_known(extracted.modes) else None
    is_strict = run.preferences.profile == "strict"
    validated = validate_rows(
        extracted.tables,
        extracted.modes,
        extracted.version,
        known=roster.known() if roster else {},
        suites=settings.expectations(),
        modified=roster.modified if roster else None,
        in_use=run.preferences.in_use(),
        is_strict=is_strict,
    )
    own, older = _by_package(validated.findings.table())
    violates = is_strict and own.has_violations()
    if violates:
        own.make_violations_errors()
    unusable = unusable_files(validated, extracted.modes, extracted.rows)
    own.add_table(unusable.table())
    found = pa.concat_tables([own.table(), older])
    unclear = rows_in_files(find_unclear(validated.valid, validated.quarantined))
    run_log.log_rows(validated.valid, validated.quarantined)
    end: dict[str, Any] = {}
    if folded.refused:
        # Extract's findings come first, because they may be the cause of the others.
        findings = Findings()
        findings.add_table(context.artifacts.read_tables("findings")["1-extract"])
        findings.add_table(own.table())
        end = reject(findings)
    elif unusable.has_errors():
        end = reject(own, by_cause=True)
    elif violates:
        end = reject(own)
    return Result(
        values={**folded.values, **end},
        findings=hide_unknown_ids(run, found, unclear),
        unclear=unclear,
        removed=("report",),
        optional={"results": validated.results, "report": validated.report},
        tables={
            "unclear": {file: pa.table({"row": rows}) for file, rows in unclear.items()},
            "valid": validated.valid,
            "quarantined": validated.quarantined,
        },
        documents={"extracted": folded.description},
    )


def _by_package(found: pa.Table) -> tuple[Findings, pa.Table]:
    """Return the findings about the run's newest package, and those about rows of older ones.

    The strict profile rejects a package only for its own findings.
    """
    is_older = pc.fill_null(pc.greater_equal(found["row"], STRIDE), False)
    own = Findings()
    own.add_table(found.filter(pc.invert(is_older)))
    return own, with_rows_of_file(found.filter(is_older))
