"""Exports as vendors document them, or as their converters and samples write them: a table.

Each entry names the page or repository that it was read from, and says in edits of the small school
what is peculiar there. Nothing of a page is copied; what is made here holds made-up people only.
"""

from __future__ import annotations

import csv
import io
import sys
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
    """A package on its way: tables of rows, and how they are written."""

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
    """Return a package as tables."""
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


# What can be peculiar


def no_manifest(export: Export) -> None:
    """Leave the manifest out."""
    export.manifest = None


def without(*names: str) -> Callable[[Export], None]:
    """Leave files out."""

    def edit(export: Export) -> None:
        for name in names:
            del export.tables[name]
        if export.manifest is not None:
            gone = {f"file.{name}" for name in names}
            export.manifest = [(k, "absent" if k in gone else v) for k, v in export.manifest]

    return edit


def drop(name: str, *columns: str) -> Callable[[Export], None]:
    """Leave columns of a file out."""

    def edit(export: Export) -> None:
        export.headers[name] = [c for c in export.headers[name] if c not in columns]

    return edit


def only(name: str, columns: str) -> Callable[[Export], None]:
    """Write some columns of a file only, in their order."""

    def edit(export: Export) -> None:
        export.headers[name] = columns.split(",")

    return edit


def rename(name: str, /, **columns: str) -> Callable[[Export], None]:
    """Write other headers."""

    def edit(export: Export) -> None:
        export.headers[name] = [columns.get(c, c) for c in export.headers[name]]
        for row in export.tables[name]:
            for old, new in columns.items():
                row[new] = row.pop(old, "")

    return edit


def put(name: str, column: str, value: str | Callable[[str], str]) -> Callable[[Export], None]:
    """Write another value into a column, a new one at the right edge if need be."""

    def edit(export: Export) -> None:
        if column not in export.headers[name]:
            export.headers[name] = [*export.headers[name], column]
        for row in export.tables[name]:
            row[column] = value(row.get(column, "")) if callable(value) else value

    return edit


def everywhere(change: Callable[[str, str], str]) -> Callable[[Export], None]:
    """Write every value otherwise, by its column."""

    def edit(export: Export) -> None:
        for rows in export.tables.values():
            for row in rows:
                for column, value in row.items():
                    row[column] = change(column, value)

    return edit


def stamped(export: Export) -> None:
    """Fill status and dateLastModified of bulk files."""
    for name in export.tables:
        put(name, "status", "active")(export)
        put(name, "dateLastModified", STAMP)(export)


def more(name: str, /, **values: str) -> Callable[[Export], None]:
    """Add a row."""

    def edit(export: Export) -> None:
        export.tables[name].append(values)

    return edit


def written(**how: object) -> Callable[[Export], None]:
    """Write the package otherwise: quotes, line ends, folder, names and the like."""

    def edit(export: Export) -> None:
        for name, value in how.items():
            setattr(export, name, value)

    return edit


def manifest_says(**properties: str) -> Callable[[Export], None]:
    """Write other values into the manifest; dots of names are two underscores here."""

    def edit(export: Export) -> None:
        told = {name.replace("__", "."): value for name, value in properties.items()}
        kept = dict(export.manifest or ())
        export.manifest = list((kept | told).items())

    return edit


def capitals(value: str) -> str:
    """Return a boolean as a spreadsheet writes it."""
    return value.upper()


def _us_date(column: str, value: str) -> str:
    if column not in {"startDate", "endDate", "beginDate"} or not value:
        return value
    year, month, day = value.split("-")
    return f"{int(month)}/{int(day)}/{year}"


def _prefixed(column: str, value: str) -> str:
    is_user = column == "userSourcedId" or (column == "sourcedId" and value in _PEOPLE)
    return f"TCH_{value}" if is_user and value in _STAFF else value


_STAFF = {"ann", "bob", "cat", "dan", "eve"}
_PEOPLE = _STAFF | {"stu", "pat"}


def _null(column: str, value: str) -> str:
    kept = column.endswith(("sourcedId", "SourcedId", "SourcedIds")) or column == "status"
    return value if value or kept else "NULL"


# The table


@dataclass(frozen=True)
class Dialect:
    """One documented export.

    Attributes:
        name: Whose it is, in a word.
        source: The page or repository that says so.
        peculiar: What is peculiar, in a sentence.
        edits: What it is in edits of the small school.
        base: 1.1 or 1.2.
        users: How many people get an account on the first day.
        assignments: How many course assignments there are then.
        outcome: How the first sync ends.
        says: Codes of which at least one line must stand in the findings.
        preferences: What the operator sets before.
        options: Of the command line.
    """

    name: str
    source: str
    peculiar: str
    edits: tuple[Callable[[Export], None], ...] = ()
    base: str = "1.1"
    users: int = 4
    assignments: int = 2
    outcome: str = "succeeded"
    says: tuple[str, ...] = ()
    preferences: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def export(self) -> Export:
        """Return the first day's package."""
        export = parsed(SCHOOL if self.base == "1.1" else SCHOOL_1_2)
        for edit in self.edits:
            edit(export)
        return export

    def next_day(self) -> Export:
        """Return the package of a day on which Eve has come to teach Art, and nobody has gone."""
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


GITHUB = "https://github.com/"
_AERIES = "https://support.aeries.com/support/solutions/articles/"
_ATLAS = "https://help.onatlas.com/hc/en-us/articles/360054387631"
_DYKNOW = "https://support.securly.com/hc/en-us/articles/6921208375447"
_CLASSTAG = (
    "https://help.classtag.com/en/articles/6393158-how-do-i-create-oneroster-compatible-files"
)
_MANAGEBAC = "https://guide.fariaedu.com"
_MS = "https://learn.microsoft.com/en-us/schooldatasync/"
_POWERSCHOOL = "https://ps.powerschool-docs.com/"
_SCHOOLSTATUS = "https://help.connect.schoolstatus.com/hc/en-us/articles/"

DIALECTS = (
    Dialect(
        "aeries-flex",
        f"{_AERIES}14000134412-flex-scheduling-oneroster-v1-1-",
        "sourcedIds of staff begin with TCH_",
        (everywhere(_prefixed), stamped),
        says=("row.field_forbidden_in_bulk",),
    ),
    Dialect(
        "aeries-extract",
        f"{_AERIES}14000067156-oneroster-csv-extract",
        "only files that were ticked are sent, without a manifest",
        (no_manifest, without("academicSessions", "orgs")),
        says=("package.missing_manifest",),
    ),
    Dialect(
        "aeries-schools",
        "https://aeriessis.freshdesk.com/support/solutions/articles/14000164743",
        "who is at several schools has all of them in one cell, and one as identifier",
        (
            more("orgs", sourcedId="s2", name="Second", type="school", parentSourcedId="d"),
            put("users", "orgSourcedIds", "s,s2"),
            put("users", "identifier", "990"),
        ),
    ),
    Dialect(
        "infinite-campus",
        "https://kb-test.infinitecampus.com/help/oneroster-csv-extract-configuration",
        "eleven files, also those of resources; the rest of the standard's files stands nowhere",
        (
            written(others={"resources.csv": "sourcedId\n", "demographics.csv": "sourcedId\n"}),
            manifest_says(file__resources="bulk", file__demographics="bulk"),
        ),
    ),
    Dialect(
        "infinite-campus-utility",
        "https://help.appazur.com/help/dashboard/infinite-campus",
        "the extract utility writes tabs and no quotes",
        (written(delimiter="\t"), no_manifest),
        preferences=("delimiter=tab",),
        says=("package.missing_manifest",),
    ),
    Dialect(
        "powerschool-powerqueries",
        f"{GITHUB}Lawrence-Public-Schools/OneRoster-1.1-PowerQueries",
        "aides are enrolled as aides, and kindergarten has no grade",
        (put("courses", "grades", ""), put("classes", "grades", "")),
    ),
    Dialect(
        "powerschool-naviance",
        f"{_POWERSCHOOL}naviance/latest/oneroster-users-import-fields",
        "manifest, org and users alone, with sourceID and agentSourceIds",
        (
            without("courses", "classes", "enrollments", "academicSessions"),
            written(names={"orgs": "org.csv"}),
            rename("users", sourcedId="sourceID", agentSourcedIds="agentSourceIds"),
        ),
        assignments=0,
        says=("schema.header_spelling", "package.file_spelling"),
    ),
    Dialect(
        "powerschool-permissionclick",
        f"{_POWERSCHOOL}permissionclick/latest/oneroster-general-information-and-readme",
        "all columns, also those that are optional; sourcedIds that differ in more than capitals",
        (put("users", "userIds", "{LDAP:1}"), put("users", "sms", "555-0100")),
    ),
    Dialect(
        "schoolstatus",
        f"{_SCHOOLSTATUS}24412907294612-Using-SchoolStatus-Connect-with-PowerSchool",
        "users, classes and enrollments alone, with few columns: people come, courses don't",
        (
            no_manifest,
            without("orgs", "courses", "academicSessions"),
            only("classes", "sourcedId,title,grades,location,schoolSourcedId,periods"),
            rename("enrollments", schoolSourcedId="schoolSourcedID"),
            only("enrollments", "classSourcedId,schoolSourcedID,userSourcedId,role"),
        ),
        assignments=0,
        says=("package.missing_file",),
    ),
    Dialect(
        "schoolstatus-enrollments",
        f"{_SCHOOLSTATUS}24412464735252-Creating-a-OneRoster-Enrollments-file",
        "enrollments have no sourcedId, and schoolSourcedID is spelled so",
        (
            rename("enrollments", schoolSourcedId="schoolSourcedID"),
            only("enrollments", "classSourcedId,schoolSourcedID,userSourcedId,role"),
        ),
        says=("schema.missing_header", "schema.header_spelling"),
    ),
    Dialect(
        "dyknow",
        f"{_DYKNOW}-Setting-up-OneRoster-file-exports",
        "AcademicSessions.csv and Organizations.csv, schoolyear in small letters",
        (
            no_manifest,
            written(
                names={
                    "academicSessions": "AcademicSessions.csv",
                    "orgs": "Organizations.csv",
                    "users": "Users.csv",
                    "classes": "Classes.csv",
                    "enrollments": "Enrollments.csv",
                }
            ),
            rename("academicSessions", schoolYear="schoolyear"),
            stamped,
        ),
        says=("package.file_spelling", "schema.header_spelling"),
    ),
    Dialect(
        "lab-aids",
        "https://www.lab-aids.com/oneroster-csv",
        "academicsessions.csv, and people zip the folder instead of the files",
        (
            written(
                folder="OneRosterv1p1BaseCSV/",
                names={"academicSessions": "academicsessions.csv"},
            ),
        ),
        says=("zip.single_folder", "package.file_spelling"),
    ),
    Dialect(
        "pearson",
        "https://support.ems.connexus.com/hc/en-us/articles/16246308630935",
        "the standard to the letter, which strict takes as well",
        (),
        options=("--profile", "strict"),
    ),
    Dialect(
        "classlink",
        "https://support.classlink.com/hc/en-us/articles/115002517753-OneRoster-1-1-CSVs",
        "eight files with demographics.csv, which is never opened",
        (
            written(others={"demographics.csv": "sourcedId,sex\nstu,female\n"}),
            manifest_says(file__demographics="bulk"),
        ),
    ),
    Dialect(
        "classlink-by-excel",
        "https://docs.classlink.com/docs/getting-started",
        "saved by a spreadsheet, which the page warns of: TRUE, 1 for 1.0, commas at the ends",
        (
            put("users", "enabledUser", capitals),
            manifest_says(manifest__version="1"),
            written(tail=",,", line_end="\r\n"),
        ),
        says=("table.surplus_cells", "row.invalid_boolean", "manifest.invalid_version"),
    ),
    Dialect(
        "classtag",
        _CLASSTAG,
        "users.csv alone, with sourceId and few columns",
        (
            no_manifest,
            without("orgs", "courses", "classes", "enrollments", "academicSessions"),
            rename("users", sourcedId="sourceId"),
            only(
                "users",
                "sourceId,orgSourcedIds,role,givenName,familyName,email,sms,phone,agentSourcedIds,grades",
            ),
        ),
        assignments=0,
        says=("schema.header_spelling",),
    ),
    Dialect(
        "atlas",
        _ATLAS,
        "five files without a manifest, few columns, orgSourceIds, no students",
        (
            no_manifest,
            without("academicSessions"),
            only("orgs", "sourcedId,name"),
            rename("users", orgSourcedIds="orgSourceIds"),
            only("users", "sourcedId,givenName,familyName,email,role,orgSourceIds,username"),
            only("courses", "sourcedId,title,courseCode,grades,orgSourcedId,subjects"),
            only("classes", "sourcedId,title,courseSourcedId,schoolSourcedId"),
            only("enrollments", "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role"),
        ),
        says=("schema.missing_header", "schema.header_spelling"),
    ),
    Dialect(
        "managebac",
        _MANAGEBAC,
        "1.2 with dateModified, and the system's name in the manifest",
        (
            *(
                rename(name, dateLastModified="dateModified")
                for name in ("orgs", "users", "courses", "classes", "enrollments", "roles")
            ),
            manifest_says(source__systemName="MB", source__systemCode="1"),
        ),
        base="1.2",
        says=("schema.header_spelling",),
    ),
    Dialect(
        "magicbox",
        "https://support.getmagicbox.com/en/articles/383-oneroster-csv-set-up-process",
        "a template that was filled in: files of other things have a header only",
        (
            written(
                others={
                    "lineItems.csv": "sourcedId,status\n",
                    "results.csv": "sourcedId,status\n",
                    "categories.csv": "sourcedId,status\n",
                }
            ),
            manifest_says(file__lineItems="bulk", file__results="bulk", file__categories="bulk"),
        ),
    ),
    Dialect(
        "rapididentity",
        "https://help.rapididentity.com/docs/en/oneroster-csv-provider-template",
        "a byte order mark in front of every file, CRLF, everything in quotes",
        (written(encoding="utf-8-sig", line_end="\r\n", quoting=csv.QUOTE_ALL),),
        options=("--profile", "strict"),
    ),
    Dialect(
        "turnitin",
        "https://guides.turnitin.com/hc/en-us/articles/41756402153485-Roster-sync-zip-requirements",
        "blanks after the commas of the manifest",
        (manifest_says(manifest__version=" 1.0", oneroster__version=" 1.1"),),
    ),
    Dialect(
        "st-math",
        "https://help.stmath.com/hc/en-us/articles/1500009812561-OneRoster-Roster-Provisioning",
        "grades in words, which nobody needs",
        (
            put("courses", "grades", "Kindergarten"),
            put("classes", "grades", "tk"),
            put("users", "grades", "-1"),
        ),
    ),
    Dialect(
        "kev-schoolcash",
        "https://schoolcashsupport.kevgroup.com/en/support/solutions/articles/3000124138",
        "six files, no sessions, no manifest",
        (
            no_manifest,
            without("academicSessions"),
            written(others={"demographics.csv": "sourcedId\n"}),
        ),
        says=("package.missing_manifest",),
    ),
    Dialect(
        "sdmanager",
        "https://sdmanager.io/docs/common-features/export-formats",
        "called 1.2, with roles in users.csv and without roles.csv",
        (
            without("academicSessions"),
            manifest_says(oneroster__version="1.2", file__roles="absent"),
        ),
        says=("schema.version_mismatch",),
    ),
    Dialect(
        "sds-1.2",
        f"{_MS}data-ingestion-wiith-oneroster-1.2-csv",
        "enumerations in any capitals, booleans too",
        (
            put("orgs", "type", str.capitalize),
            put("academicSessions", "type", str.upper),
            put("roles", "role", str.capitalize),
            put("roles", "roleType", str.capitalize),
            put("users", "enabledUser", str.capitalize),
        ),
        base="1.2",
        says=("row.invalid_enum", "row.invalid_boolean"),
    ),
    Dialect(
        "ed-fi-csv",
        f"{GITHUB}BostonPublicSchools/EdFiOneRosterCsv",
        "everything in quotes, sourceId, 1 for true, and an orgs column in JSON",
        (
            no_manifest,
            written(quoting=csv.QUOTE_ALL, line_end="\r\n"),
            rename("users", sourcedId="sourceId", orgSourcedIds="orgs"),
            put("users", "orgs", '[{ "sourceId":"s" }]'),
            put("users", "enabledUser", "1"),
            put("users", "status", "active"),
            put("users", "dateLastModified", "2026-08-20T06:00:00Z"),
        ),
        says=("schema.header_spelling", "row.invalid_boolean"),
    ),
    Dialect(
        "ed-fi-lms-1.0",
        f"{GITHUB}Ed-Fi-Alliance-OSS/LMS-Toolkit",
        "headers of 1.0 without a manifest: userId, agents, grade, no enabledUser",
        (
            no_manifest,
            rename("users", userIds="userId", agentSourcedIds="agents"),
            rename("courses", schoolYearSourcedId="schoolYearId", grades="grade"),
            rename("classes", termSourcedIds="termSourcedId", grades="grade"),
            drop("users", "enabledUser", "middleName", "grades", "password"),
            drop("academicSessions", "schoolYear"),
            drop("courses", "subjectCodes"),
            drop("classes", "subjectCodes", "periods"),
            only(
                "enrollments",
                "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role,status,dateLastModified,primary",
            ),
        ),
        says=("package.missing_manifest",),
    ),
    Dialect(
        "bergerb",
        f"{GITHUB}bergerb/OneRosterSampleDataGenerator",
        "termSourcedId, and courseSourcedId in enrollments.csv",
        (
            rename("classes", termSourcedIds="termSourcedId"),
            put("enrollments", "courseSourcedId", "maths"),
            stamped,
        ),
        says=("schema.header_spelling", "schema.unknown_column"),
    ),
    Dialect(
        "oat-sa",
        f"{GITHUB}oat-sa/oneroster-import",
        "columns in another order, ext_ columns, userId and agents, TRUE",
        (
            rename("users", userIds="userId", agentSourcedIds="agents"),
            put("users", "ext_language", "en"),
            put("users", "enabledUser", capitals),
            only(
                "users",
                "sourcedId,enabledUser,status,dateLastModified,orgSourcedIds,role,username,userId,"
                "givenName,familyName,identifier,email,sms,phone,agents,ext_language",
            ),
            manifest_says(source__systemName="Manual", source__systemCode="School District"),
        ),
        says=("schema.column_order", "schema.unknown_column", "row.invalid_boolean"),
    ),
    Dialect(
        "oneroster-net",
        f"{GITHUB}rjeike/OneRoster.Net",
        "dates as 8/1/2026, TRUE, and headers without names at the end",
        (
            no_manifest,
            stamped,
            everywhere(_us_date),
            put("users", "enabledUser", capitals),
            drop("enrollments", "primary", "beginDate", "endDate"),
            written(tail=",,,"),
        ),
        preferences=("date_order=month_first",),
        says=("table.surplus_cells", "row.invalid_boolean"),
    ),
    Dialect(
        "moodle",
        f"{GITHUB}catalyst/moodle-enrol_oneroster",
        "Scheduled, TRUE, and days in place of times",
        (
            stamped,
            *(put(name, "dateLastModified", "2026-05-01") for name in ("users", "classes")),
            put("classes", "classType", str.capitalize),
            put("users", "enabledUser", capitals),
        ),
        says=("row.invalid_enum", "row.invalid_boolean"),
    ),
    Dialect(
        "longsight",
        f"{GITHUB}LongsightGroup/oneroster",
        "the standard 1.2 to the letter, which strict takes as well",
        (),
        base="1.2",
        options=("--profile", "strict"),
    ),
    Dialect(
        "meibo",
        f"{GITHUB}hanachin/meibo",
        "the Japan profile: NULL for nothing, metadata.jp columns, and its version in the manifest",
        (
            everywhere(_null),
            put("users", "metadata.jp.kanaGivenName", "アン"),
            manifest_says(oneroster__version="1.2_JP"),
        ),
        base="1.2",
        outcome="succeeded",
        says=("row.null_word", "manifest.spelling"),
    ),
    Dialect(
        "roster-hub",
        f"{GITHUB}lepo-project/roster-hub",
        "no status, no parents, no grades: columns that are empty are not there",
        (
            no_manifest,
            only("orgs", "sourcedId,dateLastModified,name,type"),
            only(
                "users",
                "sourcedId,enabledUser,orgSourcedIds,role,username,givenName,familyName,email",
            ),
            only("courses", "sourcedId,title,orgSourcedId"),
            only(
                "classes",
                "sourcedId,title,courseSourcedId,classType,schoolSourcedId,termSourcedIds",
            ),
            only(
                "enrollments", "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role,primary"
            ),
        ),
        says=("schema.missing_header",),
    ),
    Dialect(
        "oneroster-mocker",
        f"{GITHUB}nicelion/oneroster-mocker",
        "parents and guardians are enrolled, too",
        (
            more(
                "enrollments",
                sourcedId="p",
                classSourcedId="m1",
                userSourcedId="pat",
                role="parent",
            ),
            more(
                "enrollments",
                sourcedId="q",
                classSourcedId="m1",
                userSourcedId="pat",
                role="guardian",
            ),
        ),
    ),
    Dialect(
        "gospelnerd",
        f"{GITHUB}GospelNerd/OneRoster-Generator",
        "school years as 2026-2027, and stamps in bulk files",
        (stamped, put("academicSessions", "schoolYear", "2026-2027")),
        says=("row.invalid_year", "row.field_forbidden_in_bulk"),
    ),
    Dialect(
        "edu-ext-oneroster",
        f"{GITHUB}edanalytics/edu_ext_oneroster",
        "file.systemName in the manifest",
        (manifest_says(file__systemName="SIS"),),
        says=("manifest.unknown_property",),
    ),
    Dialect(
        "moodle-1.2",
        f"{GITHUB}catalyst/moodle-enrol_oneroster",
        "1.2, two folders deep, with a userprofiles.csv that is never opened",
        (
            written(
                folder="v1p2_full_dataset/v1p2_full_dataset/",
                others={"userprofiles.csv": "sourcedId\n"},
            ),
            manifest_says(file__userProfiles="bulk"),
        ),
        base="1.2",
        says=("zip.single_folder", "package.file_spelling"),
    ),
    Dialect(
        "sds-2.1",
        f"{_MS}sds-v2.1-csv-file-format",
        "another format under the same names: refused by its name",
        (
            no_manifest,
            only("users", "sourcedId,username,familyName,givenName,activeDirectoryMatchId,email"),
        ),
        users=0,
        assignments=0,
        outcome="rejected",
        says=("package.lookalike",),
    ),
    Dialect(
        "sds-1",
        f"{_MS}csv-files-for-school-data-sync",
        "School.csv, Section.csv and the like: refused by their name",
        (
            no_manifest,
            without("orgs", "users", "courses", "classes", "enrollments", "academicSessions"),
            written(
                others={
                    "School.csv": "SIS ID,Name\n1,S\n",
                    "Section.csv": "SIS ID,School SIS ID,Section Name\n1,1,M\n",
                    "Student.csv": "SIS ID,School SIS ID,Username\n1,1,s\n",
                }
            ),
        ),
        users=0,
        assignments=0,
        outcome="rejected",
        says=("package.lookalike",),
    ),
    Dialect(
        "clever",
        f"{_MS}csv-files-for-school-data-sync",
        "Clever's format: schools, sections, teachers; refused by its name",
        (
            no_manifest,
            without("orgs", "users", "courses", "classes", "enrollments", "academicSessions"),
            written(
                others={
                    "schools.csv": "School_id,School_name\n1,S\n",
                    "teachers.csv": "School_id,Teacher_id\n1,2\n",
                    "sections.csv": "School_id,Section_id\n1,2\n",
                    "enrollments.csv": "School_id,Section_id,Student_id\n1,2,3\n",
                }
            ),
        ),
        users=0,
        assignments=0,
        outcome="rejected",
        says=("package.lookalike",),
    ),
)


def as_page() -> str:
    """Return the table as a page of the documentation."""
    lines = [
        "# Exports that are tried",
        "",
        "A test makes each of these exports as its source describes it, syncs it as the first",
        "package of a site, and syncs the next day's. The first day ends as the table says; the",
        "second takes nothing away. The sources are pages of vendors, or programs and samples that",
        "write such files; what is peculiar is in our own words.",
        "",
        "<!-- generated by `PYTHONPATH=tests python -m documented_dialects`; a test compares -->",
        "",
        "| export | OneRoster | what is peculiar | first day | set before |",
        "|---|---|---|---|---|",
    ]
    for one in DIALECTS:
        became = f"{one.users} accounts, {one.assignments} assignments" if one.users else "rejected"
        settings = ", ".join(f"`{s}`" for s in (*one.preferences, " ".join(one.options)) if s)
        version = one.base if one.users else "–"
        told = f"| [{one.name}]({one.source}) | {version} | {one.peculiar} | {became} "
        lines.append(f"{told}| {settings or '–'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_page())
