"""Two API servers, one of them with two workers: every server gives the same answer.

Processes keep no state, so that a decision, a saved preference or an upload at one server counts at
all of them at once. The same Airflow shows that no request waits for a large apply, and that a
million findings are downloaded without collecting them in memory.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import psycopg
import pytest
from benchmarks.districts import first_day
from benchmarks.districts.csv_package import write

from conftest import csv_text
from golden.school import zip_of
from live import Person, command_of, running, wait_for
from oneroster_sync.database.embedded import postgres
from oneroster_sync.local import airflow
from test_api_uploads import Watch, memory_of, server_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Live

pytestmark = pytest.mark.long
ADMINS = ("admin", "second")
HEADER = "sourcedId,role,givenName,familyName,email"
USERS, ENROLLMENTS, SEED, YEAR = 20_000, 100_000, 7, 2026
FINDINGS = 1_000_000
MIB = 1 << 20
_SITE = "sites/default"
_HELD_OPEN = "select 1 from sites where site = 'default' for no key update"
_BLOCKED = """
select count(*) from pg_stat_activity where %s = any(pg_blocking_pids(pid))
"""
_FINDINGS = """
insert into findings (run_id, seq, code, severity, file, row, rows, "column", sourced_id, expected)
select cast(%s as uuid), 1000 + n, 'row.invalid_email', 'error', 'users.csv', 1 + n, 1, 'email',
       md5(n::text)::uuid::text, 'an e-mail address'
from generate_series(1, %s) n
"""


@dataclass
class Pair:
    """An Airflow with two API servers.

    Attributes:
        live: The Airflow; its server has two workers.
        other: The address of the other server.
        process: The other server.
    """

    live: Live
    other: str
    process: psutil.Process

    def at(self, origin: str, name: str = "admin") -> Person:
        """Return a person at a server with a token of the first, on a connection of its own.

        The workers of the first server share its port: either may answer a new connection.
        """
        return Person(origin, self.live.person(name).token)

    def servers(self) -> tuple[Person, Person]:
        """Return the administrator at both servers."""
        return self.at(self.live.origin), self.at(self.other)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """An Airflow of its own with two administrators and a second API server."""
    passwords = tmp_path_factory.mktemp("logins") / "passwords.json"
    passwords.write_text(json.dumps({name: name for name in ADMINS}))
    settings = {
        "AIRFLOW__API__WORKERS": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{a}:admin" for a in ADMINS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
    }
    with running(settings=settings) as live:
        port = airflow.free_port()
        command = [sys.executable, "-m", "airflow", "api-server", "--port", str(port)]
        log = live.home / "second-server.log"
        with log.open("wb") as log_file:
            started = subprocess.Popen(
                command,
                env={**live.environment, "AIRFLOW__API__WORKERS": "1"},
                stdout=log_file,
                stderr=log_file,
            )
        process, other = psutil.Process(started.pid), airflow.origin(port)
        try:
            wait_for(lambda: _answers(other))
            yield Pair(live, other, process)
        finally:
            for one in (*process.children(recursive=True), process):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            started.wait()


def _answers(origin: str) -> bool | None:
    with contextlib.suppress(httpx.TransportError):
        return (
            httpx.get(f"{origin}/oneroster/api/v1/me", trust_env=False).status_code == 401 or None
        )
    return None


def staff(count: int) -> bytes:
    """Return a users.csv of numbered teachers."""
    rows = (f"u{n},teacher,Given{n},Family,u{n}@x.org" for n in range(count))
    return csv_text(HEADER, *rows).encode()


def both(*calls: Any) -> list[Any]:
    """Make calls at the same moment, and return their results."""
    ready, found = threading.Barrier(len(calls)), [None] * len(calls)

    def make(number: int, call: Any) -> None:
        ready.wait()
        found[number] = call()

    threads = [threading.Thread(target=make, args=one) for one in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.case("b33")
def test_two_workers_answer(pair: Pair) -> None:
    """The first server has two workers, and a token of one server is valid at each of them."""
    server = min(server_of(pair.live), key=lambda process: process.create_time())
    workers = [c for c in server.children() if "resource_tracker" not in " ".join(command_of(c))]
    assert len(workers) == 2
    for _ in range(6):
        for who in pair.servers():
            assert who.get("me")["name"] == "admin"
    assert Person(pair.other, "no token").send("GET", "me").status_code == 401


@pytest.mark.case("b33", "b27")
def test_preferences_saved_at_one_count_at_the_other(pair: Pair) -> None:
    """After a save an older version is refused at every server, with the current settings."""
    for number, (first, second) in enumerate(
        itertools.chain([pair.servers()] * 3, [pair.servers()[::-1]] * 3), start=1
    ):
        shown, same = first.get(f"{_SITE}/preferences"), second.get(f"{_SITE}/preferences")
        assert shown == same
        body = {**shown, "settings": {**shown["settings"], "time_utc": f"0{number}:30"}}
        sent = {name: body[name] for name in ("version", "settings")}
        saved = first.put(f"{_SITE}/preferences", sent)
        assert saved["version"] == shown["version"] + 1

        late = second.put(f"{_SITE}/preferences", sent, expect=409)
        assert late["current"]["version"] == saved["version"]
        assert second.get(f"{_SITE}/preferences")["settings"]["time_utc"][:5] == f"0{number}:30"


@pytest.mark.case("b33", "b27")
def test_of_two_saves_at_two_servers_one_is_refused(pair: Pair) -> None:
    """Of two saves at the same moment one succeeds, and the other is refused."""
    first, second = pair.servers()
    for hour in range(5):
        shown = first.get(f"{_SITE}/preferences")

        def save(who: Person, minute: int, shown: Any = shown, hour: int = hour) -> httpx.Response:
            settings = {**shown["settings"], "time_utc": f"1{hour}:{minute}"}
            body = {"version": shown["version"], "settings": settings}
            return who.send("PUT", f"{_SITE}/preferences", json=body)

        answers = both(lambda s=save: s(first, 10), lambda s=save: s(second, 20))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert first.get(f"{_SITE}/preferences")["version"] == shown["version"] + 1


@pytest.fixture(scope="module")
def held(pair: Pair) -> dict[str, Any]:
    """A held run: each package goes to another server, the second without six of ten users."""
    first, second = pair.servers()
    started = first.upload(staff(10), "users")
    assert pair.live.follow(started)["outcome"] == "succeeded"
    assert second.get(f"runs/{started['run_id']}")["outcome"] == "succeeded"
    started = second.upload(staff(4), "users")
    run = pair.live.follow(started)
    assert run["outcome"] == "held"
    return run


def steady(answer: Any) -> Any:
    """Return an answer without the times that runs have worked and waited until now."""
    if isinstance(answer, list):
        return [steady(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    moving = {"work_s", "waited_s"}
    return {name: steady(value) for name, value in answer.items() if name not in moving}


@pytest.mark.case("b33")
def test_held_plan_is_the_same_at_each_server(pair: Pair, held: dict[str, Any]) -> None:
    """Both servers return the same pages of a held plan, also in turns."""
    run = f"runs/{held['run_id']}"
    for path in (run, f"{run}/changes", f"{run}/findings", f"{run}/causes", "sites/default/runs"):
        answers = [steady(who.get(path)) for _ in range(3) for who in pair.servers()]
        assert all(answer == answers[0] for answer in answers), path
    assert len(pair.servers()[1].get(f"{run}/changes")["changes"]) == 6


@pytest.mark.case("b33", "b16")
def test_plan_approved_at_two_servers_is_applied_once(pair: Pair, held: dict[str, Any]) -> None:
    """Of two decisions at the same moment one wins; the other is refused, and all show the winner.

    Each person clicks twice, which counts once.
    """
    body = {"plan_hash": held["plan_hash"], "reason": "at once"}
    where = f"runs/{held['run_id']}/approve"
    origins = dict(zip(ADMINS, (pair.live.origin, pair.other), strict=True))
    people = [(name, pair.at(origin, name)) for name, origin in origins.items()] * 2
    calls = [lambda who=who: who.send("POST", where, json=body) for _, who in people]

    answers = [(name, answer) for (name, _), answer in zip(people, both(*calls), strict=True)]

    won = {name for name, answer in answers if answer.is_success}
    assert len(won) == 1
    (winner,) = won
    for name, answer in answers:
        assert answer.status_code == 409 or name == winner
        assert answer.is_success or winner in answer.json()["detail"]
    assert pair.live.decided(held["run_id"])["outcome"] == "succeeded"
    for who in pair.servers():
        shown = who.get(f"runs/{held['run_id']}")
        assert (shown["outcome"], shown["counts"]["users"]["deactivated"]) == ("succeeded", 6)
    changes = "select count(*) from changes where run_id = cast(%s as uuid)"
    assert pair.live.rows(changes, held["run_id"]) == [(6,)]
    decided = "select event, actor from events where details ->> 'run_id' = %s"
    assert pair.live.rows(decided, held["run_id"]) == [("plan_approved", winner)]


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A district with all kinds of staff."""
    folder = tmp_path_factory.mktemp("district")
    write(folder / "day", first_day(USERS, ENROLLMENTS, seed=SEED), None, YEAR)
    texts = {path.name: path.read_bytes() for path in (folder / "day").iterdir()}
    return zip_of(texts, folder / "OneRoster.zip").read_bytes()


def questions(pair: Pair, run_id: str) -> dict[str, str]:
    """Return the pages' requests about a site and an earlier run, by name."""
    run = f"runs/{run_id}"
    user = pair.live.rows("select id from users where sourced_id = 'u1'")[0][0]
    return {
        "run": run,
        **{part: f"{run}/{part}" for part in ("changes", "findings", "causes", "undo", "report")},
        "preferences": f"{_SITE}/preferences",
        "saves": f"{_SITE}/preferences/saves",
        "accounts": f"{_SITE}/accounts",
        "limits": f"{_SITE}/uploads/limits",
        "records": f"{_SITE}/records?q=x.org",
        "why": f"{_SITE}/records/user/{user}",
        "sites": "sites",
        "me": "me",
    }


@pytest.mark.case("d02")
def test_no_request_waits_for_a_large_apply(
    pair: Pair, held: dict[str, Any], district: bytes
) -> None:
    """Until a large apply commits, every route returns the state before it, without a wait.

    Saving preferences, uploads and downloads don't wait either. Afterwards all return the new
    state.
    """
    live, asked = pair.live, questions(pair, held["run_id"])
    # This test is not about the threshold of additions.
    live.oneroster("preferences", "--set", "guards.added_users.minimum=1000000")
    before = {name: pair.at(pair.other).get(path) for name, path in asked.items()}
    users = live.rows("select count(*) from users")[0][0]
    with psycopg.connect(postgres.url(live.home, "roster")) as holder:
        holder.execute(_HELD_OPEN)
        started = live.admin.upload(district)
        pid = holder.info.backend_pid
        wait_for(lambda: _waits_for(live, pid), within_s=250)

        during = {name: pair.at(pair.other).get(path) for name, path in asked.items()}
        fresh = live.admin.get(f"{_SITE}/freshness")
        shown = live.admin.get(f"runs/{started['run_id']}")
        planned = live.admin.get(f"runs/{started['run_id']}/changes?limit=50")
        listed = live.admin.get(f"{_SITE}/runs")["runs"][0]
        csv = live.admin.send("GET", f"runs/{started['run_id']}/findings.csv")
        sent = {name: before["preferences"][name] for name in ("version", "settings")}
        sent["settings"] = {**sent["settings"], "time_utc": "23:45"}
        saved = live.admin.put(f"{_SITE}/preferences", sent)
        queued = live.admin.upload(b"PK\x03\x04 is no package")
        assert _waits_for(live, pid)
        assert live.rows("select count(*) from users")[0][0] == users

    for answers in (before, during):
        (listed_site,) = answers["sites"]["sites"]
        for newer in ("last_run", "health"):  # the list of sites already shows the new run
            listed_site.pop(newer)
    assert during == before
    assert (shown["run_id"], shown["outcome"]) == (listed["run_id"], None)
    assert fresh["run_id"] == started["run_id"]
    assert len(planned["changes"]) == 50
    assert csv.is_success
    assert saved["version"] == before["preferences"]["version"] + 1
    run = live.follow(started)
    assert run["outcome"] == "succeeded"
    assert run["counts"]["users"]["added"] > 1000
    assert live.follow(queued)["outcome"] == "rejected"
    added = live.rows("select count(*) from users")[0][0] - users
    assert added == run["counts"]["users"]["added"]
    for who in pair.servers():
        assert who.get(f"runs/{started['run_id']}")["outcome"] == "succeeded"


def _waits_for(live: Live, pid: int) -> bool | None:
    """Return whether apply waits for the test's lock, with all changes made except the version."""
    return live.rows(_BLOCKED, pid)[0][0] > 0 or None


@pytest.mark.case("d03", "b32")
def test_a_million_findings_are_downloaded_in_constant_memory(
    pair: Pair, held: dict[str, Any]
) -> None:
    """All findings come in order, while the API server uses less than 64 MiB more than before."""
    with psycopg.connect(postgres.url(pair.live.home, "roster")) as connection:
        connection.execute(_FINDINGS, (held["run_id"], FINDINGS))
    who = pair.at(pair.other)
    path = f"/oneroster/api/v1/runs/{held['run_id']}/findings.csv"
    with who.http.stream("GET", path) as answer:
        next(answer.iter_bytes())  # the first download loads what is loaded only once
    watched = [pair.process, *pair.process.children(recursive=True)]
    before, watch = memory_of(watched), Watch(watched)

    watch.start()
    lines, tail = 0, b""
    with who.http.stream("GET", path) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_bytes():
            lines += piece.count(b"\n")
            tail = (tail + piece)[-1000:]
    most = watch.stop()

    others = len(who.get(f"runs/{held['run_id']}/findings?limit=50")["findings"])
    assert lines >= FINDINGS + 1
    assert others == 50
    assert f",{FINDINGS + 1},".encode() in tail.splitlines()[-1]
    assert most - before < 64 * MIB
