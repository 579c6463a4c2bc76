"""Causes: findings with one correction form one line, the most helpful correction first."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from golden.school import SCHOOL as DISTRICT
from oneroster_sync import database, pipeline, runs
from oneroster_sync.findings import Finding, Findings, Severity, causes_of
from oneroster_sync.runs import run_details
from roster_of import SCHOOL, changed, now

if TYPE_CHECKING:
    from conftest import Site

DATE, BLANK = "row.invalid_date", "row.missing_required_value"
MISSING, HANGING = "reference.missing_target_record", "reference.target_quarantined"


def grouped(*findings: Finding) -> list[dict[str, Any]]:
    """Return the causes of some findings."""
    made = Findings()
    made.extend(findings)
    return list(causes_of(made.table()).table.to_pylist())


def finding(code: str = DATE, row: int | None = 2, **more: Any) -> Finding:
    """Return a finding about a column of users.csv."""
    return Finding(code, **{"file": "users.csv", "column": "c", "row": row, **more})


def test_findings_that_are_alike_are_one_cause() -> None:
    """Findings with the same code, file, column and expectation are one cause with a count."""
    (cause,) = grouped(*(finding(row=n, sourced_id=f"u{n}") for n in (7, 3, 5)))
    assert cause == {
        "code": DATE,
        "severity": "error",
        "file": "users.csv",
        "column": "c",
        "expected": None,
        "target_file": None,
        "target": None,
        "findings": 3,
        "rows": 3,
        "first_row": 3,
        "affected": 3,
        "follows": None,
    }


def test_findings_that_differ_are_different_causes() -> None:
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
    """A finding for many rows counts as that many rows."""
    (cause,) = grouped(finding(rows=1000), finding(row=5000, rows=5))
    assert (cause["findings"], cause["rows"], cause["first_row"]) == (2, 1005, 2)


def test_errors_come_first_then_what_touches_the_most_rows() -> None:
    """Errors come before warnings, and the cause with the most rows comes first."""
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
    """Causes with equal numbers always have the same order."""
    findings = [finding(code, file=f) for code in (BLANK, DATE) for f in ("b.csv", "a.csv")]
    assert grouped(*findings) == grouped(*findings[::-1])
    assert [(c["code"], c["file"]) for c in grouped(*findings)] == [
        (DATE, "a.csv"),
        (DATE, "b.csv"),
        (BLANK, "a.csv"),
        (BLANK, "b.csv"),
    ]


def test_finding_without_a_row_has_no_first_row() -> None:
    """A finding about a whole file has no first row."""
    (cause,) = grouped(Finding("package.missing_manifest", Severity.WARNING))
    assert (cause["first_row"], cause["file"], cause["column"]) == (None, None, None)


def test_nothing_found_has_no_cause() -> None:
    """No findings give no causes."""
    assert grouped() == []


def missing(row: int, target: str | None = "o1", file: str = "classes", **more: Any) -> Finding:
    """Return the finding that a row refers to a missing org."""
    about = {"file": f"{file}.csv", "column": "schoolSourcedId", "sourced_id": f"{file}{row}"}
    return Finding(
        MISSING, **{**about, "row": row, "target_file": "orgs.csv", "target": target, **more}
    )


def hanging(row: int, of: str, target: str, file: str = "enrollments") -> Finding:
    """Return the finding that a row refers to a record with errors."""
    about: dict[str, Any] = {"file": f"{file}.csv", "row": row, "sourced_id": f"{file}{row}"}
    return Finding(HANGING, **about, column=f"{of}Id", target_file=f"{of}.csv", target=target)


def summarize(causes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return code, target, affected rows and the followed cause of each cause."""
    return [(c["code"], c["target"], c["affected"], c["follows"]) for c in causes]


def test_one_missing_org_is_one_cause_that_names_it() -> None:
    """One missing org is one cause for all files that refer to it, and is named."""
    files = ("classes", "courses", "enrollments")
    (cause,) = grouped(*(missing(row, file=file) for file in files for row in range(2, 3335)))
    assert summarize([cause]) == [(MISSING, "o1", 9999, None)]
    assert cause["target_file"] == "orgs.csv"
    assert cause["file"] == "classes.csv, courses.csv, enrollments.csv"
    assert (cause["column"], cause["findings"], cause["first_row"]) == (
        "schoolSourcedId",
        9999,
        None,
    )


def test_missing_records_are_named_as_long_as_they_are_few() -> None:
    """A few missing orgs are all named; of many, only those with the most rows are."""
    assert [c["target"] for c in grouped(missing(2), missing(3, "o2"), missing(4, "o2"))] == [
        "o2",
        "o1",
    ]
    many = [missing(row, f"o{row}") for row in range(2, 102)]
    some = [missing(row, f"p{row % 2}") for row in range(200, 210)]
    assert summarize(grouped(*many, *some)) == [
        (MISSING, None, 100, None),
        (MISSING, "p0", 5, None),
        (MISSING, "p1", 5, None),
    ]


def test_dependent_rows_follow_from_their_cause() -> None:
    """Enrollments of classes with a missing org follow from the org and count there."""
    classes = [missing(row) for row in (2, 3)]
    enrollments = [hanging(row, "classes", f"classes{2 + row % 2}") for row in range(2, 102)]
    others = [finding(row=row) for row in range(2, 52)]
    assert summarize(grouped(*others, *enrollments, *classes)) == [
        (MISSING, "o1", 102, None),
        (HANGING, None, 100, 1),
        (DATE, None, 50, None),
    ]


def test_chains_lead_to_their_beginning() -> None:
    """Org, course, class and enrollment form one chain, which follows from the org."""
    chain = [
        hanging(4, "classes", "classes3"),
        hanging(3, "courses", "courses2", file="classes"),
        missing(2, file="courses"),
    ]
    causes = grouped(*chain)
    assert summarize(causes)[0] == (MISSING, "o1", 3, None)
    assert {cause["follows"] for cause in causes[1:]} == {1}


def test_a_row_is_counted_once_however_often_it_is_hit() -> None:
    """A row that refers to the missing org and to one of its classes counts once."""
    both = [missing(9, file="enrollments"), hanging(9, "classes", "classes2")]
    assert summarize(grouped(missing(2), *both))[0] == (MISSING, "o1", 2, None)


def test_record_with_several_errors_is_put_to_the_heaviest() -> None:
    """Rows that depend on a record with two errors follow from the error with the most rows."""
    alone = finding(BLANK, row=2, file="classes.csv", sourced_id="classes2")
    causes = grouped(alone, *(missing(row) for row in (2, 3)), hanging(7, "classes", "classes2"))
    assert summarize(causes) == [
        (MISSING, "o1", 3, None),
        (HANGING, None, 1, 1),
        (BLANK, None, 1, None),
    ]


def test_dependent_rows_of_an_unknown_record_follow_from_its_file() -> None:
    """If the target record is unknown, the cause follows from the errors of its file."""
    roles = [finding(row=row, file="roles.csv", sourced_id=f"r{row}") for row in (2, 3)]
    unknown = Finding(HANGING, file="users.csv", row=2, target_file="roles.csv")
    assert summarize(grouped(unknown, *roles)) == [(DATE, None, 3, None), (HANGING, None, 1, 1)]
    assert summarize(grouped(unknown)) == [(HANGING, None, 1, None)]


def test_missing_records_follow_from_rows_without_a_sourced_id() -> None:
    """If a row of orgs.csv has no sourcedId, one missing org follows from that row."""
    nameless = finding(BLANK, row=5, file="orgs.csv", column="sourcedId")
    unclear = Finding("semantic.unclear_identity", Severity.WARNING, "orgs.csv", 5)
    assert summarize(grouped(missing(2), hanging(3, "classes", "classes2"), nameless, unclear)) == [
        (BLANK, None, 3, None),
        (MISSING, "o1", 1, 1),
        (HANGING, None, 1, 1),
        ("semantic.unclear_identity", None, 1, 1),
    ]
    causes = grouped(missing(2), missing(3, "o2"), nameless)
    assert {cause["follows"] for cause in causes} == {None}


def test_every_finding_has_the_number_of_its_cause() -> None:
    """Each finding has the number of its cause; cause 1 is the first to correct."""
    made = Findings()
    made.extend([finding(), missing(2), missing(3), hanging(4, "classes", "classes2")])
    causes = causes_of(made.table())
    assert causes.numbers.to_pylist() == [3, 1, 1, 2]
    assert causes.table["findings"].to_pylist() == [2, 1, 1]


@pytest.fixture
def orphaned(site: Site, caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Run a sync of a whole district without the school to which everything belongs.

    The site has its own threshold for each school, so schools decide.
    """
    site.command("preferences", "--set", 'guards={"school": {"percent": 20}}')
    with caplog.at_level(logging.INFO):
        return site.sync(changed(DISTRICT, "orgs.csv", "s,,,School,school,,d\n", ""))


@pytest.mark.case("a64")
def test_missing_school_is_the_first_cause(
    orphaned: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Users, courses and classes of a missing school, and their enrollments, lead to the school."""
    with database.engine().connect() as connection:
        causes = run_details.causes(connection, orphaned["run_id"])
        findings = list(run_details.all_findings(connection, orphaned["run_id"]))
    of_package = [
        cause
        for cause in causes
        if cause["code"].startswith("reference.") and cause["severity"] == "error"
    ]
    school = of_package[0]
    assert (school["number"], school["code"]) == (1, MISSING)
    assert (school["target"], school["target_file"]) == ("s", "orgs.csv")
    assert school["file"] == "classes.csv, courses.csv, users.csv"
    errors = [found for found in findings if found["severity"] == "error" and found["row"]]
    assert school["affected"] == len({(found["file"], found["row"]) for found in errors})
    assert {cause["code"] for cause in of_package[1:]} == {HANGING}
    assert {cause["follows"] for cause in of_package[1:]} == {1}
    assert {found["follows"] for found in errors if found["code"] == HANGING} == {1}
    log = "\n".join(record.getMessage() for record in caplog.get_records("setup"))
    assert f"It is s of orgs.csv. {school['affected']} rows are affected." in log
    assert "Cause 2 follows from cause 1: correct that first: reference.target_quarantined" in log


def test_missing_person_is_not_named(site: Site) -> None:
    """No finding holds the sourcedId of a person outside users.csv, who may be a student."""
    run = site.sync(changed(SCHOOL, "enrollments.csv", "m1,ann", "m1,stranger"))
    query = (
        "select target_file, target from findings "
        "where run_id = cast(:run as uuid) and code = :code"
    )
    assert site.rows(query, run=run["run_id"], code=MISSING) == [("users.csv", None)]


def test_every_org_of_a_list_is_looked_at(site: Site) -> None:
    """If one of several orgs in a cell is missing, the finding names that org."""
    package = changed(DISTRICT, "users.csv", "ann,,,true,s,teacher", 'ann,,,true,"d, x ,s",teacher')
    run = site.sync(package)
    query = "select target from findings where run_id = cast(:run as uuid) and code = :code"
    assert site.rows(query, run=run["run_id"], code=MISSING) == [("x",)]


def test_causes_are_stored_with_the_run_and_say_what_to_do(site: Site) -> None:
    """A run stores the causes of its findings, each with its meaning and a hint."""
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
    """A run that is recorded twice has its causes once."""
    run = site.sync(changed(SCHOOL, "users.csv", "Ann,Lee", ",Lee"), "--profile", "strict")
    with database.engine().connect() as connection:
        before = run_details.causes(connection, run["run_id"])
    pipeline.record(runs.find(run["run_id"]), now=now())

    with database.engine().connect() as connection:
        assert run_details.causes(connection, run["run_id"]) == before != []
