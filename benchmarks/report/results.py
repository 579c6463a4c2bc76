"""Results as JSON: times and peaks by measurement and contestant."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.timing.processes import Timed


@dataclass(slots=True)
class Series:
    """Repeated measurements of the same thing."""

    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    server_cpu_s: list[float] = field(default_factory=list)
    wal_mib: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """Return the median time."""
        return statistics.median(self.seconds)

    @property
    def median_cpu_s(self) -> float:
        """Return the median CPU time."""
        return statistics.median(self.cpu_s)

    @property
    def median_mib(self) -> float:
        """Return the median peak memory."""
        return statistics.median(self.peak_mib)

    @property
    def median_server_cpu_s(self) -> float:
        """Return the median CPU time of the database server; 0 if it was not watched."""
        return statistics.median(self.server_cpu_s) if self.server_cpu_s else 0.0

    @property
    def median_wal_mib(self) -> float:
        """Return the median size of the server's new write-ahead log."""
        return statistics.median(self.wal_mib) if self.wal_mib else 0.0

    @property
    def median_work_s(self) -> float:
        """Return the CPU time of the process and of the database server together."""
        return self.median_cpu_s + self.median_server_cpu_s


@dataclass(slots=True)
class Results:
    """All results of one run of the benchmark.

    Attributes:
        size: S, M or L.
        machine: Description of the machine.
        series: `what/who` → times, such as `day 2/ours`.
        imports: Stage → seconds of imports in its process.
        notes: Notes for readers, such as contestants left out, and why.
        facts: Numbers of rows read and kept, findings, changes.
        packages: Stage → seconds of imports by package, of the first round.
        state: The commit that was measured.
    """

    size: str
    machine: str
    series: dict[str, Series] = field(default_factory=dict)
    imports: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    packages: dict[str, dict[str, float]] = field(default_factory=dict)
    state: str = ""

    def add(self, what: str, who: str, timed: Timed) -> None:
        """Add one run of a program."""
        series = self.series.setdefault(f"{what}/{who}", Series())
        series.seconds.append(timed.seconds)
        series.cpu_s.append(timed.cpu_s)
        series.peak_mib.append(timed.peak_mib)
        series.server_cpu_s.append(timed.server_cpu_s)
        series.wal_mib.append(timed.wal_mib)

    def find(self, what: str, who: str) -> Series | None:
        """Return a series, or None if it was not measured."""
        return self.series.get(f"{what}/{who}")

    def ratio(self, what: str, who: str, to_what: str, to_whom: str) -> float | None:
        """Return the ratio of two median times."""
        one, other = self.find(what, who), self.find(to_what, to_whom)
        return one.median_s / other.median_s if one and other else None

    def work_ratio(self, what: str, who: str, to_what: str, to_whom: str) -> float | None:
        """Return the ratio of two median CPU times, including the servers'."""
        one, other = self.find(what, who), self.find(to_what, to_whom)
        return one.median_work_s / other.median_work_s if one and other else None

    def save(self, path: Path) -> None:
        """Write the results to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Results | None:
        """Read the results of an earlier run, or return None if there is no file."""
        if not path.exists():
            return None
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        series = {name: Series(**one) for name, one in kept.pop("series").items()}
        return cls(**kept, series=series)
