r"""Rosters, packages and plans in a few lines of CSV, for tests of the stage diff.

    roster = roster_of(users="sourced_id,email\nu1,ann@x.org")
    planned = plan_of(roster, {"users.csv": "sourcedId,email\n! u1,ann@y.org"})

A roster is written in the columns of the database, a package in those of the standard; a column
that the header leaves out has a default. A row that begins with `!` has an error, as if an
expectation suite had found it.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import uuid
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from click.testing import CliRunner

from oneroster_sync import pipeline
from oneroster_sync.cli import main
from oneroster_sync.pipeline import Request, begin
from oneroster_sync.roster.columns import (
    COURSE_FIELDS,
    STORED_ASSIGNMENTS,
    USER_FIELDS,
    link_schema,
    record_schema,
)
from oneroster_sync.roster.model import Roster
from oneroster_sync.runs import Trigger
from oneroster_sync.sites.preferences import Preferences
from oneroster_sync.stages.diff.build import build_plan
from oneroster_sync.stages.extract.csv_table import snapshot_schema
from oneroster_sync.standard import ROSTERING_FILES, Version, rostering_file
from oneroster_sync.standard.kinds import Kind
from oneroster_sync.standard.logins import normalize_login
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from conftest import Site
    from oneroster_sync.runs import Run
    from oneroster_sync.stages.diff.plan import Plan

ADMIN = 1000
"""`id` of the hand-made administrator in every roster."""

_ADMIN_ROW = {
    "id": ADMIN,
    "email": "admin@x.org",
    "login": "admin@x.org",
    "role": "administrator",
    "status": "active",
    "managed": False,
}
_IN_PLACE = {"role": "teacher", "roleType": "primary"}
"""Columns that every file needs, with the values that are used if a header leaves them out."""


def roster_of(
    *,
    users: str = "",
    courses: str = "",
    assignments: str = "",
    credited_admin: int = ADMIN,
    version: int = 7,
    **links: str,
) -> Roster:
    """Return a site's roster.

    Args:
        users: `sourced_id,email,…`; ids count from 1, and all are active, managed teachers.
        courses: `sourced_id,title,…`; ids count from 1, and all are active and managed.
        assignments: `user,course,…` by sourcedIds; all are active and managed.
        credited_admin: `id` of the credited administrator.
        version: Version of the roster.
        links: `orgs`, `roles`, `classes` and `enrollments` as stored by earlier runs.
    """
    people = _records(users, USER_FIELDS, {"role": "teacher"})
    for person in people:
        person["login"] = normalize_login(person["email"] or "") or None
    offered = _records(courses, COURSE_FIELDS, {})
    user_ids = {person["sourced_id"]: person["id"] for person in people}
    course_ids = {course["sourced_id"]: course["id"] for course in offered}
    pairs = [
        {
            "user_id": user_ids[line["user"]],
            "course_id": course_ids[line["course"]],
            "user_sourced_id": line["user"],
            "course_sourced_id": line["course"],
            "status": line.get("status") or "active",
            "managed": line.get("managed") != "no",
        }
        for line in _lines(assignments)
    ]
    remembered = {
        name: pa.Table.from_pylist(_lines(links.get(name, "")), schema=link_schema(name))
        for name in ("orgs", "roles", "classes", "enrollments")
    }
    return Roster(
        "s",
        version,
        credited_admin,
        pa.Table.from_pylist([*people, _ADMIN_ROW], schema=record_schema(USER_FIELDS)),
        pa.Table.from_pylist(offered, schema=record_schema(COURSE_FIELDS)),
        pa.Table.from_pylist(pairs, schema=STORED_ASSIGNMENTS),
        remembered,
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with its quarantined rows and findings, and short views of them."""

    plan: Plan
    quarantined: dict[str, pa.Table]
    findings: list[dict[str, Any]]

    @property
    def users(self) -> list[tuple[str, str]]:
        """Action and sourcedId of each change to a user, as the plan lists them."""
        return _moves(self.plan.users)

    @property
    def courses(self) -> list[tuple[str, str]]:
        """Action and sourcedId of each change to a course, as the plan lists them."""
        return _moves(self.plan.courses)

    @property
    def assignments(self) -> list[tuple[str, str, str]]:
        """Action, user and course of each change to an assignment, as the plan lists them."""
        return [
            (change["action"], change["user_sourced_id"], change["course_sourced_id"])
            for change in self.plan.assignments.to_pylist()
        ]

    @property
    def codes(self) -> list[tuple[str, str | None]]:
        """Code and sourcedId of each finding."""
        return [(finding["code"], finding["sourced_id"]) for finding in self.findings]

    def bad(self, name: str) -> list[str | None]:
        """Return the sourcedIds of a file's quarantined rows."""
        return list(self.quarantined[name]["sourcedId"].to_pylist())

    def user(self, sourced_id: str) -> dict[str, tuple[Any, Any]]:
        """Return the changed fields of a user: field → before and after."""
        return _fields(self.plan.users, sourced_id)

    def course(self, sourced_id: str) -> dict[str, tuple[Any, Any]]:
        """Return the changed fields of a course: field → before and after."""
        return _fields(self.plan.courses, sourced_id)

    def reason(self, sourced_id: str) -> str:
        """Return the reason of a user's change."""
        return str(_change(self.plan.users, sourced_id)["reason"])


def plan_of(
    roster: Roster,
    package: Mapping[str, str],
    *,
    delta: Collection[str] = (),
    version: Version = Version.V1_1,
    today: dt.date = dt.date(2026, 11, 25),
    **preferences: Any,
) -> Planned:
    """Return the plan of a package.

    Args:
        roster: The site's roster.
        package: File name → CSV text; a row that begins with `!` has an error.
        delta: Names of the files that are delta; the others are bulk.
        version: Version of the standard.
        today: The day of the run.
        preferences: The site's preferences that differ from the default.
    """
    tables = {
        file.removesuffix(".csv"): rows_of(file, text, version) for file, text in package.items()
    }
    modes = dict.fromkeys(ROSTERING_FILES, Mode.ABSENT)
    for name in tables:
        modes[name] = Mode.DELTA if f"{name}.csv" in delta else Mode.BULK
    plan, quarantined, findings = build_plan(
        {name: good for name, (good, _) in tables.items()},
        {name: bad for name, (_, bad) in tables.items()},
        modes,
        roster,
        Preferences(site="s", **preferences),
        today=today,
    )
    return Planned(plan, quarantined, findings.table().to_pylist())


def rows_of(file: str, text: str, version: Version = Version.V1_1) -> tuple[pa.Table, pa.Table]:
    """Return the valid rows of a file, and those with errors."""
    spec = rostering_file(file.removesuffix(".csv"), version)
    assert spec is not None
    schema = snapshot_schema(spec)
    if spec.name == "users":
        schema = schema.append(pa.field("login", pa.string()))
    header = _header(text)
    names = [column.canonical for column in spec.read_columns]
    assert set(header) <= set(names), f"{file} has no column {set(header) - set(names)}"
    missing = [name for name in names if name not in header and name not in _IN_PLACE]
    schema = schema.with_metadata({"missing": ",".join(missing)})
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for number, line in enumerate(_lines(text), start=2):
        first = line[header[0]] or ""
        row: dict[str, Any] = {**_IN_PLACE, **line, "row": number, "withheld": False}
        row[header[0]] = first.removeprefix("!").strip() or None
        row["login"] = normalize_login(row.get("email") or "") or None
        (bad if first.startswith("!") else good).append(row)
    return pa.Table.from_pylist(good, schema=schema), pa.Table.from_pylist(bad, schema=schema)


SCHOOL = {
    "users.csv": """\
sourcedId,enabledUser,role,username,givenName,familyName,email
ann,true,teacher,alee,Ann,Lee,ann@x.org
bob,true,teacher,bray,Bob,Ray,bob@x.org
cec,true,aide,cpoe,Cec,Poe,cec@x.org
""",
    "courses.csv": "sourcedId,title,courseCode\nart,Art,A1\nmaths,Maths,M1\n",
    "classes.csv": "sourcedId,title,courseSourcedId\na1,Art 1,art\nm1,Maths 1,maths\n",
    "enrollments.csv": """\
sourcedId,classSourcedId,userSourcedId,role
e1,m1,ann,teacher
e2,a1,bob,teacher
e3,a1,cec,aide
""",
}
"""A school whose package is valid: Ann teaches Maths, Bob teaches Art, Cec helps him."""


def changed(package: Mapping[str, str], file: str, old: str, new: str) -> dict[str, str]:
    """Return a package with one piece of a file's text changed."""
    assert package[file].count(old) == 1, f"{old!r} occurs {package[file].count(old)} times"
    return {**package, file: package[file].replace(old, new)}


NEXT_DAY = changed(SCHOOL, "users.csv", "bob,true,teacher,bray,Bob", "dan,true,aide,dan,Dan")
NEXT_DAY = changed(NEXT_DAY, "users.csv", "bob@x.org", "dan@x.org")
NEXT_DAY = changed(NEXT_DAY, "users.csv", "Cec,Poe", "Cecil,Poe")
NEXT_DAY = changed(NEXT_DAY, "courses.csv", "Maths", "Mathematics")
NEXT_DAY = changed(NEXT_DAY, "enrollments.csv", "e2,a1,bob", "e2,a1,ann")
"""The school a day later: Dan came, Bob left, two names changed, and Ann teaches Art."""


def as_delta(version: str, files: Mapping[str, str]) -> dict[str, str]:
    """Return a delta package: its rows have `status,dateLastModified` after their sourcedId."""
    modes = {name: "delta" if f"{name}.csv" in files else "absent" for name in ROSTERING_FILES}
    if version == "1.1":
        del modes["roles"]
    lines = ["propertyName,value", "manifest.version,1.0", f"oneroster.version,{version}"]
    lines += [f"file.{name},{mode}" for name, mode in modes.items()]
    return {"manifest.csv": "\n".join(lines) + "\n", **files}


def run_command(site: Site, *words: object) -> tuple[int, str]:
    """Run `oneroster WORDS --site …` and return the exit code and the output for people."""
    arguments = [*map(str, words), "--site", site.name]
    result = CliRunner().invoke(main, ["--quiet", *arguments], catch_exceptions=False)
    return result.exit_code, result.output


def request_of(site: Site, package: Mapping[str, str], run_id: str | None = None) -> Request:
    """Return the request of a person who uploads a package."""
    return Request(
        run_id=run_id or str(uuid.uuid4()),
        site=site.name,
        package=str(site.package(dict(package))),
        trigger=Trigger.UPLOAD,
        requested_by="the test",
    )


def reviewed(site: Site, package: Mapping[str, str]) -> Run:
    """Run the stages up to review, one after the other, as the tasks of a DAG do."""
    return pipeline.review(diffed(site, package), now=now())


def diffed(site: Site, package: Mapping[str, str]) -> Run:
    """Run the stages up to diff."""
    run = begin(request_of(site, package), now=now())
    return pipeline.diff(pipeline.validate(pipeline.extract(run, Kind.PACKAGE)))


def now() -> dt.datetime:
    """Return the time in UTC."""
    return dt.datetime.now(dt.UTC)


def _records(text: str, fields: tuple[str, ...], default: dict[str, str]) -> list[dict[str, Any]]:
    records = []
    for number, line in enumerate(_lines(text), start=1):
        record: dict[str, Any] = dict.fromkeys(("sourced_id", *fields), None)
        record |= {"status": "active", **default}
        record |= {name: value for name, value in line.items() if value is not None}
        record["id"] = int(line.get("id") or number)
        record["managed"] = line.get("managed") != "no"
        records.append(record)
    return records


def _lines(text: str) -> list[dict[str, str | None]]:
    """Return CSV text as dictionaries; blanks are None, and indentation is ignored."""
    reader = csv.DictReader(io.StringIO(_flat(text)))
    return [{name: value or None for name, value in line.items()} for line in reader]


def _header(text: str) -> list[str]:
    return next(csv.reader(io.StringIO(_flat(text))))


def _flat(text: str) -> str:
    return "\n".join(line.strip() for line in dedent(text).strip().splitlines())


def _moves(changes: pa.Table) -> list[tuple[str, str]]:
    return [(change["action"], change["sourced_id"]) for change in changes.to_pylist()]


def _change(changes: pa.Table, sourced_id: str) -> dict[str, Any]:
    found = [change for change in changes.to_pylist() if change["sourced_id"] == sourced_id]
    assert len(found) == 1, f"{len(found)} changes of {sourced_id}"
    return dict(found[0])


def _fields(changes: pa.Table, sourced_id: str) -> dict[str, tuple[Any, Any]]:
    change = _change(changes, sourced_id)
    names = [name.removeprefix("after_") for name in change if name.startswith("after_")]
    pairs = {name: (change[f"before_{name}"], change[f"after_{name}"]) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
