"""The embedded PostgreSQL starts in any home, survives kills and reboots, and stops."""

from __future__ import annotations

import asyncio
import os
import pwd
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString
from urllib.parse import parse_qs, urlsplit

import asyncpg  # type: ignore[import-untyped]
import psutil
import psycopg
import psycopg2  # type: ignore[import-untyped]
import pytest
import sqlalchemy

from oneroster_sync.database.embedded import LocalError, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Yield an empty home, and leave no server in it."""
    yield tmp_path
    postgres.stop(tmp_path)


def query(home: Path, statement: LiteralString, database: str = "roster") -> object:
    """Return the first value of a statement's result."""
    with psycopg.connect(postgres.url(home, database)) as server:
        row = server.execute(statement).fetchone()
    return row and row[0]


def server_pid(home: Path) -> int:
    """Return the pid of the home's running server."""
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def socket_path(home: Path) -> Path:
    """Return the path of the socket in the URL."""
    host = parse_qs(urlsplit(postgres.url(home, "roster")).query)["host"][0]
    return Path(host) / ".s.PGSQL.5432"


def kill_server(home: Path) -> None:
    """Kill the server as a power failure would, and wait until it has ended."""
    server = psutil.Process(server_pid(home))
    server.kill()
    psutil.wait_procs([server], timeout=10)


def start_elsewhere(home: Path) -> subprocess.Popen[str]:
    """Start the server from another process, which prints whether it started it."""
    script = (
        f"from pathlib import Path; from oneroster_sync.database.embedded import postgres; "
        f"print(postgres.start(Path({str(home)!r})))"
    )
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


def test_it_starts_once_makes_both_databases_and_stops(home: Path) -> None:
    """A second start changes nothing, and a second stop reports that no server ran."""
    assert not postgres.is_running(home)
    assert postgres.start(home)
    assert not postgres.start(home)
    assert postgres.is_running(home)
    for database in postgres.DATABASES:
        assert query(home, "select current_database()", database) == database
    assert postgres.stop(home)
    assert not postgres.stop(home)
    assert not postgres.is_running(home)


def test_what_was_written_is_there_after_a_restart(home: Path) -> None:
    """A stop ends open sessions and loses no committed row."""
    postgres.start(home)
    with psycopg.connect(postgres.url(home, "roster"), autocommit=True) as idle:
        idle.execute("create table kept as select 1 as id")
        postgres.stop(home)
    postgres.start(home)
    assert query(home, "select id from kept") == 1


def test_the_settings_do_not_depend_on_the_machine(home: Path) -> None:
    """Encoding, order of strings, time zone and durability are the same on every machine."""
    postgres.start(home)
    assert query(home, "select 'a' < 'B'") is False
    assert query(home, "select upper('é')") == "É"
    for name, value in {
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "max_connections": "200",
    }.items():
        assert query(home, f"show {name}") == value


@pytest.mark.case("c19")
def test_only_the_owner_of_the_home_may_connect(home: Path) -> None:
    """Data and socket are closed to other accounts, and no port is open."""
    postgres.start(home)
    for folder in (home / "postgres" / "data", socket_path(home).parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    server = psutil.Process(server_pid(home))
    assert [c for c in server.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_account_is_refused_even_through_an_open_folder() -> None:
    """The server itself checks the account; the mode of the folder is not the only guard."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o711)
        postgres.start(home)
        try:
            socket_path(home).parent.chmod(0o711)
            socket_path(home).chmod(0o777)
            assert "authentication failed" in connect_as_nobody(postgres.url(home, "roster"))
        finally:
            postgres.stop(home)


def connect_as_nobody(url: str) -> str:
    """Return the server's answer to the account `nobody`."""
    out, answer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setuid(pwd.getpwnam("nobody").pw_uid)
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            os.write(answer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(answer)
    with os.fdopen(out) as reader:
        return reader.read()


def test_every_driver_takes_the_url(home: Path) -> None:
    """psycopg2, asyncpg and SQLAlchemy connect with the same URL as psycopg."""
    postgres.start(home)
    url = postgres.url(home, "roster")
    psycopg2.connect(url).close()

    async def connect() -> None:
        await (await asyncpg.connect(url)).close()

    asyncio.run(connect())
    for driver in ("psycopg", "psycopg2"):
        engine = sqlalchemy.create_engine(url.replace("postgresql", f"postgresql+{driver}"))
        with engine.connect() as server:
            assert server.scalar(sqlalchemy.text("select current_database()")) == "roster"
        engine.dispose()


def test_two_processes_that_start_at_once_share_one_server(home: Path) -> None:
    """Exactly one of two processes starts the server, which outlives both."""
    starters = [start_elsewhere(home) for _ in range(2)]
    answers = sorted(starter.communicate(timeout=100)[0].strip() for starter in starters)
    assert answers == ["False", "True"]
    assert query(home, "select 1") == 1


def test_it_starts_again_after_the_server_was_killed(home: Path) -> None:
    """The server starts although a killed server left its pid file and its socket."""
    postgres.start(home)
    kill_server(home)
    assert not postgres.is_running(home)
    assert postgres.start(home)
    assert query(home, "select 1") == 1


def test_a_busy_session_of_a_killed_server_is_ended_first(home: Path) -> None:
    """A start first ends a session of a killed server that still computes and locks the data."""
    postgres.start(home)
    busy = psycopg.connect(postgres.url(home, "roster"))
    query_process = psutil.Process(busy.info.backend_pid)
    busy.pgconn.send_query(b"select count(*) from generate_series(1, 100000000000)")
    kill_server(home)
    assert postgres.start(home)
    assert not query_process.is_running() or query_process.status() == psutil.STATUS_ZOMBIE
    busy.close()


def test_a_pid_file_that_names_another_process_is_seen_through(home: Path) -> None:
    """The server starts although its old pid belongs to another process, as after a reboot."""
    postgres.start(home)
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    kill_server(home)
    pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
    assert not postgres.is_running(home)
    assert postgres.start(home)
    assert query(home, "select 1") == 1


@pytest.mark.parametrize("name", ["deep/" * 40, "with space and ünïcode/it's"])
def test_any_path_will_do(tmp_path: Path, name: str) -> None:
    """If a path is unfit for a socket, the socket is in another folder, just as private."""
    home = tmp_path / name
    try:
        assert postgres.start(home)
        assert query(home, "select 1") == 1
        assert home not in socket_path(home).parents
        assert stat.S_IMODE(socket_path(home).parent.stat().st_mode) == 0o700
        postgres.stop(home)
        assert not socket_path(home).parent.exists()
    finally:
        postgres.stop(home)


def test_a_path_that_pg_ctl_would_misread_is_refused(tmp_path: Path) -> None:
    """A path that a shell would interpret is refused."""
    with pytest.raises(LocalError, match="Rename the folder"):
        postgres.start(tmp_path / "$(touch x)")


def test_a_broken_data_folder_is_one_sentence(home: Path) -> None:
    """The error names PostgreSQL's own reason and the path of the log."""
    postgres.start(home)
    postgres.stop(home)
    (home / "postgres" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(LocalError, match=r"did not start: .*pg_control.*server\.log"):
        postgres.start(home)


def test_a_half_made_data_folder_is_made_again(home: Path) -> None:
    """A start after an interrupted first start succeeds."""
    (home / "postgres" / "data.new" / "base").mkdir(parents=True)
    assert postgres.start(home)


def test_settings_of_ones_own_are_kept(home: Path) -> None:
    """local.conf overrides the settings that every start writes."""
    (home / "postgres").mkdir()
    (home / "postgres" / "local.conf").write_text("work_mem = '33MB'\n")
    postgres.start(home)
    assert query(home, "show work_mem") == "33MB"


@pytest.mark.case("c15")
def test_the_log_never_shows_a_value(home: Path) -> None:
    """The log of a violated constraint does not show the row."""
    postgres.start(home)
    with psycopg.connect(postgres.url(home, "roster"), autocommit=True) as server:
        server.execute("create table people (email text unique)")
        for _ in range(2):
            try:
                server.execute("insert into people values ('ada@example.org')")
            except psycopg.errors.UniqueViolation:
                refused = True
    assert refused
    log = postgres.log_file(home).read_text()
    assert "people_email_key" in log
    assert "ada@" not in log
