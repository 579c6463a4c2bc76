"""Causes: groups of findings with one fix, such as ten thousand findings about one missing org.

A cause is all findings of one code about one column, or about one missing record, whatever files
point to it. A cause that only follows from another one, such as the enrollments of a class whose
org is missing, is listed after it: fixing the first fixes both. So causes are in the order in which
to fix them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = pa.schema(
    [
        ("code", pa.string()),
        ("severity", pa.string()),
        ("file", pa.string()),
        ("column", pa.string()),
        ("expected", pa.string()),
        ("target_file", pa.string()),
        ("target", pa.string()),
        ("findings", pa.int64()),
        ("rows", pa.int64()),
        ("first_row", pa.int64()),
        ("affected", pa.int64()),
        ("follows", pa.int64()),
    ]
)
NAMED = 10
"""Most missing records of a file that are a cause each; the others are one cause together."""

_SAME_KIND = ["code", "severity", "target_file"]


@dataclass(frozen=True, slots=True)
class Causes:
    """The causes of a run's findings.

    Attributes:
        table: One row for each cause, with the columns of `SCHEMA`: errors first, then by the
            number of rows affected; causes that follow from a cause come right after it. `affected`
            counts the rows of a cause and of all causes that follow from it, each row once;
            `follows` is the number, counted from 1, of the cause that this one follows from.
        numbers: For each finding, the number of its cause.
    """

    table: pa.Table
    numbers: pa.Array


def causes_of(findings: pa.Table) -> Causes:
    """Group findings into causes.

    Args:
        findings: The findings of one run, with the columns of `finding.SCHEMA`.
    """
    if not findings.num_rows:
        return Causes(SCHEMA.empty_table(), pa.array([], pa.int64()))
    findings = findings.combine_chunks()
    named = _named_targets(findings)
    alike = _group_findings(findings, named)
    origin = origins(findings, alike)
    of_finding = numbered(pa.array(alike), pa.array(origin))
    causes = _described(findings, named, of_finding)
    affected = _affected(findings, origin)
    for cause in causes:
        at = cause["at"]
        cause["origin"], cause["is_origin"] = int(origin[at]), bool(origin[at] == alike[at])
        cause["affected"] = affected[cause["origin"]] if cause["is_origin"] else cause["rows"]
    _put_in_order(causes)
    number_of = {cause["cause"]: number for number, cause in enumerate(causes, start=1)}
    firsts = {cause["origin"]: number_of[cause["cause"]] for cause in causes if cause["is_origin"]}
    for cause in causes:
        cause["follows"] = None if cause["is_origin"] else firsts[cause["origin"]]
    numbers = np.array([number_of[cause] for cause in range(len(causes))], np.int64)
    return Causes(pa.Table.from_pylist(causes, schema=SCHEMA), pa.array(numbers[of_finding]))


def _named_targets(findings: pa.Table) -> pa.Array:
    """Return for each finding the missing record that is a cause of its own, else null.

    For each code and file, these are the `NAMED` records that affect the most rows; records that
    affect one row count only if there are at most `NAMED` records in all.
    """
    pointing = findings.filter(
        pc.and_(pc.is_valid(findings["target"]), pc.not_equal(findings["code"], QUARANTINED_TARGET))
    )
    listed = pointing.group_by([*_SAME_KIND, "target"]).aggregate([("rows", "sum")])
    order = [(name, "ascending") for name in _SAME_KIND]
    listed = listed.sort_by([*order, ("rows_sum", "descending"), ("target", "ascending")])
    kind = numbered(*(listed[name] for name in _SAME_KIND))
    _, begin, length = np.unique(kind, return_index=True, return_counts=True)
    place, among = np.arange(len(kind)) - begin[kind], length[kind]
    is_named = (place < NAMED) & ((among <= NAMED) | (listed["rows_sum"].to_numpy() > 1))
    keys = [*_SAME_KIND, "target"]
    chosen = keyed(*(listed.filter(pa.array(is_named))[name] for name in keys))
    is_chosen = pc.is_in(keyed(*(findings[name] for name in keys)), chosen)
    return pc.if_else(is_chosen, findings["target"].combine_chunks(), None)


def _group_findings(findings: pa.Table, named: pa.Array) -> Numbers:
    """Return for each finding the number of its group: findings that one fix resolves."""
    of_record = keyed(findings["target_file"], named)
    of_column = keyed(findings["file"], findings["column"], findings["expected"])
    where = pc.if_else(pc.is_valid(named), of_record, of_column)
    return numbered(findings["code"], findings["severity"], where)


def _described(findings: pa.Table, named: pa.Array, of_finding: Numbers) -> list[dict[str, Any]]:
    """Return the causes by number, each with the index `at` of its first finding."""
    _, first = np.unique(of_finding, return_index=True)
    findings = findings.set_column(findings.column_names.index("target"), "target", named)
    records = findings.take(pa.array(first)).to_pylist()
    grouped = findings.append_column("cause", pa.array(of_finding)).group_by("cause")
    counts = grouped.aggregate(
        [
            *(("code", "count"), ("rows", "sum"), ("row", "min")),
            *(("file", "distinct"), ("column", "distinct")),
        ]
    ).sort_by("cause")
    causes = []
    for at, one, count in zip(first.tolist(), records, counts.to_pylist(), strict=True):
        files, columns = (sorted(filter(None, count[f"{n}_distinct"])) for n in ("file", "column"))
        causes.append(
            {
                **one,
                "at": at,
                "cause": count["cause"],
                "file": ", ".join(files) or None,
                "column": ", ".join(columns) or None,
                "findings": count["code_count"],
                "rows": count["rows_sum"],
                "first_row": count["row_min"] if len(files) < 2 else None,  # noqa: PLR2004  one file
            }
        )
    return causes


def _affected(findings: pa.Table, origin: Numbers) -> dict[int, int]:
    """Return the number of distinct rows of each group and of all groups that follow from it."""
    table = findings.select(["file", "row", "rows"]).append_column("origin", pa.array(origin))
    rows = table.group_by(["origin", "file", "row"]).aggregate([("rows", "max")])
    totals = rows.group_by("origin").aggregate([("rows_max", "sum")])
    return dict(zip(*(totals[name].to_pylist() for name in totals.column_names), strict=True))


def _put_in_order(causes: list[dict[str, Any]]) -> None:
    """Sort causes: errors first, then by rows affected; those that follow come after theirs."""
    texts = ("code", "file", "column", "expected", "target_file", "target")

    def weight(cause: Mapping[str, Any]) -> tuple[Any, ...]:
        # A guard's finding needs a decision, not a fix: list it after all others.
        is_of_plan = cause["code"].startswith("guard.")
        values = (cause[name] or "" for name in texts)
        return is_of_plan, cause["severity"], -cause["affected"], *values

    place = {cause["origin"]: weight(cause) for cause in causes if cause["is_origin"]}
    causes.sort(key=lambda one: (place[one["origin"]], not one["is_origin"], weight(one)))


def first_of_causes(findings: pa.Table) -> pa.Table:
    """Return the first finding of each cause, in order, with the `rows` of the whole cause.

    If a cause has several findings, the sourcedId is null, since the finding represents all.
    """
    if not findings.num_rows:
        return findings
    numbers = causes_of(findings).numbers.to_numpy()
    _, firsts, counts = np.unique(numbers, return_index=True, return_counts=True)
    rows = np.zeros(len(firsts), np.int64)
    # Not `rows[…] += …`, which counts a repeated index once.
    np.add.at(rows, numbers - 1, findings["rows"].to_numpy())
    first = findings.take(pa.array(firsts))
    ids = pc.if_else(pa.array(counts == 1), first["sourced_id"], pa.scalar(None, pa.string()))
    for name, values in (("rows", pa.array(rows)), ("sourced_id", ids)):
        at = first.column_names.index(name)
        first = first.set_column(at, first.schema.field(at), values)
    return first


Numbers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Column: TypeAlias = pa.Array | pa.ChunkedArray

QUARANTINED_TARGET = "reference.target_quarantined"
_MISSING = "reference.missing_target_record"
_UNCLEAR = "semantic.unclear_identity"
_NOTHING = -1


def origins(findings: pa.Table, alike: Numbers) -> Numbers:
    """Return for each finding the group that it follows from; for most, its own group.

    A record with errors of several groups counts for the largest group.

    Args:
        findings: A table with the columns of `finding.SCHEMA`.
        alike: The group of each finding.
    """
    found = _Found(findings, alike)
    origin = _of_hanging(found)
    _follow_own_row(found, origin)
    _follow_nameless(found, origin)
    return origin


def keyed(*columns: Column) -> pa.Array:
    """Return one text for each row; rows with equal values in all columns have equal texts."""
    texts = [column.cast(pa.string()) for column in columns]
    # A null and an empty text are different keys.
    joined = pc.binary_join_element_wise(
        *texts, "\x1f", null_handling="replace", null_replacement="\0"
    )
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def numbered(*columns: Column) -> Numbers:
    """Return one number for each row, from 0; equal rows have equal numbers."""
    return _numbers(keyed(*columns).dictionary_encode().indices)


class _Found:
    """Findings as arrays of numbers and flags."""

    def __init__(self, findings: pa.Table, alike: Numbers) -> None:
        self.table = findings
        self.alike = alike
        self.size = np.bincount(alike, weights=findings["rows"].to_numpy())
        self.error = self.has("severity", "error")
        self.hangs = self.has("code", QUARANTINED_TARGET)
        self.nameless = _flags(pc.is_null(findings["sourced_id"]))

    def has(self, column: str, value: object) -> Flags:
        """Return which findings have a value in a column."""
        return _flags(pc.fill_null(pc.equal(self.table[column], value), False))

    def files_pointed_to(self, which: Flags) -> list[str]:
        """Return the files that some findings point to."""
        files = pc.unique(self.table["target_file"].filter(pa.array(which)))
        return [file for file in files.to_pylist() if file]

    def largest(self, origin: Numbers, which: Flags) -> int:
        """Return the origin with the most rows among some findings, or `_NOTHING`."""
        groups = origin[which & (origin != _NOTHING)]
        return int(groups[np.argmax(self.size[groups])]) if len(groups) else _NOTHING


def _of_hanging(found: _Found) -> Numbers:
    """Make references to a record with errors follow from these errors, through chains too."""
    table = found.table
    named = found.error & ~found.nameless
    record = pc.if_else(pa.array(named), keyed(table["file"], table["sourced_id"]), None)
    points = found.hangs & _flags(pc.is_valid(table["target"]))
    target = pc.if_else(pa.array(points), keyed(table["target_file"], table["target"]), None)
    ids = pa.concat_arrays([record, target]).dictionary_encode()
    records, targets = np.split(_numbers(ids.indices.fill_null(_NOTHING)), 2)
    origin = np.where(found.hangs, _NOTHING, found.alike)
    of_record = np.full(len(ids.dictionary) + 1, _NOTHING)
    while True:
        known = np.flatnonzero((records != _NOTHING) & (origin != _NOTHING))
        # The largest group last: of several values for one index, NumPy keeps the last one.
        known = known[np.argsort(found.size[origin[known]], kind="stable")]
        of_record[records[known]] = origin[known]
        waiting = np.flatnonzero((origin == _NOTHING) & (targets != _NOTHING))
        of_targets = of_record[targets[waiting]]
        if not (of_targets != _NOTHING).any():
            break
        origin[waiting] = of_targets
    for file in found.files_pointed_to(origin == _NOTHING):
        lost = (origin == _NOTHING) & found.has("target_file", file)
        origin[lost] = found.largest(origin, found.error & found.has("file", file))
    return np.where(origin == _NOTHING, found.alike, origin)


def _follow_own_row(found: _Found, origin: Numbers) -> None:
    """Make a finding that nothing is removed follow from the errors of the row that caused it."""
    for at in np.flatnonzero(found.has("code", _UNCLEAR)):
        file, row = (found.table[name][int(at)].as_py() for name in ("file", "row"))
        same = found.error & found.has("file", file) & found.has("row", row)
        if (largest := found.largest(origin, same)) != _NOTHING:
            origin[at] = largest


def _follow_nameless(found: _Found, origin: Numbers) -> None:
    """Make missing records follow from rows with no readable id, if there are enough such rows."""
    missing = found.has("code", _MISSING)
    for file in found.files_pointed_to(missing):
        lost = missing & found.has("target_file", file)
        targets = found.table["target"].filter(pa.array(lost))
        count = pc.count_distinct(targets).as_py() + targets.null_count
        nameless = found.error & found.nameless & found.has("file", file)
        rows = pc.count_distinct(found.table["row"].filter(pa.array(nameless))).as_py()
        to = found.largest(origin, nameless)
        groups = np.unique(found.alike[lost])
        if count <= rows and to not in groups:
            origin[np.isin(origin, groups)] = to


def _flags(column: Column) -> Flags:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.bool_)


def _numbers(column: Column) -> Numbers:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.int64)
