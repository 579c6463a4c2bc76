"""A process reads each artifact and the roster once, and hashes its own plan once."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from neighbours import DELTA
from oneroster_sync import database, pipeline, runs
from oneroster_sync.operations.approval import note_approval
from oneroster_sync.pipeline import begin, sync
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.stages.diff.plan import DefectivePlanError, Plan
from oneroster_sync.standard.kinds import Kind
from roster_of import NEXT_DAY, SCHOOL, diffed, now, request_of, reviewed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from conftest import Site
    from oneroster_sync.runs import Run


@dataclass
class Counted:
    """The reads of each run file and of the roster, and the hashes, of one process."""

    reads: Counter[str] = field(default_factory=Counter)
    rosters: int = 0
    hashes: int = 0


_COUNTING: list[Counted] = []


@functools.cache
def _listen() -> None:
    """Count opened files; an audit hook can't be removed again."""

    def opened(event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and _COUNTING and isinstance(args[0], str) and "/runs/" in args[0]:
            is_read = args[1] is None or not set(str(args[1])) & set("wax+")
            if is_read and args[0].endswith((".parquet", ".json")):
                _COUNTING[-1].reads[args[0]] += 1

    sys.addaudithook(opened)


@contextlib.contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    """Count what the block does, as if it were one process."""
    _listen()
    found = Counted()
    compute = Plan._compute_hash

    def hashed(plan: Plan) -> str:
        found.hashes += 1
        return compute(plan)

    def executed(*arguments: Any) -> None:
        # only the read of the roster uses this statement
        found.rosters += arguments[2].startswith("set transaction isolation level repeatable read")

    sa.event.listen(database.engine(), "before_cursor_execute", executed)
    monkeypatch.setattr(Plan, "_compute_hash", hashed)
    _COUNTING.append(found)
    try:
        yield found
    finally:
        _COUNTING.pop()
        monkeypatch.setattr(Plan, "_compute_hash", compute)
        sa.event.remove(database.engine(), "before_cursor_execute", executed)


def task(
    stage: Callable[[Run], Run], run: Run, monkeypatch: pytest.MonkeyPatch
) -> tuple[Run, Counted]:
    """Run one stage as if in its own process."""
    with counted(monkeypatch) as found:
        run = stage(runs.find(run.run_id))
    return run, found


PACKAGES = [
    pytest.param([SCHOOL], id="the first sync"),
    pytest.param([SCHOOL, NEXT_DAY], id="a day later"),
    pytest.param([SCHOOL, DELTA], id="a delta"),
]


@pytest.mark.parametrize("packages", PACKAGES)
def test_a_process_that_does_all_stages_reads_the_roster_once(
    site: Site, packages: list[Mapping[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process with all stages reads none of its own artifacts, and hashes its plan once."""
    for package in packages[:-1]:
        site.sync(dict(package))
    with counted(monkeypatch) as found:
        run = sync(request_of(site, packages[-1]), clock=now)
    assert run.outcome == "succeeded"
    assert found == Counted(Counter(), 1, 1)


@pytest.mark.parametrize("packages", PACKAGES)
def test_a_task_reads_each_artifact_once(
    site: Site, packages: list[Mapping[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task reads each artifact at most once, and hashes a plan from storage once."""
    for package in packages[:-1]:
        site.sync(dict(package))
    run = begin(request_of(site, packages[-1]), now=now())
    stages: list[tuple[str, Callable[[Run], Run], int]] = [
        ("extract", lambda run: pipeline.extract(run, Kind.PACKAGE), 0),
        ("validate", pipeline.validate, 0),
        ("diff", pipeline.diff, 1),
        ("review", lambda run: pipeline.review(run, now=now()), 1),
        ("apply", lambda run: pipeline.apply(run, now=now()), 1),
        ("record", lambda run: pipeline.record(run, now=now()), 0),
    ]
    for name, stage, hashes in stages:
        run, found = task(stage, run, monkeypatch)
        assert set(found.reads.values()) <= {1}, (name, found.reads)
        assert found.rosters <= 1, name
        assert found.hashes == hashes, name
    assert run.outcome == "succeeded"


def test_a_task_that_plans_again_reads_the_roster_that_has_moved(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the roster changed after the review, apply reads it once and makes the plan again."""
    run = reviewed(site, SCHOOL)
    site.sync(NEXT_DAY)
    run, found = task(lambda run: pipeline.apply(run, now=now()), run, monkeypatch)
    assert run.outcome == "succeeded"
    assert site.users()["bob"] == "active"
    assert found.rosters == 1
    assert found.hashes == 2  # the plan in storage, and the new one


def test_the_plan_that_was_approved_is_hashed_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An approved plan from storage is hashed from what was read, before it is applied."""
    site.sync(SCHOOL)
    few = {**SCHOOL, "users.csv": SCHOOL["users.csv"].splitlines(keepends=True)[0]}
    run = reviewed(site, few)
    assert run.outcome == "held"
    note_approval(run.run_id, by="the test", now=now(), plan_hash=str(run.plan_hash))
    folder = RunFolder.of(run.site, run.run_id)
    tables = folder.read_tables("plan")
    folder.write_tables("plan", {**tables, "users": tables["users"].slice(1)})
    with pytest.raises(DefectivePlanError):
        pipeline.apply(runs.find(run.run_id), now=now())
    folder.write_tables("plan", tables)
    run, found = task(lambda run: pipeline.apply(run, now=now()), run, monkeypatch)
    assert run.applied_at is not None
    assert found.hashes == 1


def test_a_plan_is_frozen_by_one_stage_alone(site: Site) -> None:
    """The record has the hash, the version and the counts that diff saved with the plan."""
    run = diffed(site, SCHOOL)
    stored = RunFolder.of(run.site, run.run_id).read_json("plan")
    assert (run.plan_hash, run.base_version) == (stored["hash"], stored["base_version"])
    assert run.counts is not None
    assert run.counts["users"] == stored["users"]
