"""Headers: which column each one names, and how far a file follows the standard.

Other headers are understood with a warning if they are clear, and refused in strict. A missing
essential column, or one that appears twice, refuses the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from district.columns import COLUMNS
from golden.school import (
    SCHOOL,
    SCHOOL_1_2,
    Texts,
    changed,
    codes,
    columns_reversed,
    folder_of,
    manifest,
    opened,
    summarize,
)

if TYPE_CHECKING:
    from pathlib import Path

    from oneroster_sync.stages.extract.package import Extracted

FILE = "users.csv"
USERS = SCHOOL[FILE]
PROFILES = ("tolerant", "strict")


def school_with(users: str) -> Texts:
    """Return the school with another users.csv."""
    return {**SCHOOL, FILE: users}


def expected_of(extracted: Extracted) -> str:
    """Return the expected value of the last finding."""
    return str(extracted.findings.table()["expected"][-1])


ESSENTIAL = [
    ("users.csv", "sourcedId"),
    ("users.csv", "role"),
    ("users.csv", "givenName"),
    ("users.csv", "familyName"),
    ("users.csv", "email"),
    ("courses.csv", "title"),
    ("classes.csv", "courseSourcedId"),
    ("enrollments.csv", "classSourcedId"),
    ("enrollments.csv", "userSourcedId"),
    ("enrollments.csv", "role"),
]


def without_column(text: str, column: str) -> str:
    """Return a CSV text without one of its columns; its values must have no commas."""
    rows = [line.replace('"09,10"', "09").split(",") for line in text.splitlines()]
    at = rows[0].index(column)
    return "".join(",".join(row[:at] + row[at + 1 :]) + "\n" for row in rows)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("file", "column"), ESSENTIAL)
def test_essential_column_must_be_there(
    tmp_path: Path, profile: str, file: str, column: str
) -> None:
    """A package without an essential column is refused, and the column is named."""
    texts = {**SCHOOL, file: without_column(SCHOOL[file], column)}

    extracted = opened(folder_of(texts, tmp_path / "p"), profile)

    assert extracted.refused
    assert summarize(extracted.findings)[-1] == ("schema.missing_header", file, 1)
    assert extracted.findings.table()["column"].to_pylist()[-1] == column


@pytest.mark.parametrize(
    ("file", "column", "misspelt"),
    [
        ("users.csv", "email", "emial"),
        ("users.csv", "familyName", "familyNames"),
        ("classes.csv", "courseSourcedId", "coursesSourcedId"),
        ("enrollments.csv", "userSourcedId", "user_sourcedId"),
    ],
)
def test_nearest_name_is_suggested(tmp_path: Path, file: str, column: str, misspelt: str) -> None:
    """A refusal for a misspelled header suggests the nearest column name."""
    header, rest = SCHOOL[file].split("\n", 1)
    text = f"{header.replace(column, misspelt)}\n{rest}"

    extracted = opened(folder_of({**SCHOOL, file: text}, tmp_path / "p"))

    assert extracted.refused
    assert ("schema.missing_header", file, 1) in summarize(extracted.findings)
    expected = extracted.findings.table()["expected"].to_pylist()
    assert f"{column}; found {misspelt}: did you mean {column}?" in expected
    assert "schema.unknown_column" not in codes(extracted.findings)


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("users.csv", "enabledUser"),
        ("users.csv", "username"),
        ("users.csv", "orgSourcedIds"),
        ("users.csv", "password"),
        ("users.csv", "status"),
        ("orgs.csv", "type"),
        ("courses.csv", "subjects"),
        ("enrollments.csv", "beginDate"),
    ],
)
def test_other_columns_may_be_missing(tmp_path: Path, file: str, column: str) -> None:
    """A missing optional column of the standard is a warning, and refused in strict."""
    texts = {**SCHOOL, file: without_column(SCHOOL[file], column)}
    package = folder_of(texts, tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert summarize(tolerant.findings) == [("schema.missing_header", file, 1)]
    assert codes(tolerant.findings, "warning") == ["schema.missing_header"]
    assert strict.refused
    assert codes(strict.findings, "error") == ["schema.missing_header"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("sourcedId,status", "SourcedId,status", "schema.header_spelling"),
        ("sourcedId,status", "sourceId,status", "schema.header_spelling"),
        (",orgSourcedIds,", ",orgSourceIds,", "schema.header_spelling"),
        (",agentSourcedIds,", ",agentSourceIds,", "schema.header_spelling"),
        (",dateLastModified,", ",dateModified,", "schema.header_spelling"),
        (",userIds,", ",userId,", "schema.header_spelling"),
        (",agentSourcedIds,", ",agents,", "schema.header_spelling"),
        (",email,", ",Email,", "schema.header_spelling"),
        ("sourcedId,status", "\u200bsourcedId,status", "schema.invisible_character"),
        (",email,", ",email\u00a0,", "schema.invisible_character"),
        (",email,", ",e\u00admail,", "schema.invisible_character"),
        (",email,", ", email ,", "schema.invisible_character"),
        (",role,", ",Ro\u200dle,", "schema.invisible_character"),
    ],
)
def test_header_is_understood_where_it_is_clear(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    """Other letter case, known misspellings and invisible characters are understood.

    They are refused in strict.
    """
    header, rest = USERS.split("\n", 1)
    package = folder_of(school_with(f"{header.replace(old, new)}\n{rest}"), tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert summarize(tolerant.findings) == [(code, FILE, 1)]
    assert tolerant.tables == opened(folder_of(SCHOOL, tmp_path / "plain")).tables
    assert strict.refused


def test_invisible_character_is_shown(tmp_path: Path) -> None:
    """The finding shows an invisible character by its number."""
    texts = changed(SCHOOL, FILE, ",email,", ",\u200bemail,")

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert "U+200B" in expected_of(extracted)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("old", "new"),
    [(",email,sms,", ",email,email,"), (",email,sms,", ",email,,")],
)
def test_header_must_not_stand_twice(tmp_path: Path, profile: str, old: str, new: str) -> None:
    """Two columns with one name, or a column without a name, refuse the package."""
    header, rest = USERS.split("\n", 1)
    package = folder_of(school_with(f"{header.replace(old, new)}\n{rest}"), tmp_path / "p")

    extracted = opened(package, profile)

    assert extracted.refused
    assert summarize(extracted.findings) == [("table.duplicate_header", FILE, None)]


def test_header_that_would_stand_twice_once_understood_is_refused(tmp_path: Path) -> None:
    """Two spellings of one column count as two columns with one name."""
    texts = changed(SCHOOL, FILE, ",email,sms,", ",email,EMAIL,")

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert extracted.refused
    assert codes(extracted.findings)[-1] == "table.duplicate_header"


def test_columns_may_stand_in_another_order(tmp_path: Path) -> None:
    """Columns are read by name: another order is a warning, and refused in strict."""
    package = folder_of(school_with(columns_reversed(USERS)), tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert summarize(tolerant.findings) == [("schema.column_order", FILE, 1)]
    assert tolerant.tables == opened(folder_of(SCHOOL, tmp_path / "plain")).tables
    assert strict.refused


def _with_column(text: str, at: int, header: str, value: str) -> str:
    rows = [line.split(",") for line in text.splitlines()]
    for number, row in enumerate(rows):
        row.insert(at, value if number else header)
    return "".join(",".join(row) + "\n" for row in rows)


def test_metadata_columns_are_kept_out(tmp_path: Path) -> None:
    """Metadata columns at the right are allowed by the standard, and never read."""
    text = _with_column(USERS, 18, "metadata.address", "12 Elm Street")

    for profile in PROFILES:
        extracted = opened(folder_of(school_with(text), tmp_path / profile), profile)
        assert (extracted.refused, summarize(extracted.findings)) == (False, [])
        assert "Elm" not in str(extracted.tables)


def test_metadata_column_in_the_middle_is_an_order(tmp_path: Path) -> None:
    """Metadata columns elsewhere are a warning, and refused in strict."""
    text = _with_column(USERS, 5, "metadata.address", "12 Elm Street")
    package = folder_of(school_with(text), tmp_path / "p")

    assert summarize(opened(package).findings) == [("schema.column_order", FILE, 1)]
    assert opened(package, "strict").refused


def test_unknown_column_is_not_read(tmp_path: Path) -> None:
    """A column outside the standard is named and not read; strict refuses it."""
    text = _with_column(USERS, 18, "ext_address", "12 Elm Street")
    package = folder_of(school_with(text), tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert summarize(tolerant.findings) == [("schema.unknown_column", FILE, 1)]
    assert "Elm" not in str(tolerant.tables)
    assert strict.refused


@pytest.mark.parametrize(
    ("texts", "profile"),
    [
        ({**SCHOOL, FILE: SCHOOL_1_2[FILE]}, "tolerant"),
        ({**SCHOOL, FILE: SCHOOL_1_2[FILE]}, "strict"),
        (
            {
                **SCHOOL,
                FILE: "sourcedId,status,dateLastModified,orgSourcedIds,role,username,userId,"
                "givenName,familyName,identifier,email,sms,phone,agents\n"
                "ann,,,s,teacher,ann,,Ann,Lee,,ann@example.org,,,\n",
            },
            "strict",
        ),
    ],
)
def test_columns_of_another_version_are_refused(tmp_path: Path, texts: Texts, profile: str) -> None:
    """Columns of 1.2 or 1.0 contradict a manifest of 1.1 and are refused."""
    extracted = opened(folder_of(texts, tmp_path / "p"), profile)

    assert extracted.refused
    assert summarize(extracted.findings)[-1] == ("schema.version_mismatch", FILE, 1)


def test_columns_of_1_1_under_1_2_are_refused(tmp_path: Path) -> None:
    """A package whose manifest says 1.2, with the users of 1.1, is refused."""
    texts = {**SCHOOL, "manifest.csv": manifest("1.2", users="bulk", roles="bulk")}
    texts = {name: texts[name] for name in ("manifest.csv", FILE)}

    extracted = opened(folder_of({**texts, "roles.csv": SCHOOL_1_2["roles.csv"]}, tmp_path / "p"))

    assert extracted.refused
    assert summarize(extracted.findings)[-1] == ("schema.version_mismatch", FILE, 1)


@pytest.mark.parametrize("profile", PROFILES)
def test_lone_file_of_1_0_has_its_own_names(tmp_path: Path, profile: str) -> None:
    """Columns with a name that only 1.0 uses are correct in 1.0, in strict too."""
    header = list(COLUMNS["1.0"]["courses"])
    row = {"sourcedId": "c1", "title": "Art", "orgSourcedId": "s", "grade": "09"}
    path = tmp_path / "courses.csv"
    path.write_text(f"{','.join(header)}\n{','.join(row.get(name, '') for name in header)}\n")

    extracted = opened(path, profile)

    assert (extracted.refused, summarize(extracted.findings)) == (False, [])
    assert extracted.tables["courses"]["grades"].to_pylist() == ["09"]
