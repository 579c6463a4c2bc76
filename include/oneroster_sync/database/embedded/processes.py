"""Waiting for processes, and ending them."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import psutil


def wait_until(is_so: Callable[[], bool], seconds: float, *, every_s: float = 0.05) -> bool:
    """Return True as soon as the condition holds, False when the time is over."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def is_alive(process: psutil.Process) -> bool:
    """Return whether the process still runs; one that only waits to be reaped does not."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(processes: Iterable[psutil.Process], *, wait_s: float = 10) -> None:
    """Kill the processes at once and wait for their end."""
    import psutil

    killed = list(processes)
    for process in killed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until(lambda: not any(is_alive(process) for process in killed), wait_s)
