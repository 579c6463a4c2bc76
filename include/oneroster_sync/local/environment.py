"""The environment variables of the embedded Airflow: its settings and secrets.

A user's `AIRFLOW__…` variables override the settings here. `AIRFLOW_HOME` does not, because the
embedded Airflow keeps its files in the home.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from oneroster_sync.database.embedded import postgres
from oneroster_sync.settings import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOST = "127.0.0.1"
USERS = ("admin", "op", "user", "viewer")
"""One account per role of Airflow's simple auth manager: its name is its role."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PERSONAL = ("email", "given_name", "family_name", "username", "password")
_QUIET = "ignore:GitWildMatchPattern:DeprecationWarning"
_CONN = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_ROSTER = "ONEROSTER_DATABASE_URL"
_PACKAGES = "ONEROSTER_ALLOWED_PACKAGES"
SAMPLES = Path(__file__).with_name("sample")
"""The folder of the sample district: a DAG run here may name only packages in this folder."""
_PARALLELISM, _SLOTS = "AIRFLOW__CORE__PARALLELISM", "4"
_PASSWORDS = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"


def folder(home: Path) -> Path:
    """Return the folder of the embedded Airflow: its configuration, secrets and state."""
    return home / "airflow"


def logs(home: Path) -> Path:
    """Return the folder of all logs: one file per part, and `tasks/` for logs of tasks."""
    return home / "logs"


def environment(home: Path, port: int, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables for all parts of the embedded Airflow.

    Creates the secrets of the home if they are missing.

    Args:
        home: The home.
        port: The port of the UI and the API.
        base: The environment to extend; by default that of this process.
    """
    inherited = {
        name: value
        for name, value in (os.environ if base is None else base).items()
        # Without bytecode, each part compiles all modules; with a SOCKS proxy, no task starts.
        if name != "PYTHONDONTWRITEBYTECODE" and not _is_socks_proxy(name, value)
    }
    airflow_home = folder(home)
    airflow_home.mkdir(parents=True, exist_ok=True, mode=0o700)
    _make_private(home / "storage")
    origin = f"http://{HOST}:{port}"
    settings = {
        "CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": _SLOTS,
        # LocalExecutor has no slots: it accepts all tasks that the pool admits, and runs them in
        # the order of arrival. Only tasks that wait for the pool are sorted by priority.
        "CORE__DEFAULT_POOL_TASK_SLOT_COUNT": inherited.get(_PARALLELISM, _SLOTS),
        "CORE__EXECUTION_API_SERVER_URL": f"{origin}/execution/",
        "CORE__FERNET_KEY": _secret(airflow_home / "fernet.key", _fernet_key),
        "CORE__HOSTNAME_CALLABLE": "socket.gethostname",  # getfqdn may wait seconds for DNS
        # Keys whose values Airflow's secrets masker hides, in logs and in rendered fields.
        "CORE__SENSITIVE_VAR_CONN_NAMES": ",".join(_PERSONAL),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{user}" for user in USERS),
        _PASSWORDS.removeprefix("AIRFLOW__"): str(_passwords_file(home)),
        "API__HOST": HOST,
        "API__PORT": str(port),
        "API__BASE_URL": origin,
        "API__SECRET_KEY": _secret(airflow_home / "api.key", secrets.token_urlsafe),
        # HS512, which Airflow uses, needs a key of 64 bytes; PyJWT warns of a shorter one.
        "API_AUTH__JWT_SECRET": _secret(
            airflow_home / "jwt.key", lambda: secrets.token_urlsafe(64)
        ),
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "LOGGING__BASE_LOG_FOLDER": str(logs(home) / "tasks"),
        "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(logs(home) / "dag_files"),
        # By default an idle scheduler sleeps for a second, and LocalExecutor keeps a slot busy for
        # up to five seconds after its task has ended: 7 s instead of 2.4 s for a run of six tasks.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.25",
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }
    if _CONN not in inherited:
        url = postgres.url(home, "airflow").removeprefix("postgresql")
        settings["DATABASE__SQL_ALCHEMY_CONN"] = f"postgresql+psycopg2{url}"
        settings["DATABASE__SQL_ALCHEMY_CONN_ASYNC"] = f"postgresql+asyncpg{url}"
    return {
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        _PACKAGES: str(SAMPLES),
        **inherited,
        # After the inherited ones: calls to this machine must not go to the user's proxy.
        **_no_proxy(inherited),
        "AIRFLOW_HOME": str(airflow_home),
        "ONEROSTER_HOME": str(home),
        "ONEROSTER_GUARD": inherited.get("ONEROSTER_GUARD") or "airflow",
        "ONEROSTER_ALLOWED_HOSTS": inherited.get("ONEROSTER_ALLOWED_HOSTS") or "localhost",
        # Airflow's use of pathspec for .airflowignore warns in the first line of each task's log.
        "PYTHONWARNINGS": inherited.get("PYTHONWARNINGS", _QUIET),
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",  # otherwise macOS aborts forked children
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", "")]),
    }


def without_own_databases(base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without variables that may name the user's database or storage."""
    return {
        name: value
        for name, value in base.items()
        if not name.startswith(("AIRFLOW_", "ONEROSTER_"))
    }


def keeps_own_metadata(home: Path, values: Mapping[str, str]) -> bool:
    """Return whether Airflow's metadata is in the embedded PostgreSQL, not in a user's database."""
    return values[_CONN].endswith(postgres.url(home, "airflow").removeprefix("postgresql"))


def needs_postgres(home: Path, values: Mapping[str, str]) -> bool:
    """Return whether the roster or Airflow's metadata is in the embedded PostgreSQL."""
    return not values.get(_ROSTER) or keeps_own_metadata(home, values)


def _is_socks_proxy(name: str, value: str) -> bool:
    """Return whether the variable is a SOCKS proxy, which Airflow's HTTP client fails with."""
    return name.lower().endswith("_proxy") and value.lower().startswith("socks")


def _no_proxy(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that exclude this machine from the use of proxies."""
    known = inherited.get("no_proxy") or inherited.get("NO_PROXY") or ""
    hosts = [host.strip() for host in known.split(",") if host.strip()]
    value = ",".join([*hosts, *(host for host in _LOOPBACK if host not in hosts)])
    return {"no_proxy": value, "NO_PROXY": value}


def make_passwords(home: Path, values: Mapping[str, str]) -> dict[str, str]:
    """Give each account a random password, unless it has one.

    In homes of earlier versions, each account's password is its name: these are replaced. A
    password file that the user configured is not changed.

    Returns:
        The new passwords, by account; they are shown only once.
    """
    path = _passwords_file(home)
    if passwords_file(values) != path:
        return {}
    known = _read_passwords(path)
    fresh = {user: secrets.token_urlsafe(12) for user in USERS if known.get(user, user) == user}
    if fresh:
        # Airflow reads this file at each login, so it is replaced as a whole.
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        _write_private(temporary, json.dumps(known | fresh))
        temporary.replace(path)
    return fresh


def passwords_file(values: Mapping[str, str]) -> Path:
    """Return the file that holds the passwords of the accounts of this environment."""
    return Path(values[_PASSWORDS])


def password_of(values: Mapping[str, str], user: str) -> str:
    """Return the password of an account of this environment."""
    return _read_passwords(passwords_file(values))[user]


def _passwords_file(home: Path) -> Path:
    return folder(home) / "passwords.json"


def _read_passwords(path: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _make_private(path: Path) -> None:
    """Create a folder with mode 0700, or set this mode on an existing folder of this account."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.stat().st_uid == os.geteuid():
        path.chmod(0o700)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")


def _secret(path: Path, make: Callable[[], str]) -> str:
    """Return the content of a private file; the first process to call this creates it."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        _write_private(fresh, make())
        # A link, because a rename would replace the secret that another process has just made and
        # read.
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
        fresh.unlink()
    return path.read_text(encoding="utf-8")


def _write_private(path: Path, content: str) -> None:
    """Write a new file that only its owner can read; fail if the file exists."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
