"""Random faults in a simulated year: killed processes, database restarts and full disks.

Each task has a fault with a probability of two per cent. Its kind and its point depend on the seed
alone, so that a failed year can be repeated.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from faults import TASKS, Fault, Kind, live, state_of
from oneroster_sync import runs
from oneroster_sync.pipeline import sync
from oneroster_sync.runs import UnknownRunError

if TYPE_CHECKING:
    import datetime as dt

    from oneroster_sync.pipeline import Request
    from oneroster_sync.runs import Run
    from year.tally import Tally

RATE = 0.02
"""Share of tasks that have a fault."""
POINTS = 200
"""The last point of a fault; a run with fewer points may pass without one."""


class Soak:
    """Syncs packages, some of them with a fault."""

    def __init__(self, tally: Tally) -> None:
        """Start a year."""
        self._tally = tally
        self._rng = random.Random(f"faults {tally.seed}")

    def sync(self, request: Request, at: dt.datetime) -> Run:
        """Sync a package, and check that a fault leaves the roster as before or as after."""
        faulty = any(self._rng.random() < RATE for _ in TASKS)
        fault = Fault(self._rng.choice(list(Kind)), self._rng.randint(1, POINTS))
        if not faulty:
            return sync(request, clock=lambda: at)
        before = state_of(request.site)

        def look() -> None:
            self._tally.faults[fault.kind] += 1
            applied = _is_applied(request.run_id)
            assert applied or state_of(request.site) == before, f"{fault} left a partial run"

        live(request, fault, at, look)
        return runs.find(request.run_id)


def _is_applied(run_id: str) -> bool:
    try:
        return runs.find(run_id).applied_at is not None
    except UnknownRunError:
        return False
