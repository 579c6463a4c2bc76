"""Repairs: a value with only one possible reading is read that way, with a warning.

Each kind of repair is one finding for a column, with the number of its rows. The strict profile
repairs nothing and refuses the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golden.school import (
    SCHOOL,
    Texts,
    changed,
    codes,
    columns_reversed,
    folder_of,
    manifest,
    opened,
    summarize,
    without,
)

if TYPE_CHECKING:
    from pathlib import Path


def _everywhere(texts: Texts, file: str, old: str, new: str) -> Texts:
    assert old in texts[file]
    return {**texts, file: texts[file].replace(old, new)}


REPAIRS = [
    ("users.csv", ",Ray,", ",  Ray ,", "row.surrounding_space", "familyName", 3, 1),
    ("users.csv", ",Ray,", ",\u00a0Ray,", "row.surrounding_space", "familyName", 3, 1),
    ("users.csv", "\nbob,", "\n bob ,", "row.surrounding_space", "sourcedId", 3, 1),
    ("users.csv", ",true,s,", ", true,s,", "row.surrounding_space", "enabledUser", 2, 4),
    ("users.csv", ",true,s,", ",TRUE,s,", "row.invalid_boolean", "enabledUser", 2, 4),
    ("users.csv", ",true,s,", ",yes,s,", "row.invalid_boolean", "enabledUser", 2, 4),
    ("users.csv", ",true,s,", ",1,s,", "row.invalid_boolean", "enabledUser", 2, 4),
    ("enrollments.csv", ",false,", ",N,", "row.invalid_boolean", "primary", 5, 1),
    ("users.csv", ",teacher,", ",Teacher,", "row.invalid_enum", "role", 2, 2),
    ("users.csv", ",aide,", ",AIDE,", "row.invalid_enum", "role", 4, 1),
    ("classes.csv", ",scheduled,", ",Scheduled,", "row.invalid_enum", "classType", 2, 3),
    ("orgs.csv", ",school,", ",School,", "row.invalid_enum", "type", 3, 1),
    ("academicSessions.csv", ",term,", ",Term,", "row.invalid_enum", "type", 3, 1),
    ("academicSessions.csv", ",schoolYear,", ",SCHOOLYEAR,", "row.invalid_enum", "type", 2, 1),
    *(
        (
            "enrollments.csv",
            ",2026-08-01,",
            f",2026-08-01{time},",
            "row.invalid_date",
            "beginDate",
            2,
            1,
        )
        for time in ("T00:00:00.000Z", "T00:00:00Z", " 00:00:00", "T00:00", " 00:00:00.0")
    ),
    ("academicSessions.csv", ",2027\n", ",2026-2027\n", "row.invalid_year", "schoolYear", 2, 2),
    ("users.csv", "ann,,,", "ann,active,,", "row.field_forbidden_in_bulk", "status", 2, 1),
    ("courses.csv", ",,,y,", ",active,,y,", "row.field_forbidden_in_bulk", "status", 2, 2),
    (
        "courses.csv",
        ",,,y,",
        ",,2026-09-01T00:00:00.000Z,y,",
        "row.field_forbidden_in_bulk",
        "dateLastModified",
        2,
        2,
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "code", "column", "row", "rows"), REPAIRS)
def test_value_is_repaired_where_it_is_clear(
    tmp_path: Path, file: str, old: str, new: str, code: str, column: str, row: int, rows: int
) -> None:
    """A value with only one possible reading is repaired, with one counted warning a column."""
    package = folder_of(_everywhere(SCHOOL, file, old, new), tmp_path / "p")

    extracted = opened(package)

    assert not extracted.refused
    assert extracted.findings.table().to_pylist() == [
        {
            "code": code,
            "severity": "warning",
            "file": file,
            "row": row,
            "column": column,
            "sourced_id": None,
            "expected": None,
            "rows": rows,
            "target_file": None,
            "target": None,
        }
    ]
    assert extracted.tables == opened(folder_of(SCHOOL, tmp_path / "plain")).tables


@pytest.mark.parametrize(("file", "old", "new", "code", "column", "row", "rows"), REPAIRS)
def test_strict_repairs_nothing(
    tmp_path: Path, file: str, old: str, new: str, code: str, column: str, row: int, rows: int
) -> None:
    """In strict each repairable value is an error, and the package is refused."""
    package = folder_of(_everywhere(SCHOOL, file, old, new), tmp_path / "p")

    extracted = opened(package, "strict")

    assert extracted.refused
    assert extracted.tables == {}
    table = extracted.findings.table()
    assert codes(extracted.findings, "error") == [code]
    assert (table["row"].to_pylist(), table["rows"].to_pylist()) == ([row], [rows])
    assert table["column"].to_pylist() == [column]
    assert summarize(extracted.findings) == [(code, file, row)]


@pytest.mark.parametrize(
    ("file", "old", "new", "column", "value"),
    [
        ("users.csv", "ann,,,true,", "ann,,,maybe,", "enabledUser", "maybe"),
        ("users.csv", "ann,,,true,", "ann,,,2,", "enabledUser", "2"),
        ("enrollments.csv", "m1,s,ann,teacher", "m1,s,ann,tchr", "role", "tchr"),
        ("academicSessions.csv", "y,2027", "y,26-27", "schoolYear", "26-27"),
        ("academicSessions.csv", "y,2027", "y,2026/2027", "schoolYear", "2026/2027"),
        (
            "enrollments.csv",
            "e,2026-08-01,",
            "e,2026-08-01T00:00:00+09:00,",
            "beginDate",
            "2026-08-01T00:00:00+09:00",
        ),
        (
            "enrollments.csv",
            "e,2026-08-01,",
            "e,2026-08-01T07:00:00Z,",
            "beginDate",
            "2026-08-01T07:00:00Z",
        ),
        ("users.csv", "ann,,,", "ann,deleted,,", "status", "deleted"),
        ("users.csv", "ann,,,", "ann,tobedeleted,,", "status", "tobedeleted"),
    ],
)
def test_value_that_could_mean_several_things_is_not_repaired(
    tmp_path: Path, file: str, old: str, new: str, column: str, value: str
) -> None:
    """A value with several possible readings goes to the suites unchanged."""
    extracted = opened(folder_of(changed(SCHOOL, file, old, new), tmp_path / "p"))

    assert (extracted.refused, summarize(extracted.findings)) == (False, [])
    assert value in extracted.tables[file.removesuffix(".csv")][column].to_pylist()


def _with_word(word: str, *columns: str) -> Texts:
    header, *rows = (line.split(",") for line in SCHOOL["enrollments.csv"].splitlines())
    for row in rows:
        for column in columns:
            at = header.index(column)
            row[at] = row[at] or word
    return {**SCHOOL, "enrollments.csv": "".join(",".join(r) + "\n" for r in (header, *rows))}


@pytest.mark.parametrize("word", ["NULL", r"\N"])
def test_null_is_blank_where_no_cell_is_empty(tmp_path: Path, word: str) -> None:
    """NULL in two columns without an empty cell is blank, as databases write it."""
    texts = _with_word(word, "status", "dateLastModified", "beginDate", "endDate")

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert not extracted.refused
    assert {code for code, _, _ in summarize(extracted.findings)} == {"row.null_word"}
    assert extracted.tables == opened(folder_of(SCHOOL, tmp_path / "plain")).tables
    assert opened(folder_of(texts, tmp_path / "strict"), "strict").refused


def test_null_is_a_word_where_cells_are_empty(tmp_path: Path) -> None:
    """NULL stays in one column alone, beside empty cells, in a name and in a sourcedId."""
    one = opened(folder_of(_with_word("NULL", "endDate"), tmp_path / "one"))
    assert "NULL" in one.tables["enrollments"]["endDate"].to_pylist()

    texts = _with_word("NULL", "beginDate", "endDate")
    texts = changed(
        texts,
        "enrollments.csv",
        "cat-a1,,,a1,s,cat,aide,false,NULL,NULL",
        "cat-a1,,,a1,s,cat,aide,false,,",
    )
    beside = opened(folder_of(texts, tmp_path / "beside"))
    assert "NULL" in beside.tables["enrollments"]["endDate"].to_pylist()

    texts = changed(
        SCHOOL,
        "users.csv",
        "\nbob,,,true,s,teacher,bob,,Bob,Ray",
        "\nNULL,,,true,s,teacher,NULL,,NULL,NULL",
    )
    named = opened(folder_of(texts, tmp_path / "named"))
    row = named.tables["users"].to_pylist()[1]
    assert (row["sourcedId"], row["givenName"], row["familyName"]) == ("NULL", "NULL", "NULL")


def test_blanks_alone_are_nothing(tmp_path: Path) -> None:
    """A value of blanks is a missing value."""
    texts = changed(SCHOOL, "users.csv", ",Ray,", ",   ,")

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert extracted.tables["users"]["familyName"].to_pylist()[1] is None


def test_delta_keeps_status_and_date(tmp_path: Path) -> None:
    """In a delta file status and dateLastModified are kept."""
    texts = {
        "manifest.csv": manifest("1.1", orgs="delta"),
        "orgs.csv": SCHOOL["orgs.csv"].splitlines()[0]
        + "\ns,active,2026-09-01T00:00:00.000Z,School,school,,\n",
    }

    for profile in ("tolerant", "strict"):
        extracted = opened(folder_of(texts, tmp_path / profile), profile)
        assert (extracted.refused, summarize(extracted.findings)) == (False, [])
        assert extracted.tables["orgs"]["status"].to_pylist() == ["active"]


def test_findings_of_all_files_are_collected(tmp_path: Path) -> None:
    """Findings of one file don't hide the findings of the next."""
    texts = _everywhere(SCHOOL, "classes.csv", ",scheduled,", ",Scheduled,")
    texts = _everywhere(texts, "users.csv", ",true,s,", ",TRUE,s,")
    texts = {**texts, "orgs.csv": columns_reversed(texts["orgs.csv"])}

    extracted = opened(folder_of(without(texts, "manifest.csv"), tmp_path / "p"))

    assert summarize(extracted.findings) == [
        ("package.missing_manifest", None, None),
        ("schema.column_order", "orgs.csv", 1),
        ("row.invalid_enum", "classes.csv", 2),
        ("row.invalid_boolean", "users.csv", 2),
    ]
