"""No site sees, changes or delays another site, even if the two are alike.

test_api_permissions.py walks all routes of the API. These tests cover the command line, the
product's functions, the locks and the storage.
"""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click
import pytest
import sqlalchemy as sa

from conftest import ADMIN
from neighbours import CAUSE, DELTA, EMPTY, Neighbour, make_neighbour, picture_of
from oneroster_sync import database, notifications, pipeline, runs, settings
from oneroster_sync.cli import main
from oneroster_sync.database import locks
from oneroster_sync.identifiers import SiteNameError
from oneroster_sync.operations import approval, retention
from oneroster_sync.pipeline import Request, make_removals_request
from oneroster_sync.roster import history
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sites import preferences_store
from oneroster_sync.sources.uploads import forget, sweep
from oneroster_sync.stages.diff.undo import Part
from roster_of import NEXT_DAY, SCHOOL, now, request_of, run_command
from site_files import SiteFile, sites
from test_waiting import EVERYBODY, staff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Site

IDS = {"ids.csv": "kind,oldSourcedId,newSourcedId\nuser,bob,bobby\n"}
LINKS = {"links.csv": "email,sourcedId\nbob@x.org,bob\n"}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, postgresql: None) -> Neighbour:
    """The site on which the tests act."""
    return make_neighbour("isolated-a", tmp_path_factory.mktemp("ours") / "a")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory, postgresql: None) -> Neighbour:
    """The other site, which must stay unaffected."""
    return make_neighbour("isolated-b", tmp_path_factory.mktemp("theirs") / "b")


@pytest.fixture
def untouched(theirs: Neighbour) -> Iterator[None]:
    """Check that all rows and files of the other site stay byte for byte the same."""
    before = picture_of(theirs.site.name)
    yield
    assert picture_of(theirs.site.name) == before


def test_the_picture_holds_every_table(ours: Neighbour, theirs: Neighbour) -> None:
    """The snapshot covers each table: it has rows of both sites, or is known to stay empty here."""
    picture = picture_of(theirs.site.name)
    empty = {name for name, rows in picture.items() if isinstance(rows, list) and not rows}
    assert empty <= {
        *("allow_list", "arrivals", "change_feeds", "notices", "orgs", "other_people", "roles"),
        "roster_readers",
    }
    assert {"users", "runs", "findings", "causes", "changes", "events", "sites"} <= set(picture)
    assert sum(isinstance(value, str) for value in picture.values()) > 10, (
        "the snapshot lacks files"
    )
    mine = picture_of(ours.site.name)
    names = {name for name, rows in picture.items() if isinstance(rows, list)}
    assert {name: len(mine[name]) for name in names} == {name: len(picture[name]) for name in names}


def package(files: dict[str, str]) -> Callable[[Neighbour], str]:
    """Return a function that writes a package for a command."""
    return lambda here: str(here.site.package(files))


def csv(files: dict[str, str]) -> Callable[[Neighbour], str]:
    """Return a function that writes a single file for a command."""
    (name,) = files
    return lambda here: str(here.site.package(files) / name)


def run(name: str) -> Callable[[Neighbour], str]:
    """Return a function that returns the id of a run for a command."""
    return lambda here: here.runs[name]


WORDS: list[tuple[Any, ...]] = [
    ("init", "--admin", ADMIN),
    ("validate", package(SCHOOL)),
    ("plan", package(NEXT_DAY)),
    ("compare", package(SCHOOL), package(NEXT_DAY)),
    ("compare-runs", run("errors"), run("applied")),
    ("protections", "list"),
    ("protections", "show", CAUSE),
    ("protections", "release", CAUSE),
    ("adoption", run("held")),
    ("adoption", run("held"), "--csv"),
    ("history",),
    ("decisions",),
    ("decisions", "--csv"),
    ("changes",),
    ("explain", "ann"),
    ("explain", "ann@x.org"),
    ("database-url",),
    ("preferences",),
    ("preferences", "--set", "time_utc=05:55"),
    ("preferences", "--set", 'guards.raised={"percent": 100}'),
    ("discard", run("held")),
    ("sync", package(NEXT_DAY)),
    ("sync", package(DELTA)),
    ("undo", run("errors")),
    ("undo", run("applied"), "--kind", "assignment", "--changed-too"),
    ("undo", run("applied"), "--record", "ann"),
    ("sync", csv(IDS), "--kind", "ids"),
    ("sync", csv(LINKS), "--kind", "links"),
    ("sync", package(EMPTY)),
    ("approve", lambda here: here.site.command("history")[1]["runs"][0]["run_id"]),
    ("erase", "ann", "--reason", "asked for"),
    ("tidy",),
    ("migrate",),
    ("check",),
]
"""Every command, with arguments that make it act where possible."""


def test_every_command_is_tried() -> None:
    """The list has every command, so that a new one is tried here too."""
    assert {words[0] for words in WORDS} | {"sites"} == set(main.commands)
    group = main.commands["sites"]
    assert isinstance(group, click.Group)
    assert set(group.commands) == {words[0] for words in SITES_WORDS} | OF_ALL


def test_no_command_touches_or_shows_another_site(
    ours: Neighbour, theirs: Neighbour, untouched: None
) -> None:
    """No command changes the other site or shows anything of it."""
    did = []
    for words in WORDS:
        command = [word(ours) if callable(word) else word for word in words]
        code, output = run_command(ours.site, *command)
        did.append((words[0], code))
        assert code in {0, 1, 3, 4}, output
        assert theirs.site.name not in output, command
        assert not [run for run in theirs.runs.values() if len(run) > 9 and run in output], command
    assert {name for name, code in did if code == 0} >= {
        *("sync", "plan", "undo", "discard", "approve", "erase", "explain", "adoption", "tidy"),
        *("compare", "protections"),
    }, did


OF_ALL = {"stop", "resume"}
"""Commands for all sites at once; test_maintenance.py tests them."""
SITES_WORDS: list[tuple[str, ...]] = [
    ("list",),
    ("create", "isolated-c", "--admin", ADMIN),
    ("copy", "isolated-a", "isolated-d", "--admin", ADMIN),
    ("rename", "isolated-d", "Isolated District"),
    ("archive", "isolated-d"),
    ("restore", "isolated-d"),
    ("archive", "isolated-c"),
    ("plan", "{file}"),
    ("apply", "{file}"),
    ("withdraw", "isolated-a", "/srv/isolated-a"),
    ("export", "isolated-a"),
]


def test_no_command_about_sites_touches_another_site(
    ours: Neighbour, untouched: None, tmp_path: Path
) -> None:
    """No command that makes, copies, archives, plans or applies sites changes the other site."""
    file = SiteFile(tmp_path / "sites.yaml")
    file.write("isolated-a:\n  source: /srv/isolated-a\nisolated-c:\n  archived: false")
    for words in SITES_WORDS:
        code, output = sites(*(word.format(file=file.path) for word in words))
        assert code == 0, output
    assert "isolated-b" not in sites("export", "isolated-a")[1]["file"]


@pytest.mark.parametrize(
    "words",
    [("approve",), ("discard",), ("undo",), ("adoption",), ("undo", "--kind", "user")],
    ids=" ".join,
)
@pytest.mark.parametrize("of", ["held", "applied", "undone"])
def test_a_run_of_another_site_is_refused(
    ours: Neighbour, theirs: Neighbour, untouched: None, words: tuple[str, ...], of: str
) -> None:
    """A command refuses a run of another site."""
    code, output = run_command(ours.site, words[0], theirs.runs[of], *words[1:])
    assert code == 1
    assert f"of site {ours.site.name}" in output


def test_removals_of_another_site_are_refused(
    ours: Neighbour, theirs: Neighbour, untouched: None
) -> None:
    """A request for an undo or the removals of another site's run is refused."""
    from oneroster_sync.pipeline import begin
    from oneroster_sync.runs import UnknownRunError

    of_theirs = runs.find(theirs.runs["applied"])
    assert make_removals_request(of_theirs, "any") is None
    asked = request_of(ours.site, SCHOOL)
    parts: list[dict[str, Any]] = [{name: of_theirs.run_id} for name in ("undoes", "removals_of")]
    for part in parts:
        with pytest.raises(UnknownRunError):
            begin(replace(asked, package=None, undo_of=Part(), **part), now=now())


def test_no_dag_takes_the_removals_of_another_site(site: Site, ours: Neighbour) -> None:
    """A DAG refuses the removals of another site's run in its parameters."""
    from oneroster_airflow.dags import site_dags as dags
    from oneroster_airflow.dags.failures import FailedError

    site.command("preferences", "--set", "guards.removals_wait=true")
    site.sync(EVERYBODY)
    newcomer = "u99,teacher,Given,Family,u99@x.org\n"
    left = site.sync({"users.csv": staff(5)["users.csv"] + newcomer})
    assert left["removals"]["outcome"] == "held"
    dag_run = SimpleNamespace(dag_id="oneroster_upload__any", run_id="any", run_after=now())
    context = {"dag_run": dag_run}
    asked = dags.removals_left_by(left["run_id"], site.name, context)
    assert (asked.site, asked.removals_of) == (site.name, left["run_id"])
    with pytest.raises(FailedError, match=f"of site {ours.site.name} left removals"):
        dags.removals_left_by(left["run_id"], ours.site.name, context)


def test_the_history_of_a_record_is_found_in_its_site_only(
    ours: Neighbour, theirs: Neighbour
) -> None:
    """The history of a record is found only in its own site, although numbers span all sites."""
    with database.engine().connect() as connection:
        mine = history.read_record(connection, theirs.site.name, "user", int(theirs.runs["user"]))
        assert mine is not None
        assert (
            history.read_record(connection, ours.site.name, "user", int(theirs.runs["user"]))
            is None
        )
        runs = {change["run_id"] for change in mine["changes"]}
        runs |= {finding["run_id"] for finding in mine["findings"]}
        assert runs
        assert runs <= set(theirs.runs.values())


def test_notifications_and_retention_affect_one_site_only(
    ours: Neighbour, theirs: Neighbour, untouched: None
) -> None:
    """Notifications, expiry and retention of one site leave the other unchanged."""
    later = now() + dt.timedelta(days=30)
    with database.engine().connect() as connection:
        due = notifications.of_site(connection, ours.site.name, base_url="http://x", now=later)
    assert due
    for notice in due:
        assert theirs.site.name not in notice.message.text()
        notifications.send_once(notice, lambda _message: 1, now=later)
    held = ours.site.sync(EMPTY)
    approval.expire(held["run_id"], now=later)
    swept = retention.delete_expired(ours.site.name, now=later + dt.timedelta(days=3650))
    assert swept.findings + swept.changes > 0
    sweep(ours.site.name, now=later)


@pytest.mark.parametrize(
    "name", ["../isolated-b", "isolated-b/", "./isolated-b", "ISOLATED-B", "isolated-\u044c", "*"]
)
def test_no_path_leads_to_another_site(
    ours: Neighbour, theirs: Neighbour, untouched: None, name: str
) -> None:
    """No invalid site name gives access to another site's folder."""
    for ask in (
        lambda: RunFolder.of(name, theirs.runs["applied"]),
        lambda: retention.delete_expired(name, now=now() + dt.timedelta(days=3650)),
        lambda: sweep(name, now=now() + dt.timedelta(days=3650)),
        lambda: forget(name, str(settings.storage())),
    ):
        with pytest.raises(SiteNameError):
            ask()


def twins() -> tuple[str, str]:
    """Return two names that have the same 32-bit hash."""
    query = """
    select min(name), max(name) from (select 'twin-' || n as name from generate_series(1, 300000) n)
    group by hashtext(name) having count(*) > 1 limit 1
    """
    with database.engine().connect() as connection:
        first, second = connection.execute(sa.text(query)).one()
    return first, second


@pytest.mark.parametrize("alike", [False, True], ids=["any names", "names of one short hash"])
def test_no_lock_of_one_site_is_in_the_way_of_another(alike: bool) -> None:  # noqa: FBT001
    """One site can work while another holds its lock and its rows, even if names share a hash."""
    here, there = twins() if alike else ("lock-a", "lock-b")
    done = threading.Event()

    def work() -> None:
        with (
            locks.hold_site_turn(database.engine(), there, wait_s=0),
            database.engine().begin() as connection,
        ):
            connection.execute(sa.text("set local lock_timeout = '10s'"))
            preferences_store.make_site(connection, there, ADMIN, now=now())
            database.lock_site(connection, there)
        done.set()

    with locks.hold_site_turn(database.engine(), here), database.engine().begin() as connection:
        preferences_store.make_site(connection, here, ADMIN, now=now())
        database.lock_site(connection, here)
        worker = threading.Thread(target=work)
        worker.start()
        worker.join(60)
        assert done.is_set()


def test_a_sync_goes_through_while_another_site_is_locked(
    ours: Neighbour, theirs: Neighbour, tmp_path: Path
) -> None:
    """A sync runs through all stages while the other site's turn, lock and row are held."""
    with (
        locks.hold_site_turn(database.engine(), theirs.site.name),
        database.engine().begin() as connection,
    ):
        database.lock_site(connection, theirs.site.name)
        connection.execute(
            sa.text("select 1 from sites where site = :site for update"),
            {"site": theirs.site.name},
        )
        request: Request = request_of(ours.site, NEXT_DAY)
        assert pipeline.sync(request, clock=now).outcome is not None
