"""What a run goes by besides its package, and the run that went by the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

_ROSTER = """
select roster_version,
       (select count(*) from classes c where c.site = s.site and c.ends_on < :today) as ended,
       {sums}
from sites s where site = :site
"""
_SUM = """
(select jsonb_build_array(count(*), sum(hashtextextended(t::text, 0)::numeric)) from {table} t
 where t.site = s.site) as {table}
"""
_OUTSIDE = ("users", "courses", "course_assignments", "modified")
"""What changes without the roster's version: by people, the platform, and deltas of no change."""
_BEFORE = """
select run_id::text from runs
where site = :site and sha256 = :sha256 and kind = :kind and scope = :scope and basis = :basis
  and outcome = 'no_changes' and withheld is null and same_as is null
order by started_at desc limit 1
"""


def roster_now(connection: Connection, site: str, *, today: dt.date) -> dict[str, Any]:
    """Return what tells one state of a site's roster from another."""
    sums = ", ".join(_SUM.format(table=table) for table in _OUTSIDE)
    bound = {"site": site, "today": today.isoformat()}
    row = connection.execute(sa.text(_ROSTER.format(sums=sums)), bound).mappings().one()
    return dict(row)


def judged_before(
    connection: Connection, site: str, *, sha256: str, kind: str, scope: str, basis: str
) -> str | None:
    """Return the run that found nothing to do in the same package on the same basis, if any."""
    bound = {"site": site, "sha256": sha256, "kind": kind, "scope": scope, "basis": basis}
    found: str | None = connection.scalar(sa.text(_BEFORE), bound)
    return found
