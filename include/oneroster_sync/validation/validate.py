"""The stage: which rows of a package are used, and why the others are not.

A row with an error is quarantined: it is neither applied nor treated as missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Findings, Severity
from oneroster_sync.findings.model import completed
from oneroster_sync.package.manifest import Mode
from oneroster_sync.spec import ROSTERING_FILES
from oneroster_sync.validation.targets import NO_IDS, TARGETS, Target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from oneroster_sync.spec import Version

_EMAIL = r'^[^@\s,;<>"]+@[^@\s,;<>"]+\.[^@\s,;<>".]+$'
_TELLING_WHEN_WITHHELD = pa.array(["sourcedId", "role", "status", "dateLastModified"])
_TELLING_WHEN_REMOVED = pa.array(["sourcedId", "status", "dateLastModified"])
_UNKNOWN_WHEN_ABSENT = {"academicSessions", "orgs", "roles"}
_NOT_STORED = {"academicSessions"}
_TOLD = {"academicSessions": ("type",), "orgs": ("type",), "classes": ("schoolSourcedId",)}
"""File → what its records say of themselves that others are compared with."""
_NO_TEACHERS = pa.array(["administrator", "aide", "proctor"])


@dataclass(slots=True)
class Validated:
    """Rows that are used, rows that are not, and why.

    Attributes:
        valid: File → rows without errors.
        quarantined: File → rows with errors, for what they protect.
        findings: Errors and warnings about rows.
        report: For each file, what became of each expectation, in numbers.
    """

    valid: dict[str, pa.Table] = field(default_factory=dict)
    quarantined: dict[str, pa.Table] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    report: list[dict[str, Any]] = field(default_factory=list)


def validate(
    tables: Mapping[str, pa.Table],
    modes: Mapping[str, Mode],
    version: Version,
    *,
    known: Mapping[str, pa.Array],
    suites: Path,
    docs: Path,
    modified: pa.Table | None = None,
) -> Validated:
    """Judge the rows of a package by the suites.

    Args:
        tables: File → snapshot, as `package.extract` returns them.
        modes: File → how it counts.
        version: Of the standard.
        known: File → sourcedIds that the site has from earlier syncs; none are needed unless
            `asks_what_is_known`.
        suites: The folder `expectations/`.
        docs: Local folder for the Data Docs.
        modified: When the SIS last modified what came in deltas: file, sourced_id, modified_at.

    Raises:
        SuiteError: A suite is missing or can't be evaluated; nothing was decided.
    """
    from oneroster_sync.validation.judging import Judge
    from oneroster_sync.validation.suites import load_suite

    validated = Validated()
    judge = Judge(docs)
    tables = dict(tables)
    if "users" in tables:
        tables["users"] = _with_login(tables["users"], validated.findings)
    targets = _targets(tables, modes, known)
    for name, target in targets.items():
        if modified is not None and modes.get(name) is Mode.DELTA:
            target.modified = modified.filter(pc.equal(modified["file"], name))
    token = TARGETS.set(targets)
    try:
        for name in ROSTERING_FILES:
            if name not in tables:
                continue
            table = _without_repetitions(name, tables[name], validated.findings)
            missing = _empty_columns(table)
            suite = load_suite(suites, version, name, modes[name], missing)
            found = _flaws(name, table)
            sound = table.filter(pc.is_null(table["flaw"]))
            if sound.num_rows:
                frame = _frame(sound)
                found = pa.concat_tables(
                    [
                        found,
                        _telling(judge.judge(f"{name}.csv", frame, suite), sound),
                    ]
                )
            validated.findings.add_table(found)
            errors = found.filter(pc.equal(found["severity"], Severity.ERROR.value))
            bad = pc.is_in(table["row"], errors["row"].combine_chunks())
            late = pc.is_in(table["row"], _left_out(found, suite))
            validated.valid[name] = table.filter(pc.invert(pc.or_(bad, late)))
            validated.quarantined[name] = table.filter(bad)
            if name in targets:
                targets[name].leave_out(_ids(table.filter(pc.and_not(late, bad))))
            _note(targets, name, validated)
    finally:
        TARGETS.reset(token)
    judge.write_docs()
    validated.report = judge.report
    return validated


def asks_what_is_known(modes: Mapping[str, Mode]) -> bool:
    """Tell whether rows may point to records that the site has and the package doesn't hold."""
    return any(_counts_as_known(name, mode) for name, mode in modes.items())


def _counts_as_known(name: str, mode: Mode) -> bool:
    """Tell whether what the site has of a file stands beside what the package brings."""
    if mode is Mode.BULK or name in _NOT_STORED:
        return False
    return mode is Mode.DELTA or name not in _UNKNOWN_WHEN_ABSENT


def _targets(
    tables: Mapping[str, pa.Table], modes: Mapping[str, Mode], known: Mapping[str, pa.Array]
) -> dict[str, Target]:
    targets = {}
    for name in ROSTERING_FILES:
        mode = modes.get(name, Mode.ABSENT)
        if mode is not Mode.BULK and name in _NOT_STORED:
            continue
        if mode is Mode.ABSENT and name in _UNKNOWN_WHEN_ABSENT:
            continue
        ids = _ids(tables[name]) if name in tables else NO_IDS
        stored = known.get(name, NO_IDS) if _counts_as_known(name, mode) else NO_IDS
        about = None
        if name in _TOLD and name in tables:
            about = tables[name].select(["sourcedId", *_TOLD[name]])
        targets[name] = Target(pa.concat_arrays([ids, stored]), stored=stored, about=about)
    if "roles" in tables:
        users = _ids(tables["roles"], "userSourcedId")
        stored = known.get("users", NO_IDS) if modes["roles"] is Mode.DELTA else NO_IDS
        targets["roles.userSourcedId"] = Target(pa.concat_arrays([users, stored]))
    if "enrollments" in tables and modes["enrollments"] is Mode.BULK:
        enrolled = tables["enrollments"]
        if not pc.any(pc.is_valid(enrolled["flaw"])).as_py():  # who may be anybody's teacher
            taught = enrolled.filter(pc.invert(pc.is_in(enrolled["role"], _NO_TEACHERS)))
            targets["enrollments.classSourcedId"] = Target(_ids(taught, "classSourcedId"))
    return targets


def _note(targets: dict[str, Target], name: str, validated: Validated) -> None:
    """Let the files that follow know what became of this one's records."""
    bad, good = validated.quarantined[name], validated.valid[name]
    going = good.filter(pc.equal(good["status"], "tobedeleted"))
    if name in targets:
        targets[name].quarantined = _ids(bad)
        targets[name].removed = _ids(going)
    if name == "roles":
        targets["roles.userSourcedId"].quarantined = _ids(bad, "userSourcedId")


def _with_login(table: pa.Table, findings: Findings) -> pa.Table:
    """Add `login`: the e-mail address, or a username that is one, in one spelling."""
    named = pc.fill_null(pc.match_substring_regex(table["username"], _EMAIL), False)
    by_name = pc.and_(pc.is_null(table["email"]), named)
    rows = table["row"].filter(by_name)
    if len(rows):
        findings.add(
            Finding(
                "semantic.login_from_username",
                Severity.WARNING,
                "users.csv",
                pc.min(rows).as_py(),
                "email",
                rows=len(rows),
            )
        )
    login = pc.if_else(by_name, table["username"], table["email"])
    folded = pa.array([v.casefold() if v else None for v in login.to_pylist()], pa.string())
    return table.append_column("login", folded)


def _without_repetitions(name: str, table: pa.Table, findings: Findings) -> pa.Table:
    """Keep the first of rows that are the same in every value."""
    ids = table["sourcedId"]
    if pc.count_distinct(ids).as_py() + ids.null_count >= table.num_rows:
        return table
    frame = table.drop_columns(["row"]).to_pandas()
    again = frame.duplicated() & frame["sourcedId"].notna()
    repeated = pa.array(again.to_numpy())
    rows = table["row"].filter(repeated)
    if len(rows):
        first = pc.min(rows).as_py()
        findings.add(
            Finding(
                "reference.repeated_row", Severity.WARNING, f"{name}.csv", first, rows=len(rows)
            )
        )
    return table.filter(pc.invert(repeated))


def _frame(table: pa.Table) -> pd.DataFrame:
    """Return the rows as a DataFrame whose nameless index holds the row numbers."""
    frame: pd.DataFrame = table.drop_columns(["flaw", "withheld"]).to_pandas()
    return frame.set_index("row").rename_axis(None)


def _empty_columns(table: pa.Table) -> set[str]:
    """Return the columns that the file does not have; its header has been judged at the door."""
    meta = table.schema.metadata or {}
    return set(filter(None, meta.get(b"missing", b"").decode().split(",")))


def _flaws(name: str, table: pa.Table) -> pa.Table:
    flawed = table.filter(pc.is_valid(table["flaw"]))
    count = flawed.num_rows
    return completed(
        pa.table(
            {
                "code": flawed["flaw"],
                "severity": pa.repeat(Severity.ERROR.value, count),
                "file": pa.repeat(f"{name}.csv", count),
                "row": flawed["row"],
                "column": pa.nulls(count, pa.string()),
                "sourced_id": flawed["sourcedId"],
                "expected": pa.nulls(count, pa.string()),
                "rows": pa.repeat(1, count),
            }
        )
    )


def _telling(found: pa.Table, table: pa.Table) -> pa.Table:
    """Drop findings about values that were withheld, or that a removal does not need."""
    for rows, telling in (
        (table["withheld"], _TELLING_WHEN_WITHHELD),
        (pc.fill_null(pc.equal(table["status"], "tobedeleted"), False), _TELLING_WHEN_REMOVED),
    ):
        if pc.any(rows).as_py():
            of_these = pc.is_in(found["row"], table["row"].filter(rows).combine_chunks())
            said = pc.is_in(found["column"], telling)
            found = found.filter(pc.or_(pc.invert(of_these), said))
    return _without_explained(found)


_EXPLAINED_BY = {
    "semantic.date_order": "row.invalid_date",
    "semantic.login_taken": "reference.duplicate_sourced_id",
}
"""Finding → the finding that says why, when a row has both."""
_OF_USED_ROWS = pa.array(
    [
        "semantic.class_without_teacher",
        "semantic.org_type_mismatch",
        "semantic.school_mismatch",
        "semantic.session_type_mismatch",
        "semantic.stale_change",
        "semantic.two_primary_teachers",
    ]
)
"""Warnings that tell nothing of a row that is not used for its errors."""


def _without_explained(found: pa.Table) -> pa.Table:
    for code, reason in _EXPLAINED_BY.items():
        of_reason = found.filter(pc.equal(found["code"], reason))["row"].combine_chunks()
        if len(of_reason):
            explained = pc.and_(pc.equal(found["code"], code), pc.is_in(found["row"], of_reason))
            found = found.filter(pc.invert(explained))
    errors = found.filter(pc.equal(found["severity"], Severity.ERROR.value))["row"]
    beside = pc.is_in(found["row"], errors.combine_chunks())
    return found.filter(pc.invert(pc.and_(pc.is_in(found["code"], _OF_USED_ROWS), beside)))


def _left_out(found: pa.Table, suite: Mapping[str, Any]) -> pa.Array:
    """Return the rows that a finding leaves out: the package is used as if they were not there."""
    metas = [expectation["meta"] for expectation in suite["expectations"]]
    codes = pa.array([meta["code"] for meta in metas if meta.get("leave_out")], pa.string())
    return found.filter(pc.is_in(found["code"], codes))["row"].combine_chunks()


def _ids(table: pa.Table, column: str = "sourcedId") -> pa.Array:
    return pc.unique(table[column].drop_null().combine_chunks())
