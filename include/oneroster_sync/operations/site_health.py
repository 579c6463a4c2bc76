"""Health of sites in a few numbers: of one site for the head of its pages, of all for the list.

The numbers of all sites come from the records of the newest runs, which an index finds. So the list
of a thousand sites reads no roster.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.notifications.freshness import FIRST_READ, judge_age
from oneroster_sync.roster.reader import count_active
from oneroster_sync.roster.stale_protection import list_stale
from oneroster_sync.runs import Outcome, make_runs, pending_deltas, select_runs
from oneroster_sync.runs.standstill import find_standstills
from oneroster_sync.runs.summary import count_changes, format_outcome
from oneroster_sync.sites.preferences import PauseWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run
    from oneroster_sync.runs.standstill import Standstill

DRAWN = 14
"""Number of applied runs whose changes the list of sites draws."""

# The cast gives the type, which PostgreSQL can't infer for a parameter in `is null` alone.
_NEWEST = """
select s.site, r.run_id, r.outcome, r.counts from sites s cross join lateral (
    select run_id, outcome, counts from runs
    where site = s.site and outcome is not null and not is_preview
    order by started_at desc, run_id desc limit 1) r
where cast(:site as text) is null or s.site = :site
"""
# Only the newest run gives the size of the roster: each JSON value that is read costs time.
_APPLIED = """
select s.site, r.counts, case when r.place = 1 then r.roster_counts end as roster_counts
from sites s cross join lateral (
    select counts, roster_counts, started_at, row_number() over (order by started_at desc) as place
    from runs
    where site = s.site and applied_at is not null
    order by started_at desc limit :drawn) r
where cast(:site as text) is null or s.site = :site
order by s.site, r.started_at
"""
_WAITING = """
select site, count(*) as plans, (array_agg(run_id::text order by started_at desc))[1] as newest
from runs
where outcome = 'held' and decision is null and not is_preview
    and (cast(:site as text) is null or site = :site)
group by site
"""
_SEEN = """
select s.site, coalesce(seen.seen_at, s.created_at) as since, seen.run_id is not null as is_seen,
    p.stale_after_days, p.pause_windows
from sites s left join preferences p on p.site = s.site
left join lateral ({first_read}) seen on true
where cast(:site as text) is null or s.site = :site
""".format(first_read=FIRST_READ.format(site="s.site"))
_UNSUCCESSFUL = {Outcome.FAILED, Outcome.REJECTED}


@dataclass(frozen=True, slots=True)
class Health:
    """Health of a site.

    Attributes:
        site: Name of the site.
        level: Whether the site needs attention: `error`, `warning`, or None.
        reasons: The reasons for the level, as short texts, errors first.
        active: Kind of record → number of active records after the last applied run; None before
            the first one, and if an earlier version applied it.
        changes: Numbers of records that the last applied runs changed, oldest first.
        errors: Number of rows with errors in the newest run; None if it has no counts.
        waiting: Number of plans that wait for a decision.
        waiting_run: The newest run that waits.
        export_since: When the newest package was first read, or when the site was made.
        has_export: Whether a package was ever read.
        export_days: Number of days since `export_since`, without those of pauses.
        is_stale: Whether that is longer than the site's `stale_after_days`.
    """

    site: str
    level: str | None
    reasons: tuple[str, ...]
    active: dict[str, int] | None
    changes: tuple[int, ...]
    errors: int | None
    waiting: int
    waiting_run: str | None
    export_since: dt.datetime
    has_export: bool
    export_days: int
    is_stale: bool


def read_health(
    connection: Connection,
    *,
    now: dt.datetime,
    site: str | None = None,
    standstills: Mapping[str, Standstill] | None = None,
) -> dict[str, Health]:
    """Return the health of all sites, or of only one, by name.

    Args:
        connection: To the roster database.
        now: The time, in aware UTC.
        site: Return only this site; None means all.
        standstills: Those of these sites at this time, if the caller has them.
    """
    bound = {"site": site, "drawn": DRAWN, "now": now}

    def rows(query: str) -> list[Any]:
        return list(connection.execute(sa.text(query), bound).mappings())

    newest = {row["site"]: row for row in rows(_NEWEST)}
    wrong = _find_wrong(connection, newest.values())
    waiting = {row["site"]: row for row in rows(_WAITING)}
    applied: dict[str, list[Any]] = {}
    for row in rows(_APPLIED):
        applied.setdefault(row["site"], []).append(row)
    lost = pending_deltas.out_of_step_by_site(connection)
    still = standstills or find_standstills(connection, now=now, site=site)
    found = {}
    for seen in rows(_SEEN):
        name = seen["site"]
        days, is_stale = judge_age(
            seen["since"].astimezone(dt.UTC),
            [PauseWindow.model_validate(one) for one in seen["pause_windows"] or ()],
            seen["stale_after_days"],
            now=now,
        )
        run, waits = newest.get(name), waiting.get(name)
        lines = list(
            _reasons(
                wrong.get(name),
                still[name],
                waits["plans"] if waits else 0,
                days if is_stale and run is not None else None,
                [one.file for one in lost.get(name, ())],
            )
        )
        lines.sort(key=lambda one: one[0] != "error")
        done = applied.get(name, [])
        found[name] = Health(
            site=name,
            level=lines[0][0] if lines else None,
            reasons=tuple(words for _, words in lines),
            active=done[-1]["roster_counts"] if done else None,
            changes=tuple(count_changes(row["counts"]) for row in done),
            errors=_errors_of(run),
            waiting=waits["plans"] if waits else 0,
            waiting_run=waits["newest"] if waits else None,
            export_since=seen["since"],
            has_export=seen["is_seen"],
            export_days=days,
            is_stale=is_stale,
        )
    return found


def _find_wrong(connection: Connection, newest: Iterable[Any]) -> dict[str, Run]:
    """Return the newest runs that failed or were rejected, by site.

    The record of a run holds all preferences. To read only these records saves a fifth of the time.
    """
    ids = [row["run_id"] for row in newest if row["outcome"] in _UNSUCCESSFUL]
    query = sa.text(f"{select_runs()} where run_id = any(:ids)")
    rows = connection.execute(query, {"ids": ids}).mappings() if ids else ()
    return {run.site: run for run in make_runs(rows)}


def _reasons(
    wrong: Run | None,
    still: Standstill,
    plans: int,
    stale_days: int | None,
    lost: Iterable[str],
) -> Iterable[tuple[str, str]]:
    """Yield (level, text) for everything that needs attention."""
    if wrong is not None:
        yield "error", format_outcome(wrong)
    if still.level:
        yield still.level, still.sentence
    if plans:
        yield "warning", "1 plan needs approval" if plans == 1 else f"{plans:,} plans need approval"
    if stale_days is not None:
        yield "warning", f"No new export for {stale_days:,} {'day' if stale_days == 1 else 'days'}"
    for file in lost:
        yield "warning", f"Out of step with {file}.csv"


def _errors_of(run: Mapping[str, Any] | None) -> int | None:
    if run is None or run["counts"] is None:
        return None
    errors: int = sum(numbers["errors"] for numbers in run["counts"].values())
    return errors


@dataclass(frozen=True, slots=True)
class Status:
    """Status of one site, for the head of each of its pages.

    Attributes:
        health: The same as in the list of sites.
        active: Kind of record → number of active records now.
        applied_run: The newest run that was applied or found nothing to do, or None.
        applied_at: The time of that run, or None.
        stale_records: Number of records with stale protection that are not released.
        standstill: Whether the site's syncs are applied.
    """

    health: Health
    active: dict[str, int]
    applied_run: str | None
    applied_at: dt.datetime | None
    stale_records: int
    standstill: Standstill


def read_status(connection: Connection, site: str, *, now: dt.datetime) -> Status:
    """Return the status of one site at a time.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    stale = list_stale(connection, site)
    still = find_standstills(connection, now=now, site=site)[site]
    return Status(
        health=read_health(connection, now=now, site=site, standstills={site: still})[site],
        active=count_active(connection, site),
        applied_run=still.run_id,
        applied_at=still.since,
        stale_records=sum(len(cause.records) for cause in stale if not cause.is_released),
        standstill=still,
    )
