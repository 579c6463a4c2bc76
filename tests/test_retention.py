"""Retention deletes expired data, and keeps run records and data that is still needed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from conftest import csv_text
from oneroster_sync import database, settings
from oneroster_sync.operations.retention import Swept, delete_expired
from oneroster_sync.settings import Keeping, SettingError
from roster_of import SCHOOL, changed, now, run_command

if TYPE_CHECKING:
    from conftest import Site

BAD = changed(SCHOOL, "users.csv", "cec,true,aide", "cec,true,wizard")
DAYS = Keeping(files_days=10, findings_days=20, audit_days=40)


def age(site: Site, run: dict[str, Any], days: int) -> None:
    """Move a run and its changes so many days into the past."""
    with database.engine().begin() as connection:
        connection.execute(sa.text("set local oneroster.erasing = 'on'"))
        bound = {"run": run["run_id"], "days": dt.timedelta(days=days)}
        for table, moments in (("runs", ("started_at", "ended_at")), ("changes", ("made_at",))):
            moved = ", ".join(f"{name} = {name} - :days" for name in moments)
            update = f"update {table} set {moved} where run_id::text = :run"  # noqa: S608
            connection.execute(sa.text(update), bound)


def folder(site: Site, run: dict[str, Any]) -> Path:
    """Return the folder of a run."""
    return Path(settings.storage().path, "runs", site.name, run["run_id"])


def rows(site: Site, table: str, run: dict[str, Any]) -> int:
    """Return the number of rows of a table for a run."""
    query = f"select count(*) from {table} where run_id::text = :run"  # noqa: S608
    return int(site.rows(query, run=run["run_id"])[0][0])


@pytest.fixture
def runs(site: Site) -> list[dict[str, Any]]:
    """Return two applied runs, the older one with findings."""
    return [site.sync(BAD), site.sync(SCHOOL)]


@pytest.mark.parametrize(
    ("days", "files", "findings", "changes"),
    [(9, 1, 1, 1), (11, 0, 1, 1), (21, 0, 0, 1), (41, 0, 0, 0)],
)
def test_things_go_one_after_the_other(
    site: Site, runs: list[dict[str, Any]], days: int, files: int, findings: int, changes: int
) -> None:
    """Files expire first, then findings, then changes; the record and its counts stay."""
    old, new = runs
    age(site, old, days)
    found, changed_ = rows(site, "findings", old), rows(site, "changes", old)
    assert found
    assert changed_
    swept = Swept(1 - files, found * (1 - findings), changed_ * (1 - changes))
    assert delete_expired(site.name, now=now(), keeping=DAYS) == swept
    assert folder(site, old).exists() is bool(files)
    assert bool(rows(site, "findings", old)) is bool(rows(site, "causes", old)) is bool(findings)
    assert bool(rows(site, "changes", old)) is bool(changes)
    assert folder(site, new).exists()
    assert rows(site, "findings", new)
    history = site.command("history")[1]["runs"]
    assert [run["counts"] for run in history] == [new["counts"], old["counts"]]
    events = "select details from events where site = :site and event = 'swept'"
    assert len(site.rows(events)) == (swept != Swept(0, 0, 0))
    assert delete_expired(site.name, now=now(), keeping=DAYS) == Swept(0, 0, 0)


def test_newest_applied_run_can_be_taken_back_after_years(
    site: Site, runs: list[dict[str, Any]]
) -> None:
    """The files of the newest applied run stay, so that it can be undone after years."""
    for run in runs:
        age(site, run, 30)
    delete_expired(site.name, now=now(), keeping=DAYS)
    assert [folder(site, run).exists() for run in runs] == [False, True]
    undone = site.command("undo", runs[1]["run_id"])[1]
    assert (undone["outcome"], undone["counts"]["users"]["deactivated"]) == ("succeeded", 1)


def test_plan_that_waits_is_left_alone(site: Site) -> None:
    """A held plan stays complete, however old it is."""
    header = "sourcedId,enabledUser,role,username,givenName,familyName,email"
    people = [f"u{n},true,teacher,u{n},G,F,u{n}@x.org" for n in range(10)]
    site.sync({"users.csv": csv_text(header, *people)})
    held = site.sync({"users.csv": csv_text(header, *people[:4])})
    age(site, held, 1000)
    delete_expired(site.name, now=now(), keeping=DAYS)
    assert rows(site, "findings", held) > 0
    assert site.command("approve", held["run_id"])[1]["outcome"] == "succeeded"


def test_other_sites_are_left_alone(site: Site, runs: list[dict[str, Any]]) -> None:
    """The retention of a site deletes nothing of another site."""
    age(site, runs[0], 1000)
    assert delete_expired("another", now=now(), keeping=DAYS) == Swept(0, 0, 0)
    assert folder(site, runs[0]).exists()


def test_environment_says_how_long(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention uses the days of the environment, and refuses invalid numbers."""
    run = site.sync(SCHOOL)
    age(site, run, 100)
    monkeypatch.setenv("ONEROSTER_KEEP_AUDIT_DAYS", "99")
    monkeypatch.setenv("ONEROSTER_KEEP_FINDINGS_DAYS", "101")
    swept = {"site": site.name, "runs": 0, "findings": 0, "changes": 7, "deltas": 0}
    assert site.command("tidy") == (0, swept)
    monkeypatch.setenv("ONEROSTER_KEEP_FILES_DAYS", "for ever")
    with pytest.raises(SettingError, match="ONEROSTER_KEEP_FILES_DAYS must be a number of days"):
        settings.keeping()
    assert run_command(site, "tidy")[0] == 1
