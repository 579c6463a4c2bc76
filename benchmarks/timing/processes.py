"""Time whole programs: wall clock, and peak memory of the process with all its children."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SAMPLE_S = 0.02
_KIB = 1 << 10


class FailedError(Exception):
    """A program failed; the message contains the end of its output."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One run of a program.

    Attributes:
        seconds: Time from its start to its end.
        cpu_s: CPU time of it and its children, which hardly depends on the machine's other
            load.
        peak_mib: Peak of the sum of their resident memory; shared memory counts several times. The
            database server is not a child.
        output: Its output on stdout.
        errors: Its output on stderr.
        server_cpu_s: CPU time of the database server meanwhile.
        wal_mib: Size of the server's new write-ahead log, in MiB.
    """

    seconds: float
    cpu_s: float
    peak_mib: float
    output: str
    errors: str
    server_cpu_s: float = 0.0
    wal_mib: float = 0.0


def run(command: Sequence[str | Path], environment: Mapping[str, str], cwd: Path) -> Timed:
    """Run a program to its end.

    Raises:
        FailedError: It ended with an exit code other than 0.
    """
    # Files, because a full pipe, which is not read while the program is timed, would stop it.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  programs of our own
            [str(word) for word in command],
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        watch = _Watch(process.pid)
        watch.start()
        # wait4 also returns the times of this process and of its children, which Popen.wait does
        # not.
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
        lines = []
        for stream in (out, err):
            stream.seek(0)
            lines.append(stream.read().decode("utf-8", "replace"))
    if process.returncode != 0:
        words = " ".join(map(str, command))
        raise FailedError(f"{words}\nended with {process.returncode}:\n{lines[1][-4000:]}")
    cpu_s = used.ru_utime + used.ru_stime
    return Timed(seconds, cpu_s, watch.peak_mib, lines[0], lines[1])


class _Watch(threading.Thread):
    """Samples the memory of a process and its children every 20 ms.

    The kernel keeps the peak of the process itself, so no peak of it is missed between samples.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._done = threading.Event()
        self.peak_mib = 0.0

    def run(self) -> None:
        while not self._done.wait(_SAMPLE_S):
            taken = sum(_mib(pid, "VmRSS") for pid in _tree(self._pid))
            self.peak_mib = max(self.peak_mib, taken, _mib(self._pid, "VmHWM"))

    def stop(self) -> None:
        """Stop sampling."""
        self._done.set()
        self.join()


def _tree(pid: int) -> Iterator[int]:
    """Yield the ids of a process and its descendants that still run."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text("ascii").split()
        except OSError:  # the process has ended meanwhile
            continue
        for child in children:
            yield from _tree(int(child))


def _mib(pid: int, what: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith(what):
                return int(line.split()[1]) / _KIB
    return 0.0
