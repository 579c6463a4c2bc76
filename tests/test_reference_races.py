"""References between tables while two transactions change them at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import errors

from databases import fresh_database, server
from oneroster_sync import database
from oneroster_sync.database import audit
from oneroster_sync.operations import erasure
from oneroster_sync.operations.erasure import NotErasedError, erase
from oneroster_sync.runs.artifacts import all_findings
from oneroster_sync.stages.apply import StalePlanError, apply_plan
from oneroster_sync.stages.diff.plan import read_counts, read_plan
from roster_of import SCHOOL, now, reviewed
from test_database_references import ROWS, insert, migrate
from test_killed import WAIT_S, wait_until_blocked
from test_migrations import engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site
    from oneroster_sync.runs import Run

    Connection = psycopg.Connection[tuple[Any, ...]]
_WAITS = """
select exists (
    select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Yield the URL of a database with some rows that refer to each other."""
    with fresh_database() as made:
        migrate(made)
        with psycopg.connect(made) as connection:
            connection.execute(ROWS)
        yield made


@pytest.fixture
def two() -> Iterator[tuple[Connection, Connection]]:
    """Yield two connections to a database whose rows may change."""
    with fresh_database() as made:
        migrate(made)
        with psycopg.connect(made) as first, psycopg.connect(made) as second:
            first.execute(ROWS)
            first.commit()
            yield first, second
            second.rollback()


class Blocked(threading.Thread):
    """A statement that has to wait for another connection."""

    def __init__(self, of: Connection, statement: str, behind: Connection) -> None:
        """Start the statement, and return when it waits for a lock of the other connection."""
        super().__init__()
        self._of, self._statement = of, statement
        self.error: Exception | None = None
        self.start()
        end = time.monotonic() + WAIT_S
        while behind.execute(_WAITS).fetchone() != (True,):
            assert time.monotonic() < end, "the statement does not wait"
            time.sleep(0.02)

    def run(self) -> None:
        """Run the statement."""
        try:
            self._of.execute(self._statement)
        except psycopg.Error as error:
            self.error = error


NAME_IT = (
    "insert into course_assignments (site, user_id, course_id, status) "
    "values ('here', 2, 2, 'active')"
)
NAME_RUN = (
    "insert into findings (run_id, seq, code, severity, rows) "
    "values ('00000000-0000-0000-0000-000000000001', 1, 'a.test', 'error', 1)"
)
DELETE_IT = "delete from users where id = 2"


@pytest.mark.case("b61")
def test_delete_waits_for_a_reference(two: tuple[Connection, Connection]) -> None:
    """A delete of an account fails after an uncommitted reference to it is committed."""
    naming, deleting = two
    naming.execute(NAME_IT)
    blocked = Blocked(deleting, DELETE_IT, naming)
    naming.commit()
    blocked.join(WAIT_S)
    assert isinstance(blocked.error, errors.ForeignKeyViolation)


def test_delete_succeeds_when_the_reference_is_rolled_back(
    two: tuple[Connection, Connection],
) -> None:
    """A delete of an account succeeds after the reference to it is rolled back."""
    naming, deleting = two
    naming.execute(NAME_IT)
    blocked = Blocked(deleting, DELETE_IT, naming)
    naming.rollback()
    blocked.join(WAIT_S)
    assert blocked.error is None
    deleting.commit()
    assert naming.execute("select count(*) from users").fetchone() == (1,)


@pytest.mark.case("b61")
def test_reference_waits_for_a_delete(two: tuple[Connection, Connection]) -> None:
    """A reference to an account that another transaction has deleted is refused."""
    naming, deleting = two
    deleting.execute(DELETE_IT)
    blocked = Blocked(naming, NAME_IT, deleting)
    deleting.commit()
    blocked.join(WAIT_S)
    assert isinstance(blocked.error, errors.ForeignKeyViolation)


def test_reference_succeeds_when_the_delete_is_rolled_back(
    two: tuple[Connection, Connection],
) -> None:
    """A reference to an account is accepted after its delete is rolled back."""
    naming, deleting = two
    deleting.execute(DELETE_IT)
    blocked = Blocked(naming, NAME_IT, deleting)
    deleting.rollback()
    blocked.join(WAIT_S)
    assert blocked.error is None


def test_reference_waits_for_a_truncate(two: tuple[Connection, Connection]) -> None:
    """A reference to a row of a table that is truncated meanwhile is refused."""
    naming, emptying = two
    emptying.execute("truncate findings, runs cascade")
    blocked = Blocked(naming, NAME_RUN, emptying)
    emptying.commit()
    blocked.join(WAIT_S)
    assert isinstance(blocked.error, errors.ForeignKeyViolation)


@pytest.mark.parametrize("level", ["repeatable_read", "serializable"])
def test_an_old_snapshot_does_not_help(two: tuple[Connection, Connection], level: str) -> None:
    """A transaction with an older snapshot can't refer to a deleted account that it still sees."""
    naming, deleting = two
    naming.isolation_level = psycopg.IsolationLevel[level.upper()]
    assert naming.execute("select count(*) from users").fetchone() == (2,)
    deleting.execute(DELETE_IT)
    deleting.commit()
    assert naming.execute("select count(*) from users").fetchone() == (2,)
    with pytest.raises(errors.SerializationFailure):
        naming.execute(NAME_IT)


@pytest.mark.parametrize("level", ["repeatable_read", "serializable"])
def test_nothing_is_deleted_by_an_old_snapshot(
    two: tuple[Connection, Connection], level: str
) -> None:
    """A transaction with an older snapshot can't delete an account: it misses new references."""
    naming, deleting = two
    deleting.isolation_level = psycopg.IsolationLevel[level.upper()]
    assert deleting.execute("select count(*) from course_assignments").fetchone() == (0,)
    naming.execute(NAME_IT)
    naming.commit()
    with pytest.raises(errors.FeatureNotSupported, match="read committed only"):
        deleting.execute(DELETE_IT)


def test_the_applications_role_is_held_to_it(url: str) -> None:
    """A role that may only insert into the audit is refused like the owner, without more rights."""
    server("create role {}", "referring")
    try:
        engine = engine_of(url)
        with engine.begin() as owner:
            audit.grant_to(owner, "referring", keep_days=1)
        engine.dispose()
        with psycopg.connect(url) as connection:
            connection.execute("set role referring")
            insert(connection, "changes")
            assert connection.execute("delete from courses where id = 2").rowcount == 1
            with (
                pytest.raises(errors.ForeignKeyViolation, match="refer to this row"),
                connection.transaction(),
            ):
                connection.execute("delete from courses where id = 1")
            with pytest.raises(errors.ForeignKeyViolation, match="course_id names no row"):
                insert(connection, "changes", course_id=2)
            connection.rollback()
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("drop owned by referring")
        server("drop role {}", "referring")


LEAVES = {**SCHOOL, "users.csv": SCHOOL["users.csv"].replace("bob,true", "bob,false")}


@pytest.fixture
def left(site: Site) -> Site:
    """Return a site whose Bob has left."""
    assert site.sync(SCHOOL)["outcome"] == "succeeded"
    assert site.sync(LEAVES)["outcome"] == "succeeded"
    assert site.users()["bob"] == "inactive"
    return site


class Erasing(threading.Thread):
    """The erasure of Bob in a thread."""

    def __init__(self, site: Site) -> None:
        """Start the erasure."""
        super().__init__()
        self._site = site
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Erase Bob."""
        try:
            erase(self._site.name, "bob", by="a test", now=now())
        except NotErasedError as error:
            self.error = error


@pytest.mark.case("b10")
def test_erasure_waits_for_a_plan_that_is_being_applied(left: Site) -> None:
    """An erasure waits for a plan that reactivates the person, and is refused then."""
    with database.engine().connect() as applying, applying.begin():
        database.lock_site(applying, left.name)
        statement = "update users set status = 'active' where site = :site and sourced_id = 'bob'"
        applying.execute(sa.text(statement), {"site": left.name})
        erasing = Erasing(left)
        wait_until_blocked(applying)
    erasing.join(WAIT_S)
    assert "the account is active" in str(erasing.error)
    assert left.users()["bob"] == "active"


@pytest.mark.case("b10")
def test_a_plan_waits_for_an_erasure_and_is_made_again(left: Site) -> None:
    """A plan that waits for an erasure of one of its people is stale after it."""
    run = reviewed(left, SCHOOL)
    changes = "select count(*) from changes where site = :site and sourced_id = 'bob'"
    with database.engine().connect() as erasing, erasing.begin():
        database.lock_site(erasing, left.name)
        found = erasure.find_person(erasing, left.name, "bob")
        assert found is not None
        erasure.erase_person(erasing, left.name, found, f"erased-{found['id']}", by="t", now=now())
        applying = Applying(run)
        wait_until_blocked(erasing)
    applying.join(WAIT_S)
    assert isinstance(applying.error, StalePlanError)
    assert left.rows(changes) == [(0,)]


class Applying(threading.Thread):
    """The apply of a reviewed plan in a thread."""

    def __init__(self, run: Run) -> None:
        """Start the apply."""
        super().__init__()
        self._run = run
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Apply the plan."""
        run = self._run
        found = all_findings(run)
        try:
            apply_plan(
                database.engine(),
                run.run_id,
                read_plan(run),
                read_counts(run),
                found,
                {},
                now=now(),
            )
        except StalePlanError as error:
            self.error = error
