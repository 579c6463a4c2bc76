"""A district's year ends with no wrong deactivation, whatever the SIS sends and whatever breaks.

`YEAR_SEED=n make year` lives another year, or one again that went wrong.
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
    """Live a calendar and print its tally, however it ends."""
    simulation = Simulation(site, agenda, SEED)
    try:
        return simulation.run()
    finally:
        with capsys.disabled():
            sys.stdout.write(f"\n{simulation.tally.to_text()}\n")


@pytest.mark.case("d07")
def test_four_weeks(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Five broken packages, a new SIS and a returnee: nobody who works here is deactivated."""
    tally = live(site, AUTUMN, capsys)
    assert tally.deactivations == 0
    assert sum(tally.mishaps.values()) == len(AUTUMN.mishaps)


@pytest.mark.year
@pytest.mark.timeout(3600)
def test_twelve_months(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A year of syncs, sixteen kinds of mishaps, a rollover: the roster is the truth at the end."""
    tally = live(site, YEAR, capsys)
    assert tally.deactivations == 0
    assert 0 < tally.put_back <= tally.by_mistake
    assert tally.faults.keys() == {"killed", "failed"}
    assert sum(tally.mishaps.values()) == len(YEAR.mishaps)
