"""Start and stop the embedded Airflow of a home: its four parts and its PostgreSQL.

`up` leaves everything running when the calling process ends; `down` ends everything, including
processes that a killed `up` or a killed runner left behind.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

import httpx

from oneroster_sync.database.embedded import LocalError, postgres
from oneroster_sync.database.embedded.processes import wait_until
from oneroster_sync.local import runner
from oneroster_sync.local.airflow_api import Api
from oneroster_sync.local.console import print_line, step
from oneroster_sync.local.environment import (
    HOST,
    environment,
    folder,
    keeps_own_metadata,
    logs,
    make_passwords,
    needs_postgres,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

DEFAULT_PORT = 8080
_MIGRATE_S = 300
_BOOT_S = 240
# A part that exits this often during the start will not run.
_TOO_MANY_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Airflow:
    """A running embedded Airflow."""

    home: Path
    port: int
    environment: Mapping[str, str]
    was_running: bool
    new_passwords: Mapping[str, str] = field(default_factory=dict)
    """The passwords that this start created, by account; they are shown only now."""

    @property
    def url(self) -> str:
        """The address of the UI and of the API."""
        return origin(self.port)


def origin(port: int) -> str:
    """Return the address of the UI and of the API at this port."""
    return f"http://{HOST}:{port}"


def up(
    home: Path,
    port: int = DEFAULT_PORT,
    *,
    parts: tuple[str, ...] = tuple(runner.PARTS),
    base: Mapping[str, str] | None = None,
    prepare: Callable[[Mapping[str, str]], None] | None = None,
) -> Airflow:
    """Start the embedded Airflow of the home unless it runs, and wait until it is healthy.

    Args:
        home: The folder of all data.
        port: The port of the UI and the API, on the loopback interface only.
        parts: The parts to run.
        base: The environment to extend; by default that of this process.
        prepare: Called with the environment after the databases and before Airflow start, so that a
            site that it creates exists when Airflow first reads the DAG files.

    Raises:
        LocalError: The port is taken, or a part does not start. Parts already started are stopped.
    """
    home = home.resolve()
    with _locked(home):
        if runner.is_running(home):
            running = port_of(home) or port
            _wait_until_up(home, running, parts)
            values = environment(home, running, base)
            return Airflow(home, running, values, True, make_passwords(home, values))
        # Parts survive a runner that was killed, and hold the port.
        if runner.stop(home):
            print_line("Ended the processes of an earlier run.")
        _check_port(port)
        values = environment(home, port, base)
        new_passwords = make_passwords(home, values)
        has_started_postgres = False
        try:
            if needs_postgres(home, values):
                with step("PostgreSQL"):
                    has_started_postgres = postgres.start(home)
            if prepare is not None:
                prepare(values)
            _start(home, port, parts, values)
        except BaseException:
            runner.stop(home)
            # Otherwise another program uses it, such as a sync from the command line.
            if has_started_postgres:
                postgres.stop(home)
            raise
        return Airflow(home, port, values, False, new_passwords)


def down(home: Path) -> bool:
    """Stop all processes of the home, PostgreSQL last.

    Returns:
        True when anything was running.
    """
    home = home.resolve()
    # Before PostgreSQL: parts that end write their last state.
    stopped_parts = runner.stop(home)
    stopped_postgres = postgres.stop(home)
    return stopped_parts or stopped_postgres


def port_of(home: Path) -> int | None:
    """Return the port of the last start of the home's Airflow, or None."""
    try:
        return int(json.loads(_state(home).read_text(encoding="utf-8"))["port"])
    except (OSError, ValueError, KeyError):
        return None


def free_port() -> int:
    """Return an unused port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _start(home: Path, port: int, parts: tuple[str, ...], values: Mapping[str, str]) -> None:
    _migrate(home, values)
    _state(home).write_text(json.dumps({"port": port}), encoding="utf-8")
    with step("Airflow's API server", "up"):
        runner.start(home, parts, values)
        _wait_until_up(home, port, parts)
    others = [part for part in parts if part != "api-server"]
    with step(f"Airflow's {', '.join(others)}"), Api(origin(port)) as api:
        # Without it the first task would wait; a server that is slow to warm up is still up.
        with suppress(httpx.HTTPError):
            api.warm_up()
        names = [part.replace("-", "_") for part in others]
        _wait(home, parts, lambda: all(api.health().get(name) == "healthy" for name in names))


def _migrate(home: Path, values: Mapping[str, str]) -> None:
    """Upgrade Airflow's own tables, which takes seconds, unless they are marked as up to date."""
    if _schema_mark(home, values) == _read(_mark_file(home)):
        return
    log = runner.log_file(home, "migrate")
    for path in (log.parent, runner.run_folder(home)):
        path.mkdir(parents=True, exist_ok=True)
    with step("Airflow's tables"), log.open("wb") as output:
        code = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            cwd=runner.run_folder(home),
            env=dict(values),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=_MIGRATE_S,
            check=False,
        ).returncode
        if code != 0:
            raise LocalError(f"Airflow cannot create its tables:\n{_tail(log)}\nThe log is {log}.")
    if mark := _schema_mark(home, values):
        _mark_file(home).write_text(mark, encoding="utf-8")


def _schema_mark(home: Path, values: Mapping[str, str]) -> str | None:
    """Return Airflow's version and its tables' version; None without tables or for a user's own."""
    import psycopg

    if not keeps_own_metadata(home, values):
        return None
    try:
        with psycopg.connect(postgres.url(home, "airflow")) as database:
            row = database.execute("select version_num from alembic_version").fetchone()
    except psycopg.Error:
        return None
    return f"{version('apache-airflow-core')} {row[0]}" if row else None


def _wait_until_up(home: Path, port: int, parts: tuple[str, ...]) -> None:
    with Api(origin(port)) as api:
        _wait(home, parts, api.is_up)


def _wait(home: Path, parts: tuple[str, ...], is_so: Callable[[], bool]) -> None:
    """Wait until the condition holds.

    Raises:
        LocalError: A part exits `_TOO_MANY_FAILURES` times, the runner ends, or time is up.
    """
    deadline = time.monotonic() + _BOOT_S
    # A runner that is up already has counted failures of before.
    earlier = {part: runner.failures(home, part) for part in parts}
    while not wait_until(is_so, 1, every_s=0.1):
        for part in parts:
            if runner.failures(home, part) - earlier[part] >= _TOO_MANY_FAILURES:
                log = runner.log_file(home, part)
                raise LocalError(f"Airflow's {part} does not run:\n{_tail(log)}\nThe log is {log}.")
        if not runner.is_running(home):
            raise LocalError(
                f"The process runner ended: read {runner.log_file(home, 'supervisord')}."
            )
        if time.monotonic() > deadline:
            raise LocalError(
                f"Airflow did not come up within {_BOOT_S} s: read the logs in {logs(home)}."
            )


def _check_port(port: int) -> None:
    """Raise LocalError if a program listens at the port; macOS would let Airflow bind it too."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=2):
        raise LocalError(_busy(port, "another program answers there"))
    with socket.socket() as probe:
        # Connections of the last Airflow in TIME_WAIT don't block its successor, which sets this
        # too.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise LocalError(_busy(port, os.strerror(error.errno or 0))) from error


def _busy(port: int, why: str) -> str:
    return f"Port {port} is not free ({why}): choose another one, as in `PORT={port + 1} make up`."


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the lock of the home: one process at a time starts its Airflow."""
    try:
        folder(home).mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder(home) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LocalError(
            f"{folder(home)} cannot be written ({error.strerror}): "
            f"set ONEROSTER_HOME to a folder of your own."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _state(home: Path) -> Path:
    return folder(home) / "state.json"


def _mark_file(home: Path) -> Path:
    return folder(home) / "migrated"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _tail(log: Path, lines: int = 15) -> str:
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(it wrote nothing)"
