"""The limit's rules about relations of records, which are only warnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

_STAFF = ("administrator", "aide", "proctor", "teacher")
OF_USED_ROWS = {
    f"semantic.{problem}"
    for problem in (
        "class_without_teacher",
        "org_type_mismatch",
        "school_mismatch",
        "session_type_mismatch",
        "two_primary_teachers",
    )
}
"""Warnings that do not matter for a row with errors."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: the error of rows for which an expression is true."""

    wrong: pl.Expr
    column: str
    code: str
    expected: str
    severity: str = "error"
    target_file: str | None = None
    leaves_out: bool = False


def _warns(wrong: pl.Expr, column: str, problem: str) -> Rule:
    """Return a rule that is only a warning."""
    return Rule(wrong, column, f"semantic.{problem}", "as it has to be", severity="warning")


def of_kind(
    bad: Mapping[str, pl.DataFrame], column: str, file: str, target: pl.DataFrame, kind: str
) -> Rule:
    """Return the rule that a reference's target, if it has no errors, is of a type."""
    ids = target["sourcedId"].filter((target["type"] != kind) & _is_sound(bad, file, target))
    word = "org" if file == "orgs" else "session"
    return _warns(pl.col(column).is_in(ids.implode()), column, f"{word}_type_mismatch")


def of_class(bad: Mapping[str, pl.DataFrame], classes: pl.DataFrame) -> Rule:
    """Return the rule that an enrollment has the school of its class."""
    sound = classes.filter(_is_sound(bad, "classes", classes))
    sound = sound.drop_nulls("sourcedId").unique("sourcedId", keep="first")
    school = pl.col("classSourcedId").replace_strict(
        sound["sourcedId"], sound["schoolSourcedId"], default=None, return_dtype=pl.String
    )
    return _warns(school != pl.col("schoolSourcedId"), "schoolSourcedId", "school_mismatch")


def _is_sound(bad: Mapping[str, pl.DataFrame], file: str, records: pl.DataFrame) -> pl.Series:
    broken = bad[file]["sourcedId"].drop_nulls().implode()
    return ~records["sourcedId"].is_in(broken).fill_null(value=False)


def one_primary(enrollments: pl.DataFrame) -> Rule:
    """Return the rule that no class has two primary teachers on one day."""
    rows = enrollments.filter(
        (pl.col("role") == "teacher") & (pl.col("primary") == "true"),
        (pl.col("status") != "tobedeleted").fill_null(value=True),
        pl.col("userSourcedId").is_not_null() & pl.col("classSourcedId").is_not_null(),
    )
    group = "classSourcedId"
    rows = rows.unique(pl.exclude("row"), keep="first", maintain_order=True)
    rows = rows.filter(pl.col("userSourcedId").n_unique().over(group) > 1)
    # An open begin or end sorts before or after all dates, as text.
    begin, end = pl.col("beginDate").fill_null("0"), pl.col("endDate").fill_null("9999-99-99")
    rows = rows.with_columns(begin=begin, end=end).sort(group, "begin", "end", "row")
    days = pl.concat([rows["begin"], rows["end"]]).unique().sort()
    place = {"old": days, "new": range(len(days)), "return_dtype": pl.Int64}
    rows = rows.with_columns(pl.col("begin", "end").replace_strict(**place))
    latest = pl.col("end").cum_max().shift(1).over(group)
    meets_later = pl.col("begin").shift(-1).over(group) <= pl.col("end")
    both = rows.filter((pl.col("begin") <= latest) | meets_later)
    return _warns(pl.col("row").is_in(both["row"].implode()), "primary", "two_primary_teachers")


def taught(enrollments: pl.DataFrame) -> Rule:
    """Return the rule that a class has a teacher, or somebody whose role can't be read."""
    others = [role for role in _STAFF if role != "teacher"]
    is_other = pl.col("role").is_in(others).fill_null(value=False)
    taught = enrollments.filter(~is_other)["classSourcedId"].drop_nulls().unique()
    cell = pl.col("sourcedId")
    return _warns(~cell.is_in(taught.implode()), "sourcedId", "class_without_teacher")
