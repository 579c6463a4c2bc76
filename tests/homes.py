"""Homes of the tests: their databases are ready at once, and nothing remains after the tests.

    home = new_home("live")      # a folder with migrated databases, whose server is not running yet

initdb, the roster's migrations, `airflow db migrate` and FAB's tables and roles take about fifteen
processor seconds. They depend only on the installed packages and the migrations, so they are
made once, below `build/`, and copied for each test process and each Airflow.

All homes of a test process lie in one folder. A second process, the sweeper, reads a pipe that
only the test process holds open. The pipe ends with the test process, even
after a crash. Then the sweeper stops every server that has a home there, kills every process with
the tests' mark in its environment, and removes the folder.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[1]
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
MARK = "TESTS_OF_ONEROSTER"
"""The environment variable that marks all processes that a test process starts, for the sweeper."""

_KEPT = PROJECT / "build" / f"prepared-{os.geteuid()}"

# Entering the builder creates FAB's tables; the two calls are what `airflow sync-perm` does.
_FAB_TABLES = """
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
with get_application_builder() as builder:
    builder.add_permissions(update_perms=True)
    builder.sm.sync_roles()
"""


_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the tests make a folder of their own there
_ROOM_NEEDED = 8 << 30


def prefer_memory() -> None:
    """Make this process and its children put temporary files in memory, if it has room.

    A test run creates and removes half a million small files, which takes a tenth of its processor
    seconds on a disk. Many machines have too little shared memory (a container has 64 MiB by
    default), or shared memory from which no program can be started.
    """
    if "TMPDIR" in os.environ or not _SHARED_MEMORY.is_dir():
        return
    found = os.statvfs(_SHARED_MEMORY)
    memory = psutil.virtual_memory().available
    room = min(found.f_bavail * found.f_frsize, memory // 2)
    if room >= _ROOM_NEEDED and not found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY):
        os.environ["TMPDIR"] = str(_SHARED_MEMORY)
        tempfile.tempdir = None  # Python reads the environment only once


@functools.cache
def root() -> Path:
    """Return the folder of this process's homes; the first call starts its sweeper."""
    folder = Path(tempfile.mkdtemp(prefix="oneroster-tests-"))
    folder.chmod(0o755)  # root's PostgreSQL runs as another account, which needs it
    os.environ[MARK] = folder.name
    held, ours = os.pipe()
    sweeper = subprocess.Popen(
        [sys.executable, __file__, str(folder)],
        stdin=held,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal must not stop the sweeper first
        env={name: value for name, value in os.environ.items() if name != MARK},
    )
    os.close(held)

    @functools.cache  # only once: later the number of the pipe may belong to another file
    def end() -> None:
        os.close(ours)
        sweeper.wait(60)

    atexit.register(end)
    return folder


# fsync protects only from a crash of the machine: after a kill -9 of the server, the memory of the
# machine still holds all that was committed.
_OF_TESTS = "fsync = off\nfull_page_writes = off\n"


def new_home(prefix: str) -> Path:
    """Return a new home with prepared databases; the first caller on this machine prepares them."""
    home = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=root()))
    fill(home)
    return home


def fill(home: Path) -> None:
    """Copy the prepared databases into a home that has none yet."""
    ready = _prepared()
    (home / "airflow").mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in ("postgres", "airflow/migrated"):
        # Keep the owner: root's server runs as another account, and shutil would give root the
        # files.
        subprocess.run(["cp", "-pR", str(ready / part), str(home / part)], check=True)  # noqa: S607
    settings = home / "postgres" / "local.conf"
    settings.write_text(_OF_TESTS, "utf-8")
    settings.chmod(0o644)


def _prepared() -> Path:
    ready = _KEPT / _key()
    with _locked():
        if not ready.exists():
            shutil.rmtree(_KEPT, ignore_errors=True)  # of an old key, or unfinished
            fresh = _KEPT / "fresh"
            _make(fresh)
            fresh.rename(ready)
    return ready


def _key() -> str:
    """Return a hash of everything that the prepared databases depend on."""
    from oneroster_sync import database
    from oneroster_sync.database.embedded import postgres

    read = [PROJECT / "requirements.txt", *sorted(database.MIGRATIONS.rglob("*.py"))]
    read += [Path(__file__), Path(postgres.__file__)]
    digest = hashlib.sha256(version("apache-airflow-core").encode())
    for path in read:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _make(home: Path) -> None:
    import sqlalchemy as sa

    from oneroster_sync import database
    from oneroster_sync.database.embedded import postgres
    from oneroster_sync.local import airflow
    from oneroster_sync.local.environment import environment, without_own_databases

    home.mkdir(parents=True)
    values = environment(home, 0, without_own_databases(os.environ))
    postgres.start(home)
    try:
        airflow._migrate(home, values)
        url = sa.make_url(postgres.url(home, "roster")).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url)
        database.migrate(engine)
        engine.dispose()
        subprocess.run(
            [sys.executable, "-c", _FAB_TABLES],
            env={**values, "AIRFLOW__CORE__AUTH_MANAGER": FAB},
            check=True,
            capture_output=True,
        )
    finally:
        postgres.stop(home)


@contextmanager
def _locked() -> Iterator[None]:
    """Let one test process prepare the databases while the others wait."""
    _KEPT.parent.mkdir(exist_ok=True)
    with _KEPT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sweep(folder: Path) -> None:
    """Stop every server with a home in the folder, kill the processes with its mark, remove it."""
    from oneroster_sync.local import airflow

    for data in folder.glob("*/postgres/data"):
        with suppress(Exception):  # the next home must be stopped even if this one fails
            airflow.down(data.parents[1])
    _kill_marked(folder.name)
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(0.1)  # a process that is still ending may write a file


def _kill_marked(mark: str) -> None:
    from oneroster_sync.database.embedded.processes import kill

    marked = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                marked.append(process)
    kill(marked)


if __name__ == "__main__":
    sys.stdin.buffer.read()  # the pipe ends with the test process
    sweep(Path(sys.argv[1]))
