"""Random days in every mode end as the oracle says.

Days of a made-up district, in 1.0, 1.1 and 1.2, whose files are whole, changes only or not there;
people become students, leave by a mark, and hand their addresses on. The same package again moves
nothing. For a search: `ONEROSTER_EXAMPLES=200 pytest tests/test_every_day.py`.
"""

from __future__ import annotations

import os

import pytest

from district.memory import Life

SEEDS = range(int(os.environ.get("ONEROSTER_EXAMPLES") or 1))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_days_in_every_mode(version: str, seed: int) -> None:
    """Users, courses, assignments and counts are the oracle's on each day."""
    assert Life(seed, version).live(4) == []
