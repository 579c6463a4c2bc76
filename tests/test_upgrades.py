"""Plans and transactions from before an upgrade are applied correctly or not at all.

The migrations of an earlier version make its database, which holds the rows of a held run.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from psycopg import sql

from databases import fresh_database, using
from oneroster_sync import database, runs
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.stages.diff.plan import read_plan
from roster_of import SCHOOL
from test_killed import WAIT_S, wait_until_blocked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Site

EARLIER = "0003"
"""The newest migration of the earlier version."""
_HEADER = SCHOOL["users.csv"].splitlines()[0]
_ROWS = [f"u{n},true,teacher,u{n},Given,Family,u{n}@x.org" for n in range(10)]
FULL = {**SCHOOL, "users.csv": "\n".join([_HEADER, *_ROWS]) + "\n"}
FULL["enrollments.csv"] = (
    SCHOOL["enrollments.csv"]
    .replace(",ann,", ",u0,")
    .replace(",bob,", ",u1,")
    .replace(",cec,", ",u2,")
)
HALF = {"users.csv": "\n".join([_HEADER, *_ROWS[:4]]) + "\n"}
MORE = {**FULL, "classes.csv": SCHOOL["classes.csv"] + "m2,Maths 2,maths\n", **HALF}


@pytest.fixture
def earlier(tmp_path: Path) -> Iterator[tuple[Site, str]]:
    """Yield a site with a database of the earlier version, and its held run."""
    from conftest import ADMIN, Site

    site = Site("upgraded", tmp_path)
    with fresh_database() as now, fresh_database() as before:
        with using(now):
            site.command("init", "--admin", ADMIN)
            assert site.sync(FULL)["outcome"] == "succeeded"
            held = site.sync(MORE)
            assert held["outcome"] == "held"
        migrate_to_earlier(before)
        copy(now, before)
        with using(before):
            yield site, held["run_id"]


def migrate_to_earlier(url: str) -> None:
    """Migrate a new database to the schema of the earlier version."""
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    made = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with made.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, EARLIER)
    made.dispose()


def copy(source: str, target: str) -> None:
    """Copy all rows to a schema that has fewer tables and columns."""
    with psycopg.connect(source) as now, psycopg.connect(target) as before:
        before.execute("set session_replication_role = replica")
        gone = columns(now)["preferences"] - columns(before)["preferences"]
        for table, names in columns(before).items():
            kept = sql.SQL(", ").join(map(sql.Identifier, sorted(names)))
            out = sql.SQL("copy {} ({}) to stdout").format(sql.Identifier(table), kept)
            into = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(table), kept)
            with now.cursor().copy(out) as rows, before.cursor().copy(into) as taken:
                for block in rows:
                    taken.write(block)
        before.execute("update runs set preferences = preferences - %s::text[]", [sorted(gone)])
        for table in ("users", "courses", "changes", "events"):
            query = "select setval(pg_get_serial_sequence({}, 'id'), max(id)) from {}"
            before.execute(sql.SQL(query).format(sql.Literal(table), sql.Identifier(table)))


def columns(connection: psycopg.Connection[tuple[str, ...]]) -> dict[str, set[str]]:
    """Return the columns of each of our tables."""
    found: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "select c.table_name, c.column_name from information_schema.columns c "
        "join information_schema.tables t using (table_schema, table_name) "
        "where table_schema = 'public' and table_type = 'BASE TABLE' "
        "and table_name <> 'oneroster_schema_version' order by 1, 2"
    ).fetchall():
        found.setdefault(table, set()).add(column)
    return found


@pytest.mark.case("b31")
def test_held_plan_outlives_an_upgrade(earlier: tuple[Site, str]) -> None:
    """A held plan with an unchanged form can be approved after the upgrade."""
    site, run_id = earlier
    assert site.command("history")[1]["runs"][0]["run_id"] == run_id

    code, run = site.command("approve", run_id)

    assert (code, run["outcome"]) == (0, "succeeded")
    assert list(site.users().values()).count("inactive") == 6
    assert site.sync(MORE)["outcome"] == "no_changes"


@pytest.mark.case("b31")
def test_plan_of_an_earlier_form_is_not_applied(earlier: tuple[Site, str]) -> None:
    """A plan that lacks columns of today is superseded, and the next sync makes a new one.

    Plans of the earlier version did not have the end of a class.
    """
    site, run_id = earlier
    run = runs.find(run_id)
    plan = read_plan(run)
    links = {**plan.links, "classes": plan.links["classes"].drop_columns("ends_on")}
    plan = replace(plan, links=links)
    RunFolder.of(site.name, run_id).write_tables("plan", plan.tables())
    with database.engine().begin() as connection:
        statement = "update runs set plan_hash = :hash where run_id::text = :run"
        connection.execute(sa.text(statement), {"hash": plan.hash(), "run": run_id})
    before = site.users(), site.assignments()

    code, run_then = site.command("approve", run_id)

    assert (code, run_then["outcome"]) == (1, "superseded")
    assert "before an upgrade" in run_then["reasons"][0]
    assert (site.users(), site.assignments()) == before
    again = site.sync(MORE)
    assert again["outcome"] == "held"
    assert site.command("approve", again["run_id"])[1]["outcome"] == "succeeded"


@pytest.mark.case("b31")
def test_migration_waits_for_who_applies() -> None:
    """An upgrade waits for a running transaction, and loses nothing of it."""
    with fresh_database() as url:
        migrate_to_earlier(url)
        made = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
        migrating = threading.Thread(target=database.migrate, args=(made,))
        with made.connect() as connection, connection.begin():
            connection.execute(sa.text("insert into sites (site) values ('kept')"))
            connection.execute(sa.text("select * from runs, preferences"))
            migrating.start()
            wait_until_blocked(connection)
        migrating.join(WAIT_S)
        with made.connect() as connection:
            assert connection.scalar(sa.text("select site from sites")) == "kept"
            head = connection.scalar(sa.text("select version_num from oneroster_schema_version"))
            assert head == database.HEAD
        made.dispose()
