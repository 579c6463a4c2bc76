"""Causes: findings that are mended together are one line, the heaviest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oneroster_sync import stages
from oneroster_sync.findings import Finding, Findings, Severity, causes_of
from oneroster_sync.store import database, run_details
from roster_of import SCHOOL, changed, now

if TYPE_CHECKING:
    from conftest import Site

DATE, BLANK = "row.invalid_date", "row.missing_required_value"


def grouped(*findings: Finding) -> list[dict[str, Any]]:
    """Return the causes of some findings."""
    made = Findings()
    made.extend(findings)
    return list(causes_of(made.table()).to_pylist())


def finding(code: str = DATE, row: int | None = 2, **more: Any) -> Finding:
    """Return a finding about a column of users.csv."""
    return Finding(code, **{"file": "users.csv", "column": "c", "row": row, **more})


def test_findings_that_are_alike_are_one_cause() -> None:
    """What has code, file, column and expectation in common is one cause, counted."""
    (cause,) = grouped(*(finding(row=n, sourced_id=f"u{n}") for n in (7, 3, 5)))
    assert cause == {
        "code": DATE,
        "severity": "error",
        "file": "users.csv",
        "column": "c",
        "expected": None,
        "findings": 3,
        "rows": 3,
        "first_row": 3,
    }


def test_what_is_mended_elsewhere_is_another_cause() -> None:
    """Another code, severity, file, column or expectation is another cause."""
    others = [
        finding(),
        finding(BLANK),
        finding(severity=Severity.WARNING),
        finding(file="classes.csv"),
        finding(column="d"),
        finding(expected="a date"),
        finding(file=None, column=None, row=None),
    ]
    assert len(grouped(*others, *others)) == len(others)


def test_rows_that_one_finding_stands_for_are_counted() -> None:
    """A finding for many rows weighs as many as it stands for."""
    (cause,) = grouped(finding(rows=1000), finding(row=5000, rows=5))
    assert (cause["findings"], cause["rows"], cause["first_row"]) == (2, 1005, 2)


def test_errors_come_first_then_what_touches_the_most_rows() -> None:
    """Errors stand before warnings, and of each what touches the most rows first."""
    causes = grouped(
        finding(column="many warnings", rows=99, severity=Severity.WARNING),
        finding(column="one error"),
        finding(column="some errors", rows=5),
        finding(column="one warning", severity=Severity.WARNING),
    )
    assert [cause["column"] for cause in causes] == [
        "some errors",
        "one error",
        "many warnings",
        "one warning",
    ]


def test_order_does_not_depend_on_the_order_of_findings() -> None:
    """Causes of equal weight always stand in the same order."""
    findings = [finding(code, file=f) for code in (BLANK, DATE) for f in ("b.csv", "a.csv")]
    assert grouped(*findings) == grouped(*findings[::-1])
    assert [(c["code"], c["file"]) for c in grouped(*findings)] == [
        (DATE, "a.csv"),
        (DATE, "b.csv"),
        (BLANK, "a.csv"),
        (BLANK, "b.csv"),
    ]


def test_finding_without_a_row_has_no_first_row() -> None:
    """What is found about a whole file points to no row."""
    (cause,) = grouped(Finding("package.missing_manifest", Severity.WARNING))
    assert (cause["first_row"], cause["file"], cause["column"]) == (None, None, None)


def test_nothing_found_has_no_cause() -> None:
    """Where nothing was found there is nothing to mend."""
    assert grouped() == []


def test_causes_are_stored_with_the_run_and_say_what_to_do(site: Site) -> None:
    """A run's causes are those of its findings, each with what it means and what to do."""
    package = changed(SCHOOL, "users.csv", "Ann,Lee", ",Lee")
    package = changed(package, "users.csv", "Bob,Ray", ",Ray")
    run = site.sync(package)
    with database.engine().connect() as connection:
        causes = run_details.causes(connection, run["run_id"])
        findings = list(run_details.all_findings(connection, run["run_id"]))
    (blank,) = (cause for cause in causes if cause["code"] == BLANK)
    assert (blank["column"], blank["rows"], blank["first_row"]) == ("givenName", 2, 2)
    assert sum(cause["findings"] for cause in causes) == len(findings)
    for cause in causes:
        assert cause["meaning"].endswith(".")
        assert cause["hint"].endswith(".")


def test_trying_again_replaces_the_causes(site: Site) -> None:
    """A run that is recorded again has its causes once."""
    run = site.sync(changed(SCHOOL, "users.csv", "Ann,Lee", ",Lee"), "--profile", "strict")
    with database.engine().connect() as connection:
        before = run_details.causes(connection, run["run_id"])
    stages.record(stages.find(run["run_id"]), now=now())

    with database.engine().connect() as connection:
        assert run_details.causes(connection, run["run_id"]) == before != []
