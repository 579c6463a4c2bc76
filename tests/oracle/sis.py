"""A small student information system: its records, its days, and the packages that it exports."""

from __future__ import annotations

import copy
import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from district.columns import COLUMNS, MANIFEST_FILES

if TYPE_CHECKING:
    import datetime as dt
    import random
    from collections.abc import Callable
    from pathlib import Path

Row = dict[str, str]
EXTRA = "+"
"""Key of a surplus cell, which makes the whole row broken."""
PUPIL = "zq-pupil"
"""Part of each value of a student; it must not appear anywhere afterwards."""
FILES = ("academicSessions", "orgs", "courses", "classes", "roles", "users", "enrollments")
_OF_1_0 = {
    "courses": {"schoolYearSourcedId": "schoolYearId", "grades": "grade"},
    "classes": {"termSourcedIds": "termSourcedId"},
}
_STAFF_1_1 = ("teacher", "teacher", "teacher", "aide", "administrator", "proctor")
_STAFF_1_2 = ("teacher", "teacher", "teacher", "aide", "principal", "counselor", "proctor")
_GIVEN = ("Ann", "Bob", "Cem", "Dora", "Eve", "Finn", "Gül", "Hugo", "Ida", "Jan", "Kim", "Lea")
_FAMILY = ("Lee", "Ray", "Poe", "Kaya", "Groß", "Ngo", "Ólafs", "Berg", "Diaz", "Ito")


@dataclass(slots=True)
class File:
    """One file of a package: its mode, `bulk` or `delta`, and its rows by standard column."""

    mode: str
    rows: list[Row]


@dataclass(slots=True)
class Pack:
    """A package; with `lone` it is a single CSV without a manifest."""

    version: str
    files: dict[str, File]
    lone: bool = False
    missing: dict[str, set[str]] = field(default_factory=dict)
    """File → columns that are missing in its header."""

    def write(self, folder: Path) -> Path:
        """Write the package into a new folder and return its path."""
        folder.mkdir(parents=True)
        for name, file in self.files.items():
            (folder / f"{name}.csv").write_text(self._csv(name, file), "utf-8")
        if self.lone:
            return folder / f"{next(iter(self.files))}.csv"
        if self.version != "1.0":
            modes = {name: file.mode for name, file in self.files.items()}
            lines = ["propertyName,value", "manifest.version,1.0"]
            lines += [f"oneroster.version,{self.version}"]
            lines += [f"file.{n},{modes.get(n, 'absent')}" for n in MANIFEST_FILES[self.version]]
            lines += ["source.systemName,Example SIS", "source.systemCode,example"]
            (folder / "manifest.csv").write_text("\n".join(lines) + "\n", "utf-8")
        return folder

    def _csv(self, name: str, file: File) -> str:
        header = [c for c in COLUMNS[self.version][name] if c not in self.missing.get(name, ())]
        names = _OF_1_0.get(name, {}) if self.version == "1.0" else {}
        back = {theirs: ours for ours, theirs in names.items()}
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        for row in file.rows:
            cells = [row.get(back.get(column, column), "") for column in header]
            writer.writerow([*cells, row[EXTRA]] if EXTRA in row else cells)
        return text.getvalue()

    def to_text(self) -> str:
        """Return the package as text for a person: only cells with a value."""
        lines = [f"version {self.version}{', a lone file' if self.lone else ''}"]
        lines += [f"  no columns {self.missing}"] if self.missing else []
        for name, file in self.files.items():
            lines.append(f"  {name}.csv ({file.mode})")
            lines += [f"    { ({k: v for k, v in row.items() if v}) }" for row in file.rows]
        return "\n".join(lines)


@dataclass(slots=True)
class Sis:
    """The records of a district by file and sourcedId, and the last export of each file."""

    rng: random.Random
    version: str
    staff: int = 14
    wild: bool = False
    paired: bool = False
    tables: dict[str, dict[str, Row]] = field(default_factory=dict)
    sent: dict[str, dict[str, Row]] = field(default_factory=dict)
    left: list[tuple[str, Row, list[Row]]] = field(default_factory=list)
    serial: int = 0

    def __post_init__(self) -> None:
        """Make the records of the first day."""
        self.tables = {name: {} for name in FILES}
        self._add("orgs", "d", name="District", type="district", identifier="1")
        for school in ("s1", "s2"):
            self._add("orgs", school, name=school, type="school", parentSourcedId="d")
        year = {"title": "Year", "type": "schoolYear", "startDate": "2026-08-01"}
        self._add("academicSessions", "y", **year, endDate="2027-06-11", schoolYear="2027")
        for term, ends in (("fall", "2026-12-11"), ("spring", "2027-06-11")):
            values = {"title": term, "type": "term", "startDate": "2026-08-01", "endDate": ends}
            self._add("academicSessions", term, **values, schoolYear="2027", parentSourcedId="y")
        for _ in range(self.staff):
            self.hire()
        for _ in range(4):
            self.hire("student")
        for _ in range(6):
            self.found_course()
        for _ in range(self.staff):
            self.enroll()

    # A day

    def live(self) -> None:
        """Change the records as on one day: a few events happen."""
        happenings: tuple[Callable[[], object], ...] = (
            *((self.hire,) * 2), self.leave, self.leave, self.leave, self.come_back, self.marry,
            self.marry, self.change_role, self.change_role, self.switch, self.found_course,
            self.end_course, self.rename_course, self.open_class, self.move_class, self.end_class,
            *((self.enroll,) * 3), *((self.end_enrollment,) * 3), self.move_enrollment, self.swap,
            self.hand_on, self.renumber, self.end_term, self.give_id_away, self.move_house,
            self.promote, self.promote, self.number_anew,
        )  # fmt: skip
        count = self.rng.choice((1, 2, 3, 4, 6)) * (3 if self.wild else 1)
        for happening in self.rng.sample(happenings, min(count, len(happenings))):
            happening()

    def hire(self, role: str | None = None) -> str:
        """Add a person of the staff, or a student if the role is `student`."""
        id_ = self._next("u")
        pupil = role == "student"
        known = _STAFF_1_2 if self.version == "1.2" else _STAFF_1_1
        role = role or self.rng.choice(known)
        given = f"{PUPIL}{id_}" if pupil else self.rng.choice(_GIVEN)
        family = f"{PUPIL}{id_}" if pupil else self.rng.choice(_FAMILY)
        mail = f"{PUPIL}-{id_}@x.org" if pupil else f"{id_}.{self.rng.choice('ab')}@x.org"
        self._add(
            "users", id_, enabledUser="true", orgSourcedIds="s1", role=role, givenName=given,
            familyName=family, email=mail, username=f"{PUPIL}{id_}" if pupil else f"n-{id_}",
            primaryOrgSourcedId="s1",
        )  # fmt: skip
        self._give_roles(id_, role)
        if pupil and self.tables["classes"]:
            self.enroll(id_, "student")
        return id_

    def leave(self) -> None:
        """Remove a member of the staff, with roles and enrollments."""
        id_ = self._pick("users")
        if id_ is None or len(self._staff()) < 6:
            return
        self.left.append((id_, self.tables["users"].pop(id_), self._take_roles(id_)))
        self._drop_where("enrollments", "userSourcedId", id_)

    def come_back(self) -> None:
        """Add a person again who left."""
        if self.left:
            id_, row, roles = self.left.pop(self.rng.randrange(len(self.left)))
            if id_ not in self.tables["users"]:
                self.tables["users"][id_] = row
                self.tables["roles"] |= {role["sourcedId"]: role for role in roles}

    def marry(self) -> None:
        """Change a person's name, address or username."""
        if (id_ := self._pick("users")) is not None:
            row = self.tables["users"][id_]
            what = self.rng.choice(("familyName", "email", "username", "givenName"))
            value = {"email": f"{id_}.{self.rng.choice('abc')}@x.org"}.get(what)
            row[what] = value or f"{self.rng.choice(_FAMILY)}{self._next('')}"

    def change_role(self) -> None:
        """Give a person another role, or make them a student."""
        if (id_ := self._pick("users")) is not None and len(self._staff()) > 5:
            known = _STAFF_1_2 if self.version == "1.2" else _STAFF_1_1
            role = self.rng.choice((*known, "student"))
            self.tables["users"][id_]["role"] = role
            self._take_roles(id_)
            self._give_roles(id_, role)

    def promote(self) -> None:
        """Make a student a member of the staff, with a new name."""
        users = self.tables["users"]
        pupils = [id_ for id_, row in users.items() if row["role"] == "student"]
        if pupils:
            id_ = self.rng.choice(pupils)
            users[id_] |= {
                "role": "teacher", "givenName": self.rng.choice(_GIVEN), "familyName": "Neu",
                "email": f"{id_}.c@x.org", "username": f"n-{id_}",
            }  # fmt: skip
            self._take_roles(id_)
            self._give_roles(id_, "teacher")

    def number_anew(self) -> None:
        """Give all enrollments new sourcedIds."""
        rows = list(self.tables["enrollments"].values())
        self.tables["enrollments"] = {}
        for row in rows:
            id_ = self._next("e")
            self.tables["enrollments"][id_] = {**row, "sourcedId": id_}

    def switch(self) -> None:
        """Disable or enable a user."""
        if (id_ := self._pick("users")) is not None:
            row = self.tables["users"][id_]
            row["enabledUser"] = "true" if row["enabledUser"] == "false" else "false"

    def found_course(self) -> None:
        """Add a course, with a class and a teacher."""
        id_ = self._next("c")
        self._add(
            "courses", id_, title=f"Course {id_}", courseCode=f"C-{id_}", orgSourcedId="s1",
            schoolYearSourcedId="y", grades="07,08", subjects="Maths",
        )  # fmt: skip
        self.open_class(id_)

    def end_course(self) -> None:
        """Remove a course, with or without its classes."""
        if (id_ := self._pick("courses")) is not None and len(self.tables["courses"]) > 3:
            del self.tables["courses"][id_]
            if self.rng.random() < 0.5:
                for class_ in self._drop_where("classes", "courseSourcedId", id_):
                    self._drop_where("enrollments", "classSourcedId", class_)

    def rename_course(self) -> None:
        """Change a course's title, or add a removed course again that still has classes."""
        dangling = {c["courseSourcedId"] for c in self.tables["classes"].values()}
        dangling -= set(self.tables["courses"])
        if dangling and self.rng.random() < 0.7:
            id_ = self.rng.choice(sorted(dangling))
            values = {"courseCode": f"C-{id_}", "orgSourcedId": "s2", "schoolYearSourcedId": "y"}
            self._add("courses", id_, title=f"Course {id_}", **values)
        elif (one := self._pick("courses")) is not None:
            self.tables["courses"][one]["title"] = f"Title {self._next('')}"

    def open_class(self, course: str | None = None) -> None:
        """Add a class."""
        course = course or self._pick("courses")
        if course is None:
            return
        id_ = self._next("k")
        term = self.rng.choice(("fall", "fall", "spring", "fall,spring"))
        self._add(
            "classes", id_, title=id_, courseSourcedId=course, schoolSourcedId="s1",
            termSourcedIds=term, classType="scheduled",
        )  # fmt: skip
        if (user := self._pick("users")) is not None:
            self.enroll(user, "teacher", id_)

    def move_class(self) -> None:
        """Move a class to another course."""
        if (id_ := self._pick("classes")) and (course := self._pick("courses")):
            self.tables["classes"][id_]["courseSourcedId"] = course

    def end_class(self) -> None:
        """Remove a class."""
        if len(self.tables["classes"]) > 4 and (id_ := self._pick("classes")):
            del self.tables["classes"][id_]
            self._drop_where("enrollments", "classSourcedId", id_)

    def enroll(
        self, user: str | None = None, role: str | None = None, class_: str | None = None
    ) -> None:
        """Add an enrollment."""
        user, class_ = user or self._pick("users"), class_ or self._pick("classes")
        if user and class_:
            role = role or self.rng.choice(("teacher", "teacher", "teacher", "aide", "proctor"))
            values = {"classSourcedId": class_, "userSourcedId": user, "role": role}
            self._add("enrollments", self._next("e"), schoolSourcedId="s1", **values)

    def end_enrollment(self) -> None:
        """Remove an enrollment."""
        if len(self.tables["enrollments"]) > 5 and (id_ := self._pick("enrollments")):
            del self.tables["enrollments"][id_]

    def move_enrollment(self) -> None:
        """Change the user, class or role of an enrollment."""
        if (id_ := self._pick("enrollments")) is not None:
            row = self.tables["enrollments"][id_]
            what = self.rng.choice(("userSourcedId", "classSourcedId", "role"))
            values = {"userSourcedId": self._pick("users"), "classSourcedId": self._pick("classes")}
            row[what] = values.get(what) or self.rng.choice(("teacher", "aide"))

    def swap(self) -> None:
        """Exchange the addresses of two people."""
        if len(staff := self._staff()) > 1:
            users = self.tables["users"]
            one, other = self.rng.sample(staff, 2)
            users[one]["email"], users[other]["email"] = users[other]["email"], users[one]["email"]

    def hand_on(self) -> None:
        """Give the address of a person who left to a new person or a colleague."""
        if self.left:
            _, row, _ = self.rng.choice(self.left)
            id_ = self.hire() if self.rng.random() < 0.5 else self._pick("users")
            if id_ is not None:
                self.tables["users"][id_]["email"] = row["email"]

    def renumber(self) -> None:
        """Give a person another sourcedId."""
        if (id_ := self._pick("users")) is None:
            return
        new = self._next("u")
        self.tables["users"][new] = {**self.tables["users"].pop(id_), "sourcedId": new}
        for role in self._take_roles(id_):
            self._add_role(new, role["role"], role["roleType"], role["orgSourcedId"])
        for row in self.tables["enrollments"].values():
            if row["userSourcedId"] == id_:
                row["userSourcedId"] = new

    def give_id_away(self) -> None:
        """Give a sourcedId to another person."""
        if self.rng.random() < 0.5 and (id_ := self._pick("users")) is not None:
            row = self.tables["users"][id_]
            row |= {"givenName": f"New{self._next('')}", "familyName": f"Other{self._next('')}"}
            row["email"] = f"{self._next('n')}@x.org"

    def move_house(self) -> None:
        """Move a person and a course to the other school."""
        if (id_ := self._pick("users")) is not None:
            self.tables["users"][id_]["orgSourcedIds"] = self.rng.choice(("s2", "s2,s1"))
            for role in self.tables["roles"].values():
                if role["userSourcedId"] == id_:
                    role["orgSourcedId"] = "s2"
        if (id_ := self._pick("courses")) is not None:
            self.tables["courses"][id_]["orgSourcedId"] = "s2"

    def end_term(self) -> None:
        """Change the end date of a term."""
        days = ("2026-12-11", "2026-12-20", "2026-12-01")
        self.tables["academicSessions"]["fall"]["endDate"] = self.rng.choice(days)

    # A package

    def export(self, modes: dict[str, str], now: dt.datetime, *, lone: bool = False) -> Pack:
        """Return a package; files without a mode are absent.

        A delta has the changes since the file was last sent. Some of its rows have no time.
        """
        files = {}
        for name, mode in modes.items():
            table = self.tables[name]
            if mode == "bulk":
                rows = [dict(row) for row in table.values()]
            else:
                rows = self._changes(name, now)
            files[name] = File(mode, rows)
            self.sent[name] = copy.deepcopy(table)
        # A lone courses.csv of 1.2 has the header of 1.1.
        version = "1.1" if lone and "courses" in files and self.version == "1.2" else self.version
        missing = {"enrollments": {"sourcedId"}} if self.paired and "enrollments" in files else {}
        return Pack(version, files, lone, missing)

    def _changes(self, name: str, now: dt.datetime) -> list[Row]:
        before, table = self.sent.get(name, {}), self.tables[name]
        rows = [row for id_, row in table.items() if row != before.get(id_)]
        some = [row for row in table.values() if row not in rows]
        rows += self.rng.sample(some, min(len(some), self.rng.choice((0, 0, 1))))
        changed = [{**row, "status": "active"} for row in rows]
        changed += [
            {**row, "status": "tobedeleted"} for id_, row in before.items() if id_ not in table
        ]
        for row in changed:
            late = self.rng.choice((0, 0, 0, 0, 0, 30))
            stamp = now.timestamp() - late * 3600 - self.rng.randrange(600)
            modified = type(now).fromtimestamp(stamp, now.tzinfo)
            row["dateLastModified"] = f"{modified:%Y-%m-%dT%H:%M:%S.000Z}"
            if self.rng.random() < 0.1:
                row["dateLastModified"] = ""
        return changed

    def lack(self, pack: Pack) -> None:
        """Leave an optional column out of a bulk file."""
        lacks = {"users": ("enabledUser", "username", "orgSourcedIds"), "courses": ("courseCode",)}
        for name, columns in lacks.items():
            column = self.rng.choice(columns)
            has = column in COLUMNS[pack.version][name]
            if name in pack.files and pack.files[name].mode == "bulk" and has and not pack.lone:
                pack.missing[name] = {column}

    def spoil(self, pack: Pack, share: float) -> None:
        """Break about this share of the rows of a package, each in one of many ways."""
        for name, file in pack.files.items():
            breaks = _BREAKS.get(name, ())
            for row in list(file.rows):
                if breaks and self.rng.random() < share:
                    self._break(file, row, self.rng.choice((*breaks, *_OF_ALL)))

    def _break(self, file: File, row: Row, how: tuple[str, str]) -> None:
        what, value = how
        is_pupils_role = "roleType" in row and row.get("role") == "student"
        place = self.rng.randint(0, len(file.rows))
        if what == "twin":
            file.rows.insert(place, dict(row))
        elif what == "orgs twin":
            file.rows.insert(place, {**row, "orgSourcedIds": "s2"})
        elif what == "other twin":
            column = "givenName" if "givenName" in row else "title" if "title" in row else "role"
            other = "aide" if column == "role" else f"{row[column]} again"
            if row.get("role") != "student":
                file.rows.insert(place, {**row, column: other})
        elif what == "same address":
            others = [r for r in file.rows if r is not row and PUPIL not in r.get("email", PUPIL)]
            if others and row.get("role") != "student":
                row["email"] = self.rng.choice(others)["email"].upper()
        elif what in {"userSourcedId", EXTRA, "mark"} and is_pupils_role:
            return  # with an unclear user, a helper would stay staff by another role
        elif what == "mark":
            row["status"] = "inactive" if self.version == "1.0" else "tobedeleted"
        elif what in {"role", "email", "givenName", "familyName"} and (
            row.get("role") == "student" or PUPIL in row.get("email", "")
        ):
            return
        else:
            row[what] = value

    # Helpers

    def _add(self, file: str, id_: str, /, **cells: str) -> None:
        self.tables[file][id_] = {"sourcedId": id_, "status": "", "dateLastModified": "", **cells}

    def _give_roles(self, user: str, role: str) -> None:
        if self.version != "1.2":
            return
        type_ = "secondary" if self.rng.random() < 0.05 else "primary"
        self._add_role(user, role, type_, self.rng.choice(("s1", "s1", "s2")))
        if self.rng.random() < (0.1 if role == "student" else 0.25):
            second = self.rng.choice(("aide", "parent", "teacher"))
            if role != "student" or type_ == "primary":  # without a primary one: staff
                self._add_role(user, second, "secondary", "s2")

    def _add_role(self, user: str, role: str, type_: str, org: str) -> None:
        values = {"userSourcedId": user, "role": role, "roleType": type_, "orgSourcedId": org}
        self._add("roles", self._next("r"), **values)

    def _take_roles(self, user: str) -> list[Row]:
        roles = self.tables["roles"]
        return [roles.pop(i) for i, row in list(roles.items()) if row["userSourcedId"] == user]

    def _drop_where(self, name: str, column: str, value: str) -> list[str]:
        found = [id_ for id_, row in self.tables[name].items() if row[column] == value]
        for id_ in found:
            del self.tables[name][id_]
        return found

    def _staff(self) -> list[str]:
        users = self.tables["users"]
        return [id_ for id_, row in users.items() if row["role"] != "student"]

    def _pick(self, name: str) -> str | None:
        ids = self._staff() if name == "users" else list(self.tables[name])
        return self.rng.choice(ids) if ids else None

    def _next(self, letter: str) -> str:
        self.serial += 1
        return f"{letter}{self.serial}"


_OF_ALL = (("twin", ""), ("other twin", ""), ("mark", ""), (EXTRA, "surplus"), ("sourcedId", ""))
_BREAKS: dict[str, tuple[tuple[str, Any], ...]] = {
    "orgs": (("name", ""), ("type", "castle")),
    "academicSessions": (("endDate", ""), ("endDate", "soon"), ("title", "")),
    "courses": (
        ("title", ""), ("orgSourcedId", "nowhere"), ("orgSourcedId", ""), ("status", "odd"),
        ("schoolYearSourcedId", "nowhere"), ("courseCode", ""),
    ),
    "classes": (
        ("courseSourcedId", ""), ("courseSourcedId", "nowhere"), ("termSourcedIds", ""),
        ("termSourcedIds", "fall,nowhere"), ("termSourcedIds", "nowhere"), ("title", ""),
        ("schoolSourcedId", "nowhere"), ("status", "odd"),
    ),
    "roles": (
        ("role", "wizard"), ("role", ""), ("roleType", "odd"), ("userSourcedId", "nobody"),
        ("userSourcedId", ""), ("orgSourcedId", "nowhere"), ("status", "odd"),
    ),
    "users": (
        ("familyName", ""), ("givenName", ""), ("email", "no address"), ("email", ""),
        ("role", "wizard"), ("role", ""), ("enabledUser", "maybe"), ("enabledUser", ""),
        ("orgSourcedIds", "s1,nowhere"), ("orgSourcedIds", "nowhere"), ("orgSourcedIds", ""),
        ("same address", ""), ("same address", ""), ("username", ""), ("status", "odd"),
        ("orgs twin", ""),
    ),
    "enrollments": (
        ("classSourcedId", "nowhere"), ("classSourcedId", ""), ("userSourcedId", "nobody"),
        ("userSourcedId", ""), ("role", "wizard"), ("role", ""), ("status", "odd"),
        ("schoolSourcedId", "nowhere"),
    ),
}  # fmt: skip
