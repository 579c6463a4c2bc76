"""When a plan is held: the table of docs/design/guards.md, recomputed independently."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oracle.state import ENDED, Change, Plan, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WEEK, MONTH = dt.timedelta(days=7), dt.timedelta(days=30)
REMOVALS = {
    "guard.removals", "guard.school_removals", "guard.week_removals", "guard.out_of_step",
    "guard.not_primary",
}  # fmt: skip
_POINTS = {
    "orgs": {"sourcedId": "orgs", "parentSourcedId": "orgs"},
    "users": {"sourcedId": "users", "orgSourcedIds": "orgs"},
    "roles": {"sourcedId": "roles", "userSourcedId": "users", "orgSourcedId": "orgs"},
    "courses": {"sourcedId": "courses", "orgSourcedId": "orgs"},
    "classes": {"sourcedId": "classes", "courseSourcedId": "courses", "schoolSourcedId": "orgs"},
    "enrollments": {
        "sourcedId": "enrollments", "userSourcedId": "users", "classSourcedId": "classes",
        "schoolSourcedId": "orgs",
    },
}  # fmt: skip
Limits = dict[str, tuple[float, int]]
DEFAULTS: Limits = {
    "users": (10, 5), "courses": (10, 5), "assignments": (10, 5), "school": (50, 5),
    "week": (20, 10), "added_users": (25, 20), "reactivated_users": (5, 5),
    "changed_roles": (25, 5), "updated_users": (75, 20), "updated_courses": (75, 20),
    "moved_terms": (10, 5), "sourced_ids": (10, 5),
}  # fmt: skip


@dataclass(slots=True)
class Done:
    """An applied change: its time, the kind of its run, and the change itself."""

    at: dt.datetime
    change: Change
    alone: bool
    """The run was not approved and is no undo."""
    raised: bool


@dataclass(slots=True)
class Past:
    """All applied changes, and the number of active managed records after each run."""

    done: list[Done] = field(default_factory=list)
    active: list[tuple[dt.datetime, dict[str, int]]] = field(default_factory=list)
    first: dict[str, dt.datetime] = field(default_factory=dict)
    """Record type → the time when its first records were added."""

    def begin(self, kind: str, now: dt.datetime) -> dt.datetime:
        """Return the start of the window: a week ago, or a later first sync that added records."""
        return max(now - WEEK, self.first.get(kind, now - WEEK))

    def active_at(self, kind: str, when: dt.datetime, state: State) -> int:
        """Return how many records were active when the window began."""
        for at, counts in reversed(self.active):
            if at <= when:
                return counts[kind]
        return 0 if self.active else state.active(kind)

    def went(self, number: Any, before: int | None = None) -> Done | None:
        """Return the last deactivation of a user."""
        for done in reversed(self.done[:before]):
            c = done.change
            if c.kind == "user" and c.key == number and _went(c):
                return done
        return None


def _went(change: Change) -> bool:
    return status_of(change.before) == "active" and status_of(change.after) != "active"


def status_of(side: Any) -> str | None:
    """Return the status before or after a change."""
    status: str | None = side["status"] if isinstance(side, dict) else side
    return status


@dataclass(slots=True)
class Asked:
    """The input of a judgement, besides the plan.

    Attributes:
        modes: File → its mode, for the files of the plan.
        rows: File → number of rows in the run's own files.
        judged: File → numbers of rows with and without errors before the plan was made.
    """

    state: State
    past: Past
    limits: Limits
    now: dt.datetime
    started: dt.datetime
    modes: Mapping[str, str]
    rows: Mapping[str, int]
    judged: Mapping[str, tuple[int, int]]
    raised: float | None = None
    whole: bool = True
    lines: Mapping[str, list[Any]] = field(default_factory=dict)


def holds(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    """Return code and record type (or file) of each reason to hold a plan."""
    found = set(_empty(asked)) | _moved_terms(plan, asked)
    if not plan.changes():
        return found
    removals = _removals(plan, asked)
    kinds = {kind for _, kind in removals}
    found |= removals
    found |= {h for h in _week(plan, asked) if h[1] not in kinds}
    found |= {h for h in _schools(plan, asked) if h[1] not in kinds}
    found |= _coming(plan, asked) | _roles(plan, asked) | _updates(plan, asked)
    found |= _errors(plan, asked) | _sources(plan, asked) | _ids(plan, asked)
    return found | _look_alikes(plan, asked)


def _beyond(found: int, of: int, limit: tuple[float, int], *, raised: bool = False) -> bool:
    percent, minimum = limit
    if raised and found * 100 == percent * of:
        return False
    return found >= minimum and found * 100 >= percent * of


def _limit(asked: Asked, name: str) -> tuple[tuple[float, int], bool]:
    percent, minimum = asked.limits[name]
    if asked.raised is not None:
        return (asked.raised, minimum), True
    return (percent, minimum), False


def _going(plan: Plan) -> dict[str, list[Change]]:
    kinds = {"users": plan.users, "courses": plan.courses, "assignments": plan.pairs}
    gone = {"deactivate", "remove"}
    return {
        kind: [c for c in changes if c.action in gone and c.why != ENDED]
        for kind, changes in kinds.items()
    }


def _empty(asked: Asked) -> Iterable[tuple[str, str]]:
    classes = asked.state.links["classes"].values()
    today = asked.started.date().isoformat()
    goes_on = any(c["ends"] is None or c["ends"] >= today for c in classes)
    names = ["orgs", "users", "roles", "courses"]
    if goes_on or not asked.state.active("users"):
        names += ["classes", "enrollments"]
    for name in names:
        if asked.modes.get(name) == "bulk" and asked.rows.get(name) == 0:
            yield "guard.empty_file", f"{name}.csv"


def _moved_terms(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    if "classes" not in plan.links:
        return set()
    state, earlier = asked.state, set()
    for id_, row in plan.links["classes"].items():
        old = state.links["classes"].get(id_, {}).get("ends")
        if old and row["ends"]:
            limit = dt.date.fromisoformat(old) - dt.timedelta(days=14)
            if dt.date.fromisoformat(row["ends"]) < limit:
                earlier.add(id_)
    users, courses = state.by_sid("users"), state.by_sid("courses")
    hanging = {
        (users.get(row["user"]), courses.get(row["course"]))
        for row in state.links["enrollments"].values() if row["class"] in earlier
    }  # fmt: skip
    active = {pair for pair, status in state.pairs.items() if status == "active"}
    found = len(active & hanging)
    if found and _beyond(found, len(active), asked.limits["moved_terms"]):
        return {("guard.moved_terms", "assignments")}
    return set()


def _removals(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    found = set()
    for kind, going in _going(plan).items():
        limit, raised = _limit(asked, kind)
        if _beyond(len(going), asked.state.active(kind), limit, raised=raised):
            found.add(("guard.removals", kind))
    return found


def _week(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    found = set()
    limit, raised = _limit(asked, "week")
    names = {"users": "user", "courses": "course", "assignments": "assignment"}
    for kind, going in _going(plan).items():
        begin = asked.past.begin(kind, asked.now)
        last: dict[Any, Done] = {}
        for done in asked.past.done:
            c = done.change
            if done.at > begin and c.kind == names[kind] and _went(c):
                last[c.key] = done
        earlier = 0
        for key, done in last.items():
            records: Any = {"users": asked.state.users, "courses": asked.state.courses,
                   "assignments": asked.state.pairs}[kind]  # fmt: skip
            counts = done.alone and not done.raised and done.change.why != ENDED
            earlier += counts and status_of(records[key]) != "active"
        of = asked.past.active_at(kind, begin, asked.state)
        if going and earlier and _beyond(len(going) + earlier, of, limit, raised=raised):
            found.add(("guard.week_removals", kind))
    return found


def _schools(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    limit, raised = _limit(asked, "school")
    gone: Counter[tuple[str, str]] = Counter()
    active: Counter[tuple[str, str]] = Counter()
    state = asked.state
    for kind, changes in _going(plan).items():
        for c in changes:
            side = state.courses.get(c.key[1]) if kind == "assignments" else c.before
            for school in _schools_of(side or {}):
                gone[kind, school] += 1
    for kind, records in (("users", state.users), ("courses", state.courses)):
        for record in records.values():
            if record["managed"] and record["status"] == "active":
                active.update((kind, school) for school in _schools_of(record))
    for pair, status in state.pairs.items():
        if status == "active":
            active.update(("assignments", s) for s in _schools_of(state.courses[pair[1]]))
    return {
        ("guard.school_removals", kind)
        for (kind, school), found in gone.items()
        if _beyond(found, active[kind, school], limit, raised=raised)
    }


def _schools_of(record: Mapping[str, Any]) -> list[str]:
    orgs = record["orgs"] if "orgs" in record else record.get("org")
    return orgs.split(",") if orgs else []


def _coming(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    state, past = asked.state, asked.past
    found = set()
    begin = past.begin("users", asked.now)
    was = past.active_at("users", begin, state)
    recent = [d for d in past.done if d.at > begin and d.change.kind == "user" and d.alone]
    active = {n for n, user in state.users.items() if user["status"] == "active"}
    added = len([c for c in plan.users if c.action == "add"])
    earlier = len({d.change.key for d in recent if d.change.action == "add"} & active)
    any_managed = any(user["managed"] for user in state.users.values())
    if any_managed and _many(
        added, earlier, state.active("users"), was, asked.limits["added_users"]
    ):
        found.add(("guard.additions", "users"))
    back = [c for c in plan.users if c.before and c.before["managed"] and _came(c)]
    healed, disabled = set(), set()
    for c in back:
        went = past.went(c.key)
        if went and went.change.why == "absent" and went.at > asked.now - MONTH:
            healed.add(c.key)
        if went and went.change.why == "disabled":
            disabled.add(c.key)
    came = set()
    for at, done in enumerate(past.done):
        if done in recent and done.change.before and _came(done.change):
            went = past.went(done.change.key, at)
            if not (went and went.change.why == "absent" and went.at > done.at - MONTH):
                came.add(done.change.key)
    limit = asked.limits["reactivated_users"]
    if _many(len(back) - len(healed), len(came & active), state.active("users"), was, limit):
        found.add(("guard.reactivations", "users"))
    silent = {line["sourcedId"] for line in plan.good.get("users", ()) if "enabledUser" not in line}
    second = {c.key for c in plan.users if c.why == "not_primary"}
    if second - {d.change.key for d in past.done if d.change.why == "not_primary"
                 and d.change.kind == "user"}:  # fmt: skip
        found.add(("guard.not_primary", "users"))
    if any(c.key in disabled and c.after["sid"] in silent for c in back):
        found.add(("guard.blank_enabled_user", "users"))
    return found


def _came(change: Change) -> bool:
    return status_of(change.before) == "inactive" and status_of(change.after) == "active"


def _many(found: int, earlier: int, of: int, was: int, limit: tuple[float, int]) -> bool:
    if _beyond(found, of, limit):
        return True
    return bool(found and earlier) and _beyond(found + earlier, was, limit)


def _roles(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    moved = [
        c for c in plan.users
        if c.before and c.before["status"] == "active" and c.before["managed"]
        and c.before["role"] != c.after["role"]
    ]  # fmt: skip
    if _beyond(len(moved), asked.state.active("users"), asked.limits["changed_roles"]):
        return {("guard.role_changes", "users")}
    return set()


def _updates(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    found = set()
    courses = [
        c for c in plan.courses
        if c.action == "update" and {**c.before, "year": 0} != {**c.after, "year": 0}
    ]  # fmt: skip
    users = [c for c in plan.users if c.action == "update"]
    for kind, changes in (("users", users), ("courses", courses)):
        if _beyond(len(changes), asked.state.active(kind), asked.limits[f"updated_{kind}"]):
            found.add(("guard.updates", kind))
    return found


def _errors(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    found = set()
    for name, (of_bad, of_good) in asked.judged.items():
        bad = len(plan.bad.get(name, ())) - (plan.reused if name == "users" else 0)
        of = of_bad + of_good
        if bad >= 5 and bad * 100 > 5 * of:
            found.add(("guard.error_rate", f"{name}.csv"))
    if _beyond(plan.reused, asked.state.active("users"), (10, 5)):
        found.add(("guard.identity_reuse", "users"))
    return found


def _sources(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    found, state = set(), asked.state
    for kind in ("users", "courses"):
        if asked.modes.get(kind) != "bulk":
            continue
        changes = plan.users if kind == "users" else plan.courses
        called = {c.key: c.after["sid"] for c in changes if c.before}
        known = [
            called.get(n, r["sid"]) for n, r in getattr(state, kind).items()
            if r["managed"] and r["status"] == "active"
        ]  # fmt: skip
        named = {line.get("sourcedId") for line in asked.lines.get(kind, ())}
        met = sum(id_ in named for id_ in known)
        if len(known) >= 5 and met * 100 < 50 * len(known):
            found.add(("guard.wrong_source", kind))
    if any(user["managed"] for user in state.users.values()):
        ids = state.known()
        met = of = 0
        for name, columns in _POINTS.items():
            if asked.modes.get(name) != "delta":
                continue
            for line in asked.lines.get(name, ()):
                of += 1
                met += any(
                    part.strip() in ids[file]
                    for column, file in columns.items()
                    for part in line.get(column, "").split(",")
                )
        if of >= 20 and met * 100 < 50 * of:
            found.add(("guard.wrong_source", "delta"))
    return found


def _ids(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    found = set()
    for kind, changes in (("users", plan.users), ("courses", plan.courses)):
        moved = [
            c for c in changes
            if c.before and c.before["sid"] and c.after["sid"] and c.before["sid"] != c.after["sid"]
        ]  # fmt: skip
        if _beyond(len(moved), asked.state.active(kind), asked.limits["sourced_ids"]):
            found.add(("guard.identity_shift", kind))
    return found


def _look_alikes(plan: Plan, asked: Asked) -> set[tuple[str, str]]:
    """Hold a first sync that adds a person who resembles an account that was made by hand."""
    users = asked.state.users
    if any(user["managed"] for user in users.values()) or "users" not in plan.good:
        return set()
    linked = {c.key for c in plan.users if c.action == "adopt"}
    accounts = [n for n, u in users.items() if u["sid"] is None]
    people = [c.after for c in plan.users if c.action == "add"]
    for key in (_name, _mailbox):
        ours = Counter(key(users[n]) for n in accounts)
        theirs = Counter(map(key, [*people, *(u for u in users.values() if u["sid"])]))
        for number in accounts:
            alike = key(users[number])
            fits = ours[alike] == 1 and theirs[alike] == 1 and number not in linked
            met = alike is not None and fits and any(key(p) == alike for p in people)
            if met and number != asked.state.admin:
                return {("guard.look_alikes", "accounts")}
    return set()


def _name(user: Mapping[str, Any]) -> Any:
    if user["given"] is None or user["family"] is None:
        return None
    return user["given"].lower(), user["family"].lower()


def _mailbox(user: Mapping[str, Any]) -> Any:
    return user["login"].rsplit("@", 1)[0] if user["login"] and "@" in user["login"] else None
