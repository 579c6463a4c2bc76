"""The database stores the first findings of a cause with too many; the run's file stores all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oneroster_sync import database, dataframes
from oneroster_sync.runs import run_details
from oneroster_sync.settings import Limits, SettingError, findings_of_cause
from roster_of import SCHOOL

if TYPE_CHECKING:
    from conftest import Site

BAD, STORED = 12, 5


def test_findings_beyond_the_limit_are_counted_and_exported(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts and exports are complete; the tables and the pages have the first findings."""
    monkeypatch.setenv("ONEROSTER_FINDINGS_OF_CAUSE", str(STORED))
    rows = [f"w{n},true,wizard,w{n},W,W,w{n}@x.org\n" for n in range(BAD)]
    run = site.sync({**SCHOOL, "users.csv": SCHOOL["users.csv"] + "".join(rows)})
    with database.engine().connect() as connection:
        page, _ = run_details.page_of_findings(
            connection, run["run_id"], code="row.invalid_enum", limit=50
        )
        (cause,) = (
            cause
            for cause in run_details.causes(connection, run["run_id"])
            if cause["code"] == "row.invalid_enum"
        )
        exported = [
            finding
            for finding in run_details.all_findings(connection, run["run_id"])
            if finding["code"] == "row.invalid_enum"
        ]
        to_fix = list(run_details.findings_to_fix(connection, run["run_id"]))
    assert len(page) == STORED
    assert (cause["findings"], len(exported)) == (BAD, BAD)
    assert run["counts"]["users"]["errors"] == BAD
    assert sorted(finding["row"] for finding in exported) == sorted(
        range(exported[0]["row"], exported[0]["row"] + BAD)
    )
    assert {finding["cause"] for finding in exported} == {cause["number"]}
    assert {frozenset(finding) for finding in to_fix} == {frozenset(exported[0])}
    frame = dataframes.read_findings(run["run_id"])
    assert len(frame) == sum(run["findings"].values())


def test_lines_up_to_a_raised_limit_are_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is nearly as long as its file is read if the setting allows it."""
    monkeypatch.setenv("ONEROSTER_LINE_KIB", "1024")
    extra = SCHOOL["users.csv"].splitlines()
    texts = "\n".join([extra[0] + ",metadata.note", *(f"{row}," for row in extra[1:-1])])
    long = f"{texts}\n{extra[-1]},{'x' * 900_000}\n"

    run = site.sync({**SCHOOL, "users.csv": long})

    assert run["outcome"] == "succeeded"
    assert extra[-1].split(",")[0] in site.users()


def test_limits_of_a_package_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each limit has a variable, and an invalid number is refused by the variable's name."""
    for name, value in (
        ("ONEROSTER_PACKAGE_FILES", "7"),
        ("ONEROSTER_UNPACKED_RATIO", "9"),
        ("ONEROSTER_LINE_KIB", "2"),
    ):
        monkeypatch.setenv(name, value)
    found = Limits.in_force()
    assert (found.entries, found.ratio, found.line) == (7, 9, 2048)
    for name, ask in (
        ("ONEROSTER_LINE_KIB", Limits.in_force),
        ("ONEROSTER_FINDINGS_OF_CAUSE", findings_of_cause),
    ):
        monkeypatch.setenv(name, "0")
        with pytest.raises(SettingError, match=f"{name} is '0'; it takes a whole number"):
            ask()
        monkeypatch.delenv(name)
