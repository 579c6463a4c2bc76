"""A district's year ends without a wrong deactivation, whatever the SIS sends and whatever fails.

`YEAR_SEED=n make year` simulates another year, or repeats one that failed.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from year import AUTUMN, YEAR, Simulation

if TYPE_CHECKING:
    from conftest import Site
    from year.entries import Agenda
    from year.tally import Tally

SEED = int(os.environ.get("YEAR_SEED", "5"))


def live(site: Site, agenda: Agenda, capsys: pytest.CaptureFixture[str]) -> Tally:
    """Simulate a calendar and print its tally, even after a failure."""
    simulation = Simulation(site, agenda, SEED)
    try:
        return simulation.run()
    finally:
        with capsys.disabled():
            sys.stdout.write(f"\n{simulation.tally.to_text()}\n")


# `make long` runs it (eight seconds), and `.ci/run` the whole year.
@pytest.mark.long
@pytest.mark.case("d07")
def test_four_weeks(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """With five broken packages, a new SIS and a returning user, no current user is deactivated."""
    tally = live(site, AUTUMN, capsys)
    assert tally.deactivations == 0
    assert sum(tally.mishaps.values()) == len(AUTUMN.mishaps)


@pytest.mark.year
@pytest.mark.timeout(3600)
def test_twelve_months(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """After a year of syncs, sixteen kinds of mishaps and a rollover, the roster is correct."""
    tally = live(site, YEAR, capsys)
    assert tally.deactivations == 0
    assert 0 < tally.put_back <= tally.by_mistake
    assert tally.faults.keys() == {"killed", "failed"}
    assert sum(tally.mishaps.values()) == len(YEAR.mishaps)
