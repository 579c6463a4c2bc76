"""Diagnostics for support show what went wrong, and no personal data."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from oneroster_sync import database, runs
from oneroster_sync.runs import run_details
from oneroster_sync.runs.diagnostics import format_diagnostics
from past import day
from roster_of import SCHOOL, changed

if TYPE_CHECKING:
    from conftest import Site

VERSIONS = {"oneroster-sync": "1.2.3", "python": "3.12.0"}


def diagnostics_of(run_id: str) -> str:
    """Return the diagnostics of a run."""
    with database.engine().connect() as connection:
        causes = run_details.causes(connection, run_id)
    return format_diagnostics(runs.find(run_id), causes, versions=VERSIONS, now=day(400))


def test_diagnostics_list_versions_outcome_and_causes(site: Site) -> None:
    """The diagnostics list versions, outcome, hash, counts and causes in searchable lines."""
    run = site.sync(changed(SCHOOL, "users.csv", "ann,true", "ann,maybe"))
    lines = diagnostics_of(run["run_id"]).splitlines()
    assert lines[0] == "oneroster-sync 1.2.3, python 3.12.0"
    assert f"run {run['run_id']}, begun" in lines[1]
    assert lines[2] == "outcome succeeded_with_errors, last stage apply"
    assert "started by command, kind package, scope users_and_courses, profile tolerant" in lines
    found = [line for line in lines if line.startswith("cause 1: ")]
    assert found == ["cause 1: error row.invalid_boolean users.csv enabledUser, 1 rows, 2 affected"]


def test_diagnostics_have_no_value_of_a_package(site: Site) -> None:
    """The diagnostics contain no name, address, sourcedId, title or unknown header of a package."""
    package = changed(SCHOOL, "users.csv", "ann,true", "ann,maybe")
    package = {**package, "users.csv": package["users.csv"].replace("familyName", "Zaphod Header")}
    for run in (site.sync(package), site.sync(SCHOOL), site.sync({**SCHOOL, "users.csv": ""})):
        diagnostics = diagnostics_of(run["run_id"])
        values = {
            value.strip()
            for text in package.values()
            for row in csv.DictReader(io.StringIO(text))
            for name, value in row.items()
            if name not in {"status", "role", "type", "enabledUser", "primary"}
            and value
            and len(value) > 3
        }
        assert not [value for value in values if value in diagnostics]
        assert "Zaphod" not in diagnostics
        assert "@" not in diagnostics
        assert str(site.folder) not in diagnostics


def test_an_unexpected_error_is_named_by_its_class(site: Site) -> None:
    """The diagnostics show an unexpected error's class, but no reason that may name people."""
    run = site.sync(SCHOOL)
    with database.engine().begin() as connection:
        reasons = ["KeyError; see the log", "the admin ann@x.org is missing"]
        runs.update(connection, run["run_id"], outcome=runs.Outcome.FAILED, reasons=reasons)
    diagnostics = diagnostics_of(run["run_id"])
    assert "unexpected KeyError" in diagnostics
    assert "ann" not in diagnostics
