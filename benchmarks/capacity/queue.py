"""A queue of runs, served by slots: every run is served once, in the order of arrival.

A run takes one slot from its first stage to its last. Airflow releases the slot between two tasks
and may serve another run; the work and the total time are the same.

The simulation has no random numbers: all random values are part of the runs. So the same runs can
be simulated with other numbers of slots, and only the slots make a difference.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Pool(StrEnum):
    """The pool of slots that serves a run."""

    SCHEDULED = "scheduled"
    UPLOADS = "uploads"


class End(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """A run to be served.

    Attributes:
        number: Unique number of the run.
        pool: The pool that serves it.
        at: Time of the request, in seconds since the week began.
        stages_s: Time of each stage in a slot.
        mib: Memory while it runs.
        size: S, M or L.
        database_s: Work of the database for it; None if unknown.
        fails_in: Index of the stage whose first try fails at its end, or None.
        source_away: Begin and end of the time when its source is unavailable; extract fails then.
    """

    number: int
    pool: Pool
    at: float
    stages_s: tuple[float, ...]
    mib: float = 0.0
    size: str = "S"
    database_s: float | None = None
    fails_in: int | None = None
    source_away: tuple[float, float] | None = None

    @property
    def slot_s(self) -> float:
        """Return the time in a slot if nothing fails."""
        return sum(self.stages_s)


@dataclass(frozen=True, slots=True)
class Layout:
    """The resources that serve the runs.

    Attributes:
        slots: Pool → slots. A single pool for all runs is `{Pool.SCHEDULED: n}`.
        run_starts_s: Runs that the schedulers can begin per second; unlimited by default.
        retry_s: Seconds before each retry of an extract with an unavailable source.
        refused_s: Duration of such a try.
        failed_again_s: Seconds before a stage that failed otherwise is retried.
        death: Time when a worker dies, the number of scheduled slots lost, and the seconds until
            its runs begin again and until its slots are back.
    """

    slots: dict[Pool, int]
    run_starts_s: float = math.inf
    retry_s: tuple[int, ...] = (30, 60, 120, 240)
    refused_s: float = 20
    failed_again_s: float = 10
    death: tuple[float, int, float, float] | None = None

    def pool_of(self, run: Run) -> Pool:
        """Return the pool that serves a run: its own, if the layout has it."""
        return run.pool if run.pool in self.slots else Pool.SCHEDULED


@dataclass(slots=True)
class Served:
    """The state and the result of a run.

    Attributes:
        run: The run.
        waited_s: Total time that it was due without a slot.
        tries: Number of times it got a slot.
        taken_s: Total time in a slot.
        ended_at: Time of its end.
        end: How it ended, or None.
        from_stage: Index of the next stage.
        due: Time since when it waits, or when it may continue.
        refusals: Number of tries with an unavailable source.
        has_failed: Whether the failing try is over.
    """

    run: Run
    waited_s: float = 0.0
    tries: int = 0
    taken_s: float = 0.0
    ended_at: float = math.nan
    end: End | None = None
    from_stage: int = 0
    due: float = 0.0
    refusals: int = 0
    has_failed: bool = False


@dataclass(slots=True)
class Outcome:
    """The results of all runs.

    Attributes:
        served: The result of each run, sorted by number.
        queued_area: Waiting runs integrated over time, in run-seconds.
        busy_area: Used slots integrated over time, in slot-seconds.
        most_busy: Maximum number of used slots.
        most_mib: Maximum of used memory.
        most_waiting: The longest queue.
    """

    served: list[Served] = field(default_factory=list)
    queued_area: float = 0.0
    busy_area: float = 0.0
    most_busy: int = 0
    most_mib: float = 0.0
    most_waiting: int = 0

    def waits(self, pool: Pool) -> list[float]:
        """Return the waiting times of a pool's runs, sorted."""
        return sorted(one.waited_s for one in self.served if one.run.pool is pool)

    def p95(self, pool: Pool) -> float:
        """Return the 95th percentile of the waiting times of a pool's runs; 0 without runs."""
        waits = self.waits(pool)
        return waits[math.ceil(0.95 * len(waits)) - 1] if waits else 0.0


def simulate(runs: Iterable[Run], layout: Layout) -> Outcome:
    """Serve all runs to their end.

    Raises:
        ValueError: A pool has no slot, or loses all by a death, so that it would never end.
    """
    return _Simulation(sorted(runs, key=lambda run: (run.at, run.number)), layout).outcome()


class _Simulation:
    """One simulation; simultaneous events are processed in the order in which they were planned."""

    def __init__(self, runs: Sequence[Run], layout: Layout) -> None:
        if any(slots < 1 for slots in layout.slots.values()) or Pool.SCHEDULED not in layout.slots:
            raise ValueError(
                f"every pool needs a slot, and there is one of scheduled runs: {layout}"
            )
        if layout.death and layout.death[1] >= layout.slots[Pool.SCHEDULED]:
            raise ValueError("the worker that dies must leave a slot of the scheduled pool")
        self._runs, self._layout = runs, layout
        self._free = dict(layout.slots)
        self._waiting: dict[Pool, deque[Served]] = {pool: deque() for pool in layout.slots}
        self._running: dict[int, tuple[Served, float, int]] = {}
        self._events: list[tuple[float, int, str, Served | None, int]] = []
        self._known = 0
        self._now = 0.0
        self._mib = 0.0
        self._outcome = Outcome()

    def outcome(self) -> Outcome:
        """Process all events, and return the outcome."""
        begins = dict.fromkeys(self._layout.slots, 0.0)
        each_s = 1 / self._layout.run_starts_s
        for run in self._runs:
            served = Served(run, due=run.at)
            self._outcome.served.append(served)
            pool = self._layout.pool_of(run)
            begins[pool] = max(begins[pool], run.at) + each_s
            self._plan(begins[pool], "ready", served)
            # A run that waits for a scheduler counts as queued, as one that waits for a slot.
            self._outcome.queued_area += begins[pool] - run.at
        if self._layout.death:
            self._plan(self._layout.death[0], "death")
        while self._events:
            at, _, what, whom, token = heapq.heappop(self._events)
            self._advance(at)
            self._happen(what, whom, token)
        self._outcome.served.sort(key=lambda one: one.run.number)
        return self._outcome

    def _plan(self, at: float, what: str, served: Served | None = None, token: int = 0) -> None:
        self._known += 1
        # The number keeps simultaneous events in their order; without it the heap would compare
        # runs.
        heapq.heappush(self._events, (at, self._known, what, served, token))

    def _advance(self, at: float) -> None:
        passed = at - self._now
        waiting = sum(map(len, self._waiting.values()))
        self._outcome.queued_area += passed * waiting
        self._outcome.busy_area += passed * len(self._running)
        self._now = at

    def _happen(self, what: str, served: Served | None, token: int) -> None:
        if what == "death":
            self._die()
        elif what == "back":
            self._free[Pool.SCHEDULED] += token
            self._fill(Pool.SCHEDULED)
        elif served is not None and what == "ready":
            pool = self._layout.pool_of(served.run)
            self._waiting[pool].append(served)
            self._fill(pool)
        # A run whose worker has died is not running: the end of that try never happens.
        elif served is not None and token in self._running:
            self._end_try(token)

    def _fill(self, pool: Pool) -> None:
        """Give the free slots to the waiting runs, in order."""
        waiting = self._waiting[pool]
        while waiting and self._free[pool] > 0:
            self._begin(waiting.popleft(), pool)
        out = self._outcome
        out.most_waiting = max(out.most_waiting, sum(map(len, self._waiting.values())))

    def _begin(self, served: Served, pool: Pool) -> None:
        self._free[pool] -= 1
        served.waited_s += self._now - served.due
        served.tries += 1
        self._known += 1
        self._running[self._known] = (served, self._now, self._known)
        self._mib += served.run.mib
        out = self._outcome
        out.most_busy = max(out.most_busy, len(self._running))
        out.most_mib = max(out.most_mib, self._mib)
        self._plan(self._now + self._try_s(served), "end", served, self._known)

    def _is_refused(self, served: Served, at: float) -> bool:
        away = served.run.source_away
        return served.from_stage == 0 and away is not None and away[0] <= at < away[1]

    def _try_s(self, served: Served) -> float:
        """Return the duration of this try: to the end, or to the failure."""
        if self._is_refused(served, self._now):
            return self._layout.refused_s
        first, failing = served.from_stage, served.run.fails_in
        if failing is not None and failing >= first and not served.has_failed:
            return sum(served.run.stages_s[first : failing + 1])
        return sum(served.run.stages_s[first:])

    def _leave(self, token: int) -> tuple[Served, float]:
        served, began, _ = self._running.pop(token)
        served.taken_s += self._now - began
        self._mib -= served.run.mib
        return served, began

    def _end_try(self, token: int) -> None:
        served, began = self._leave(token)
        pool = self._layout.pool_of(served.run)
        self._free[pool] += 1
        run = served.run
        if self._is_refused(served, began):
            served.refusals += 1
            if served.refusals > len(self._layout.retry_s):
                self._end(served, End.FAILED)
            else:
                self._again(served, self._layout.retry_s[served.refusals - 1])
        elif run.fails_in is not None and not served.has_failed:
            served.has_failed, served.from_stage = True, run.fails_in
            self._again(served, self._layout.failed_again_s)
        else:
            self._end(served, End.DONE)
        self._fill(pool)

    def _again(self, served: Served, after_s: float) -> None:
        served.due = self._now + after_s
        self._plan(served.due, "ready", served)

    def _end(self, served: Served, end: End) -> None:
        if served.end is not None:
            raise AssertionError(f"run {served.run.number} ended twice")
        served.end, served.ended_at = end, self._now

    def _die(self) -> None:
        """Remove a worker's slots; its runs continue later with their current stage."""
        assert self._layout.death is not None
        _, slots, noticed_s, away_s = self._layout.death
        mine = [
            token
            for token, (served, _, _) in self._running.items()
            if self._layout.pool_of(served.run) is Pool.SCHEDULED
        ]
        for token in mine[:slots]:
            served, began = self._leave(token)
            self._keep_whole_stages(served, self._now - began, began)
            self._again(served, noticed_s)
        # The slots of its runs were not free; only the idle ones are taken away here.
        self._free[Pool.SCHEDULED] -= slots - len(mine[:slots])
        self._plan(self._now + away_s, "back", None, slots)

    def _keep_whole_stages(self, served: Served, worked_s: float, began: float) -> None:
        if self._is_refused(served, began):
            return
        # Without the last stage: a run that had finished it would have ended.
        for took in served.run.stages_s[served.from_stage : -1]:
            if worked_s < took:
                return
            worked_s -= took
            served.from_stage += 1
