"""Compute the metrics by which Great Expectations decides, in one pass over each Arrow column.

An expectation decides by a few metrics (`_validate`): the number of rows, of rows with a value, and
of rows whose value is unexpected. Great Expectations itself computes them with a graph of thousands
of nodes, and passes lists of rows through copies and JSON. This module finds a column's distinct
values once for all its expectations, evaluates a condition on these, and keeps the unexpected rows
in an array.

An expectation that is not in `_FINDERS`, or has a `row_condition`, has no metrics here: Great
Expectations evaluates it in its ordinary way (`gx_runner`). A test judges all expectations of all
suites both ways.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.errors import OneRosterError
from oneroster_sync.stages.validate.expectations import find_cyclic, is_iso_date
from oneroster_sync.stages.validate.relations import find_overlapping
from oneroster_sync.stages.validate.targets import TARGETS
from oneroster_sync.standard.timestamps import in_utc

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    """Positions of rows in the table, ascending."""
    Finder = Callable[[Any, "Columns"], "Metrics"]

_NO_ROWS: Rows = np.empty(0, np.int64)


class UnknownConditionError(OneRosterError):
    """The metrics of an expectation can't be computed here."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one expectation.

    Attributes:
        unexpected: The rows that violate it.
        values: Metric → value, as the expectation's `_validate` requires them.
    """

    unexpected: Rows
    values: dict[str, Any]


class Column:
    """A column, and its distinct values, computed on first access."""

    __slots__ = ("_codes", "_distinct", "values")

    def __init__(self, values: pa.Array) -> None:
        """Keep the values."""
        self.values = values
        self._distinct: pa.DictionaryArray | None = None
        self._codes: NDArray[np.int64] | None = None

    @property
    def distinct(self) -> pa.Array:
        """The distinct values without null."""
        if self._distinct is None:
            self._distinct = self.values.dictionary_encode()
        return self._distinct.dictionary

    @property
    def codes(self) -> NDArray[np.int64]:
        """The position in `distinct` of each row's value; the length of `distinct` for a null."""
        if self._codes is None:
            size = len(self.distinct)
            assert self._distinct is not None
            self._codes = self._distinct.indices.fill_null(size).to_numpy(zero_copy_only=False)
        return self._codes

    def rows_of(self, distinct: Any) -> Rows:
        """Return the rows whose value is marked in a mask over `distinct`."""
        marked = np.asarray(distinct, dtype=bool)
        if not marked.any():
            return _NO_ROWS
        return np.flatnonzero(np.append(marked, False)[self.codes])


@dataclass(slots=True)
class Columns:
    """A table whose columns are computed once."""

    table: pa.Table
    _known: dict[str, Column] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Column:
        """Return a column of the table.

        Raises:
            KeyError: The table has no such column.
        """
        if name not in self._known:
            self._known[name] = Column(self.table[name].combine_chunks())
        return self._known[name]


def find_metrics(expectation: Any, columns: Columns) -> Metrics | None:
    """Return the metrics of an expectation, or None if they can't be computed here."""
    finder = _FINDERS.get(expectation.expectation_type)
    if finder is None or expectation.row_condition is not None:
        return None
    try:
        found = finder(expectation, columns)
    # A wrong column, pattern or type: Great Expectations reports it in its ordinary way.
    except (UnknownConditionError, KeyError, TypeError, ValueError):
        return None
    name = expectation.map_metric
    values = {
        "table.row_count": columns.table.num_rows,
        f"{name}.unexpected_count": len(found.unexpected),
        **found.values,
    }
    return Metrics(found.unexpected, values)


def _of_column(find: Callable[[Any, Column], Rows]) -> Finder:
    """Return the finder of an expectation about the non-null values of a column."""

    def finder(expectation: Any, columns: Columns) -> Metrics:
        column = columns[expectation.column]
        nulls = {"column_values.nonnull.unexpected_count": column.values.null_count}
        return Metrics(find(expectation, column), nulls)

    return finder


def _find_nulls(expectation: Any, columns: Columns) -> Metrics:
    values = columns[expectation.column].values
    return Metrics(_rows(pc.is_null(values)) if values.null_count else _NO_ROWS, {})


def _find_lengths(expectation: Any, column: Column) -> Rows:
    low, high = expectation.min_value, expectation.max_value
    if expectation.strict_min or expectation.strict_max:
        raise UnknownConditionError
    if low is None and high is None:
        raise UnknownConditionError
    if low is None and (pc.max(pc.binary_length(column.values)).as_py() or 0) <= high:
        return _NO_ROWS  # a text never has more letters than bytes
    lengths = pc.utf8_length(column.distinct).to_numpy(zero_copy_only=False)
    wrong = np.zeros(len(lengths), bool)
    if high is not None:
        wrong |= lengths > high
    if low is not None:
        wrong |= lengths < low
    return column.rows_of(wrong)


def _find_outside_set(expectation: Any, column: Column) -> Rows:
    return column.rows_of(pc.invert(pc.is_in(column.distinct, _texts(expectation.value_set))))


def _find_inside_set(expectation: Any, column: Column) -> Rows:
    return column.rows_of(pc.is_in(column.distinct, _texts(expectation.value_set)))


def _texts(value_set: Any) -> pa.Array:
    """Return a set of texts; raise for another type, which Great Expectations compares itself."""
    if not isinstance(value_set, (list, set, tuple)):
        raise UnknownConditionError
    return pa.array(list(value_set), pa.string())


def _find_unmatched(expectation: Any, column: Column) -> Rows:
    found = pc.match_substring_regex(column.distinct, expectation.regex)
    return column.rows_of(pc.invert(found))


def _find_matched(expectation: Any, column: Column) -> Rows:
    return column.rows_of(pc.match_substring_regex(column.distinct, expectation.regex))


def _find_repeated(_: Any, column: Column) -> Rows:
    size = len(column.distinct)
    if size + column.values.null_count == len(column.values):
        return _NO_ROWS
    return column.rows_of(np.bincount(column.codes, minlength=size)[:size] > 1)


def _find_unresolved(expectation: Any, column: Column) -> Rows:
    target = TARGETS.get().get(expectation.file)
    if target is None:
        return _NO_ROWS
    if not expectation.lists:
        return column.rows_of(pc.invert(target.accepts(column.distinct, expectation.state)))
    split = pc.split_pattern(column.distinct, ",")
    ids = pc.utf8_trim_whitespace(pc.list_flatten(split))
    refused = pc.invert(target.accepts(ids, expectation.state))
    wrong = np.zeros(len(column.distinct), bool)
    wrong[pc.list_parent_indices(split).filter(refused).to_numpy()] = True
    return column.rows_of(wrong)


def _find_other_kinds(expectation: Any, column: Column) -> Rows:
    target = TARGETS.get().get(expectation.file)
    if target is None:
        return _NO_ROWS
    types = target.lookup(column.distinct, "type")
    right = pc.or_(pc.is_in(types, pa.array(expectation.kinds)), pc.starts_with(types, "ext:"))
    # The type of a record outside the package is unknown (null) and accepted.
    return column.rows_of(pc.invert(pc.fill_null(right, True)))


def _find_no_dates(_: Any, column: Column) -> Rows:
    return column.rows_of([not is_iso_date(value) for value in column.distinct.to_pylist()])


def _find_mistakable(_: Any, column: Column) -> Rows:
    folded = pc.utf8_lower(pc.utf8_normalize(column.distinct, "NFC")).dictionary_encode()
    codes = folded.indices.to_numpy()
    return column.rows_of(np.bincount(codes, minlength=1)[codes] > 1)


def _of_pair(find: Callable[[Any, pa.Array, pa.Array], pa.Array]) -> Finder:
    """Return the finder of an expectation about two columns; `find` marks the unexpected rows."""

    def finder(expectation: Any, columns: Columns) -> Metrics:
        a, b = columns[expectation.column_A].values, columns[expectation.column_B].values
        ignored = str(getattr(expectation.ignore_row_if, "value", expectation.ignore_row_if))
        if ignored == "either_value_is_missing":
            counts = pc.and_(pc.is_valid(a), pc.is_valid(b))
        elif ignored == "both_values_are_missing":
            counts = pc.or_(pc.is_valid(a), pc.is_valid(b))
        else:
            raise UnknownConditionError
        count = pc.sum(counts).as_py() or 0
        wrong = _NO_ROWS
        if count:
            at = _rows(counts)
            marked = find(expectation, a.filter(counts), b.filter(counts))
            wrong = at[_rows(marked)]
        return Metrics(wrong, {f"{expectation.map_metric}.filtered_row_count": count})

    return finder


def _mark_not_greater(expectation: Any, a: pa.Array, b: pa.Array) -> pa.Array:
    if a.null_count or b.null_count:
        raise UnknownConditionError  # pandas defines how a missing value compares
    return pc.invert(pc.greater_equal(a, b) if expectation.or_equal else pc.greater(a, b))


def _mark_disagreeing(expectation: Any, a: pa.Array, b: pa.Array) -> pa.Array:
    target = TARGETS.get().get(expectation.file)
    if target is None:
        return _mark_none(a)
    return pc.fill_null(pc.not_equal(target.lookup(a, expectation.told), b), False)


def _mark_older(expectation: Any, a: pa.Array, b: pa.Array) -> pa.Array:
    target = TARGETS.get().get(expectation.file)
    if target is None or target.modified is None:
        return _mark_none(a)
    known = target.modified.combine_chunks()
    at = pc.index_in(a, known["sourced_id"].combine_chunks())
    before = known["modified_at"].combine_chunks().take(at)
    return pc.fill_null(pc.less(in_utc(b), before), False)


def _mark_cyclic(_: Any, a: pa.Array, b: pa.Array) -> pa.Array:
    cyclic = find_cyclic(dict(zip(a.to_pylist(), b.to_pylist(), strict=True)))
    return pc.is_in(a, pa.array(sorted(cyclic), pa.string()))


def _mark_none(a: pa.Array) -> pa.Array:
    return pa.array(np.zeros(len(a), bool))


def _find_two_primary_teachers(expectation: Any, columns: Columns) -> Metrics:
    if str(getattr(expectation.ignore_row_if, "value", expectation.ignore_row_if)) != "never":
        raise UnknownConditionError
    filtered = {f"{expectation.map_metric}.filtered_row_count": columns.table.num_rows}
    get = {name: columns[name].values for name in expectation.column_list}
    named = pc.and_(_equals(get["role"], "teacher"), _equals(get["primary"], "true"))
    named = pc.and_not(named, pc.is_in(get["status"], pa.array(["tobedeleted", "inactive"])))
    known = pc.and_(pc.is_valid(get["classSourcedId"]), pc.is_valid(get["userSourcedId"]))
    at = _rows(pc.and_(named, known))
    rows = columns.table.select(list(expectation.column_list)).take(pa.array(at))
    taught = rows.group_by("classSourcedId").aggregate([("userSourcedId", "count_distinct")])
    several = taught.filter(pc.greater(taught["userSourcedId_count_distinct"], 1))
    shared = pc.is_in(rows["classSourcedId"], several["classSourcedId"].combine_chunks())
    at, rows = at[_rows(shared)], rows.filter(shared)
    if not len(at):
        return Metrics(_NO_ROWS, filtered)
    return Metrics(at[find_overlapping(rows.to_pandas())], filtered)


def _equals(values: pa.Array, text: str) -> pa.Array:
    return pc.fill_null(pc.equal(values, text), False)


def _rows(mask: Any) -> Rows:
    """Return the positions where a mask without nulls is true."""
    array = mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
    return np.flatnonzero(array.to_numpy(zero_copy_only=False))


_FINDERS: dict[str, Finder] = {
    "expect_column_values_to_not_be_null": _find_nulls,
    "expect_column_value_lengths_to_be_between": _of_column(_find_lengths),
    "expect_column_values_to_be_in_set": _of_column(_find_outside_set),
    "expect_column_values_to_not_be_in_set": _of_column(_find_inside_set),
    "expect_column_values_to_match_regex": _of_column(_find_unmatched),
    "expect_column_values_to_not_match_regex": _of_column(_find_matched),
    "expect_column_values_to_be_unique": _of_column(_find_repeated),
    "expect_column_values_to_refer_to": _of_column(_find_unresolved),
    "expect_column_values_to_refer_to_kind": _of_column(_find_other_kinds),
    "expect_column_values_to_be_iso_dates": _of_column(_find_no_dates),
    "expect_column_values_to_be_unmistakable": _of_column(_find_mistakable),
    "expect_column_pair_values_a_to_be_greater_than_b": _of_pair(_mark_not_greater),
    "expect_column_pair_values_to_agree_with_target": _of_pair(_mark_disagreeing),
    "expect_dates_to_be_no_older_than_known": _of_pair(_mark_older),
    "expect_parents_to_form_no_cycle": _of_pair(_mark_cyclic),
    "expect_one_primary_teacher_at_a_time": _find_two_primary_teachers,
}
