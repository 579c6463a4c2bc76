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
       (select jsonb_build_array(count(*), max(released_at)) from protections p
        where p.site = s.site and p.released_at is not null) as released,
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
select sha256, run_id::text from runs
where site = :site and kind = :kind and scope = :scope and basis = :basis
  and outcome in ('no_changes', 'succeeded_with_errors')
  and withheld is null and same_as is null and sha256 is not null
  and reviewed_hash = plan_hash
order by started_at
"""


def roster_now(connection: Connection, site: str, *, today: dt.date) -> dict[str, Any]:
    """Return what tells one state of a site's roster from another."""
    sums = ", ".join(_SUM.format(table=table) for table in _OUTSIDE)
    bound = {"site": site, "today": today.isoformat()}
    row = connection.execute(sa.text(_ROSTER.format(sums=sums)), bound).mappings().one()
    return dict(row)


def judged_before(
    connection: Connection, site: str, *, kind: str, scope: str, basis: str
) -> dict[str, str]:
    """Return the runs that found nothing to do on a basis: sha256 of the package → newest run.

    Only runs whose plan a review found clear: one that a person had to approve is judged again.
    """
    bound = {"site": site, "kind": kind, "scope": scope, "basis": basis}
    return {row[0]: row[1] for row in connection.execute(sa.text(_BEFORE), bound)}
