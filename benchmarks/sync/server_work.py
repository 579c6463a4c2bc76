"""What PostgreSQL itself does for somebody: its processors' time, and the bytes of its log."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _OWN, _ENDED = 1, slice(11, 13), slice(11, 15)
"""Fields of /proc/PID/stat behind the name: parent; own times; and those of ended children too."""


@dataclass(slots=True)
class Work:
    """What a server did while somebody was at work.

    Attributes:
        cpu_s: Seconds of a processor: of all its processes, those that have ended included.
        wal_mib: What it wrote into its write-ahead log.
    """

    cpu_s: float = 0.0
    wal_mib: float = 0.0


@contextlib.contextmanager
def watched(url: str) -> Iterator[Work]:
    """Watch the server while the body runs; what it did is known afterwards.

    Who runs at the same time is counted too, so that everybody takes turns.
    """
    work = Work()
    postmaster, before = _look(url)
    cpu = _cpu_s(postmaster)
    yield work
    work.cpu_s = _cpu_s(postmaster) - cpu
    work.wal_mib = (_look(url)[1] - before) / (1 << 20)


def _look(url: str) -> tuple[int, int]:
    """Return the number of the server's first process, and how far its log goes."""
    query = "select pg_backend_pid(), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
    with psycopg.connect(url, autocommit=True) as connection:
        backend, position = connection.execute(query).fetchone() or (0, 0)
        return int(_stat(backend)[_PARENT]), int(position)


def _cpu_s(postmaster: int) -> float:
    ticks = sum(map(int, _stat(postmaster)[_ENDED]))
    for path in Path(f"/proc/{postmaster}/task").glob("*/children"):
        for child in path.read_text("ascii").split():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                ticks += sum(map(int, _stat(int(child))[_OWN]))
    return ticks / _TICKS


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
