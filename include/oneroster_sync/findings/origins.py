"""Which finding follows from which: who mends a class has mended the enrollments in it."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Column: TypeAlias = pa.Array | pa.ChunkedArray

HANGS = "reference.target_quarantined"
_MISSING = "reference.missing_target_record"
_UNCLEAR = "semantic.unclear_identity"
_NOTHING = -1


def origins(findings: pa.Table, alike: Numbers) -> Numbers:
    """Return for each finding the group of findings that it follows from: its own, mostly.

    A record with errors of several groups is said to have those of the largest one.

    Args:
        findings: With the columns of `model.SCHEMA`.
        alike: The group of each finding.
    """
    found = _Found(findings, alike)
    origin = _of_hanging(found)
    _follow_own_row(found, origin)
    _follow_nameless(found, origin)
    return origin


def keyed(*columns: Column) -> pa.Array:
    """Return one text for each row, the same for rows that are the same in all columns."""
    texts = [column.cast(pa.string()) for column in columns]
    joined = pc.binary_join_element_wise(
        *texts, "\x1f", null_handling="replace", null_replacement="\0"
    )
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def numbered(*columns: Column) -> Numbers:
    """Return one number for each row, from 0 on, the same for rows that are the same."""
    return _numbers(keyed(*columns).dictionary_encode().indices)


class _Found:
    """Findings as arrays of numbers and flags."""

    def __init__(self, findings: pa.Table, alike: Numbers) -> None:
        self.table = findings
        self.alike = alike
        self.size = np.bincount(alike, weights=findings["rows"].to_numpy())
        self.error = self.has("severity", "error")
        self.hangs = self.has("code", HANGS)
        self.nameless = _flags(pc.is_null(findings["sourced_id"]))

    def has(self, column: str, value: object) -> Flags:
        """Tell which findings have a value."""
        return _flags(pc.fill_null(pc.equal(self.table[column], value), False))

    def files_pointed_to(self, which: Flags) -> list[str]:
        """Return the files that some findings point to."""
        files = pc.unique(self.table["target_file"].filter(pa.array(which)))
        return [file for file in files.to_pylist() if file]

    def largest(self, origin: Numbers, which: Flags) -> int:
        """Return the origin of those findings that has the most rows, `_NOTHING` of none."""
        groups = origin[which & (origin != _NOTHING)]
        return int(groups[np.argmax(self.size[groups])]) if len(groups) else _NOTHING


def _of_hanging(found: _Found) -> Numbers:
    """Let what hangs from a record with errors follow from those, however long the chain is."""
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
        known = known[np.argsort(found.size[origin[known]], kind="stable")]
        of_record[records[known]] = origin[known]
        waiting = np.flatnonzero((origin == _NOTHING) & (targets != _NOTHING))
        told = of_record[targets[waiting]]
        if not (told != _NOTHING).any():
            break
        origin[waiting] = told
    for file in found.files_pointed_to(origin == _NOTHING):
        lost = (origin == _NOTHING) & found.has("target_file", file)
        origin[lost] = found.largest(origin, found.error & found.has("file", file))
    return np.where(origin == _NOTHING, found.alike, origin)


def _follow_own_row(found: _Found, origin: Numbers) -> None:
    """Let that nothing is removed follow from the row that can't be told."""
    for at in np.flatnonzero(found.has("code", _UNCLEAR)):
        file, row = (found.table[name][int(at)].as_py() for name in ("file", "row"))
        same = found.error & found.has("file", file) & found.has("row", row)
        if (largest := found.largest(origin, same)) != _NOTHING:
            origin[at] = largest


def _follow_nameless(found: _Found, origin: Numbers) -> None:
    """Let missing records follow from rows that can't be told, when those may be all of them."""
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
