"""The named repairs of the tolerant profile; in strict the same things are errors.

A repair is made only if one meaning is possible. Each repair is one finding per column, with the
number of repaired rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Severity
from oneroster_sync.sites.preferences import DateOrder, Profile
from oneroster_sync.stages.extract.csv_table import OWN
from oneroster_sync.stages.extract.dialect import Dialect
from oneroster_sync.standard import ROSTERING_FILES, Version, rostering_file
from oneroster_sync.standard.enums import (
    BOOLEAN_SPELLINGS,
    BOOLEANS,
    STUDENT_LIKE_ROLES,
    listed_values,
)
from oneroster_sync.standard.files import Type
from oneroster_sync.standard.modes import Mode

_OWN_NAMES = {f.name for f in OWN}
_STANDARD = Dialect()
# The standard's schoolYear is the year in which the school year ends.
_TWO_YEARS = r"^[0-9]{4}-([0-9]{4})$"
# How databases print a date without a time. Any other time or zone may be another day in UTC.
_MIDNIGHT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]00:00(?::00(?:\.0+)?)?Z?$"
# How databases export a null: SQL's own word, and that of COPY and LOAD DATA.
_NULLS = ("NULL", r"\N")
_READ = {
    column.canonical: column.type
    for name in ROSTERING_FILES
    for version in Version
    if (file := rostering_file(name, version)) is not None
    for column in file.read_columns
}
_DATES = {column for column, type_ in _READ.items() if type_ is Type.DATE}
_NAMES = {"givenName", "familyName", "name", "title", "username"}
_MAY_BE_NULL = {column for column, type_ in _READ.items() if type_ is not Type.ID} - _NAMES


@dataclass(slots=True)
class Repairs:
    """Repairs made to one file, over all its blocks.

    Attributes:
        name: The file's name, with `.csv`.
        mode: Mode of the file; in bulk, `status` and `dateLastModified` are ignored.
        profile: In strict the findings are errors, so that the package is rejected.
        dialect: The order of dates at the site.
    """

    name: str
    mode: Mode
    profile: Profile
    dialect: Dialect = _STANDARD
    _made: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def apply(self, table: pa.Table) -> pa.Table:
        """Return the block with its values repaired."""
        for column in table.column_names:
            if column not in _OWN_NAMES:
                table = self._trim(table, column)
        table = self._blank_nulls(table)
        for column in table.column_names:
            if words := listed_values(self.name.removesuffix(".csv"), column):
                by_lower = {word.lower(): word for word in words}
                table = self._respell(table, column, by_lower, "row.invalid_enum")
        for column in BOOLEANS & set(table.column_names):
            table = self._respell(table, column, BOOLEAN_SPELLINGS, "row.invalid_boolean")
        for column in _DATES & set(table.column_names):
            table = self._cut_time(self._as_iso(table, column), column)
        if "schoolYear" in table.column_names:
            table = self._end_year(table)
        if self.mode is Mode.BULK:
            table = self._forget_bulk_stamps(table)
        return table

    def findings(self) -> list[Finding]:
        """Return one finding for each kind of repair and column."""
        severity = Severity.ERROR if self.profile is Profile.STRICT else Severity.WARNING
        return [
            Finding(code, severity, self.name, first, column, rows=rows)
            for (code, column), (first, rows) in sorted(self._made.items())
        ]

    def _trim(self, table: pa.Table, column: str) -> pa.Table:
        values = table[column]
        trimmed = pc.utf8_trim_whitespace(values)
        changed = pc.not_equal(trimmed, values)
        if not pc.any(changed).as_py():
            return table
        blank = pc.equal(trimmed, "")
        return self._set(
            table, column, "row.surrounding_space", changed, pc.if_else(blank, None, trimmed)
        )

    def _respell(
        self, table: pa.Table, column: str, spellings: dict[str, str], code: str
    ) -> pa.Table:
        values = table[column]
        known = pa.array(sorted(set(spellings.values())))
        odd = pc.unique(values.filter(pc.invert(pc.is_in(values, known)))).drop_null().to_pylist()
        meant = {value: spellings[value.lower()] for value in odd if value.lower() in spellings}
        if not meant:
            return table
        at = pc.index_in(values, pa.array(list(meant)))
        repaired = pc.coalesce(pc.take(pa.array(list(meant.values())), at), values)
        return self._set(table, column, code, pc.is_valid(at), repaired)

    def _end_year(self, table: pa.Table) -> pa.Table:
        values = table["schoolYear"]
        double = pc.match_substring_regex(values, _TWO_YEARS)
        ends = pc.replace_substring_regex(values, _TWO_YEARS, r"\1")
        if not pc.any(double).as_py():
            return table
        return self._set(table, "schoolYear", "row.invalid_year", double, ends)

    def _as_iso(self, table: pa.Table, column: str) -> pa.Table:
        """Convert dates from the site's order to ISO; without findings, since the site chose it."""
        if self.dialect.date_order is DateOrder.ISO:
            return table
        cells = table[column].combine_chunks().dictionary_encode()
        dates = [self.dialect.iso_date(cell) or cell for cell in cells.dictionary.to_pylist()]
        read = pa.array(dates, pa.string()).take(cells.indices)
        return table.set_column(table.column_names.index(column), column, read)

    def _cut_time(self, table: pa.Table, column: str) -> pa.Table:
        """Turn timestamps at midnight, without a time zone or in UTC, into dates."""
        values = table[column]
        timed = pc.match_substring_regex(values, _MIDNIGHT)
        if not pc.any(timed).as_py():
            return table
        days = pc.utf8_slice_codeunits(values, 0, len("YYYY-MM-DD"))
        days = pc.if_else(timed, days, values)
        return self._set(table, column, "row.invalid_date", timed, days)

    def _blank_nulls(self, table: pa.Table) -> pa.Table:
        """Blank the words NULL and backslash-N if the file uses them for empty cells.

        NULL may be a person's name. The word counts as empty only if it appears in at least two
        columns that have no empty cell, and never in names or sourcedIds.
        """
        for word in _NULLS:
            found = [
                column
                for column in table.column_names
                if column in _MAY_BE_NULL
                and table[column].null_count == 0
                and pc.any(pc.equal(table[column], word)).as_py()
            ]
            for column in found if len(found) > 1 else ():
                is_word = pc.equal(table[column], word)
                blank = pc.if_else(is_word, None, table[column])
                table = self._set(table, column, "row.null_word", is_word, blank)
        return table

    def _forget_bulk_stamps(self, table: pa.Table) -> pa.Table:
        """Blank status and dateLastModified in bulk, except for a status that asks for removal."""
        for column in ("status", "dateLastModified"):
            values = table[column]
            filled = pc.is_valid(values)
            if column == "status":
                filled = pc.fill_null(pc.equal(values, "active"), False)
            if pc.any(filled).as_py():
                blank = pc.if_else(filled, None, values)
                table = self._set(table, column, "row.field_forbidden_in_bulk", filled, blank)
        return table

    def _set(
        self, table: pa.Table, column: str, code: str, changed: pa.Array, values: pa.Array
    ) -> pa.Table:
        rows = table["row"].filter(pc.fill_null(changed, False))
        first, count = self._made.get((code, column), (0, 0))
        lowest = pc.min(rows).as_py()
        first = min(first, lowest) if first else lowest
        self._made[code, column] = (first, count + len(rows))
        return table.set_column(table.column_names.index(column), column, values.cast(pa.string()))


def role_is(values: pa.ChunkedArray, roles: frozenset[str] = STUDENT_LIKE_ROLES) -> pa.ChunkedArray:
    """Return for each role whether it is one of `roles`, in any capitalisation."""
    lowered = pc.utf8_lower(pc.utf8_trim_whitespace(values))
    return pc.is_in(lowered, pa.array(sorted(role.lower() for role in roles)))


def find_lost_zeros(references: pa.Array, ids: pa.Array) -> int | None:
    """Return the length of references after their lost leading zeros are restored, or None.

    Spreadsheets drop leading zeros. The zeros are restored only if no written reference matches a
    sourcedId, all sourcedIds have one length, and every reference matches one of them at that
    length.

    Args:
        references: sourcedIds as written in the file, possibly repeated.
        ids: The sourcedIds that they may mean.

    Returns:
        The length, or None if the references stay unchanged.
    """
    lengths, written = pc.unique(pc.utf8_length(ids)), pc.unique(references)
    if len(lengths) != 1 or not len(written):
        return None
    if not pc.all(pc.match_substring_regex(written, "^[0-9]+$")).as_py():
        return None
    if pc.any(pc.is_in(written, ids)).as_py():
        return None
    length = int(lengths[0].as_py())
    padded = pc.utf8_lpad(written, width=length, padding="0")
    return length if pc.all(pc.is_in(padded, ids)).as_py() else None
