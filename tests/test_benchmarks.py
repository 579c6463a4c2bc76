"""The benchmark's districts are what it says of them, and its verdicts can be trusted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from oneroster_sync import settings
from oneroster_sync.package import Known, extract
from oneroster_sync.preferences import Profile

sys.path.append(str(settings.PROJECT))
from benchmarks.agreement import DisagreementError, Said, must_agree
from benchmarks.districts import first_day, next_day
from benchmarks.results import Results, Series
from benchmarks.targets import targets
from benchmarks.written import write

if TYPE_CHECKING:
    from pathlib import Path

USERS, ENROLLMENTS, SEED, YEAR = 1_000, 5_000, 7, 2026


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A district on two days."""
    root = tmp_path_factory.mktemp("district")
    return _written(root)


def test_one_seed_is_one_district(days: list[Path], tmp_path: Path) -> None:
    """The same seed gives the same bytes."""
    for before, again in zip(days, _written(tmp_path), strict=True):
        files = sorted(path.name for path in before.iterdir())
        assert files == sorted(path.name for path in again.iterdir())
        assert all((before / f).read_bytes() == (again / f).read_bytes() for f in files)


def test_a_district_has_all_kinds_of_users(days: list[Path]) -> None:
    """All users are there, about 7 % of them staff, and the door takes the package."""
    for day in days:
        extracted = extract(day, Profile.TOLERANT, Known())
        assert not extracted.refused
        assert extracted.rows["users"] == pytest.approx(USERS, rel=0.001)
        assert extracted.rows["enrollments"] == pytest.approx(ENROLLMENTS, rel=0.001)
        assert extracted.ignored == pytest.approx(0.93 * USERS, rel=0.01)


def test_day_2_is_day_1_a_little_changed(days: list[Path]) -> None:
    """1 % of the users are new and 1 % gone; 2 % of the others changed, and some rows are bad."""
    before, after = (_rows(day / "users.csv") for day in days)
    assert len(after.keys() - before.keys()) == pytest.approx(0.01 * USERS, abs=5)
    assert len(before.keys() - after.keys()) == pytest.approx(0.01 * USERS, abs=5)
    moved = [key for key in before.keys() & after.keys() if before[key] != after[key]]
    assert 0.02 * USERS <= len(moved) <= 0.035 * USERS


def test_a_row_that_differs_ends_the_benchmark() -> None:
    """Two that say the same agree; one row more is named."""
    ours, theirs = Said({"users": [b"a", b"b"]}), Said({"users": [b"a"]})
    must_agree(ours, ours, "the limit")
    with pytest.raises(DisagreementError, match="only ours: b'b'"):
        must_agree(ours, theirs, "the limit")


def test_a_target_is_met_or_not() -> None:
    """What is aimed at is judged by medians, in the direction in which it is meant."""
    series = {
        "day 2/ours": Series([9.0, 2.0, 2.0], [2.0] * 3, [100.0] * 3),
        "day 2/limit": Series([2.0], [2.0], [100.0]),
        "day 2/dlt merge": Series([18.0], [2.0], [100.0]),
    }
    found = {t.what: t for t in targets(Results("M", "a machine", series), None)}
    assert found["day 2: ours ÷ limit"].is_met()
    assert not found["day 2: dlt merge ÷ ours"].is_met()
    assert found["day 2: dlt merge ÷ ours"].is_met(2)


def _written(root: Path) -> list[Path]:
    today = first_day(USERS, ENROLLMENTS, seed=SEED)
    write(root / "day1", today, np.random.default_rng([SEED, 1]), YEAR)
    today = next_day(today, np.random.default_rng([SEED, 2]))
    write(root / "day2", today, np.random.default_rng([SEED, 3]), YEAR)
    return [root / "day1", root / "day2"]


def _rows(path: Path) -> dict[str, str]:
    lines = path.read_text("utf-8").splitlines()[1:]
    return {line.partition(",")[0]: line for line in lines}
