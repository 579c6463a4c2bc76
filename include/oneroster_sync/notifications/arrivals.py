"""When packages came: a package is new when no run of the site has read its bytes before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

_NEWEST = """
select sha256, min(started_at) as seen_at from runs
where site = :site and sha256 is not null and sha256 <> '' and started_at <= :now
  and kind not in ('ids', 'links')
group by sha256 order by seen_at desc limit 1
"""
_FIRST = """
select run_id from runs
where site = :site and sha256 = :sha256 and started_at = :seen_at order by run_id limit 1
"""
_SINCE = """
select count(*) filter (where sha256 <> '') as again,
       count(*) filter (where outcome = 'failed' and coalesce(sha256, '') = '') as failed
from runs
where site = :site and undoes is null and removals_of is null and kind not in ('ids', 'links')
  and started_at > :since and started_at <= :now
"""
_MADE_AT = "select created_at from sites where site = :site"


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest package of a site, and what has come since.

    Attributes:
        seen_at: When it was read for the first time; None when no run has ever read one.
        run_id: The run that read it first.
        made_at: When the site was made.
        again: Runs since that read this package, or an older one, again.
        failed: Runs since that failed before they had read one.
    """

    seen_at: dt.datetime | None
    run_id: str | None
    made_at: dt.datetime
    again: int
    failed: int


def newest_package(connection: Connection, site: str, *, now: dt.datetime) -> Newest:
    """Return the newest package of a site, as known at a moment."""
    bound = {"site": site, "now": now}
    made_at: dt.datetime = connection.execute(sa.text(_MADE_AT), bound).scalar_one()
    found = connection.execute(sa.text(_NEWEST), bound).one_or_none()
    run_id = None
    if found is not None:
        first = {"site": site, "sha256": found.sha256, "seen_at": found.seen_at}
        run_id = str(connection.execute(sa.text(_FIRST), first).scalar_one())
    seen_at = found.seen_at if found is not None else None
    since = connection.execute(sa.text(_SINCE), {**bound, "since": seen_at or made_at}).one()
    return Newest(seen_at, run_id, made_at, since.again, since.failed)
