"""Freshness: detect that no new package arrives, because people do not notice a stopped export."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from oneroster_sync.sites import preferences_store

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection

    from oneroster_sync.sites.preferences import PauseWindow

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Freshness:
    """Age of the newest package of a site.

    Attributes:
        site: The site.
        seen_at: When the newest package was first read; None if none was ever read.
        run_id: The run that first read it, or None.
        since: Start of the time without a new package: `seen_at`, or when the site was made.
        days: Whole days since then, without days of pause windows.
        again: Number of runs since then that read this package, or an older one, again.
        failed: Number of runs since then that failed before they read a package.
        stale_after_days: The setting of the site; None means never.
        is_stale: Whether to notify people; always False on a day of a pause window.
    """

    site: str
    seen_at: dt.datetime | None
    run_id: str | None
    since: dt.datetime
    days: int
    again: int
    failed: int
    stale_after_days: int | None
    is_stale: bool

    def to_text(self) -> str:
        """Format the age of the newest package, and failed runs, in one to three sentences."""
        since = f"{self.since:%Y-%m-%d}"
        if self.seen_at is None:
            return f"No package has been read since the site was made on {since}.{self._failures()}"
        newest = f"The newest package was first read on {since}."
        if self.again:
            runs = "1 sync since has" if self.again == 1 else f"{self.again:,} syncs since have"
            return f"{newest} {runs} read the same package again.{self._failures()}"
        if self.days == 0 and not self.failed:
            return newest
        return f"{newest} No package at all has come since.{self._failures()}"

    def _failures(self) -> str:
        if not self.failed:
            return ""
        runs = "1 sync" if self.failed == 1 else f"{self.failed:,} syncs"
        return f" {runs} failed before a package was read."


def freshness(connection: Connection, site: str, *, now: dt.datetime) -> Freshness:
    """Return the age of the newest package of a site at a time.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    chosen = preferences_store.load(connection, site)
    newest = newest_package(connection, site, now=now)
    since = (newest.seen_at or newest.made_at).astimezone(dt.UTC)
    limit = chosen.stale_after_days
    days, is_stale = judge_age(since, chosen.pause_windows, limit, now=now)
    return Freshness(
        site=site,
        seen_at=newest.seen_at,
        run_id=newest.run_id,
        since=since,
        days=days,
        again=newest.again,
        failed=newest.failed,
        stale_after_days=limit,
        is_stale=is_stale,
    )


def judge_age(
    since: dt.datetime, pauses: Collection[PauseWindow], limit: int | None, *, now: dt.datetime
) -> tuple[int, bool]:
    """Return the number of days without a new package, and whether to notify people.

    Args:
        since: Start of the time without a new package, in aware UTC.
        pauses: Pause windows of the site; their days don't count, and no notification is sent then.
        limit: Notify after this number of days; None means never.
        now: The time, in aware UTC.
    """
    waited = _waited(pauses, since, now)
    paused = any(window.covers(now.date()) for window in pauses)
    is_stale = limit is not None and waited >= limit * _DAY and not paused
    return max(waited // _DAY, 0), is_stale


def _waited(pauses: Collection[PauseWindow], since: dt.datetime, now: dt.datetime) -> dt.timedelta:
    """Return the time from `since` to `now`, without the days of pause windows."""
    between = range(since.toordinal() + 1, now.toordinal() + 1)
    paused: set[int] = set()
    for window in pauses:
        first, last = window.first_on.toordinal(), window.last_on.toordinal()
        paused.update(range(max(first, between.start), min(last + 1, between.stop)))
    return now - since - len(paused) * _DAY


# A blank hash is a source without a package; mappings are written by people, and are no export.
FIRST_READ = """
select r.run_id, r.started_at as seen_at from runs r
where r.site = {site} and r.sha256 is not null and r.sha256 <> '' and r.started_at <= :now
    and r.kind not in ('ids', 'links') and not r.is_preview
    and r.started_at = (
        select e.started_at from runs e
        where e.site = r.site and e.sha256 = r.sha256
            and e.kind not in ('ids', 'links') and not e.is_preview
        order by e.started_at limit 1)
order by r.started_at desc, r.run_id limit 1
"""
"""The run that first read the newest package of a site: the newest run whose package no earlier run
had. It is found by indexes, from the newest run back. `not exists` would say the same, but then
PostgreSQL reads all runs of the site."""
_NEWEST = FIRST_READ.format(site=":site")
_SINCE = """
select count(*) filter (where sha256 <> '') as again,
       count(*) filter (where outcome = 'failed' and coalesce(sha256, '') = '') as failed
from runs
where site = :site and undoes is null and removals_of is null and kind not in ('ids', 'links')
  and not is_preview and started_at > :since and started_at <= :now
"""
_MADE_AT = "select created_at from sites where site = :site"


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest package of a site, and the runs since then.

    Attributes:
        seen_at: When the package was first read; None if no run ever read one.
        run_id: The run that first read it, or None.
        made_at: When the site was made.
        again: Number of runs since then that read this package, or an older one, again.
        failed: Number of runs since then that failed before they read a package.
    """

    seen_at: dt.datetime | None
    run_id: str | None
    made_at: dt.datetime
    again: int
    failed: int


def newest_package(connection: Connection, site: str, *, now: dt.datetime) -> Newest:
    """Return the newest package of a site at a time."""
    bound = {"site": site, "now": now}
    made_at: dt.datetime = connection.execute(sa.text(_MADE_AT), bound).scalar_one()
    found = connection.execute(sa.text(_NEWEST), bound).one_or_none()
    run_id = str(found.run_id) if found is not None else None
    seen_at = found.seen_at if found is not None else None
    since = connection.execute(sa.text(_SINCE), {**bound, "since": seen_at or made_at}).one()
    return Newest(seen_at, run_id, made_at, since.again, since.failed)
