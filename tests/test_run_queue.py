"""The queue of runs of a site, and how often a waiting run checks it."""

from __future__ import annotations

import datetime as dt

import pytest

from oneroster_airflow.run_queue import Ahead

SECOND, MINUTE = dt.timedelta(seconds=1), dt.timedelta(minutes=1)


@pytest.mark.parametrize(
    ("ahead", "waited", "pause"),
    [
        (1, 0 * SECOND, 10 * SECOND),
        (1, 40 * SECOND, 10 * SECOND),
        (3, 0 * SECOND, 30 * SECOND),
        (1, 8 * MINUTE, 2 * MINUTE),
        (20, 0 * SECOND, 200 * SECOND),
        (90, 0 * SECOND, 5 * MINUTE),
        (1, 600 * MINUTE, 5 * MINUTE),
    ],
)
def test_runs_further_back_in_the_queue_check_later(
    ahead: int, waited: dt.timedelta, pause: dt.timedelta
) -> None:
    """The next run checks after ten seconds; runs further back check later."""
    assert Ahead("a run", ahead).until_next_check(waited) == pause


def test_twenty_in_line_start_few_processes() -> None:
    """Each of twenty uploads that wait for an hour checks at most 30 times, not 360."""
    for place in range(1, 21):
        waited, looks = dt.timedelta(0), 0
        while waited < 60 * MINUTE:
            waited += Ahead("a run", place).until_next_check(waited)
            looks += 1
        assert looks <= 30, place
