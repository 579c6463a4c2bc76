"""Decide which lines of a package are used and which have an error: docs/reference/columns.md."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oracle.door import STAFF, Line, moment
from oracle.sis import FILES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

_ROLES = {
    ("1.0", "users"): {"administrator", "aide", "proctor", "teacher"},
    ("1.1", "users"): {"administrator", "aide", "proctor", "teacher"},
    ("1.2", "roles"): STAFF - {"administrator"},
}
_IN_CLASS = {"administrator", "aide", "proctor", "teacher"}
_STATUSES = {"1.0": {"active", "inactive", "tobedeleted"}}
_KNOWN_STATUSES = {"active", "tobedeleted"}
_ADDRESS = re.compile(r'[^@\s,;<>"]+@[^@\s,;<>"]+\.[^@\s,;<>".]+')
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(slots=True)
class Judged:
    """The used lines of each file, the lines with an error, and the number of late ones.

    Late lines are neither. `breaking` are the lines that break the standard, used or not.
    """

    good: dict[str, list[Line]] = field(default_factory=dict)
    bad: dict[str, list[Line]] = field(default_factory=dict)
    late: int = 0
    breaking: list[Line] = field(default_factory=list)


def judge_lines(
    version: str,
    modes: Mapping[str, str],
    files: Mapping[str, list[Line]],
    known: Mapping[str, set[str]],
    moments: Mapping[tuple[str, str], dt.datetime],
    *,
    schools_decide: bool,
    missing: Mapping[str, set[str]] | None = None,
) -> Judged:
    """Decide for each line whether it is used.

    Args:
        version: The version of the packages.
        modes: File → bulk or delta.
        files: File → lines.
        known: File → sourcedIds that the site has.
        moments: File and sourcedId → when the record was last modified, from a delta.
        schools_decide: Whether the site has its own threshold for each school.
        missing: File → columns that it does not have: their stored values stay.
    """
    judged = Judged()
    judge = _Judge(version, modes, files, known, moments, schools_decide=schools_decide)
    for name in FILES:
        if name in files:
            judge.missing = set((missing or {}).get(name, ()))
            judged.good[name], judged.bad[name], late = judge.file(name)
            judged.late += late
    judged.breaking = judge.breaking
    return judged


class _Judge:
    def __init__(
        self,
        version: str,
        modes: Mapping[str, str],
        files: Mapping[str, list[Line]],
        known: Mapping[str, set[str]],
        moments: Mapping[tuple[str, str], dt.datetime],
        *,
        schools_decide: bool,
    ) -> None:
        self.version, self.modes, self.moments = version, modes, moments
        self.schools_decide = schools_decide
        self.missing: set[str] = set()
        self.lines: dict[str, list[Line]] = {}
        self.late: dict[str, int] = {}
        for name, lines in files.items():
            self.lines[name] = _once(lines)
        self.present: dict[str, set[str] | None] = {}
        for name in FILES:
            mode = modes.get(name, "absent")
            ids = {line["sourcedId"] for line in self.lines.get(name, ()) if "sourcedId" in line}
            if name == "academicSessions":
                self.present[name] = ids if mode == "bulk" else None
            elif mode == "bulk":
                self.present[name] = ids
            elif mode == "absent" and name in {"orgs", "roles"}:
                self.present[name] = None  # nothing is known about the file, so nothing dangles
            else:
                self.present[name] = ids | set(known.get(name, ()))
        self.known = known
        self.bad_ids: dict[str, set[str]] = {}
        self.going: dict[str, set[str]] = {}
        self.of_bad_roles: set[str] = set()
        self.breaking: list[Line] = []
        self.is_strict = False

    def file(self, name: str) -> tuple[list[Line], list[Line], int]:
        """Return the used lines of a file, the lines with errors, and the number of late lines."""
        lines, late = self._without_late(name)
        if name == "enrollments" and self.modes[name] == "bulk":
            for line in lines:
                user, class_ = line.get("userSourcedId"), line.get("classSourcedId")
                if user in self.going.get("users", ()) or class_ in self.going.get("classes", ()):
                    line.setdefault("goes", "marked")
        counts = Counter(line["sourcedId"] for line in lines if "sourcedId" in line)
        claims = self._claims(lines) if name == "users" else Counter()
        good: list[Line] = []
        bad: list[Line] = []
        for line in lines:
            wrong = "flaw" in line or "sourcedId" not in line or counts[line["sourcedId"]] > 1
            if not wrong and line.get("goes") not in {"no_staff", "not_primary"}:
                wrong = self._wrong_status(line, name)
            if wrong or ("goes" not in line and self._breaks(name, line, claims)):
                self.breaking.append(line)
            if not wrong and "goes" not in line:
                wrong = self._wrong(name, line, claims)
            (bad if wrong else good).append(line)
        self.bad_ids[name] = {line["sourcedId"] for line in bad if "sourcedId" in line}
        self.going[name] = {line["sourcedId"] for line in good if "goes" in line}
        if name == "roles":
            self.of_bad_roles = {line["userSourcedId"] for line in bad if "userSourcedId" in line}
        for line in good:
            self._leave_out(name, line)
        return good, bad, late

    def _breaks(self, name: str, line: Line, claims: Counter[str]) -> bool:
        """Return whether a line breaks the standard; a reference to a removed record does not."""
        self.is_strict = True
        copied = dict(line)
        wrong = self._wrong(name, copied, claims)
        self._leave_out(name, copied)
        school = line.get("schoolSourcedId") if name == "enrollments" else None
        if name == "users" and self.version == "1.2":
            school = "s1"  # the primary org of all users
        wrong = wrong or (school is not None and self._points_wrong(name, "orgs", school))
        self.is_strict = False
        # A session's parent is a session, which can only be missing because of its own line, and
        # users of 1.2 have their orgs in roles.csv.
        elsewhere = {"academicSessions": "parentSourcedId"}
        if self.version == "1.2":
            elsewhere["users"] = "orgSourcedIds"
        return wrong or bool(copied["out"] - {elsewhere.get(name)})

    def _without_late(self, name: str) -> tuple[list[Line], int]:
        """Leave out lines older than the known change, as if they had not arrived."""
        if self.modes[name] != "delta":
            return self.lines[name], 0
        kept = []
        for line in self.lines[name]:
            known = self.moments.get((name, line.get("sourcedId", "")))
            modified = moment(line.get("dateLastModified"))
            if "flaw" in line or known is None or modified is None or modified >= known:
                kept.append(line)
        late = [line for line in self.lines[name] if line not in kept]
        there = self.present[name]
        if there is not None:
            still = {line.get("sourcedId") for line in kept} | self.known.get(name, set())
            there -= {line["sourcedId"] for line in late} - still
        return kept, len(late)

    def _wrong_status(self, line: Line, name: str) -> bool:
        known = _STATUSES.get(self.version, _KNOWN_STATUSES)
        if self.modes[name] == "delta" and "status" not in line:
            return True
        return line.get("status", "active") not in known

    def _claims(self, lines: list[Line]) -> Counter[str]:
        for line in lines:
            if (address := login_of(line)) is not None and "flaw" not in line:
                line["login"] = address
        return Counter(
            line["login"] for line in lines
            if claims_login(line) and _ADDRESS.fullmatch(line["login"])
        )  # fmt: skip

    def _points_wrong(self, name: str, file: str, id_: str) -> bool:
        there = self.present[file]
        if there is None:
            return False
        if id_ not in there or id_ in self.bad_ids.get(file, ()):
            return True
        is_delta = self.modes[name] == "delta" and not self.is_strict
        return is_delta and id_ in self.going.get(file, ())

    def _wrong(self, name: str, line: Line, claims: Counter[str]) -> bool:
        return bool(getattr(self, f"_wrong_{name}", lambda *_: False)(line, claims))

    def _wrong_org(self, name: str, line: Line, column: str) -> bool:
        """Return whether the school is unreadable on a site with thresholds for each school."""
        if not self.schools_decide or column in self.missing:
            return False
        ids = [part.strip() for part in line.get(column, "").split(",") if part.strip()]
        return not ids or any(self._points_wrong(name, "orgs", id_) for id_ in ids)

    def _wrong_users(self, line: Line, claims: Counter[str]) -> bool:
        if self.version == "1.2":
            if line["sourcedId"] in self.of_bad_roles:
                return True
        elif line["role"] not in _ROLES[self.version, "users"] or self._wrong_org(
            "users", line, "orgSourcedIds"
        ):
            return True
        email = line.get("email")
        return (
            "givenName" not in line
            or "familyName" not in line
            or line.get("enabledUser", "true") not in {"true", "false"}
            or (email is not None and not _ADDRESS.fullmatch(email))
            or (claims_login(line) and claims[line["login"]] > 1)
        )

    def _wrong_roles(self, line: Line, _: Counter[str]) -> bool:
        return (
            "userSourcedId" not in line
            or self._points_wrong("roles", "users", line["userSourcedId"])
            or line.get("roleType") not in {"primary", "secondary"}
            or line.get("role") not in _ROLES["1.2", "roles"]
            or self._wrong_org("roles", line, "orgSourcedId")
        )

    def _wrong_courses(self, line: Line, _: Counter[str]) -> bool:
        return "title" not in line or self._wrong_org("courses", line, "orgSourcedId")

    def _wrong_classes(self, line: Line, _: Counter[str]) -> bool:
        return (
            "courseSourcedId" not in line
            or self._points_wrong("classes", "courses", line["courseSourcedId"])
            or self._wrong_org("classes", line, "schoolSourcedId")
        )

    def _wrong_enrollments(self, line: Line, _: Counter[str]) -> bool:
        return (
            "classSourcedId" not in line
            or "userSourcedId" not in line
            or self._points_wrong("enrollments", "classes", line["classSourcedId"])
            or self._points_wrong("enrollments", "users", line["userSourcedId"])
            or line.get("role") not in _IN_CLASS
        )

    def _leave_out(self, name: str, line: Line) -> None:
        """Leave out values that are unreadable and decide nothing."""
        out = line["out"] = set()
        blanks = {
            "orgs": ("name", "type"),
            "users": ("username", "enabledUser", "orgSourcedIds"),
            "roles": ("orgSourcedId",),
            "courses": ("orgSourcedId",),
            "classes": ("schoolSourcedId", "termSourcedIds"),
            "academicSessions": ("startDate", "endDate"),
        }
        if "goes" in line:
            return
        out |= {column for column in blanks.get(name, ()) if column not in line}
        out -= self.missing
        if self.version == "1.0":
            out.discard("enabledUser")  # 1.0 has no such column
        if name == "academicSessions" and not _DAY.fullmatch(line.get("endDate", "")):
            out.add("endDate")
            line.pop("endDate", None)
        if name == "orgs" and line.get("type") == "castle":
            out.add("type")
            del line["type"]
        for column, file in (
            ("orgSourcedIds", "orgs"), ("orgSourcedId", "orgs"),
            ("termSourcedIds", "academicSessions"),
            ("schoolYearSourcedId", "academicSessions"), ("parentSourcedId", "orgs"),
        ):  # fmt: skip
            if column not in line:
                continue
            ids = [part.strip() for part in line[column].split(",")]
            sound = [id_ for id_ in ids if not self._points_wrong(name, file, id_)]
            if column == "parentSourcedId":
                sound = [id_ for id_ in ids if id_ in (self.present["orgs"] or ids)]
            if sound != ids:
                out.add(column)
                line[column] = ",".join(sound)
                if not sound:
                    del line[column]


def login_of(line: Line) -> str | None:
    """Return the login: the e-mail, or a username that is an e-mail address."""
    address = line.get("email")
    if address is None and _ADDRESS.fullmatch(line.get("username", "")):
        address = line["username"]
    return address.lower() if address else None


def claims_login(line: Line) -> bool:
    """Return whether a line claims its login."""
    named = line.get("login") is not None
    return named and "goes" not in line and line.get("enabledUser") != "false"


def _once(lines: list[Line]) -> list[Line]:
    """Return each line once; merge lines of one user that differ only in their orgs."""
    once: list[Line] = []
    for line in lines:
        content = _without(line, "part")
        if "sourcedId" not in line or all(_without(other, "part") != content for other in once):
            once.append(dict(line))
    rests = [_without(line, "part", "orgSourcedIds") for line in once]
    merged: list[Line] = []
    for line, rest in zip(once, rests, strict=True):
        ours = [r for r in rests if r.get("sourcedId") == rest.get("sourcedId")]
        first = next((m for m in merged if _without(m, "part", "orgSourcedIds") == rest), None)
        alone = "flaw" in line or "sourcedId" not in line or any(r != rest for r in ours)
        if first is None or alone:
            merged.append(line)
        else:
            orgs = [o for one in (first, line) if (o := one.get("orgSourcedIds"))]
            if orgs:
                first["orgSourcedIds"] = ",".join(orgs)
    return merged


def _without(line: Line, *keys: str) -> Line:
    return {key: value for key, value in line.items() if key not in keys}
