"""An export as edits of the small school: what is peculiar in it, and the expected result."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from golden.school import SCHOOL, SCHOOL_1_2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Row = dict[str, str]
STAMP = "2026-08-20T06:00:00.000Z"


@dataclass
class Export:
    """A package before it is written: the tables of its rows, and the format of its files."""

    tables: dict[str, list[Row]]
    headers: dict[str, list[str]]
    manifest: list[tuple[str, str]] | None
    names: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    folder: str = ""
    delimiter: str = ","
    quoting: Literal[0, 1] = csv.QUOTE_MINIMAL
    encoding: str = "utf-8"
    line_end: str = "\n"
    tail: str = ""

    def write(self, path: Path) -> Path:
        """Write a zip and return its path."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, rows in self.tables.items():
                text = self._text([self.headers[name], *self._cells(name, rows)])
                stem = self.names.get(name, f"{name}.csv")
                archive.writestr(f"{self.folder}{stem}", text.encode(self.encoding))
            for other, text in self.others.items():
                archive.writestr(f"{self.folder}{other}", text.encode(self.encoding))
            if self.manifest is not None:
                text = self._text([["propertyName", "value"], *map(list, self.manifest)])
                archive.writestr(f"{self.folder}manifest.csv", text.encode(self.encoding))
        return path

    def _cells(self, name: str, rows: list[Row]) -> list[list[str]]:
        return [[row.get(column, "") for column in self.headers[name]] for row in rows]

    def _text(self, lines: list[list[str]]) -> str:
        text = io.StringIO()
        end = self.tail + self.line_end
        writer = csv.writer(
            text, delimiter=self.delimiter, quoting=self.quoting, lineterminator=end
        )
        writer.writerows(lines)
        return text.getvalue()


def parsed(texts: Mapping[str, str]) -> Export:
    """Return a package as tables of rows."""
    tables, headers, manifest = {}, {}, None
    for file, text in texts.items():
        lines = list(csv.reader(io.StringIO(text)))
        if file == "manifest.csv":
            manifest = [(line[0], line[1]) for line in lines[1:]]
            continue
        name = file.removesuffix(".csv")
        headers[name] = lines[0]
        tables[name] = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    return Export(tables, headers, manifest)


# What can be peculiar in an export


def no_manifest(export: Export) -> None:
    """Leave the manifest out."""
    export.manifest = None


def without(*names: str) -> Callable[[Export], None]:
    """Leave some files out."""

    def edit(export: Export) -> None:
        for name in names:
            del export.tables[name]
        if export.manifest is not None:
            gone = {f"file.{name}" for name in names}
            export.manifest = [(k, "absent" if k in gone else v) for k, v in export.manifest]

    return edit


def drop(name: str, *columns: str) -> Callable[[Export], None]:
    """Leave some columns of a file out."""

    def edit(export: Export) -> None:
        export.headers[name] = [c for c in export.headers[name] if c not in columns]

    return edit


def only(name: str, columns: str) -> Callable[[Export], None]:
    """Write only the given columns of a file, in the given order."""

    def edit(export: Export) -> None:
        export.headers[name] = columns.split(",")

    return edit


def rename(name: str, /, **columns: str) -> Callable[[Export], None]:
    """Give columns of a file other names."""

    def edit(export: Export) -> None:
        export.headers[name] = [columns.get(c, c) for c in export.headers[name]]
        for row in export.tables[name]:
            for old, new in columns.items():
                row[new] = row.pop(old, "")

    return edit


def put(name: str, column: str, value: str | Callable[[str], str]) -> Callable[[Export], None]:
    """Write a value into a column of all rows; a column that is missing is added at the right."""

    def edit(export: Export) -> None:
        if column not in export.headers[name]:
            export.headers[name] = [*export.headers[name], column]
        for row in export.tables[name]:
            row[column] = value(row.get(column, "")) if callable(value) else value

    return edit


def everywhere(change: Callable[[str, str], str]) -> Callable[[Export], None]:
    """Change every value by a function of its column and value."""

    def edit(export: Export) -> None:
        for rows in export.tables.values():
            for row in rows:
                for column, value in row.items():
                    row[column] = change(column, value)

    return edit


def stamped(export: Export) -> None:
    """Fill status and dateLastModified in bulk files."""
    for name in export.tables:
        put(name, "status", "active")(export)
        put(name, "dateLastModified", STAMP)(export)


def more(name: str, /, **values: str) -> Callable[[Export], None]:
    """Add a row."""

    def edit(export: Export) -> None:
        export.tables[name].append(values)

    return edit


def written(**how: object) -> Callable[[Export], None]:
    """Change how the package is written: quotes, line ends, folder, names and the like."""

    def edit(export: Export) -> None:
        for name, value in how.items():
            setattr(export, name, value)

    return edit


def set_manifest(**properties: str) -> Callable[[Export], None]:
    """Set properties of the manifest; two underscores here are a dot of the name."""

    def edit(export: Export) -> None:
        changed = {name.replace("__", "."): value for name, value in properties.items()}
        kept = dict(export.manifest or ())
        export.manifest = list((kept | changed).items())

    return edit


def capitals(value: str) -> str:
    """Return a boolean in capitals, as a spreadsheet writes it."""
    return value.upper()


def us_date(column: str, value: str) -> str:
    """Return a date with the month first."""
    if column not in {"startDate", "endDate", "beginDate"} or not value:
        return value
    year, month, day = value.split("-")
    return f"{int(month)}/{int(day)}/{year}"


def prefixed(column: str, value: str) -> str:
    """Return the sourcedId of a member of staff with TCH_ before it."""
    is_user = column == "userSourcedId" or (column == "sourcedId" and value in _PEOPLE)
    return f"TCH_{value}" if is_user and value in _STAFF else value


_STAFF = {"ann", "bob", "cat", "dan", "eve"}
_PEOPLE = _STAFF | {"stu", "pat"}


def null(column: str, value: str) -> str:
    """Return NULL for a blank value, except in ids and statuses."""
    kept = column.endswith(("sourcedId", "SourcedId", "SourcedIds")) or column == "status"
    return value if value or kept else "NULL"


@dataclass(frozen=True)
class Dialect:
    """One documented export.

    Attributes:
        name: The system, in one word.
        source: The page or repository that documents it.
        peculiar: What is peculiar, in one sentence.
        edits: The same as edits of the small school.
        base: 1.1 or 1.2.
        users: The number of people who get an account on the first day.
        assignments: The number of course assignments after the first day.
        outcome: The outcome of the first sync.
        codes: Codes of which the findings must have at least one line each.
        preferences: The preferences that the operator sets before.
        options: Options of the command line.
    """

    name: str
    source: str
    peculiar: str
    edits: tuple[Callable[[Export], None], ...] = ()
    base: str = "1.1"
    users: int = 4
    assignments: int = 2
    outcome: str = "succeeded"
    codes: tuple[str, ...] = ()
    preferences: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def export(self) -> Export:
        """Return the first day's package."""
        export = parsed(SCHOOL if self.base == "1.1" else SCHOOL_1_2)
        for edit in self.edits:
            edit(export)
        return export

    def next_day(self) -> Export:
        """Return the package of the next day: Eve is new and teaches Art, and nobody has left."""
        export = parsed(SCHOOL if self.base == "1.1" else SCHOOL_1_2)
        person = {
            "sourcedId": "eve",
            "enabledUser": "true",
            "orgSourcedIds": "s",
            "role": "teacher",
            "username": "eve",
            "givenName": "Eve",
            "familyName": "May",
            "email": "eve@example.org",
            "primaryOrgSourcedId": "s",
        }
        export.tables["users"].append(person)
        if self.base == "1.2":
            role = {"sourcedId": "r-eve", "userSourcedId": "eve", "roleType": "primary"}
            export.tables["roles"].append({**role, "role": "teacher", "orgSourcedId": "s"})
        taught = {"sourcedId": "eve-a1", "classSourcedId": "a1", "schoolSourcedId": "s"}
        export.tables["enrollments"].append(
            {**taught, "userSourcedId": "eve", "role": "teacher", "primary": "false"}
        )
        for edit in self.edits:
            edit(export)
        for rows in export.tables.values():
            rows.reverse()
        return export
