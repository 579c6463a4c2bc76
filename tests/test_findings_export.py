"""The download of findings is complete and ordered, and a spreadsheet runs nothing in it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from oneroster_sync import database
from oneroster_sync.findings import CODES
from oneroster_sync.findings.csv_export import COLUMNS, format_csv, inert
from oneroster_sync.runs import run_details
from roster_of import SCHOOL, changed

if TYPE_CHECKING:
    from conftest import Site

PLAIN: dict[str, Any] = {
    "cause": 1,
    "follows": None,
    "severity": "error",
    "code": "row.invalid_date",
    "file": "users.csv",
    "row": 7,
    "rows": 1,
    "column": "c",
    "sourced_id": "u1",
    "target": None,
    "target_file": None,
    "expected": None,
    "meaning": "It is no date.",
    "hint": "Mend it.",
}
STARTS = [
    "=",
    "+",
    "-",
    "@",
    "|",
    "%",
    "\t",
    "\r",
    "\n",
    "\0",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
]


def read(text: str) -> list[list[str]]:
    """Return the cells of a CSV text without its byte order mark."""
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def cell(sourced_id: str) -> str:
    """Return the cell that holds a sourcedId."""
    text = "".join(format_csv([{**PLAIN, "sourced_id": sourced_id}]))
    return read(text)[1][COLUMNS.index("sourced_id")]


@pytest.mark.case("c07")
@pytest.mark.parametrize("start", STARTS, ids=[f"U+{ord(start):04X}" for start in STARTS])
def test_no_cell_starts_a_formula(start: str) -> None:
    """A value that starts like a formula gets an apostrophe in front, even after blanks."""
    payload = f"{start}HYPERLINK(1)"
    assert inert(payload) == f"'{payload}"
    assert inert(f"   {payload}") == f"'   {payload}"
    assert cell(payload).startswith("'")


@pytest.mark.parametrize("value", ["u1", "00123", "a=b", "ann@x.org", "1-2", "Ω", "", " ", "'=1"])
def test_other_values_stay_as_they_are(value: str) -> None:
    """A value that is no formula stays unchanged, leading zeros included."""
    assert cell(value) == value


def test_numbers_and_blanks_stay_numbers_and_blanks() -> None:
    """A row number stays a number, and an unknown value is blank instead of the word None."""
    row = read("".join(format_csv([PLAIN])))[1]
    assert row[COLUMNS.index("row")] == "7"
    assert row[COLUMNS.index("expected")] == ""


@pytest.mark.parametrize("value", ['say "hi"', "a,b", "a;b", "two\nlines", "two\r\nlines", "a\rb"])
def test_values_do_not_break_out_of_their_cell(value: str) -> None:
    """Quotes, separators and line breaks in a value make no new cell and no new row."""
    rows = read("".join(format_csv([{**PLAIN, "sourced_id": value}])))
    assert len(rows) == 2
    assert len(rows[1]) == len(COLUMNS)
    assert rows[1][COLUMNS.index("sourced_id")] == value


def test_download_begins_with_its_encoding_and_its_header() -> None:
    """The download starts with a byte order mark and the header, even without findings."""
    assert "".join(format_csv([])) == "\ufeff" + ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1000, 1001])
def test_no_finding_is_lost_between_pieces(count: int) -> None:
    """Each finding appears once and in order, whatever the number of pieces."""
    pieces = list(format_csv({**PLAIN, "row": number} for number in range(count)))
    numbers = [row[COLUMNS.index("row")] for row in read("".join(pieces))[1:]]
    assert numbers == [str(number) for number in range(count)]


@pytest.mark.case("b32", "d03")
def test_download_begins_before_the_last_finding_was_read() -> None:
    """The first piece comes before all findings are read, so that they are not held in memory."""
    taken = []

    def findings() -> Any:
        for number in range(100_000):
            taken.append(number)
            yield PLAIN

    next(format_csv(findings()))
    assert len(taken) <= 1000


def test_download_lists_the_findings_of_a_run(site: Site) -> None:
    """The download lists the findings to fix by cause, each with its meaning and its hint.

    Findings of guards are not in it: a person decides about them, and the SIS cannot fix them.
    """
    package = changed(SCHOOL, "users.csv", "ann,true", '"=1+1",maybe')
    run = site.sync(changed(package, "enrollments.csv", "m1,ann", 'm1,"=1+1"'))
    with database.engine().connect() as connection:
        rows = read("".join(format_csv(run_details.findings_to_fix(connection, run["run_id"]))))
    exported = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    found = [(code, file, str(row or "")) for code, file, row in site.findings(run)]
    listed = [(row["code"], row["file"] or None, row["row"]) for row in exported]
    assert sorted(listed, key=str) == sorted(
        (one for one in found if not one[0].startswith("guard.")), key=str
    )
    causes = [int(row["cause"]) for row in exported]
    assert causes == sorted(causes)
    (flagged,) = (row for row in exported if row["column"] == "enabledUser" and row["row"] == "2")
    assert flagged["sourced_id"] == "'=1+1"
    assert flagged["meaning"] == CODES[flagged["code"]].describe("error")
    assert flagged["hint"] == CODES[flagged["code"]].hint
    (hanging,) = (row for row in exported if row["code"] == "reference.target_quarantined")
    assert hanging["follows"] == flagged["cause"]
    assert hanging["target"] == "'=1+1"
