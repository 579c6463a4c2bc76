"""Report of all decisions about held plans in a month, for the people who are responsible."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.errors import UserError
from oneroster_sync.runs import make_runs, select_runs
from oneroster_sync.runs.counts import format_changes
from oneroster_sync.runs.summary import why_held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run

COLUMNS = (
    *("decided_at", "site", "decision", "decided_by", "reason", "plan", "why_held", "applied"),
    *("started_at", "started_by", "package", "run_id", "plan_hash"),
)
"""Columns of the CSV; a new version may add names, but does not change or remove any."""
_MONTH = re.compile(r"([12]\d{3})-(0[1-9]|1[0-2])")
_DECIDED = """
where (cast(:site as text) is null or site = :site)
  and decided_at >= :first and decided_at < :end and decision is not null
order by decided_at, run_id
"""


class MonthError(UserError):
    """The text is not a month; the message says how to write one."""


def list_decisions(connection: Connection, site: str | None, month: str) -> list[Run]:
    """Return the runs with a decision in a month, ordered by the time of the decision.

    Args:
        connection: To the roster database.
        site: The site; None for all sites.
        month: A month in UTC, such as 2026-11.

    Raises:
        MonthError: The month has another format.
    """
    found = _MONTH.fullmatch(month)
    if found is None:
        raise MonthError(f"{month!r} is not a month: write it as 2026-11")
    year, number = int(found[1]), int(found[2])
    first = dt.datetime(year, number, 1, tzinfo=dt.UTC)
    # 31 days after the first of a month is always in the next one.
    end = (first + dt.timedelta(days=31)).replace(day=1)
    bound = {"site": site, "first": first, "end": end}
    return make_runs(connection.execute(sa.text(f"{select_runs()} {_DECIDED}"), bound).mappings())


def rows_of_decisions(decided: list[Run]) -> Iterator[dict[str, Any]]:
    """Yield decisions as rows of the CSV, with times in UTC and texts for people."""
    for run in decided:
        yield {
            "decided_at": _to_text(run.decided_at),
            "site": run.site,
            "decision": run.decision,
            "decided_by": run.decided_by,
            "reason": run.decision_reason or "",
            "plan": format_changes(run.counts),
            "why_held": why_held(run),
            "applied": "yes" if run.applied_at else "no",
            "started_at": _to_text(run.started_at),
            "started_by": run.requested_by,
            "package": run.uploaded_as or (run.package or "").rstrip("/").rpartition("/")[2],
            "run_id": run.run_id,
            "plan_hash": run.plan_hash or "",
        }


def _to_text(moment: dt.datetime | None) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else ""
