"""One finding, and a run's findings: few as objects, many as an Arrow table."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings.codes import CODES
from oneroster_sync.findings.text import MARK, describe, shown, shown_id, shown_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "SCHEMA",
    "Finding",
    "Findings",
    "Severity",
    "completed",
    "describe",
    "find_named",
    "has_row_errors",
    "hash_ids",
    "hide_unknown",
    "is_named",
    "rows_as_findings",
    "shown",
    "shown_id",
    "shown_target",
]


class Severity(StrEnum):
    """The severity of a finding: an error prevents the use of a row, a file or a package."""

    ERROR = "error"
    WARNING = "warning"


SCHEMA = pa.schema(
    [
        ("code", pa.string()),
        ("severity", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("column", pa.string()),
        ("sourced_id", pa.string()),
        ("expected", pa.string()),
        ("rows", pa.int64()),
        ("target_file", pa.string()),
        ("target", pa.string()),
    ]
)


# Only the rows of these files are about people.
_OF_PEOPLE = {"users.csv", "roles.csv", "enrollments.csv"}


def hide_unknown(
    findings: pa.Table, unclear: Mapping[str, pa.Array], known: Mapping[str, pa.Array]
) -> pa.Table:
    """Return findings with a hash for each sourcedId that may be a name or a password.

    In a row with shifted columns, the cell of the sourcedId may hold any other value. So only a
    sourcedId that the site already has is shown. A record and references to it get the same hash.

    Args:
        findings: A table with the columns of `SCHEMA`.
        unclear: File → rows that may not be a staff member's.
        known: File → sourcedIds that the site has.
    """
    ids = pa.array([], pa.string())
    for file, rows in unclear.items():
        if file not in _OF_PEOPLE:
            continue
        of_file = pc.equal(findings["file"], file)
        hidden = pc.and_(of_file, pc.is_in(findings["row"], rows))
        hidden = pc.and_not(hidden, pc.is_in(findings["sourced_id"], known.get(file, ids)))
        # A finding about the whole package has no file, so the masks above are null for it.
        hidden = pc.fill_null(hidden, False)
        # Before the sourcedIds are replaced, because references still have the plain ones.
        unknown = findings["sourced_id"].filter(hidden).combine_chunks()
        findings = _hashed(findings, "sourced_id", hidden)
        pointed = pc.and_(
            pc.equal(findings["target_file"], file), pc.is_in(findings["target"], unknown)
        )
        findings = _hashed(findings, "target", pc.fill_null(pointed, False))
    return findings


def _hashed(findings: pa.Table, column: str, rows: pa.ChunkedArray) -> pa.Table:
    if not pc.any(rows).as_py():
        return findings
    values = findings[column].to_pylist()
    texts = [
        shown_id(value, is_staff=False) if hide and value is not None else value
        for value, hide in zip(values, rows.to_pylist(), strict=True)
    ]
    at = findings.column_names.index(column)
    return findings.set_column(at, SCHEMA.field(column), pa.array(texts, pa.string()))


def find_named(ids: pa.Array | pa.ChunkedArray, among: pa.Array) -> pa.Array | pa.ChunkedArray:
    """Return the index of each sourcedId in `among`, or null if it is not there.

    Args:
        ids: sourcedIds.
        among: sourcedIds, or their hashes.
    """
    at = pc.index_in(ids, value_set=among, skip_nulls=True)
    # Hashing is a call of Python for each id, so only where a hash can match.
    if not len(among) or not pc.any(pc.starts_with(among, MARK)).as_py():
        return at
    return pc.coalesce(at, pc.index_in(hash_ids(ids), value_set=among, skip_nulls=True))


def is_named(ids: pa.Array | pa.ChunkedArray, among: pa.Array) -> pa.Array | pa.ChunkedArray:
    """Return which sourcedIds are in `among`, which may hold hashes."""
    return pc.is_valid(find_named(ids, among))


def hash_ids(
    ids: pa.Array | pa.ChunkedArray, rows: pa.ChunkedArray | None = None
) -> pa.Array | pa.ChunkedArray:
    """Return hashes of sourcedIds; null for null, and outside `rows` if these are given."""
    if rows is not None:
        ids = pc.if_else(rows, ids, pa.scalar(None, pa.string()))
    shown = [one and shown_id(one, is_staff=False) for one in ids.to_pylist()]
    values = pa.array(shown, pa.string())
    return pa.chunked_array([values]) if isinstance(ids, pa.ChunkedArray) else values


def completed(table: pa.Table) -> pa.Table:
    """Return findings with the columns of `SCHEMA`; missing columns are null."""
    for column in SCHEMA:
        if column.name not in table.column_names:
            table = table.append_column(column, pa.nulls(table.num_rows, column.type))
    return table.select(SCHEMA.names).cast(SCHEMA)


def has_row_errors(findings: pa.Table) -> bool:
    """Return whether there is an error other than those of guards, which hold a plan."""
    errors = pc.equal(findings["severity"], Severity.ERROR.value)
    of_guards = pc.starts_with(findings["code"], "guard.")
    return bool(pc.any(pc.and_(errors, pc.invert(of_guards))).as_py())


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement about the input.

    Attributes:
        code: A name of `CODES`.
        severity: `error` if a row, file or package was not used, `warning` if it was used.
        file: Name of the file, with `.csv`; None for the package as a whole.
        row: Row of the file as a spreadsheet numbers it: the header is row 1.
        column: Header of the column, as the file spells it.
        sourced_id: The row's sourcedId.
        expected: What would have been correct.
        rows: How many rows the finding represents; `row` is the first of them.
        target_file: For a wrong reference, the file that the row points to, with `.csv`.
        target: The sourcedId that the row points to.
    """

    code: str
    severity: Severity = Severity.ERROR
    file: str | None = None
    row: int | None = None
    column: str | None = None
    sourced_id: str | None = None
    expected: str | None = None
    rows: int = 1
    target_file: str | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"{self.code} is not a finding code; add it to findings/codes.toml")

    def for_a_person(self) -> str:
        """Return what was found, where, and what to do, without code and sourcedId."""
        place = ", ".join(filter(None, (self.file, self._rows(), self.column)))
        code = CODES[self.code]
        found = f"{code.meaning.removesuffix('.')} ({place})." if place else code.meaning
        used = code.describe(self.severity).removeprefix(code.meaning).strip()
        return " ".join(filter(None, (found, self._expected(), used, code.hint)))

    def _rows(self) -> str:
        """Return the first row and the number of further rows as text; empty without a row."""
        if self.row is None:
            return ""
        return f"row {self.row:,}" + (f" and {self.rows - 1:,} more" if self.rows > 1 else "")

    def _expected(self) -> str:
        """Return what was expected as a sentence; empty if unknown."""
        if not self.expected:
            return ""
        return f"Expected {self.expected}" + ("" if self.expected.endswith("?") else ".")

    def to_text(self, *, is_staff: bool = True) -> str:
        """Return the finding as one line of a log.

        Args:
            is_staff: Whether the row is known not to be a student's; else its sourcedId is hashed.
        """
        place = [self.file] if self.file else []
        if self.row is not None:
            place.append(self._rows())
        if self.column:
            place.append(f"column {self.column}")
        if self.sourced_id:
            place.append(f"sourcedId {shown_id(self.sourced_id, is_staff=is_staff)}")
        if self.target:
            place.append(f"which points to {shown_target(self.target, self.target_file)}")
        code = CODES[self.code]
        where = f" in {', '.join(place)}" if place else ""
        found = f"{self.severity} {self.code}{where}: {code.meaning}"
        used = code.describe(self.severity).removeprefix(code.meaning).strip()
        return " ".join(filter(None, (found, self._expected(), used, code.hint)))


def _merged(code: str, columns: list[str], files: list[str]) -> str:
    """Return the merged text of `expected`: the columns, and the files if there are several."""
    what = ", ".join(columns)
    if code.startswith("row."):
        what = f"no values of {what}"
    return " in ".join(filter(None, (what, ", ".join(files) if len(files) > 1 else "")))


@dataclass(slots=True)
class Findings:
    """A run's findings in the order in which they were added."""

    _few: list[Finding] = field(default_factory=list)
    _many: list[pa.Table] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Add one finding."""
        self._few.append(finding)

    def extend(self, findings: Iterable[Finding]) -> None:
        """Add some findings."""
        self._few.extend(findings)

    def add_table(self, table: pa.Table) -> None:
        """Add many findings at once; columns of `SCHEMA` that the table lacks are null."""
        if table.num_rows:
            self._flush()
            self._many.append(completed(table))

    def table(self) -> pa.Table:
        """Return all findings as one table of `SCHEMA`."""
        self._flush()
        return pa.concat_tables(self._many) if self._many else SCHEMA.empty_table()

    def count(self, severity: Severity) -> int:
        """Return the number of findings of a severity."""
        return int(pc.sum(pc.equal(self.table()["severity"], severity.value)).as_py() or 0)

    def has_errors(self) -> bool:
        """Return whether any finding is an error."""
        return self.count(Severity.ERROR) > 0

    def has_violations(self) -> bool:
        """Return whether any finding violates the standard."""
        codes = pc.unique(self.table()["code"]).to_pylist()
        return any(CODES[code].violation for code in codes)

    def make_violations_errors(self) -> None:
        """Make all violations of the standard errors, as the profile strict requires."""
        table = self.table()
        forbidden = pa.array([name for name, code in CODES.items() if code.violation])
        errors = pc.if_else(
            pc.is_in(table["code"], forbidden), Severity.ERROR.value, table["severity"]
        )
        at = table.column_names.index("severity")
        self._many = [table.set_column(at, SCHEMA.field(at), errors)]

    def merge(self, codes: Iterable[str]) -> None:
        """Merge all findings of each of these codes into one finding."""
        table = self.table()
        for code in codes:
            chosen = pc.equal(table["code"], code)
            rows = table.filter(chosen).to_pylist()
            if len(rows) < 2:  # noqa: PLR2004  one finding is left unchanged
                continue
            files, columns = (
                list(dict.fromkeys(row[name] for row in rows if row[name]))
                for name in ("file", "column")
            )
            merged = Finding(
                code,
                # An error wins over any number of warnings: True is greater than False.
                max((Severity(row["severity"]) for row in rows), key=Severity.ERROR.__eq__),
                files[0] if len(files) == 1 else None,
                min((row["row"] for row in rows if row["row"]), default=None)
                if len(files) == 1
                else None,
                expected=_merged(code, columns, files),
                # Several columns of one file are the same rows, so the largest number counts.
                rows=sum(max(r["rows"] for r in rows if r["file"] == file) for file in files),
            )
            at = int(pc.index(chosen, True).as_py())
            kept = pc.invert(chosen)
            before, after = table.slice(0, at), table.slice(at)
            alone = Findings()
            alone.add(merged)
            table = pa.concat_tables(
                [before.filter(kept.slice(0, at)), alone.table(), after.filter(kept.slice(at))]
            )
        self._many = [table] if table.num_rows else []

    def _flush(self) -> None:
        if self._few:
            rows = [{**asdict(f), "severity": f.severity.value} for f in self._few]
            self._many.append(pa.Table.from_pylist(rows, schema=SCHEMA))
            self._few = []


def rows_as_findings(table: pa.Table) -> Iterable[Finding]:
    """Yield the rows of a findings table as objects."""
    for batch in table.to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            yield Finding(**{**row, "severity": Severity(row["severity"])})
