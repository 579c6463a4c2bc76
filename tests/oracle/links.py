"""A package compared with the stored state: who leaves, and what is remembered for later runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from oracle.judge import claims_login
from oracle.state import LINKS, Plan, Record, State

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from oracle.door import Line

RANK = {
    "administrator": 0, "districtAdministrator": 0, "principal": 0, "siteAdministrator": 0,
    "systemAdministrator": 0, "counselor": 1, "teacher": 2, "proctor": 3, "aide": 4,
}  # fmt: skip
PLATFORM = ("administrator", "counselor", "teacher", "proctor", "aide")


class Links:
    """Rows compared with a state: what all parts of a plan ask, and what is remembered."""

    renamed: dict[str, dict[int, str]]

    def __init__(
        self,
        state: State,
        modes: Mapping[str, str],
        good: Mapping[str, list[Line]],
        bad: Mapping[str, list[Line]],
        *,
        adopt: bool,
        today: dt.date,
        rekeys: tuple[float, int] = (10.0, 5),
        teaching: tuple[str, ...] = ("teacher",),
        missing: Mapping[str, set[str]] | None = None,
        absent: set[int] | None = None,
    ) -> None:
        self.before = state
        self.state = state.copy()
        self.modes = {name: mode for name, mode in modes.items() if mode != "absent"}
        self.good = {name: list(lines) for name, lines in good.items()}
        self.bad = {name: list(lines) for name, lines in bad.items()}
        self.adopt, self.today, self.rekeys = adopt, today, rekeys
        self.teaching, self.missing = set(teaching), missing or {}
        self.absent = absent or set()
        self.plan = Plan()

    def _leaving(self, kind: str) -> set[int]:
        """Return the records that a file removes: by a row, or by absence from a bulk file."""
        records = getattr(self.state, kind)
        going = {line["sourcedId"] for line in self.good[kind] if "goes" in line}
        marked = {n for n, r in records.items() if r["sid"] in going and r["sid"] is not None}
        if self.modes[kind] != "bulk" or self._unclear(kind):
            return marked
        bad = self.bad.get(kind, ())
        named = {line.get("sourcedId") for line in (*self.good[kind], *bad)}
        known = set(self.state.by_sid(kind))
        logins = {
            line["login"] for line in bad
            if kind == "users" and line.get("login") and line.get("sourcedId") not in known
        }  # fmt: skip
        return marked | {
            n for n, r in records.items()
            if r["sid"] is not None and r["sid"] not in named
            and (kind != "users" or r["login"] not in logins or r["login"] is None)
        }  # fmt: skip

    def _unclear(self, name: str) -> bool:
        """Return whether a row with an error may belong to any record."""
        for line in self.bad.get(name, ()):
            if "sourcedId" in line:
                continue
            if name == "users" and line.get("login"):
                continue
            pair = "userSourcedId" in line and "classSourcedId" in line
            if name == "enrollments" and pair:
                continue
            return True
        return False

    def _staying(self, name: str) -> list[Line]:
        return [line for line in self.good.get(name, ()) if "goes" not in line]

    def _recognisable(self) -> list[Line]:
        """Return the rows whose login identifies a person; a disabled row only if unique."""
        lines = [line for line in self._staying("users") if line.get("login")]
        claimed = {line["login"] for line in lines if claims_login(line)}
        count = Counter(line["login"] for line in lines)
        return [
            line for line in lines
            if claims_login(line) or (count[line["login"]] == 1 and line["login"] not in claimed)
        ]  # fmt: skip

    # Logins

    # Remembered links

    def _merge(self, name: str) -> tuple[dict[str, Record], dict[str, Record]]:
        """Return the links to remember: trusted ones, and ones kept because of an error."""
        stored = self.state.links[name]
        fresh = {}
        for line in self._staying(name):
            fresh[line["sourcedId"]] = _link(name, line, stored.get(line["sourcedId"], {}))
        named = {line["sourcedId"] for line in self.good[name]}
        kept = {id_: row for id_, row in stored.items() if id_ not in named}
        safe = set(kept) if self._unclear(name) else self._hanging(name, kept)
        if name == "enrollments":
            theirs = self._may_be_theirs(kept, fresh)
            for id_ in theirs - safe:
                kept[id_] = {**kept[id_], "unplaced": True}
            safe |= theirs
        trusted = {**fresh}
        if self.modes[name] != "bulk":
            trusted |= {id_: row for id_, row in kept.items() if id_ not in safe}
        return trusted, {id_: kept[id_] for id_ in kept if id_ in safe}

    def _hanging(self, name: str, kept: dict[str, Record]) -> set[str]:
        """Return the ids that a row with an error names, and those that refer to its record."""
        bad = {n: {line["sourcedId"] for line in lines if "sourcedId" in line}
               for n, lines in self.bad.items()}  # fmt: skip
        ends = {"roles": {"user": "users"}, "classes": {"course": "courses"}}
        ends["enrollments"] = {"user": "users", "class": "classes", "course": "courses"}
        pairs = set()
        if name == "enrollments":
            pairs = {(line.get("userSourcedId"), line.get("classSourcedId"))
                     for line in self.bad.get(name, ())}  # fmt: skip
        return {
            id_ for id_, row in kept.items()
            if id_ in bad.get(name, ())
            or any(row.get(c) in bad.get(n, ()) for c, n in ends.get(name, {}).items())
            or (row.get("user"), row.get("class")) in pairs
        }  # fmt: skip

    def _may_be_theirs(self, kept: dict[str, Record], fresh: dict[str, Record]) -> set[str]:
        """Return the enrollments that broken rows may belong to, where all got new sourcedIds."""
        pairs = {(row["user"], row["class"]) for row in kept.values()}
        again = sum((row["user"], row["class"]) in pairs for row in fresh.values())
        anew = 2 * again >= len(kept)
        rows = [*kept.values(), *fresh.values()]
        ids = set(kept) | (set() if anew else set(fresh))
        users, classes = {row["user"] for row in rows}, {row["class"] for row in rows}
        strays = [
            (line.get("userSourcedId"), line.get("classSourcedId"))
            for line in self.bad.get("enrollments", ())
            if line.get("sourcedId") not in ids
            and (line.get("userSourcedId"), line.get("classSourcedId")) not in pairs
        ]
        theirs = set()
        for user, class_ in strays:
            for id_, row in kept.items():
                lost = user not in users and class_ not in classes
                if (
                    lost
                    or (user not in users and row["class"] == class_)
                    or (class_ not in classes and row["user"] == user)
                ):
                    theirs.add(id_)
        return theirs if anew else {id_ for id_ in theirs if kept[id_].get("unplaced")}

    def _follow_links(self, links: dict[str, tuple[dict[str, Record], dict[str, Record]]]) -> None:
        """Set the end of each class and the course of each enrollment."""
        if "classes" in links:
            days = {}
            if "academicSessions" in self.good:
                days = {
                    line["sourcedId"]: line.get("endDate")
                    for line in self._staying("academicSessions")
                }
            rows = {line["sourcedId"]: line for line in self._staying("classes")}
            for id_, row in links["classes"][0].items():
                old = self.state.links["classes"].get(id_, {}).get("ends")
                row["ends"] = (_last(rows[id_], days) if id_ in rows else None) or old
        merged = {n: {**links[n][0], **links[n][1]} if n in links else self.state.links[n]
                  for n in LINKS}  # fmt: skip
        self.trusted: dict[str, Record] | None = None
        self.safe: dict[str, Record] = {}
        if "enrollments" in links or "classes" in links:
            trusted, self.safe = links.get("enrollments", (self.state.links["enrollments"], {}))
            lasting = "enrollments" not in links and self.modes["classes"] == "bulk"
            self.trusted = {}
            for id_, row in trusted.items():
                course = merged["classes"].get(row["class"], {}).get("course")
                if course is None and lasting:
                    course = row["course"]
                self.trusted[id_] = {**row, "course": course}
            merged["enrollments"] = {**self.trusted, **self.safe}
        names = set(links) | ({"enrollments"} if self.trusted is not None else set())
        if any(self.renamed.values()):
            names = set(LINKS)
        self.merged = merged
        self.plan.links = {name: merged[name] for name in names}

    def _reached_by_roles(self) -> dict[str, list[Record]]:
        """Return users without a row in users.csv whom new roles concern, with their roles."""
        if "roles" not in self.good or self.modes.get("users") == "bulk":
            return {}
        before = self.state.links["roles"]
        trusted, safe = self._merge("roles")
        after = {**trusted, **safe}
        lines = (*self.good.get("users", ()), *self.bad.get("users", ()))
        named = {line.get("sourcedId") for line in lines}
        lost = False
        for line in self.bad.get("roles", ()):
            whose = line.get("userSourcedId") or before.get(str(line.get("sourcedId")), {}).get(
                "user"
            )
            named.add(whose)
            lost = lost or whose is None
        moved = {id_ for id_ in before.keys() | after.keys() if before.get(id_) != after.get(id_)}
        users = {rows[id_]["user"] for rows in (before, after) for id_ in moved if id_ in rows}
        reached = {u: [r for r in after.values() if r["user"] == u] for u in users - named}
        return {u: roles for u, roles in reached.items() if roles or not lost}


def _link(name: str, line: Line, before: Record) -> Record:
    """Return the values of a row to remember."""
    if name == "orgs":
        columns = {"name": "name", "type": "type", "parent": "parentSourcedId"}
        return {ours: _or(line, column, before.get(ours)) for ours, column in columns.items()}
    if name == "roles":
        values = {"user": line["userSourcedId"], "type": line["roleType"], "role": line["role"]}
        return {**values, "org": _or(line, "orgSourcedId", before.get("org"))}
    if name == "classes":
        return {"course": line["courseSourcedId"], "ends": None}
    return {
        "user": line["userSourcedId"], "class": line["classSourcedId"], "role": line["role"],
        "course": None,
    }  # fmt: skip


def _or(line: Line, column: str, before: Any) -> Any:
    return before if column in line["out"] else line.get(column)


def _last(line: Line, days: dict[str, str | None]) -> str | None:
    """Return the last day of a class's terms; None if one of them is not known."""
    if "termSourcedIds" in line["out"] or "termSourcedIds" not in line:
        return None
    ends = [days.get(term.strip()) for term in line["termSourcedIds"].split(",")]
    return max(e for e in ends if e) if all(ends) else None


def of_roles(roles: list[Record]) -> tuple[str | None, str | None]:
    """Return the highest of the roles, primary ones first, and the orgs of all."""
    if not roles:
        return None, None
    best = min(RANK[r["role"]] + (0 if r["type"] == "primary" else 100) for r in roles)
    return PLATFORM[best % 100], ",".join(sorted({r["org"] for r in roles if r["org"]})) or None
