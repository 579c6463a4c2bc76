"""The role `roster_reader`: other programs read the rosters of their sites, and nothing else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import errors

from databases import fresh_database, using
from oneroster_sync import database, list_changes
from oneroster_sync.database import audit
from roster_of import SCHOOL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site

VIEWS = (
    *("roster_changes", "roster_sites", "roster_users", "roster_courses"),
    *("roster_course_assignments", "teacher_permissions"),
)
WAREHOUSE, ANALYST, EVERYWHERE, NOWHERE = "warehouse", "analyst", "district", "newcomer"
ROLES = (ANALYST, WAREHOUSE, EVERYWHERE, NOWHERE, "roster_reader")


@contextmanager
def asking(role: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Yield a connection with the rights of a role."""
    with psycopg.connect(database.url(), autocommit=True) as connection:
        connection.execute(f"set role {role}".encode())
        yield connection


def sites_seen(role: str, view: str, known: set[str]) -> set[str]:
    """Return the sites among `known` whose rows a role sees in a view."""
    with asking(role) as connection:
        query = f"select distinct site from {view}"  # noqa: S608
        found = connection.execute(query.encode()).fetchall()
    return {site for (site,) in found if site in known}


@pytest.fixture
def theirs(site: Site) -> Iterator[tuple[str, str]]:
    """Two sites with a roster: the warehouse's site, and another one."""
    (site.folder / "other").mkdir()
    other = type(site)(f"{site.name}-other", site.folder / "other")
    other.command("init", "--admin", "admin@district.example")
    for one in (site, other):
        assert one.sync(SCHOOL)["outcome"] == "succeeded"
    with psycopg.connect(database.url(), autocommit=True) as connection:
        for role in reversed(ROLES):
            connection.execute(f"create role {role}".encode())
        for role in (WAREHOUSE, EVERYWHERE, NOWHERE):
            connection.execute(f"grant roster_reader to {role}".encode())
        connection.execute(f"grant {WAREHOUSE} to {ANALYST}".encode())
        connection.execute("select make_reader_views()")
        readers = [(WAREHOUSE, site.name), (EVERYWHERE, "*"), ("gone", other.name)]
        for reader in readers:
            connection.execute("insert into roster_readers values (%s, %s)", reader)
        try:
            yield site.name, other.name
        finally:
            connection.execute("delete from roster_readers")
            for role in ROLES:
                connection.execute(f"drop owned by {role}".encode())
                connection.execute(f"drop role {role}".encode())


@pytest.mark.case("c42")
@pytest.mark.parametrize("view", VIEWS)
def test_a_reader_sees_its_sites_only(theirs: tuple[str, str], view: str) -> None:
    """A reader sees the sites of its own role and of roles it is a member of; others see none."""
    ours, other = theirs
    known = {ours, other}
    assert sites_seen(WAREHOUSE, view, known) == {ours}
    assert sites_seen(ANALYST, view, known) == {ours}
    assert sites_seen(EVERYWHERE, view, known) == known
    assert sites_seen(NOWHERE, view, known) == set()


def test_the_program_itself_sees_all_sites(theirs: tuple[str, str]) -> None:
    """The product sees all sites, with and without reader roles: a superuser is in every role."""
    for site in theirs:
        assert list_changes(site).changes


@pytest.mark.parametrize(
    "table",
    [
        *("users", "courses", "course_assignments", "changes", "runs", "findings", "preferences"),
        *("sites", "roster_readers", "change_feeds", "events"),
    ],
)
def test_a_reader_has_no_right_on_tables(theirs: tuple[str, str], table: str) -> None:
    """A reader has rights on views only, because tables have other sites and private columns."""
    with asking(EVERYWHERE) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(f"select from {table}".encode())


@pytest.mark.case("c42")
@pytest.mark.parametrize("view", VIEWS)
def test_a_reader_writes_nothing(theirs: tuple[str, str], view: str) -> None:
    """A reader can write neither to tables nor through a view."""
    refused = (errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState)
    for words in ("delete from {}", "update {} set site = site"):
        with asking(WAREHOUSE) as connection, pytest.raises(refused):
            connection.execute(words.format(view).encode())
    with asking(WAREHOUSE) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("select make_reader_views()")


@pytest.mark.case("c42")
@pytest.mark.parametrize("view", ["roster_users", "roster_changes", "roster_courses"])
def test_a_function_of_the_readers_own_sees_no_other_site(
    theirs: tuple[str, str], view: str
) -> None:
    """The planner calls no function of a reader on rows that the view filters out."""
    ours, other = theirs
    with asking(WAREHOUSE) as connection:
        connection.execute(
            "create function pg_temp.spy(word text) returns boolean language plpgsql cost 0.0001 "
            "as $$ begin raise notice '%', word; return true; end $$"
        )
        heard: list[str] = []
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        connection.execute(f"select from {view} where pg_temp.spy(site)".encode())
    assert ours in heard
    assert other not in heard


def test_pages_of_the_feed_are_found_by_its_index(theirs: tuple[str, str]) -> None:
    """A page of the feed is read in the order of the index, without a sort or a skip."""
    query = (
        "explain select * from roster_changes where site = %s and (version, seq) > (1, 2) "
        "order by version, seq limit 10000"
    )
    with asking(WAREHOUSE) as connection:
        # PostgreSQL would read and sort a small table as a whole.
        connection.execute("set enable_seqscan = off; set enable_bitmapscan = off")
        plan = "\n".join(line for (line,) in connection.execute(query, [theirs[0]]).fetchall())
    assert "Index Scan using changes_feed" in plan
    assert "ROW(version, id) > ROW(" in plan, plan
    assert "Sort" not in plan


def test_changes_of_a_run_are_found_by_the_same_index(site: Site) -> None:
    """A page of a run's changes is read in the order of the feed's index."""
    run = site.sync(SCHOOL)
    with database.engine().begin() as connection:
        of_run = audit.condition_of_run(connection, run["run_id"])
        connection.execute(sa.text("set local enable_seqscan = off"))
        connection.execute(sa.text("set local enable_bitmapscan = off"))
        query = f"select * from changes c where {of_run} and id > 5 order by id limit 50"  # noqa: S608
        plan = "\n".join(connection.scalars(sa.text(f"explain {query}"), {"run_id": run["run_id"]}))
    assert "Index Scan using changes_feed" in plan
    assert "Sort" not in plan


def test_a_column_that_is_added_reaches_the_readers(postgresql: None) -> None:
    """The views show every column of their table, also one of a later migration."""
    with fresh_database() as url, using(url):
        database.engine()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("alter table users add column middle_name text")
            before = columns_of(connection)
            connection.execute("select make_reader_views()")
            after = columns_of(connection)
    assert [name for name in after if name not in before] == ["middle_name"]
    assert after[: len(before)] == before
    assert not {"login", "lost_role_at"} & set(after)


def columns_of(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    """Return the columns of the view of users, in order."""
    return [
        name
        for (name,) in connection.execute(
            "select attname from pg_attribute where attrelid = 'roster_users'::regclass "
            "order by attnum"
        ).fetchall()
    ]
