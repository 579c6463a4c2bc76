"""The process runner of the embedded Airflow: start supervisord, and find its processes.

All parts and their child processes have the same working folder, `airflow/run/` of the home, which
no other process has, and the same session. So all processes of a home can be found, even after the
runner was killed and its parts continued. docs/design/process-runner.md says why supervisord, and
why no list of pids.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from oneroster_sync.database.embedded import LocalError
from oneroster_sync.database.embedded.processes import is_alive, kill, wait_until
from oneroster_sync.local.environment import folder, logs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import psutil

# No log servers: all logs are on this machine, and log servers would listen on all interfaces.
PARTS = {
    "api-server": "airflow api-server",
    "scheduler": "oneroster_sync.stages.preload scheduler --skip-serve-logs",
    "dag-processor": "oneroster_sync.stages.preload dag-processor",
    "triggerer": "airflow triggerer --skip-serve-logs",
}
"""The parts of Airflow, and the module and arguments of each."""

# Seconds to end after SIGTERM: for a part, the runner with all parts, parts without a runner.
_PART_STOP_S = 5
_RUNNER_STOP_S = 12
_ORPHAN_STOP_S = 4
_MODULE = "supervisor.supervisord"


def run_folder(home: Path) -> Path:
    """Return the working folder of the home's processes; no other process uses it."""
    return folder(home).resolve() / "run"


def start(home: Path, parts: Iterable[str], environment: Mapping[str, str]) -> None:
    """Start the runner with these parts; it continues when this process ends."""
    conf = folder(home) / "supervisord.conf"
    run = run_folder(home)
    for path in (run, logs(home)):
        path.mkdir(parents=True, exist_ok=True)
    # `failures` counts in this log, from the start of this runner on.
    log_file(home, "supervisord").unlink(missing_ok=True)
    conf.write_text(_configuration(home, parts), encoding="utf-8")
    runner = subprocess.Popen(
        [sys.executable, "-m", _MODULE, "--nodaemon", "--configuration", str(conf)],
        cwd=run,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # The first process of a session gives it its number.
    _session_file(home).write_text(str(runner.pid), encoding="ascii")
    wait_until(lambda: is_running(home), 10)


def stop(home: Path) -> bool:
    """End the runner and all processes of the home; kill those that do not end in time.

    Returns:
        True when any process was running.
    """
    found = members(home)
    supervisor = _supervisor(found)
    if supervisor is not None:
        _terminate(supervisor)
        wait_until(lambda: not is_alive(supervisor), _RUNNER_STOP_S)
    elif found:
        for process in found:
            _terminate(process)
        wait_until(lambda: not members(home), _ORPHAN_STOP_S, every_s=0.1)
    # A process may fork between the listing and the kill.
    for _ in range(5):
        if not (left := members(home)):
            break
        kill(left, wait_s=2)
    return bool(found)


def is_running(home: Path) -> bool:
    """Return whether the runner of the home is running; its parts may not be."""
    return _supervisor(members(home)) is not None


def members(home: Path) -> list[psutil.Process]:
    """Return all living processes of the home: the runner, the parts, and their children.

    Processes are identified by their working folder. Airflow makes that of a process that ran a
    task unreadable, because it may hold secrets; these are identified by their session, which is
    the runner's.
    """
    import psutil

    run = str(run_folder(home))
    python = psutil.Process().exe()
    session = _session(home)
    found = []
    for process in psutil.process_iter(["cwd", "exe"]):
        cwd, exe = process.info["cwd"], process.info["exe"]
        if cwd is None:
            is_member = session is not None and _session_of(process.pid) == session
        else:
            # Linux shows a folder that was removed as "… (deleted)".
            is_member = cwd.removesuffix(" (deleted)") == run and exe == python
        if is_member and is_alive(process):
            found.append(process)
    return found


def orphans(home: Path) -> list[psutil.Process]:
    """Return the members that are not descendants of the runner: children of a dead part."""
    import psutil

    found = members(home)
    supervisor = _supervisor(found)
    if supervisor is None:
        return found
    owned = {supervisor.pid}
    with suppress(psutil.NoSuchProcess):
        owned |= {process.pid for process in supervisor.children(recursive=True)}
    return [process for process in found if process.pid not in owned]


def log_file(home: Path, part: str) -> Path:
    """Return the log of a part, or of the runner itself (`supervisord`)."""
    return logs(home) / f"{part}.log"


def failures(home: Path, part: str) -> int:
    """Return how often the part exited unexpectedly since the runner started."""
    try:
        log = log_file(home, "supervisord").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return 0
    return log.count(f"exited: {part} (")


def _supervisor(found: Iterable[psutil.Process]) -> psutil.Process | None:
    """Return the runner; between fork and exec, a part has the same command line as its parent."""
    import psutil

    alike = {}
    for process in found:
        with suppress(psutil.Error):
            if _MODULE in process.cmdline():
                alike[process.pid] = (process, process.ppid())
    return next((process for process, parent in alike.values() if parent not in alike), None)


def _session(home: Path) -> int | None:
    """Return the session of the last runner; None if another process has its number now."""
    import psutil

    try:
        number = int(_session_file(home).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    try:
        return number if _MODULE in psutil.Process(number).cmdline() else None
    except psutil.NoSuchProcess:
        return number  # the runner ended; its number is not reused while its session exists
    except psutil.Error:
        return None


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _session_file(home: Path) -> Path:
    return run_folder(home) / "session"


def _terminate(process: psutil.Process) -> None:
    import psutil

    with suppress(psutil.Error):
        process.send_signal(signal.SIGTERM)


def _configuration(home: Path, parts: Iterable[str]) -> str:
    """Return the configuration file of supervisord; the parts inherit its environment."""
    names = list(parts)
    run = run_folder(home)
    python = shlex.quote(sys.executable)
    sections: dict[str, dict[str, object]] = {
        "supervisord": {
            "logfile": log_file(home, "supervisord"),
            "logfile_maxbytes": "5MB",
            "logfile_backups": 1,
            "pidfile": run / "supervisord.pid",
            "silent": "true",
            "strip_ansi": "true",
        },
        "group:airflow": {"programs": ",".join(names)},  # a group stops its parts in parallel
        "eventlistener:watch": {
            "command": f"{python} -m oneroster_sync.local.watch {shlex.quote(str(home))}",
            # A part that ends within its `startsecs` is in BACKOFF, and not EXITED.
            "events": "PROCESS_STATE_EXITED,PROCESS_STATE_BACKOFF,TICK_5",
            # supervisord drops the oldest events beyond the buffer, which has 10 by default.
            "buffer_size": 100,
            "directory": run,
            "startretries": 1_000_000,
            "stopwaitsecs": 3,
            "stderr_logfile": log_file(home, "watch"),
            "stderr_logfile_maxbytes": "1MB",
            "stderr_logfile_backups": 0,
        },
    }
    if os.geteuid() == 0:
        # Without it supervisord logs a critical message about running as root.
        sections["supervisord"]["user"] = "root"
    for name in names:
        sections[f"program:{name}"] = {
            "command": f"{python} -m {PARTS[name]}",
            "directory": run,
            "autorestart": "true",
            "startsecs": 5,
            # supervisord gives a part up after three tries; here Airflow may be down for longer.
            "startretries": 1_000_000,
            "stopwaitsecs": _PART_STOP_S,
            "stopasgroup": "true",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": log_file(home, name),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": 1,
        }
    return "\n".join(
        "\n".join([f"[{title}]", *(f"{key}={_literal(value)}" for key, value in lines.items()), ""])
        for title, lines in sections.items()
    )


def _literal(value: object) -> str:
    """Return the value escaped for supervisord, in which a percent sign starts a reference.

    Raises:
        LocalError: The value holds " ;" or " #", which start a comment and can't be escaped.
    """
    text = str(value)
    if " ;" in text or " #" in text:
        raise LocalError(f"The process runner cannot work with the path in {text}: rename it.")
    return text.replace("%", "%%")
