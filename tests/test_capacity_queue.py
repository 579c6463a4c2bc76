"""The simulated queue loses no run, gains from more slots, and agrees with queueing theory."""

from __future__ import annotations

import dataclasses
import math
import sys

import numpy as np
import pytest

from oneroster_sync import settings

sys.path.append(str(settings.PROJECT))
from benchmarks.capacity.assumptions import DAY_S, HOUR_S
from benchmarks.capacity.queue import End, Layout, Pool, Run, simulate
from benchmarks.capacity.sizing import SCHEDULED_S, UPLOADS_S

SEED = 3


def scheduled(at: float, *stages_s: float, number: int = 0, **more: object) -> Run:
    """Return a scheduled run."""
    return Run(number, Pool.SCHEDULED, at, stages_s, **more)  # type: ignore[arg-type]


def random_runs(rng: np.random.Generator, many: int, every_s: float, takes_s: float) -> list[Run]:
    """Return runs with random arrival times and random durations."""
    at = np.cumsum(rng.exponential(every_s, many))
    took = rng.exponential(takes_s, many)
    return [
        scheduled(float(a), float(t), number=n)
        for n, (a, t) in enumerate(zip(at, took, strict=True))
    ]


def test_case_calculated_by_hand() -> None:
    """With two slots, four simultaneous runs of 10, 20, 30 and 40 s wait 0, 0, 10 and 20 s."""
    runs = [scheduled(0, 10.0 * (n + 1), number=n, mib=100) for n in range(4)]
    outcome = simulate(runs, Layout({Pool.SCHEDULED: 2}))
    assert [one.waited_s for one in outcome.served] == [0, 0, 10, 20]
    assert [one.ended_at for one in outcome.served] == [10, 20, 40, 60]
    assert outcome.queued_area == 30
    assert outcome.busy_area == 100
    assert (outcome.most_busy, outcome.most_waiting, outcome.most_mib) == (2, 2, 200)


def test_a_scheduler_begins_one_run_after_the_other() -> None:
    """At one start in two seconds, three simultaneous runs with free slots wait 2, 4 and 6 s."""
    runs = [scheduled(0, 1, number=n) for n in range(3)]
    outcome = simulate(runs, Layout({Pool.SCHEDULED: 9}, run_starts_s=0.5))
    assert [one.waited_s for one in outcome.served] == [2, 4, 6]
    assert outcome.queued_area == 12


def test_a_stage_that_fails_is_tried_again_and_no_other() -> None:
    """A retry repeats only the failed stage: validate runs twice, extract once."""
    outcome = simulate([scheduled(0, 5, 7, 3, fails_in=1)], Layout({Pool.SCHEDULED: 1}))
    (served,) = outcome.served
    assert (served.tries, served.taken_s, served.ended_at) == (2, 5 + 7 + 7 + 3, 22 + 10)


def test_a_source_that_comes_back_is_asked_again() -> None:
    """With tries of 20 s at 0, 50 and 130 s, the third finds a source that is away until 60 s."""
    run = scheduled(0, 5, 5, source_away=(0, 60))
    (served,) = simulate([run], Layout({Pool.SCHEDULED: 1})).served
    assert (served.tries, served.end, served.ended_at) == (3, End.DONE, 20 + 30 + 20 + 60 + 10)


def test_a_source_that_stays_away_ends_the_run() -> None:
    """After the fifth try the run fails, so no run waits for ever."""
    run = scheduled(0, 5, 5, source_away=(0, DAY_S))
    (served,) = simulate([run], Layout({Pool.SCHEDULED: 1})).served
    assert (served.tries, served.end) == (5, End.FAILED)
    assert served.ended_at == 5 * 20 + 30 + 60 + 120 + 240


def test_dead_worker_loses_no_run() -> None:
    """Two of three slots die at 12 s: their runs repeat the second stage once this is noticed."""
    runs = [scheduled(0, 10, 10, number=n) for n in range(3)]
    layout = Layout({Pool.SCHEDULED: 3}, death=(12, 2, 100, 500))
    outcome = simulate(runs, layout)
    assert [one.end for one in outcome.served] == [End.DONE] * 3
    assert [one.tries for one in outcome.served] == [2, 2, 1]
    # One slot is left: it takes one run from 112 s on and the other from 122 s on.
    assert sorted(one.ended_at for one in outcome.served) == [20, 122, 132]
    assert outcome.busy_area == 12 * 3 + 8 + 10 + 10


def test_slots_of_a_dead_worker_come_back() -> None:
    """While the worker is away one run is served at a time; then two are."""
    runs = [scheduled(float(at), 50, number=n) for n, at in enumerate((10, 10, 200, 200))]
    outcome = simulate(runs, Layout({Pool.SCHEDULED: 2}, death=(5, 1, 0, 150)))
    assert [one.waited_s for one in outcome.served] == [0, 50, 0, 0]


def test_a_layout_in_which_nothing_could_end_is_refused() -> None:
    """A pool without slots, or a death that takes all slots, is a ValueError."""
    with pytest.raises(ValueError, match="every pool needs a slot"):
        simulate([], Layout({Pool.SCHEDULED: 0}))
    with pytest.raises(ValueError, match="must leave a slot"):
        simulate([], Layout({Pool.SCHEDULED: 2}, death=(0, 2, 0, 0)))


def wave(many: int) -> list[Run]:
    """Return so many scheduled runs at two o'clock, and an upload every minute after that."""
    runs = [scheduled(2 * HOUR_S, 10, number=n) for n in range(many)]
    return runs + [Run(many + n, Pool.UPLOADS, 2 * HOUR_S + 1 + 60 * n, (10,)) for n in range(20)]


def test_a_wave_does_not_starve_uploads_that_have_their_own_pool() -> None:
    """Uploads with their own slot don't wait for the wave; in a shared pool they wait for all."""
    own = simulate(wave(600), Layout({Pool.SCHEDULED: 4, Pool.UPLOADS: 1}))
    shared = simulate(wave(600), Layout({Pool.SCHEDULED: 5}))
    assert own.p95(Pool.UPLOADS) == 0
    assert own.p95(Pool.SCHEDULED) > SCHEDULED_S
    assert shared.p95(Pool.UPLOADS) > 10 * UPLOADS_S


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_one_slot_waits_as_pollaczek_khinchine_predicts(load: float) -> None:
    """M/M/1: the mean wait is load ÷ (1 - load) service times; M/D/1 waits half of that."""
    rng = np.random.default_rng([SEED, int(100 * load)])
    runs = random_runs(rng, 60_000, 10 / load, 10)
    steady = [dataclasses.replace(run, stages_s=(10.0,)) for run in runs]
    for some, expected in ((runs, 10 * load / (1 - load)), (steady, 5 * load / (1 - load))):
        outcome = simulate(some, Layout({Pool.SCHEDULED: 1}))
        found = sum(one.waited_s for one in outcome.served) / len(some)
        assert found == pytest.approx(expected, rel=0.12)


def test_several_slots_wait_as_erlang_predicts() -> None:
    """M/M/4 at a load of 0.8: Erlang's C gives the share that waits, and the mean wait."""
    slots, load = 4, 0.8
    offered = slots * load
    tail = offered**slots / math.factorial(slots) / (1 - load)
    waits = tail / (sum(offered**k / math.factorial(k) for k in range(slots)) + tail)
    runs = random_runs(np.random.default_rng(SEED), 60_000, 10 / offered, 10)
    served = simulate(runs, Layout({Pool.SCHEDULED: slots})).served
    assert sum(one.waited_s > 0 for one in served) / len(runs) == pytest.approx(waits, rel=0.05)
    mean = sum(one.waited_s for one in served) / len(runs)
    assert mean == pytest.approx(waits * 10 / (slots * (1 - load)), rel=0.12)
