"""The machine and its load, on which results depend."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from pathlib import Path

from benchmarks import PROJECT

QUIET = 2.0
"""Maximum load, over the last minute, at the beginning of a run whose results are kept."""


def load() -> float:
    """Return the average number of runnable processes over the last minute."""
    return os.getloadavg()[0]


def code_state() -> str:
    """Return the commit of the measured code, and whether files differ from it; "" without git."""
    code = ("--", "include", "expectations", "benchmarks", "requirements.txt")
    try:
        commit = _git("log", "-1", "--format=%h of %cs", *code)
        changed = _git("status", "--porcelain", "--untracked-files=no", *code)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit}, with changes" if changed else commit


def _git(*words: str) -> str:
    return subprocess.check_output(["git", "-C", PROJECT, *words], text=True).strip()  # noqa: S603, S607


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
