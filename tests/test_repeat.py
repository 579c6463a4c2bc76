"""The same package is recognized before heavy libraries load, and its results are stored once.

The findings of such a run are shown, exported, explained and kept like its own.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from oneroster_sync import database, dataframes, pipeline, runs, settings
from oneroster_sync.database import locks
from oneroster_sync.operations.retention import delete_expired
from oneroster_sync.pipeline import Request
from oneroster_sync.runs import repeat, run_details
from oneroster_sync.settings import Keeping
from roster_of import SCHOOL, changed, now

if TYPE_CHECKING:
    from conftest import Site

BAD = changed(SCHOOL, "users.csv", "cec,true,aide", "cec,true,wizard")
DAYS = Keeping(files_days=10, findings_days=20, audit_days=40)
HEAVY = ("sqlalchemy", "pyarrow", "pandas", "numpy", "pydantic", "fsspec", "great_expectations")
_COMMAND = """
import json, sys
from oneroster_sync.cli import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted(sys.modules)))
"""
_STAGES = """
import datetime as dt, json, sys
from oneroster_sync import pipeline
from oneroster_sync.pipeline import Request
from oneroster_sync.standard.kinds import Kind
now = dt.datetime.now(dt.UTC)
run = pipeline.begin(Request(site=sys.argv[1], package=sys.argv[2], requested_by="x"), now=now)
for stage in (lambda run: pipeline.extract(run, Kind.PACKAGE), pipeline.validate, pipeline.diff):
    run = stage(run)
run = pipeline.apply(pipeline.review(run, now=now), now=now)
run = pipeline.record(run, now=now)
asked = Request(site=sys.argv[1], package=sys.argv[2], requested_by="x")
assert pipeline.sync(asked, clock=lambda: dt.datetime.now(dt.UTC)).same_as is not None
print(json.dumps({"same_as": run.same_as, "modules": sorted(sys.modules)}))
"""
_OWN = {"run_id", "started_at", "ended_at", "applied_at", "package", "requested_by"}


def run_program(text: str, *words: object) -> list[str]:
    """Run a Python program in a process of its own and return its output lines."""
    environment = os.environ | {"ONEROSTER_DATABASE_URL": database.url()}
    done = subprocess.run(
        [sys.executable, "-c", text, *map(str, words)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout, done.stderr
    return done.stdout.splitlines()


def asked_of_stages(site: Site, package: Path) -> Request:
    """Return the request that the command line would make, for the stages."""
    return Request(site=site.name, package=str(package), requested_by="the test")


def record(run: dict[str, Any]) -> runs.Run:
    """Return the record of a run."""
    return runs.find(run["run_id"])


def folder(site: Site, run_id: str) -> Path:
    """Return the folder of a run."""
    return Path(settings.storage().path, "runs", site.name, run_id)


def age(run_id: str, days: int) -> None:
    """Move the times of a run this many days into the past."""
    query = "update runs set started_at = started_at - :days, ended_at = ended_at - :days "
    query += "where run_id::text = :run"
    with database.engine().begin() as connection:
        connection.execute(sa.text(query), {"days": dt.timedelta(days=days), "run": run_id})


@pytest.fixture
def package(site: Site) -> Path:
    """A package that was synced before, with a broken row of a known user."""
    folder = site.package(BAD)
    outcomes = [site.sync(package)["outcome"] for package in (SCHOOL, folder)]
    assert outcomes == ["succeeded", "succeeded_with_errors"]
    return folder


def test_command_loads_nothing_heavy(site: Site, package: Path) -> None:
    """A repeated command imports no Arrow, SQLAlchemy, pandas, pydantic, Great Expectations."""
    words = ("-q", "sync", package, "--site", site.name, "--json")
    summary, modules = map(json.loads, run_program(_COMMAND, *words))
    assert record(summary).same_as is not None
    assert [name for name in HEAVY if name in modules] == []
    words_only = run_program(_COMMAND, "sync", package, "--site", site.name)
    assert [name for name in HEAVY if name in json.loads(words_only[-1])] == []


def test_stages_load_no_great_expectations(site: Site, package: Path) -> None:
    """The stages of a repeated package do not import Great Expectations."""
    printed = json.loads(run_program(_STAGES, site.name, package)[-1])
    assert printed["same_as"] is not None
    assert [name for name in ("great_expectations", "scipy") if name in printed["modules"]] == []


def test_it_records_what_the_stages_record(site: Site, package: Path) -> None:
    """The short way records the same columns, summary and files as the stages, and no findings."""
    counts = "select (select count(*) from findings), (select count(*) from causes)"
    before = site.rows(counts)
    short = site.sync(package)
    long = pipeline.sync(asked_of_stages(site, package), clock=now)
    ours, theirs = record(short), long
    assert ours.same_as == theirs.same_as is not None
    assert ours.findings_of == theirs.findings_of == ours.same_as
    assert site.rows(counts) == before
    differ = {
        name
        for name in runs.Run.__dataclass_fields__
        if getattr(ours, name) != getattr(theirs, name)
    }
    assert differ <= _OWN
    assert short == ours.summary()
    files = [
        sorted(str(f.relative_to(root)) for f in root.rglob("*") if f.is_file())
        for root in (folder(site, run) for run in (ours.run_id, theirs.run_id))
    ]
    assert files[0] == files[1]
    assert json.loads((folder(site, ours.run_id) / "run.json").read_bytes()) == short


def test_findings_are_shown_exported_and_explained(site: Site, package: Path) -> None:
    """Pages, exports and explain show a repeated run's findings as those of the first run."""
    (first,) = site.rows(
        "select run_id::text from runs where site = :site order by started_at desc limit 1"
    )[0]
    again = site.sync(package)["run_id"]
    with database.engine().connect() as connection:
        shown, exported, causes, issues = (
            [list(ask(connection, run)) for run in (first, again)]
            for ask in (
                lambda c, run: run_details.page_of_findings(c, run, limit=50),
                run_details.all_findings,
                run_details.causes,
                lambda c, run: [run_details.count_issues(c, run)],
            )
        )
        searched = run_details.page_of_findings(connection, again, q="role", limit=50)[0]
        assert run_details.has_rows(connection, again, "findings")
    for of_first, of_again in (shown, exported, causes, issues):
        assert of_first
        assert of_first == of_again
    assert searched
    frame = dataframes.read_findings(again)
    assert len(frame) == len(exported[0])
    (explained,) = site.command("explain", "cec")[1]["records"]
    assert [finding["run_id"] for finding in explained["findings"]][:2] == [again, first]


def test_findings_stay_while_a_younger_run_refers_to_them(site: Site, package: Path) -> None:
    """Findings stay as long as the youngest run that refers to them, and are then deleted."""
    again = site.sync(package)["run_id"]
    found_by = runs.find(again).findings_of
    age(found_by or "", 30)
    delete_expired(site.name, now=now(), keeping=DAYS)
    with database.engine().connect() as connection:
        assert run_details.causes(connection, again)
        assert list(run_details.all_findings(connection, again))
    assert (folder(site, again) / "plan").exists()
    age(again, 30)
    delete_expired(site.name, now=now(), keeping=DAYS)
    with database.engine().connect() as connection:
        assert run_details.causes(connection, again) == []
        assert not run_details.has_rows(connection, again, "findings")


def test_findings_that_are_gone_are_looked_for_anew(site: Site, package: Path) -> None:
    """A package whose findings were deleted is validated again."""
    with database.engine().begin() as connection:
        query = "delete from findings where run_id in (select run_id from runs where site = :site)"
        connection.execute(sa.text(query), {"site": site.name})
    again = site.sync(package)
    assert record(again).same_as is None
    assert again["findings"]["errors"] == len(site.findings(again)) - again["findings"]["warnings"]


_ODD = {
    "insert into maintenance (since, started_by, reason) values (now(), 'x', 'y')": (
        "delete from maintenance"
    ),
    "insert into out_of_step (site, file, since, cause) values (:site, 'users', now(), 'x')": (
        "delete from out_of_step where site = :site"
    ),
    "update users set status = 'inactive' where site = :site and not managed": (
        "update users set status = 'active' where site = :site and not managed"
    ),
    "update sites set archived_at = now() where site = :site": (
        "update sites set archived_at = null where site = :site"
    ),
    "update runs set stage = outcome, outcome = null where site = :site and started_at = "
    "(select min(started_at) from runs where site = :site)": (
        "update runs set outcome = stage where site = :site and outcome is null"
    ),
    "update runs set decided_hash = reviewed_hash, reviewed_hash = null where site = :site": (
        "update runs set reviewed_hash = decided_hash, decided_hash = null where site = :site"
    ),
}
"""Statements that make an unusual state → statements that undo it."""


def test_unusual_states_are_left_to_the_stages(
    site: Site, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short way leaves every unusual state of a site to the stages.

    The same holds if another run has the turn, for other bytes, for packages of the storage, and
    for traced runs.
    """

    def ask(path: Path = package) -> object:
        asked = repeat.Asked(site=site.name, package=str(path), requested_by="x")
        before = site.rows("select count(*) from runs where site = :site")
        found = repeat.sync_again(asked, clock=now)
        after = site.rows("select count(*) from runs where site = :site")
        assert (before == after) is (found is None)
        return found

    def write(statement: str) -> None:
        with database.engine().begin() as connection:
            connection.execute(sa.text(statement), {"site": site.name})

    for statement, undo in list(_ODD.items()):
        write(statement)
        assert ask() is None, statement
        write(undo)
    with locks.hold_site_turn(database.engine(), site.name):
        assert ask() is None
    with monkeypatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:1")
        assert ask() is None
    kept = Path(settings.storage().path, "uploads", site.name, "p")
    shutil.copytree(package, kept)
    assert ask(kept) is None
    assert ask(tmp_path / "nothing") is None
    (package / "more.csv").write_text("a\n", "utf-8")
    assert ask() is None
    (package / "more.csv").unlink()
    # The edits by hand and their reversals changed the rows' transaction ids, so it is validated
    # once more.
    assert ask() is None
    assert record(site.sync(package)).same_as is None
    assert ask() is not None
