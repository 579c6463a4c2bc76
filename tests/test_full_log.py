"""The log of a large sync has counts and some changes of each kind; the full list has all."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from oneroster_sync import pipeline
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.stages.record import list_in_full
from roster_of import SCHOOL, now, request_of

if TYPE_CHECKING:
    import pytest

    from conftest import Site
    from oneroster_sync.runs import Run

MANY = 57
_NAMES = "Zqgiven", "Zqfamily", "@zq.example"
STAFF = [f"u{n:02},true,teacher,u{n:02},Zqgiven,Zqfamily,u{n:02}@zq.example" for n in range(MANY)]
PUPIL_LIKE = [
    f"zqname-{n:02},true,wizard,w{n:02},Zqgiven,Zqfamily,w{n:02}@zq.example" for n in range(30)
]


def large(*rows: str) -> dict[str, str]:
    """Return the school with more rows of users."""
    return {**SCHOOL, "users.csv": SCHOOL["users.csv"] + "".join(f"{row}\n" for row in rows)}


def synced(
    site: Site, caplog: pytest.LogCaptureFixture, package: dict[str, str]
) -> tuple[Run, str]:
    """Sync a package; return the run and its log."""
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="oneroster"):
        run = pipeline.sync(request_of(site, package), clock=now)
    return run, "\n".join(record.getMessage() for record in caplog.records)


def test_the_log_has_the_first_of_each_kind(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The log lists twenty changes of each kind, and the number of the others."""
    _, log = synced(site, caplog, large(*STAFF))
    assert len(re.findall(r"^add user ", log, re.MULTILINE)) == 20
    assert f"… and {MANY + 3 - 20} more users to add; the downloaded log lists all." in log
    assert f"added {MANY + 3}" in log
    gone, log = synced(site, caplog, {**SCHOOL, "users.csv": large(*STAFF[:3])["users.csv"]})
    assert len(re.findall(r"^deactivate user ", log, re.MULTILINE)) == 20
    assert f"… and {MANY - 3 - 20} more users to deactivate" in log
    assert sum(line.startswith("deactivate ") for line in list_in_full(gone)) == MANY - 3


def test_the_full_list_has_every_change_and_finding(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The full list has a line for each change and finding, with ids only."""
    run, log = synced(site, caplog, large(*STAFF, *PUPIL_LIKE))
    lines = list(list_in_full(run))
    assert lines[0] == "=== every change of the plan ==="
    added = [line for line in lines if line.startswith("add user ")]
    assert len(added) == MANY + 3
    assert set(re.findall(r"^add user .*$", log, re.MULTILINE)) < set(added)
    assert sum(line.startswith("add course assignment of user ") for line in lines) == 2
    found = [line for line in lines if line.startswith(("error ", "warning "))]
    counted = run.findings or {}
    assert len(found) == sum(counted.values()) >= 30
    text = "\n".join(lines)
    assert not any(name in text for name in _NAMES)


def test_the_full_list_hides_possible_students(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The full list and the log hash the sourcedId of a row whose role is unreadable."""
    run, log = synced(site, caplog, large(*PUPIL_LIKE))
    text = "\n".join(list_in_full(run))
    assert "row.invalid_enum" in text
    assert "zqname" not in log + text
    assert text.count("sha256:") >= 30


def test_the_full_list_of_the_same_package_again_is_there(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that reuses an earlier run's results lists the same findings with the same hashes."""
    package = large(*STAFF, PUPIL_LIKE[0])
    synced(site, caplog, package)
    first, _ = synced(site, caplog, package)
    again, _ = synced(site, caplog, package)
    assert again.same_as == first.run_id
    assert list(list_in_full(again)) == list(list_in_full(first))
    assert "zqname" not in "".join(list_in_full(again))


def test_the_list_of_a_run_with_expired_files_says_so(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The list of a run whose files are deleted has one line that says so."""
    run, _ = synced(site, caplog, SCHOOL)
    RunFolder.of(site.name, run.run_id).remove_all()
    (line,) = list_in_full(run)
    assert "expired and were deleted" in line
