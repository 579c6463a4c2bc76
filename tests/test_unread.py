"""Each delta of a source since the last package is read exactly once."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from typing import TYPE_CHECKING

import pytest

from golden.school import SCHOOL, changed, zip_of
from oneroster_sync import pipeline, runs
from oneroster_sync.pipeline import Request, begin
from oneroster_sync.runs import Run, Trigger
from oneroster_sync.sources import unread
from oneroster_sync.sources.errors import SourceError
from oneroster_sync.stages.extract import acquire
from oneroster_sync.standard.kinds import Kind
from roster_of import now
from test_pending import delta, given_name, gone, pending, prefer, user

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site
    from golden.school import Texts

pytestmark = pytest.mark.case("b46")
FRIDAY = dt.datetime(2026, 9, 4, 2, tzinfo=dt.UTC).timestamp()


def export(drop: Path, name: str, texts: Texts, hours: float) -> Path:
    """Export a package this many hours after Friday's sync."""
    path = zip_of(texts, drop / name)
    os.utime(path, (FRIDAY + 3600 * hours,) * 2)
    return path


def scheduled(site: Site) -> Run:
    """Run the stages of a scheduled sync one by one, as the tasks of a DAG do."""
    request = Request(site=site.name, trigger=Trigger.SCHEDULE, requested_by="the schedule")
    run = begin(request, now=now())
    with contextlib.suppress(SourceError), pipeline.note_failure(run):
        run = pipeline.extract(run, Kind.PACKAGE)
        run = pipeline.diff(pipeline.validate(run))
        run = pipeline.review(run, now=now())
        pipeline.supersede_older(run, now=now())
        run = pipeline.apply(run, now=now())
    run = pipeline.record(runs.find(run.run_id), now=now())
    acquire.move_read_package(run)
    return run


def lost(site: Site) -> list[str]:
    """Return the files in which the site is out of step."""
    query = "select file from out_of_step where site = :site order by 1"
    return [file for (file,) in site.rows(query)]


def packages(run: Run) -> list[str]:
    """Return the names of the packages that a run read."""
    return [package["name"] for package in run.packages or ()]


@pytest.fixture
def drop(site: Site, tmp_path: Path) -> Path:
    """The export folder of the SIS; the site has synced the school from it on Friday."""
    folder = tmp_path / "drop"
    folder.mkdir()
    prefer(site, f"source={folder}")
    export(folder, "friday.zip", SCHOOL, 0)
    assert scheduled(site).outcome == "succeeded"
    return folder


def test_deltas_of_a_weekend_are_read_in_order(site: Site, drop: Path) -> None:
    """All deltas since the last sync are read in order by one run, which lists them."""
    export(drop, "b-saturday.zip", delta(user("eve", "Eve", 5), user("ann", "Saturday", 5)), 24)
    export(drop, "a-sunday.zip", delta(user("fay", "Fay", 6), user("ann", "Sunday", 6)), 48)
    export(drop, "z-monday.zip", delta(user("bob", "Monday", 7)), 72)

    run = scheduled(site)

    assert packages(run) == ["b-saturday.zip", "a-sunday.zip", "z-monday.zip"]
    assert (run.outcome, run.counts and run.counts["users"]["added"]) == ("succeeded", 2)
    assert [given_name(site, who) for who in ("ann", "bob")] == ["Sunday", "Monday"]
    assert (pending(site), lost(site)) == ([], [])
    again = scheduled(site)
    assert (again.outcome, packages(again)) == ("no_changes", ["z-monday.zip"])


def test_a_newest_bulk_package_is_read_alone(site: Site, drop: Path) -> None:
    """If the newest package is bulk in all files, older deltas are not read."""
    export(drop, "saturday.zip", delta(user("eve", "Eve", 5)), 24)
    export(drop, "sunday.zip", SCHOOL, 48)
    run = scheduled(site)
    assert (packages(run), run.outcome) == (["sunday.zip"], "no_changes")
    export(drop, "monday.zip", delta(user("fay", "Fay", 7)), 72)
    assert packages(scheduled(site)) == ["monday.zip"]
    assert "eve" not in site.users()


def test_deltas_amend_a_bulk_package_before_them(site: Site, drop: Path) -> None:
    """Reading starts with the newest bulk package, and later deltas amend it."""
    export(drop, "1.zip", delta(user("eve", "Eve", 5)), 24)
    bulk = changed(SCHOOL, "users.csv", ",Cat,Orr,", ",Kit,Orr,")
    export(drop, "2.zip", bulk, 48)
    export(drop, "3.zip", delta(user("bob", "Rob", 7), gone("dan", 7)), 72)

    run = scheduled(site)

    assert (packages(run), run.outcome) == (["2.zip", "3.zip"], "succeeded")
    assert [given_name(site, who) for who in ("cat", "bob", "eve")] == ["Kit", "Rob", None]
    assert site.users()["dan"] == "inactive"
    assert (pending(site), lost(site)) == ([], [])


def test_a_discarded_delta_is_not_read_again(site: Site, drop: Path) -> None:
    """The newest package is read again, but its discarded delta is not planned again."""
    prefer(site, "guards.users.percent=10", "guards.users.minimum=1")
    export(drop, "monday.zip", delta(gone("bob", 7)), 72)
    held = scheduled(site)
    assert held.outcome == "held"
    site.command("discard", held.run_id)

    run = scheduled(site)

    assert (packages(run), run.outcome) == (["monday.zip"], "no_changes")
    assert site.users()["bob"] == "active"
    upload = site.sync(drop / "monday.zip")
    assert upload["outcome"] == "held", "an upload of a discarded delta was ignored"


def test_a_rejected_package_is_found_again(site: Site, drop: Path) -> None:
    """A rejected package is read again after it is fixed, together with later ones."""
    export(drop, "monday.zip", delta(user("eve", "Eve", 7)), 72)
    (drop / "tuesday.zip").write_bytes(b"PK no zip, but its end: " + b"PK\x05\x06" + bytes(18))
    os.utime(drop / "tuesday.zip", (FRIDAY + 3600 * 96,) * 2)
    broken = scheduled(site)
    assert (broken.outcome, pending(site)) in [("rejected", []), ("failed", [])]
    export(drop, "tuesday.zip", delta(user("fay", "Fay", 8)), 97)

    run = scheduled(site)

    assert (packages(run), run.outcome) == (["monday.zip", "tuesday.zip"], "succeeded")


@pytest.mark.parametrize("why", ["too many", "not known"])
def test_more_than_can_be_read_puts_the_site_out_of_step(
    site: Site, drop: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """If deltas may be lost, removals by a delta are held until a bulk package is applied."""
    for day in range(3):
        export(drop, f"{day}.zip", delta(user(f"new{day}", "New", day + 5)), 24 * (day + 1))
    export(drop, "last.zip", delta(gone("bob", 9)), 99)
    if why == "too many":
        monkeypatch.setattr(unread, "MOST", 3)
    else:
        (drop / "friday.zip").unlink()

    run = scheduled(site)

    expected = ["1.zip", "2.zip", "last.zip"] if why == "too many" else None
    assert packages(run) == (expected or ["0.zip", "1.zip", "2.zip", "last.zip"])
    assert (run.outcome, lost(site)) == ("held", ["users"])
    assert [hold["code"] for hold in run.holds] == ["guard.out_of_step"]
    assert "ask the SIS for a bulk file" in run.reasons[0]
    export(drop, "bulk.zip", SCHOOL, 120)
    assert scheduled(site).outcome == "no_changes"
    assert (lost(site), pending(site)) == ([], [])


def test_all_that_was_read_is_moved_when_the_run_ended_well(site: Site, drop: Path) -> None:
    """Packages are moved when a run applies their deltas, also those of an earlier held run."""
    prefer(site, "source_after=move", "guards.users.percent=10", "guards.users.minimum=1")
    export(drop, "saturday.zip", delta(user("eve", "Eve", 5)), 24)
    export(drop, "sunday.zip", delta(gone("bob", 6)), 48)
    held = scheduled(site)
    assert held.outcome == "held"
    names = [path.name for path in sorted(drop.glob("*.zip"))]
    assert names == ["friday.zip", "saturday.zip", "sunday.zip"]
    export(drop, "monday.zip", delta(user("bob", "Rob", 7)), 72)

    run = scheduled(site)

    assert (run.outcome, packages(run)) == ("succeeded", ["monday.zip"])
    assert site.users()["eve"] == "active"
    assert [path.name for path in drop.glob("*.zip")] == ["friday.zip"]
    moved = {path.name.split(".")[0] for path in (drop / "done").iterdir()}
    assert moved == {"saturday", "sunday", "monday"}
    export(drop, "tuesday.zip", delta(user("bob", "Bob", 8)), 96)
    assert (scheduled(site).outcome, lost(site)) == ("succeeded", [])


def test_a_run_that_is_tried_again_reads_the_same(site: Site, drop: Path) -> None:
    """A retry after extract reads the same packages, and each delta once."""
    export(drop, "monday.zip", delta(user("eve", "Eve", 7)), 72)
    request = Request(site=site.name, trigger=Trigger.SCHEDULE, requested_by="the schedule")
    run = pipeline.extract(begin(request, now=now()), Kind.PACKAGE)
    pipeline.record(run, now=now())
    assert pending(site) == [("users", "pending")]

    again = pipeline.extract(begin(request, now=now()), Kind.PACKAGE)

    assert (packages(again), pending(site)) == (["monday.zip"], [("users", "pending")])
    pipeline.record(again, now=now())
    assert scheduled(site).outcome == "succeeded"
    assert "eve" in site.users()
