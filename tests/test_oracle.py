"""After each random day on a real site, driven by the public Python API, it equals the oracle.

`make test` runs thirty days of fixed seeds. `make soak` runs a thousand days of seeds that it
prints: `ORACLE_SEED=7 ORACLE_DAYS=1000 make soak` repeats those from seed 7. Days that differ are
shrunk, and the fewest steps with the smallest packages are printed.
"""

from __future__ import annotations

import os
import random
import sys

import pytest

from oracle.life import live
from oracle.pairing import DivergenceError
from oracle.shrink import as_text, shrink

DAYS = 10
"""Number of days of one site."""


def live_or_shrink(seed: int) -> int:
    """Run the days of one site, and return the number of steps.

    Raises:
        AssertionError: The site differs from the oracle; the message has the smallest such days.
    """
    try:
        return len(live(seed, DAYS))
    except DivergenceError as error:
        steps, wrong = shrink(error.steps)
        differences = "\n".join(wrong)
        raise AssertionError(f"seed {seed}:\n{differences}\nafter:\n{as_text(steps)}") from error


@pytest.mark.case("b60")
@pytest.mark.parametrize(
    "seed", [0, 2, 14, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 3, 5, 6))]
)
def test_days_end_as_the_oracle_says(seed: int) -> None:
    """Roster, counts, audit, held plans and pending deltas equal the oracle's after each step."""
    assert live_or_shrink(seed) > DAYS


@pytest.mark.soak
def test_a_thousand_days_end_as_the_oracle_says() -> None:
    """A thousand random days equal the oracle too."""
    first = int(os.environ.get("ORACLE_SEED") or random.randrange(10**9))
    days = int(os.environ.get("ORACLE_DAYS") or 1000)
    wrong = []
    for seed in range(first, first + days // DAYS):
        sys.stdout.write(f"oracle: seed {seed}, {DAYS} days\n")
        try:
            live_or_shrink(seed)
        except AssertionError as error:
            wrong.append(str(error))
            sys.stdout.write(f"{error}\n")
    assert not wrong, "\n\n".join(wrong)
