"""References: the database holds no row that refers to a missing row.

The large tables check references with triggers, once for each statement. These tests try to bypass
the triggers with hand-made SQL: by every kind of write, and by changing or deleting the target. Two
transactions at once are in test_reference_races.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import errors, sql

from databases import fresh_database
from oneroster_sync import database
from test_migrations import configured, engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator

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
"""A valid row of each table whose references are checked once for each statement."""
PARENTS: dict[str, tuple[str, str, Any, Any]] = {
    "run_id": ("runs", "run_id", OTHER_RUN, NO_RUN),
    "site": ("sites", "site", "there", "nowhere"),
    "user_id": ("users", "id", 2, 999),
    "course_id": ("courses", "id", 2, 999),
    "credited_admin_id": ("users", "id", 2, 999),
}
"""Column → its parent table and key, the key of a row without references, and a missing key."""
REFERENCES = [
    (table, column) for table, row in VALID.items() for column in row if column in PARENTS
]
ROWS = f"""
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
_TRIGGERS = """
select tgrelid::regclass::text, tgname::text, string_to_array(encode(tgargs, 'escape'), '\\000')
from pg_trigger where tgname = any(%s)
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database of its own with rows that refer to each other, and rows without references."""
    with fresh_database() as made:
        migrate(made)
        with psycopg.connect(made) as connection:
            connection.execute(ROWS)
        yield made


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    """A transaction that is rolled back."""
    with psycopg.connect(url) as made:
        yield made
        made.rollback()


def migrate(url: str) -> None:
    """Migrate a database to the newest version."""
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
    connection.execute("set local oneroster.erasing = 'on'")  # otherwise the audit refuses it
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
    """INSERT, COPY, MERGE and UPDATE are refused in each column; the message has no value."""
    *_, missing = PARENTS[column]
    with pytest.raises(errors.ForeignKeyViolation) as refused:
        WAYS[way](connection, table, **{column: missing})
    message = refused.value.diag.message_primary or ""
    assert f'table "{table}": {column} names no row of' in message
    assert str(missing) not in str(refused.value).splitlines()[0]


@pytest.mark.parametrize("table", VALID)
def test_rows_that_name_others_are_taken(connection: Connection, table: str) -> None:
    """Each kind of write accepts a row whose references exist."""
    for way in WAYS.values():
        with connection.transaction(force_rollback=True):
            way(connection, table, **{next(iter(VALID[table])): next(iter(VALID[table].values()))})


def test_one_bad_row_of_many_is_found(connection: Connection) -> None:
    """One wrong row makes a statement of a hundred thousand rows fail."""
    with pytest.raises(errors.ForeignKeyViolation, match="user_id names no row"):
        connection.execute(
            "insert into changes (run_id, site, kind, action, user_id, reason, credited_admin_id, "
            "requested_by, made_at) select %s, 'here', 'user', 'add', "
            "case n when 77777 then 999 else 1 end, 'a test', 1, 'a test', now() "
            "from generate_series(1, 100000) n",
            [RUN],
        )


def test_null_names_nothing(connection: Connection) -> None:
    """A change of a user has no course, and a change of a course no user."""
    insert(connection, "changes", user_id=None)
    insert(connection, "changes", course_id=None)


def test_upsert_that_moves_a_row_is_refused(connection: Connection) -> None:
    """The values that ON CONFLICT writes to an existing row are checked too."""
    insert(connection, "orgs")
    with pytest.raises(errors.ForeignKeyViolation, match="site names no row"):
        connection.execute(
            "insert into orgs (site, sourced_id) values ('here', 'o') "
            "on conflict (site, sourced_id) do update set site = 'nowhere'"
        )


@pytest.mark.case("b61")
@pytest.mark.parametrize(("table", "column"), REFERENCES)
def test_referenced_row_can_not_be_deleted(connection: Connection, table: str, column: str) -> None:
    """A row can be deleted until another row refers to it."""
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
    """A key can be changed until a row refers to it."""
    other, key, unnamed, _ = PARENTS[column]
    change = f"update {other} set {key} = {value} where {key} = '{unnamed}'"  # noqa: S608
    with connection.transaction(force_rollback=True):
        assert connection.execute(change).rowcount == 1
    insert(connection, table, **{column: unnamed})
    with pytest.raises(errors.ForeignKeyViolation, match=f'rows of table "{table}" refer to'):
        connection.execute(change)


@pytest.mark.parametrize("table", ["users", "courses"])
def test_an_id_that_a_row_names_can_not_be_changed(connection: Connection, table: str) -> None:
    """An account or a course keeps its id while a row refers to it."""
    insert(connection, "course_assignments", user_id=2, course_id=2)
    assert connection.execute(f"update {table} set id = default where id = 1").rowcount == 1  # noqa: S608
    with pytest.raises(errors.ForeignKeyViolation, match='rows of table "course_assignments"'):
        connection.execute(f"update {table} set id = default where id = 2")  # noqa: S608


_REFUSALS = (errors.ForeignKeyViolation, errors.FeatureNotSupported, errors.InsufficientPrivilege)
"""Refusals of a trigger, of a foreign key of a small table, and of the audit."""


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
    """One TRUNCATE or DELETE may remove a course together with the rows that refer to it."""
    insert(connection, "course_assignments")
    with connection.transaction(force_rollback=True):
        connection.execute("truncate courses, course_assignments")
    connection.execute(
        "with gone as (delete from course_assignments) delete from courses where id = 1"
    )
    assert connection.execute("select count(*) from courses").fetchone() == (1,)


def test_a_table_of_the_callers_own_is_not_asked(connection: Connection) -> None:
    """A temporary table `users` with this id does not satisfy the reference."""
    connection.execute("create temporary table users as select 999::bigint as id")
    with pytest.raises(errors.ForeignKeyViolation, match="user_id names no row"):
        insert(connection, "changes", user_id=999)


def test_no_reference_is_forgotten() -> None:
    """Each former foreign key still exists, or triggers check it in both directions."""
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
    """Return the references that triggers check: table, column, parent table and key."""
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
    """An installation with renamed constraints is upgraded like any other."""
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
