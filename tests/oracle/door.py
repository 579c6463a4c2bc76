"""Reading a package: who a row belongs to, whether it is usable, and what pending deltas add.

The rules are those of docs/reference/semantics.md and docs/reference/columns.md, with dictionaries.
A row is a dictionary of cells without blank ones, with four keys of our own: `flaw` (why the whole
row is broken), `goes` (why its record is removed), `part` (the number of its package) and `out`
(the columns whose value is left out).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from district.columns import COLUMNS
from oracle.sis import EXTRA, FILES, File, Pack

if TYPE_CHECKING:
    from collections.abc import Iterable

Line = dict[str, Any]

PUPILS = {"student", "parent", "guardian", "relative"}
STAFF = {
    "administrator", "districtAdministrator", "principal", "siteAdministrator",
    "systemAdministrator", "counselor", "teacher", "proctor", "aide",
}  # fmt: skip
_MARKS = {"1.0": {"inactive", "tobedeleted"}, "1.1": {"tobedeleted"}, "1.2": {"tobedeleted"}}
FILES_OF = {
    "users": {"orgs", "roles", "users"},
    "courses": {"academicSessions", "orgs", "courses"},
    "users_and_courses": set(FILES),
}


@dataclass(slots=True)
class Known:
    """The site's users, roles (with their users) and enrollments before this package.

    `unread_roles` are unreadable roles of pending deltas: they make nobody staff. `pairs` are the
    enrollments that are known by user and class.
    """

    users: set[str]
    roles: dict[str, str]
    enrollments: set[str]
    role_types: dict[str, str] = field(default_factory=dict)
    unread_roles: dict[str, str] = field(default_factory=dict)
    pairs: set[str] = field(default_factory=set)
    has_courses: bool = True

    def add_pending(self, file: str, lines: list[Line]) -> None:
        """Add the lines of a pending delta."""
        for line in lines:
            if "goes" in line or "sourcedId" not in line:
                continue
            id_, user = line["sourcedId"], line.get("userSourcedId")
            if file == "users" and "flaw" not in line:
                self.users.add(id_)
            if file == "enrollments":
                self.enrollments.add(id_)
                is_clear = "flaw" not in line and line.get("role") in STAFF
                self.pairs |= {id_} if is_clear and id_.startswith("(") else set()
            if file == "roles" and user is not None:
                self.users.add(user)
                if "flaw" in line or line.get("role") not in STAFF:
                    self.unread_roles[id_] = user
                else:
                    self.roles.setdefault(id_, user)
                    self.role_types.setdefault(id_, line.get("roleType", ""))


@dataclass(slots=True)
class Read:
    """One package after reading: mode and lines of each file, their row counts, ignored people."""

    version: str
    modes: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[Line]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    ignored: int = 0
    refused: bool = False


def read_pack(pack: Pack, known: Known, scope: str) -> Read:
    """Read a package: rows of pupils are dropped, removals and broken rows are blanked."""
    read = Read(pack.version)
    files = {name: file for name, file in pack.files.items() if name in FILES_OF[scope]}
    whole = [name for name, file in pack.files.items() if file.mode == "bulk"]
    if pack.version == "1.2" and "users" in whole and "roles" not in pack.files:
        # Also where the scope skips files: without roles, staff and pupils look alike.
        read.refused = not known.roles
    if read.refused:
        return read
    if not known.has_courses and "courses" in FILES_OF[scope] and "courses" not in files:
        # Without courses no assignment is possible: reported once. Deltas are read as usual.
        hanging = ("classes", "enrollments")
        files = {n: f for n, f in files.items() if n not in hanging or f.mode != "bulk"}
    roles = _Roles(pack, files.get("roles"), known)
    dropped: set[str] = set()
    for name in FILES:
        if name not in files:
            continue
        lines = _lines(pack, name, files[name])
        read.modes[name], read.rows[name] = files[name].mode, len(files[name].rows)
        if name == "roles":
            lines = roles.kept
        elif name == "users":
            lines, ignored, theirs = _users(pack, files[name], lines, known, roles)
            read.ignored, dropped = ignored, theirs
            dropped -= {
                line["sourcedId"] for line in lines
                if "sourcedId" in line and line.get("goes") not in {"no_staff", "not_primary"}
            }  # fmt: skip
        elif name == "enrollments":
            lines = _enrollments(pack, files[name], lines, known, dropped)
        else:
            for line in lines:
                if line.get("status") in _MARKS[pack.version]:
                    line["goes"] = "marked"
        if files[name].mode == "bulk":
            for line in lines:
                line.pop("dateLastModified", None)
                if line.get("status") == "active":
                    del line["status"]
        read.lines[name] = lines
    return read


def _lines(pack: Pack, name: str, file: File) -> list[Line]:
    version, lines = pack.version, []
    columns = set(COLUMNS["1.2" if name == "roles" else "1.1"][name])
    columns -= pack.missing.get(name, set())
    for row in file.rows:
        line: Line = {c: row[c].strip() for c in columns if row.get(c, "").strip()}
        if version == "1.0" and name == "users":
            line.pop("enabledUser", None)
        if version == "1.2" and name == "users":
            line.pop("role", None)
            line.pop("orgSourcedIds", None)
        if EXTRA in row:
            line = {c: v for c, v in line.items() if c == "sourcedId"}
            line["flaw"] = "width"
        lines.append(line)
    return lines


def _verdict(who: str, *, marked: bool, ours: bool, delta: bool) -> str:
    """Return what happens to a row: the decision table of docs/reference/semantics.md."""
    if who == "second":
        return "goes" if ours else "dropped"
    if who == "pupil":
        return "goes" if ours and delta else "dropped"
    if who == "nobody" and not ours:
        return "dropped"
    if marked:
        return "goes"
    return "comes" if who == "staff" else "protected"


def _who(line: Line) -> str:
    role = line.get("role", "")
    if "flaw" in line:
        return "unread"
    if role in PUPILS or role.startswith("ext:"):
        return "pupil"
    return "staff" if role in STAFF else "unread"


def _judge(
    version: str, file: File, lines: list[Line], who: list[str], ours: Iterable[str]
) -> tuple[list[Line], list[Line], list[str]]:
    """Return the lines that stay, the pupils that leave the staff, and the verdict on each line."""
    ours, kept, leavers, verdicts = set(ours), [], [], []
    for line, whose in zip(lines, who, strict=True):
        marked = line.get("status") in _MARKS[version]
        known = line.get("sourcedId") in ours
        verdict = _verdict(whose, marked=marked, ours=known, delta=file.mode == "delta")
        verdicts.append(verdict)
        if verdict == "goes" and whose in {"pupil", "second"}:
            columns = ("sourcedId", "status", "dateLastModified")
            why = "no_staff" if whose == "pupil" else "not_primary"
            leavers.append({**{c: line[c] for c in columns if c in line}, "goes": why})
        elif verdict != "dropped":
            if verdict == "goes":
                line["goes"] = "marked"
            kept.append(line)
    return kept, leavers, verdicts


def _with_leavers(kept: list[Line], leavers: list[Line]) -> list[Line]:
    """Add each leaver once, unless another row of the file keeps this person."""
    named = {line.get("sourcedId") for line in kept}
    for line in leavers:
        if line["sourcedId"] not in named:
            named.add(line["sourcedId"])
            kept = [*kept, line]
    return kept


class _Roles:
    """The roles of all people, from a package and from the roster, in 1.2."""

    def __init__(self, pack: Pack, file: File | None, known: Known) -> None:
        self.staff: set[str] = set()
        self.unread: set[str] = set()
        self.pupils: set[str] = set()
        self.lost = False
        self.second: set[str] = set()
        self.undecided: set[str] = set()
        self.kept: list[Line] = []
        if pack.version != "1.2":
            return
        lines = _lines(pack, "roles", file) if file else []
        for line in lines:
            user_of = {**known.unread_roles, **known.roles}
            if "flaw" in line and line.get("sourcedId") in user_of:
                line["userSourcedId"] = user_of[line["sourcedId"]]
            self.lost = self.lost or ("flaw" in line and "userSourcedId" not in line)
        who = [_who(line) for line in lines]
        named = {line.get("sourcedId") for line in lines}
        remembered: dict[str, str] = {}
        if not file or file.mode == "delta":
            remembered = {id_: user for id_, user in known.roles.items() if id_ not in named}
            self.unread |= {u for id_, u in known.unread_roles.items() if id_ not in named}
        self.second = self._second(lines, who, known, remembered)
        who = [
            "unread" if w == "staff" and line.get("userSourcedId") in self.undecided
            and line.get("status") not in _MARKS["1.2"] else w
            for w, line in zip(who, lines, strict=True)
        ]  # fmt: skip
        for line, whose in zip(lines, who, strict=True):
            if whose == "unread" and line.get("userSourcedId") in self.undecided:
                line.setdefault("flaw", "unclear type")
        who = [
            "second" if w == "staff" and line.get("userSourcedId") in self.second else w
            for w, line in zip(who, lines, strict=True)
        ]
        if file:
            ours = {*known.roles, *known.unread_roles}
            kept, leavers, verdicts = _judge(pack.version, file, lines, who, ours)
            for id_ in sorted(remembered):
                if remembered[id_] in self.second:
                    values = self.pupil_rows[remembered[id_]]
                    leavers.append({**values, "sourcedId": id_, "goes": "not_primary"})
            self.kept = _with_leavers(kept, leavers)
            for line, whose, verdict in zip(lines, who, verdicts, strict=True):
                user = line.get("userSourcedId")
                if user is None:
                    continue
                if verdict == "comes":
                    self.staff.add(user)
                elif verdict == "protected":
                    self.unread.add(user)
                elif whose == "pupil":
                    self.pupils.add(user)
        self.staff |= set(remembered.values()) - self.second

    def _second(
        self,
        lines: list[Line],
        who: list[str],
        known: Known,
        remembered: dict[str, str],
    ) -> set[str]:
        """Return the people whose staff roles don't count, since none of these is primary."""
        staff, maybe = set(remembered.values()), set(self.unread)
        primary, odd = set(), set()
        self.pupil_rows: dict[str, Line] = {}
        for line, whose in zip(lines, who, strict=True):
            user = line.get("userSourcedId")
            type_, marked = line.get("roleType", "").lower(), line.get("status") in _MARKS["1.2"]
            if user is None or marked:
                continue
            if whose == "pupil" and type_ == "primary":
                columns = ("status", "dateLastModified")
                self.pupil_rows.setdefault(user, {c: line[c] for c in columns if c in line})
            if whose == "pupil" and type_ not in {"primary", "secondary"}:
                odd.add(user)
            if whose == "staff":
                staff.add(user)
                if type_ != "secondary":
                    primary.add(user)
            if whose == "unread" or (whose == "staff" and type_ != "secondary"):
                maybe.add(user)
        before = {u for id_, u in remembered.items() if known.role_types.get(id_) != "secondary"}
        maybe |= before
        # Without a primary role an unreadable type would decide, so the user is undecided.
        self.undecided = (odd & staff) - primary - before - set(self.pupil_rows)
        if self.lost:
            maybe |= known.users
        return (set(self.pupil_rows) & staff) - maybe

    def who(self, line: Line) -> str:
        """Return who a row of users.csv belongs to."""
        user = line.get("sourcedId")
        if user in self.undecided:
            return "unread"
        if user in self.staff:
            return "staff"
        if user is None or user in self.unread:
            return "unread"
        if user in self.second:
            return "second"
        return "pupil" if user in self.pupils else "nobody"


def _users(
    pack: Pack, file: File, lines: list[Line], known: Known, roles: _Roles
) -> tuple[list[Line], int, set[str]]:
    """Return the kept lines of users.csv, the count of ignored ones, the dropped sourcedIds."""
    new = pack.version == "1.2"
    who = [roles.who(line) if new else _who(line) for line in lines]
    if roles.lost:
        # A broken role row without a known user may be the one that makes a known person staff.
        who = [
            "unread" if w in {"pupil", "second"} and line.get("sourcedId") in known.users else w
            for w, line in zip(who, lines, strict=True)
        ]
    kept, leavers, verdicts = _judge(pack.version, file, lines, who, known.users)
    gone = [
        (line, w, v) for line, w, v in zip(lines, who, verdicts, strict=True)
        if v == "dropped" or (v == "goes" and w in {"pupil", "second"})
    ]  # fmt: skip
    for line, whose, verdict in zip(lines, who, verdicts, strict=True):
        if verdict not in {"goes", "protected"}:
            continue
        columns = {"sourcedId", "status", "dateLastModified", "flaw", "goes", "role"}
        for column in set(line) - (columns if verdict == "protected" else columns - {"role"}):
            del line[column]
        if verdict == "protected":
            line.setdefault("flaw", "no role" if whose == "nobody" else "unread")
    ignored = sum(w in {"pupil", "second", "nobody"} for _, w, _ in gone)
    theirs = {line["sourcedId"] for line, _, _ in gone if "sourcedId" in line}
    return _with_leavers(kept, leavers), ignored, theirs


def _enrollments(
    pack: Pack, file: File, lines: list[Line], known: Known, dropped: set[str]
) -> list[Line]:
    for line in lines:
        user, class_ = line.get("userSourcedId"), line.get("classSourcedId")
        lacks = "sourcedId" in pack.missing.get("enrollments", ())
        pair = f"({user},{class_})"
        if "flaw" not in line and user and class_ and (lacks or pair in known.pairs):
            line["sourcedId"] = pair
    who = [_who(line) for line in lines]
    for at, line in enumerate(lines):
        if "flaw" not in line and line.get("userSourcedId") in dropped:
            who[at] = "pupil"
    kept, leavers, _ = _judge(pack.version, file, lines, who, known.enrollments)
    return _with_leavers(_each_pair_once(kept), leavers)


def _each_pair_once(lines: list[Line]) -> list[Line]:
    """Keep the first line of each pair and role: another term makes no other assignment."""
    seen, kept = set(), []
    for line in lines:
        key = tuple(line.get(column) for column in ("sourcedId", "role", "status", "goes"))
        if "flaw" not in line and (key[0] or "").startswith("("):
            if key in seen:
                continue
            seen.add(key)
        kept.append(line)
    return kept


# Several packages together


def moment(text: str | None) -> dt.datetime | None:
    """Return a dateLastModified as a time, or None for a blank one."""
    if not text:
        return None
    return dt.datetime.fromisoformat(text)


def fold(parts: list[tuple[int, dt.datetime, list[Line]]]) -> list[Line]:
    """Return the lines that count among several deltas of a file: the newest of each sourcedId.

    Args:
        parts: Number of the package, its time of arrival and its lines; the oldest first.
    """
    best: dict[str, tuple[dt.datetime, int, int]] = {}
    for at, (number, arrived, lines) in enumerate(parts):
        for line in lines:
            if (id_ := line.get("sourcedId")) is not None:
                when = moment(line.get("dateLastModified")) or arrived
                key = (when, at, number)
                best[id_] = max(best.get(id_, key), key)
    return [
        {**line, "part": number}
        for number, _, lines in parts
        for line in lines
        if line.get("sourcedId") is None or best[line["sourcedId"]][2] == number
    ]
