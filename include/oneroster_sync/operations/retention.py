"""Retention: delete expired artifacts, findings and audit rows; keep the record of each run.

People need the artifacts of a run and its findings while they examine the run, and the audit for as
long as they may ask why a record changed. The environment sets these times.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from oneroster_sync import database, settings
from oneroster_sync.database import audit
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sites import preferences_store
from oneroster_sync.sources import uploads, work_folder
from oneroster_sync.stages.extract import pending_deltas

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from oneroster_sync.settings import Keeping

log = logging.getLogger("oneroster")

ACTOR = "retention"
"""The actor of the deletion in the audit of events."""


@dataclass(frozen=True, slots=True)
class Swept:
    """Numbers of what was deleted from a site.

    Attributes:
        runs: Runs whose files were deleted.
        findings: Rows of findings.
        changes: Rows of the audit.
        deltas: Pending delta files that expired.
    """

    runs: int
    findings: int
    changes: int
    deltas: int = 0

    def to_text(self) -> str:
        """Format the numbers."""
        return (
            f"{self.runs:,} runs' files, {self.findings:,} findings, {self.changes:,} changes, "
            f"{self.deltas:,} pending delta files"
        )


def delete_expired(site: str, *, now: dt.datetime, keeping: Keeping | None = None) -> Swept:
    """Delete expired run files, findings and audit rows; safe at any time, in several processes.

    Held runs are kept, and so are the files of the newest run that was applied.

    Args:
        site: The site.
        now: The time.
        keeping: The retention times; those of the environment if None.
    """
    keeping = keeping or settings.keeping()
    work_folder.sweep()
    uploads.sweep(site, now=now)
    with database.engine().connect() as connection:
        over = runs_without_files(
            connection, site, before=now - dt.timedelta(days=keeping.files_days)
        )
    folders = [folder for folder in (RunFolder.of(site, run) for run in over) if folder.exists()]
    for folder in folders:
        folder.remove_all()
    with database.engine().begin() as connection:
        findings = drop_findings(
            connection, site, before=now - dt.timedelta(days=keeping.findings_days)
        )
        changes = audit.drop_changes(
            connection, site, before=now - dt.timedelta(days=keeping.audit_days)
        )
        dropped = pending_deltas.expire(connection, site, now=now, keeping=keeping)
        swept = Swept(len(folders), findings, changes, dropped)
        # Events are never deleted: those for nothing would be a row for each site and day.
        if swept != Swept(0, 0, 0, 0):
            preferences_store.note_event(connection, site, ACTOR, "swept", asdict(swept), now=now)
            log.info("Deleted from site %s, because it had expired: %s.", site, swept.to_text())
    return swept


# `is distinct from`, because without an applied run the subquery is null, and `<>` would be null
# for every run: nothing would ever be deleted.
_WITHOUT_FILES = """
select run_id::text from runs
where site = :site and ended_at < :before and outcome is not null and outcome <> 'held'
  and run_id is distinct from (
      select run_id from runs where site = :site and applied_at is not null
      order by applied_version desc limit 1)
"""
_ENDED = """
run_id in (
    select run_id from runs
    where site = :site and ended_at < :before and outcome is not null and outcome <> 'held')
and not exists (
    select from runs younger
    where coalesce(younger.findings_of, younger.run_id) = {table}.run_id
      and (younger.ended_at >= :before or younger.ended_at is null or younger.outcome = 'held'))
"""
"""Condition: the row's run has expired, and no later run refers to the row."""


def runs_without_files(connection: Connection, site: str, *, before: dt.datetime) -> list[str]:
    """Return the ids of the runs that ended before a time and whose files may be deleted.

    The files of held runs are needed for the decision, and those of the newest applied run for an
    undo.
    """
    bound = {"site": site, "before": before}
    return list(connection.execute(sa.text(_WITHOUT_FILES), bound).scalars())


def drop_findings(connection: Connection, site: str, *, before: dt.datetime) -> int:
    """Delete the findings of runs that ended before a time, and return the number of findings.

    The counts stay in the records of the runs. Findings to which a later run refers are kept until
    that run has expired too.
    """
    bound = {"site": site, "before": before}
    dropped = 0
    # findings come last: their number is the result.
    for table in ("causes", "other_people", "findings"):
        ended = _ENDED.format(table=table)
        dropped = connection.execute(sa.text(f"delete from {table} where {ended}"), bound).rowcount  # noqa: S608
    return dropped
