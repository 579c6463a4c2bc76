"""Generate the runs of a week from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from benchmarks.capacity.assumptions import DAY_S, HOUR_S
from benchmarks.capacity.queue import Pool, Run
from benchmarks.districts.days import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.capacity.assumptions import Assumptions
    from benchmarks.capacity.costs import Costs

_T = TypeVar("_T")
_MINUTE_S = 60
_WEEKDAYS = range(5)
_WEEK = range(7)
FIRST, CHANGED = NAMES[0], NAMES[1]


def runs_of_week(districts: int, costs: Costs, assumed: Assumptions, *, seed: int) -> list[Run]:
    """Return all runs of a number of districts.

    A district does not depend on the number of districts: the first hundred of a thousand districts
    have the same runs as a hundred districts.
    """
    runs: list[Run] = []
    for district in range(districts):
        rng = np.random.default_rng([seed, district])
        for pool, at, size, kind in _of_district(rng, assumed):
            stages_s = [stage.slot_s for stage in costs.runs[size][kind]]
            each_s = costs.airflow_s / len(stages_s)
            fails = rng.random() < assumed.failing_share
            failing = int(rng.integers(len(stages_s))) if fails else None
            is_away = rng.random() < assumed.outage_share
            runs.append(
                Run(
                    number=len(runs),
                    pool=pool,
                    at=at,
                    stages_s=tuple(took + each_s for took in stages_s),
                    mib=costs.mib(size, kind),
                    size=size,
                    database_s=costs.database_s(size, kind),
                    fails_in=failing,
                    source_away=assumed.outage if is_away and pool is Pool.SCHEDULED else None,
                )
            )
    return runs


def _of_district(
    rng: np.random.Generator, assumed: Assumptions
) -> Iterator[tuple[Pool, float, str, str]]:
    """Yield pool, time, size and kind of each run of one district."""
    size = _choice(rng, assumed.shares)
    slot = HOUR_S * _choice(rng, assumed.hours) + _MINUTE_S * _choice(rng, assumed.minutes)
    is_new = rng.random() < assumed.new_share
    for day in _WEEK if rng.random() < assumed.weekend_share else _WEEKDAYS:
        kind = FIRST if is_new and day == 0 else _choice(rng, assumed.kinds)
        at = day * DAY_S + slot + rng.uniform(0, assumed.scatter_s)
        yield Pool.SCHEDULED, float(at), size, kind
    opens, closes = assumed.office_hours
    for _ in range(int(rng.poisson(assumed.uploads_a_week))):
        day = int(rng.integers(len(_WEEKDAYS)))
        yield Pool.UPLOADS, float(day * DAY_S + HOUR_S * rng.uniform(opens, closes)), size, CHANGED


def _choice(rng: np.random.Generator, weights: Mapping[_T, float]) -> _T:
    """Draw a key by its weight."""
    names = list(weights)
    total = np.cumsum(list(weights.values()))
    return names[int(np.searchsorted(total, rng.random() * total[-1], side="right"))]
