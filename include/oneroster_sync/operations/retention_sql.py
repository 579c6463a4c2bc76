"""What has had its time: runs whose files, rows of findings and changes are not needed any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

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
"""


def runs_without_files(connection: Connection, site: str, *, before: dt.datetime) -> list[str]:
    """Return the runs that ended before a moment and whose files may go.

    Those of a plan that waits are needed, and those of the newest run that was applied: it is the
    one that is taken back, if any is.
    """
    bound = {"site": site, "before": before}
    return list(connection.execute(sa.text(_WITHOUT_FILES), bound).scalars())


def drop_findings(connection: Connection, site: str, *, before: dt.datetime) -> int:
    """Remove the findings of runs that ended before a moment; their numbers stay with the runs."""
    bound = {"site": site, "before": before}
    for table in ("causes", "other_people"):
        connection.execute(sa.text(f"delete from {table} where {_ENDED}"), bound)  # noqa: S608
    return connection.execute(sa.text(f"delete from findings where {_ENDED}"), bound).rowcount  # noqa: S608
