"""The limit's first half: read a package and check it, with Polars.

The rules are those of `expectations/1.1/*.json` for a bulk package, written by hand as Polars
expressions. Nothing is repaired, and the file has to be well-formed CSV in UTF-8.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.limit.relations import (
    OF_USED_ROWS,
    Rule,
    of_class,
    of_kind,
    one_primary,
    taught,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

NO_STAFF = ["student", "parent", "guardian", "relative"]
STAFF = ["administrator", "aide", "proctor", "teacher"]
_ORG_TYPES = ["department", "school", "district", "local", "state", "national"]
_SESSION_TYPES = ["gradingPeriod", "semester", "schoolYear", "term"]
# That of the suites: a row that only one of the two refuses stops the benchmark.
_EMAIL = r'^[^@\s,;<>"]+@[^@\s,;<>"]+\.[^@\s,;<>".]+$'
_DATE = r"^\d{4}-\d{2}-\d{2}$"
_LONGEST = 255
_COLUMNS = {
    "academicSessions": "sourcedId status title type startDate endDate parentSourcedId schoolYear",
    "orgs": "sourcedId status name type parentSourcedId",
    "courses": "sourcedId status schoolYearSourcedId title courseCode grades orgSourcedId subjects",
    "classes": "sourcedId status title courseSourcedId classType schoolSourcedId termSourcedIds",
    "users": "sourcedId status enabledUser orgSourcedIds role username givenName familyName email",
    "enrollments": "sourcedId status classSourcedId schoolSourcedId userSourcedId role primary "
    "beginDate endDate",
}
_LEFT_OUT = {
    "courses": ("orgSourcedId", "schoolYearSourcedId", "courseCode"),
    "classes": ("title", "classType", "schoolSourcedId", "termSourcedIds"),
    "users": ("orgSourcedIds", "username"),
    "enrollments": ("schoolSourcedId", "primary", "beginDate", "endDate"),
}
"""File → columns whose wrong values are left out with a warning, without losing the row."""
_RELEVANT_WHEN_WITHHELD = ("sourcedId", "role", "status")


@dataclass(slots=True)
class Checked:
    """The result of checking a package.

    Attributes:
        good: File → rows without errors.
        bad: File → rows with errors.
        findings: One row for each error or warning.
        ignored: Rows of users.csv that are not staff.
        unclear: File → rows that may not be of staff.
    """

    good: dict[str, pl.DataFrame] = field(default_factory=dict)
    bad: dict[str, pl.DataFrame] = field(default_factory=dict)
    findings: list[pl.DataFrame] = field(default_factory=list)
    ignored: int = 0
    unclear: dict[str, pl.Series] = field(default_factory=dict)


def check(folder: Path) -> Checked:
    """Read a folder of CSV files and check the rows of staff."""
    checked = Checked()
    small = {
        name: _scan(folder, name).collect()
        for name in ("academicSessions", "orgs", "courses", "classes")
    }
    sessions, orgs = small["academicSessions"], small["orgs"]
    dates = ("startDate", "endDate")
    _judge(
        checked, "academicSessions", sessions,
        [
            *_common(), *_required("title", "type", *dates, "schoolYear"),
            _one_of("type", _SESSION_TYPES), *map(_date, dates), _order(*dates),
            *_refers(checked, "parentSourcedId", "academicSessions", sessions, usable=False),
            Rule(
                ~pl.col("schoolYear").str.contains(r"^(?:19|20|21)[0-9]{2}$"),
                "schoolYear", "row.invalid_year", "a year",
            ),
        ],
    )  # fmt: skip
    _judge(
        checked, "orgs", orgs,
        [
            *_common(), *_required("name", "type"), _short("name"), _one_of("type", _ORG_TYPES),
            *_refers(checked, "parentSourcedId", "orgs", orgs, usable=False),
        ],
    )  # fmt: skip
    _judge(
        checked, "courses", small["courses"],
        [
            *_common(), *_required("title", "orgSourcedId"), _short("title"), _short("courseCode"),
            *_refers(checked, "orgSourcedId", "orgs", orgs),
            *_refers(checked, "schoolYearSourcedId", "academicSessions", sessions),
            of_kind(checked.bad, "schoolYearSourcedId", "academicSessions", sessions, "schoolYear"),
        ],
    )  # fmt: skip
    users, others = _users(folder, checked)
    enrollments = _enrollments(folder, users, others)
    unread = ~pl.col("role").is_in(STAFF).fill_null(value=False)
    checked.unclear["enrollments.csv"] = enrollments.filter(unread)["row"]
    _judge(
        checked, "classes", small["classes"],
        [
            *_common(), _short("title"),
            *_required(
                "title", "courseSourcedId", "classType", "schoolSourcedId", "termSourcedIds"
            ),
            *_refers(checked, "courseSourcedId", "courses", small["courses"]),
            _one_of("classType", ["homeroom", "scheduled"]),
            *_refers(checked, "schoolSourcedId", "orgs", orgs),
            of_kind(checked.bad, "schoolSourcedId", "orgs", orgs, "school"), taught(enrollments),
            *_refers(checked, "termSourcedIds", "academicSessions", sessions, lists=True),
        ],
    )  # fmt: skip
    _judge(
        checked, "users", users,
        [
            *_common(), *_required("role", "orgSourcedIds", "enabledUser", "username"),
            *_required("givenName", "familyName"), _one_of("role", STAFF),
            _one_of("enabledUser", ["true", "false"], "row.invalid_boolean"),
            *_refers(checked, "orgSourcedIds", "orgs", orgs, lists=True),
            *map(_short, ("username", "givenName", "familyName", "email")),
            Rule(~pl.col("email").str.contains(_EMAIL), "email", "row.invalid_email", "an address"),
            Rule(
                _claimed_twice() & ~_repeated("sourcedId"),
                "email", "semantic.login_taken", "an e-mail address that no other user has",
            ),
            Rule(
                pl.col("login").is_null(), "email", "semantic.missing_login", "an e-mail address",
                severity="warning",
            ),
        ],
        withheld=~pl.col("role").is_in(STAFF).fill_null(value=False),
    )  # fmt: skip
    dates = ("beginDate", "endDate")
    _judge(
        checked, "enrollments", enrollments,
        [
            *_common(),
            *_required("classSourcedId", "userSourcedId", "schoolSourcedId", "role"),
            *_refers(checked, "classSourcedId", "classes", small["classes"]),
            *_refers(checked, "userSourcedId", "users", users),
            *_refers(checked, "schoolSourcedId", "orgs", orgs),
            of_kind(checked.bad, "schoolSourcedId", "orgs", orgs, "school"),
            of_class(checked.bad, small["classes"]),
            _one_of("role", STAFF), _one_of("primary", ["true", "false"], "row.invalid_boolean"),
            *map(_date, dates), _order(*dates),
        ],
    )  # fmt: skip
    _judge_primary(checked, enrollments)
    return checked


def _judge_primary(checked: Checked, enrollments: pl.DataFrame) -> None:
    """Report two primary teachers only if both rows are used, by the dates in the file."""
    used = enrollments.join(checked.good["enrollments"], on="row", how="semi")
    rule = one_primary(used)
    found = used.filter(rule.wrong.fill_null(value=False))
    if found.height:
        checked.findings.append(_found("enrollments", found, rule))


def _found(name: str, wrong: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Return findings for the rows of a file that break a rule."""
    target = pl.col(rule.column) if rule.target_file else pl.lit(None, pl.String)
    return wrong.select(
        code=pl.lit(rule.code),
        severity=pl.lit(rule.severity),
        file=pl.lit(f"{name}.csv"),
        row=pl.col("row").cast(pl.Int64),
        column=pl.lit(rule.column),
        sourced_id=pl.col("sourcedId"),
        expected=pl.lit(rule.expected),
        rows=pl.lit(1),
        target_file=pl.lit(rule.target_file, pl.String),
        target=target,
    )


def _scan(folder: Path, name: str) -> pl.LazyFrame:
    frame = pl.scan_csv(
        folder / f"{name}.csv",
        infer_schema=False,
        row_index_name="row",
        # As in a spreadsheet, where the header is row 1.
        row_index_offset=2,
    )
    return frame.select("row", *_COLUMNS[name].split())


def _users(folder: Path, checked: Checked) -> tuple[pl.DataFrame, pl.Series]:
    """Return the rows of staff, and the sourcedIds of all others."""
    rows = _scan(folder, "users")
    is_other = pl.col("role").is_in(NO_STAFF).fill_null(value=False)
    # Both from one reading of the file.
    users, others = pl.collect_all(
        [rows.filter(~is_other), rows.filter(is_other).select("sourcedId")]
    )
    checked.ignored = others.height
    unread = ~pl.col("role").is_in(STAFF).fill_null(value=False)
    checked.unclear["users.csv"] = users.filter(unread)["row"]
    kept = ("row", *_RELEVANT_WHEN_WITHHELD)
    users = users.with_columns(
        pl.when(~unread).then(pl.col(name)).alias(name)
        for name in users.columns
        if name not in kept
    ).with_columns(login=pl.coalesce("email", _address("username")).str.to_lowercase())
    ids = others["sourcedId"]
    return users, ids.filter(~ids.is_in(users["sourcedId"].implode()))


def _address(column: str) -> pl.Expr:
    return pl.when(pl.col(column).str.contains(_EMAIL)).then(pl.col(column))


def _enrollments(folder: Path, users: pl.DataFrame, others: pl.Series) -> pl.DataFrame:
    """Return the rows of staff, and rows with an unreadable role unless they are of others."""
    is_other = pl.col("role").is_in(NO_STAFF).fill_null(value=False)
    rows = _scan(folder, "enrollments").filter(~is_other).collect()
    strangers = rows.filter(~pl.col("userSourcedId").is_in(users["sourcedId"].implode()))
    dropped = others.filter(others.is_in(strangers["userSourcedId"].implode()))
    of_others = pl.col("userSourcedId").is_in(dropped.implode()).fill_null(value=False)
    return rows.filter(~of_others)


def _judge(
    checked: Checked,
    name: str,
    rows: pl.DataFrame,
    rules: list[Rule],
    *,
    withheld: pl.Expr | None = None,
) -> None:
    """Record each row of a file that breaks a rule, and split good rows from bad ones.

    A wrong value that does not matter is left out of its row.
    """
    rules = [_weighed(name, rule) for rule in rules]
    if rows["sourcedId"].n_unique() < rows.height:
        # Rows that are the same in all columns are one row, and no duplicates.
        rows = rows.unique(pl.exclude("row"), keep="first", maintain_order=True)
    # An empty cell makes most rules null: it breaks only the one that requires a value.
    marks = rows.select(
        rule.wrong.fill_null(value=False).alias(str(n)) for n, rule in enumerate(rules)
    )
    hidden = rows.select(withheld).to_series() if withheld is not None else None
    found = []
    for n, rule in enumerate(rules):
        wrong = marks[str(n)]
        if hidden is not None and rule.column not in _RELEVANT_WHEN_WITHHELD:
            wrong &= ~hidden
        if wrong.any():
            found.append(_found(name, rows.filter(wrong), rule))
    left_out = dict.fromkeys(_LEFT_OUT.get(name, ()), pl.repeat(False, rows.height, eager=True))
    for n, rule in enumerate(rules):
        if rule.leaves_out and marks[str(n)].any():
            column, wrong = pl.col(rule.column), marks[str(n)]
            rows = rows.with_columns(pl.when(~wrong).then(column).alias(rule.column))
            left_out[rule.column] |= wrong
    rows = rows.with_columns(**{f"{column}.left_out": out for column, out in left_out.items()})
    errors = [f["row"] for f in found if f["severity"][0] == "error"]
    bad = pl.concat(errors).cast(rows["row"].dtype) if errors else rows["row"].head(0)
    used = ~pl.col("row").is_in(bad.cast(pl.Int64).implode())
    checked.findings += [f.filter(used) if f["code"][0] in OF_USED_ROWS else f for f in found]
    is_bad = rows["row"].is_in(bad.implode())
    checked.good[name], checked.bad[name] = rows.filter(~is_bad), rows.filter(is_bad)


def _weighed(name: str, rule: Rule) -> Rule:
    """Return a rule with its effect: on the row, or only on the value."""
    decides = rule.column not in _LEFT_OUT.get(name, ()) or (
        rule.code.startswith("semantic.") and rule.code != "semantic.date_order"
    )
    return rule if decides else replace(rule, severity="warning", leaves_out=True)


def _common() -> list[Rule]:
    """Return the rules for the first columns of every bulk file."""
    status = pl.col("status")
    return [
        *_required("sourcedId"),
        _short("sourcedId"),
        Rule(
            _repeated("sourcedId"),
            "sourcedId",
            "reference.duplicate_sourced_id",
            "a sourcedId that no other row has",
        ),
        Rule(status == "tobedeleted", "status", "semantic.tobedeleted_in_bulk", "no status"),
        _one_of("status", ["active", "tobedeleted"]),
    ]


def _repeated(column: str) -> pl.Expr:
    return pl.col(column).is_duplicated() & pl.col(column).is_not_null()


def _claimed_twice() -> pl.Expr:
    """Return which users claim a login that another one claims; disabled users claim none."""
    is_disabled = (pl.col("enabledUser") == "false").fill_null(value=False)
    claimed = pl.when(~is_disabled).then(pl.col("login"))
    return claimed.is_duplicated() & claimed.is_not_null()


def _required(*columns: str) -> list[Rule]:
    code = "row.missing_required_value"
    return [Rule(pl.col(column).is_null(), column, code, "a value") for column in columns]


def _short(column: str) -> Rule:
    long = pl.col(column).str.len_chars() > _LONGEST
    return Rule(long, column, "row.too_long", f"at most {_LONGEST} characters")


def _one_of(column: str, values: Collection[str], code: str = "row.invalid_enum") -> Rule:
    return Rule(~pl.col(column).is_in(values), column, code, f"one of {', '.join(values)}")


def _is_no_date(column: str) -> pl.Expr:
    cell = pl.col(column)
    day = cell.str.to_date("%Y-%m-%d", strict=False)
    right = cell.str.contains(_DATE) & day.is_not_null() & day.dt.year().is_between(1900, 2200)
    return cell.is_not_null() & ~right


def _date(column: str) -> Rule:
    return Rule(_is_no_date(column), column, "row.invalid_date", "a date as YYYY-MM-DD")


def _order(first: str, last: str) -> Rule:
    wrong = (pl.col(last) < pl.col(first)) & ~_is_no_date(first) & ~_is_no_date(last)
    return Rule(wrong, last, "semantic.date_order", f"{last} not before {first}")


def _refers(
    checked: Checked,
    column: str,
    file: str,
    target: pl.DataFrame,
    *,
    usable: bool = True,
    lists: bool = False,
) -> list[Rule]:
    """Return the rules that a reference's target exists and has no errors."""
    cell = pl.col(column)
    present = target["sourcedId"].drop_nulls().unique()
    rules = [
        Rule(
            ~_all_in(cell, present, lists=lists),
            column,
            "reference.missing_target_record",
            f"the sourcedId of a record of {file}.csv",
            target_file=f"{file}.csv",
        )
    ]
    if usable and checked.bad[file].height:
        broken = checked.bad[file]["sourcedId"].drop_nulls().unique()
        rules.append(
            Rule(
                _any_in(cell, broken, lists=lists),
                column,
                "reference.target_quarantined",
                "a record without errors",
                target_file=f"{file}.csv",
            )
        )
    return rules


def _all_in(cell: pl.Expr, ids: pl.Series, *, lists: bool) -> pl.Expr:
    if not lists:
        return cell.is_in(ids.implode())
    parts = pl.element().str.strip_chars().is_in(ids.implode())
    return cell.str.split(",").list.eval(parts).list.all()


def _any_in(cell: pl.Expr, ids: pl.Series, *, lists: bool) -> pl.Expr:
    if not lists:
        return cell.is_in(ids.implode())
    parts = pl.element().str.strip_chars().is_in(ids.implode())
    return cell.str.split(",").list.eval(parts).list.any()
