"""CSV files: their grammar, and the numbers of their rows.

A file that breaks the grammar is refused as a whole, because no later row could be trusted. A
single broken row is reported and quarantined, so that its record does not count as missing.
"""

from __future__ import annotations

import io
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from golden.school import (
    SCHOOL,
    added,
    changed,
    folder_of,
    opened,
    summarize,
)
from oneroster_sync.stages.extract import csv_lines

if TYPE_CHECKING:
    from pathlib import Path

    from oneroster_sync.stages.extract.package import Extracted

FILE = "users.csv"
USERS = SCHOOL[FILE]
HEADER = USERS.splitlines()[0]
ANN, BOB, CAT = USERS.splitlines()[1:4]
PROFILES = ("tolerant", "strict")


def school_with(users: str | bytes) -> dict[str, str | bytes]:
    """Return the school with another users.csv."""
    return {**SCHOOL, FILE: users}


def sourced_ids(extracted: Extracted) -> list[str]:
    """Return the sourcedIds of the users that are kept."""
    ids: list[str] = extracted.tables["users"]["sourcedId"].to_pylist()
    return ids


def row_numbers(extracted: Extracted) -> list[int]:
    """Return the row numbers of the users that are kept."""
    rows: list[int] = extracted.tables["users"]["row"].to_pylist()
    return rows


def expected_of(extracted: Extracted, at: int = -1) -> str:
    """Return the expected value of one of the findings."""
    return str(extracted.findings.table()["expected"][at])


# Empty files


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("file", ["users.csv", "orgs.csv", "enrollments.csv"])
@pytest.mark.parametrize("text", ["", "\n", "\r\n\r\n", "\ufeff"])
def test_empty_file_is_refused(tmp_path: Path, profile: str, file: str, text: str) -> None:
    """A file without a header refuses the package, because it is not an empty list."""
    extracted = opened(folder_of({**SCHOOL, file: text}, tmp_path / "p"), profile)

    assert extracted.refused
    assert summarize(extracted.findings) == [("table.missing_header", file, None)]


@pytest.mark.parametrize("text", [HEADER, f"{HEADER}\n", f"{HEADER}\r\n\r\n"])
def test_file_without_rows_is_named(tmp_path: Path, text: str) -> None:
    """A header without rows is a finding; strict refuses it, tolerant leaves it to the guard."""
    package = folder_of(school_with(text), tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert summarize(tolerant.findings) == [("table.no_rows", FILE, None)]
    assert tolerant.rows["users"] == 0
    assert strict.refused


# Bytes


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("name", "encoding", "byte", "shown"),
    [("Jos\xe9", "latin-1", 30, "0xE9"), ("O’Hara", "cp1252", 28, "0x92")],
)
def test_other_encodings_are_refused(
    tmp_path: Path, profile: str, name: str, encoding: str, byte: int, shown: str
) -> None:
    """Text that is not UTF-8 is refused with its row and its byte, so that no name is garbled."""
    users = USERS.replace("bob,,Bob,", f"bob,,{name},").encode(encoding)

    extracted = opened(folder_of(school_with(users), tmp_path / "p"), profile)

    assert extracted.refused
    assert summarize(extracted.findings) == [("csv.invalid_utf8", FILE, 3)]
    assert f"byte {byte} of the row is {shown}" in expected_of(extracted)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused(tmp_path: Path, encoding: str) -> None:
    """UTF-16 and UTF-32, which Excel calls Unicode text, are refused with and without a mark."""
    extracted = opened(folder_of(school_with(USERS.encode(encoding)), tmp_path / "p"))

    assert extracted.refused
    assert summarize(extracted.findings) == [("csv.invalid_utf8", FILE, 1)]


@pytest.mark.parametrize(
    "data",
    [b"\xc3", b"\xc3(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xff"],
)
def test_broken_utf_8_is_refused(tmp_path: Path, data: bytes) -> None:
    """Cut, overlong and surrogate sequences are refused, even at the end of the file."""
    users = USERS.encode() + BOB.encode().removesuffix(b",,,,,") + data

    extracted = opened(folder_of(school_with(users), tmp_path / "p"))

    assert extracted.refused
    assert summarize(extracted.findings) == [("csv.invalid_utf8", FILE, 8)]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + USERS,
        USERS.replace("\n", "\r\n"),
        "\ufeff" + USERS.replace("\n", "\r\n"),
        USERS.removesuffix("\n"),
        USERS + "\n\n\n",
        USERS.replace("\n", "\r\n") + "\r\n",
        "".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in USERS.splitlines()
        ),
    ],
)
def test_layout_does_not_matter(tmp_path: Path, profile: str, text: str) -> None:
    """A byte order mark, line ends, trailing blank lines and quotes make no difference."""
    plain = opened(folder_of(SCHOOL, tmp_path / "plain"), profile)

    extracted = opened(folder_of(school_with(text), tmp_path / "p"), profile)

    assert (extracted.refused, summarize(extracted.findings)) == (False, [])
    assert extracted.tables == plain.tables


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Zoë", "Zoë"),
        ("李", "李"),
        ("👩‍🏫", "👩‍🏫"),
        ('"Lee, Jr."', "Lee, Jr."),
        ('"the ""Doc"""', 'the "Doc"'),
        ("O'Hara", "O'Hara"),
        ("NA", "NA"),
        ("N/A", "N/A"),
        ("null", "null"),
        ("NULL", "NULL"),
        ("None", "None"),
        ("nan", "nan"),
        ("True", "True"),
        ("007", "007"),
        ("1.20", "1.20"),
        ("1e5", "1e5"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("<b>x</b>", "<b>x</b>"),
        ("a\u2028b", "a\u2028b"),
        ("\u202eabc", "\u202eabc"),
    ],
)
def test_names_are_kept_as_they_are(tmp_path: Path, name: str, field: str) -> None:
    """No name is mistaken for a missing value, a number, a formula or a line end."""
    texts = changed(SCHOOL, FILE, ",Bob,", f",{name},")

    extracted = opened(folder_of(texts, tmp_path / "p"), "strict")

    assert (extracted.refused, summarize(extracted.findings)) == (False, [])
    assert extracted.tables["users"]["givenName"].to_pylist() == ["Ann", field, "Cat", "Dan"]


@pytest.mark.parametrize(
    ("cell", "sourced_id"),
    [
        ('"a,b"', "a,b"),
        ("a/b", "a/b"),
        ('"a""b"', 'a"b'),
        ("<script>", "<script>"),
        ("x", "x"),
        ("x" * 255, "x" * 255),
        ("00123", "00123"),
        ("1.2E+05", "1.2E+05"),
        ("é", "é"),
        ("e\u0301", "e\u0301"),
        ("BOB", "BOB"),
    ],
)
def test_sourced_ids_are_opaque(tmp_path: Path, cell: str, sourced_id: str) -> None:
    """A sourcedId stays as it is: zeros, case and Unicode form are kept."""
    texts = changed(SCHOOL, FILE, "\nbob,,,", f"\n{cell},,,")

    extracted = opened(folder_of(texts, tmp_path / "p"), "strict")

    assert not extracted.refused
    assert sourced_ids(extracted) == ["ann", sourced_id, "cat", "dan"]


# Grammar


GRAMMAR = [
    ("\nbob,,,", "\rbob,,,", "csv.bare_carriage_return", 2),
    (",Bob,", ",Bo\rb,", "csv.bare_carriage_return", 3),
    (",Bob,", ',"Bob,', "csv.unclosed_quote", 3),
    (",Poe,,,pat@", ',"Poe,,,pat@', "csv.unclosed_quote", 7),
    (",Bob,", ',Bob",', "csv.unclosed_quote", 3),
]
"""Changes of a small file that make it unreadable."""
GRAMMAR_OF_STRICT = [
    (",Bob,", ',"Bo\rb",', "csv.bare_carriage_return", 3),
    (",Bob,", ',"Bo\nb",', "csv.field_line_break", 3),
    (",Bob,", ',"Bo\r\nb",', "csv.field_line_break", 3),
    (",Bob,", ',Bo"b,', "csv.unclosed_quote", 3),
    (",Bob,", ',Bo"b"y,', "csv.unescaped_quote", 3),
    (",Bob,", ',"Bob"y,', "csv.unescaped_quote", 3),
    (",Bob,", ',"Bob" ,', "csv.unescaped_quote", 3),
    (",Bob,", ', "Bob",', "csv.unescaped_quote", 3),
    (",Bob,", ',"B"ob"y",', "csv.unescaped_quote", 3),
]
"""Changes that only strict refuses; tolerant reads or quarantines the row: see test_quotes."""


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("old", "new", "code", "row"), GRAMMAR)
def test_broken_grammar_refuses_the_file(
    tmp_path: Path, profile: str, old: str, new: str, code: str, row: int
) -> None:
    """A file that cannot be split into rows reliably is refused with the row."""
    extracted = opened(folder_of(changed(SCHOOL, FILE, old, new), tmp_path / "p"), profile)

    assert extracted.refused
    assert extracted.tables == {}
    assert summarize(extracted.findings) == [(code, FILE, row)]


@pytest.mark.parametrize(("old", "new", "code", "row"), GRAMMAR_OF_STRICT)
def test_strict_refuses_what_breaks_the_grammar(
    tmp_path: Path, old: str, new: str, code: str, row: int
) -> None:
    """In strict, each misplaced quote or line break refuses the file."""
    extracted = opened(folder_of(changed(SCHOOL, FILE, old, new), tmp_path / "p"), "strict")

    assert extracted.refused
    assert summarize(extracted.findings) == [(code, FILE, row)]


def test_file_of_bare_carriage_returns_is_refused(tmp_path: Path) -> None:
    """A file with bare carriage returns is refused, and not read as one long line."""
    extracted = opened(folder_of(school_with(USERS.replace("\n", "\r")), tmp_path / "p"))

    assert extracted.refused
    assert summarize(extracted.findings) == [("csv.bare_carriage_return", FILE, 1)]


@pytest.mark.parametrize("lone", [True, False])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_wrong_delimiter_is_named(tmp_path: Path, *, lone: bool, delimiter: str) -> None:
    """A file with another delimiter is refused for that reason."""
    text = USERS.replace(",", delimiter)
    if lone:
        package = tmp_path / FILE
        package.write_text(text)
    else:
        package = folder_of(school_with(text), tmp_path / "p")

    extracted = opened(package)

    assert extracted.refused
    assert summarize(extracted.findings) == [("csv.wrong_delimiter", FILE, None)]


@pytest.mark.parametrize("profile", PROFILES)
def test_too_long_line_is_refused(tmp_path: Path, profile: str) -> None:
    """A line beyond the limit is refused with its row, because a line end or a quote is missing."""
    texts = changed(SCHOOL, FILE, ",Bob,", f",{'b' * 131_072},")

    extracted = opened(folder_of(texts, tmp_path / "p"), profile)

    assert extracted.refused
    assert summarize(extracted.findings) == [("csv.field_too_large", FILE, 3)]


@pytest.mark.case("c13")
def test_length_of_a_line_is_a_limit(tmp_path: Path) -> None:
    """The limit of a line counts its bytes with the line end."""
    package = folder_of(added(SCHOOL, FILE, ANN + "x" * (300 - len(ANN) - 1)), tmp_path / "p")

    assert not opened(package, line=300).refused
    extracted = opened(package, line=299)

    assert summarize(extracted.findings) == [("csv.field_too_large", FILE, 8)]


def test_only_the_first_reason_of_a_broken_file_is_reported(tmp_path: Path) -> None:
    """A file that is refused at one row has no findings for later rows."""
    texts = changed(SCHOOL, FILE, ",Bob,", ',"Bob,')
    texts = changed(texts, FILE, ",Cat,", ',"Cat,')

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert summarize(extracted.findings) == [("csv.field_line_break", FILE, 3)]


# Row numbers


def test_rows_are_numbered_as_in_a_spreadsheet(tmp_path: Path) -> None:
    """The header is row 1; blank lines before and between rows count, but are no rows."""
    text = f"{HEADER}\n\n{ANN}\n\r\n\n{BOB}\n{CAT}\n\n"

    extracted = opened(folder_of(school_with(text), tmp_path / "p"))

    assert (extracted.refused, summarize(extracted.findings)) == (False, [])
    assert list(zip(sourced_ids(extracted), row_numbers(extracted), strict=True)) == [
        ("ann", 3),
        ("bob", 6),
        ("cat", 7),
    ]
    assert extracted.rows["users"] == 3


@pytest.mark.parametrize("block", [260, 300, 301, 512, 1000, 4096])
def test_blocks_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Rows, numbers and findings are the same, whatever the size of the blocks."""
    rows = [ANN.replace("ann", f"é{n}") for n in range(40)]
    rows[7] = rows[7].replace(",Ann,", ",A\x07nn,")
    rows[13] = ""
    rows[21] += ",surplus"
    rows[22] = "short,row"
    rows[30] = rows[30].replace(",teacher,", ",Teacher,")
    rows[33] = rows[33].replace(",Lee,", ",  Lee,")
    texts = school_with("\ufeff" + "\r\n".join([HEADER, *rows]))
    package = folder_of(texts, tmp_path / "p")
    whole = opened(package)

    monkeypatch.setattr(csv_lines, "BLOCK", block)
    cut = opened(package)

    assert whole.rows["users"] == 39
    assert cut.rows == whole.rows
    assert summarize(cut.findings) == summarize(whole.findings) != []
    by_row = [("row", "ascending")]
    for name, table in whole.tables.items():
        assert cut.tables[name].sort_by(by_row) == table.sort_by(by_row)


@pytest.mark.parametrize("at", [2, 199_000, 200_001])
def test_row_numbers_hold_in_large_files(tmp_path: Path, at: int) -> None:
    """In a file of several blocks, a broken row is reported with its own number."""
    head, row = SCHOOL["orgs.csv"].splitlines()[0], f"{'s' * 80},,,School,school,,d"
    rows = [row] * 200_000
    rows[at - 2] = rows[at - 2].replace(",School,", ',"School,')
    text = "\n".join([head, *rows]) + "\n"
    assert len(text) > csv_lines.BLOCK

    extracted = opened(folder_of({**SCHOOL, "orgs.csv": text}, tmp_path / "p"))

    assert extracted.refused
    assert summarize(extracted.findings) == [("csv.unclosed_quote", "orgs.csv", at)]


# Rows


@pytest.mark.parametrize("row", [f"{BOB},surplus", BOB.removesuffix(",,"), "bob", "bob,,,true,s"])
def test_ragged_row_is_kept_aside(tmp_path: Path, row: str) -> None:
    """A row with too many or too few values is reported and quarantined with its sourcedId only.

    The rows around it are read, so that one surplus comma does not stop a district's sync.
    """
    texts = school_with(USERS.replace(BOB, row))

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert not extracted.refused
    kept = {r["sourcedId"]: r for r in extracted.tables["users"].to_pylist()}
    assert sorted(kept) == ["ann", "bob", "cat", "dan"]
    assert kept["bob"]["flaw"] == "row.width_mismatch"
    assert kept["bob"]["row"] == 3
    assert kept["bob"]["email"] is None
    assert kept["cat"]["flaw"] is None
    assert kept["cat"]["email"] == "cat@example.org"


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x0b", "\x1b", "\x7f"])
def test_control_character_keeps_the_row_aside(tmp_path: Path, character: str) -> None:
    """A row with a control character is reported and quarantined with its sourcedId only."""
    texts = changed(SCHOOL, FILE, ",Bob,", f",Bo{character}b,")

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert not extracted.refused
    kept = {r["sourcedId"]: r for r in extracted.tables["users"].to_pylist()}
    assert kept["bob"]["flaw"] == "row.invalid_character"
    assert kept["bob"]["givenName"] is None
    assert kept["ann"]["givenName"] == "Ann"


def test_checking_a_block_takes_little_memory_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Line feeds and control characters are found piece by piece, with the same answer."""
    lines = [f"id-{number},Zoë,{'x' * 90}\n" for number in range(50_000)]
    lines[7_000] = "id,a\x01b,x\n"
    data = "".join(lines).encode()

    def checked() -> csv_lines.Block:
        (block,) = csv_lines.blocks(io.BytesIO(data), FILE, 1 << 20)
        return block

    block = checked()  # before the measurement, since Arrow imports pandas at first use
    tracemalloc.start()
    try:
        checked()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert block.rows.tolist() == list(range(1, 50_001))
    assert block.control.tolist() == [7_000]
    # The block and its rows, but neither a mask of all bytes nor a decoded text.
    assert peak < 2 * len(data)
    monkeypatch.setattr(csv_lines, "_PIECE", 4_001)
    assert checked().control.tolist() == [7_000]
    assert checked().rows.tolist() == block.rows.tolist()
