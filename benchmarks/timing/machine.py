"""The machine and its load, on which results depend."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path

QUIET = 2.0
"""Maximum load, over the last minute, at the beginning of a run whose results are kept."""


def load() -> float:
    """Return the average number of runnable processes over the last minute."""
    return os.getloadavg()[0]


def machine() -> str:
    """Return a description of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    return (
        f"{os.cpu_count()} cores ({processor}), {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}; load {load():.1f} when it began"
    )
