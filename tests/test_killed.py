"""A run that is killed leaves the database as before or as after, never between.

The victims are real processes of the command line that get SIGKILL. They are forks of a process
that has loaded the program. A lock of the test makes them wait at a known place, so that no result
depends on timing.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from faults import PROCESSES, be_command_line
from oneroster_sync import database, pipeline
from roster_of import NEXT_DAY, SCHOOL, now, request_of, reviewed
from servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site


TABLES = "users courses course_assignments orgs roles classes enrollments changes sites"
WAIT_S = 60


class Victim:
    """A process of the command line that will be killed."""

    def __init__(self, site: Site, *words: object, stop_at: str | None = None) -> None:
        ours, theirs = PROCESSES.Pipe(duplex=False)
        environment = {**os.environ, "ONEROSTER_DATABASE_URL": database.url()}
        arguments = [*map(str, words), "--site", site.name]
        self.process = PROCESSES.Process(
            target=be_command_line, args=(arguments, environment, theirs, stop_at)
        )
        self.process.start()
        theirs.close()
        self._story = os.fdopen(os.dup(ours.fileno()), encoding="utf-8")
        ours.close()
        self.log = ""

    def wait_for(self, words: str) -> None:
        """Read the log until a line has these words."""
        for line in self._story:
            self.log += line
            if words in line:
                return
        raise AssertionError(f"no line has {words!r}:\n{self.log}")

    def end(self) -> int | None:
        """Wait for the process to end, and return its exit code."""
        with self._story:
            self._story.read()
        self.process.join(WAIT_S)
        return self.process.exitcode

    def kill(self, by: signal.Signals = signal.SIGKILL) -> str:
        """End the process with a signal, and return the id of its run."""
        assert self.process.pid is not None
        os.kill(self.process.pid, by)
        assert self.end() == -by
        found = re.search(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", self.log)
        return found.group() if found else ""


@contextlib.contextmanager
def holding(site: Site, query: str = "") -> Iterator[sa.Connection]:
    """Hold the locks of a query; without a query, the lock with which every apply starts."""
    with database.engine().connect() as connection, connection.begin():
        if query:
            connection.execute(sa.text(query), {"site": site.name})
        else:
            database.lock_site(connection, site.name)
        yield connection


def wait_until_blocked(connection: sa.Connection) -> int:
    """Wait until a process waits for a lock of this connection, and return its pid."""
    query = (
        "select pid from pg_locks "
        "where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    )
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        found = connection.scalar(sa.text(query))
        if found is not None:
            return int(found)
        time.sleep(0.02)
    raise AssertionError("no process waits for the lock")


def everything(site: Site) -> list[list[tuple[Any, ...]]]:
    """Return all rows of the site's roster and audit."""
    return [
        site.rows(f"select t.* from {table} t where site = :site order by t::text")  # noqa: S608
        for table in TABLES.split()
    ]


def outcome(site: Site, run_id: str) -> tuple[str | None, list[str]]:
    """Return the outcome of a run and its reasons."""
    query = "select outcome, reasons from runs where site = :site and run_id::text = :run_id"
    ((found, reasons),) = site.rows(query, run_id=run_id)
    return found, reasons


@pytest.fixture
def school(site: Site) -> Site:
    """Return a site that has synced the school."""
    assert site.sync(SCHOOL)["outcome"] == "succeeded"
    return site


def assert_next_day(site: Site) -> None:
    """Check that a site has the roster of the next day, and that a sync changes nothing."""
    assert site.users() == {"ann": "active", "bob": "inactive", "cec": "active", "dan": "active"}
    assert site.assignments() == {
        ("ann", "maths"): "active",
        ("ann", "art"): "active",
        ("bob", "art"): "removed",
    }
    assert site.sync(NEXT_DAY)["outcome"] == "no_changes"


@pytest.mark.case("b01", "b02", "b03", "b04", "b14")
def test_killed_before_apply(school: Site) -> None:
    """A run that is killed before apply changes nothing, and the next run says so.

    The next run sets its outcome to failed with a reason, and applies the changes.
    """
    before, killed = everything(school), []
    for words in (
        "asked for by",
        "users.csv (bulk): 3 rows",
        "users.csv: 3 rows are used",
        "The plan's hash is",
    ):
        with holding(school):
            victim = Victim(school, "sync", school.package(NEXT_DAY))
            victim.wait_for(words)
            killed.append(victim.kill())
        assert everything(school) == before, words
        assert outcome(school, killed[-1])[0] is None, words
        for earlier in killed[:-1]:
            assert outcome(school, earlier)[0] == "failed", words
    assert len(set(killed)) == 4

    run = school.sync(NEXT_DAY)

    assert run["outcome"] == "succeeded"
    assert outcome(school, killed[-1]) == (
        "failed",
        ["the run was interrupted; nothing was applied"],
    )
    assert_next_day(school)


MOMENTS_OF_APPLY = {
    "at its first statement": "",
    "between added and changed users": (
        "select 1 from users where site = :site and sourced_id = 'cec' for update"
    ),
    "between users and courses": (
        "select 1 from courses where site = :site and sourced_id = 'maths' for update"
    ),
    "after everything, before its version": (
        "select 1 from sites where site = :site for no key update"
    ),
}


@pytest.mark.case("b05")
def test_killed_inside_apply(school: Site) -> None:
    """A run that is killed in its transaction changes nothing, whatever it was doing.

    A second start under the same run id applies everything once.
    """
    before = everything(school)
    for moment, lock in MOMENTS_OF_APPLY.items():
        with holding(school, lock) as connection:
            victim = Victim(school, "sync", school.package(NEXT_DAY))
            wait_until_blocked(connection)
            victim.wait_for("within the site's limits")
            run_id = victim.kill()
        assert everything(school) == before, moment
        assert outcome(school, run_id)[0] is None, moment

    again = pipeline.sync(request_of(school, NEXT_DAY, run_id), clock=now)

    assert (again.run_id, again.outcome) == (run_id, "succeeded")
    versions = "select roster_version from sites where site = :site"
    assert school.rows(versions) == [(2,)]
    assert_next_day(school)


@pytest.mark.case("b38")
def test_terminated_inside_apply(school: Site) -> None:
    """A run that gets SIGTERM during apply is rolled back, and the next run applies it all."""
    before = everything(school)
    with holding(school, MOMENTS_OF_APPLY["after everything, before its version"]) as connection:
        victim = Victim(school, "sync", school.package(NEXT_DAY))
        wait_until_blocked(connection)
        victim.wait_for("within the site's limits")
        run_id = victim.kill(signal.SIGTERM)
    assert everything(school) == before

    assert school.sync(NEXT_DAY)["outcome"] == "succeeded"

    assert outcome(school, run_id)[0] == "failed"
    assert_next_day(school)


@pytest.mark.case("b07")
def test_killed_after_commit(school: Site) -> None:
    """A run that is killed after its commit is applied, and a second try changes nothing."""
    victim = Victim(school, "sync", school.package(NEXT_DAY), stop_at="The run ended")
    victim.wait_for("The run ended")
    run_id = victim.kill()
    after = everything(school)
    assert outcome(school, run_id)[0] == "succeeded"

    again = pipeline.sync(request_of(school, NEXT_DAY, run_id), clock=now)

    assert (again.run_id, again.outcome) == (run_id, "succeeded")
    assert again.counts is not None
    assert again.counts["users"]["added"] == 1
    assert everything(school) == after
    assert_next_day(school)


@pytest.mark.case("b06")
def test_applied_but_not_recorded(school: Site) -> None:
    """A run that dies between commit and record has its outcome already."""
    run = pipeline.apply(reviewed(school, NEXT_DAY), now=now())
    after = everything(school)
    assert outcome(school, run.run_id)[0] == "succeeded"
    again = pipeline.sync(request_of(school, NEXT_DAY, run.run_id), clock=now)
    assert (again.outcome, again.applied_at) == ("succeeded", run.applied_at)
    assert everything(school) == after


@pytest.mark.case("b13")
def test_second_run_waits_for_the_first(school: Site) -> None:
    """Two runs of a site never mix: the second one starts from the result of the first."""
    with holding(school) as connection:
        first = Victim(school, "sync", school.package(NEXT_DAY))
        wait_until_blocked(connection)
        second = Victim(school, "sync", school.package(NEXT_DAY))
        second.wait_for("Another run of site")
    assert (first.end(), second.end()) == (0, 0)
    query = "select outcome from runs where site = :site order by started_at"
    assert school.rows(query) == [("succeeded",), ("succeeded",), ("no_changes",)]


@pytest.mark.case("b14")
def test_turn_ends_with_its_holder(school: Site) -> None:
    """A waiting run starts as soon as the running one is killed, and marks that one as failed."""
    with holding(school) as connection:
        first = Victim(school, "sync", school.package(NEXT_DAY))
        wait_until_blocked(connection)
        second = Victim(school, "sync", school.package(NEXT_DAY))
        second.wait_for("Another run of site")
        first.wait_for("within the site's limits")
        run_id = first.kill()
        second.wait_for("asked for by")
        assert outcome(school, run_id)[0] == "failed"
    assert second.end() == 0
    assert_next_day(school)


@pytest.mark.case("b39")
def test_the_server_ends_the_apply_of_a_dead_process(school: Site) -> None:
    """The server ends a killed apply within seconds, even while it waits for a lock."""
    lock = MOMENTS_OF_APPLY["after everything, before its version"]
    with holding(school, lock) as connection:
        victim = Victim(school, "sync", school.package(NEXT_DAY))
        pid = wait_until_blocked(connection)
        victim.wait_for("within the site's limits")
        victim.kill()
        query = "select pid from pg_stat_activity where pid = :pid"
        until(lambda: school.rows(query, pid=pid) == [])
    assert school.sync(NEXT_DAY)["outcome"] == "succeeded"
    assert_next_day(school)


def test_killed_approval_can_be_repeated(site: Site) -> None:
    """An approval that is killed during apply changes nothing, and a repeated one applies."""
    header = SCHOOL["users.csv"].splitlines()[0]
    rows = [f"u{n},true,aide,u{n},Given,Family,u{n}@x.org" for n in range(10)]
    site.sync({"users.csv": "\n".join([header, *rows]) + "\n"})
    held = site.sync({"users.csv": "\n".join([header, *rows[:4]]) + "\n"})
    assert held["outcome"] == "held"
    before = everything(site)
    lock = "select 1 from sites where site = :site for no key update"
    with holding(site, lock) as connection:
        victim = Victim(site, "approve", held["run_id"])
        wait_until_blocked(connection)
        victim.kill()
    assert everything(site) == before
    assert outcome(site, held["run_id"])[0] == "held"

    code, run = site.command("approve", held["run_id"])

    assert (code, run["outcome"]) == (0, "succeeded")
    assert list(site.users().values()).count("inactive") == 6
    approvals = "select count(*) from events where site = :site and event = 'plan_approved'"
    assert site.rows(approvals) == [(1,)]


@pytest.mark.case("b08")
def test_database_that_goes_away_in_apply(school: Site) -> None:
    """If the server ends the connection during apply, nothing changes and the run fails."""
    before, caught = everything(school), []
    request = request_of(school, NEXT_DAY)

    def run() -> None:
        try:
            pipeline.sync(request, clock=now)
        except sa.exc.OperationalError as error:
            caught.append(error)

    lock = "select 1 from sites where site = :site for no key update"
    with holding(school, lock) as connection:
        thread = threading.Thread(target=run)
        thread.start()
        pid = wait_until_blocked(connection)
        connection.execute(sa.text("select pg_terminate_backend(:pid)"), {"pid": pid})
        thread.join(WAIT_S)
    assert len(caught) == 1
    assert everything(school) == before
    ended, reasons = outcome(school, request.run_id)
    assert ended == "failed"
    assert "nothing was changed" in reasons

    again = pipeline.sync(request, clock=now)

    assert again.outcome == "succeeded"
    assert_next_day(school)
