"""Conflicts: another transaction is in the way of apply, which then is repeated with its plan.

Who is in the way is a connection of the test; PostgreSQL itself finds the conflict and ends apply.
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
    """Apply of a reviewed plan, over a connection with a setting of its own."""

    def __init__(self, run: Run, setting: str) -> None:
        super().__init__()
        self.run_before, self.run_after = run, run
        self.engine = sa.create_engine(
            database.engine().url,
            connect_args={"options": f"-c {setting}"},
            poolclass=sa.NullPool,
        )

    def run(self) -> None:
        """Apply."""
        run, found = self.run_before, all_findings(self.run_before)
        plan, counts = read_plan(run), read_counts(run)
        self.run_after = applying.apply_plan(
            self.engine, run.run_id, plan, counts, found, {}, now=now()
        )


@pytest.mark.case("b10")
def test_deadlock(school: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Apply waits for a course that waits for a user of apply's: it is ended, and goes on."""
    run = reviewed(school, NEXT_DAY)
    apply = Apply(run, "deadlock_timeout=3s")
    with holding(school, COURSE) as connection:
        connection.execute(sa.text("set local deadlock_timeout = '60s'"))
        apply.start()
        wait_until_blocked(connection)
        connection.execute(sa.text(USER), {"site": school.name})
    apply.join(WAIT_S)

    assert caplog.text.count("Another transaction was in the way") == 1
    assert (apply.run_after.outcome, apply.run_after.plan_hash) == ("succeeded", run.plan_hash)
    assert_next_day(school)


@pytest.mark.case("b10")
def test_serialization_failure(school: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Where transactions are to be repeatable, what another one changed first ends apply."""
    run = reviewed(school, NEXT_DAY)
    apply = Apply(run, "default_transaction_isolation=repeatable\\ read")
    with holding(school, "update courses set title = title where site = :site") as connection:
        apply.start()
        wait_until_blocked(connection)
    apply.join(WAIT_S)

    assert caplog.text.count("Another transaction was in the way") == 1
    assert (apply.run_after.outcome, apply.run_after.plan_hash) == ("succeeded", run.plan_hash)
    assert_next_day(school)


@pytest.fixture
def conflict(school: Site) -> Iterator[None]:
    """Something that is in the way of each apply of the school."""
    with database.engine().begin() as connection:
        connection.execute(sa.text(ALWAYS.format(site=school.name)))
    yield
    with database.engine().begin() as connection:
        connection.execute(sa.text("drop function conflict cascade; drop sequence tries"))


@pytest.mark.case("b10")
@pytest.mark.usefixtures("conflict")
def test_conflict_that_stays(school: Site) -> None:
    """What is in the way at each of three tries ends the run: failed, and nothing is changed."""
    before, request = everything(school), request_of(school, NEXT_DAY)

    with pytest.raises(sa.exc.OperationalError):
        pipeline.sync(request, clock=now)

    run = runs.find(request.run_id)
    assert school.rows("select last_value from tries") == [(3,)]
    assert (run.outcome, run.reasons[-1]) == ("failed", "nothing was changed")
    assert everything(school) == before
