"""Find the fewest slots and schedulers with which a number of districts keeps two promises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.capacity.assumptions import WEEK_S
from benchmarks.capacity.queue import End, Layout, Outcome, Pool, simulate
from benchmarks.capacity.week import runs_of_week
from oneroster_sync.sites.schedule import GRACE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.capacity.assumptions import Assumptions
    from benchmarks.capacity.costs import Costs
    from benchmarks.capacity.queue import Run

SCHEDULED_S, UPLOADS_S = 15 * 60, 60
"""The promises: 95 % of a pool's runs wait less than this."""
GRACE_S = GRACE.total_seconds()
"""A run that begins later than this after its slot is skipped, so all must begin before."""
_TASKS = 6
_QUARTER_S = 900


@dataclass(frozen=True, slots=True)
class Sized:
    """The resources for a number of districts, and the simulated results.

    Attributes:
        districts: Number of districts.
        runs: Pool → number of runs in the week.
        slots: Pool → number of slots.
        schedulers: Number of Airflow's schedulers.
        outcome: Outcome of the week.
        shared: Outcome of the week if both pools shared all slots.
        begun_s: Maximum time that a scheduled run waits for a scheduler only.
        database_cores: Cores that the database uses in its busiest quarter of an hour; None if
            not measured.
    """

    districts: int
    runs: dict[Pool, int]
    slots: dict[Pool, int]
    schedulers: int
    outcome: Outcome
    shared: Outcome
    begun_s: float
    database_cores: float | None

    @property
    def all_slots(self) -> int:
        """Return the slots of both pools."""
        return sum(self.slots.values())

    @property
    def failed(self) -> int:
        """Return the number of runs that were not done, because their source was away too long."""
        return sum(one.end is End.FAILED for one in self.outcome.served)

    @property
    def tried_again(self) -> int:
        """Return the number of runs with more than one try."""
        return sum(one.tries > 1 for one in self.outcome.served)

    @property
    def use(self) -> float:
        """Return the utilization of the slots over the week."""
        return self.outcome.busy_area / (self.all_slots * WEEK_S)


def size(districts: int, costs: Costs, assumed: Assumptions, *, seed: int) -> Sized:
    """Find the fewest schedulers, and with them the fewest slots of each pool."""
    runs = runs_of_week(districts, costs, assumed, seed=seed)
    by_pool = {pool: [run for run in runs if run.pool is pool] for pool in Pool}
    # So many that only the pool in question makes a run wait.
    plenty = len(runs) + assumed.slots_of_worker

    def p95(pool: Pool, slots: int, schedulers: int) -> float:
        layout = layout_of({Pool.SCHEDULED: plenty, pool: slots}, assumed, schedulers)
        return simulate(by_pool[pool], layout).p95(pool)

    def begun_s(schedulers: int) -> float:
        run_starts_s = layout_of({Pool.SCHEDULED: 1}, assumed, schedulers).run_starts_s
        return longest_until_begun(by_pool[Pool.SCHEDULED], run_starts_s)

    # First the schedulers: whether a run begins in time does not depend on the slots.
    schedulers = fewest(lambda n: begun_s(n) < GRACE_S, least=1)
    slots = {
        Pool.SCHEDULED: fewest(
            lambda n: p95(Pool.SCHEDULED, n, schedulers) < SCHEDULED_S,
            least=assumed.slots_of_worker + 1,  # one worker dies
        ),
        Pool.UPLOADS: fewest(lambda n: p95(Pool.UPLOADS, n, schedulers) < UPLOADS_S, least=1),
    }
    outcome = simulate(runs, layout_of(slots, assumed, schedulers))
    together = {Pool.SCHEDULED: sum(slots.values())}
    shared = simulate(runs, layout_of(together, assumed, schedulers))
    return Sized(
        districts,
        {pool: len(of_pool) for pool, of_pool in by_pool.items()},
        slots,
        schedulers,
        outcome,
        shared,
        begun_s(schedulers),
        _database_cores(outcome),
    )


def layout_of(slots: dict[Pool, int], assumed: Assumptions, schedulers: int = 1) -> Layout:
    """Return a layout with all failures of the assumptions."""
    death = (assumed.death_s, assumed.slots_of_worker, assumed.noticed_s, assumed.away_s)
    return Layout(
        slots,
        run_starts_s=schedulers * assumed.tasks_per_s / _TASKS,
        retry_s=assumed.retry_s,
        refused_s=assumed.refused_s,
        death=death,
    )


def longest_until_begun(runs: Sequence[Run], run_starts_s: float) -> float:
    """Return the maximum time that a run waits for a scheduler."""
    begun = longest = 0.0
    for at in sorted(run.at for run in runs):
        begun = max(begun, at) + 1 / run_starts_s
        longest = max(longest, begun - at)
    return longest


def fewest(is_enough: Callable[[int], bool], *, least: int) -> int:
    """Return the smallest sufficient number; sufficiency must be monotonic."""
    most = least
    while not is_enough(most):
        least, most = most + 1, 2 * most
    while least < most:
        middle = (least + most) // 2
        if is_enough(middle):
            most = middle
        else:
            least = middle + 1
    return most


def memory_of_worker(runs: Sequence[Run], slots: int, own_mib: float) -> float:
    """Return a worker's memory: its own, the largest run, and the 95th percentile for the rest."""
    peaks = sorted(run.mib for run in runs)
    usual = peaks[math.ceil(0.95 * len(peaks)) - 1]
    return own_mib + peaks[-1] + (slots - 1) * usual


def _database_cores(outcome: Outcome) -> float | None:
    """Return the database's cores in the quarter of an hour in which most runs end."""
    quarters: dict[int, float] = {}
    for one in outcome.served:
        if one.run.database_s is None:
            return None
        quarter = int(one.ended_at // _QUARTER_S)
        quarters[quarter] = quarters.get(quarter, 0.0) + one.run.database_s
    return max(quarters.values()) / _QUARTER_S
