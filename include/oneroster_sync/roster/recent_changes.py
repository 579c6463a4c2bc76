"""Records that a site's runs of the last days added and removed, read from the audit."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.roster.columns import TERMS_ENDED
from oneroster_sync.roster.records import ABSENT, DISABLED, NOT_PRIMARY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.engine import Connection

_TABLES = {
    "users": ("user", "users t on t.id = c.user_id", "c.user_id"),
    "courses": ("course", "courses t on t.id = c.course_id", "c.course_id"),
    "assignments": (
        "assignment",
        "course_assignments t on t.user_id = c.user_id and t.course_id = c.course_id",
        "c.user_id, c.course_id",
    ),
}
"""Kind → its name in the audit, its table with the join condition, and its key columns."""

# The window of a new site begins after its first sync: before that sync the roster was empty, so
# there is no number of records to compare with.
_BEGIN = """
select greatest(:since, (
    select min(applied_at) from runs
    where site = :site and applied_at is not null and (counts -> :kind ->> 'added')::bigint > 0))
"""
# Joined by version: the index of the audit begins with site and version, and a run with one version
# has all of its changes in it.
_APPLIED = """
from changes c
join runs r on r.run_id = c.run_id and r.site = c.site and r.applied_version = c.version
join {stored}
where r.site = :site and r.applied_at > :begin and c.kind = :name
"""
_ALONE = """
r.decision is distinct from 'approved' and r.undoes is null
"""
"""Condition: no person approved the run's plan, and the run is no undo."""
# A limit that is not raised is stored as JSON's null, which is not SQL's null.
_NOT_RAISED = """
(jsonb_typeof(r.preferences -> 'guards' -> 'raised') is distinct from 'object'
 or (r.preferences -> 'guards' -> 'raised' ->> 'until')::date
    < (r.started_at at time zone 'UTC')::date)
"""
# The last change of each record in the window: a record that came back is not gone.
_GONE = f"""
select count(*) from (
    select distinct on ({{key}}) c.reason, t.status,
           {_ALONE} and {_NOT_RAISED} as alone
    {_APPLIED} and c.before ->> 'status' = 'active' and c.after ->> 'status' <> 'active'
    order by {{key}}, c.id desc
) last where alone and status <> 'active' and reason <> :exempt
"""  # noqa: S608  names of our own
# The records that are active now, corrected by what each was before its first change in the window.
_ACTIVE_THEN = f"""
select (select count(*) from {{table}} where site = :site and managed and status = 'active')
     + coalesce(sum((was_active and was_managed)::int - (status = 'active' and managed)::int), 0)
from (
    select distinct on ({{key}}) t.status, t.managed,
           coalesce(c.before ->> 'status' = 'active', false) as was_active,
           coalesce((c.before ->> 'managed')::boolean, c.kind = 'assignment') as was_managed
    {_APPLIED}
    order by {{key}}, c.id
) first
"""  # noqa: S608  names of our own
_ADDED = f"""
select count(distinct c.user_id) {_APPLIED}
  and c.action = 'add' and t.status = 'active' and {_ALONE}
"""
_REACTIVATED = f"""
select count(distinct c.user_id) {_APPLIED}
  and c.before ->> 'status' = 'inactive' and c.after ->> 'status' = 'active'
  and t.status = 'active' and {_ALONE}
  and not exists (
    select from (
        select g.reason, g.made_at from changes g
        where g.user_id = c.user_id and g.kind = 'user' and g.id < c.id
          and g.before ->> 'status' = 'active' and g.after ->> 'status' = 'inactive'
        order by g.id desc limit 1
    ) went where went.reason = :absent and went.made_at > c.made_at - :heals)
"""  # noqa: S608  names of our own
_WENT = """
select distinct on (user_id) user_id, reason, made_at from changes
where user_id = any(:ids) and kind = 'user'
  and before ->> 'status' = 'active' and after ->> 'status' = 'inactive'
order by user_id, id desc
"""


_DEACTIVATED_OTHERWISE = """
select u.sourced_id from users u
cross join lateral (
    select reason from changes where user_id = u.id and kind = 'user'
      and before ->> 'status' = 'active' and after ->> 'status' = 'inactive'
    order by id desc limit 1
) went
where u.site = :site and u.sourced_id = any(:ids) and u.status = 'inactive' and u.managed
  and went.reason <> :disabled
"""
_DEACTIVATED_BY = """
select distinct user_id from changes
where user_id = any(:ids) and kind = 'user' and action = 'deactivate' and reason = :reason
"""


def find_deactivated_otherwise(
    connection: Connection, site: str, sourced_ids: Collection[str]
) -> list[str]:
    """Return the inactive managed users who were deactivated for another reason than `DISABLED`.

    Users without a deactivation in the audit are left out: a person deactivated them by hand.

    Args:
        connection: To the roster database.
        site: The site.
        sourced_ids: The users to check.
    """
    bound = {"site": site, "ids": list(sourced_ids), "disabled": DISABLED}
    return list(connection.scalars(sa.text(_DEACTIVATED_OTHERWISE), bound))


def read_recent(
    connection: Connection,
    site: str,
    *,
    now: dt.datetime,
    find_reactivated: Collection[int],
    second: Collection[int] = (),
) -> Recent:
    """Return the changes of the site's runs within `WINDOW`, and why users of a plan had left.

    Args:
        connection: To the roster database.
        site: The site.
        now: The end of the window.
        find_reactivated: `id` of the users whom the plan would reactivate.
        second: `id` of the users whom the plan would deactivate because no primary role is one of
            staff.
    """
    bound: dict[str, Any] = {
        "site": site,
        "since": now - WINDOW,
        "exempt": TERMS_ENDED,
        "absent": ABSENT,
        "heals": HEALS,
    }
    gone, active, come = {}, {}, {}
    for kind, (name, stored, key) in _TABLES.items():
        begin = connection.scalar(sa.text(_BEGIN), {**bound, "kind": kind})
        asked = {**bound, "kind": kind, "name": name, "begin": begin}
        words = {"stored": stored, "key": key, "table": stored.split()[0]}

        def count(query: str, words: dict[str, str] = words, asked: Any = asked) -> int:
            return int(connection.scalar(sa.text(query.format(**words)), asked) or 0)

        gone[kind], active[kind] = count(_GONE), count(_ACTIVE_THEN)
        if kind == "users":
            come = {"added": count(_ADDED), "reactivated": count(_REACTIVATED)}
    went = connection.execute(sa.text(_WENT), {"ids": sorted(find_reactivated)}).mappings().all()
    by_rule = {"ids": sorted(second), "reason": NOT_PRIMARY}
    before = connection.scalars(sa.text(_DEACTIVATED_BY), by_rule) if second else ()
    lately = now - HEALS
    return Recent(
        gone=gone,
        active=active,
        absent=frozenset(
            row["user_id"] for row in went if row["reason"] == ABSENT and row["made_at"] > lately
        ),
        disabled=frozenset(row["user_id"] for row in went if row["reason"] == DISABLED),
        second=frozenset(before),
        **come,
    )


WINDOW = dt.timedelta(days=7)
"""For how long applied changes count together with a new plan."""
HEALS = dt.timedelta(days=30)
"""If an absent user comes back within this time, the export was probably broken and is fixed."""


@dataclass(frozen=True, slots=True)
class Recent:
    """Changes of runs within the window that no person approved, and why users had left.

    Attributes:
        gone: Kind → number of records that were removed and have not come back. Not counted are
            removals that were approved, allowed by a raised limit, undone, or due to ended terms.
        added: Number of users who were added and are still active.
        reactivated: Number of users who were reactivated and are still active, without those who
            had only been absent within `HEALS`.
        active: Kind → number of active managed records at the beginning of the window.
        absent: `id` of users whom the plan reactivates and who were absent within `HEALS`.
        disabled: `id` of users whom the plan reactivates and whom `enabledUser=false` disabled.
        second: `id` of users of the plan who were deactivated before because no primary role was
            one of staff.
    """

    gone: Mapping[str, int] = field(default_factory=dict)
    added: int = 0
    reactivated: int = 0
    active: Mapping[str, int] = field(default_factory=dict)
    absent: frozenset[int] = frozenset()
    disabled: frozenset[int] = frozenset()
    second: frozenset[int] = frozenset()
