"""Decide which rows of a package are used, and report why the others are not.

A row with an error is quarantined: it is not applied, and its record does not count as absent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Findings, Severity
from oneroster_sync.findings.finding import completed
from oneroster_sync.stages.extract.csv_table import OWN
from oneroster_sync.stages.extract.decision_table import MARKED, claims_login, is_going, with_goes
from oneroster_sync.stages.validate.duplicates import without_repetitions
from oneroster_sync.stages.validate.omitted_values import FOUND, without_values
from oneroster_sync.stages.validate.references import with_references, with_suggestions
from oneroster_sync.stages.validate.targets import (
    TARGETS,
    Target,
    collect_targets,
    note_verdict,
    pair_ids,
    unique_ids,
)
from oneroster_sync.standard import ROSTERING_FILES
from oneroster_sync.standard.logins import normalize_login
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from oneroster_sync.stages.validate.gx_runner import Judge
    from oneroster_sync.standard import Version

# One plain address: a cell with two, or with a name before the address, is no login.
_EMAIL = r'^[^@\s,;<>"]+@[^@\s,;<>"]+\.[^@\s,;<>".]+$'
_RELEVANT_WHEN_REMOVED = pa.array(["sourcedId", "status", "dateLastModified"])
_ENTITIES = ("users", "courses", "enrollments")
"""The files whose rows become users, courses and course assignments."""


@dataclass(slots=True)
class Validated:
    """The result of validation: valid rows, quarantined rows, and findings.

    Attributes:
        valid: File → rows without errors.
        quarantined: File → rows with errors, whose records are protected.
        findings: Errors and warnings about rows.
        superseded: Number of rows that are neither used nor wrong, because a newer change is known.
        report: For each file, the numbers of each expectation's result.
        results: For each file, its suite and Great Expectations' result, as JSON.
    """

    valid: dict[str, pa.Table] = field(default_factory=dict)
    quarantined: dict[str, pa.Table] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    superseded: int = 0
    report: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)


def validate_rows(
    tables: Mapping[str, pa.Table],
    modes: Mapping[str, Mode],
    version: Version,
    *,
    known: Mapping[str, pa.Array],
    suites: Path,
    modified: pa.Table | None = None,
    in_use: Collection[str] = (),
    is_strict: bool = False,
) -> Validated:
    """Judge the rows of a package by the suites.

    Args:
        tables: File → snapshot, as `package.extract_package` returns them.
        modes: File → its mode.
        version: Version of the standard.
        known: File → the site's sourcedIds; only needed if `targets.may_refer_to_known`.
        suites: The folder `expectations/`.
        modified: Last modified times of records of deltas: file, sourced_id, modified_at.
        in_use: The settings in use at the site, as suites name them in `used_by`.
        is_strict: Whether expectations of the strict profile apply.

    Raises:
        SuiteError: A suite is missing or can't be evaluated; nothing was decided.
    """
    from oneroster_sync.stages.validate.gx_runner import Judge
    from oneroster_sync.stages.validate.suites import load_suite

    validated = Validated()
    judge = Judge()
    tables = dict(tables)
    if "users" in tables:
        tables["users"] = _with_login(tables["users"], validated.findings)
    targets = collect_targets(tables, modes, known)
    read = with_references(tables, targets, version, validated.findings)
    if any(read[name] is not tables[name] for name in tables):
        tables, targets = read, collect_targets(read, modes, known)
    for name, target in targets.items():
        if modified is not None and modes.get(name) is Mode.DELTA:
            target.modified = modified.filter(pc.equal(modified["file"], name))
    token = TARGETS.set(targets)
    try:
        # Targets before the rows that refer to them, which can then say that the target has errors;
        # roles before users, which are checked against their roles.
        for name in ROSTERING_FILES:
            if name not in tables:
                continue
            table = without_repetitions(name, tables[name], validated.findings)
            if name == "enrollments" and modes[name] is Mode.BULK:
                table = _with_dependent_enrollments(table, targets)
            missing = _empty_columns(table)
            suite = load_suite(
                suites, version, name, modes[name], missing, in_use, is_strict=is_strict
            )
            flawed = pc.is_valid(table["flaw"])
            found = _flaws(name, table.filter(flawed), suite)
            sound = table.filter(pc.invert(flawed))
            if sound.num_rows:
                judged, sound, late_ones = _judge_in_time(judge, name, sound, suite)
                found = pa.concat_tables([found, late_ones])
                twins = _twins(name, sound, table.filter(flawed), suite)
                judged = _only_relevant(pa.concat_tables([judged, twins]), sound)
                found = pa.concat_tables([found, _of_used_teachers(judged, sound)])
                found = with_suggestions(found, sound, name, version, validated.valid, targets)
            validated.findings.add_table(found.drop_columns(["effect"]))
            errors = found.filter(pc.equal(found["severity"], Severity.ERROR.value))
            bad = pc.is_in(table["row"], errors["row"].combine_chunks())
            late = pc.is_in(table["row"], _left_out(found, suite))
            validated.superseded += pc.sum(pc.and_not(late, bad)).as_py() or 0
            used = table.filter(pc.invert(pc.or_(bad, late)))
            validated.valid[name] = without_values(used, found, suite, targets)
            validated.quarantined[name] = table.filter(bad)
            if name in targets:
                targets[name].leave_out(unique_ids(table.filter(pc.and_not(late, bad))))
            note_verdict(targets, name, validated.valid[name], validated.quarantined[name])
    finally:
        TARGETS.reset(token)
    validated.report, validated.results = judge.report, judge.results
    return validated


def unusable_files(
    validated: Validated, modes: Mapping[str, Mode], rows: Mapping[str, int]
) -> Findings:
    """Return an error for each file that has rows of which none can be used.

    A delta may be a single row, so its files are judged together: the other rows of a refused
    delta would never come again. If a file has no rows at all, nothing is returned: references to
    it fail for that reason alone, and `guard.empty_file` holds the plan.

    Args:
        validated: The result of validating the package.
        modes: File → its mode.
        rows: File → number of its rows, staff or not.
    """
    findings, spoilt = Findings(), list[str]()
    if any(modes[name] is not Mode.ABSENT and not number for name, number in rows.items()):
        return findings
    present = [name for name in _ENTITIES if name in validated.valid]
    for name in present:
        usable, errors = validated.valid[name].num_rows, validated.quarantined[name].num_rows
        if usable == 0 and errors:
            spoilt.append(name)
        elif usable == 0 and rows.get(name) and name == "users" and _lists_all_staff(modes):
            findings.add(Finding("table.no_staff", file="users.csv"))
    is_delta = any(modes[name] is Mode.DELTA for name in present)
    is_known = any(validated.valid[name].num_rows for name in present) or validated.superseded
    # A known user's row without a role is used: a later role must not bring the user back.
    is_known = is_known or _has_users_without_role(validated)
    if not (is_delta and is_known):
        findings.extend(Finding("table.nothing_usable", file=f"{name}.csv") for name in spoilt)
    return findings


def _has_users_without_role(validated: Validated) -> bool:
    users = validated.quarantined.get("users")
    return users is not None and bool(
        pc.any(pc.equal(users["flaw"], "reference.missing_role")).as_py()
    )


def _lists_all_staff(modes: Mapping[str, Mode]) -> bool:
    """Return whether a package lists all staff, so that users without a row are not staff."""
    return modes["users"] is Mode.BULK and modes.get("roles") is not Mode.DELTA


def _with_dependent_enrollments(enrollments: pa.Table, targets: Mapping[str, Target]) -> pa.Table:
    """Mark enrollments of a bulk file as going if a row removes their user or class.

    In a delta such a row is an error: an SIS sends no row for what belongs to a removed record.
    """
    hanging = pa.repeat(False, enrollments.num_rows)
    for file, column in (("users", "userSourcedId"), ("classes", "classSourcedId")):
        if file in targets:
            hanging = pc.or_(hanging, pc.is_in(enrollments[column], targets[file].removed))
    rows = with_goes(enrollments)
    goes = pc.if_else(hanging, pa.scalar(MARKED), rows["goes"])
    return rows.set_column(rows.column_names.index("goes"), "goes", goes)


def _with_login(table: pa.Table, findings: Findings) -> pa.Table:
    """Add the column `login`: the e-mail address, or a username that is one, normalized."""
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
    folded = pa.array([normalize_login(v) if v else None for v in login.to_pylist()], pa.string())
    return table.append_column("login", folded)


def _claiming(table: pa.Table) -> pa.Table:
    """Return the rows as Great Expectations sees them: without our own columns.

    For users, `claimed_login` is the login that a row claims: none if the row goes or is disabled,
    or if its address is invalid. `primary_of` is the user and the org of a primary role,
    `primary_org` a user and their primary org: they must be unique, and refer to a role.
    """
    if "login" in table.column_names:
        address = pc.match_substring_regex(table["login"], _EMAIL)
        claims = pc.and_(claims_login(table), pc.fill_null(address, False))
        claimed = pc.if_else(claims, table["login"], pa.scalar(None, pa.string()))
        table = table.append_column("claimed_login", claimed)
    if "roleType" in table.column_names:
        is_primary = pc.and_not(pc.equal(table["roleType"], "primary"), is_going(table))
        table = table.append_column(
            "primary_of", pair_ids(table, "userSourcedId", "orgSourcedId", is_primary)
        )
    if "primaryOrgSourcedId" in table.column_names:
        stays = pc.invert(is_going(table))
        table = table.append_column(
            "primary_org", pair_ids(table, "sourcedId", "primaryOrgSourcedId", stays)
        )
    own = [field.name for field in OWN if field.name != "row" and field.name in table.column_names]
    return table.drop_columns(own)


def _empty_columns(table: pa.Table) -> set[str]:
    """Return the columns that the file does not have; extract has judged its header."""
    meta = table.schema.metadata or {}
    return set(filter(None, meta.get(b"missing", b"").decode().split(",")))


_WITHHELD_FOR = {
    "row.missing_required_value": ("role", None),
    "row.invalid_enum": ("role", None),
    "reference.missing_role": ("sourcedId", "roles.csv"),
    "reference.target_quarantined": ("sourcedId", "roles.csv"),
    "semantic.unclear_primary_role": ("sourcedId", "roles.csv"),
}
"""Code of a withheld row → the column that explains it, and the file it refers to."""


def _flaws(name: str, flawed: pa.Table, suite: Mapping[str, Any]) -> pa.Table:
    """Return one error for each row that is broken or may be a pupil's.

    Extract blanks such rows. They are not judged by the suite, so a report does not contain them.
    """
    parts = [FOUND.empty_table()]
    for code in pc.unique(flawed["flaw"]).to_pylist():
        rows = flawed.filter(pc.equal(flawed["flaw"], code))
        column, target = _WITHHELD_FOR.get(code, (None, None)) if name == "users" else (None, None)
        expected = _expected(suite, code, column) if column else None
        parts.append(_errors_of(name, rows, code, column, expected, target))
    return pa.concat_tables(parts).sort_by("row")


def _twins(name: str, sound: pa.Table, flawed: pa.Table, suite: Mapping[str, Any]) -> pa.Table:
    """Return an error for each sound row with the sourcedId of a broken row: which is right?"""
    rows = sound.filter(pc.is_in(sound["sourcedId"], unique_ids(flawed)))
    code, column = "reference.duplicate_sourced_id", "sourcedId"
    return _errors_of(name, rows, code, column, _expected(suite, code, column))


def _expected(suite: Mapping[str, Any], code: str, column: str) -> str | None:
    """Return the suite's `expected` text for a code of a column."""
    for expectation in suite["expectations"]:
        meta = expectation["meta"]
        named = meta.get("column") or expectation["kwargs"].get("column")
        if (meta["code"], named) == (code, column):
            return str(meta.get("expected"))
    return None


def _errors_of(
    name: str,
    rows: pa.Table,
    code: str,
    column: str | None = None,
    expected: str | None = None,
    target_file: str | None = None,
) -> pa.Table:
    count = rows.num_rows

    def all_of(text: str | None) -> pa.Array:
        return pa.repeat(pa.scalar(text, pa.string()), count)

    values: dict[str, str | None] = {
        "code": code,
        "severity": Severity.ERROR.value,
        "file": f"{name}.csv",
    }
    values |= {"column": column, "expected": expected, "target_file": target_file}
    found = completed(
        pa.table(
            {
                **{key: all_of(text) for key, text in values.items()},
                "row": rows["row"],
                "sourced_id": rows["sourcedId"],
                "rows": pa.repeat(1, count),
            }
        )
    )
    return found.append_column("effect", pa.repeat("row", count))


def _only_relevant(found: pa.Table, table: pa.Table) -> pa.Table:
    """Drop findings about values that a row which goes does not need."""
    going = is_going(table)
    if pc.any(going).as_py():
        of_these = pc.is_in(found["row"], table["row"].filter(going).combine_chunks())
        is_reported = pc.is_in(found["column"], _RELEVANT_WHEN_REMOVED)
        of_roles = pc.equal(found["target_file"], "roles.csv")
        # The sourcedId matters, but not that roles.csv has no role for it: a user who goes needs
        # none.
        is_reported = pc.and_not(is_reported, pc.fill_null(of_roles, False))
        found = found.filter(pc.or_(pc.invert(of_these), is_reported))
    return _without_explained(found)


_OF_TEACHING = (
    *("classSourcedId", "userSourcedId", "role", "primary", "status", "beginDate", "endDate"),
)


def _of_used_teachers(found: pa.Table, table: pa.Table) -> pa.Table:
    """Keep findings about two primary teachers only if both rows are used."""
    code = "semantic.two_primary_teachers"
    if not pc.any(pc.equal(found["code"], code)).as_py():
        return found
    from oneroster_sync.stages.validate.relations import at_most_one_primary_teacher

    errors = found.filter(pc.equal(found["severity"], Severity.ERROR.value))["row"]
    used = table.filter(pc.invert(pc.is_in(table["row"], errors.combine_chunks())))
    named = [name for name in _OF_TEACHING if name in used.column_names]
    right = at_most_one_primary_teacher(used.select(named).to_pandas())
    still = used["row"].filter(pa.array(~right.to_numpy())).combine_chunks()
    is_reported = pc.or_(pc.not_equal(found["code"], code), pc.is_in(found["row"], still))
    return found.filter(is_reported)


_EXPLAINED_BY = {
    "row.unlikely_date": "row.invalid_date",
    "semantic.date_order": "row.invalid_date",
    "semantic.school_mismatch": "reference.missing_target_record",
    "semantic.primary_org_without_role": "reference.missing_target_record",
    "semantic.login_taken": "reference.duplicate_sourced_id",
}
"""Code of a finding → code of another finding that explains it, if a row has both."""
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
"""Warnings that do not matter for a row that is not used because of its errors."""


def _without_explained(found: pa.Table) -> pa.Table:
    for code, reason in _EXPLAINED_BY.items():
        of_reason = found.filter(pc.equal(found["code"], reason))["row"].combine_chunks()
        if len(of_reason):
            explained = pc.and_(pc.equal(found["code"], code), pc.is_in(found["row"], of_reason))
            found = found.filter(pc.invert(explained))
    errors = found.filter(pc.equal(found["severity"], Severity.ERROR.value))["row"]
    beside = pc.is_in(found["row"], errors.combine_chunks())
    return found.filter(pc.invert(pc.and_(pc.is_in(found["code"], _OF_USED_ROWS), beside)))


def _judge_in_time(
    judge: Judge, name: str, rows: pa.Table, suite: dict[str, Any]
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Judge the rows of a file that are not older than the known changes.

    An older row is treated as if it were not in the file: it has no error, refers to nothing, and
    claims nothing that another row may have.

    Returns:
        Findings about the rows in time, these rows, and the findings that leave out the others.
    """
    found = judge.judge(f"{name}.csv", _claiming(rows), suite)
    is_late = pc.is_in(rows["row"], _left_out(found, suite))
    if not pc.any(is_late).as_py():
        return found, rows, FOUND.empty_table()
    late, rows = rows.filter(is_late), rows.filter(pc.invert(is_late))
    codes = pa.array([e["meta"]["code"] for e in suite["expectations"] if _leaves_out(e)])
    is_reported = pc.and_(
        pc.is_in(found["row"], late["row"].combine_chunks()), pc.is_in(found["code"], codes)
    )
    reported = found.filter(is_reported)
    if not rows.num_rows:
        return FOUND.empty_table(), rows, reported
    # Another judge, so that the report keeps one result for the file: the one of all rows.
    return type(judge)().judge(f"{name}.csv", _claiming(rows), suite), rows, reported


def _leaves_out(expectation: Mapping[str, Any]) -> bool:
    return bool(expectation["meta"].get("leave_out"))


def _left_out(found: pa.Table, suite: Mapping[str, Any]) -> pa.Array:
    """Return the rows that a finding leaves out: the package is used as if without them."""
    names = [e["meta"]["code"] for e in suite["expectations"] if _leaves_out(e)]
    codes = pa.array(names, pa.string())
    return found.filter(pc.is_in(found["code"], codes))["row"].combine_chunks()
