"""Reuse: the same package with the same fingerprint reuses an earlier run; all others run in full.

A run that reuses results ends as a full one would: same counts, findings, causes, plan and report.
"""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from oneroster_sync import database, pipeline, runs, settings
from oneroster_sync.pipeline import begin, sync
from oneroster_sync.runs import Outcome
from oneroster_sync.standard.kinds import Kind
from roster_of import SCHOOL, changed, now, request_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Site
    from oneroster_sync.runs import Run

BAD = changed(SCHOOL, "users.csv", "cec,true,aide", "cec,true,wizard")
_BY_HAND = (
    "insert into users (site, email, login, role, status, managed) "
    "values (:site, 'zoe@x.org', 'zoe@x.org', 'teacher', 'active', false)"
)


def record(run: dict[str, Any]) -> Run:
    """Return a run's record."""
    return runs.find(run["run_id"])


def read_results(site: Site, run: dict[str, Any]) -> list[Any]:
    """Return all stored results of a run except its own id."""
    rows = [
        site.rows(
            f"select to_jsonb(t) - 'run_id' from {table} t where run_id::text = :r order by seq",  # noqa: S608
            r=run["run_id"],
        )
        for table in ("run_findings", "run_causes")
    ]
    found = record(run)
    names = ("outcome", "reasons", "counts", "findings", "plan_hash", "sha256", "schools")
    return [*rows, *(getattr(found, name) for name in names)]


def write(statement: str, **bound: object) -> None:
    """Change the database outside of the product."""
    with database.engine().begin() as connection:
        connection.execute(sa.text(statement), bound)


@pytest.fixture
def settled(site: Site) -> Site:
    """A site that has synced a package with an invalid row twice, without changes at the end."""
    outcomes = [site.sync(BAD)["outcome"] for _ in range(2)]
    assert outcomes == ["succeeded_with_errors", "succeeded_with_errors"]
    return site


def test_third_sync_reuses_the_second(settled: Site) -> None:
    """A third sync has the stored results of the second one, and reads no row."""
    long = settled.command("history")[1]["runs"][0]
    short = settled.sync(BAD)
    assert record(long).same_as is None
    assert record(short).same_as == long["run_id"]
    assert read_results(settled, short) == read_results(settled, long)
    folder = Path(settings.storage().path, "runs", settled.name, short["run_id"])
    assert not (folder / "snapshots").exists()
    assert (folder / "results.json").exists()
    again = settled.sync(BAD)
    assert record(again).same_as == long["run_id"]


@pytest.mark.parametrize(
    "change",
    [
        lambda site: write(_BY_HAND, site=site.name),
        lambda site: write(
            "update users set given_name = 'Other' where site = :site and sourced_id = 'ann'",
            site=site.name,
        ),
        lambda site: site.command("preferences", "--set", 'assignment_roles=["teacher","aide"]'),
        lambda site: site.sync({"users.csv": SCHOOL["users.csv"]}),
        lambda site: write(
            "update classes set ends_on = '2020-01-01' where site = :site and sourced_id = 'm1'",
            site=site.name,
        ),
    ],
    ids=["account made by hand", "edited", "preferences", "another sync", "a term that ended"],
)
def test_other_changes_prevent_reuse(settled: Site, change: Callable[[Site], object]) -> None:
    """A change of anything that the outcome depends on prevents reuse."""
    change(settled)
    assert record(settled.sync(BAD)).same_as is None


def test_edited_record_is_restored(settled: Site) -> None:
    """The next sync restores a managed record that was edited by hand."""
    settled.sync(BAD)
    write(
        "update users set given_name = 'X' where site = :s and sourced_id = 'ann'", s=settled.name
    )
    run = settled.sync(BAD)
    assert (run["outcome"], run["counts"]["users"]["updated"]) == ("succeeded_with_errors", 1)


def test_edited_suite_prevents_reuse(
    settled: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a suite is edited, the unchanged package is validated again."""
    suites = tmp_path / "expectations"
    shutil.copytree(settings.expectations(), suites)
    monkeypatch.setenv("ONEROSTER_EXPECTATIONS", str(suites))
    assert record(settled.sync(BAD)).same_as is not None
    suite = suites / "1.1" / "users.json"
    suite.write_text(suite.read_text("utf-8") + "\n", "utf-8")
    assert record(settled.sync(BAD)).same_as is None


def test_other_bytes_prevent_reuse(settled: Site) -> None:
    """Only a package with identical bytes is reused."""
    more = {**BAD, "users.csv": BAD["users.csv"] + "dan,true,teacher,ddoe,Dan,Doe,dan@x.org\n"}
    run = settled.sync(more)
    assert record(run).same_as is None
    assert run["counts"]["users"]["added"] == 1


def test_other_scope_prevents_reuse(settled: Site) -> None:
    """The results for one scope are not reused for another."""
    assert record(settled.sync(BAD, "--scope", "users")).same_as is None


def test_purged_files_prevent_reuse(settled: Site) -> None:
    """If the files of the earlier run were purged, the package is read again."""
    shutil.rmtree(Path(settings.storage().path, "runs", settled.name))
    assert record(settled.sync(BAD)).same_as is None


def test_end_of_a_rollover_prevents_reuse(settled: Site) -> None:
    """The fingerprint changes after the last day of a rollover, without a save."""
    today = now()
    settled.command("preferences", "--set", f"create_only_until={today.date()}")
    for _ in range(2):
        settled.sync(BAD)
    assert record(settled.sync(BAD)).same_as is not None
    tomorrow = today + dt.timedelta(days=1)
    assert sync(request_of(settled, BAD), clock=lambda: tomorrow).same_as is None


def test_roster_that_changes_after_reuse_began(settled: Site) -> None:
    """If another run changed the roster in between, the run is superseded and applies nothing."""
    run = pipeline.extract(begin(request_of(settled, BAD), now=now()), Kind.PACKAGE)
    assert run.same_as is not None
    run = pipeline.review(pipeline.diff(pipeline.validate(run)), now=now())
    settled.sync(changed(BAD, "courses.csv", "Maths", "Mathematics"))
    ended = pipeline.record(pipeline.apply(run, now=now()), now=now())
    assert ended.outcome is Outcome.SUPERSEDED
    assert settled.rows(
        "select title from courses where site = :site and sourced_id = 'maths'"
    ) == [("Mathematics",)]


def test_roster_that_changes_during_a_run_prevents_later_reuse(settled: Site) -> None:
    """An account that is made between extract and diff makes the run unusable for reuse."""
    settled.command("preferences", "--set", "profile=tolerant")
    run = begin(request_of(settled, SCHOOL), now=now())
    run = pipeline.validate(pipeline.extract(run, Kind.PACKAGE))
    assert run.basis is not None
    write(_BY_HAND, site=settled.name)
    assert pipeline.diff(run).basis is None


def test_rejected_packages_are_not_reused(site: Site) -> None:
    """Only an empty plan is reused; a rejected package is rejected again for its own reasons."""
    first = site.sync(BAD, "--profile", "strict")
    second = site.sync(BAD, "--profile", "strict")
    assert [run["outcome"] for run in (first, second)] == ["rejected", "rejected"]
    assert record(second).same_as is None
