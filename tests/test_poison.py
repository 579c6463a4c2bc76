"""A package that exhausts memory ends its reader, and the next package is synced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

import psutil
import pytest

from oneroster_sync import database
from roster_of import SCHOOL

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

MIB = 1 << 20
STAFF = 1_500_000
SPARE = 64 * MIB
"""Memory of a process beyond the need of the small school."""
_SYNC = """
import resource, sys
from pathlib import Path
from oneroster_sync.cli import main
try:
    main()
finally:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    space = [int(line.split()[1]) << 10 for line in lines if line.startswith("VmPeak:")]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(*space, most if sys.platform == "darwin" else most << 10)
"""


class Refused:
    """The kernel refuses more memory, as in a strict container without swap; on Linux only.

    Other systems do not enforce a limit of the address space.
    """

    of = 0

    def __init__(self, limit: int) -> None:
        import resource

        self.before = partial(resource.setrlimit, resource.RLIMIT_AS, (limit, limit))

    def watch(self, process: subprocess.Popen[str]) -> None:
        """Do nothing: the kernel refuses."""


class Killed:
    """A process that exceeds its memory is killed, as by the kernel or Kubernetes."""

    of = -1
    before = None

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def watch(self, process: subprocess.Popen[str]) -> None:
        """Kill the process as soon as it exceeds the limit."""
        threading.Thread(target=self._look, args=(process,), daemon=True).start()

    def _look(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            try:
                if psutil.Process(process.pid).memory_info().rss > self._limit:
                    process.kill()
            except psutil.NoSuchProcess:
                return
            threading.Event().wait(0.01)


def sync(
    site: Site, package: Path, limit: Refused | Killed | None = None
) -> tuple[int, list[str], str]:
    """Sync a package with limited memory; return exit code, output lines and log."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SYNC, "sync", str(package), "--site", site.name, "--json"],
        env={
            **os.environ,
            "ONEROSTER_DATABASE_URL": database.url(),
            # glibc reserves 64 MiB of addresses for each allocating thread, so the need would vary.
            "MALLOC_ARENA_MAX": "1",
        },
        preexec_fn=limit.before if limit else None,  # noqa: PLW1509  no other thread yet
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if limit:
        limit.watch(process)
    output, errors = process.communicate(timeout=200)
    return process.returncode, output.splitlines(), errors


@pytest.fixture
def poison(site: Site) -> Path:
    """A package that needs more memory than the limit."""
    header = SCHOOL["users.csv"].splitlines()[0]
    rows = (f"{n:060},true,teacher,u{n},Given,Family,u{n}@x.org\n" for n in range(STAFF))
    return site.package({**SCHOOL, "users.csv": f"{header}\n" + "".join(rows)})


@pytest.mark.case("b34")
@pytest.mark.long
@pytest.mark.parametrize(
    "limiting",
    [
        pytest.param(
            Refused,
            marks=pytest.mark.skipif(
                sys.platform != "linux", reason="only Linux enforces a limit of the address space"
            ),
        ),
        Killed,
    ],
)
def test_next_day_is_not_blocked(
    site: Site, poison: Path, limiting: type[Refused | Killed]
) -> None:
    """A package that exhausts memory twice leaves failed runs, and the next package is synced."""
    code, lines, _ = sync(site, site.package(SCHOOL))
    assert code == 0
    limit = limiting(int(lines[-1].split()[limiting.of]) + SPARE)

    for _ in range(2):
        code, _, errors = sync(site, poison, limit)
        if code == -signal.SIGABRT and limiting is Refused:
            # Arrow 26 aborts the process if a thread of its CSV reader gets no memory.
            assert "result.cc" in errors, errors
            assert "Out of memory" in errors, errors
        elif code == -signal.SIGSEGV and limiting is Refused:
            # A native library may crash while a process without memory exits. By then the run has
            # ended, and Python has printed the last line of its traceback.
            assert "The run ended: failed." in errors, errors
            assert errors.splitlines()[-1].startswith("pyarrow.lib.ArrowMemoryError"), errors
        else:
            assert code == (-signal.SIGKILL if limiting is Killed else 1), errors
    code, lines, errors = sync(site, site.package(SCHOOL), limit)

    assert code == 0, errors
    assert json.loads(lines[0])["outcome"] == "no_changes"
    assert site.users() == dict.fromkeys(("ann", "bob", "cec"), "active")
    outcomes = site.rows("select outcome from runs where site = :site order by started_at")
    assert outcomes == [("succeeded",), ("failed",), ("failed",), ("no_changes",)]
