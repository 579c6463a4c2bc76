"""After each random day in every mode, the site equals the oracle.

The days are those of a generated district in 1.0, 1.1 and 1.2. Its files are bulk, delta or absent;
people become students, leave by a status, and pass their addresses on. A second sync of the same
package changes nothing. For a search: `ONEROSTER_EXAMPLES=200 pytest tests/test_every_day.py`.
"""

from __future__ import annotations

import os

import pytest

from district.memory import Life

SEEDS = range(int(os.environ.get("ONEROSTER_EXAMPLES") or 1))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_days_in_every_mode(version: str, seed: int) -> None:
    """Users, courses, assignments and counts equal the oracle's on each day."""
    assert Life(seed, version).live(4) == []
