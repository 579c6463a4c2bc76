"""Stage 6, record: store what is not stored yet, log the end, and delete temporary artifacts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from oneroster_sync import database, runs
from oneroster_sync.roster.stale_protection import list_stale
from oneroster_sync.runs import Outcome, other_people, run_details, run_log, telemetry
from oneroster_sync.runs.artifacts import RunFolder, all_findings, release_memory
from oneroster_sync.runs.summary import UNCHANGED
from oneroster_sync.sources import uploads
from oneroster_sync.stages.base import ignore_os_errors, note
from oneroster_sync.stages.diff.plan import changes_of, list_changes, read_changes
from oneroster_sync.stages.diff.stage import left_alone, read_other_people

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from oneroster_sync.runs import Run

log = logging.getLogger("oneroster")


def record(run: Run, *, now: dt.datetime) -> Run:
    """Stage 6: store what is not stored yet, log the end, and delete temporary artifacts."""
    folder = RunFolder.of(run.site, run.run_id)
    with telemetry.batch(), folder.opened():
        run = telemetry.observe("record", run, lambda: _record(run, folder, now))
        telemetry.record_run(run, lambda: _count_rows(folder))
        return run


def _count_rows(folder: RunFolder) -> dict[str, int]:
    rows: dict[str, int] = {}
    if folder.has("extracted.json"):
        rows = folder.read_json("extracted")["rows"]
    return rows


def _record(run: Run, folder: RunFolder, now: dt.datetime) -> Run:
    if run.outcome is None:
        reasons = run.reasons or (f"the run stopped after the stage {run.stage}",)
        run = note(run, outcome=Outcome.FAILED, reasons=[*reasons, UNCHANGED])
    # The findings of an applied run were stored in the transaction of apply.
    if run.applied_at is None:
        found = all_findings(run)
        with database.engine().begin() as connection:
            runs.save_findings(connection, run.run_id, found)
            severities = run_log.count_by_severity(found)
            ended_at = run.ended_at or now
            runs.update(connection, run.run_id, findings=severities, ended_at=ended_at)
    run = runs.find(run.run_id)
    if run.findings_of is None:
        with database.engine().begin() as connection:
            other_people.save(connection, run, read_other_people(run))
    with ignore_os_errors("summary"):
        folder.write_json("run", run.summary())
    for data in (
        *folder.names("snapshots"),
        *(("valid", "quarantined") if run.outcome is not Outcome.HELD else ()),
    ):
        if run.outcome is not Outcome.FAILED:
            folder.remove(data)
    if run.outcome is not Outcome.FAILED:
        uploads.forget(run.site, run.package)
    with database.engine().connect() as connection:
        run_log.log_causes(run_details.causes(connection, run.run_id))
        for cause in list_stale(connection, run.site) if run.of_package else ():
            log.warning("Stale protection: %s. See: oneroster protections list", cause.to_text())
    run_log.log_end(run)
    return run


def list_in_full(run: Run) -> Iterator[str]:
    """Yield lines for all changes of a run's plan, all findings and all that was left unchanged.

    The log itself holds the first lines of each kind. Writing all of them would take most of a
    large sync's time in diff, so they are made from the run's files when somebody downloads the
    log.
    """
    folder = RunFolder.of(run.site, run.run_id)
    if not folder.exists():
        yield "The files of this run expired and were deleted; the audit keeps the changes."
        return
    try:
        yield "=== every change of the plan ==="
        if folder.has("plan.json") and folder.has("plan"):
            for kind, table in changes_of(read_changes(run)):
                yield from list_changes(kind, table)
        yield "=== every finding ==="
        unclear = {n: t["row"].combine_chunks() for n, t in folder.read_tables("unclear").items()}
        yield from run_log.list_findings(all_findings(run), unclear)
        if left := left_alone(run):
            yield "=== left alone ==="
            yield from left
    finally:
        release_memory()
