"""Undo: a plan that reverts the changes of a run, made from the run's audit.

It is held, approved, applied and audited like any other plan. An undo covers a whole run, one kind
of record, or one record with everything that depends on it. A record that has changed again since
stays unchanged and is listed, unless the undo includes such records. Erased users stay erased.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from oneroster_sync.database.audit import condition_of_run, has_changes
from oneroster_sync.errors import GoneError
from oneroster_sync.roster.columns import (
    ASSIGNMENT_CHANGES,
    COURSE_FIELDS,
    USER_FIELDS,
    change_schema,
)
from oneroster_sync.roster.records import in_order
from oneroster_sync.stages.diff.plan import Plan
from oneroster_sync.stages.diff.undo_links import undo_links

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from oneroster_sync.roster.model import Roster

_GONE = {"user": "inactive", "course": "removed"}
_BACK = {"user": "deactivate", "course": "remove"}

_CHANGED_SINCE = "because it changed again since"
_LOGIN_TAKEN = "because another account has its login now"
_ID_TAKEN = "because another record has its sourcedId now"
_NO_COURSE = "because the course is removed"
_NO_USER = "because the user is not active"
_OF_ANOTHER_RUN = "because another run made it"
_NO_NAME = "because its user or course has no sourcedId of its own now"

_CHANGES = """
select kind, action, sourced_id, user_id, course_id, before, after
from changes c where {of_run}
  and not exists (select from users u where u.id = user_id and u.erased_at is not null)
order by id
"""
_PAIRS = """
select c.before ->> 'status' as before, c.after ->> 'status' as after, a.status as now,
       u.id as user_id, k.id as course_id,
       u.sourced_id as user_sourced_id, k.sourced_id as course_sourced_id
from changes c
join users u on u.id = c.user_id
join courses k on k.id = c.course_id
join course_assignments a on a.user_id = c.user_id and a.course_id = c.course_id
where {of_run} and c.kind = 'assignment' and u.erased_at is null
order by c.id
"""
_COUNTS = """
select counts from runs where run_id = cast(:run_id as uuid) and applied_at is not null
"""
_NO_CHANGE = {"errors", "ignored"}
"""Keys of counts that do not count changes."""


class PurgedAuditError(GoneError):
    """The audit of a run has expired and was deleted, so the run can't be undone."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a run that is undone.

    Attributes:
        kind: user, course or assignment; None for all. Users and courses include their
            assignments.
        sourced_id: sourcedId of a single user or course, with its assignments; None for all.
        changed_too: Whether records that have changed again since are reverted as well.
    """

    kind: str | None = None
    sourced_id: str | None = None
    changed_too: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the part as it is stored with the run."""
        return asdict(self)

    def holds(self, kind: str, *sourced_ids: str | None) -> bool:
        """Return whether a change belongs to this part."""
        return self.kind in {None, kind} and (
            self.sourced_id is None or self.sourced_id in sourced_ids
        )


WHOLE = Part()


@dataclass(slots=True)
class _Side:
    """Users or courses: their current state, and their state after the undo.

    Attributes:
        kind: user or course.
        now: Stored records by id.
        was: The earlier states of the records that the run changed, by id.
        targets: The states of the reverted records after the undo, by id.
    """

    kind: str
    now: dict[int, dict[str, Any]]
    was: dict[int, dict[str, Any]]
    targets: dict[int, dict[str, Any]]

    def after(self, id_: int) -> dict[str, Any]:
        """Return a record's state after the undo."""
        return self.targets.get(id_) or self.now[id_]

    def name(self, id_: int) -> str | None:
        """Return the sourcedId of a record in assignments: the one after the undo, if any."""
        named: str | None = self.after(id_)["sourced_id"] or self.now[id_]["sourced_id"]
        return named

    def names(self) -> set[str | None]:
        """Return all sourcedIds of the reverted records, before and after the undo."""
        ids = self.targets
        return {side[id_]["sourced_id"] for id_ in ids for side in (self.now, self.targets)}

    def stays_removed(self, id_: int) -> bool:
        """Return whether the run removed a record that the undo does not bring back."""
        was_there = id_ in self.was and self.was[id_]["status"] == "active"
        return was_there and self.after(id_)["status"] != "active"

    def goes(self) -> set[int]:
        """Return the records that are active now but not after the undo."""
        return {
            id_
            for id_, target in self.targets.items()
            if self.now[id_]["status"] == "active" and target["status"] != "active"
        }


def undo_plan(
    connection: Connection,
    run_id: str,
    roster: Roster,
    part: Part = WHOLE,
    remembered: Mapping[str, pa.Table] | None = None,
) -> tuple[Plan, list[str]]:
    """Return the plan that undoes a run, and what it leaves unchanged.

    Args:
        connection: Connection to the roster database.
        run_id: The run to undo.
        roster: The site's current roster.
        part: Which part of the run.
        remembered: The links that the run changed, and their earlier rows: the tables
            `links.<name>`, `links.<name>.gone` and `before.<name>`. None if they are lost.

    Returns:
        The plan, and one line for each record that stays unchanged, with the reason.

    Raises:
        PurgedAuditError: The audit of the run was deleted.
    """
    refuse_without_audit(connection, run_id)
    reason = f"undo of run {run_id}"
    of_run, bound = condition_of_run(connection, run_id), {"run_id": run_id}
    rows = connection.execute(sa.text(_CHANGES.format(of_run=of_run)), bound).mappings()
    audit = [dict(row) for row in rows]
    left: list[str] = []
    users = _side("user", audit, roster.users, USER_FIELDS, part, left)
    courses = _side("course", audit, roster.courses, COURSE_FIELDS, part, left)
    for side in (users, courses):
        _leave_taken_ids(side, left)
    found = connection.execute(sa.text(_PAIRS.format(of_run=of_run)), bound).mappings()
    pairs = _pairs([dict(row) for row in found], users, courses, roster, part, left)
    assignments = pa.Table.from_pylist(
        [{**pair, "reason": reason, "row": None} for pair in pairs], schema=ASSIGNMENT_CHANGES
    )
    plan = Plan(
        roster.site,
        roster.version,
        _as_changes(users, USER_FIELDS, reason),
        _as_changes(courses, COURSE_FIELDS, reason),
        in_order(assignments, "user_sourced_id", "course_sourced_id"),
        undo_links(
            remembered or {}, roster, part, {side.kind: side.names() for side in (users, courses)}
        ),
    )
    return plan, left


def refuse_without_audit(connection: Connection, run_id: str) -> None:
    """Refuse the undo of a run whose changes were deleted from the audit.

    Raises:
        PurgedAuditError: They were deleted; the undo would otherwise seem to have nothing to do.
    """
    if has_changes(connection, run_id):
        return
    counts = (connection.scalar(sa.text(_COUNTS), {"run_id": run_id}) or {}).values()
    if any(n for numbers in counts for word, n in numbers.items() if word not in _NO_CHANGE):
        raise PurgedAuditError(
            f"run {run_id} can't be undone: its audit expired and was deleted "
            "(ONEROSTER_KEEP_AUDIT_DAYS); correct the SIS and sync a bulk package"
        )


def _side(
    kind: str,
    audit: list[dict[str, Any]],
    stored: pa.Table,
    fields: tuple[str, ...],
    part: Part,
    left: list[str],
) -> _Side:
    """Return the records of a kind that the undo reverts, with their target states."""
    names = ("sourced_id", *fields, "status", "managed")
    side = _Side(kind, {record["id"]: record for record in stored.to_pylist()}, {}, {})
    for change in audit:
        if change["kind"] != kind:
            continue
        id_ = change[f"{kind}_id"]
        record = side.now[id_]
        # An added record has no earlier state. It is not deleted, because nothing ever is.
        target = change["before"] or {**record, "status": _GONE[kind]}
        side.was[id_] = target
        if not part.holds(kind, change["sourced_id"]):
            continue
        # Audit rows of earlier versions lack the fields that were added later.
        is_as_left = all(record[name] == change["after"].get(name) for name in names)
        if not is_as_left and not part.changed_too:
            left.append(f"{kind} {change['sourced_id']}, {_CHANGED_SINCE}")
        elif any(record[name] != target.get(name) for name in names):
            side.targets[id_] = {name: target.get(name) for name in names}
    return side


def _leave_taken_ids(side: _Side, left: list[str]) -> None:
    """Leave records unchanged whose login or sourcedId another record has after the undo.

    A record that is left unchanged keeps a login that a third one may want back. So repeat until no
    record is in the way of another (fixed point). Otherwise the database would refuse the whole
    undo of a chain of addresses.
    """
    while True:
        taken = [
            (id_, _ID_TAKEN) for id_ in _find_blocking(side, lambda record: record["sourced_id"])
        ]
        if side.kind == "user":
            taken += [(id_, _LOGIN_TAKEN) for id_ in _find_blocking(side, _active_login)]
        if not taken:
            return
        for id_, why in taken:
            if side.targets.pop(id_, None):
                left.append(f"{side.kind} {side.now[id_]['sourced_id']}, {why}")


def _active_login(record: dict[str, Any]) -> str | None:
    login: str | None = record["login"] if record["status"] == "active" else None
    return login


def _find_blocking(side: _Side, key: Any) -> list[int]:
    """Return the reverted records whose key another record keeps, or gets before them."""
    holders: dict[str, int] = {}
    for id_, record in side.now.items():
        if id_ not in side.targets and key(record) is not None:
            holders[key(record)] = id_
    return [
        id_
        for id_, target in sorted(side.targets.items())
        if key(target) is not None and holders.setdefault(key(target), id_) != id_
    ]


def _pairs(
    rows: list[dict[str, Any]],
    users: _Side,
    courses: _Side,
    roster: Roster,
    part: Part,
    left: list[str],
) -> list[dict[str, Any]]:
    """Return the changes to course assignments."""
    pairs: dict[tuple[int, int], dict[str, Any]] = {}
    stays: dict[tuple[int, int], str] = {}
    new_ids = {t["sourced_id"] for s in (users, courses) for t in s.targets.values()}
    for row in rows:
        user, course = row["user_id"], row["course_id"]
        hangs = (part.kind == "user" and user in users.targets) or (
            part.kind == "course" and course in courses.targets
        )
        if not hangs and not part.holds(
            "assignment", row["user_sourced_id"], row["course_sourced_id"]
        ):
            continue
        target = row["before"] or "removed"
        if part.changed_too and row["now"] == target:
            continue
        why = _why_not(row, target, users, courses, part, new_ids)
        if why is None:
            pairs[user, course] = _pair(users.name(user), courses.name(course), row["now"], target)
        else:
            stays[user, course] = why
    removed = courses.goes()
    for stored in _still_active(roster, users, courses):
        ends = stored["user_id"], stored["course_id"]
        if ends not in pairs and ends[1] in removed:
            # A removed course has no assignments, even if people made them.
            pairs[ends] = _pair(users.name(ends[0]), courses.name(ends[1]), "active", "removed")
            stays.pop(ends, None)
        elif ends not in pairs:
            stays.setdefault(ends, _OF_ANOTHER_RUN)
    left.extend(
        f"assignment {users.name(user)} to {courses.name(course)}, {why}"
        for (user, course), why in stays.items()
    )
    return list(pairs.values())


def _why_not(
    row: dict[str, Any],
    target: str,
    users: _Side,
    courses: _Side,
    part: Part,
    new_ids: set[str | None],
) -> str | None:
    """Return why an assignment can't be reverted, or None if it can."""
    if row["now"] != row["after"] and not part.changed_too:
        return _CHANGED_SINCE
    if target == "active":
        if courses.after(row["course_id"])["status"] != "active":
            return _NO_COURSE
        if users.stays_removed(row["user_id"]):
            return _NO_USER
    for side, id_ in ((users, row["user_id"]), (courses, row["course_id"])):
        unnamed = side.after(id_)["sourced_id"] is None
        # A sourcedId that the record has now may name another record after the undo.
        if side.name(id_) is None or (unnamed and side.name(id_) in new_ids):
            return _NO_NAME
    return None


def _still_active(roster: Roster, users: _Side, courses: _Side) -> list[dict[str, Any]]:
    """Return the active assignments of the sync whose user or course the undo removes."""
    stored = roster.assignments
    held = pc.and_(stored["managed"], pc.equal(stored["status"], "active"))
    going = pc.or_(
        pc.is_in(stored["user_id"], pa.array(sorted(users.goes()), pa.int64())),
        pc.is_in(stored["course_id"], pa.array(sorted(courses.goes()), pa.int64())),
    )
    rows: list[dict[str, Any]] = stored.filter(pc.and_(held, going)).to_pylist()
    return rows


def _pair(user: str | None, course: str | None, now: str, target: str) -> dict[str, Any]:
    return {
        "action": "reactivate" if target == "active" else "remove",
        "user_sourced_id": user,
        "course_sourced_id": course,
        "before_status": now,
        "after_status": target,
    }


def _as_changes(side: _Side, fields: tuple[str, ...], reason: str) -> pa.Table:
    names = ("sourced_id", *fields, "status", "managed")
    rows = [
        {
            "action": _action(side.kind, side.now[id_], target),
            "id": id_,
            "sourced_id": side.now[id_]["sourced_id"],
            **{f"before_{name}": side.now[id_][name] for name in names},
            **{f"after_{name}": target[name] for name in names},
            "reason": reason,
            "row": None,
        }
        for id_, target in side.targets.items()
    ]
    return in_order(pa.Table.from_pylist(rows, schema=change_schema(fields)), "sourced_id", "id")


def _action(kind: str, record: dict[str, Any], target: dict[str, Any]) -> str:
    """Return the action that turns a record into its target state."""
    if target["status"] != record["status"]:
        return "reactivate" if target["status"] == "active" else _BACK[kind]
    renamed = target["sourced_id"] != record["sourced_id"]
    # Linking or unlinking an account is no new sourcedId, and must not count for that threshold.
    return "rekey" if renamed and target["sourced_id"] and record["sourced_id"] else "update"
