"""Bad inputs of the cases 44 to 63: faults of single rows."""

from __future__ import annotations

from catalogue.case import BadInput, Verdict, only, rejected
from golden.school import SCHOOL, added, as_delta, changed, person

_NOW = "2026-09-01T00:00:00.000Z"
_ALONE = {"users.csv": SCHOOL["users.csv"]}
_LONG = "x" * 256
_LONG_ID = "é" * 255
_ODD = ("a,b/c\\d", "<script>alert(1)</script>", "O’Brien & 'x'", "7", _LONG_ID)
_CONFUSABLE = "reference.confusable_id users.csv {row} sourcedId {name} | a sourcedId that differs from others by more than capitals"
_DATES = (
    "09/01/2026",
    "2026-02-30",
    "20260901",
    "2026-W01-1",
    "0001-01-01",
    "9999-12-31",
    "\uff12\uff10\uff12\uff16-09-01",
)
_DATED = [f"d{n},active,{_NOW},m1,s,bob,teacher,,{date}," for n, date in enumerate(_DATES)]


def _forbidden(*rows: tuple[int, str]) -> list[str]:
    """Return the findings of strict for sourcedIds with characters that the standard forbids."""
    expected = "letters A to Z, digits, and . / @ _ - only"
    return [
        f"! row.invalid_sourced_id users.csv {row} sourcedId {name} | {expected}"
        for row, name in rows
    ]


def _users(old: str, new: str) -> dict[str, str]:
    return changed(_ALONE, "users.csv", old, new)


def _more(*rows: str) -> dict[str, str]:
    return added(_ALONE, "users.csv", *rows)


def _enrolled(old: str, new: str) -> dict[str, str]:
    return only(changed(SCHOOL, "enrollments.csv", old, new), "enrollments")


def _delta(*rows: str) -> dict[str, str]:
    return as_delta(SCHOOL, users=rows)


def _quoted(cell: str) -> str:
    return f'"{cell}"'


_SWAPPED = _users("bob@example.org", "cat@example.net")
_SWAPPED = changed(_SWAPPED, "users.csv", "cat@example.org", "bob@example.org")
_SWAPPED = changed(_SWAPPED, "users.csv", "cat@example.net", "cat@example.org")

INPUTS = (
    BadInput(
        "a44-empty",
        _users("bob@example.org,,", "bob@example.org,,,"),
        Verdict("no_changes", ("~ table.surplus_cells users.csv 3",)),
        rejected("! row.width_mismatch users.csv 3 - bob"),
    ),
    BadInput(
        "a44-wider",
        _users("Bob,Ray,", "Bob,Ray, Jr,"),
        Verdict(
            "succeeded_with_errors",
            ("! row.width_mismatch users.csv 3 - bob",),
            errors={"users": 1},
        ),
    ),
    BadInput(
        "a44-narrower",
        _users("bob@example.org,,,,,", "bob@example.org,,"),
        Verdict(
            "succeeded_with_errors",
            ("! row.width_mismatch users.csv 3 - bob",),
            errors={"users": 1},
        ),
    ),
    BadInput(
        "a45-nul",
        _users(",Ray,", ",R\0ay,"),
        Verdict(
            "succeeded_with_errors",
            ("! row.invalid_character users.csv 3 - bob",),
            errors={"users": 1},
        ),
    ),
    BadInput(
        "a45-escape",
        _users(",Ray,", ",\x1b[31mRay,"),
        Verdict(
            "succeeded_with_errors",
            ("! row.invalid_character users.csv 3 - bob",),
            errors={"users": 1},
        ),
    ),
    BadInput(
        "a45-separators",
        _users(",Ray,", ",Ra\u2028y\u202e,"),
        Verdict(
            "succeeded",
            became={"users": {"bob": "active · Bob Ra\u2028y\u202e · bob@example.org · teacher"}},
        ),
        before=(_ALONE,),
    ),
    BadInput(
        "a46-name",
        _users(",Ray,", f",{_LONG},"),
        Verdict(
            "succeeded_with_errors",
            ("! row.too_long users.csv 3 familyName bob | at most 255 characters",),
            errors={"users": 1},
        ),
    ),
    BadInput(
        "a46-title",
        {"courses.csv": SCHOOL["courses.csv"].replace("Mathematics", _LONG)},
        Verdict(
            "succeeded_with_errors",
            ("! row.too_long courses.csv 2 title maths | at most 255 characters",),
            errors={"courses": 1},
        ),
    ),
    BadInput(
        "a46-line",
        _users(",Ray,", f",{'x' * 140_000},"),
        rejected("! csv.field_too_large users.csv 3 | at most 131,072 bytes"),
    ),
    BadInput(
        "a47-blanks",
        _users("\nbob,", "\n bob ,"),
        Verdict("no_changes", ("~ row.surrounding_space users.csv 3 sourcedId",)),
    ),
    BadInput(
        "a47-no-break-space",
        _users(",Ray,", ",\u00a0Ray\u00a0,"),
        Verdict("no_changes", ("~ row.surrounding_space users.csv 3 familyName",)),
    ),
    BadInput(
        "a47-equal-without",
        _more("bob ,,,true,s,teacher,bob2,,Bea,Ray,,,bea@example.org,,,,,"),
        Verdict(
            "succeeded_with_errors",
            (
                "~ row.surrounding_space users.csv 8 sourcedId",
                "! reference.duplicate_sourced_id users.csv 3 sourcedId bob | a sourcedId that no other row has",
                "! reference.duplicate_sourced_id users.csv 8 sourcedId bob | a sourcedId that no other row has",
            ),
            errors={"users": 2},
        ),
        rejected(
            "! row.surrounding_space users.csv 8 sourcedId",
            "! reference.duplicate_sourced_id users.csv 3 sourcedId bob | a sourcedId that no other row has",
            "! reference.duplicate_sourced_id users.csv 8 sourcedId bob | a sourcedId that no other row has",
        ),
    ),
    BadInput(
        "a48-name",
        _users("Bob,Ray", "Bob,"),
        Verdict(
            "succeeded_with_errors",
            ("! row.missing_required_value users.csv 3 familyName bob | a value",),
            errors={"users": 1},
        ),
    ),
    BadInput(
        "a48-sourced-id",
        _users("\nbob,,,", "\n,,,"),
        Verdict(
            "succeeded_with_errors",
            ("! row.missing_required_value users.csv 3 sourcedId | a value",),
            errors={"users": 1},
        ),
    ),
    BadInput(
        "a49-opaque",
        _more(
            *(
                person(_quoted(i), username=f"u{n}", email=f"u{n}@example.org")
                for n, i in enumerate(_ODD)
            )
        ),
        Verdict(
            "succeeded",
            became={
                "users": {
                    "7": "active · Given Family · u3@example.org · teacher",
                    "<script>alert(1)</script>": "active · Given Family · u1@example.org · teacher",
                    "O\u2019Brien & 'x'": "active · Given Family · u2@example.org · teacher",
                    "a,b/c\\d": "active · Given Family · u0@example.org · teacher",
                    _LONG_ID: "active · Given Family · u4@example.org · teacher",
                }
            },
        ),
        strict=rejected(
            *_forbidden(
                (8, "a,b/c\\\\d"),
                (9, "<script>alert(1)</script>"),
                (10, "O\\u2019Brien & 'x'"),
                (12, ascii(_LONG_ID)[1:-1]),
            )
        ),
        before=(_ALONE,),
    ),
    BadInput(
        "a51-other-letters",
        _users("s,teacher,bob", "s,Teacher,bob"),
        Verdict("no_changes", ("~ row.invalid_enum users.csv 3 role",)),
    ),
    BadInput(
        "a51-unknown",
        _users("s,teacher,bob", "s,stdnt,bob"),
        Verdict(
            "succeeded_with_errors",
            (
                "! row.invalid_enum users.csv 3 role bob | one of administrator, aide, proctor, teacher",
            ),
            errors={"users": 1},
        ),
    ),
    BadInput(
        "a52-spellings",
        _users("bob,,,true", "bob,,,TRUE"),
        Verdict("no_changes", ("~ row.invalid_boolean users.csv 3 enabledUser",)),
    ),
    BadInput(
        "a52-unknown",
        _users("bob,,,true", "bob,,,perhaps"),
        Verdict(
            "succeeded_with_errors",
            ("! row.invalid_boolean users.csv 3 enabledUser bob | true or false",),
            errors={"users": 1},
        ),
    ),
    BadInput(
        "a53-other-forms",
        as_delta(SCHOOL, enrollments=_DATED),
        Verdict(
            "succeeded",
            (
                *(
                    f"~ row.invalid_date enrollments.csv {row} beginDate d{row - 2} | a date as YYYY-MM-DD"
                    for row in (2, 3, 4, 5, 8)
                ),
                *(
                    f"~ row.unlikely_date enrollments.csv {row} beginDate d{row - 2} | a date from 1990-01-01 to 2100-12-31"
                    for row in (6, 7)
                ),
            ),
            became={"assignments": {"bob maths": "active"}},
            remembers=("enrollments", "modified"),
        ),
    ),
    BadInput(
        "a54-enrollment",
        _enrolled("2026-08-01,2026-12-01", "2026-08-01,2026-07-01"),
        Verdict(
            "no_changes",
            (
                "~ semantic.date_order enrollments.csv 2 endDate ann-m1 | endDate not before beginDate",
            ),
        ),
    ),
    BadInput(
        "a55-active",
        _users("bob,,,", f"bob,active,{_NOW},"),
        Verdict(
            "no_changes",
            ("~ row.field_forbidden_in_bulk users.csv 3 | no values of dateLastModified, status",),
        ),
    ),
    BadInput(
        "a55-tobedeleted",
        _users("bob,,,", f"bob,tobedeleted,{_NOW},"),
        Verdict(
            "succeeded",
            (
                "~ row.field_forbidden_in_bulk users.csv 3 dateLastModified",
                "~ semantic.tobedeleted_in_bulk users.csv 3 status bob | no status in a bulk file",
            ),
            became={"users": {"bob": "inactive · Bob Ray · bob@example.org · teacher"}},
        ),
        rejected(
            "! row.field_forbidden_in_bulk users.csv 3 dateLastModified",
            "! semantic.tobedeleted_in_bulk users.csv 3 status bob | no status in a bulk file",
        ),
    ),
    BadInput(
        "a56-no-status",
        _delta(f"bob,,{_NOW},true,s,teacher,bob,,Rob,Ray,,,bob@example.org,,,,,"),
        Verdict(
            "rejected",
            (
                "! row.field_required_in_delta users.csv 2 status bob | active or tobedeleted",
                "! table.nothing_usable users.csv",
            ),
        ),
    ),
    BadInput(
        "a56-unknown-status",
        _delta(f"bob,gone,{_NOW},true,s,teacher,bob,,Rob,Ray,,,bob@example.org,,,,,"),
        Verdict(
            "rejected",
            (
                "! row.invalid_enum users.csv 2 status bob | one of active, tobedeleted",
                "! table.nothing_usable users.csv",
            ),
        ),
    ),
    BadInput(
        "a56-no-date",
        _delta("bob,active,,true,s,teacher,bob,,Rob,Ray,,,bob@example.org,,,,,"),
        Verdict(
            "succeeded",
            ("~ row.field_required_in_delta users.csv 2 dateLastModified bob | a time in UTC",),
            became={"users": {"bob": "active · Rob Ray · bob@example.org · teacher"}},
        ),
    ),
    BadInput(
        "a56-no-zone",
        _delta("bob,active,2026-09-01T00:00:00,true,s,teacher,bob,,Bob,Ray,,,bob@example.org,,,,,"),
        Verdict(
            "no_changes",
            (
                "~ row.invalid_timestamp users.csv 2 dateLastModified bob | a time as YYYY-MM-DDTHH:MM:SS.sssZ",
            ),
            remembers=("modified",),
        ),
        rejected(
            "! row.invalid_timestamp users.csv 2 dateLastModified bob | a time as YYYY-MM-DDTHH:MM:SS.sssZ"
        ),
    ),
    BadInput(
        "a58-identical",
        _more(SCHOOL["users.csv"].splitlines()[2]),
        Verdict("no_changes", ("~ reference.repeated_row users.csv 8",)),
    ),
    BadInput(
        "a59-different",
        _more("bob,,,true,s,teacher,bob2,,Bea,Ray,,,bea@example.org,,,,,"),
        Verdict(
            "succeeded_with_errors",
            (
                "! reference.duplicate_sourced_id users.csv 3 sourcedId bob | a sourcedId that no other row has",
                "! reference.duplicate_sourced_id users.csv 8 sourcedId bob | a sourcedId that no other row has",
            ),
            errors={"users": 2},
        ),
    ),
    BadInput(
        "a60-case",
        _more(person("Bob", email="big@example.org", username="big")),
        Verdict(
            "succeeded",
            (
                "~ reference.confusable_id users.csv 3 sourcedId bob | a sourcedId that differs from others by more than capitals",
                "~ reference.confusable_id users.csv 8 sourcedId Bob | a sourcedId that differs from others by more than capitals",
            ),
            became={"users": {"Bob": "active · Given Family · big@example.org · teacher"}},
        ),
        before=(_ALONE,),
    ),
    BadInput(
        "a60-composition",
        _more(
            person("\u00e9va", email="a@example.org", username="ea"),
            person("e\u0301va", email="b@example.org", username="eb"),
        ),
        Verdict(
            "succeeded",
            (
                "~ reference.confusable_id users.csv 8 sourcedId \\xe9va | a sourcedId that differs from others by more than capitals",
                "~ reference.confusable_id users.csv 9 sourcedId e\\u0301va | a sourcedId that differs from others by more than capitals",
            ),
            became={
                "users": {
                    "e\u0301va": "active · Given Family · b@example.org · teacher",
                    "\xe9va": "active · Given Family · a@example.org · teacher",
                }
            },
        ),
        strict=rejected(
            *(
                f"~ {_CONFUSABLE.format(row=r, name=n)}"
                for r, n in ((8, "\\xe9va"), (9, "e\\u0301va"))
            ),
            *_forbidden((8, "\\xe9va"), (9, "e\\u0301va")),
        ),
        before=(_ALONE,),
    ),
    BadInput(
        "a61-one-address",
        _more(person("eve", email="Bob@Example.org")),
        Verdict(
            "succeeded_with_errors",
            (
                "! semantic.login_taken users.csv 3 email bob | an e-mail address that no other user has",
                "! semantic.login_taken users.csv 8 email eve | an e-mail address that no other user has",
            ),
            errors={"users": 2},
        ),
    ),
    BadInput(
        "a61-swap",
        _SWAPPED,
        Verdict(
            "succeeded",
            became={
                "users": {
                    "bob": "active · Bob Ray · cat@example.org · teacher",
                    "cat": "active · Cat Orr · bob@example.org · aide",
                }
            },
        ),
        before=(_ALONE,),
    ),
    BadInput(
        "a62-no-address",
        _users("bob@example.org", "bob at example"),
        Verdict(
            "succeeded_with_errors",
            ("! row.invalid_email users.csv 3 email bob | an e-mail address",),
            errors={"users": 1},
        ),
    ),
    BadInput(
        "a62-blank",
        _users(",bob@example.org,", ",,"),
        Verdict(
            "no_changes", ("~ semantic.missing_login users.csv 3 email bob | an e-mail address",)
        ),
    ),
    BadInput(
        "a63-disabled",
        _users("bob,,,true", "bob,,,false"),
        Verdict(
            "succeeded", became={"users": {"bob": "inactive · Bob Ray · bob@example.org · teacher"}}
        ),
        before=(_ALONE,),
    ),
    BadInput(
        "a89-users",
        {"users.csv": _ALONE["users.csv"].split("bob,")[0].replace("ann@example.org", "ann")},
        rejected(
            "! row.invalid_email users.csv 2 email ann | an e-mail address",
            "! table.nothing_usable users.csv",
        ),
    ),
    BadInput(
        "a90-orgs",
        only(added(SCHOOL, "orgs.csv", "x,,,One,school,,", "x,,,Two,school,,"), "orgs"),
        Verdict(
            "succeeded_with_errors",
            tuple(
                f"! reference.duplicate_sourced_id orgs.csv {row} sourcedId x | a sourcedId that no other row has"
                for row in (4, 5)
            ),
        ),
    ),
    BadInput(
        "a91-blank",
        only(
            changed(
                SCHOOL,
                "classes.csv",
                "Maths 1,09,maths,M1-1,scheduled,,s,",
                ",09,maths,M1-1,scheduled,,,",
            ),
            "classes",
        ),
        Verdict(
            "no_changes",
            tuple(
                f"~ row.missing_required_value classes.csv 2 {column} m1 | a value"
                for column in ("title", "schoolSourcedId")
            ),
        ),
    ),
)
