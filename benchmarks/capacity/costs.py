"""The costs of a run by size of the district and kind of day, measured by the benchmark.

`make bench` writes build/bench/S.json, M.json and L.json. benchmarks/data/costs.json keeps the
values that the capacity model needs, so that the model gives the same tables everywhere:

    python -m benchmarks.capacity.model --costs-from build/bench

A stage's time is its wall clock if the machine was quiet, else its CPU time: a busy machine
multiplies the first and hardly changes the second. Imports that a warm process has done already are
subtracted, and Airflow's overhead for a run is added in full.
"""

from __future__ import annotations

import json
import re
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import PROJECT
from benchmarks.districts import SIZES
from benchmarks.districts.days import AGAIN, NAMES
from benchmarks.sync.one_stage import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from benchmarks.report.results import Results

KEPT = PROJECT / "benchmarks" / "data" / "costs.json"
KINDS = (*NAMES, AGAIN)
# As `timing.machine.machine` describes the machine.
_LOAD = re.compile(r"^(\d+) cores.*; load ([\d.]+) when it began$")


class CostsError(Exception):
    """A measurement is missing; the message says what to run."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The costs of one stage of a run.

    Attributes:
        name: extract, validate, diff, review, apply, record; `all` if the whole run was timed.
        slot_s: Time that it takes a worker's slot, without Airflow's overhead.
        database_s: The part that is not the process's own work but the database's; 0 if the machine
            was busy, and too small if a stage used several cores.
        mib: Its peak memory.
    """

    name: str
    slot_s: float
    database_s: float
    mib: float


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of runs.

    Attributes:
        runs: Size and kind → the stages, in order.
        airflow_s: Airflow's time for a run of six tasks that do nothing.
        dag_file_s: Number of sites → seconds to parse the DAG file.
        notes: Explanations of numbers that were not directly measured.
    """

    runs: Mapping[str, Mapping[str, tuple[Stage, ...]]]
    airflow_s: float
    dag_file_s: Mapping[int, float]
    notes: tuple[str, ...] = ()

    def slot_s(self, size: str, kind: str) -> float:
        """Return how long a run takes a slot, including Airflow's overhead."""
        return sum(stage.slot_s for stage in self.runs[size][kind]) + self.airflow_s

    def database_s(self, size: str, kind: str) -> float | None:
        """Return about how long the database works for a run.

        For a size that was measured on a busy machine, the share of the other sizes is used; None
        if there is no other size.
        """
        if any(stage.database_s for stages in self.runs[size].values() for stage in stages):
            return sum(stage.database_s for stage in self.runs[size][kind])
        known = [
            sum(s.database_s for s in by[kind]) / sum(s.slot_s for s in by[kind])
            for by in self.runs.values()
            if any(stage.database_s for stages in by.values() for stage in stages)
        ]
        took = sum(stage.slot_s for stage in self.runs[size][kind])
        return min(known) * took if known else None

    def mib(self, size: str, kind: str) -> float:
        """Return the peak memory of a run: that of its largest stage."""
        return max(stage.mib for stage in self.runs[size][kind])

    def save(self, path: Path = KEPT) -> None:
        """Write the costs to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path = KEPT) -> Costs:
        """Read the costs from a file.

        Raises:
            CostsError: The file is missing or has another format.
        """
        try:
            kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            runs = {
                size: {
                    kind: tuple(Stage(**stage) for stage in stages) for kind, stages in by.items()
                }
                for size, by in kept["runs"].items()
            }
            sites = {int(count): float(took) for count, took in kept["dag_file_s"].items()}
            return cls(runs, float(kept["airflow_s"]), sites, tuple(kept["notes"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CostsError(
                f"{path} holds no costs ({error!r}); make bench, then "
                "python -m benchmarks.capacity.model --costs-from build/bench"
            ) from error


def measured(results: Iterable[Results], *, is_warm: bool = True) -> Costs:
    """Compute the costs from results of the benchmark.

    Args:
        results: Results of S and M, and of L if it was measured; in any order.
        is_warm: Whether the tasks are forks of a process that has imported everything
            (`oneroster_sync.stages.preload`), as the scheduler's and a Celery worker's are.

    Raises:
        CostsError: S or M is missing.
    """
    by_size = {one.size: one for one in results}
    if missing := sorted({"S", "M"} - by_size.keys()):
        raise CostsError(f"not measured: {', '.join(missing)}; run make bench SIZE={missing[0]}")
    notes: list[str] = []
    runs = {size: _runs(by_size[size], notes, is_warm=is_warm) for size in SIZES if size in by_size}
    if "L" not in runs:
        drawn = {kind: _larger(runs["S"][kind], runs["M"][kind]) for kind in KINDS}
        if by_size["M"].find(AGAIN, "ours") is None:
            drawn[AGAIN] = drawn[NAMES[-1]]
        runs["L"] = drawn
        notes.append(
            "L was not measured: time and memory of each stage are drawn on straight from S to M."
        )
    empty = by_size["S"].find("empty", "through Airflow")
    if empty is None:
        raise CostsError("S has no run through Airflow; run make bench SIZE=S")
    dag_file = {
        count: series.median_s
        for count in (1, 100, 1000)
        if (series := by_size["S"].find(f"{count} sites", "DAG file"))
    }
    return Costs(runs, empty.median_s, dag_file, tuple(notes))


def is_quiet(machine: str) -> bool:
    """Return whether every runnable process had a core when the measurement began."""
    found = _LOAD.search(machine)
    return found is not None and float(found[2]) <= int(found[1])


def _runs(results: Results, notes: list[str], *, is_warm: bool) -> dict[str, tuple[Stage, ...]]:
    quiet = is_quiet(results.machine)
    if not quiet:
        notes.append(
            f"{results.size} was measured on a busy machine: processors' time stands for its "
            "stages, and the database's part of it is not known."
        )
    runs: dict[str, tuple[Stage, ...]] = {}
    for day in NAMES:
        runs[day] = tuple(
            _stage(results, f"{day}: {name}", "stages", name, quiet=quiet, is_warm=is_warm)
            for name in STAGES
        )
    if results.find(AGAIN, "ours") is None:
        notes.append(f"{results.size}: “{AGAIN}” was not measured; “{NAMES[-1]}” stands for it.")
        runs[AGAIN] = runs[NAMES[-1]]
    else:
        # One process ran all stages and imported everything once: nothing is subtracted.
        runs[AGAIN] = (_stage(results, AGAIN, "ours", "all", quiet=quiet, is_warm=False),)
    return runs


def _stage(
    results: Results, what: str, who: str, name: str, *, quiet: bool, is_warm: bool
) -> Stage:
    series = results.find(what, who)
    if series is None:
        raise CostsError(f"{results.size} has no “{what}”; run make bench SIZE={results.size}")
    took = series.median_s if quiet else series.median_cpu_s
    if is_warm:
        # The imports are a share of the wall clock that was measured with them.
        walls = [s.median_s for d in NAMES if (s := results.find(f"{d}: {name}", "stages"))]
        loading = statistics.median(results.imports.get(name, [0.0]))
        took *= 1 - min(0.95, loading / statistics.median(walls))
    database_s = max(0.0, series.median_s - series.median_cpu_s) if quiet else 0.0
    return Stage(name, took, min(database_s, took), series.median_mib)


def _larger(small: tuple[Stage, ...], middle: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Extrapolate linearly from S and M to L; a stage that is slower for S stays constant."""
    (s_users, _), (m_users, _), (l_users, _) = (SIZES[size] for size in "SML")
    times = (l_users - m_users) / (m_users - s_users)
    if len(small) != len(middle):  # only one size was timed by stages
        small = (_together(small),)
        middle = (_together(middle),)

    def drawn(at_s: float, at_m: float) -> float:
        return at_m + max(0.0, at_m - at_s) * times

    return tuple(
        Stage(
            m.name,
            drawn(s.slot_s, m.slot_s),
            drawn(s.database_s, m.database_s),
            drawn(s.mib, m.mib),
        )
        for s, m in zip(small, middle, strict=True)
    )


def _together(stages: tuple[Stage, ...]) -> Stage:
    return Stage(
        "all",
        sum(stage.slot_s for stage in stages),
        sum(stage.database_s for stage in stages),
        max(stage.mib for stage in stages),
    )
