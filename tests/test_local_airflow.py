"""The embedded Airflow runs with the settings it needs, heals itself, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from oneroster_sync.local import LocalError, airflow, postgres, runner, watch
from oneroster_sync.local.environment import environment, folder, without_own_databases
from oneroster_sync.local.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import psutil

CONN = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


@pytest.mark.case("c16")
def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    """Two processes of one home use the same secrets, and nobody else can read them."""
    first, second = environment(tmp_path, 8080, {}), environment(tmp_path, 8080, {})
    assert first == second
    assert stat.S_IMODE(folder(tmp_path).stat().st_mode) == 0o700
    for path in folder(tmp_path).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = environment(tmp_path / "other", 8080, {})
    for name in ("CORE__FERNET_KEY", "API__SECRET_KEY", "API_AUTH__JWT_SECRET"):
        assert first[f"AIRFLOW__{name}"] != other[f"AIRFLOW__{name}"]


def test_what_the_user_sets_wins(tmp_path: Path) -> None:
    """An own metadata database replaces both of our URLs, not one of the two."""
    own = environment(tmp_path, 8080, {CONN: "postgresql://db/airflow"})
    assert own[CONN] == "postgresql://db/airflow"
    assert f"{CONN}_ASYNC" not in own
    ours = environment(tmp_path, 8080, {})
    assert ours[CONN].startswith("postgresql+psycopg2://")
    assert ours[f"{CONN}_ASYNC"].startswith("postgresql+asyncpg://")


def test_a_proxy_is_not_asked_for_this_machine(tmp_path: Path) -> None:
    """Hosts that the user excluded stay excluded, and SOCKS proxies are left out."""
    base = {"HTTP_PROXY": "http://p:1", "ALL_PROXY": "socks5://p:1", "NO_PROXY": "sis.example.org"}
    values = environment(tmp_path, 8080, base)
    assert values["HTTP_PROXY"] == "http://p:1"
    assert "ALL_PROXY" not in values
    assert values["no_proxy"] == values["NO_PROXY"] == "sis.example.org,127.0.0.1,localhost,::1"


def test_the_demonstration_never_sees_a_database_of_the_user() -> None:
    """What points to other databases is left out of its environment."""
    base = {CONN: "x", "ONEROSTER_DATABASE_URL": "x", "ONEROSTER_HOME": "x", "LANG": "C"}
    assert without_own_databases(base) == {"LANG": "C"}


def test_a_busy_port_is_told_with_the_variable_to_change(tmp_path: Path) -> None:
    """Nothing is started then."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(LocalError, match=f"Port {port} is not free.*PORT={port + 1} make up"):
            airflow.up(tmp_path, port)
    assert not postgres.is_running(tmp_path)


def test_the_watch_starts_a_postgresql_that_is_gone(tmp_path: Path) -> None:
    """It answers each event as supervisord wants it, and ends with the pipe."""
    tick = "ver:3.0 server:s serial:1 pool:watch poolserial:1 eventname:TICK_5 len:4\nwhen"
    answers = io.StringIO()
    try:
        watch.listen(tmp_path, io.StringIO(tick), answers, keeps_postgres=True)
        assert answers.getvalue() == "READY\nRESULT 2\nOKREADY\n"
        assert postgres.is_running(tmp_path)
    finally:
        postgres.stop(tmp_path)


@pytest.mark.timeout(280)
@pytest.mark.long
def test_it_heals_and_stops_without_a_trace(tmp_path: Path) -> None:
    """A killed scheduler comes back without its orphans; a killed runner leaves none after down."""
    (base := dict(os.environ)).pop(CONN, None)
    running = airflow.up(tmp_path, airflow.free_port(), base=without_own_databases(base))
    try:
        assert airflow.up(tmp_path, 1).port == running.port
        scheduler = part(tmp_path, "scheduler")
        workers = scheduler.children(recursive=True)
        scheduler.kill()
        assert wait_until(lambda: not any(worker.is_running() for worker in workers), 20)
        assert wait_until(lambda: part(tmp_path, "scheduler").pid != scheduler.pid, 20)
        part(tmp_path, "supervisor.supervisord").kill()
        assert wait_until(lambda: not runner.is_running(tmp_path), 10)
        assert runner.members(tmp_path)
    finally:
        assert airflow.down(tmp_path)
    assert runner.members(tmp_path) == []
    assert not postgres.is_running(tmp_path)


def part(home: Path, name: str) -> psutil.Process:
    """Return the process of a part: the first whose command names it."""
    return next(
        process
        for process in sorted(runner.members(home), key=lambda it: it.pid)
        if name in process.cmdline()
    )
