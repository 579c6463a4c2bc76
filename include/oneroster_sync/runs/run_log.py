"""Write the log of a run in plain words, without names and e-mail addresses.

The log contains counts, findings by cause and some changes of each kind. To log every change would
take most of the time of diff in a large sync. So the full list is made from the artifacts of the
run when a person downloads the log (`stages.record.list_in_full`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from oneroster_sync.findings import Severity
from oneroster_sync.findings.causes import first_of_causes
from oneroster_sync.findings.finding import rows_as_findings
from oneroster_sync.findings.text import LISTED_CAUSES, format_cause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from oneroster_sync.runs import Run

log = logging.getLogger("oneroster")

LISTED = 20
"""Maximum number of changes of each kind that are listed; the others are only counted."""


def log_findings(findings: pa.Table, unclear: Mapping[str, pa.Array] | None = None) -> None:
    """Log one line for each cause of findings, with the number of its rows.

    Ten thousand rows with the same error are one line. The run's page and its CSV list the rows.

    Args:
        findings: A table with the columns of `model.SCHEMA`.
        unclear: File → rows that may be about a pupil; their sourcedIds are not shown.
    """
    hidden = _pairs(unclear or {})
    causes = first_of_causes(findings)
    for finding in rows_as_findings(causes.slice(0, LISTED_CAUSES)):
        text = finding.to_text(is_staff=(finding.file, finding.row) not in hidden)
        # Never ERROR: an error in the data is no failure of the task, which continues. The level
        # says already that a warning is one.
        log.warning("%s", text.removeprefix(f"{Severity.WARNING} "))
    log_rest(causes.num_rows - LISTED_CAUSES, "causes")


def list_findings(findings: pa.Table, unclear: Mapping[str, pa.Array]) -> Iterator[str]:
    """Yield a line for each finding.

    Args:
        findings: A table with the columns of `model.SCHEMA`.
        unclear: File → rows that may be about a pupil; their sourcedIds are not shown.
    """
    hidden = _pairs(unclear)
    for finding in rows_as_findings(findings):
        yield finding.to_text(is_staff=(finding.file, finding.row) not in hidden)


def _pairs(rows: Mapping[str, pa.Array]) -> set[tuple[str | None, int | None]]:
    return {(file, row) for file, numbers in rows.items() for row in numbers.to_pylist()}


def log_causes(causes: Sequence[Mapping[str, Any]]) -> None:
    """Log causes, in the order in which to fix them.

    Args:
        causes: As `run_details.causes` returns them.
    """
    for cause in causes[:LISTED_CAUSES]:
        log.warning("%s", format_cause(cause))
    if len(causes) > LISTED_CAUSES:
        log.info("… and %s more causes.", f"{len(causes) - LISTED_CAUSES:,}")


def log_rows(valid: Mapping[str, pa.Table], quarantined: Mapping[str, pa.Table]) -> None:
    """Log how many rows of each file are used, and how many have errors."""
    for name, table in valid.items():
        bad = quarantined[name].num_rows
        log.info(
            "%s.csv: %s rows are used, %s have errors.", name, f"{table.num_rows:,}", f"{bad:,}"
        )


def log_end(run: Run) -> None:
    """Log the outcome of the run and its reasons."""
    log.info("The run ended: %s.", run.outcome)
    for reason in run.reasons:
        log.warning("%s", reason)


def log_rest(count: int, what: str) -> None:
    """Log the number of items that were not listed, if any."""
    if count > 0:
        log.info("… and %s more %s; the downloaded log lists all.", f"{count:,}", what)


def count_by_severity(findings: pa.Table) -> dict[str, int]:
    """Return the numbers of errors and warnings."""
    errors = int(pc.sum(pc.equal(findings["severity"], "error")).as_py() or 0)
    return {"errors": errors, "warnings": findings.num_rows - errors}
