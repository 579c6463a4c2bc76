"""Lists of a site's runs: in pages, and as numbers over time."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from oneroster_sync.errors import UserError
from oneroster_sync.runs import Outcome, Run, Trigger, make_runs, select_runs
from oneroster_sync.runs.summary import count_changes

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

UNDER_WAY = "running"
"""Filter for runs without an outcome yet."""

PREVIEW = "preview"
"""Filter for previews; their stored outcome is `discarded`."""
_IS_PREVIEW = "(outcome = 'discarded' and is_preview)"

_TREND = """
select run_id, started_at, outcome, counts, applied_at, is_preview from runs
where site = :site and outcome is not null and not is_preview
order by started_at desc, run_id desc limit :limit
"""


class CursorError(UserError):
    """The cursor is not one of this list; begin again without a cursor."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filter of a list of runs.

    Attributes:
        outcomes: Names of outcomes, `UNDER_WAY` or `PREVIEW`; empty means all.
        triggers: Triggers of the runs; empty means all.
        first_on: First day on which a run started.
        last_on: Last day on which a run started.
        zone: IANA name of the time zone of these days; None means UTC.
    """

    outcomes: tuple[str, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    first_on: dt.date | None = None
    last_on: dt.date | None = None
    zone: str | None = None

    def where(self) -> tuple[list[str], dict[str, Any]]:
        """Return the SQL conditions of the filter, and their bound values."""
        conditions: list[str] = []
        bound: dict[str, Any] = {}
        if self.outcomes:
            named = [o for o in self.outcomes if o not in {UNDER_WAY, PREVIEW}]
            others = " or outcome is null" if UNDER_WAY in self.outcomes else ""
            others += f" or {_IS_PREVIEW}" if PREVIEW in self.outcomes else ""
            # Test `is_preview` only for this outcome, because no index contains it.
            discarded = f" and not {_IS_PREVIEW}" if Outcome.DISCARDED in named else ""
            conditions.append(f"(outcome = any(:outcomes){discarded}{others})")
            bound["outcomes"] = [Outcome(o).value for o in named]
        if self.triggers:
            conditions.append("trigger = any(:triggers)")
            bound["triggers"] = [trigger.value for trigger in self.triggers]
        if self.first_on is not None:
            conditions.append("started_at >= :first_at")
            bound["first_at"] = _midnight(self.first_on, self.zone)
        if self.last_on is not None:
            conditions.append("started_at < :last_at")
            bound["last_at"] = _midnight(self.last_on + dt.timedelta(days=1), self.zone)
        return conditions, bound


@dataclass(frozen=True, slots=True)
class Page:
    """Some runs, the total number of runs, and the cursor for the older runs."""

    runs: list[Run]
    total: int
    older: str | None


def page_of_runs(
    connection: Connection, site: str, wanted: Wanted, *, before: str | None, limit: int
) -> Page:
    """Return a page of a site's runs, newest first; all pages take the same time.

    Args:
        connection: To the roster database.
        site: The site.
        wanted: The filter.
        before: Cursor of an earlier page; None for the newest runs.
        limit: Maximum number of runs.

    Raises:
        CursorError: `before` is not a cursor of this list.
    """
    conditions, bound = wanted.where()
    where = " and ".join(["site = :site", *conditions])
    bound |= {"site": site}
    total = int(connection.scalar(sa.text(f"select count(*) from runs where {where}"), bound) or 0)  # noqa: S608
    if before is not None:
        # By position and not by offset: a run that begins meanwhile moves none to another page.
        where += " and (started_at, run_id) < (:before_at, cast(:before_id as uuid))"
        bound["before_at"], bound["before_id"] = _read_cursor(before)
    query = f"{select_runs()} where {where} order by started_at desc, run_id desc limit :limit"
    found = make_runs(connection.execute(sa.text(query), {**bound, "limit": limit + 1}).mappings())
    older = _cursor(found[limit - 1]) if len(found) > limit else None
    return Page(found[:limit], total, older)


def earlier_run(connection: Connection, site: str, sha256: str) -> Run | None:
    """Return the newest run of a site that read a package with that sha256, or None.

    Return a preview only if no other run read the package, because a preview changes nothing.
    """
    query = f"{select_runs()} where site = :site and sha256 = :sha256 "
    query += "order by is_preview, started_at desc limit 1"
    bound = {"site": site, "sha256": sha256}
    found = make_runs(connection.execute(sa.text(query), bound).mappings())
    return found[0] if found else None


def trend(connection: Connection, site: str, limit: int) -> list[dict[str, Any]]:
    """Return the numbers of changes and errors of the last runs, oldest first.

    All runs that ended are included, except previews. A run that was rejected or failed has
    changed nothing.
    """
    points = []
    for row in connection.execute(sa.text(_TREND), {"site": site, "limit": limit}).mappings():
        counts: dict[str, dict[str, int]] = row["counts"] or {}
        points.append(
            {
                "run_id": str(row["run_id"]),
                "started_at": row["started_at"],
                "outcome": row["outcome"],
                "is_applied": row["applied_at"] is not None,
                "is_preview": row["is_preview"],
                "changes": count_changes(counts),
                "errors": sum(numbers["errors"] for numbers in counts.values()),
            }
        )
    return points[::-1]


def _midnight(day: dt.date, zone: str | None) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), ZoneInfo(zone) if zone else dt.UTC)


def _cursor(run: Run) -> str:
    return f"{run.started_at.astimezone(dt.UTC):%Y%m%dT%H%M%S.%fZ}_{run.run_id}"


def _read_cursor(cursor: str) -> tuple[dt.datetime, str]:
    at, _, run_id = cursor.partition("_")
    try:
        moment = dt.datetime.strptime(at, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=dt.UTC)
        return moment, str(uuid.UUID(run_id))
    except ValueError:
        raise CursorError("this is not a cursor of this list; begin without a cursor") from None
