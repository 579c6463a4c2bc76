"""Wherever a run is interrupted, its roster is as before or as after, and the next try finishes it.

The points are those where a run touches the database or the disk, about two hundred. `make test`
tries some of them, `make long` all.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from faults import PARTS, TASKS, Fault, faults_at, live, state_of
from oneroster_sync import database, runs
from roster_of import NEXT_DAY, SCHOOL, now, request_of

if TYPE_CHECKING:
    from conftest import Site

DAYS = (SCHOOL, NEXT_DAY)
STEP = 31
"""`make test` tries one of this many points."""
_BY_HAND = (
    "insert into users (site, username, email, login, role, status, managed) "
    "values (:site, 'zoe', 'zoe@x.org', 'zoe@x.org', 'teacher', 'active', false)"
)
_COUNTED_AS = {
    ("user", "add"): "added",
    ("user", "update"): "updated",
    ("user", "deactivate"): "deactivated",
    ("user", "reactivate"): "reactivated",
    ("course", "update"): "updated",
    ("assignment", "add"): "added",
    ("assignment", "reactivate"): "added",
    ("assignment", "remove"): "removed",
}


class School:
    """A site that alternates between two packages, with its expected state for each."""

    def __init__(self, site: Site) -> None:
        self.site = site
        with database.engine().begin() as connection:
            connection.execute(sa.text(_BY_HAND), {"site": site.name})
        self._states = []
        for package in (*DAYS, *DAYS):
            assert site.sync(package)["outcome"] == "succeeded"
            self._states.append(state_of(self.site.name))
        self._day = 1

    def audited(self, run_id: str) -> Counter[tuple[str, str]]:
        """Count the changes of a run in the audit, by record type and action."""
        query = "select kind, action, count(*) from changes where run_id::text = :run group by 1, 2"
        return Counter({(k, a): n for k, a, n in self.site.rows(query, run=run_id)})

    def next_day(self, fault: Fault | None) -> list[str]:
        """Sync the other package with a fault, and return the points that the run reached."""
        before, self._day = self._states[-2 + self._day], 1 - self._day
        after = self._states[-2 + self._day]
        request = request_of(self.site, DAYS[self._day])

        def look() -> None:
            found, audited = state_of(self.site.name), self.audited(request.run_id)
            assert found in (before, after), "the roster is neither as before nor as after"
            applied = self.site.rows(
                "select applied_at is not null from runs where run_id::text = :r",
                r=request.run_id,
            )
            assert bool(audited) is (found == after)
            assert applied in ([], [(found == after,)])

        story = live(request, fault, now(), look)
        run = runs.find(request.run_id)
        assert (run.outcome, state_of(self.site.name)) == ("succeeded", after)
        assert run.counts is not None
        counted = Counter(
            {
                (kind.removesuffix("s"), word): number
                for kind, numbers in run.counts.items()
                for word, number in numbers.items()
                if number
            }
        )
        audited = Counter[tuple[str, str]]()
        for (kind, action), number in self.audited(run.run_id).items():
            audited[kind, _COUNTED_AS[kind, action]] += number
        assert counted == audited
        return story.points


@pytest.fixture
def school(site: Site) -> School:
    """A site that is ready for faults."""
    return School(site)


def break_everywhere(school: School, step: int, part: int = 0, parts: int = 1) -> None:
    """Cause a fault at each point of a run, or at the points of one part."""
    points = school.next_day(None)
    assert {name.split(": ")[0] for name in points} == set(TASKS)
    for fault in faults_at(len(points), step)[part::parts]:
        try:
            came = school.next_day(fault)
        except AssertionError as error:
            error.add_note(f"{fault.kind} at {fault.at}, {points[fault.at - 1]}")
            raise
        assert len(came) >= fault.at, f"point {fault.at} was not reached"
    assert school.site.sync(DAYS[1])["outcome"] in {"succeeded", "no_changes"}
    assert school.site.sync(DAYS[1])["outcome"] == "no_changes"


@pytest.mark.case("b01", "b02", "b03", "b04", "b05", "b06", "b08", "b11")
def test_some_points(school: School) -> None:
    """After a fault at some points, the roster is as before or as after, and the retry finishes."""
    break_everywhere(school, STEP)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_point(school: School, part: int) -> None:
    """After a fault at any point, the roster is as before or as after, and the retry finishes."""
    break_everywhere(school, 1, part, PARTS)
