"""Undo: a plan that takes back what a run changed, made from the audit of that run.

It is held, approved, applied and audited like any other plan. All of a run can be taken back, one
kind of record, or one record. A record that changed again since is left as it is and named, unless
it is chosen too. Who was erased since stays so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from oneroster_sync.plan.compare import in_order
from oneroster_sync.plan.definition import Plan
from oneroster_sync.plan.fields import (
    ASSIGNMENT_CHANGES,
    COURSE_FIELDS,
    LINK_FIELDS,
    PUT,
    USER_FIELDS,
    change_schema,
    link_schema,
)
from oneroster_sync.plan.modified import forgotten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from oneroster_sync.plan import Roster

_GONE = {"user": "inactive", "course": "removed"}
_BACK = {"user": "deactivate", "course": "remove"}
_OF = {
    "user": ("roles",),
    "course": ("classes",),
    "assignment": ("enrollments", "classes"),
    None: tuple(LINK_FIELDS),
}
"""Kind of record → what is remembered behind it."""
_NAMES = ("user_sourced_id", "course_sourced_id")

_CHANGES = """
select kind, action, sourced_id, user_id, course_id, before, after
from changes where run_id = cast(:run_id as uuid)
  and not exists (select from users u where u.id = user_id and u.erased_at is not null)
order by id
"""
_PAIRS = """
select c.action, c.before ->> 'status' as before, c.after ->> 'status' as after,
       a.status as now, u.sourced_id as user_sourced_id, k.sourced_id as course_sourced_id
from changes c
join users u on u.id = c.user_id
join courses k on k.id = c.course_id
join course_assignments a on a.user_id = c.user_id and a.course_id = c.course_id
where c.run_id = cast(:run_id as uuid) and c.kind = 'assignment' and u.erased_at is null
"""


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a run is taken back.

    Attributes:
        kind: user, course or assignment; None for all.
        sourced_id: Of the one user or course that it is about, with its assignments; None for all.
        changed_too: Whether records that changed again since are put back as well.
    """

    kind: str | None = None
    sourced_id: str | None = None
    changed_too: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the part as it is stored with the run."""
        return asdict(self)

    def holds(self, kind: str, *sourced_ids: str | None) -> bool:
        """Tell whether a change is of this part."""
        return self.kind in {None, kind} and (
            self.sourced_id is None or self.sourced_id in sourced_ids
        )


WHOLE = Part()


def undo_plan(
    connection: Connection,
    run_id: str,
    roster: Roster,
    part: Part = WHOLE,
    remembered: Mapping[str, pa.Table] | None = None,
) -> tuple[Plan, list[str]]:
    """Return the plan that takes a run back, and the records that it leaves alone.

    Args:
        connection: To the roster database.
        run_id: The run to take back.
        roster: What the site holds now.
        part: Which part of the run.
        remembered: What the run moved of classes and enrollments, and how that was before: the
            tables `links.<name>`, `links.<name>.gone` and `before.<name>`. None where it is lost.

    Returns:
        The plan, and one line for each record that changed again since, or whose login is taken.
    """
    reason = f"undo of run {run_id}"
    rows = connection.execute(sa.text(_CHANGES), {"run_id": run_id}).mappings()
    audit = [dict(row) for row in rows if part.holds(row["kind"], row["sourced_id"])]
    left: list[str] = []
    users = _records("user", audit, roster.users, USER_FIELDS, reason, left, part)
    users = _without_clashes(users, roster.users, left)
    courses = _records("course", audit, roster.courses, COURSE_FIELDS, reason, left, part)
    offered = _active_after(roster.courses, courses)
    pairs = []
    for row in connection.execute(sa.text(_PAIRS), {"run_id": run_id}).mappings():
        ends = row["user_sourced_id"], row["course_sourced_id"]
        if not part.holds("assignment", *ends):
            continue
        target = row["before"] or "removed"
        if part.changed_too and row["now"] == target:
            continue
        changed = row["now"] != row["after"] and not part.changed_too
        if changed or (target == "active" and ends[1] not in offered):
            left.append(f"assignment {ends[0]} to {ends[1]}")
            continue
        pairs.append(
            {
                "action": "reactivate" if target == "active" else "remove",
                "user_sourced_id": ends[0],
                "course_sourced_id": ends[1],
                "before_status": row["now"],
                "after_status": target,
                "reason": reason,
                "row": None,
            }
        )
    assignments = pa.Table.from_pylist(pairs, schema=ASSIGNMENT_CHANGES)
    assignments = in_order(assignments, "user_sourced_id", "course_sourced_id")
    links = _links(remembered or {}, roster, part)
    links |= forgotten(_moments_of_part((remembered or {}).get(f"links.{PUT}"), part), roster)
    return Plan(roster.site, roster.version, users, courses, assignments, links), left


def _links(remembered: Mapping[str, pa.Table], roster: Roster, part: Part) -> dict[str, pa.Table]:
    """Return what puts classes, enrollments and roles back where nobody moved them since."""
    moved: dict[str, pa.Table] = {}
    for name in _OF[part.kind]:
        was = remembered.get(f"before.{name}")
        if was is None:
            continue
        made = _of_part(remembered[f"links.{name}"], part)
        gone = remembered[f"links.{name}.gone"]["sourced_id"].combine_chunks()
        was = _of_part(was, part)
        now = {row["sourced_id"]: row for row in roster.links[name].to_pylist()}
        unmoved = {
            row["sourced_id"] for row in made.to_pylist() if now.get(row["sourced_id"]) == row
        }
        unmoved |= {id_ for id_ in gone.to_pylist() if id_ not in now}
        back = [row for row in was.to_pylist() if row["sourced_id"] in unmoved]
        there = {row["sourced_id"] for row in back}
        new = [id_ for id_ in made["sourced_id"].to_pylist() if id_ in unmoved and id_ not in there]
        schema = link_schema(name)
        moved[name] = in_order(pa.Table.from_pylist(back, schema=schema), "sourced_id")
        moved[f"{name}.gone"] = pa.table({"sourced_id": pa.array(sorted(new), pa.string())})
    return moved


def _moments_of_part(put: pa.Table | None, part: Part) -> pa.Table | None:
    """Return when the SIS modified what is taken back: that is forgotten, not put back."""
    if put is None:
        return None
    files = set(_OF[part.kind]) | {"user": {"users"}, "course": {"courses"}}.get(
        part.kind or "", {"users", "courses"} if part.kind is None else set()
    )
    put = put.filter(pc.is_in(put["file"], pa.array(sorted(files))))
    if part.sourced_id is None:
        return put
    return put.filter(pc.equal(put["sourced_id"], part.sourced_id))


def _of_part(rows: pa.Table, part: Part) -> pa.Table:
    """Return the rows that name the one record, if the part is of one."""
    if part.sourced_id is None:
        return rows
    ends = [rows[name] for name in _NAMES if name in rows.column_names]
    named = pa.repeat(False, rows.num_rows)
    for end in ends:
        named = pc.or_(named, pc.fill_null(pc.equal(end, part.sourced_id), False))
    return rows.filter(named)


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
    audit: list[dict[str, Any]],
    stored: pa.Table,
    fields: tuple[str, ...],
    reason: str,
    left: list[str],
    part: Part,
) -> pa.Table:
    now = {record["id"]: record for record in stored.to_pylist()}
    names = ("sourced_id", *fields, "status", "managed")
    rows = []
    for change in audit:
        if change["kind"] != kind:
            continue
        record = now[change[f"{kind}_id"]]
        is_as_left = all(record[name] == change["after"].get(name) for name in names)
        target = change["before"] or {**record, "status": _GONE[kind]}
        if not is_as_left and not part.changed_too:
            left.append(f"{kind} {change['sourced_id']}")
            continue
        if all(record[name] == target.get(name) for name in names):
            continue
        rows.append(
            {
                "action": _action(kind, record, target),
                "id": record["id"],
                "sourced_id": record["sourced_id"],
                **{f"before_{name}": record[name] for name in names},
                **{f"after_{name}": target.get(name) for name in names},
                "reason": reason,
                "row": None,
            }
        )
    return in_order(pa.Table.from_pylist(rows, schema=change_schema(fields)), "sourced_id")


def _action(kind: str, record: dict[str, Any], target: dict[str, Any]) -> str:
    """Return what turns a record into what it was."""
    if target["status"] != record["status"]:
        return "reactivate" if target["status"] == "active" else _BACK[kind]
    renamed = target["sourced_id"] != record["sourced_id"]
    return "rekey" if renamed and target["sourced_id"] and record["sourced_id"] else "update"
