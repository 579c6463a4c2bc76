"""Properties of every district, every day and every fault.

Each example is a site of its own in the one test database. A failing example prints the numbers
that reproduce it.
"""

from __future__ import annotations

import os
import random
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from district import (
    BUSY,
    EMPTY,
    ID_STYLES,
    Package,
    bulk_package,
    delta_package,
    desired,
    make_district,
    next_day,
    plant_faults,
    plant_settled_faults,
    shuffled,
    write_zip,
)
from district.site import Site, differences

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = os.environ.get("ONEROSTER_EXAMPLES")
"""How many random examples to try, for a search. If unset, a few fixed ones are tried."""

SOME = settings(
    deadline=None,
    derandomize=EXAMPLES is None,
    max_examples=int(EXAMPLES or 2),
    phases=(Phase.explicit, Phase.generate),  # shrinking costs more than it explains
    suppress_health_check=list(HealthCheck),
)
SEEDS = st.integers(0, 10_000)
SIZES = st.integers(10, 80)
IDS = st.sampled_from(ID_STYLES)
VERSIONS = st.sampled_from(("1.2", "1.1"))


@contextmanager
def written(package: Package) -> Iterator[Path]:
    """Yield the path of the package as a temporary zip."""
    with tempfile.TemporaryDirectory() as folder:
        yield write_zip(package, Path(folder) / "OneRoster.zip")


@given(SEEDS, SIZES, IDS, VERSIONS)
@example(seed=1, users=2, ids="spaced", version="1.1")
@SOME
def test_second_plan_is_empty(seed: int, users: int, ids: str, version: str) -> None:
    """After a sync of any district the same package, in any order, has an empty plan."""
    site, package = Site(), bulk_package(make_district(seed, users, ids=ids), version)
    with written(package) as path:
        site.assert_is(desired(EMPTY, package), site.sync_and_approve(path))
    with written(shuffled(package, random.Random(seed))) as path:
        assert site.plan(path).changes == 0


@given(SEEDS, SIZES, IDS, VERSIONS)
@example(seed=7, users=150, ids="mixed", version="1.2")
@SOME
def test_second_day_ends_as_it_should(seed: int, users: int, ids: str, version: str) -> None:
    """After any changes overnight, with any faulty rows, the roster is the oracle's."""
    site, rng = Site(), random.Random(seed)
    yesterday = make_district(seed, users, ids=ids)
    today = next_day(yesterday, rng, BUSY)
    first, clean = bulk_package(yesterday, version), bulk_package(today, version)
    roster = desired(EMPTY, first).roster
    spoilt, _ = plant_settled_faults(roster, clean, rng, share=0.03)
    wanted = desired(roster, spoilt)
    with written(first) as path:
        site.sync_and_approve(path)
    with written(spoilt) as path:
        site.assert_is(wanted, site.sync_and_approve(path))


@given(SEEDS, SIZES, IDS, VERSIONS, st.floats(0.01, 0.5))
@example(seed=7, users=150, ids="mixed", version="1.2", share=0.4)
@SOME
def test_rows_that_got_worse_change_nothing(
    seed: int, users: int, ids: str, version: str, share: float
) -> None:
    """If faults are the only changes of the day, no user or other record is removed."""
    site, package = Site(), bulk_package(make_district(seed, users, ids=ids), version)
    worse, _ = plant_faults(package, random.Random(seed), share=share)
    with written(package) as path:
        site.sync_and_approve(path)
    before = site.roster()
    with written(worse) as path:
        answer = site.sync_and_approve(path)

    assert answer.changes == 0
    assert differences(before, site.roster()) == []


@given(SEEDS, SIZES, IDS, VERSIONS)
@example(seed=7, users=150, ids="mixed", version="1.2")
@SOME
def test_delta_ends_where_bulk_ends(seed: int, users: int, ids: str, version: str) -> None:
    """After any changes overnight, the delta leads to the same roster as the bulk package."""
    site, yesterday = Site(), make_district(seed, users, ids=ids)
    today = next_day(yesterday, random.Random(seed), BUSY)
    first, delta = bulk_package(yesterday, version), delta_package(yesterday, today, version)
    with written(first) as path:
        site.sync_and_approve(path)
    roster = desired(EMPTY, first).roster
    if delta.tables:
        with written(delta) as path:
            site.assert_is(desired(roster, delta), site.sync_and_approve(path))
    wanted = desired(roster, bulk_package(today, version)).roster
    assert differences(wanted, site.roster()) == []
