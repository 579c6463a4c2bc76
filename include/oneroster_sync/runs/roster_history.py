"""Size of a site's roster after each applied run, in total and by school.

Each applied run stores its numbers. Runs of earlier versions have none: their numbers are rebuilt
from the audit, backwards from the first run with numbers, and marked as rebuilt. If the audit of a
run has expired, the history begins after that run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.runs.counts import count_changes

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

_KINDS = {"user": "users", "course": "courses", "assignment": "assignments"}
_RUNS = """
select run_id::text as run_id, applied_at, outcome, counts, roster_counts, school_counts,
       applied_version, undoes is not null as is_undo
from runs
where site = :site and applied_at is not null
order by started_at desc limit :limit
"""
# A change adds 1, 0 or -1 to the number of active records of its kind.
_STEP = """
kind, sum((coalesce(after ->> 'status', '') = 'active')::int
          - (coalesce(before ->> 'status', '') = 'active')::int) as step
"""
_BY_VERSION = f"""
select version as key, {_STEP} from changes
where site = :site and version = any(:keys) group by 1, 2
"""  # noqa: S608  names of our own
_BY_RUN = f"""
select run_id::text as key, {_STEP} from changes
where run_id = any(cast(:keys as uuid[])) and version is null group by 1, 2
"""  # noqa: S608
_BY_SCHOOL = """
select school, count(*) from users u
cross join lateral unnest(string_to_array(u.org_sourced_ids, ',')) school
where u.site = :site and u.status = 'active' group by school
"""
_SCHOOLS = """
select s.school as sourced_id, coalesce(o.name, s.school) as name, s.number as users
from ({counted}) s(school, number)
left join orgs o on o.site = :site and o.sourced_id = s.school
order by s.number desc, name
"""


@dataclass(frozen=True, slots=True)
class RosterPoint:
    """Numbers of active records of a site after a run.

    Attributes:
        run_id: The run.
        at: When the run was applied.
        outcome: Outcome of the run.
        is_undo: Whether the run is an undo.
        changes: Number of records that the run changed.
        active: Kind of record → number of active records; for a school only its users.
        is_rebuilt: Whether `active` was rebuilt from the audit.
    """

    run_id: str
    at: dt.datetime
    outcome: str
    is_undo: bool
    changes: int
    active: dict[str, int]
    is_rebuilt: bool


def count_by_school(connection: Connection, site: str) -> dict[str, int]:
    """Return school → number of active users; a user of two schools counts in both."""
    rows = connection.execute(sa.text(_BY_SCHOOL), {"site": site})
    return {school: int(number) for school, number in rows}


def list_roster_points(
    connection: Connection, site: str, *, school: str | None = None, limit: int
) -> list[RosterPoint]:
    """Return the numbers after each of the newest applied runs, oldest first.

    Args:
        connection: To the roster database.
        site: The site.
        school: sourcedId of a school: return only its users, from the first run that stored them.
        limit: Maximum number of runs.
    """
    found = connection.execute(sa.text(_RUNS), {"site": site, "limit": limit}).mappings()
    rows = [dict(row) for row in found][::-1]
    if school is not None:
        return _points_of_school(rows, school)
    rebuilt = _rebuild(connection, site, rows)
    known = ((row, row["roster_counts"], active) for row, active in zip(rows, rebuilt, strict=True))
    return [
        _as_point(row, stored or active or {}, is_rebuilt=not stored)
        for row, stored, active in known
        if stored or active
    ]


def list_schools(connection: Connection, site: str) -> list[dict[str, Any]]:
    """Return the schools of a site that have active users, largest first."""
    query = _SCHOOLS.format(counted=_BY_SCHOOL)
    return [dict(row) for row in connection.execute(sa.text(query), {"site": site}).mappings()]


def _as_point(row: dict[str, Any], active: dict[str, int], *, is_rebuilt: bool) -> RosterPoint:
    return RosterPoint(
        run_id=row["run_id"],
        at=row["applied_at"],
        outcome=row["outcome"],
        is_undo=row["is_undo"],
        changes=count_changes(row["counts"]),
        active=active,
        is_rebuilt=is_rebuilt,
    )


def _points_of_school(rows: list[dict[str, Any]], school: str) -> list[RosterPoint]:
    """Return the points of one school; a run without numbers keeps those of the run before."""
    points: list[RosterPoint] = []
    known: dict[str, int] | None = None
    for row in rows:
        known = row["school_counts"] or known
        if known is not None:
            users = {"users": known.get(school, 0)}
            points.append(_as_point(row, users, is_rebuilt=False))
    return points


def _rebuild(
    connection: Connection, site: str, rows: list[dict[str, Any]]
) -> list[dict[str, int] | None]:
    """Rebuild the numbers of runs before the first run that stored them; None for all others."""
    rebuilt: list[dict[str, int] | None] = [None] * len(rows)
    first = next((at for at, row in enumerate(rows) if row["roster_counts"]), 0)
    if first == 0:
        return rebuilt
    # `_steps` leaves out runs without changes: these have the same version as the run before.
    steps = _steps(connection, site, rows[1 : first + 1])
    active = dict(rows[first]["roster_counts"])
    for at in range(first, 0, -1):
        step = steps.get(rows[at]["run_id"])
        if step is None and count_changes(rows[at]["counts"]):
            break
        active = {kind: number - (step or {}).get(kind, 0) for kind, number in active.items()}
        rebuilt[at - 1] = active
    return rebuilt


def _steps(
    connection: Connection, site: str, rows: list[dict[str, Any]]
) -> dict[str, dict[str, int]]:
    """Return run → kind → difference in active records between before and after the run."""
    changed = [row for row in rows if count_changes(row["counts"])]
    run_of = {row["applied_version"]: row["run_id"] for row in reversed(changed)}
    steps: dict[str, dict[str, int]] = {}
    bound = {"site": site, "keys": list(run_of)}
    for key, kind, step in connection.execute(sa.text(_BY_VERSION), bound):
        steps.setdefault(run_of[key], {})[_KINDS[kind]] = int(step)
    ids = [row["run_id"] for row in changed]
    for key, kind, step in connection.execute(sa.text(_BY_RUN), {"keys": ids}):
        steps.setdefault(key, {})[_KINDS[kind]] = int(step)
    return steps
