"""Undo: a plan that takes back what a run changed, made from the audit of that run.

It is held, approved, applied and audited like any other plan. A record that changed again since
is left as it is and named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from oneroster_sync.plan.compare import in_order
from oneroster_sync.plan.definition import Plan
from oneroster_sync.plan.fields import ASSIGNMENT_CHANGES, COURSE_FIELDS, USER_FIELDS, change_schema

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from oneroster_sync.plan import Roster

_GONE = {"user": "inactive", "course": "removed"}
_BACK = {"user": "deactivate", "course": "remove"}
_CHANGES = """
select kind, action, sourced_id, user_id, course_id, before, after
from changes where run_id = cast(:run_id as uuid) order by id
"""
_PAIRS = """
select c.action, c.before ->> 'status' as before, c.after ->> 'status' as after,
       a.status as now, u.sourced_id as user_sourced_id, k.sourced_id as course_sourced_id
from changes c
join users u on u.id = c.user_id
join courses k on k.id = c.course_id
join course_assignments a on a.user_id = c.user_id and a.course_id = c.course_id
where c.run_id = cast(:run_id as uuid) and c.kind = 'assignment'
"""


def undo_plan(connection: Connection, run_id: str, roster: Roster) -> tuple[Plan, list[str]]:
    """Return the plan that takes a run back, and the records that it leaves alone.

    Args:
        connection: To the roster database.
        run_id: The run to take back.
        roster: What the site holds now.

    Returns:
        The plan, and one line for each record that changed again since, or whose login is taken.
    """
    reason = f"undo of run {run_id}"
    audit = [dict(r) for r in connection.execute(sa.text(_CHANGES), {"run_id": run_id}).mappings()]
    left: list[str] = []
    users = _records("user", audit, roster.users, USER_FIELDS, reason, left)
    users = _without_clashes(users, roster.users, left)
    courses = _records("course", audit, roster.courses, COURSE_FIELDS, reason, left)
    offered = _active_after(roster.courses, courses)
    pairs = []
    for row in connection.execute(sa.text(_PAIRS), {"run_id": run_id}).mappings():
        if row["now"] != row["after"]:
            left.append(f"assignment {row['user_sourced_id']} to {row['course_sourced_id']}")
            continue
        target = row["before"] or "removed"
        if target == "active" and row["course_sourced_id"] not in offered:
            left.append(f"assignment {row['user_sourced_id']} to {row['course_sourced_id']}")
            continue
        pairs.append(
            {
                "action": "reactivate" if target == "active" else "remove",
                "user_sourced_id": row["user_sourced_id"],
                "course_sourced_id": row["course_sourced_id"],
                "before_status": row["now"],
                "after_status": target,
                "reason": reason,
                "row": None,
            }
        )
    assignments = pa.Table.from_pylist(pairs, schema=ASSIGNMENT_CHANGES)
    assignments = in_order(assignments, "user_sourced_id", "course_sourced_id")
    return Plan(roster.site, roster.version, users, courses, assignments, {}), left


def _active_after(stored: pa.Table, changes: pa.Table) -> set[str | None]:
    """Return the sourcedIds of the courses that are active once the plan is applied."""
    status = dict(zip(stored["sourced_id"].to_pylist(), stored["status"].to_pylist(), strict=True))
    status |= dict(
        zip(changes["sourced_id"].to_pylist(), changes["after_status"].to_pylist(), strict=True)
    )
    return {sourced_id for sourced_id, state in status.items() if state == "active"}


def _without_clashes(users: pa.Table, stored: pa.Table, left: list[str]) -> pa.Table:
    """Leave alone whose login somebody else has by now."""
    going = set(users["id"].to_pylist())
    held = {
        record["login"]
        for record in stored.select(["id", "login", "status"]).to_pylist()
        if record["status"] == "active" and record["login"] and record["id"] not in going
    }
    clashes = [
        change["after_status"] == "active" and change["after_login"] in held
        for change in users.select(["after_status", "after_login"]).to_pylist()
    ]
    mask = pa.array(clashes, pa.bool_())
    left.extend(f"user {sourced_id}" for sourced_id in users.filter(mask)["sourced_id"].to_pylist())
    return users.filter(pc.invert(mask))


def _records(
    kind: str,
    audit: list[dict[str, object]],
    stored: pa.Table,
    fields: tuple[str, ...],
    reason: str,
    left: list[str],
) -> pa.Table:
    now = {record["id"]: record for record in stored.to_pylist()}
    names = ("sourced_id", *fields, "status", "managed")
    rows = []
    for change in audit:
        if change["kind"] != kind:
            continue
        record = now[change[f"{kind}_id"]]
        if any(record[name] != change["after"].get(name) for name in names):  # type: ignore[attr-defined]
            left.append(f"{kind} {change['sourced_id']}")
            continue
        target = change["before"] or {**record, "status": _GONE[kind]}
        if target["status"] == record["status"]:  # type: ignore[index]
            action = "update"
        else:
            action = "reactivate" if target["status"] == "active" else _BACK[kind]  # type: ignore[index]
        rows.append(
            {
                "action": action,
                "id": record["id"],
                "sourced_id": record["sourced_id"],
                **{f"before_{name}": record[name] for name in names},
                **{f"after_{name}": target[name] for name in names},  # type: ignore[index]
                "reason": reason,
                "row": None,
            }
        )
    return in_order(pa.Table.from_pylist(rows, schema=change_schema(fields)), "sourced_id")
