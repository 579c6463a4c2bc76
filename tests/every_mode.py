r"""A site in memory: a package goes through extract, validate and diff, and its plan is applied.

This is what a run does between package and database, without the database, so that hundreds of
small packages and thousands of random days run in a minute.

    site = MemorySite(roster_of(users="sourced_id,email\nu1,ann@x.org"))
    done = site.sync({"users.csv": "…"})
"""

from __future__ import annotations

import datetime as dt
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from golden.school import Texts, folder_of, manifest
from oneroster_sync import settings
from oneroster_sync.roster.columns import (
    COURSE_FIELDS,
    FORGOTTEN,
    LINK_FIELDS,
    PUT,
    USER_FIELDS,
    record_schema,
)
from oneroster_sync.roster.model import Known
from oneroster_sync.runs.pending_deltas import FILES_OF_SCOPE
from oneroster_sync.sites.preferences import Preferences, Profile, Scope
from oneroster_sync.stages.diff.build import build_plan
from oneroster_sync.stages.diff.stage import count_rows
from oneroster_sync.stages.extract.package import extract_package
from oneroster_sync.stages.validate.rows import validate_rows
from oneroster_sync.standard import ROSTERING_FILES
from oneroster_sync.standard.modes import Mode
from roster_of import Planned, roster_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneroster_sync.roster.model import Roster

NOW = "2026-09-01T00:00:00.000Z"
NAMES = ("sourced_id", "given_name", "family_name", "email", "username", "role", "status")


@dataclass(frozen=True, slots=True)
class Done(Planned):
    """A plan that was applied, with the findings of all stages and the counts of the run."""

    refused: bool
    counts: dict[str, dict[str, int]]
    finding_keys: list[tuple[str, str | None, str | None]]
    """Code, file and sourcedId of each finding, without its severity."""
    kept: str
    """The content of all snapshots and findings, as one text."""


class MemorySite:
    """A site whose roster is tables in memory."""

    def __init__(self, roster: Roster | None = None, **preferences: Any) -> None:
        self.roster = roster or roster_of()
        self.preferences = Preferences(site="s", **preferences)

    def sync(
        self,
        texts: Mapping[str, str | bytes],
        *,
        today: dt.date = dt.date(2026, 11, 25),
        scope: Scope | None = None,
    ) -> Done:
        """Sync a package and apply its plan even if a threshold would hold it."""
        roster = self.roster
        profile = Profile(self.preferences.profile)
        with tempfile.TemporaryDirectory() as folder:
            path = folder_of(texts, Path(folder) / "package")
            if len(texts) == 1:
                path /= next(iter(texts))
            files = FILES_OF_SCOPE.get(scope) if scope else None
            extracted = extract_package(path, profile, known_of(roster), files=files)
            validated = validate_rows(
                extracted.tables,
                extracted.modes,
                extracted.version,
                known=roster.known(),
                suites=settings.expectations(),
                modified=roster.modified,
                is_strict=profile is Profile.STRICT,
            )
        plan, bad, found = build_plan(
            validated.valid,
            validated.quarantined,
            {**dict.fromkeys(ROSTERING_FILES, Mode.ABSENT), **extracted.modes},
            roster,
            self.preferences,
            today=today,
        )
        counts = count_rows(plan, bad, extracted.modes, extracted.ignored)
        findings = [
            finding
            for part in (extracted.findings, validated.findings, found)
            for finding in part.table().to_pylist()
        ]
        rejected = extracted.refused or (
            profile is Profile.STRICT
            and (extracted.findings.has_violations() or validated.findings.has_violations())
        )
        if not rejected:
            self.roster = carried_out(roster, plan)
        return Done(
            plan=plan,
            quarantined=bad,
            findings=findings,
            refused=rejected,
            counts=counts.as_dict(),
            finding_keys=[(f["code"], f["file"], f["sourced_id"]) for f in findings],
            kept=str([[t.to_pylist() for t in extracted.tables.values()], findings]),
        )

    def user(self, sourced_id: str) -> dict[str, Any]:
        """Return the roster's values of one user."""
        (found,) = [u for u in self.users() if u["sourced_id"] == sourced_id]
        return found

    def users(self) -> list[dict[str, Any]]:
        """Return the users with a sourcedId."""
        users = [user for user in self.roster.users.to_pylist() if user["sourced_id"]]
        return [{name: user[name] for name in NAMES} for user in users]

    def status(self) -> dict[str, str]:
        """Return the status of each user, by sourcedId."""
        return {user["sourced_id"]: user["status"] for user in self.users()}

    def assignments(self) -> dict[tuple[str, str], str]:
        """Return the status of each pair of user and course."""
        return {
            (a["user_sourced_id"], a["course_sourced_id"]): a["status"]
            for a in self.roster.assignments.to_pylist()
        }


def known_of(roster: Roster) -> Known:
    """Return the part of a roster that extract needs."""
    known = roster.known()
    roles = roster.links["roles"]
    return Known(
        users=known["users"],
        role_ids=roles["sourced_id"].combine_chunks(),
        role_users=roles["user_sourced_id"].combine_chunks(),
        role_types=roles["role_type"].combine_chunks(),
        enrollments=known["enrollments"],
        has_courses=bool(roster.courses.num_rows),
    )


def carried_out(roster: Roster, plan: Any) -> Roster:
    """Return a roster after a plan: `apply` in plain Python instead of SQL."""
    users = _records(roster.users, plan.users, USER_FIELDS)
    courses = _records(roster.courses, plan.courses, COURSE_FIELDS)
    ids = {
        "user": {u["sourced_id"]: u["id"] for u in users if u["sourced_id"]},
        "course": {c["sourced_id"]: c["id"] for c in courses if c["sourced_id"]},
    }
    named = {
        "user": {u["id"]: u["sourced_id"] for u in users},
        "course": {c["id"]: c["sourced_id"] for c in courses},
    }
    pairs = {(a["user_id"], a["course_id"]): a for a in roster.assignments.to_pylist()}
    for change in plan.assignments.to_pylist():
        user, course = ids["user"][change["user_sourced_id"]], change["course_sourced_id"]
        pair = (user, ids["course"][course])
        pairs[pair] = {"managed": True, **pairs.get(pair, {}), "status": change["after_status"]}
    assignments = [
        {
            **a,
            "user_id": user,
            "course_id": course,
            "user_sourced_id": named["user"][user],
            "course_sourced_id": named["course"][course],
        }
        for (user, course), a in pairs.items()
    ]
    links = dict(roster.links)
    for name in LINK_FIELDS:
        if name in plan.links:
            links[name] = _with_column(links[name], plan.links[name], plan.links[f"{name}.gone"])
    modified = roster.modified
    if PUT in plan.links:
        rows = {(r["file"], r["sourced_id"]): r for r in modified.to_pylist()}
        for gone in plan.links[FORGOTTEN].to_pylist():
            rows.pop((gone["file"], gone["sourced_id"]), None)
        rows |= {(r["file"], r["sourced_id"]): r for r in plan.links[PUT].to_pylist()}
        modified = pa.Table.from_pylist(list(rows.values()), schema=modified.schema)
    after = replace(
        roster,
        version=roster.version + 1,
        users=pa.Table.from_pylist(users, schema=record_schema(USER_FIELDS)),
        courses=pa.Table.from_pylist(courses, schema=record_schema(COURSE_FIELDS)),
        assignments=pa.Table.from_pylist(assignments, schema=roster.assignments.schema),
        links=links,
        modified=modified,
    )
    assert_sound(after)
    return after


def assert_sound(roster: Roster) -> None:
    """Check the database's constraints: unique sourcedIds, and unique logins of active users."""
    users = roster.users
    active = users.filter(pc.equal(users["status"], "active"))
    for column in (users["sourced_id"], roster.courses["sourced_id"], active["login"]):
        twice = [
            v["values"] for v in pc.value_counts(column.drop_null()).to_pylist() if v["counts"] > 1
        ]
        assert not twice, f"the database would refuse {twice}"


def _records(stored: pa.Table, changes: pa.Table, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    names = ("sourced_id", *fields, "status", "managed")
    records = {record["id"]: record for record in stored.to_pylist()}
    following = max([*records, 0]) + 1
    for change in changes.to_pylist():
        id_ = change["id"]
        if id_ is None:
            id_, following = following, following + 1
        records[id_] = {"id": id_, **{name: change[f"after_{name}"] for name in names}}
    return list(records.values())


def _with_column(stored: pa.Table, put: pa.Table, gone: pa.Table) -> pa.Table:
    ids = [t["sourced_id"].combine_chunks() for t in (put, gone)]
    left = stored.filter(pc.invert(pc.is_in(stored["sourced_id"], pa.concat_arrays(ids))))
    return pa.concat_tables([left, put.cast(stored.schema)]).combine_chunks()


def synced(texts: Texts, **preferences: Any) -> MemorySite:
    """Return a site that has synced the school."""
    site = MemorySite(**preferences)
    site.sync(texts)
    return site


def row(sourced_id: str, status: str = "active", **cells: str) -> str:
    """Return a row of a delta of users in 1.1: a teacher of the school, with some cells changed."""
    values = {"enabled": "true", "role": "teacher", "given": sourced_id.title(), "family": "Lee"}
    values |= {"email": f"{sourced_id}@example.org", "stamp": NOW, **cells}
    return (
        "{id},{status},{stamp},{enabled},s,{role},{id},,{given},{family},,,{email},,,,,"
    ).format(id=sourced_id, status=status, **values)


def gone(sourced_id: str, columns: int) -> str:
    """Return a row of a delta that removes a record and has no other values."""
    return f"{sourced_id},tobedeleted,{NOW}" + "," * (columns - 3)


def mixed(texts: Texts, modes: dict[str, str], **files: str) -> Texts:
    """Return a package of some files, each in its own mode; the headers are the school's."""
    version = "1.2" if "roles.csv" in texts else "1.1"
    package = {"manifest.csv": manifest(version, **modes)}
    for name, rows in files.items():
        header = texts[f"{name}.csv"].split("\n", 1)[0]
        package[f"{name}.csv"] = f"{header}\n{rows}"
    return package


def body(texts: Texts, file: str) -> str:
    """Return the rows of a file of the school."""
    return texts[file].split("\n", 1)[1]


def errors(done: Done) -> list[tuple[str, str | None]]:
    """Return code and sourcedId of each error."""
    return [(f["code"], f["sourced_id"]) for f in done.findings if f["severity"] == "error"]
