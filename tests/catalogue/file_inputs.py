"""Bad input, cases 17 to 43: the manifest, and files as text and as tables."""

from __future__ import annotations

from catalogue.case import BadInput, Verdict, only, rejected
from golden.school import (
    SCHOOL,
    SCHOOL_1_2,
    as_delta,
    changed,
    columns_reversed,
    manifest,
    person,
    without,
)

_NOW = "2026-09-01T00:00:00.000Z"
_USERS_ONLY = {"users.csv": SCHOOL["users.csv"]}
_MODE = "file.users,bulk"


_SMALL = only(SCHOOL, "users")


def _manifest(old: str, new: str) -> dict[str, str]:
    return changed(_SMALL, "manifest.csv", old, new)


def _users(old: str, new: str) -> dict[str, str]:
    return changed(_USERS_ONLY, "users.csv", old, new)


def _encoded(encoding: str) -> dict[str, bytes]:
    text = SCHOOL["users.csv"].replace("Ray", "Råy")
    return {"users.csv": text.encode(encoding)}


def _with_column(at: int) -> dict[str, str]:
    rows = [line.split(",") for line in SCHOOL["users.csv"].splitlines()]
    for number, row in enumerate(rows):
        row.insert(at, "12 Elm Street" if number else "metadata.address")
    return {"users.csv": "".join(",".join(row) + "\n" for row in rows)}


_LARGE = SCHOOL["users.csv"] + "".join(
    person(f"l{number}", given=f'"Large {number}"') + "\n" for number in range(200)
)
_ONE_ROW = Verdict(
    "succeeded_with_errors",
    ("! csv.unescaped_quote users.csv 3 - bob",),
    errors={"users": 1},
)


INPUTS = (
    BadInput(
        "a17-no-manifest",
        {name: SCHOOL[name] for name in ("users.csv", "orgs.csv")},
        Verdict("no_changes", ("~ package.missing_manifest",)),
    ),
    BadInput(
        "a18-empty",
        {**SCHOOL, "manifest.csv": ""},
        rejected("! manifest.invalid_header manifest.csv 1 | propertyName,value"),
    ),
    BadInput(
        "a18-header-only",
        {**SCHOOL, "manifest.csv": "propertyName,value\n"},
        rejected("! manifest.invalid_header manifest.csv 2 | rows"),
    ),
    BadInput(
        "a18-other-letters",
        _manifest("propertyName", "PropertyName"),
        rejected("! manifest.invalid_header manifest.csv 1 | propertyName,value"),
    ),
    BadInput(
        "a19-absent",
        _manifest("oneroster.version,1.1\n", ""),
        rejected(
            "! manifest.unsupported_version manifest.csv - oneroster.version | oneroster.version 1.1 or 1.2"
        ),
    ),
    BadInput(
        "a19-1.0",
        _manifest("oneroster.version,1.1", "oneroster.version,1.0"),
        rejected(
            "! manifest.unsupported_version manifest.csv 3 oneroster.version | oneroster.version 1.1 or 1.2"
        ),
    ),
    BadInput(
        "a19-2.0",
        _manifest("oneroster.version,1.1", "oneroster.version,2.0"),
        rejected(
            "! manifest.unsupported_version manifest.csv 3 oneroster.version | oneroster.version 1.1 or 1.2"
        ),
    ),
    BadInput(
        "a20-2.0",
        _manifest("manifest.version,1.0", "manifest.version,2.0"),
        rejected("! manifest.invalid_version manifest.csv 2 manifest.version | 1.0"),
    ),
    BadInput(
        "a20-shortened",
        _manifest("manifest.version,1.0", "manifest.version,1"),
        Verdict(
            "no_changes", ("~ manifest.invalid_version manifest.csv 2 manifest.version | 1.0",)
        ),
    ),
    BadInput(
        "a21-capital",
        _manifest(_MODE, "file.users,Bulk"),
        Verdict(
            "no_changes",
            ("~ manifest.spelling manifest.csv 16 file.users | absent, bulk or delta",),
        ),
        rejected("! manifest.invalid_mode manifest.csv 16 file.users | absent, bulk or delta"),
    ),
    BadInput(
        "a21-full",
        _manifest(_MODE, "file.users,full"),
        rejected("! manifest.invalid_mode manifest.csv 16 file.users | absent, bulk or delta"),
    ),
    BadInput(
        "a22-twice",
        _manifest(_MODE, f"{_MODE}\nfile.users,absent"),
        rejected("! manifest.duplicate_property manifest.csv 17 file.users"),
    ),
    BadInput(
        "a23-missing",
        without(_SMALL, "users.csv"),
        rejected("! manifest.file_missing users.csv 16"),
    ),
    BadInput(
        "a24-unexpected",
        _manifest(_MODE, "file.users,absent"),
        rejected("! manifest.file_unexpected users.csv 16"),
    ),
    BadInput(
        "a25-property",
        _manifest(_MODE, f"{_MODE}\nfile.foo,bulk"),
        Verdict(
            "no_changes", ("~ manifest.unknown_property manifest.csv 17 a word of 8 characters",)
        ),
    ),
    BadInput(
        "a25-file",
        {**_SMALL, "lunch.csv": "a,b\n"},
        Verdict("no_changes", ("~ package.unknown_file lunch.csv",)),
    ),
    BadInput(
        "a26-mode",
        _manifest(f"{_MODE}\n", ""),
        Verdict(
            "no_changes", ("~ manifest.missing_property manifest.csv - file.users | file.users",)
        ),
    ),
    BadInput(
        "a26-version",
        _manifest("manifest.version,1.0\n", ""),
        Verdict(
            "no_changes",
            ("~ manifest.missing_property manifest.csv - manifest.version | manifest.version",),
        ),
    ),
    BadInput(
        "a27-no-enrollments",
        only(SCHOOL, "courses", "users"),
        Verdict("no_changes"),
    ),
    BadInput(
        "a28-mixed",
        {
            **as_delta(SCHOOL, enrollments=[f"bob-m1,active,{_NOW},m1,s,bob,teacher,,,"]),
            "manifest.csv": manifest("1.1", orgs="bulk", users="bulk", enrollments="delta"),
            "orgs.csv": SCHOOL["orgs.csv"],
            "users.csv": SCHOOL["users.csv"],
        },
        Verdict(
            "succeeded",
            became={"assignments": {"bob maths": "active"}},
            remembers=("enrollments", "modified"),
        ),
    ),
    BadInput(
        "a29-empty", {**SCHOOL, "classes.csv": ""}, rejected("! table.missing_header classes.csv")
    ),
    BadInput(
        "a30-users",
        {**_SMALL, "users.csv": SCHOOL["users.csv"].splitlines()[0]},
        Verdict(
            "held",
            (
                "~ table.no_rows users.csv",
                "! guard.empty_file | at least one row, found 0 of 4 users.csv",
            ),
        ),
    ),
    BadInput(
        "a30-orgs",
        {**only(SCHOOL, "orgs", "users"), "orgs.csv": SCHOOL["orgs.csv"].splitlines()[0]},
        Verdict(
            "held",
            (
                "~ table.no_rows orgs.csv",
                *(
                    f"~ reference.missing_target_record users.csv {row} orgSourcedIds {user} | the sourcedId of an org in orgs.csv"
                    for row, user in enumerate(("ann", "bob", "cat", "dan"), start=2)
                ),
                "! guard.empty_file | at least one row, found 0 of 0 orgs.csv",
            ),
        ),
        rejected(
            "! table.no_rows orgs.csv",
            *(
                f"! reference.missing_target_record users.csv {row} orgSourcedIds {user} | the sourcedId of an org in orgs.csv"
                for row, user in enumerate(("ann", "bob", "cat", "dan"), start=2)
            ),
        ),
    ),
    BadInput(
        "a31-latin-1",
        _encoded("latin-1"),
        rejected("! csv.invalid_utf8 users.csv 3 | UTF-8; byte 32 of the row is 0xE5"),
    ),
    BadInput(
        "a31-windows-1252",
        {"users.csv": SCHOOL["users.csv"].encode().replace(b"Fox", b"F\x93x")},
        rejected("! csv.invalid_utf8 users.csv 5 | UTF-8; byte 38 of the row is 0x93"),
    ),
    BadInput(
        "a31-utf-16",
        _encoded("utf-16"),
        rejected("! csv.invalid_utf8 users.csv 1 | UTF-8, not UTF-16"),
    ),
    BadInput(
        "a32-layout",
        {
            name: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n\r\n"
            for name, text in _SMALL.items()
        },
        Verdict("no_changes"),
    ),
    BadInput(
        "a32-no-last-line-end",
        {name: text.rstrip("\n") for name, text in _SMALL.items()},
        Verdict("no_changes"),
    ),
    BadInput(
        "a33-bare-cr",
        {"users.csv": SCHOOL["users.csv"].replace("\n", "\r")},
        rejected("! csv.bare_carriage_return users.csv 1"),
    ),
    BadInput(
        "a34-unclosed", _users(",Ray,", ',"Ray,'), rejected("! csv.unclosed_quote users.csv 3")
    ),
    BadInput(
        "a34-closes-nothing",
        _users(",Ray,", ',Ray",'),
        rejected("! csv.unclosed_quote users.csv 3"),
    ),
    BadInput(
        "a34-a-large-file",
        {"users.csv": _LARGE.replace('"Large 150"', '"Large 150')},
        Verdict(
            "succeeded_with_errors",
            (
                "! csv.unread_lines users.csv 158",
                "~ semantic.unclear_identity users.csv 158 | a sourcedId in every row; 1 removal waits until these rows have one",
            ),
            errors={"users": 1},
        ),
        rejected("! csv.unclosed_quote users.csv 158"),
        before=({"users.csv": _LARGE},),
    ),
    BadInput(
        "a35-in-pairs",
        _users(",Ray,", ',R"a"y,'),
        Verdict(
            "succeeded",
            ("~ csv.unescaped_quote users.csv 3",),
            became={"users": {"bob": 'active · Bob R"a"y · bob@example.org · teacher'}},
        ),
        rejected("! csv.unescaped_quote users.csv 3"),
    ),
    BadInput(
        "a35-odd-quote",
        _users(",Ray,", ',R"ay,'),
        _ONE_ROW,
        rejected("! csv.unclosed_quote users.csv 3"),
    ),
    BadInput(
        "a35-after-quote",
        _users(",Ray,", ',"Ray"x,'),
        _ONE_ROW,
        rejected("! csv.unescaped_quote users.csv 3"),
    ),
    BadInput(
        "a36-line-break",
        _users(",Ray,", ',"Ray\nTwo",'),
        Verdict(
            "succeeded",
            ("~ csv.field_line_break users.csv 3",),
            became={"users": {"bob": "active · Bob Ray Two · bob@example.org · teacher"}},
        ),
        rejected("! csv.field_line_break users.csv 3"),
    ),
    BadInput(
        "a37-semicolons",
        {"users.csv": SCHOOL["users.csv"].replace(",", ";")},
        rejected("! csv.wrong_delimiter users.csv | commas"),
    ),
    BadInput(
        "a37-tabs",
        {**SCHOOL, "courses.csv": SCHOOL["courses.csv"].replace(",", "\t")},
        rejected("! csv.wrong_delimiter courses.csv | commas"),
    ),
    BadInput(
        "a38-misspelt",
        _users("familyName", "familyNmae"),
        rejected(
            "! schema.missing_header users.csv 1 familyName | familyName; found familyNmae: did you mean familyName?"
        ),
    ),
    BadInput(
        "a38-essential-gone",
        _users("sourcedId,status", "id,status"),
        rejected(
            "! schema.missing_header users.csv 1 sourcedId | sourcedId; found id: did you mean sourcedId?"
        ),
    ),
    BadInput(
        "a38-other-letters",
        _users("familyName", "FamilyName"),
        Verdict("no_changes", ("~ schema.header_spelling users.csv 1 FamilyName | familyName",)),
        rejected(
            "! schema.missing_header users.csv 1 familyName | familyName; found FamilyName: did you mean familyName?"
        ),
    ),
    BadInput(
        "a38-other-gone",
        _users("middleName", "metadata.middle"),
        Verdict(
            "no_changes",
            (
                "~ schema.missing_header users.csv 1 middleName | middleName",
                "~ schema.column_order users.csv 1",
            ),
        ),
    ),
    BadInput(
        "a39-zero-width",
        _users("familyName", "family\u200bName"),
        Verdict(
            "no_changes",
            ("~ schema.invisible_character users.csv 1 familyName | familyName without U+200B",),
        ),
        rejected(
            "! schema.missing_header users.csv 1 familyName | familyName; found family\\u200bName: did you mean familyName?"
        ),
    ),
    BadInput(
        "a39-no-break",
        _users("familyName", "\u00a0familyName"),
        Verdict(
            "no_changes",
            ("~ schema.invisible_character users.csv 1 familyName | familyName without U+00A0",),
        ),
        rejected(
            "! schema.missing_header users.csv 1 familyName | familyName; found \\xa0familyName: did you mean familyName?"
        ),
    ),
    BadInput(
        "a40-twice",
        _users("middleName", "familyName"),
        rejected("! table.duplicate_header users.csv - familyName"),
    ),
    BadInput("a40-empty", _users("middleName", ""), rejected("! table.duplicate_header users.csv")),
    BadInput(
        "a41-order",
        {"users.csv": columns_reversed(SCHOOL["users.csv"])},
        Verdict("no_changes", ("~ schema.column_order users.csv 1",)),
    ),
    BadInput("a42-right", _with_column(18), Verdict("no_changes")),
    BadInput(
        "a42-middle", _with_column(5), Verdict("no_changes", ("~ schema.column_order users.csv 1",))
    ),
    BadInput(
        "a43-1.2-under-1.1",
        {**SCHOOL, "users.csv": SCHOOL_1_2["users.csv"]},
        rejected(
            "! schema.version_mismatch users.csv 1 | the columns of OneRoster 1.1, not of 1.2"
        ),
    ),
    BadInput(
        "a43-1.1-under-1.2",
        {**SCHOOL_1_2, "users.csv": SCHOOL["users.csv"]},
        rejected(
            "! schema.version_mismatch users.csv 1 | the columns of OneRoster 1.2, not of 1.1"
        ),
    ),
    BadInput(
        "a92-all-short",
        {
            "courses.csv": SCHOOL["courses.csv"]
            .replace("Maths,\n", "Maths\n")
            .replace("Art,\n", "Art\n")
        },
        Verdict(
            "no_changes",
            (
                "~ table.missing_cells courses.csv 2 | values for subjectCodes",
                "~ schema.missing_header courses.csv 1 subjectCodes | subjectCodes",
            ),
        ),
        rejected(
            "! row.width_mismatch courses.csv 2 - maths",
            "! row.width_mismatch courses.csv 3 - art",
            "! table.nothing_usable courses.csv",
        ),
    ),
    BadInput(
        "a93-within-a-row",
        {"users.csv": SCHOOL["users.csv"].split("Dan,Fox")[0]},
        rejected("! table.cut_off users.csv 5"),
    ),
)
