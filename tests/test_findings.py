"""Findings: stable codes, a place, the expected value, what to do; and never an input value."""

from __future__ import annotations

import re

import pytest

from oneroster_sync.findings import CODES, SCHEMA, Finding, Findings, Severity
from oneroster_sync.findings.finding import rows_as_findings, shown_id

LAYERS = {
    "source",
    "upload",
    "zip",
    "package",
    "manifest",
    "csv",
    "table",
    "schema",
    "row",
    "reference",
    "semantic",
    "mapping",
    "guard",
}
ERROR, WARNING = Severity.ERROR, Severity.WARNING


def test_codes_are_layer_and_problem() -> None:
    """Every code is a layer of the input and a problem, in lower case."""
    for name in CODES:
        assert re.fullmatch(r"[a-z]+\.[a-z0-9_]+", name)
        assert name.split(".")[0] in LAYERS


@pytest.mark.parametrize("name", sorted(CODES))
def test_code_says_what_was_found_and_what_to_do(name: str) -> None:
    """Every code has one sentence for its meaning and one for what to do."""
    code = CODES[name]

    assert code.name == name
    for sentence in (code.meaning, code.hint):
        assert sentence.endswith(".")
    assert code.meaning != code.hint


def test_guards_are_no_violations() -> None:
    """A threshold judges a plan, not the package, so it is no violation of the standard."""
    assert not any(code.violation for name, code in CODES.items() if name.startswith("guard."))


def test_unknown_code_is_a_defect() -> None:
    """A finding with an undocumented code is a ValueError."""
    with pytest.raises(ValueError, match=r"row\.nonsense"):
        Finding("row.nonsense")


def test_finding_has_its_place_and_what_to_do() -> None:
    """The text of a finding has file, row, column and sourcedId, and what to do."""
    finding = Finding(
        "row.invalid_date", ERROR, "enrollments.csv", 1234, "beginDate", "e1", "YYYY-MM-DD", 1
    )

    words = finding.to_text()

    for word in ("error", "row.invalid_date", "enrollments.csv", "1,234", "beginDate", "e1"):
        assert word in words
    assert "Expected YYYY-MM-DD." in words
    assert CODES["row.invalid_date"].hint in words
    assert "\n" not in words


def test_finding_for_many_rows_counts_them() -> None:
    """A finding for several rows names the first and counts the others."""
    finding = Finding("row.surrounding_space", WARNING, "users.csv", 2, "email", rows=1001)

    assert "row 2 and 1,000 more" in finding.to_text()


def test_finding_about_the_package_has_no_place() -> None:
    """A finding about the whole package needs no file and no row."""
    words = Finding("package.empty").to_text()

    assert "row" not in words.removeprefix("error package.empty")
    assert "None" not in words


@pytest.mark.case("c09")
@pytest.mark.parametrize(
    ("sourced_id", "shown"),
    [
        ("u1", "u1"),
        ("a,b/c", "a,b/c"),
        ("a\nb", "a\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202eabc", "\\u202eabc"),
        (None, "(no sourcedId)"),
    ],
)
def test_sourced_id_is_safe_to_log(sourced_id: str | None, shown: str) -> None:
    """A sourcedId can't forge a line of the log, colour it or reverse its direction."""
    assert shown_id(sourced_id) == shown


def test_sourced_id_that_is_an_address_is_hashed() -> None:
    """An e-mail address is not logged; the same one is recognised by its hash."""
    shown = shown_id("ann@example.org")

    assert re.fullmatch("sha256:[0-9a-f]{12}", shown)
    assert shown == shown_id("ann@example.org")
    assert shown != shown_id("bob@example.org")
    assert "ann@" not in Finding("row.invalid_date", sourced_id="ann@example.org").to_text()


def some() -> Findings:
    """Return three findings, made one by one and as a table."""
    findings = Findings()
    findings.add(Finding("package.missing_manifest", WARNING))
    more = Findings()
    more.add(Finding("row.invalid_email", ERROR, "users.csv", 2, "email", "u1", "an address"))
    findings.add_table(more.table())
    findings.extend([Finding("guard.removals", expected="less")])
    return findings


def test_findings_keep_their_order() -> None:
    """Findings keep the order in which they were added, one by one or as a table."""
    table = some().table()

    assert table.schema == SCHEMA
    assert table["code"].to_pylist() == [
        "package.missing_manifest",
        "row.invalid_email",
        "guard.removals",
    ]
    assert table == some().table()


def test_findings_are_counted() -> None:
    """Errors and warnings are counted, and reading does not change the count."""
    findings = some()

    for _ in range(2):
        assert findings.count(ERROR) == 2
        assert findings.count(WARNING) == 1
        assert findings.has_errors()
        assert findings.has_violations()


def test_no_findings_are_a_table_too() -> None:
    """No findings give a table without rows."""
    findings = Findings()
    findings.add_table(SCHEMA.empty_table())

    assert findings.table() == SCHEMA.empty_table()
    assert not findings.has_errors()
    assert not findings.has_violations()


@pytest.mark.parametrize(
    ("code", "violation"),
    [
        ("row.surrounding_space", True),
        ("schema.column_order", True),
        ("reference.repeated_row", False),
        ("semantic.missing_login", False),
        ("semantic.credited_admin_kept", False),
        ("guard.removals", False),
    ],
)
def test_violation_is_what_the_standard_forbids(*, code: str, violation: bool) -> None:
    """Strict rejects what the standard forbids, and only that."""
    findings = Findings()
    findings.add(Finding(code, WARNING))

    assert findings.has_violations() is violation


def test_strict_turns_violations_into_errors() -> None:
    """Strict turns violations of the standard into errors; other findings keep their severity."""
    findings = Findings()
    findings.extend(
        Finding(code, WARNING)
        for code in ("zip.single_folder", "semantic.missing_login", "row.invalid_timestamp")
    )

    findings.make_violations_errors()

    assert findings.table()["severity"].to_pylist() == ["error", "warning", "error"]
    assert findings.count(ERROR) == 2


def test_findings_come_back_as_they_were() -> None:
    """A table of findings gives the same findings again."""
    table = some().table()
    again = Findings()
    again.extend(rows_as_findings(table))

    assert again.table() == table
