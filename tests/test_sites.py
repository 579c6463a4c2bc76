"""Sites are created, copied, archived and restored; an archived site is read-only."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from conftest import ADMIN, Site
from databases import fresh_database, using
from oneroster_sync import database, pipeline, runs, settings
from oneroster_sync.database import locks
from oneroster_sync.identifiers import SiteNameError
from oneroster_sync.operations import approval, site_lifecycle
from oneroster_sync.pipeline import begin
from oneroster_sync.sites import preferences_store, registry
from oneroster_sync.sites.allow_list import ForeignPackageError
from oneroster_sync.sites.dag_sites import site_names
from roster_of import NEXT_DAY, SCHOOL, diffed, now, request_of, reviewed, run_command
from site_files import run_sites, sites

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EMPTY = {"users.csv": SCHOOL["users.csv"].splitlines()[0] + "\n"}
NAMES = [
    "No Spaces",
    "UPPER",
    "../b",
    "b/../c",
    "..",
    "",
    "x" * 64,
    "b\n",
    "bé",
    "\uff42",
    "\u0430",
    "-b",
]
"""Names that lead elsewhere, look like another site's name, or differ from one only by case."""


def listed() -> dict[str, dict[str, Any]]:
    """Return the output of `sites list`, by name."""
    return {found["site"]: found for found in sites("list")[1]["sites"]}


def another(site: Site) -> Site:
    """Return a site that does not exist, named after another one."""
    return Site(f"{site.name}-other", site.folder)


def test_a_site_is_made_with_an_administrator_of_its_own(site: Site) -> None:
    """`create` makes a site with default preferences, and the audit names who created it."""
    made = another(site)
    assert sites("create", made.name, "--admin", "boss@x.org") == (0, {"site": made.name})
    query = "select email, role, managed from users where site = :site"
    assert made.rows(query) == [("boss@x.org", "administrator", False)]
    events = made.rows("select event from events where site = :site order by id")
    assert events == [("preferences_saved",), ("site_created",)]
    assert listed()[made.name]["archived_at"] is None
    assert made.name in site_names()
    code, words = run_sites("create", made.name, "--admin", "boss@x.org")
    assert (code, "exists already" in words) == (1, True)


@pytest.mark.parametrize("name", NAMES)
def test_name_that_leads_elsewhere_is_refused(name: str) -> None:
    """Every command refuses the name, and no folder is made for it."""
    assert run_sites("create", "--admin", "a@x.org", "--", name)[0] == 2
    assert run_command(Site(name, None), "tidy")[0] == 2  # type: ignore[arg-type]
    assert run_command(Site(name, None), "history")[0] == 2  # type: ignore[arg-type]
    for part in ("runs", "uploads"):
        with pytest.raises(SiteNameError):
            settings.storage_of(part, name)


def test_an_administrator_has_an_address(site: Site) -> None:
    """A site without a valid e-mail address of its administrator is not created."""
    code, words = run_sites("create", another(site).name, "--admin", "the boss")
    assert (code, "e-mail address" in words) == (1, True)
    assert another(site).name not in listed()


def test_a_copy_has_the_preferences_and_nothing_else(site: Site) -> None:
    """A copy has the preferences, but no roster, no runs and no temporarily raised threshold."""
    site.sync(SCHOOL)
    raised = 'guards.raised={"percent": 100, "until": null}'
    chosen = ("time_utc=04:15", "source=/srv/sis", 'days=["sunday"]', raised)
    for setting in chosen:
        assert site.command("preferences", "--set", setting)[0] == 0
    code, output = sites("copy", site.name, another(site).name, "--admin", "own@x.org")
    assert (code, output["same_source"]) == (0, True)
    copied = another(site)
    theirs, ours = site.command("preferences")[1], copied.command("preferences")[1]
    assert ours["guards"].pop("raised") is None
    assert theirs["guards"].pop("raised") is not None
    own = {"site", "version", "credited_admin"}
    assert {k: v for k, v in ours.items() if k not in own} == {
        k: v for k, v in theirs.items() if k not in own
    }
    assert ours["credited_admin"] == "own@x.org"
    assert (copied.users(), copied.courses()) == ({}, {})
    assert copied.command("history")[1]["runs"] == []
    details = copied.rows("select details from events where site = :site and event = 'site_copied'")
    assert details == [({"from": site.name},)]


def test_missing_site_is_not_copied(site: Site) -> None:
    """The error names the missing site, and no site is created."""
    code, words = run_sites("copy", "nowhere", another(site).name, "--admin", "own@x.org")
    assert (code, "no site 'nowhere'" in words) == (1, True)
    assert another(site).name not in listed()


def test_archived_site_is_read_only(site: Site) -> None:
    """No command starts a run or changes a preference; every command that reads still works."""
    run = site.sync(SCHOOL)
    assert sites("archive", site.name)[1] == {"site": site.name, "ended": []}
    for words in (
        ("sync", site.package(NEXT_DAY)),
        ("plan", site.package(NEXT_DAY)),
        ("undo", run["run_id"]),
        ("preferences", "--set", "time_utc=05:00"),
    ):
        code, output = run_command(site, *words)
        assert (code, f"oneroster sites restore {site.name}" in output) == (1, True), words
    assert len(site.command("history")[1]["runs"]) == 1
    assert site.command("explain", "ann")[0] == 0
    assert site.command("preferences")[1]["site"] == site.name
    assert site.users() == dict.fromkeys(("ann", "bob", "cec"), "active")
    assert site.command("tidy")[0] == 0
    found = listed()[site.name]
    assert found["archived_by"].endswith("on the command line")
    assert found["last_run"]["run_id"] == run["run_id"]
    assert sites("archive", site.name)[0] == 0, "a second time changes nothing"


def test_an_archived_site_has_no_dags_and_no_schedule(site: Site) -> None:
    """The DAG file builds no DAGs for it, and the timetable has no next run for it."""
    assert site.name in site_names()
    assert preferences_store.read(site.name) is not None
    sites("archive", site.name)
    assert site.name not in site_names()
    assert preferences_store.read(site.name) is None


def test_a_restored_site_is_switched_off(site: Site) -> None:
    """A restored site has no schedule until Airflow's switch was off once; then it can be on."""
    sites("archive", site.name)
    assert sites("restore", site.name) == (0, {"site": site.name})
    assert site.name in site_names()
    assert preferences_store.read(site.name) is None
    with database.engine().begin() as connection:
        assert registry.all_sites(connection)[site.name].off_asked
        registry.note_switched(connection, site.name)
    assert preferences_store.read(site.name) is not None
    assert site.sync(SCHOOL)["outcome"] == "succeeded"
    code, words = run_sites("restore", site.name)
    assert (code, "is in use" in words) == (1, True)


def test_a_plan_that_waits_is_discarded_with_its_site(site: Site) -> None:
    """The reason names who archived the site; no approval is possible, also after a restore."""
    site.sync(SCHOOL)
    held = site.sync(EMPTY)
    assert held["outcome"] == "held"
    assert sites("archive", site.name)[1]["ended"] == [held["run_id"]]
    run = runs.find(held["run_id"])
    assert (run.outcome, run.decision) == ("discarded", None)
    assert "archived the site" in run.reasons[0]
    assert len(run.holds) == len(held["reasons"])
    sites("restore", site.name)
    code, words = run_command(site, "approve", held["run_id"])
    assert (code, "archived the site" in words) == (1, True)
    assert set(site.users().values()) == {"active"}


def test_an_approval_that_was_not_applied_yet_is_discarded(site: Site) -> None:
    """A plan that was approved just before the archiving is not applied."""
    site.sync(SCHOOL)
    run = reviewed(site, EMPTY)
    assert run.plan_hash
    approval.note_approval(run.run_id, by="boss", now=now(), plan_hash=run.plan_hash)
    approved = runs.find(run.run_id)
    sites("archive", site.name)
    assert runs.find(run.run_id).outcome == "discarded"
    with pytest.raises(Exception, match="has ended: discarded"):
        pipeline.apply(approved, now=now())
    assert set(site.users().values()) == {"active"}


def test_a_run_between_two_stages_ends(site: Site) -> None:
    """The next stage of a run of an archived site finds it ended, and does nothing."""
    run = diffed(site, SCHOOL)
    sites("archive", site.name)
    run = runs.find(run.run_id)
    assert (run.outcome, run.applied_at) == ("discarded", None)
    run = pipeline.record(pipeline.apply(pipeline.review(run, now=now()), now=now()), now=now())
    assert run.outcome == "discarded"
    assert site.users() == {}


def test_a_stage_at_work_is_waited_for(site: Site) -> None:
    """Archiving waits for the stage that is running, and gives up after its timeout."""
    began, go = threading.Event(), threading.Event()

    def work() -> None:
        with locks.hold_site_turn(database.engine(), site.name):
            began.set()
            go.wait(60)

    worker = threading.Thread(target=work)
    worker.start()
    began.wait(60)
    with pytest.raises(locks.BusyError):
        site_lifecycle.archive(site.name, by="boss", now=now(), wait_s=0)
    assert listed()[site.name]["archived_at"] is None
    go.set()
    site_lifecycle.archive(site.name, by="boss", now=now())
    worker.join()
    assert listed()[site.name]["archived_by"] == "boss"


def test_run_requested_before_archiving_is_refused_after(site: Site) -> None:
    """A run that was requested before the archiving must be requested again."""
    earlier = now() - dt.timedelta(minutes=5)
    sites("archive", site.name)
    sites("restore", site.name)
    request = replace(request_of(site, SCHOOL), asked_at=earlier)
    with pytest.raises(registry.ArchivedSiteError, match="request it again"):
        begin(request, now=now())
    assert begin(replace(request, asked_at=now()), now=now()).outcome is None


def test_no_run_begins_while_its_site_is_being_archived(site: Site) -> None:
    """A run that begins during the archiving waits, and is then refused."""
    refused: list[str] = []

    def start() -> None:
        try:
            begin(request_of(site, SCHOOL), now=now())
        except registry.ArchivedSiteError as error:
            refused.append(str(error))

    with database.engine().begin() as connection:
        registry.lock_list(connection)
        site_lifecycle.archive_sites(connection, [site.name], by="boss", now=now())
        starter = threading.Thread(target=start)
        starter.start()
        starter.join(1)
        assert starter.is_alive()
    starter.join(60)
    assert len(refused) == 1
    assert site.rows("select 1 from runs where site = :site") == []


@pytest.fixture
def alone() -> Iterator[None]:
    """A database without sites."""
    with fresh_database() as url, using(url):
        yield


def test_the_last_site_in_use_stays(alone: None) -> None:
    """The last site can't be archived, whether it is `default` or another one."""
    assert sites("list")[1] == {"sites": []}
    assert site_names() == ["default"]
    sites("create", "default", "--admin", ADMIN)
    code, words = run_sites("archive", "default")
    assert (code, "the last site in use" in words) == (1, True)
    sites("create", "north", "--admin", ADMIN)
    assert sites("archive", "default")[0] == 0
    assert site_names() == ["north"]
    assert sites("archive", "north")[0] == 1
    assert sites("restore", "default")[0] == 0
    assert site_names() == ["default", "north"]


def test_two_people_do_not_archive_the_last_two(alone: None) -> None:
    """Of two people who archive the last two sites at once, one gets an error."""
    for name in ("east", "west"):
        sites("create", name, "--admin", ADMIN)
    ended: list[str] = []

    def archive_sites(name: str) -> None:
        try:
            site_lifecycle.archive(name, by="boss", now=now())
        except site_lifecycle.LastSiteError:
            ended.append(name)

    people = [threading.Thread(target=archive_sites, args=(name,)) for name in ("east", "west")]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert len(ended) == 1
    assert site_names() == ["default", *ended]


def test_names_are_remembered_while_the_database_is_away(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archived site stays archived while the database restarts."""
    sites("archive", site.name)
    before = site_names()
    monkeypatch.setenv("ONEROSTER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert site_names() == before
    assert site.name not in before


def test_the_storage_of_another_site_is_no_package(site: Site, tmp_path: Path) -> None:
    """A run reads uploads of its own site only, and no other file of the storage."""
    theirs = settings.storage_of("uploads", "theirs") / "x" / "users.csv"
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_text(SCHOOL["users.csv"])
    linked = tmp_path / "users.csv"
    linked.symlink_to(theirs.path)
    around = f"{settings.storage_of('uploads', site.name).path}/../theirs/x/users.csv"
    for package in (theirs.path, f"file://{theirs.path}", str(linked), around):
        asked = replace(request_of(site, SCHOOL), package=package, run_id=str(uuid.uuid4()))
        with pytest.raises(ForeignPackageError):
            begin(asked, now=now())
    code, words = run_command(site, "sync", theirs.path, "--kind", "users")
    assert (code, "upload it to this site" in words) == (1, True)
    code, words = run_command(site, "preferences", "--set", f"source={theirs.parent.path}")
    assert (code, "a folder of the storage" in words) == (1, True)
    with database.engine().begin() as connection:  # an earlier version allowed this value
        statement = "update preferences set source = :source where site = :site"
        bound = {"source": theirs.parent.path, "site": site.name}
        connection.execute(sa.text(statement), bound)
    run = begin(replace(request_of(site, SCHOOL), package=None), now=now())
    assert (run.outcome, "may not use its source" in run.reasons[0]) == ("failed", True)
