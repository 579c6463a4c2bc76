"""Undo of a run: docs/design/undo.md, with dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oracle.state import LINKS, Change, Plan, Record, State

if TYPE_CHECKING:
    import datetime as dt

_OF = {
    "user": ("roles", "enrollments"),
    "course": ("classes", "enrollments"),
    "assignment": ("enrollments", "classes"),
    None: LINKS,
}


@dataclass(slots=True)
class Trace:
    """The changes of a run, and the stored links and times that it moved (before and after)."""

    changes: list[Change] = field(default_factory=list)
    links: dict[str, tuple[dict[str, Record], dict[str, Record]]] = field(default_factory=dict)
    put: dict[tuple[str, str], dt.datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a run to undo: a type, one record, and whether records changed since count."""

    kind: str | None = None
    sid: str | None = None
    changed_too: bool = False

    def holds(self, kind: str, *sids: str | None) -> bool:
        """Return whether a change belongs to the part."""
        return self.kind in {None, kind} and (self.sid is None or self.sid in sids)


def take_back(state: State, trace: Trace, part: Part) -> Plan:
    """Return the plan that undoes a run, or a part of it."""
    plan = Plan()
    targets: dict[str, dict[int, Record]] = {"user": {}, "course": {}}
    was: dict[str, dict[int, Record]] = {"user": {}, "course": {}}
    for change in trace.changes:
        if change.kind == "assignment":
            continue
        records = state.users if change.kind == "user" else state.courses
        now = records[change.key]
        gone = "inactive" if change.kind == "user" else "removed"
        target = change.before or {**now, "status": gone}
        was[change.kind][change.key] = target
        named = (change.before if change.why == "undo" else change.after)["sid"]
        if not part.holds(change.kind, named):
            continue
        if (now == change.after or part.changed_too) and now != target:
            targets[change.kind][change.key] = target
    for kind, records in (("user", state.users), ("course", state.courses)):
        _leave_what_is_taken(kind, records, targets[kind])
    for kind, records, changes in (
        ("user", state.users, plan.users), ("course", state.courses, plan.courses),
    ):  # fmt: skip
        for number, target in targets[kind].items():
            action = _action(kind, records[number], target)
            changes.append(Change(kind, number, records[number], target, action, "undo"))
    plan.pairs = _pairs(state, trace, part, targets, was)
    _remembered(plan, state, trace, part, targets)
    return plan


def _action(kind: str, now: Record, target: Record) -> str:
    if now["status"] != target["status"]:
        gone = "deactivate" if kind == "user" else "remove"
        return "reactivate" if target["status"] == "active" else gone
    moved = now["sid"] and target["sid"] and now["sid"] != target["sid"]
    return "rekey" if moved else "update"


def _leave_what_is_taken(kind: str, records: dict[int, Record], targets: dict[int, Record]) -> None:
    """Repeat until no target is taken: drop targets whose login or sourcedId another record has."""

    def keys(record: Record) -> list[tuple[str, str]]:
        found = [("sid", record["sid"])] if record["sid"] else []
        if kind == "user" and record["status"] == "active" and record["login"]:
            found.append(("login", record["login"]))
        return found

    while True:
        held: dict[tuple[str, str], int] = {}
        for number, record in records.items():
            if number not in targets:
                held |= dict.fromkeys(keys(record), number)
        taken = set()
        for number in sorted(targets):
            for key in keys(targets[number]):
                if held.setdefault(key, number) != number:
                    taken.add(number)
        if not taken:
            return
        for number in taken:
            del targets[number]


def _pairs(
    state: State,
    trace: Trace,
    part: Part,
    targets: dict[str, dict[int, Record]],
    was: dict[str, dict[int, Record]],
) -> list[Change]:
    sides = {"user": state.users, "course": state.courses}

    def after(kind: str, number: int) -> Record:
        return targets[kind].get(number, sides[kind][number])

    changes: dict[Any, Change] = {}
    for change in trace.changes:
        if change.kind != "assignment":
            continue
        user, course = change.key
        hangs = (part.kind == "user" and user in targets["user"]) or (
            part.kind == "course" and course in targets["course"]
        )
        named = state.users[user]["sid"], state.courses[course]["sid"]
        if not hangs and not part.holds("assignment", *named):
            continue
        now, target = state.pairs[change.key], change.before or "removed"
        if now == target or (now != change.after and not part.changed_too):
            continue
        if target == "active":
            was_active = was["user"].get(user, {}).get("status") == "active"
            if after("course", course)["status"] != "active":
                continue
            if was_active and after("user", user)["status"] != "active":
                continue
        if _unnamed(state, targets, "user", user) or _unnamed(state, targets, "course", course):
            continue
        action = "reactivate" if target == "active" else "remove"
        changes[change.key] = Change("assignment", change.key, now, target, action, "undo")
    removed = {
        number for number, target in targets["course"].items()
        if target["status"] != "active" and state.courses[number]["status"] == "active"
    }  # fmt: skip
    for pair, status in state.pairs.items():
        if status == "active" and pair[1] in removed and pair not in changes:
            changes[pair] = Change("assignment", pair, "active", "removed", "remove", "undo")
    return list(changes.values())


def _unnamed(state: State, targets: dict[str, dict[int, Record]], kind: str, number: int) -> bool:
    """Return whether a record has no sourcedId of its own after the undo."""
    now = (state.users if kind == "user" else state.courses)[number]
    then = targets[kind].get(number, now)
    name = then["sid"] or now["sid"]
    anew = {t["sid"] for side in targets.values() for t in side.values()}
    return name is None or (then["sid"] is None and name in anew)


def _remembered(
    plan: Plan, state: State, trace: Trace, part: Part, targets: dict[str, dict[int, Record]]
) -> None:
    """Restore the stored links and times, unless a later run has moved them."""
    ends: dict[str, set[str | None]] | None = None
    if part.sid is not None:
        ends = {"user": {part.sid}, "course": {part.sid}}
    elif part.kind in {"user", "course"}:
        records = state.users if part.kind == "user" else state.courses
        theirs = targets[part.kind]
        sids = {side[n]["sid"] for n in theirs for side in (records, theirs)}
        ends = {"user": set(), "course": set(), part.kind: sids}

    def is_part(name: str, row: Record) -> bool:
        if ends is None or (part.sid is None and name != "enrollments"):
            return True
        return row.get("user") in ends["user"] or row.get("course") in ends["course"]

    hanging = set()
    for name in _OF[part.kind]:
        if name not in trace.links:
            continue
        before, after = trace.links[name]
        now = dict(state.links[name])
        for id_ in before.keys() | after.keys():
            was, became = before.get(id_), after.get(id_)
            if was == became or state.links[name].get(id_) != became:
                continue
            if not any(row is not None and is_part(name, row) for row in (was, became)):
                continue
            hanging.add(id_)
            if was is not None:
                now[id_] = was
            else:
                now.pop(id_)
        plan.links[name] = now
    files = set(_OF[part.kind])
    files |= {"user": {"users"}, "course": {"courses"}, None: {"users", "courses"}}.get(
        part.kind, set()
    )
    for (file, sid), when in trace.put.items():
        mine = file in files and (part.sid is None or sid == part.sid)
        if part.sid is None and part.kind in {"user", "course"} and file == "enrollments":
            mine = mine and sid in hanging
        if mine and state.moments.get((file, sid)) == when:
            plan.forget.add((file, sid))
