"""The right edge of a file: surplus empty cells, missing cells, and the last line.

Spreadsheets leave empty cells behind, which cost no row. But a missing cell may have had a value,
so a single short row is an error, and a file that ends within a row is cut off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golden.school import SCHOOL, changed, folder_of, opened, summarize

if TYPE_CHECKING:
    from pathlib import Path

    from oneroster_sync.stages.extract.package import Extracted

USERS = SCHOOL["users.csv"]
STAFF = ["ann", "bob", "cat", "dan"]


def read(folder: Path, text: str | bytes, profile: str = "tolerant") -> Extracted:
    """Extract a lone users.csv."""
    return opened(folder_of({"users.csv": text}, folder / "lone") / "users.csv", profile)


def ids(extracted: Extracted) -> list[str]:
    """Return the sourcedIds of the rows without a flaw, in the order of their rows."""
    rows = extracted.tables["users"].select(["sourcedId", "row", "flaw"]).to_pylist()
    return [row["sourcedId"] for row in sorted(rows, key=lambda r: r["row"]) if not row["flaw"]]


def ending(text: str, end: str, *rows: int) -> str:
    """Return a text with `end` added to some of its lines; to all without `rows`."""
    lines = text.removesuffix("\n").split("\n")
    return "".join(
        f"{line}{end if not rows or number in rows else ''}\n"
        for number, line in enumerate(lines, start=1)
    )


@pytest.mark.case("a44")
@pytest.mark.parametrize("end", [",", ",,,", ', ,""'])
def test_empty_cells_behind_rows_are_cut(tmp_path: Path, end: str) -> None:
    """Rows with surplus empty cells are used, with one warning for the file."""
    extracted = read(tmp_path, ending(USERS, end, 3, 5))

    assert ids(extracted) == STAFF
    assert summarize(extracted.findings) == [("table.surplus_cells", "users.csv", 3)]
    assert extracted.tables["users"]["familyName"].to_pylist() == ["Lee", "Ray", "Orr", "Fox"]


def test_quoted_cells_stay_whole_where_a_line_is_cut(tmp_path: Path) -> None:
    """A quoted value before surplus empty cells is read unchanged."""
    text = changed({"u": USERS}, "u", ",Ray,", ',"R, ""x""\u2028ay",')["u"]

    extracted = read(tmp_path, ending(text, ",", 3).replace("\n", "\r\n"))

    assert ids(extracted) == STAFF
    assert extracted.tables["users"]["familyName"].to_pylist()[1] == 'R, "x"\u2028ay'


@pytest.mark.case("a40")
def test_empty_headers_at_the_end_are_cut(tmp_path: Path) -> None:
    """Trailing columns without a header and without a value are ignored."""
    extracted = read(tmp_path, ending(USERS, ",,"))

    assert ids(extracted) == STAFF
    assert summarize(extracted.findings) == [("table.surplus_cells", "users.csv", 1)]


def test_value_behind_the_last_column_is_an_error(tmp_path: Path) -> None:
    """A surplus value means that one of the values before it is in the wrong column."""
    extracted = read(tmp_path, ending(ending(USERS, ",", 3), ",x", 4))

    assert ids(extracted) == ["ann", "bob", "dan"]
    (flaw,) = extracted.tables["users"]["flaw"].drop_null().to_pylist()
    assert flaw == "row.width_mismatch"


@pytest.mark.parametrize(
    ("old", "new"), [(",Ray,", ",Ray, Jr,"), (",Ray,", ",Ray,Jr,"), (",true,s,", ",true,s,x,")]
)
def test_unquoted_comma_is_an_error(tmp_path: Path, old: str, new: str) -> None:
    """An unquoted comma in a value moves the rest of the row one column to the right."""
    lines = USERS.splitlines()
    lines[2] = lines[2].replace(old, new)

    extracted = read(tmp_path, "\n".join(lines) + "\n")

    assert ids(extracted) == ["ann", "cat", "dan"]


def test_empty_cells_in_strict_are_as_the_standard_has_them(tmp_path: Path) -> None:
    """In strict a row of another width is an error, and an empty header refuses the file."""
    assert summarize(read(tmp_path, ending(USERS, ",,"), "strict").findings) == [
        ("table.duplicate_header", "users.csv", None)
    ]


def shorter(text: str, cells: int, *rows: int) -> str:
    """Return a text without some cells at the end of some lines; of all but the header."""
    lines = text.splitlines()
    return "".join(
        f"{line[:-cells] if number > 1 and (not rows or number in rows) else line}\n"
        for number, line in enumerate(lines, start=1)
    )


@pytest.mark.case("a92")
def test_columns_that_every_row_lacks_are_missing_ones(tmp_path: Path) -> None:
    """If all rows end at the same column, the rest of the header counts as missing columns."""
    lines = [line.rstrip(",") if n else line for n, line in enumerate(USERS.splitlines())]
    lines = [line.replace(",,,pat,09", "") for line in lines]

    extracted = read(tmp_path, "\n".join(lines) + "\n")

    assert ids(extracted) == STAFF
    assert extracted.ignored == 2
    codes = [code for code, _, _ in summarize(extracted.findings)]
    assert codes == ["table.missing_cells", *["schema.missing_header"] * 5]


def test_single_short_row_is_an_error(tmp_path: Path) -> None:
    """A row that is shorter than the others lost an unknown value."""
    for rows in ((2,), (4,), (2, 3, 4, 5)):
        extracted = read(tmp_path / str(rows), shorter(USERS, 2, *rows))

        assert ids(extracted) == [u for n, u in enumerate(STAFF, start=2) if n not in rows]


@pytest.mark.case("a93")
@pytest.mark.parametrize("profile", ["tolerant", "strict"])
def test_file_that_stops_within_a_row_is_cut_off(tmp_path: Path, profile: str) -> None:
    """A short last line without a line end rejects the file: later rows may be missing too."""
    at = USERS.index("Dan,Fox")

    extracted = read(tmp_path, USERS[:at], profile)

    assert extracted.refused
    assert ("table.cut_off", "users.csv", 5) in summarize(extracted.findings)


def test_last_line_without_an_end_is_used(tmp_path: Path) -> None:
    """A complete last row without a line end is used, because many exports end so."""
    extracted = read(tmp_path, USERS.rstrip("\n"))

    assert ids(extracted) == STAFF
    assert summarize(extracted.findings) == []
