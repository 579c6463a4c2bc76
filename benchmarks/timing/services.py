"""Measure the use of services during a block: CPU, memory, connections to PostgreSQL.

A service is a process with its descendants. The kernel adds the CPU time of ended children to their
parents, so nothing is missed between two samples (Linux). Memory is the proportional share (PSS):
memory that several processes share is counted once.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import psutil
import psycopg

from benchmarks.scale.waiting import Used

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_EVERY_S = 3.0
_MIB = 1 << 20
_CLIENTS = "select count(*) from pg_stat_activity where backend_type = 'client backend'"


class Watch:
    """Samples services every three seconds during a block.

    Attributes:
        used: Service → its use; complete after the block.
        connections: Maximum number of connections, without its own.
    """

    def __init__(self, services: Mapping[str, Sequence[int]], database: str) -> None:
        """Watch services.

        Args:
            services: Name of a service → ids of its first processes.
            database: URL of any database of the server.
        """
        self.used: dict[str, Used] = {}
        self.connections = 0
        self._services = services
        self._database = database
        self._peaks = dict.fromkeys(services, 0.0)
        self._done = threading.Event()

    @contextlib.contextmanager
    def sample(self) -> Iterator[None]:
        """Sample during the block."""
        before = cpu_s(self._services)
        thread = threading.Thread(target=self._take_sample)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()
        after = cpu_s(self._services)
        self.used = {
            name: Used(after[name] - before[name], self._peaks[name]) for name in self._services
        }

    def _take_sample(self) -> None:
        with psycopg.connect(self._database, autocommit=True) as connection:
            while True:
                row = connection.execute(_CLIENTS).fetchone()
                # This connection itself is one of them.
                self.connections = max(self.connections, row[0] - 1 if row else 0)
                for name, processes in trees(self._services).items():
                    self._peaks[name] = max(self._peaks[name], sum(map(_mib, processes)))
                if self._done.wait(_EVERY_S):
                    return


def trees(services: Mapping[str, Sequence[int]]) -> dict[str, list[psutil.Process]]:
    """Return service → its running processes."""
    parents = {p.pid: p.info["ppid"] for p in psutil.process_iter(["ppid"])}
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: dict[str, list[psutil.Process]] = {}
    for name, roots in services.items():
        left, found[name] = list(roots), []
        while left:
            pid = left.pop()
            with contextlib.suppress(psutil.NoSuchProcess):
                found[name].append(psutil.Process(pid))
            left += children.get(pid, [])
    return found


def cpu_s(services: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Return service → CPU time since its start, ended children included."""
    return {name: sum(map(_cpu_s, processes)) for name, processes in trees(services).items()}


def _cpu_s(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        times: Any = process.cpu_times()
        ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        return float(times.user + times.system + ended)
    return 0.0


def _mib(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        memory: Any = process.memory_full_info()
        return float(getattr(memory, "pss", memory.rss)) / _MIB
    return 0.0
