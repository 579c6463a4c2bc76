"""Wait for processes, and kill them."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import psutil


def wait_until(is_so: Callable[[], bool], seconds: float, *, every_s: float = 0.05) -> bool:
    """Poll a condition; return True once it holds, False after `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def is_alive(process: psutil.Process) -> bool:
    """Return whether the process still runs; a zombie does not."""
    import psutil

    try:
        # In a container whose first process does not reap, ended processes stay as zombies for
        # ever.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(processes: Iterable[psutil.Process], *, wait_s: float = 10) -> None:
    """Kill the processes and wait at most `wait_s` seconds for their end."""
    import psutil

    killed = list(processes)
    for process in killed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until(lambda: not any(is_alive(process) for process in killed), wait_s)
