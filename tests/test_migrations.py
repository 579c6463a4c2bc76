"""Migrations can run twice, from two processes at once, and are never older than the code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa

from databases import fresh_database, using
from oneroster_sync import database
from oneroster_sync.errors import GoneError
from oneroster_sync.operations.installation import find_warnings
from oneroster_sync.roster import change_feed
from oneroster_sync.runs import run_details

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config

RIGHT, WRONG = "the-right-one", "wrong-1"
CONNECT = "from oneroster_sync import database; print(database.engine().url.database)"


@pytest.fixture
def fresh() -> Iterator[str]:
    """Yield the URL of an empty database."""
    with fresh_database() as url:
        yield url


def engine_of(url: str) -> sa.Engine:
    """Return an engine on which nothing has been migrated yet."""
    # Without a pool, no connection is left to the garbage collector, which would warn in another
    # test.
    driver = sa.make_url(url).set(drivername="postgresql+psycopg")
    return sa.create_engine(driver, poolclass=sa.NullPool)


def schema(url: str) -> list[tuple[str, ...]]:
    """Return every table, view and column of a database."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "select table_name, column_name, data_type from information_schema.columns "
            "where table_schema = 'public' order by 1, 2"
        ).fetchall()


def versions(url: str) -> list[tuple[str]]:
    """Return the schema versions that the database stores."""
    with psycopg.connect(url) as connection:
        return connection.execute("select version_num from oneroster_schema_version").fetchall()


def test_head_is_the_newest_migration() -> None:
    """`database.HEAD` is the newest migration file, and the files form one chain."""
    files = sorted(path.stem for path in (database.MIGRATIONS / "versions").glob("[0-9]*.py"))
    assert files
    assert files[-1].split("_")[0] == database.HEAD
    numbers = [name.split("_")[0] for name in files]
    assert numbers == [f"{number:04}" for number in range(1, len(files) + 1)], (
        "the files form one chain"
    )


def test_fresh_database_gets_the_whole_schema(fresh: str) -> None:
    """One migration makes every table and view in an empty database."""
    database.migrate(engine_of(fresh))
    assert versions(fresh) == [(database.HEAD,)]
    tables = {table for table, _, _ in schema(fresh)}
    assert tables >= {
        *("users", "courses", "course_assignments", "runs", "findings", "changes"),
        *("preferences", "teacher_permissions"),
    }


def test_second_migration_changes_nothing(fresh: str) -> None:
    """A second migration changes nothing."""
    database.migrate(engine_of(fresh))
    before = schema(fresh)
    with psycopg.connect(fresh) as connection:
        connection.execute("insert into sites (site) values ('kept')")
    database.migrate(engine_of(fresh))
    assert schema(fresh) == before
    with psycopg.connect(fresh) as connection:
        assert connection.execute("select site from sites").fetchall() == [("kept",)]


def test_two_processes_migrate_at_once(fresh: str) -> None:
    """Processes that start on an empty database together migrate it one after the other."""
    environment = {**os.environ, "ONEROSTER_DATABASE_URL": fresh}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CONNECT],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ended = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], ended
    assert versions(fresh) == [(database.HEAD,)]


def test_migration_that_fails_leaves_nothing(fresh: str) -> None:
    """A migration is one transaction: if it fails, it leaves no table."""
    with psycopg.connect(fresh) as connection:
        connection.execute("create type events as (in_the_way integer)")
    with pytest.raises(sa.exc.ProgrammingError, match="events"):
        database.migrate(engine_of(fresh))
    assert schema(fresh) == []
    with psycopg.connect(fresh) as connection:
        connection.execute("drop type events")
    database.migrate(engine_of(fresh))
    assert versions(fresh) == [(database.HEAD,)]


def test_there_is_no_way_back(fresh: str) -> None:
    """A downgrade is refused, so that it can't delete a roster."""
    from alembic import command

    database.migrate(engine_of(fresh))
    with configured(fresh) as config, pytest.raises(NotImplementedError, match="backup"):
        command.downgrade(config, "base")
    assert versions(fresh) == [(database.HEAD,)]


def test_logins_get_their_new_spelling(fresh: str, caplog: pytest.LogCaptureFixture) -> None:
    """A stored login gets the new spelling; if another account has that one, both stay."""
    from alembic import command

    users = [
        (1, "gro\u00df@x.org", "gross@x.org", "gro\u00df@x.org"),
        (2, "E\u0301va@X.org", "e\u0301va@x.org", "\u00e9va@x.org"),
        (3, "ann@x.org", "ann@x.org", "ann@x.org"),
        (4, "mu\u00df@x.org", "muss@x.org", "muss@x.org"),
        (5, "elsewhere@x.org", "mu\u00df@x.org", "mu\u00df@x.org"),
    ]
    with configured(fresh) as config:
        command.upgrade(config, "0012")
    with psycopg.connect(fresh) as connection:
        connection.execute("insert into sites (site) values ('s')")
        for id_, email, login, _ in users:
            connection.execute(
                "insert into users (id, site, email, login, role, status, managed) "
                "overriding system value values (%s, 's', %s, %s, 'teacher', 'active', true)",
                [id_, email, login],
            )

    database.migrate(engine_of(fresh))

    with psycopg.connect(fresh) as connection:
        found = connection.execute("select id, login from users order by id").fetchall()
    assert found == [(id_, login) for id_, _, _, login in users]
    assert "User 4 of site s keeps the old spelling" in caplog.text
    assert "@" not in caplog.text


def test_saved_lists_get_the_new_notification(fresh: str) -> None:
    """Chosen notifications get the one about a standstill; an empty choice stays empty."""
    from alembic import command

    with configured(fresh) as config:
        command.upgrade(config, "0022")
    with psycopg.connect(fresh) as connection:
        for site, notices in {
            "some": '{"topics": ["held", "digest"]}',
            "none": '{"topics": []}',
            "never": "{}",
        }.items():
            connection.execute("insert into sites (site) values (%s)", [site])
            connection.execute(
                "insert into preferences (site, version, days, time_utc, pause_windows, scope, "
                "teacher_permission, profile, assignment_roles, adopt_accounts, guards, notices, "
                "saved_at, saved_by) values (%s, 1, '{}', '02:00', '[]', 'users', 'lessons_only', "
                "'tolerant', '{}', false, '{}', %s, now(), 'Ann')",
                [site, notices],
            )
        reasons = ["a preview: nothing was to be applied"], ["nobody decided within 72 hours"]
        for reason in reasons:
            connection.execute(
                "insert into runs (run_id, site, trigger, requested_by, scope, preferences, "
                "started_at, stage, outcome, reasons) values (gen_random_uuid(), 'some', "
                "'command', 'Ann', 'users', '{}', now(), 'review', 'discarded', %s)",
                [json.dumps(reason)],
            )

    database.migrate(engine_of(fresh))

    with psycopg.connect(fresh) as connection:
        lists = connection.execute("select site, notices -> 'topics' from preferences").fetchall()
        marks = connection.execute("select reasons ->> 0, is_preview from runs").fetchall()
    assert dict(lists) == {"some": ["held", "digest", "unapplied"], "none": [], "never": None}
    assert dict(marks) == {reasons[0][0]: True, reasons[1][0]: False}


@contextmanager
def configured(url: str) -> Iterator[Config]:
    """Yield Alembic's configuration for one transaction."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    with engine_of(url).begin() as connection:
        config.attributes["connection"] = connection
        yield config


@pytest.mark.case("c19")
def test_a_schema_of_its_own_is_enough(fresh: str, data: Path) -> None:
    """A role that owns one schema and has no other right can migrate and sync in that schema."""
    with psycopg.connect(fresh, autocommit=True) as connection:
        connection.execute("create role modest")
        connection.execute("create schema roster authorization modest")
    as_modest = {"options": "-crole=modest -csearch_path=roster"}
    url = sa.make_url(fresh).update_query_dict(as_modest).render_as_string(hide_password=False)
    for words in (
        ("init", "--admin", "admin@district.example"),
        ("sync", str(data / "district-small-1.1.zip")),
        ("tidy",),
    ):
        subprocess.run(
            [sys.executable, "-m", "oneroster_sync.cli", *words],
            env={**os.environ, "ONEROSTER_DATABASE_URL": url},
            capture_output=True,
            check=True,
        )
    owned = (
        "select distinct n.nspname, pg_get_userbyid(c.relowner) from pg_class c "
        "join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
    )
    with psycopg.connect(fresh) as connection:
        assert connection.execute(owned).fetchall() == [("roster", "modest")]
        assert connection.execute("select count(*) > 0 from roster.changes").fetchone() == (True,)


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (("users", "orders", "roles"), "holds tables named roles, users that are not ours"),
        (("alembic_version", "dag", "dag_run"), "the metadata database of an Airflow"),
    ],
)
def test_database_of_somebody_else_is_refused(
    fresh: str, tables: tuple[str, ...], sentence: str
) -> None:
    """A database with others' tables is refused, unless the roster has its own schema."""
    with psycopg.connect(fresh, autocommit=True) as connection:
        for table in tables:
            connection.execute(f"create table {table} (id int)".encode())
    error = history_of(fresh)
    assert sentence in error
    assert "?options=-csearch_path%3Doneroster" in error
    assert "Traceback" not in error
    options = {"options": "-csearch_path=oneroster"}
    elsewhere = sa.make_url(fresh).update_query_dict(options).render_as_string(hide_password=False)
    assert "none of the schemas that its URL names (oneroster)" in history_of(elsewhere)
    with psycopg.connect(fresh, autocommit=True) as connection:
        connection.execute("create schema oneroster")
        database.migrate(engine_of(elsewhere))
        there = "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
        assert connection.execute(there).fetchone() == (len(tables),)
        connection.execute("drop schema oneroster cascade")


def test_roster_among_airflows_tables_is_upgraded_with_a_warning(fresh: str) -> None:
    """A roster among Airflow's tables from an earlier version is upgraded, and check warns."""
    database.migrate(engine_of(fresh))
    with using(fresh):
        before = find_warnings()
        with psycopg.connect(fresh, autocommit=True) as connection:
            for table in ("alembic_version", "dag", "dag_run"):
                connection.execute(f"create table {table} (id int)".encode())
        database.migrate(engine_of(fresh))
        (warning,) = set(find_warnings()) - set(before)
        assert "in the schema of an Airflow" in warning


@pytest.mark.case("b09")
@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:///roster.db", "is PostgreSQL, not sqlite"),
        ("postgresql://nobody@127.0.0.1:1/roster", "does not answer"),
    ],
)
def test_database_that_can_not_be_used_is_one_sentence(url: str, sentence: str) -> None:
    """A wrong ONEROSTER_DATABASE_URL ends with the reason and without a traceback."""
    error = history_of(url)
    assert sentence in error
    assert "Traceback" not in error


@pytest.fixture
def keyholder() -> Iterator[sa.URL]:
    """Yield the URL of a role that logs in with a password."""
    here = database.url()
    with psycopg.connect(here, autocommit=True) as connection:
        (hba,) = connection.execute("show hba_file").fetchone() or ("",)
        before = Path(hba).read_text("utf-8")
        Path(hba).write_text(f"local all keyholder scram-sha-256\n{before}", "utf-8")
        connection.execute(f"create role keyholder login password '{RIGHT}'")
        connection.execute("select pg_reload_conf()")
        try:
            yield sa.make_url(here).set(username="keyholder", drivername="postgresql")
        finally:
            Path(hba).write_text(before, "utf-8")
            connection.execute("drop role keyholder")
            connection.execute("select pg_reload_conf()")


@pytest.mark.case("b09")
def test_wrong_password_is_one_sentence(keyholder: sa.URL) -> None:
    """A refused password is named as the reason, and not shown."""
    right = keyholder.set(password=RIGHT).render_as_string(hide_password=False)
    with psycopg.connect(right) as connection:
        assert connection.execute("select current_user").fetchone() == ("keyholder",)

    error = history_of(keyholder.set(password=WRONG).render_as_string(hide_password=False))

    assert "password authentication failed" in error
    assert "check ONEROSTER_DATABASE_URL" in error
    assert "Traceback" not in error
    assert WRONG not in error


def history_of(url: str) -> str:
    """Return the error of the command line about a database that it can't use."""
    ended = subprocess.run(
        [sys.executable, "-m", "oneroster_sync.cli", "history"],
        env={**os.environ, "ONEROSTER_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    return ended.stderr


_OLDER_SITE = """
insert into sites (site, roster_version) values ('s', 2);
insert into users (id, site, sourced_id, role, status, managed) overriding system value
values (1, 's', null, 'administrator', 'active', false), (2, 's', 'ann', 'teacher', 'active', true);
insert into runs (run_id, site, trigger, requested_by, scope, preferences, started_at, stage,
                  outcome, applied_at, applied_version, counts)
select run_id::uuid, 's', 'command', 'me', 'users', '{}', at, 'record', 'succeeded', at, version,
       '{"users": {"added": 1}}'
from (values ('%(old)s', now() - interval '90 days', 1), ('%(new)s', now() - interval '1 day', 2))
    r (run_id, at, version);
insert into changes (run_id, site, kind, action, user_id, sourced_id, reason, credited_admin_id,
                     requested_by, made_at)
select run_id, 's', 'user', 'update', 2, 'ann', 'a test', 1, 'me', applied_at
from runs, generate_series(1, 3);
"""


def test_changes_from_before_the_change_feed_are_still_found_by_their_run(fresh: str) -> None:
    """An upgrade numbers only recent changes; the change feed starts after the older ones."""
    from alembic import command

    runs = {name: str(uuid.uuid4()) for name in ("old", "new")}
    with configured(fresh) as config:
        command.upgrade(config, "0022")
    with psycopg.connect(fresh) as connection:
        connection.execute((_OLDER_SITE % runs).encode())
    made = engine_of(fresh)
    database.migrate(made)
    with psycopg.connect(fresh) as connection:
        query = "select r.run_id::text, array_agg(c.version) from changes c join runs r "
        found = connection.execute(f"{query} using (run_id) group by 1".encode()).fetchall()
    assert dict(found) == {runs["old"]: [None] * 3, runs["new"]: [2] * 3}
    with made.connect() as connection:
        for run_id in runs.values():
            first, following = run_details.page_of_changes(connection, run_id, limit=2)
            rest, _ = run_details.page_of_changes(connection, run_id, after=following or 0, limit=2)
            assert (len(first), len(rest)) == (2, 1)
            assert run_details.has_rows(connection, run_id, "changes")
        connection.rollback()
        for behind in ("0", "1"):
            with pytest.raises(GoneError):
                change_feed.read_page(connection, "s", behind, 10)
        page = change_feed.read_page(connection, "s", "2", 10)
        assert (page.changes, page.roster_version) == ([], 2)
