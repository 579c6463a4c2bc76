"""The story of a run, for its log: in plain words, and never a name or an e-mail address.

The log holds counts, findings by cause and some changes of each kind. A line for each change would
be most of what a large sync does in diff, so the full list is made from the files of the run when
somebody downloads the log (`stages.record.list_in_full`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from oneroster_sync.findings.causes import first_of_causes
from oneroster_sync.findings.finding import rows_as_findings
from oneroster_sync.findings.text import LISTED_CAUSES, format_cause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from oneroster_sync.runs import Run

log = logging.getLogger("oneroster")

LISTED = 20
"""How many changes of each kind are told one by one; beyond it they are counted."""


def log_findings(findings: pa.Table, unclear: Mapping[str, pa.Array] | None = None) -> None:
    """Log what has to be corrected: one line for findings of one cause, with their number.

    Ten thousand rows with one fault are one line. The run's page and its CSV list the rows.

    Args:
        findings: With the columns of `model.SCHEMA`.
        unclear: File → rows that may be a pupil's, whose sourcedId is not shown.
    """
    hidden = _pairs(unclear or {})
    causes = first_of_causes(findings)
    for finding in rows_as_findings(causes.slice(0, LISTED_CAUSES)):
        # Never ERROR: what is wrong with data is no fault of the task, which goes on and is green.
        log.warning("%s", finding.to_text(is_staff=(finding.file, finding.row) not in hidden))
    log_rest(causes.num_rows - LISTED_CAUSES, "causes")


def list_findings(findings: pa.Table, unclear: Mapping[str, pa.Array]) -> Iterator[str]:
    """Yield a line for each finding.

    Args:
        findings: With the columns of `model.SCHEMA`.
        unclear: File → rows that may be a pupil's, whose sourcedId is not shown.
    """
    hidden = _pairs(unclear)
    for finding in rows_as_findings(findings):
        yield finding.to_text(is_staff=(finding.file, finding.row) not in hidden)


def _pairs(rows: Mapping[str, pa.Array]) -> set[tuple[str | None, int | None]]:
    return {(file, row) for file, numbers in rows.items() for row in numbers.to_pylist()}


def log_causes(causes: Sequence[Mapping[str, Any]]) -> None:
    """Log the causes, in the order in which to correct them.

    Args:
        causes: As `run_details.causes` returns them.
    """
    for cause in causes[:LISTED_CAUSES]:
        log.warning("%s", format_cause(cause))
    if len(causes) > LISTED_CAUSES:
        log.info("… and %s more causes.", f"{len(causes) - LISTED_CAUSES:,}")


def log_rows(valid: Mapping[str, pa.Table], quarantined: Mapping[str, pa.Table]) -> None:
    """Log how many rows of each file are used."""
    for name, table in valid.items():
        bad = quarantined[name].num_rows
        log.info(
            "%s.csv: %s rows are used, %s have errors.", name, f"{table.num_rows:,}", f"{bad:,}"
        )


def log_end(run: Run) -> None:
    """Log the outcome of the run, and why."""
    log.info("The run ended: %s.", run.outcome)
    for reason in run.reasons:
        log.warning("%s", reason)


def log_rest(count: int, what: str) -> None:
    """Log how many there are beyond those that were listed."""
    if count > 0:
        log.info("… and %s more %s; the downloaded log lists all.", f"{count:,}", what)


def count_by_severity(findings: pa.Table) -> dict[str, int]:
    """Return how many errors and warnings there are."""
    errors = int(pc.sum(pc.equal(findings["severity"], "error")).as_py() or 0)
    return {"errors": errors, "warnings": findings.num_rows - errors}
