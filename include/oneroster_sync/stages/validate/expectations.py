"""Custom expectations that the suites use in addition to those of Great Expectations.

Importing this module registers them, so that a suite can use them like built-in ones. All evaluate
their condition once for each distinct value.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import (
    ColumnMapExpectation,
    ColumnPairMapExpectation,
)
from great_expectations.expectations.metrics import (
    ColumnMapMetricProvider,
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnPairMapMetricProvider,
    column_pair_condition_partial,
)

from oneroster_sync.stages.validate.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Mapping

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class ColumnValuesReferTo(ColumnMapMetricProvider):
    """Whether the sourcedId of a cell, or each of its sourcedIds, is one of the target's."""

    condition_metric_name = "column_values.refer_to"
    condition_value_keys = ("file", "state", "lists")

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(
        cls,  # noqa: N805
        column: pd.Series,
        file: str,
        state: str,
        lists: bool,  # noqa: FBT001
        **_: Any,
    ) -> pd.Series:
        target = TARGETS.get().get(file)
        codes, cells = pd.factorize(column)
        if target is None or not len(cells):
            return pd.Series(True, index=column.index)
        ids = pa.array(cells, pa.string())
        of_cell = pa.array(range(len(cells)))
        if lists:
            split = pc.split_pattern(ids, ",")
            ids, of_cell = (
                pc.utf8_trim_whitespace(pc.list_flatten(split)),
                pc.list_parent_indices(split),
            )
        wrong = pc.filter(of_cell, pc.invert(target.accepts(ids, state)))
        # No code is -1, factorize's code of a null: Great Expectations leaves nulls out before.
        right = np.ones(len(cells), bool)
        right[wrong.to_numpy()] = False
        return pd.Series(right[codes], index=column.index)


class ColumnValuesIsoDate(ColumnMapMetricProvider):
    """Whether a value is an existing date, written YYYY-MM-DD."""

    condition_metric_name = "column_values.iso_date"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, **_: Any) -> pd.Series:  # noqa: N805
        codes, values = pd.factorize(column)
        right = pd.Series([is_iso_date(value) for value in values], dtype=bool)
        return pd.Series(right.to_numpy()[codes], index=column.index)


class ColumnValuesUnmistakable(ColumnMapMetricProvider):
    """Whether no other value differs only by capitals or by Unicode composition."""

    condition_metric_name = "column_values.unmistakable"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, **_: Any) -> pd.Series:  # noqa: N805
        codes, values = pd.factorize(column)
        folded = pc.utf8_lower(pc.utf8_normalize(pa.array(values, pa.string()), "NFC"))
        alone = ~pd.Series(folded.to_pylist(), dtype=object).duplicated(keep=False)
        return pd.Series(alone.to_numpy()[codes], index=column.index)


class PairFormsNoCycle(ColumnPairMapMetricProvider):
    """Whether following a record's parents never leads back to the record."""

    condition_metric_name = "column_pair_values.form_no_cycle"

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, **_: Any) -> pd.Series:  # noqa: N803, N805
        cyclic = find_cyclic(dict(zip(column_A, column_B, strict=True)))
        return ~column_A.isin(cyclic)


class ExpectColumnValuesToReferTo(ColumnMapExpectation):
    """Expect the column's sourcedIds to be records of another file.

    Args:
        file: The target file.
        state: `present` (it exists), `usable` (it has no errors) or `kept` (it is not removed).
        lists: Whether a cell holds several sourcedIds, separated by commas.
    """

    map_metric = "column_values.refer_to"
    success_keys = ("column", "file", "state", "lists", "mostly")
    args_keys = ("column", "file", "state", "lists")
    file: str
    state: Literal["present", "usable", "kept"]
    lists: bool = False


class ExpectColumnValuesToBeIsoDates(ColumnMapExpectation):
    """Expect the column's values to be dates of the form YYYY-MM-DD."""

    map_metric = "column_values.iso_date"
    success_keys = ("column", "mostly")
    args_keys = ("column",)


class ExpectColumnValuesToBeUnmistakable(ColumnMapExpectation):
    """Expect no two values that a person or another system may confuse."""

    map_metric = "column_values.unmistakable"
    success_keys = ("column", "mostly")
    args_keys = ("column",)


class ExpectParentsToFormNoCycle(ColumnPairMapExpectation):
    """Expect no record (column_A) to be its own ancestor (through column_B)."""

    map_metric = "column_pair_values.form_no_cycle"
    success_keys = ("column_A", "column_B", "ignore_row_if", "mostly")
    args_keys = ("column_A", "column_B")
    ignore_row_if: Literal["both_values_are_missing", "either_value_is_missing", "neither"] = (
        "either_value_is_missing"
    )


def is_iso_date(value: str) -> bool:
    """Return whether a text is an existing date, written YYYY-MM-DD."""
    if not _ISO_DATE.fullmatch(value):
        return False
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        return False
    return True


def find_cyclic(parents: Mapping[str, str]) -> set[str]:
    """Return the records that are their own ancestors.

    Each record is visited once: a walk stops at a record of an earlier walk. Walking every chain to
    its end would take quadratic time, and a package may contain a chain of any length.
    """
    walk_of: dict[str, str] = {}
    cyclic: set[str] = set()
    for start in parents:
        current: str | None = start
        while current is not None and current not in walk_of:
            walk_of[current] = start
            current = parents.get(current)
        # The walk met itself, not an earlier walk: the records from here on are a cycle.
        if current is not None and walk_of[current] == start:
            while current not in cyclic:
                cyclic.add(current)
                current = parents[current]
    return cyclic
