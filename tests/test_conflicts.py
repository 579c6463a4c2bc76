"""Conflicts: another transaction blocks apply, which then repeats with the same plan.

A connection of the test is the other transaction; PostgreSQL itself detects the conflict and aborts
apply.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from oneroster_sync import database, pipeline, runs
from oneroster_sync.runs.artifacts import all_findings
from oneroster_sync.stages import apply as applying
from oneroster_sync.stages.diff.plan import read_counts, read_plan
from roster_of import NEXT_DAY, SCHOOL, now, request_of, reviewed
from test_killed import WAIT_S, assert_next_day, everything, holding, wait_until_blocked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site
    from oneroster_sync.runs import Run

USER = "select 1 from users where site = :site and sourced_id = 'cec' for update"
COURSE = "select 1 from courses where site = :site and sourced_id = 'maths' for update"
ALWAYS = """
create sequence tries;
create function conflict() returns trigger language plpgsql as $$ begin
    perform nextval('tries');
    raise exception 'could not serialize access' using errcode = '40001';
end $$;
create trigger conflict before update on courses
for each row when (old.site = '{site}') execute function conflict();
"""


@pytest.fixture
def school(site: Site) -> Site:
    """A site that has synced the school."""
    assert site.sync(SCHOOL)["outcome"] == "succeeded"
    return site


class Apply(threading.Thread):
    """Applies a reviewed plan over a connection with its own setting."""

    def __init__(self, run: Run, setting: str) -> None:
        super().__init__()
        self.run_before, self.run_after = run, run
        self.engine = sa.create_engine(
            database.engine().url,
            connect_args={"options": f"-c {setting}"},
            poolclass=sa.NullPool,
        )

    def run(self) -> None:
        """Apply the plan."""
        run, found = self.run_before, all_findings(self.run_before)
        plan, counts = read_plan(run), read_counts(run)
        self.run_after = applying.apply_plan(
            self.engine, run.run_id, plan, counts, found, {}, now=now()
        )


@pytest.mark.case("b10")
def test_deadlock(school: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Apply waits for a course, and its holder for a user of apply: apply is ended and repeats."""
    run = reviewed(school, NEXT_DAY)
    apply = Apply(run, "deadlock_timeout=3s")
    with holding(school, COURSE) as connection:
        connection.execute(sa.text("set local deadlock_timeout = '60s'"))
        apply.start()
        wait_until_blocked(connection)
        connection.execute(sa.text(USER), {"site": school.name})
    apply.join(WAIT_S)

    assert caplog.text.count("Another transaction conflicted") == 1
    assert (apply.run_after.outcome, apply.run_after.plan_hash) == ("succeeded", run.plan_hash)
    assert_next_day(school)


@pytest.mark.case("b10")
def test_serialization_failure(school: Site, caplog: pytest.LogCaptureFixture) -> None:
    """With repeatable read, a row that another transaction changed first makes apply repeat."""
    run = reviewed(school, NEXT_DAY)
    apply = Apply(run, "default_transaction_isolation=repeatable\\ read")
    with holding(school, "update courses set title = title where site = :site") as connection:
        apply.start()
        wait_until_blocked(connection)
    apply.join(WAIT_S)

    assert caplog.text.count("Another transaction conflicted") == 1
    assert (apply.run_after.outcome, apply.run_after.plan_hash) == ("succeeded", run.plan_hash)
    assert_next_day(school)


@pytest.fixture
def conflict(school: Site) -> Iterator[None]:
    """A trigger that raises a conflict in each apply of the school."""
    with database.engine().begin() as connection:
        connection.execute(sa.text(ALWAYS.format(site=school.name)))
    yield
    with database.engine().begin() as connection:
        connection.execute(sa.text("drop function conflict cascade; drop sequence tries"))


@pytest.mark.case("b10")
@pytest.mark.usefixtures("conflict")
def test_conflict_that_stays(school: Site) -> None:
    """A conflict in each of three tries ends the run as failed, and nothing is changed."""
    before, request = everything(school), request_of(school, NEXT_DAY)

    with pytest.raises(sa.exc.OperationalError):
        pipeline.sync(request, clock=now)

    run = runs.find(request.run_id)
    assert school.rows("select last_value from tries") == [(3,)]
    assert (run.outcome, run.reasons[-1]) == ("failed", "nothing was changed")
    assert everything(school) == before
