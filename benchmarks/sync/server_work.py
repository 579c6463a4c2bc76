"""Measure PostgreSQL's work for a contestant: CPU time, and bytes of write-ahead log."""

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
"""Fields of /proc/PID/stat after the name: parent; own times; own and ended children's times."""


@dataclass(slots=True)
class Work:
    """The work of a server during a block.

    Attributes:
        cpu_s: CPU seconds of all its processes, ended ones included.
        wal_mib: Size of the new write-ahead log.
    """

    cpu_s: float = 0.0
    wal_mib: float = 0.0


@contextlib.contextmanager
def watched(url: str) -> Iterator[Work]:
    """Watch the server during the block; the result is complete after the block.

    Parallel work is counted as well, so contestants run one after the other.
    """
    work = Work()
    postmaster, before = _read_state(url)
    cpu = _cpu_s(postmaster)
    yield work
    work.cpu_s = _cpu_s(postmaster) - cpu
    work.wal_mib = (_read_state(url)[1] - before) / (1 << 20)


def _read_state(url: str) -> tuple[int, int]:
    """Return the id of the server's first process, and the position of its log."""
    query = "select pg_backend_pid(), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
    with psycopg.connect(url, autocommit=True) as connection:
        backend, position = connection.execute(query).fetchone() or (0, 0)
        return int(_stat(backend)[_PARENT]), int(position)


def _cpu_s(postmaster: int) -> float:
    ticks = sum(map(int, _stat(postmaster)[_ENDED]))
    for path in Path(f"/proc/{postmaster}/task").glob("*/children"):
        for child in path.read_text("ascii").split():
            with contextlib.suppress(OSError):  # the process has ended meanwhile
                ticks += sum(map(int, _stat(int(child))[_OWN]))
    return ticks / _TICKS


def _stat(pid: int) -> list[str]:
    # The name, in parentheses, may hold spaces and parentheses itself: the last one ends it.
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
