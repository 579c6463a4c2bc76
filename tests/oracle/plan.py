"""The changes that the rows of a package make to a roster."""

from __future__ import annotations

from typing import Any

from oracle.door import moment
from oracle.judge import login_of
from oracle.people import People
from oracle.state import ENDED, LINKS, Change, Pair, Plan, Record

_COURSE = {
    "title": "title", "code": "courseCode", "grades": "grades", "subjects": "subjects",
    "org": "orgSourcedId", "year": "schoolYearSourcedId",
}  # fmt: skip


class Planner(People):
    """Makes the plan of some rows against a state."""

    def make(self) -> Plan:
        """Make the plan and return it."""
        for line in (*self.good.get("users", ()), *self.bad.get("users", ())):
            login = login_of(line) if "flaw" not in line and "goes" not in line else None
            if login is not None:
                line.setdefault("login", login)
        self._rename()
        if "users" in self.good:
            self._keep_known_logins()
        self.reached = self._reached_by_roles()
        if "users" in self.good:
            self._refuse_other_people()
            self._refuse_taken_logins()
        links = {name: self._merge(name) for name in LINKS if name in self.good}
        self._follow_links(links)
        users = self._users()
        courses = self._courses()
        pairs = self._pairs(users, courses)
        self._finish(users, courses, pairs)
        return self.plan

    # Identity

    def _rename(self) -> None:
        """Recognize people and courses that have another sourcedId now."""
        self.renamed: dict[str, dict[int, str]] = {"users": {}, "courses": {}}
        if "users" in self.good and not self._unclear("users"):
            self._rename_users()
        if self.modes.get("courses") == "bulk" and not self._unclear("courses"):
            self._rename_courses()
        for kind, moved in self.renamed.items():
            for number, new in moved.items():
                old = getattr(self.state, kind)[number]["sid"]
                getattr(self.state, kind)[number]["sid"] = new
                column = "user" if kind == "users" else "course"
                for rows in self.state.links.values():
                    for row in rows.values():
                        if row.get(column) == old:
                            row[column] = new

    def _rename_courses(self) -> None:
        courses, known = self.state.courses, self.state.by_sid("courses")
        old: dict[Any, list[int]] = {}
        for number in self._leaving("courses"):
            course = courses[number]
            if course["managed"] and course["status"] == "active" and course["code"]:
                old.setdefault((course["code"], course["title"]), []).append(number)
        new: dict[Any, list[str]] = {}
        for line in self._staying("courses"):
            if line["sourcedId"] not in known and "courseCode" in line:
                new.setdefault((line["courseCode"], line["title"]), []).append(line["sourcedId"])
        for key, numbers in old.items():
            if len(numbers) == 1 and len(new.get(key, ())) == 1:
                self.renamed["courses"][numbers[0]] = new[key][0]

    # Courses

    def _courses(self) -> list[Change]:
        changes: dict[int, Change] = {}
        if "courses" not in self.good:
            return []
        state, known = self.state, self.state.by_sid("courses")
        for new, line in enumerate(self._staying("courses"), start=1):
            number = known.get(line["sourcedId"])
            before = state.courses[number] if number is not None else {}
            after = {
                field_: before.get(field_)
                if (column in line["out"] and column not in line)
                or column in self.missing.get("courses", ())
                else line.get(column)
                for field_, column in _COURSE.items()
            }  # fmt: skip
            after |= {"sid": line["sourcedId"], "status": "active", "managed": True}
            if number is None:
                changes[-new] = Change("course", -new, None, after, "add", "row")
            elif before["managed"] and before != after:
                action = "reactivate" if before["status"] == "removed" else "update"
                changes[number] = Change("course", number, before, after, action, "row")
        for number in self._leaving("courses"):
            course = state.courses[number]
            if course["managed"] and course["status"] == "active":
                after = {**course, "status": "removed"}
                changes[number] = Change("course", number, course, after, "remove", "")
        for number, new_id in self.renamed["courses"].items():
            before = self.before.courses[number]
            if number in changes:
                changes[number].before = before
                made = changes[number]
                made.action = "rekey" if made.action == "update" else made.action
            else:
                after = {**before, "sid": new_id}
                changes[number] = Change("course", number, before, after, "rekey", "")
        return list(changes.values())

    # Course assignments

    def _pairs(self, users: list[Change], courses: list[Change]) -> list[Change]:
        state = self.state
        user_of, course_of = state.by_sid("users"), state.by_sid("courses")
        user_of |= {c.after["sid"]: c.key for c in users}
        course_of |= {c.after["sid"]: c.key for c in courses}
        gone = {n for n, course in state.courses.items() if course["status"] == "removed"}
        gone -= {c.key for c in courses if c.after["status"] == "active"}
        gone |= {c.key for c in courses if c.after["status"] == "removed"}
        back = {c.after["sid"] for c in courses if c.action == "reactivate"}
        active = {u["sid"] for u in state.users.values() if u["status"] == "active"}
        for change in users:
            active -= {change.after["sid"]}
            active |= {change.after["sid"]} if change.after["status"] == "active" else set()

        def goes_on(row: Record) -> bool:
            ends = self.state.links["classes"].get(row["class"], {}).get("ends")
            lasts = ends is None or ends >= self.today.isoformat()
            return lasts and row["user"] in active

        wanted: dict[Pair, None] = {}
        kept: set[Pair] = set()
        delivered = {line["sourcedId"] for line in self.good.get("enrollments", ())}
        rows = self.trusted
        if rows is None:
            rows = {i: r for i, r in state.links["enrollments"].items() if r["course"] in back}
            delivered = set()
        for id_, row in rows.items():
            ends = user_of.get(row["user"]), course_of.get(row["course"])
            over = row["course"] in back and id_ not in delivered and not goes_on(row)
            if (
                row["role"] in self.teaching
                and None not in ends
                and ends[1] not in gone
                and not over
            ):
                wanted[ends] = None  # type: ignore[index]
        for row in self.safe.values():
            ends = user_of.get(row["user"]), course_of.get(row["course"])
            if row["role"] in self.teaching and None not in ends:
                kept.add(ends)  # type: ignore[arg-type]
        changes = [
            Change(
                "assignment", pair, state.pairs.get(pair), "active",
                "reactivate" if pair in state.pairs else "add", "taught",
            )
            for pair in wanted if state.pairs.get(pair) != "active"
        ]  # fmt: skip
        ended = self._pairs_that_ended(user_of, course_of)
        named = set(user_of.values()), set(course_of.values())
        for pair, status in state.pairs.items():
            # The new sourcedId names an account that this plan links.
            if status != "active" or pair[0] not in named[0] or pair[1] not in named[1]:
                continue
            unwanted = self.trusted is not None and pair not in wanted and pair not in kept
            if unwanted or pair[1] in gone:
                why = "course gone" if pair[1] in gone else "not taught"
                if self.trusted is not None and pair in ended:
                    why = ENDED
                changes.append(Change("assignment", pair, "active", "removed", "remove", why))
        return changes

    def _pairs_that_ended(
        self, user_of: dict[str, int], course_of: dict[str, int]
    ) -> set[tuple[Any, Any]]:
        """Return the pairs whose remembered classes have all ended before today."""
        lasts: dict[tuple[Any, Any], bool] = {}
        for row in self.state.links["enrollments"].values():
            ends = self.state.links["classes"].get(row["class"], {}).get("ends")
            pair = user_of.get(row["user"]), course_of.get(row["course"])
            goes_on = ends is None or ends >= self.today.isoformat()
            lasts[pair] = lasts.get(pair, False) or goes_on
        return {pair for pair, goes_on in lasts.items() if not goes_on}

    def _finish(self, users: list[Change], courses: list[Change], pairs: list[Change]) -> None:
        plan = self.plan
        plan.users, plan.courses, plan.pairs = users, courses, pairs
        plan.good, plan.bad = self.good, self.bad
        there = {name: set(rows) for name, rows in self.merged.items()}
        there["users"] = {c.after["sid"] for c in users}
        there["courses"] = {c.after["sid"] for c in courses}
        known = self.state.known()
        for name, ids in there.items():
            mode = self.modes.get(name)
            if name not in self.good:
                continue
            if mode == "bulk":
                plan.forget |= {key for key in self.before.moments if key[0] == name}
                continue
            for line in self.good[name]:
                key = name, line["sourcedId"]
                when, old = moment(line.get("dateLastModified")), self.before.moments.get(key)
                ours = line["sourcedId"] in known[name] | ids or old is not None
                if when is not None and ours and (old is None or when > old):
                    plan.put[key] = when
        gone = {
            line.get("sourcedId") for line in self.good.get("users", ())
            if "goes" in line or line.get("enabledUser") == "false"
        }  # fmt: skip
        gone |= {
            line.get("sourcedId")
            for line in self.bad.get("users", ())
            if line.get("flaw") in {"no role", "unread"}
        }
        known_users = self.state.by_sid("users")
        plan.stay_gone = {known_users[i] for i in gone if i in known_users} & self.state.lost_role
