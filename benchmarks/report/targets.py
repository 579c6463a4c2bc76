"""Targets, and the distance of each result from its target."""

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
    """One target with its result.

    Attributes:
        what: Description.
        aim: The bound.
        found: The result.
        at_least: Whether the bound is a lower one.
        unit: Unit of both; `×` for ratios.
        sizes: The sizes that it applies to.
        is_stable: Whether it applies on any machine, under any load.
    """

    what: str
    aim: float
    found: float
    at_least: bool = False
    unit: str = "×"
    sizes: str = "ML"
    is_stable: bool = False

    def is_met(self, times: float = 1) -> bool:
        """Return whether the target is met, or met within a multiple of the bound."""
        if self.at_least:
            return self.found >= self.aim / times
        return self.found <= self.aim * times

    def to_text(self) -> tuple[str, str]:
        """Return the texts of the bound and the result."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.aim:g} {self.unit}", f"{self.found:.2f} {self.unit}"


LIMIT_BEFORE_S = 25.7
"""CPU time of the limit and PostgreSQL on day 1 of L while the schema had foreign keys (8.3 s and
17.4 s on two cores), when it wrote into the product's own tables."""
_TO_LIMIT = {"M": (1.6, 2.0), "L": (1.2, 1.3, 1.4)}
_TO_DLT = {"M": (0.9, 0.9), "L": (1.0, 1.15, 1.25)}
_OTHERS = ("psql COPY + MERGE", "Polars + ADBC", "pandas + to_sql")
_TO_OTHERS = {"M": 1.5, "L": 3.0}
_AGAIN = {"M": 2.5, "L": 1.3}


def targets(results: Results, smaller: Results | None) -> Iterator[Target]:
    """Yield every target for which there are results.

    Ratios compare CPU times, including PostgreSQL's, which hardly depend on the machine's other
    load. Only targets in Airflow use the clock.

    Args:
        results: Results of the measured size.
        smaller: Results of size M, for the growth to L.
    """
    size = results.size
    # A size may have aims for its first days only.
    for day, aim in zip(NAMES, _TO_LIMIT.get(size, ()), strict=False):
        yield from _ratio(results, f"{day}: ours ÷ limit", aim, (day, "ours", day, "limit"))
    for day, aim in zip(NAMES, _TO_DLT.get(size, ()), strict=False):
        pair = (day, "dlt merge", day, "ours")
        yield from _ratio(results, f"{day}: dlt merge ÷ ours", aim, pair, at_least=True)
    for peer in _OTHERS if size in _TO_OTHERS else ():
        pair, aim = ("day 2", peer, "day 2", "ours"), _TO_OTHERS[size]
        yield from _ratio(results, f"day 2: {peer} ÷ ours", aim, pair, at_least=True)
    if size in _AGAIN:
        pair = (AGAIN, "ours", AGAIN, "read + sha256")
        yield from _ratio(results, f"{AGAIN}: ours ÷ reading and hashing", _AGAIN[size], pair)
    pair = ("validation", "ours", "validation", "DuckDB SQL")
    yield from _ratio(results, "validation: ours ÷ DuckDB SQL", 1.15, pair, sizes="L")
    peaks = [s.median_mib for d in NAMES if (s := results.find(d, "ours"))]
    yield Target("most memory of ours", 1.2, max(peaks) / _GIB, unit="GiB", sizes="L")
    if (first := results.find(NAMES[0], "ours")) is not None and first.server_cpu_s:
        words = f"{NAMES[0]}: our CPU and PostgreSQL's together"
        yield Target(words, 21.0, first.median_work_s, unit="s", sizes="L")
        words = f"{NAMES[0]}: ours ÷ the limit while there were foreign keys"
        yield Target(words, 0.8, first.median_work_s / LIMIT_BEFORE_S, sizes="L")
    if smaller is not None:
        yield from _growth(results, smaller)
    yield from _through_airflow(results)
    for stage, seconds in results.imports.items():
        found = sorted(seconds)[len(seconds) // 2]
        yield Target(f"imports of {stage}", 1.0, found, unit="s", sizes="SML")
    few, many = (results.find(f"{n} sites", "DAG file") for n in (100, 1000))
    if few and many:
        found = (many.median_s / 1000) / (few.median_s / 100)
        words = "DAG file: time per site, 1,000 sites ÷ 100 sites"
        yield Target(words, 1.1, found, sizes="SML", is_stable=True)


def _through_airflow(results: Results) -> Iterator[Target]:
    for what in (*NAMES, AGAIN):
        found = results.ratio(what, "through Airflow", EMPTY, "through Airflow")
        if found is not None:
            is_first = what == NAMES[0]  # there is only one first sync, and so no median
            words = f"{what} through the real DAG ÷ an empty DAG"
            yield Target(words, 1.2, found, sizes="S", is_stable=not is_first)


def bounded_by(results: Results, target: str = "") -> list[str]:
    """Return the largest parts of what a target measures, such as `validate 2.10`.

    For a day these are its stages, all imports, and PostgreSQL; for validation, imports and
    the rest; for imports, the packages; for the same package again, the floor and what is beyond.

    Args:
        results: The results.
        target: Description of the target; day 2 if it names no day.
    """
    return [f"{what} {seconds:.2f}" for seconds, what in sorted(_parts(results, target))[:-4:-1]]


def _parts(results: Results, target: str) -> list[tuple[float, str]]:
    stage = target.removeprefix("imports of ")
    if stage != target:
        return [(s, package) for package, s in results.packages.get(stage, {}).items()]
    if target.startswith(AGAIN):
        ours, floor = results.find(AGAIN, "ours"), results.find(AGAIN, "read + sha256")
        if ours and floor:
            beyond = max(0.0, ours.median_cpu_s - floor.median_cpu_s)
            return [
                (beyond, "start of Python, psycopg and the queries"),
                (floor.median_cpu_s, "reading and hashing"),
                (ours.median_server_cpu_s, "PostgreSQL"),
            ]
    if target.startswith("validation") and (ours := results.find("validation", "ours")):
        imports = _median(results.imports.get("validate", [0.0]))
        return [
            (imports, "imports"),
            (max(0.0, ours.median_cpu_s - imports), "reading and judging"),
        ]
    day = next((day for day in NAMES if target.startswith(day)), NAMES[1])
    return _parts_of_day(results, day)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _parts_of_day(results: Results, name: str) -> list[tuple[float, str]]:
    """Return the stages without imports, which one process of all stages has only once."""
    parts: list[tuple[float, str]] = []
    most = 0.0
    for series_name, series in results.series.items():
        what, _, who = series_name.partition("/")
        day, _, stage = what.partition(": ")
        if who == "stages" and day == name and series.cpu_s:
            imports = min(_median(results.imports.get(stage, [0.0])), series.median_cpu_s)
            parts.append((series.median_cpu_s - imports, stage))
            most = max(most, imports)
    parts.append((most, "imports"))
    if (ours := results.find(name, "ours")) is not None:
        parts.append((ours.median_server_cpu_s, "PostgreSQL"))
    return parts


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
    found = results.work_ratio(*pair)
    if found is not None:
        yield Target(words, aim, found, at_least=at_least, sizes=sizes, is_stable=is_stable)


def _growth(results: Results, smaller: Results) -> Iterator[Target]:
    """Yield the exponents of growth: 1 is linear in the number of rows."""
    for day in NAMES:
        large, small = results.find(day, "ours"), smaller.find(day, "ours")
        if large and small:
            # L has ten times the rows of M, so the logarithm to base ten is the exponent.
            times = math.log10(large.median_s / small.median_s)
            peaks = math.log10(large.median_mib / small.median_mib)
            yield Target(f"{day}: exponent of time, M to L", 1.0, times, unit="", sizes="L")
            yield Target(f"{day}: exponent of memory, M to L", 1.0, peaks, unit="", sizes="L")
