"""The embedded Airflow gets the settings that it needs, restarts lost parts, and stops cleanly."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from live import command_of
from oneroster_sync.database.embedded import LocalError, postgres
from oneroster_sync.database.embedded.processes import wait_until
from oneroster_sync.local import airflow, runner, watch
from oneroster_sync.local.__main__ import main
from oneroster_sync.local.airflow_api import Api
from oneroster_sync.local.environment import (
    USERS,
    environment,
    folder,
    make_passwords,
    password_of,
    passwords_file,
    without_own_databases,
)

if TYPE_CHECKING:
    from pathlib import Path

    import psutil

CONN = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


@pytest.mark.case("c16")
def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    """Two processes of one home use the same secrets, which only the owner can read."""
    first, second = environment(tmp_path, 8080, {}), environment(tmp_path, 8080, {})
    assert first == second
    assert stat.S_IMODE(folder(tmp_path).stat().st_mode) == 0o700
    for path in folder(tmp_path).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = environment(tmp_path / "other", 8080, {})
    for name in ("CORE__FERNET_KEY", "API__SECRET_KEY", "API_AUTH__JWT_SECRET"):
        assert first[f"AIRFLOW__{name}"] != other[f"AIRFLOW__{name}"]


@pytest.mark.case("c16")
def test_each_home_has_passwords_of_its_own(tmp_path: Path) -> None:
    """Passwords are random, made once, readable by the owner alone, and different for each home."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    values = environment(mine, 8080, {})
    made = make_passwords(mine, values)
    assert set(made) == set(USERS)
    assert all(len(password) >= 16 for password in made.values())
    assert len({*made.values(), *make_passwords(other, environment(other, 8080, {})).values()}) == 8
    assert make_passwords(mine, values) == {}
    assert {user: password_of(values, user) for user in USERS} == made
    assert stat.S_IMODE(passwords_file(values).stat().st_mode) == 0o600


@pytest.mark.case("c16")
def test_a_home_of_an_earlier_version_gets_new_passwords(tmp_path: Path) -> None:
    """A password that equals the account's name is replaced; a chosen one stays."""
    values = environment(tmp_path, 8080, {})
    passwords_file(values).write_text(json.dumps({user: user for user in USERS} | {"op": "mine"}))
    assert set(make_passwords(tmp_path, values)) == {"admin", "user", "viewer"}
    assert password_of(values, "op") == "mine"
    assert stat.S_IMODE(passwords_file(values).stat().st_mode) == 0o600


def test_a_password_file_of_the_user_stays_as_it_is(tmp_path: Path) -> None:
    """A password file of the user's own stays unchanged, and no passwords are made."""
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"admin": "admin"}))
    name = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
    values = environment(tmp_path, 8080, {name: str(own)})
    assert make_passwords(tmp_path, values) == {}
    assert password_of(values, "admin") == "admin"


@pytest.mark.case("c16")
@pytest.mark.parametrize("was_open", [False, True])
def test_nobody_else_can_enter_the_storage(tmp_path: Path, *, was_open: bool) -> None:
    """Only the owner can enter the storage, even if an earlier version left it open."""
    storage = tmp_path / "storage"
    if was_open:
        storage.mkdir(mode=0o755)
    environment(tmp_path, 8080, {})
    assert stat.S_IMODE(storage.stat().st_mode) == 0o700


def test_the_status_names_the_file_of_the_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status shows the path of the password file, but no password."""
    monkeypatch.setenv("ONEROSTER_HOME", str(tmp_path))
    values = environment(tmp_path, 8080, {})
    made = make_passwords(tmp_path, values)
    output = CliRunner().invoke(main, ["status"]).output
    assert str(passwords_file(values)) in output
    assert not any(password in output for password in made.values())


def test_a_metadata_database_of_the_user_wins(tmp_path: Path) -> None:
    """The user's own metadata database replaces both of our URLs."""
    own = environment(tmp_path, 8080, {CONN: "postgresql://db/airflow"})
    assert own[CONN] == "postgresql://db/airflow"
    assert f"{CONN}_ASYNC" not in own
    ours = environment(tmp_path, 8080, {})
    assert ours[CONN].startswith("postgresql+psycopg2://")
    assert ours[f"{CONN}_ASYNC"].startswith("postgresql+asyncpg://")


def test_a_proxy_is_not_asked_for_this_machine(tmp_path: Path) -> None:
    """Local addresses bypass the proxy, the user's exclusions stay, SOCKS proxies are removed."""
    base = {"HTTP_PROXY": "http://p:1", "ALL_PROXY": "socks5://p:1", "NO_PROXY": "sis.example.org"}
    values = environment(tmp_path, 8080, base)
    assert values["HTTP_PROXY"] == "http://p:1"
    assert "ALL_PROXY" not in values
    assert values["no_proxy"] == values["NO_PROXY"] == "sis.example.org,127.0.0.1,localhost,::1"


def test_the_demonstration_never_sees_a_database_of_the_user() -> None:
    """The demonstration's environment has no variable that points to another database."""
    base = {CONN: "x", "ONEROSTER_DATABASE_URL": "x", "ONEROSTER_HOME": "x", "LANG": "C"}
    assert without_own_databases(base) == {"LANG": "C"}


def test_a_busy_port_is_an_error_that_names_the_variable(tmp_path: Path) -> None:
    """A busy port is an error that names the variable to change, and nothing starts."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(LocalError, match=f"Port {port} is not free.*PORT={port + 1} make up"):
            airflow.up(tmp_path, port)
    assert not postgres.is_running(tmp_path)


def test_the_watch_starts_a_postgresql_that_is_gone(tmp_path: Path) -> None:
    """The watch restarts a stopped PostgreSQL and answers each event as supervisord expects."""
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
    """A killed scheduler restarts without orphans, and `down` ends the rest of a killed runner."""
    (base := dict(os.environ)).pop(CONN, None)
    running = airflow.up(tmp_path, airflow.free_port(), base=without_own_databases(base))
    try:
        again = airflow.up(tmp_path, 1)
        assert (again.port, again.new_passwords) == (running.port, {})
        with Api(running.url, running.new_passwords["admin"]) as api:
            assert api.import_errors() == []
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
        if name in command_of(process)
    )
