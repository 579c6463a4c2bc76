"""Days of every kind on a real site, by the public Python API, end as the oracle says.

`make test` lives seventy days of seeds that stay the same. `make soak` lives a thousand of seeds
that it prints: `ORACLE_SEED=7 ORACLE_DAYS=1000 make soak` lives those of seed 7 on again. Days that
end otherwise are shortened, and the fewest steps with the smallest packages are printed.
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
"""So many days has the life of one site."""


def live_or_shrink(seed: int) -> int:
    """Live one site's days, and return how many steps they were.

    Raises:
        AssertionError: They end otherwise than the oracle says; the message is the smallest story.
    """
    try:
        return len(live(seed, DAYS))
    except DivergenceError as error:
        steps, wrong = shrink(error.steps)
        told = "\n".join(wrong)
        raise AssertionError(f"seed {seed}:\n{told}\nafter:\n{as_text(steps)}") from error


@pytest.mark.case("b60")
@pytest.mark.parametrize(
    "seed", [0, 2, 14, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 3, 5, 6))]
)
def test_days_end_as_the_oracle_says(seed: int) -> None:
    """Roster, counts, audit, held plans and pending deltas are the oracle's after each step."""
    assert live_or_shrink(seed) > DAYS


@pytest.mark.soak
def test_a_thousand_days_end_as_the_oracle_says() -> None:
    """The same for days at random."""
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
