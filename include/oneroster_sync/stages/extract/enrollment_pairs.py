"""Enrollments without a sourcedId of their own are identified by user and class.

Some exports leave out the column sourcedId; others write one sourcedId for all teachers of a class.
The platform keeps only who teaches what of an enrollment, so the pair can name it. An enrollment
that was once known by its pair keeps that name, because a delta would not find it otherwise.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 255
_MARK = "("
"""First character of a pair's sourcedId; an SIS hardly ever writes such a sourcedId."""


def with_pair_ids(table: pa.Table, rows: pa.ChunkedArray | None = None) -> pa.Table:
    """Return enrollments with sourcedIds made of user and class; null if one of them is blank.

    Args:
        table: Rows of enrollments.csv.
        rows: Mask of the rows to change; all by default.
    """
    ids = _pair_ids(table)
    if rows is not None:
        ids = pc.if_else(rows, ids, table["sourcedId"])
    return table.set_column(table.column_names.index("sourcedId"), "sourcedId", ids)


def with_known_pairs(table: pa.Table, known: pa.Array) -> pa.Table:
    """Return enrollments with their pair as sourcedId where the site knows them by it.

    Args:
        table: Rows of enrollments.csv.
        known: sourcedIds of the enrollments that the site has.
    """
    pairs = known.filter(pc.starts_with(known, _MARK))
    if not len(pairs):
        return table
    return with_pair_ids(table, pc.is_in(_pair_ids(table), pairs))


def part_shared_ids(table: pa.Table) -> tuple[pa.Table, list[Finding]]:
    """Give enrollments of one class with a shared sourcedId sourcedIds of their own, by pair.

    Rows that differ otherwise, as by class, stay unchanged: two rows with one sourcedId.

    Returns:
        The enrollments, each pair once for a role, and the findings.
    """
    ids = table["sourcedId"]
    # count_distinct leaves out nulls. In nearly every file all sourcedIds differ, and this is all.
    if pc.count_distinct(ids).as_py() + ids.null_count >= table.num_rows:
        return table, []
    named = table.filter(pc.and_(pc.is_valid(ids), pc.is_null(table["flaw"])))
    groups = named.group_by("sourcedId").aggregate(
        [
            ("classSourcedId", "count_distinct"),
            ("userSourcedId", "count_distinct"),
            ("userSourcedId", "count"),
            ("row", "count"),
        ]
    )
    is_shared = pc.and_(
        pc.and_(
            pc.equal(groups["classSourcedId_count_distinct"], 1),
            pc.greater(groups["userSourcedId_count_distinct"], 1),
        ),
        # `count` leaves out nulls: no row of the group may lack its user.
        pc.equal(groups["userSourcedId_count"], groups["row_count"]),
    )
    shared = groups["sourcedId"].filter(is_shared).combine_chunks()
    findings = []
    chosen = pc.and_(pc.is_in(ids, shared), pc.is_null(table["flaw"]))
    rows = table["row"].filter(chosen)
    if len(rows):
        place = "enrollments.csv", pc.min(rows).as_py(), "sourcedId"
        code = "reference.shared_sourced_id"
        findings.append(Finding(code, Severity.WARNING, *place, rows=len(rows)))
        table = with_pair_ids(table, chosen)
    table, repeated = _each_once(table)
    return table, [*findings, *repeated]


def _each_once(table: pa.Table) -> tuple[pa.Table, Iterator[Finding] | list[Finding]]:
    """Keep the first row of each pair and role; terms or dates do not make another assignment."""
    is_pair = pc.fill_null(pc.starts_with(table["sourcedId"], _MARK), False)
    if not pc.any(is_pair).as_py():
        return table, []
    frame = table.select(["sourcedId", "role", "status", "goes"]).to_pandas()
    again = pa.array(frame.duplicated().to_numpy())
    again = pc.and_(pc.and_(again, is_pair), pc.is_null(table["flaw"]))
    rows = table["row"].filter(again)
    if not len(rows):
        return table, []
    place = "enrollments.csv", pc.min(rows).as_py()
    finding = Finding("reference.repeated_row", Severity.WARNING, *place, rows=len(rows))
    return table.filter(pc.invert(again)), [finding]


def _pair_ids(table: pa.Table) -> pa.ChunkedArray:
    ids = pc.binary_join_element_wise(
        pc.binary_join_element_wise(_MARK, pc.utf8_trim_whitespace(table["userSourcedId"]), ""),
        pc.binary_join_element_wise(pc.utf8_trim_whitespace(table["classSourcedId"]), ")", ""),
        ",",
        null_handling="emit_null",
    )
    if pc.any(pc.greater(pc.utf8_length(ids), _LONGEST)).as_py():
        shortened = [_shortened(one) for one in ids.to_pylist()]
        ids = pa.chunked_array([pa.array(shortened, pa.string())])
    return ids


def _shortened(one: str | None) -> str | None:
    if one is None or len(one) <= _LONGEST:
        return one
    return f"{_MARK}sha256:{hashlib.sha256(one.encode()).hexdigest()})"
