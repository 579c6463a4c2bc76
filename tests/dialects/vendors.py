"""Exports as the vendors' pages describe them."""

from __future__ import annotations

import csv

from dialects.export import (
    Dialect,
    capitals,
    everywhere,
    more,
    no_manifest,
    only,
    prefixed,
    put,
    rename,
    set_manifest,
    stamped,
    without,
    written,
)

GITHUB = "https://github.com/"
_AERIES = "https://support.aeries.com/support/solutions/articles/"
_ATLAS = "https://help.onatlas.com/hc/en-us/articles/360054387631"
_DYKNOW = "https://support.securly.com/hc/en-us/articles/6921208375447"
_CLASSTAG = (
    "https://help.classtag.com/en/articles/6393158-how-do-i-create-oneroster-compatible-files"
)
_MANAGEBAC = "https://guide.fariaedu.com"
_POWERSCHOOL = "https://ps.powerschool-docs.com/"
_SCHOOLSTATUS = "https://help.connect.schoolstatus.com/hc/en-us/articles/"

DIALECTS = (
    Dialect(
        "aeries-flex",
        f"{_AERIES}14000134412-flex-scheduling-oneroster-v1-1-",
        "sourcedIds of staff begin with TCH_",
        (everywhere(prefixed), stamped),
        codes=("row.field_forbidden_in_bulk",),
    ),
    Dialect(
        "aeries-extract",
        f"{_AERIES}14000067156-oneroster-csv-extract",
        "only files that were ticked are sent, without a manifest",
        (no_manifest, without("academicSessions", "orgs")),
        codes=("package.missing_manifest",),
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
            set_manifest(file__resources="bulk", file__demographics="bulk"),
        ),
    ),
    Dialect(
        "infinite-campus-utility",
        "https://help.appazur.com/help/dashboard/infinite-campus",
        "the extract utility writes tabs and no quotes",
        (written(delimiter="\t"), no_manifest),
        preferences=("delimiter=tab",),
        codes=("package.missing_manifest",),
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
        codes=("schema.header_spelling", "package.file_spelling"),
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
        codes=("package.missing_file",),
    ),
    Dialect(
        "schoolstatus-enrollments",
        f"{_SCHOOLSTATUS}24412464735252-Creating-a-OneRoster-Enrollments-file",
        "enrollments have no sourcedId, and schoolSourcedID is spelled so",
        (
            rename("enrollments", schoolSourcedId="schoolSourcedID"),
            only("enrollments", "classSourcedId,schoolSourcedID,userSourcedId,role"),
        ),
        codes=("schema.missing_header", "schema.header_spelling"),
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
        codes=("package.file_spelling", "schema.header_spelling"),
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
        codes=("zip.single_folder", "package.file_spelling"),
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
            set_manifest(file__demographics="bulk"),
        ),
    ),
    Dialect(
        "classlink-by-excel",
        "https://docs.classlink.com/docs/getting-started",
        "saved by a spreadsheet, which the page warns of: TRUE, 1 for 1.0, commas at the ends",
        (
            put("users", "enabledUser", capitals),
            set_manifest(manifest__version="1"),
            written(tail=",,", line_end="\r\n"),
        ),
        codes=("table.surplus_cells", "row.invalid_boolean", "manifest.invalid_version"),
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
        codes=("schema.header_spelling",),
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
        codes=("schema.missing_header", "schema.header_spelling"),
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
            set_manifest(source__systemName="MB", source__systemCode="1"),
        ),
        base="1.2",
        codes=("schema.header_spelling",),
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
            set_manifest(file__lineItems="bulk", file__results="bulk", file__categories="bulk"),
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
        (set_manifest(manifest__version=" 1.0", oneroster__version=" 1.1"),),
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
        codes=("package.missing_manifest",),
    ),
    Dialect(
        "sdmanager",
        "https://sdmanager.io/docs/common-features/export-formats",
        "called 1.2, with roles in users.csv and without roles.csv",
        (
            without("academicSessions"),
            set_manifest(oneroster__version="1.2", file__roles="absent"),
        ),
        codes=("schema.version_mismatch",),
    ),
)
