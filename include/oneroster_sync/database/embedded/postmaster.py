"""The postmaster, PostgreSQL's first process, found by the pid file of its data folder."""

from __future__ import annotations

import hashlib
import os
import signal
from typing import TYPE_CHECKING

from oneroster_sync.database.embedded import LocalError
from oneroster_sync.database.embedded.processes import is_alive, kill, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import psutil

# Number of the line of postmaster.pid that holds the server's state, counted from 0.
# PostgreSQL writes it since version 10.
_STATE_LINE = 7
_STOP_S = 30


def find(data: Path) -> psutil.Process | None:
    """Return the process of the server, ready or not, or None.

    A pid file that a crash left behind is ignored, even if another process has its pid now.
    """
    import psutil

    try:
        process = psutil.Process(int(_pid_file(data)[0]))
        is_ours = process.name().startswith("postgres") and str(data) in process.cmdline()
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return process if is_ours and is_alive(process) else None


def is_ready(data: Path) -> bool:
    """Return whether the server's pid file says that it accepts connections."""
    try:
        return _pid_file(data)[_STATE_LINE].strip() == "ready"
    except (OSError, IndexError):
        return False


def end(process: psutil.Process, data: Path) -> None:
    """Shut the server down in fast mode, or kill it if that takes more than `_STOP_S` seconds.

    Raises:
        LocalError: The server belongs to another account.
    """
    import psutil

    try:
        # SIGINT ends open sessions; SIGTERM would wait until the last client leaves.
        process.send_signal(signal.SIGINT)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as error:
        raise LocalError(
            f"The PostgreSQL in {data} runs as {process.username()}: stop it as that account."
        ) from error
    if not wait_until(lambda: not is_alive(process), _STOP_S):
        kill([process])
        kill_sessions(data)


def kill_sessions(data: Path) -> None:
    """Kill the remaining processes of a server without a postmaster; crash recovery follows."""
    import psutil

    # By the title, because a session shows no data folder in its command line.
    mark = f"postgres: {cluster_name(data)}: "
    kill(
        process
        for process in psutil.process_iter(["cmdline"])
        if " ".join(process.info["cmdline"] or ()).startswith(mark)
    )


def cluster_name(data: Path) -> str:
    """Return the name that the server's processes show in their titles, visible to all users."""
    return f"oneroster-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"


def _pid_file(data: Path) -> list[str]:
    return (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
