"""Wherever a run with pending deltas is cut off, nothing is lost or applied twice.

Each run folds a pending delta of an earlier run with its own delta and supersedes a held plan. It
is cut off at one of its points: in extract, when it folds, when it applies, when it ends the
pending deltas. `make test` uses some of the points, `make long` all.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from faults import PARTS, TASKS, Fault, faults_at, live
from golden.school import SCHOOL, as_delta
from oneroster_sync import pipeline, runs
from oneroster_sync.pipeline import Request, begin
from oneroster_sync.runs import Trigger
from oneroster_sync.standard.kinds import Kind as PackageKind
from roster_of import now, request_of

if TYPE_CHECKING:
    from conftest import Site

STEP = 53
"""`make test` uses one of so many points."""


class Deltas:
    """A site whose days are deltas in two parts: one is pending, one is the run's own."""

    def __init__(self, site: Site) -> None:
        self.site, self.day = site, 0
        assert site.sync(SCHOOL)["outcome"] == "succeeded"
        site.command("preferences", "--set", "guards.users.minimum=1")
        site.command("preferences", "--set", "guards.users.percent=10")
        self.next_day(None)

    def next_day(self, fault: Fault | None) -> list[str]:
        """Sync a day with a fault, and return the points that the run reached."""
        before, self.day = self._names(), self.day + 1
        self._hold(self._rows("bob", f"Bob{self.day}", "cat"))
        request = request_of(self.site, self._rows("ann", f"Ann{self.day}", None))
        after = (f"Ann{self.day}", f"Bob{self.day}", "inactive" if self.day % 2 else "active")

        def look() -> None:
            applied = self._applied(request.run_id)
            assert self._names() == (after if applied else before), "only a part was applied"
            left = {run_id for run_id, _ in self._pending()}
            assert bool(left) is not applied, (
                "the delta is lost, or still pending after it was applied"
            )

        story = live(request, fault, now(), look)
        run = runs.find(request.run_id)
        if run.outcome == "held":
            self.site.command("approve", run.run_id)
        assert self._names() == after
        assert self._pending() == []
        changed = self.site.rows(
            "select sourced_id, count(*) from changes where run_id::text = :r "
            "group by 1 order by 1",
            r=run.run_id,
        )
        assert changed == [("ann", 1), ("bob", 1), ("cat", 1)], (
            "not exactly one change for each user"
        )
        return story.points

    def _rows(self, who: str, given: str, other: str | None) -> dict[str, str]:
        stamp = f"2026-09-02T{self.day // 60:02}:{self.day % 60:02}:00.000Z"
        head = f"{who},active,{stamp},true,s,teacher,{who},,{given},Lee,,,{who}@example.org,,,,,"
        rows = [head]
        if other:
            status = "tobedeleted" if self.day % 2 else "active"
            cells = f"{other},{status},{stamp},true,s,aide,{other},,Cat,Orr,,,cat@example.org"
            rows.append(f"{cells},,,,,")
        return as_delta(SCHOOL, users=rows)

    def _hold(self, texts: dict[str, str]) -> None:
        """Let a run read a delta and end before it has a plan, as if its process were killed."""
        request = Request(
            run_id=str(uuid.uuid4()),
            site=self.site.name,
            package=str(self.site.package(texts)),
            trigger=Trigger.UPLOAD,
            requested_by="the test",
        )
        run = pipeline.extract(begin(request, now=now()), PackageKind.PACKAGE)
        pipeline.record(run, now=now())

    def _names(self) -> tuple[Any, ...]:
        query = "select sourced_id, given_name, status from users where site = :site and managed"
        users = {id_: (given, status) for id_, given, status in self.site.rows(query)}
        return users["ann"][0], users["bob"][0], users["cat"][1]

    def _pending(self) -> list[tuple[str, str]]:
        query = "select run_id::text, state from pending_deltas where site = :site order by id"
        return [(run_id, state) for run_id, state in self.site.rows(query)]

    def _applied(self, run_id: str) -> bool:
        query = "select applied_at is not null from runs where run_id::text = :r"
        return self.site.rows(query, r=run_id) == [(True,)]


def break_everywhere(site: Site, step: int, part: int = 0, parts: int = 1) -> None:
    """Kill or cut off a run at each of its points, or at one part of them."""
    deltas = Deltas(site)
    points = deltas.next_day(None)
    assert {name.split(": ")[0] for name in points} == set(TASKS)
    for fault in faults_at(len(points), step)[part::parts]:
        try:
            deltas.next_day(fault)
        except AssertionError as error:
            error.add_note(f"{fault.kind} at {fault.at}, {points[fault.at - 1]}")
            raise


@pytest.mark.case("b45")
def test_some_points(site: Site) -> None:
    """At some points: the pending delta is either applied once as a whole, or still pending."""
    break_everywhere(site, STEP)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_point(site: Site, part: int) -> None:
    """At every point: the pending delta is either applied once as a whole, or still pending."""
    break_everywhere(site, 1, part, PARTS)
