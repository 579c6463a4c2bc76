"""Time requests, one at a time and twenty at once, and watch the server's memory."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CLIENTS = 20
MIB = 1 << 20
_SAMPLE_S = 0.02


@dataclass
class Case:
    """A request, whose list it is, and the times of its answers in ms."""

    name: str
    path: str
    is_ours: bool = True
    alone: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True, slots=True)
class Download:
    """One long answer: times of its first and last byte in ms, its size and its number of rows."""

    first_ms: float
    total_ms: float
    size: int
    rows: int


def measure(cases: Sequence[Case], client: httpx.Client, *, rounds: int, bursts: int) -> None:
    """Time every case in every round, so that disturbances affect all cases alike.

    Args:
        cases: The requests; the times are added to them.
        client: A client that is logged in.
        rounds: Number of requests of each case alone.
        bursts: Number of requests of each case by every parallel client.
    """
    for case in cases:  # the first answer is not counted, because of imports and caches
        case.size = len(_get(client, case.path).content)
    for _ in range(rounds):
        for case in cases:
            case.alone.append(_time(client, case.path))
    others = [_like(client) for _ in range(CLIENTS)]
    with contextlib.ExitStack() as open_clients, ThreadPoolExecutor(CLIENTS) as pool:
        for other in others:
            open_clients.enter_context(other)
        list(pool.map(_time, others, [cases[0].path] * CLIENTS))  # opens the connections
        for _ in range(bursts):
            for case in cases:
                paths = [case.path] * CLIENTS
                case.together.extend(pool.map(_time, others, paths))


def download(client: httpx.Client, path: str) -> Download:
    """Receive a long answer as a stream."""
    began = time.perf_counter()
    first, size, rows = 0.0, 0, 0
    with client.stream("GET", path, timeout=600) as answer:
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            first = first or time.perf_counter()
            size += len(piece)
            rows += piece.count(b"\n")
    return Download((first - began) * 1e3, (time.perf_counter() - began) * 1e3, size, rows - 1)


def percentile(times: Sequence[float], percent: int) -> float:
    """Return a percentile of times."""
    # Inclusive: the other method extrapolates beyond the longest time that was measured.
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


class Memory:
    """The resident memory of processes in MiB, sampled while a block runs."""

    def __init__(self, processes: Sequence[psutil.Process]) -> None:
        """Watch the sum over these processes."""
        self._processes = processes
        self.peak = 0.0

    def now(self) -> float:
        """Return the current memory."""
        taken = 0
        for process in self._processes:
            with contextlib.suppress(psutil.Error):
                taken += process.memory_info().rss
        return taken / MIB

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Record the peak while the block runs."""
        self.peak = self.now()
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_SAMPLE_S):
                self.peak = max(self.peak, self.now())

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _like(client: httpx.Client) -> httpx.Client:
    """Return another client, with a connection of its own."""
    return httpx.Client(
        base_url=client.base_url, headers=client.headers, timeout=client.timeout, trust_env=False
    )


def _get(client: httpx.Client, path: str) -> httpx.Response:
    answer = client.get(path)
    answer.raise_for_status()
    return answer


def _time(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    _get(client, path)
    return (time.perf_counter() - began) * 1e3
