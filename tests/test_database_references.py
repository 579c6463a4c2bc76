"""References: the database holds no row that names another one that is not there.

The large tables check it by triggers, once for each statement. These tests try to get past them by
hand-made SQL: by every way in, every way out, and by two transactions at once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import errors, sql

from databases import fresh_database, server
from oneroster_sync import database
from oneroster_sync.database import audit
from oneroster_sync.operations import erasure_sql
from oneroster_sync.operations.erasure import NotErasedError, erase
from oneroster_sync.runs.artifacts import all_findings
from oneroster_sync.stages.apply import StalePlanError, apply_plan
from oneroster_sync.stages.diff.plan import read_counts, read_plan
from roster_of import SCHOOL, now, reviewed
from test_killed import WAIT_S, wait_until_blocked
from test_migrations import configured, engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site
    from oneroster_sync.runs import Run

    Connection = psycopg.Connection[tuple[Any, ...]]

BEFORE = "0019"
"""The last migration with a foreign key for each reference."""
RUN, NO_RUN = (f"00000000-0000-0000-0000-00000000000{n}" for n in (1, 2))
OTHER_RUN = "00000000-0000-0000-0000-000000000003"
VALID: dict[str, dict[str, Any]] = {
    "changes": {
        "run_id": RUN,
        "site": "here",
        "kind": "user",
        "action": "add",
        "user_id": 1,
        "course_id": 1,
        "reason": "a test",
        "credited_admin_id": 1,
        "requested_by": "a test",
        "made_at": "2026-01-01Z",
    },
    "course_assignments": {"site": "here", "user_id": 1, "course_id": 1, "status": "active"},
    "findings": {"run_id": RUN, "seq": 1, "code": "a.test", "severity": "error", "rows": 1},
    "users": {"site": "here", "role": "teacher", "status": "inactive", "managed": True},
    "courses": {"site": "here", "title": "Maths", "status": "active", "managed": True},
    "orgs": {"site": "here", "sourced_id": "o"},
    "roles": {"site": "here", "sourced_id": "r", "user_sourced_id": "u", "role": "teacher"},
    "classes": {"site": "here", "sourced_id": "c", "course_sourced_id": "k"},
    "enrollments": {
        "site": "here",
        "sourced_id": "e",
        "class_sourced_id": "c",
        "user_sourced_id": "u",
        "role": "teacher",
    },
    "modified": {
        "site": "here",
        "file": "users",
        "sourced_id": "u",
        "modified_at": "2026-01-01Z",
    },
}
"""A row of each table whose references are checked once for each statement."""
PARENTS: dict[str, tuple[str, str, Any, Any]] = {
    "run_id": ("runs", "run_id", OTHER_RUN, NO_RUN),
    "site": ("sites", "site", "there", "nowhere"),
    "user_id": ("users", "id", 2, 999),
    "course_id": ("courses", "id", 2, 999),
    "credited_admin_id": ("users", "id", 2, 999),
}
"""Column → the table and key it names, a row that nothing names yet, and one that is not there."""
REFERENCES = [
    (table, column) for table, row in VALID.items() for column in row if column in PARENTS
]
_ROWS = f"""
insert into sites (site) values ('here'), ('there');
insert into runs (run_id, site, trigger, requested_by, scope, preferences, started_at, stage)
select id::uuid, 'here', 'command', 'a test', 'users', '{{}}', now(), 'diff'
from unnest(array['{RUN}', '{OTHER_RUN}']) id;
insert into users (site, role, status, managed)
select 'here', 'teacher', 'inactive', true from generate_series(1, 2);
insert into courses (site, title, status, managed)
select 'here', 'Maths', 'active', true from generate_series(1, 2);
"""  # noqa: S608
_FOREIGN_KEYS = """
select c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text, k.attname::text
from pg_constraint c
join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any(c.conkey)
join pg_attribute k on k.attrelid = c.confrelid and k.attnum = any(c.confkey)
where c.contype = 'f'
"""
_WAITS = """
select exists (
    select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))
"""
_TRIGGERS = """
select tgrelid::regclass::text, tgname::text, string_to_array(encode(tgargs, 'escape'), '\\000')
from pg_trigger where tgname = any(%s)
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database of its own with some rows that name each other, and some that nothing names."""
    with fresh_database() as made:
        migrate(made)
        with psycopg.connect(made) as connection:
            connection.execute(_ROWS)
        yield made


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    """A transaction that is rolled back."""
    with psycopg.connect(url) as made:
        yield made
        made.rollback()


def migrate(url: str) -> None:
    """Bring a database up to date."""
    engine = engine_of(url)
    database.migrate(engine)
    engine.dispose()


def insert(connection: Connection, table: str, **others: Any) -> None:
    """Insert the valid row of a table, with other values in some columns."""
    row = VALID[table] | others
    statement = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Literal, row.values())),
    )
    connection.execute(statement)


def copy(connection: Connection, table: str, **others: Any) -> None:
    """Copy the valid row of a table, with other values in some columns."""
    row = VALID[table] | others
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, row))
    )
    with connection.cursor().copy(statement) as rows:
        rows.write_row(list(row.values()))


def merge(connection: Connection, table: str, **others: Any) -> None:
    """Merge the valid row of a table into it, with other values in some columns."""
    row = VALID[table] | others
    statement = sql.SQL(
        "merge into {} t using (select 1) as one (n) on false "
        "when not matched then insert ({}) values ({})"
    ).format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Literal, row.values())),
    )
    connection.execute(statement)


def update(connection: Connection, table: str, **others: Any) -> None:
    """Insert the valid row of a table, and then change it."""
    insert(connection, table)
    connection.execute("set local oneroster.erasing = 'on'")  # the audit refuses it before
    ((column, value),) = others.items()
    connection.execute(
        sql.SQL("update {} set {} = {}").format(
            sql.Identifier(table), sql.Identifier(column), sql.Literal(value)
        )
    )


WAYS = {"insert": insert, "copy": copy, "merge": merge, "update": update}


@pytest.mark.case("b61")
@pytest.mark.parametrize(("table", "column"), REFERENCES)
@pytest.mark.parametrize("way", WAYS)
def test_a_row_that_names_nothing_is_refused(
    connection: Connection, way: str, table: str, column: str
) -> None:
    """By INSERT, COPY, MERGE or UPDATE, in each column; the message tells no value."""
    *_, missing = PARENTS[column]
    with pytest.raises(errors.ForeignKeyViolation) as refused:
        WAYS[way](connection, table, **{column: missing})
    message = refused.value.diag.message_primary or ""
    assert f'table "{table}": {column} names no row of' in message
    assert str(missing) not in str(refused.value).splitlines()[0]


@pytest.mark.parametrize("table", VALID)
def test_rows_that_name_others_are_taken(connection: Connection, table: str) -> None:
    """Each way in is open to a row that names what is there."""
    for way in WAYS.values():
        with connection.transaction(force_rollback=True):
            way(connection, table, **{next(iter(VALID[table])): next(iter(VALID[table].values()))})


def test_one_bad_row_of_many_is_found(connection: Connection) -> None:
    """A statement of a hundred thousand rows is refused for one of them."""
    with pytest.raises(errors.ForeignKeyViolation, match="user_id names no row"):
        connection.execute(
            "insert into changes (run_id, site, kind, action, user_id, reason, credited_admin_id, "
            "requested_by, made_at) select %s, 'here', 'user', 'add', "
            "case n when 77777 then 999 else 1 end, 'a test', 1, 'a test', now() "
            "from generate_series(1, 100000) n",
            [RUN],
        )


def test_null_names_nothing(connection: Connection) -> None:
    """A change of a user names no course, and the other way about."""
    insert(connection, "changes", user_id=None)
    insert(connection, "changes", course_id=None)


def test_upsert_that_moves_a_row_is_refused(connection: Connection) -> None:
    """Where a row is there already, what ON CONFLICT writes is checked as well."""
    insert(connection, "orgs")
    with pytest.raises(errors.ForeignKeyViolation, match="site names no row"):
        connection.execute(
            "insert into orgs (site, sourced_id) values ('here', 'o') "
            "on conflict (site, sourced_id) do update set site = 'nowhere'"
        )


@pytest.mark.case("b61")
@pytest.mark.parametrize(("table", "column"), REFERENCES)
def test_what_a_row_names_can_not_be_deleted(
    connection: Connection, table: str, column: str
) -> None:
    """It can be deleted before something names it, and not after."""
    other, key, unnamed, _ = PARENTS[column]
    delete = sql.SQL("delete from {} where {} = {}").format(
        sql.Identifier(other), sql.Identifier(key), sql.Literal(unnamed)
    )
    with connection.transaction(force_rollback=True):
        assert connection.execute(delete).rowcount == 1
    insert(connection, table, **{column: unnamed})
    with pytest.raises(errors.ForeignKeyViolation, match=f'rows of table "{table}" refer to'):
        connection.execute(delete)


@pytest.mark.parametrize(
    ("column", "table", "value"),
    [("site", "orgs", "'elsewhere'"), ("run_id", "findings", "gen_random_uuid()")],
)
def test_a_key_that_a_row_names_can_not_be_changed(
    connection: Connection, column: str, table: str, value: str
) -> None:
    """It can be changed before something names it, and not after."""
    other, key, unnamed, _ = PARENTS[column]
    change = f"update {other} set {key} = {value} where {key} = '{unnamed}'"  # noqa: S608
    with connection.transaction(force_rollback=True):
        assert connection.execute(change).rowcount == 1
    insert(connection, table, **{column: unnamed})
    with pytest.raises(errors.ForeignKeyViolation, match=f'rows of table "{table}" refer to'):
        connection.execute(change)


@pytest.mark.parametrize("table", ["users", "courses"])
def test_an_id_that_a_row_names_can_not_be_changed(connection: Connection, table: str) -> None:
    """An account or a course does not get another id while something names it."""
    insert(connection, "course_assignments", user_id=2, course_id=2)
    assert connection.execute(f"update {table} set id = default where id = 1").rowcount == 1  # noqa: S608
    with pytest.raises(errors.ForeignKeyViolation, match='rows of table "course_assignments"'):
        connection.execute(f"update {table} set id = default where id = 2")  # noqa: S608


_REFUSALS = (errors.ForeignKeyViolation, errors.FeatureNotSupported, errors.InsufficientPrivilege)
"""By a trigger, by a foreign key of a small table, and by the audit."""


@pytest.mark.parametrize("table", ["users", "courses", "runs", "sites"])
def test_a_table_that_rows_name_can_not_be_emptied(connection: Connection, table: str) -> None:
    """TRUNCATE is refused, with or without CASCADE."""
    insert(connection, "changes")
    for statement in (f"truncate {table}", f"truncate {table} cascade"):
        with (
            pytest.raises(_REFUSALS),
            connection.transaction(),
        ):
            connection.execute(statement)
    assert connection.execute(f"select count(*) > 0 from {table}").fetchone() == (True,)  # noqa: S608


def test_tables_that_name_each_other_can_be_emptied_together(connection: Connection) -> None:
    """What names a course goes with it in one statement, by TRUNCATE and by DELETE."""
    insert(connection, "course_assignments")
    with connection.transaction(force_rollback=True):
        connection.execute("truncate courses, course_assignments")
    connection.execute(
        "with gone as (delete from course_assignments) delete from courses where id = 1"
    )
    assert connection.execute("select count(*) from courses").fetchone() == (1,)


def test_a_table_of_the_callers_own_is_not_asked(connection: Connection) -> None:
    """A temporary table `users` that holds the number makes no row of it."""
    connection.execute("create temporary table users as select 999::bigint as id")
    with pytest.raises(errors.ForeignKeyViolation, match="user_id names no row"):
        insert(connection, "changes", user_id=999)


def test_no_reference_is_forgotten() -> None:
    """Each foreign key of before is one still, or is checked by a trigger both ways."""
    with fresh_database() as made:
        with configured(made) as config:
            from alembic import command

            command.upgrade(config, BEFORE)
        with psycopg.connect(made) as connection:
            before = set(connection.execute(_FOREIGN_KEYS).fetchall())
        migrate(made)
        with psycopg.connect(made) as connection:
            left = set(connection.execute(_FOREIGN_KEYS).fetchall())
            names = ["check_references", "check_changed_references"]
            checked = triples(connection, names, backwards=False)
            names = ["keep_referenced", "keep_referenced_key", "keep_referenced_table"]
            kept = triples(connection, names, backwards=True)
    assert len(before - left) == len(REFERENCES)
    assert [before - left] * 2 == list(checked.values())
    assert [before - left] * 3 == list(kept.values())


def triples(
    connection: Connection, names: list[str], *, backwards: bool
) -> dict[str, set[tuple[str, ...]]]:
    """Return what triggers check, by their names: table, column, the table named and its key."""
    found: dict[str, set[tuple[str, ...]]] = {name: set() for name in names}
    for table, name, arguments in connection.execute(_TRIGGERS, [names]).fetchall():
        *words, end = arguments
        assert end == ""
        if backwards:
            key, *pairs = words
            found[name] |= {
                (other, column, table, key)
                for other, column in zip(pairs[::2], pairs[1::2], strict=True)
            }
        else:
            found[name] |= {(table, *words[n : n + 3]) for n in range(0, len(words), 3)}
    return found


def test_foreign_keys_of_any_name_are_replaced() -> None:
    """An installation whose constraints were named by hand is upgraded as any other."""
    with fresh_database() as made:
        with configured(made) as config:
            from alembic import command

            command.upgrade(config, BEFORE)
        with psycopg.connect(made) as connection:
            connection.execute("alter table changes rename constraint changes_site_fkey to mine")
        migrate(made)
        with psycopg.connect(made) as connection:
            tables = {table for table, *_ in connection.execute(_FOREIGN_KEYS).fetchall()}
    assert "changes" not in tables


@pytest.fixture
def two() -> Iterator[tuple[Connection, Connection]]:
    """Two connections to a database whose rows may change."""
    with fresh_database() as made:
        migrate(made)
        with psycopg.connect(made) as first, psycopg.connect(made) as second:
            first.execute(_ROWS)
            first.commit()
            yield first, second
            second.rollback()


class Blocked(threading.Thread):
    """A statement that has to wait for another connection."""

    def __init__(self, of: Connection, statement: str, behind: Connection) -> None:
        """Start it, and return when it waits for a lock of the other connection."""
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
def test_who_deletes_waits_for_who_names(two: tuple[Connection, Connection]) -> None:
    """A row that names an account and is not committed yet keeps the account."""
    naming, deleting = two
    naming.execute(NAME_IT)
    blocked = Blocked(deleting, DELETE_IT, naming)
    naming.commit()
    blocked.join(WAIT_S)
    assert isinstance(blocked.error, errors.ForeignKeyViolation)


def test_who_deletes_goes_on_when_who_names_gives_up(two: tuple[Connection, Connection]) -> None:
    """Where the other transaction is rolled back, nothing names the account."""
    naming, deleting = two
    naming.execute(NAME_IT)
    blocked = Blocked(deleting, DELETE_IT, naming)
    naming.rollback()
    blocked.join(WAIT_S)
    assert blocked.error is None
    deleting.commit()
    assert naming.execute("select count(*) from users").fetchone() == (1,)


@pytest.mark.case("b61")
def test_who_names_waits_for_who_deletes(two: tuple[Connection, Connection]) -> None:
    """A row that names an account that another transaction has deleted is refused."""
    naming, deleting = two
    deleting.execute(DELETE_IT)
    blocked = Blocked(naming, NAME_IT, deleting)
    deleting.commit()
    blocked.join(WAIT_S)
    assert isinstance(blocked.error, errors.ForeignKeyViolation)


def test_who_names_goes_on_when_who_deletes_gives_up(two: tuple[Connection, Connection]) -> None:
    """Where the account was not deleted after all, the row is taken."""
    naming, deleting = two
    deleting.execute(DELETE_IT)
    blocked = Blocked(naming, NAME_IT, deleting)
    deleting.rollback()
    blocked.join(WAIT_S)
    assert blocked.error is None


def test_who_names_waits_for_who_empties(two: tuple[Connection, Connection]) -> None:
    """A row that names an account of a table that is emptied meanwhile is refused."""
    naming, emptying = two
    emptying.execute("truncate findings, runs cascade")
    blocked = Blocked(naming, NAME_RUN, emptying)
    emptying.commit()
    blocked.join(WAIT_S)
    assert isinstance(blocked.error, errors.ForeignKeyViolation)


@pytest.mark.parametrize("level", ["repeatable_read", "serializable"])
def test_an_old_snapshot_does_not_help(two: tuple[Connection, Connection], level: str) -> None:
    """Who began before an account was deleted can't name it, though they still see it."""
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
    """Who would not see what names an account since may not delete it."""
    naming, deleting = two
    deleting.isolation_level = psycopg.IsolationLevel[level.upper()]
    assert deleting.execute("select count(*) from course_assignments").fetchone() == (0,)
    naming.execute(NAME_IT)
    naming.commit()
    with pytest.raises(errors.FeatureNotSupported, match="read committed only"):
        deleting.execute(DELETE_IT)


def test_the_applications_role_is_held_to_it(url: str) -> None:
    """A role that may only insert into the audit is refused as its owner is, and needs no more."""
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
    """A school that Bob has left."""
    assert site.sync(SCHOOL)["outcome"] == "succeeded"
    assert site.sync(LEAVES)["outcome"] == "succeeded"
    assert site.users()["bob"] == "inactive"
    return site


class Erasing(threading.Thread):
    """Erasure of Bob at a site."""

    def __init__(self, site: Site) -> None:
        """Start it."""
        super().__init__()
        self._site = site
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Erase."""
        try:
            erase(self._site.name, "bob", by="a test", now=now())
        except NotErasedError as error:
            self.error = error


@pytest.mark.case("b10")
def test_erasure_waits_for_a_plan_that_is_being_applied(left: Site) -> None:
    """A plan under way that brings somebody back is waited for, and the person is not erased."""
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
    """Who is erased while a plan that names them waits is not named by it: it is out of date."""
    run = reviewed(left, SCHOOL)
    changes = "select count(*) from changes where site = :site and sourced_id = 'bob'"
    with database.engine().connect() as erasing, erasing.begin():
        database.lock_site(erasing, left.name)
        found = erasure_sql.find_person(erasing, left.name, "bob")
        assert found is not None
        erasure_sql.erase_person(erasing, left.name, found, f"erased-{found['id']}", now=now())
        applying = Applying(run)
        wait_until_blocked(erasing)
    applying.join(WAIT_S)
    assert isinstance(applying.error, StalePlanError)
    assert left.rows(changes) == [(0,)]


class Applying(threading.Thread):
    """Apply of a reviewed plan."""

    def __init__(self, run: Run) -> None:
        """Start it."""
        super().__init__()
        self._run = run
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Apply."""
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
