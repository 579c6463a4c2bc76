"""The tests with services pass repeatedly while the machine has other work."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from homes import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMES = int(os.environ.get("REPEATS", "20"))
LOAD = int(os.environ.get("REPEATS_LOAD", "6"))


@pytest.fixture
def load() -> Iterator[None]:
    """Run as many busy programs as `REPEATS_LOAD` says."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(LOAD)]
    yield
    for program in busy:
        program.kill()
        program.wait()


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_no_test_with_services_fails_by_chance(
    load: None, record_property: Callable[[str, object], None]
) -> None:
    """All tests with services pass `REPEATS` times beside `REPEATS_LOAD` busy programs."""
    levels = "(airflow or browser or topology) and not long and not soak and not year"
    words = ["-q", "-m", levels, "-n", "3", "--dist", "loadscope", "--no-loadscope-reorder"]
    for time in range(TIMES):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"repetition {time + 1}: {done.stdout[-20_000:]}"
    record_property("soak", f"{TIMES} runs at a load of {LOAD}")
