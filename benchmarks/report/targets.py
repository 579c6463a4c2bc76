"""What is aimed at, and how far each measurement is from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.districts.days import AGAIN, NAMES
from benchmarks.sync.through_airflow import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.report.results import Results

_GIB = 1024


@dataclass(frozen=True, slots=True)
class Target:
    """One target with what was measured.

    Attributes:
        what: In words.
        aim: The bound.
        found: What was measured.
        at_least: Whether the bound is a lower one.
        unit: Of both, `×` for ratios.
        sizes: The sizes for which it is meant.
        is_stable: Whether it holds on any machine, however busy.
    """

    what: str
    aim: float
    found: float
    at_least: bool = False
    unit: str = "×"
    sizes: str = "ML"
    is_stable: bool = False

    def is_met(self, times: float = 1) -> bool:
        """Tell whether it is met, or met within so many times the bound."""
        if self.at_least:
            return self.found >= self.aim / times
        return self.found <= self.aim * times

    def to_text(self) -> tuple[str, str]:
        """Return the bound and what was found."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.aim:g} {self.unit}", f"{self.found:.2f} {self.unit}"


def targets(results: Results, smaller: Results | None) -> Iterator[Target]:
    """Yield every target that can be judged by what was measured.

    Args:
        results: Of the size that was measured.
        smaller: Of size M, for the growth to L.
    """
    for day in NAMES[:2]:
        yield from _ratio(results, f"{day}: ours ÷ limit", 1.3, (day, "ours", day, "limit"))
    hashed = (AGAIN, "ours", AGAIN, "read + sha256")
    yield from _ratio(results, f"{AGAIN}: ours ÷ reading and hashing", 1.1, hashed)
    for peer, aim in (("dlt merge", 10.0), ("pandas + to_sql", 5.0)):
        pair = ("day 2", peer, "day 2", "ours")
        yield from _ratio(results, f"day 2: {peer} ÷ ours", aim, pair, at_least=True)
    pair = ("validation", "ours", "validation", "DuckDB SQL")
    yield from _ratio(results, "validation: ours ÷ DuckDB SQL", 1.2, pair, sizes="L")
    peaks = [s.median_mib for d in NAMES if (s := results.find(d, "ours"))]
    yield Target("most memory of ours", 1.5, max(peaks) / _GIB, unit="GiB", sizes="L")
    if (first := results.find(NAMES[0], "ours")) is not None and first.server_cpu_s:
        words = f"{NAMES[0]}: our CPU and PostgreSQL's together"
        yield Target(words, 21.0, first.median_work_s, unit="s", sizes="L")
    if smaller is not None:
        yield from _growth(results, smaller)
    for what in (*NAMES, AGAIN):
        pair = (what, "through Airflow", EMPTY, "through Airflow")
        words = f"{what} through the real DAG ÷ an empty DAG"
        is_first = what == NAMES[0]  # there is one, and so no median
        yield from _ratio(results, words, 1.25, pair, sizes="S", is_stable=not is_first)
    for stage, seconds in results.imports.items():
        found = sorted(seconds)[len(seconds) // 2]
        yield Target(f"imports of {stage}", 1.0, found, unit="s", sizes="SML")
    few, many = (results.find(f"{n} sites", "DAG file") for n in (100, 1000))
    if few and many:
        found = (many.median_s / 1000) / (few.median_s / 100)
        words = "DAG file: time per site, 1,000 sites ÷ 100 sites"
        yield Target(words, 1.1, found, sizes="SML", is_stable=True)


def _ratio(
    results: Results,
    words: str,
    aim: float,
    pair: tuple[str, str, str, str],
    *,
    at_least: bool = False,
    sizes: str = "ML",
    is_stable: bool = False,
) -> Iterator[Target]:
    found = results.ratio(*pair)
    if found is not None:
        yield Target(words, aim, found, at_least=at_least, sizes=sizes, is_stable=is_stable)


def _growth(results: Results, smaller: Results) -> Iterator[Target]:
    """Yield the exponents of growth: 1 is linear in the number of rows."""
    for day in NAMES:
        large, small = results.find(day, "ours"), smaller.find(day, "ours")
        if large and small:
            times = math.log10(large.median_s / small.median_s)
            peaks = math.log10(large.median_mib / small.median_mib)
            yield Target(f"{day}: exponent of time, M to L", 1.0, times, unit="", sizes="L")
            yield Target(f"{day}: exponent of memory, M to L", 1.0, peaks, unit="", sizes="L")
