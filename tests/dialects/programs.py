"""Exports as converters and samples write them, and packages of other formats."""

from __future__ import annotations

import csv

from dialects.export import (
    Dialect,
    capitals,
    drop,
    everywhere,
    more,
    no_manifest,
    null,
    only,
    put,
    rename,
    set_manifest,
    stamped,
    us_date,
    without,
    written,
)

GITHUB = "https://github.com/"
_MS = "https://learn.microsoft.com/en-us/schooldatasync/"

DIALECTS = (
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
        codes=("row.invalid_enum", "row.invalid_boolean"),
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
        codes=("schema.header_spelling", "row.invalid_boolean"),
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
        codes=("package.missing_manifest",),
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
        codes=("schema.header_spelling", "schema.unknown_column"),
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
            set_manifest(source__systemName="Manual", source__systemCode="School District"),
        ),
        codes=("schema.column_order", "schema.unknown_column", "row.invalid_boolean"),
    ),
    Dialect(
        "oneroster-net",
        f"{GITHUB}rjeike/OneRoster.Net",
        "dates as 8/1/2026, TRUE, and headers without names at the end",
        (
            no_manifest,
            stamped,
            everywhere(us_date),
            put("users", "enabledUser", capitals),
            drop("enrollments", "primary", "beginDate", "endDate"),
            written(tail=",,,"),
        ),
        preferences=("date_order=month_first",),
        codes=("table.surplus_cells", "row.invalid_boolean"),
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
        codes=("row.invalid_enum", "row.invalid_boolean"),
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
            everywhere(null),
            put("users", "metadata.jp.kanaGivenName", "アン"),
            set_manifest(oneroster__version="1.2_JP"),
        ),
        base="1.2",
        outcome="succeeded",
        codes=("row.null_word", "manifest.spelling"),
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
        codes=("schema.missing_header",),
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
        codes=("row.invalid_year", "row.field_forbidden_in_bulk"),
    ),
    Dialect(
        "edu-ext-oneroster",
        f"{GITHUB}edanalytics/edu_ext_oneroster",
        "file.systemName in the manifest",
        (set_manifest(file__systemName="SIS"),),
        codes=("manifest.unknown_property",),
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
            set_manifest(file__userProfiles="bulk"),
        ),
        base="1.2",
        codes=("zip.single_folder", "package.file_spelling"),
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
        codes=("package.lookalike",),
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
        codes=("package.lookalike",),
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
        codes=("package.lookalike",),
    ),
)
