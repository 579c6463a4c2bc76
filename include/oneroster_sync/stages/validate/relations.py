"""Custom expectations about relations of records: types of targets, and agreeing values.

They only warn, because nothing that is synced depends on them; except for stale rows, which are not
used. Importing this module registers them. Each evaluates whole columns at once. Types and schools
of records outside the package are not judged.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import (
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    MulticolumnMapExpectation,
)
from great_expectations.expectations.metrics import (
    ColumnMapMetricProvider,
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnPairMapMetricProvider,
    MulticolumnMapMetricProvider,
    column_pair_condition_partial,
)

from oneroster_sync.stages.validate.gx_internals import multicolumn_condition_partial
from oneroster_sync.stages.validate.targets import TARGETS
from oneroster_sync.standard.timestamps import in_utc

# As texts, before and after every ISO date.
_ALWAYS, _FOR_EVER = "0000-00-00", "9999-99-99"


class ColumnValuesReferToKind(ColumnMapMetricProvider):
    """Whether a cell's target record has one of some types, or an extended type."""

    condition_metric_name = "column_values.refer_to_kind"
    condition_value_keys = ("file", "kinds")

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(
        cls,  # noqa: N805
        column: pd.Series,
        file: str,
        kinds: list[str],
        **_: Any,
    ) -> pd.Series:
        target = TARGETS.get().get(file)
        codes, cells = pd.factorize(column)
        if target is None or not len(cells):
            return pd.Series(True, index=column.index)
        types = target.lookup(pa.array(cells, pa.string()), "type")
        right = pc.or_(pc.is_in(types, pa.array(kinds)), pc.starts_with(types, "ext:"))
        right = pc.or_(pc.fill_null(right, True), pc.is_null(types))
        return pd.Series(right.to_numpy(zero_copy_only=False)[codes], index=column.index)


class PairAgreesWithTarget(ColumnPairMapMetricProvider):
    """Whether A's target record has the value B in a column."""

    condition_metric_name = "column_pair_values.agree_with_target"
    condition_value_keys = ("file", "told")

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(
        cls,  # noqa: N805
        column_A: pd.Series,  # noqa: N803
        column_B: pd.Series,  # noqa: N803
        file: str,
        told: str,
        **_: Any,
    ) -> pd.Series:
        target = TARGETS.get().get(file)
        if target is None or not len(column_A):
            return pd.Series(True, index=column_A.index)
        theirs = target.lookup(pa.array(column_A, pa.string()), told)
        same = pc.fill_null(pc.equal(theirs, pa.array(column_B, pa.string())), True)
        return pd.Series(same.to_numpy(zero_copy_only=False), index=column_A.index)


class PairNoOlderThanKnown(ColumnPairMapMetricProvider):
    """Whether B is not earlier than the stored time of change of record A."""

    condition_metric_name = "column_pair_values.no_older_than_known"
    condition_value_keys = ("file",)

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(
        cls,  # noqa: N805
        column_A: pd.Series,  # noqa: N803
        column_B: pd.Series,  # noqa: N803
        file: str,
        **_: Any,
    ) -> pd.Series:
        target = TARGETS.get().get(file)
        if target is None or target.modified is None or not len(column_A):
            return pd.Series(True, index=column_A.index)
        known = target.modified.combine_chunks()
        at = pc.index_in(pa.array(column_A, pa.string()), known["sourced_id"].combine_chunks())
        moments = in_utc(pa.array(column_B, pa.string()))
        before = known["modified_at"].combine_chunks().take(at)
        right = pc.fill_null(pc.greater_equal(moments, before), True)
        return pd.Series(right.to_numpy(zero_copy_only=False), index=column_A.index)


class OnePrimaryTeacherAtATime(MulticolumnMapMetricProvider):
    """Whether no other teacher is the primary teacher of the class on the same day."""

    condition_metric_name = "multicolumn_values.one_primary_teacher_at_a_time"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: Any) -> pd.Series:  # noqa: N805
        return at_most_one_primary_teacher(column_list)


class ExpectColumnValuesToReferToKind(ColumnMapExpectation):
    """Expect the column's sourcedIds to be records of some types.

    Args:
        file: The target file, which has a column `type`.
        kinds: The types; an extended type, `ext:…`, is always accepted.
    """

    map_metric = "column_values.refer_to_kind"
    success_keys = ("column", "file", "kinds", "mostly")
    args_keys = ("column", "file", "kinds")
    file: str
    kinds: list[str]


class ExpectColumnPairValuesToAgreeWithTarget(ColumnPairMapExpectation):
    """Expect column_B to equal a value of the record that column_A points to.

    Args:
        file: The file that column_A points to.
        told: The column with this value.
    """

    map_metric = "column_pair_values.agree_with_target"
    success_keys = ("column_A", "column_B", "file", "told", "ignore_row_if", "mostly")
    args_keys = ("column_A", "column_B", "file", "told")
    file: str
    told: str
    ignore_row_if: Literal["both_values_are_missing", "either_value_is_missing", "neither"] = (
        "either_value_is_missing"
    )


class ExpectDatesToBeNoOlderThanKnown(ColumnPairMapExpectation):
    """Expect the time in column_B not to be before that of column_A's record in earlier deltas.

    Args:
        file: The judged file.
    """

    map_metric = "column_pair_values.no_older_than_known"
    success_keys = ("column_A", "column_B", "file", "ignore_row_if", "mostly")
    args_keys = ("column_A", "column_B", "file")
    file: str
    ignore_row_if: Literal["both_values_are_missing", "either_value_is_missing", "neither"] = (
        "either_value_is_missing"
    )


class ExpectOnePrimaryTeacherAtATime(MulticolumnMapExpectation):
    """Expect that one of two primary teachers of a class ends before the other begins.

    `column_list` is the class, the user, the role, `primary`, `status` and, if the version has
    them, `beginDate` and `endDate`.
    """

    map_metric = "multicolumn_values.one_primary_teacher_at_a_time"
    success_keys = ("column_list", "ignore_row_if", "mostly")
    args_keys = ("column_list",)


def at_most_one_primary_teacher(rows: pd.DataFrame) -> pd.Series:
    """Return whether the class of each enrollment has no other primary teacher on these days."""
    right = pd.Series(True, index=rows.index)
    named = (rows["role"] == "teacher") & (rows["primary"] == "true")
    rows = rows[named & ~rows["status"].isin(["tobedeleted", "inactive"])]
    rows = rows[rows["classSourcedId"].notna() & rows["userSourcedId"].notna()]
    several = rows.groupby("classSourcedId", sort=False)["userSourcedId"].transform("nunique")
    rows = rows[several > 1]
    if not rows.empty:
        right.loc[rows.index[find_overlapping(rows)]] = False
    return right


def find_overlapping(rows: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which enrollments of a class overlap with another one; a blank date is unbounded."""
    if "beginDate" not in rows.columns:
        return np.ones(len(rows), bool)
    begin = rows["beginDate"].fillna(_ALWAYS).to_numpy(object)
    end = rows["endDate"].fillna(_FOR_EVER).to_numpy(object)
    group = pd.factorize(rows["classSourcedId"])[0]
    # Days become ordered numbers, so that the latest day so far is a running maximum.
    days, at = np.unique(np.concatenate([begin, end]), return_inverse=True)
    begin_at, end_at = at[: len(rows)], at[len(rows) :]
    order = np.lexsort((end_at, begin_at, group))
    first, last, group = begin_at[order], end_at[order], group[order]
    # The offset of its group makes the running maximum begin again in each class.
    latest = np.maximum.accumulate(last + group * len(days)) - group * len(days)
    same = group[1:] == group[:-1]
    found = np.zeros(len(rows), bool)
    found[1:] |= same & (first[1:] <= latest[:-1])
    found[:-1] |= same & (first[1:] <= last[:-1])
    marked = np.zeros(len(rows), bool)
    marked[order] = found
    return marked
