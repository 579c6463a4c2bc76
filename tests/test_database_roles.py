"""Two database roles: one owns the tables, the other uses them and cannot change the audit."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from psycopg import errors

from conftest import csv_text
from databases import fresh_database
from oneroster_sync import database
from oneroster_sync.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER, APPLICATION = "tables_owner", "application"
ADMIN = "admin@district.example"
HEADER = "sourcedId,enabledUser,orgSourcedIds,role,username,givenName,familyName,email"


@dataclass(frozen=True)
class Roster:
    """A roster database with connections as its owner and as the application."""

    superuser: str
    owner: str
    application: str

    def run(self, *words: str, owner: str | None = None, **more: str) -> tuple[int, dict[str, Any]]:
        """Run `oneroster WORDS --json` as the application; return the exit code and the answer."""
        urls = {"ONEROSTER_DATABASE_URL": self.application, "ONEROSTER_OWNER_URL": owner or ""}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**urls, **more}.items():
                patch.setenv(name, value)
            database.engine.cache_clear()
            try:
                done = CliRunner().invoke(main, ["-q", *words, "--json"], catch_exceptions=False)
            finally:
                if database.engine.cache_info().currsize:
                    database.engine().dispose()
                database.engine.cache_clear()
        return done.exit_code, json.loads(done.stdout) if done.stdout else {"stderr": done.stderr}

    def ask(self, statement: str, *, by: str | None = None) -> list[tuple[Any, ...]]:
        """Run a statement, by default as the application."""
        with psycopg.connect(by or self.application, autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []


@pytest.fixture(scope="module")
def roles() -> Iterator[None]:
    """Two roles that can log in and have no other rights."""
    here = database.url()
    with psycopg.connect(here, autocommit=True) as connection:
        (hba,) = connection.execute("show hba_file").fetchone() or ("",)
        before = Path(hba).read_text("utf-8")
        Path(hba).write_text(f"local all {OWNER},{APPLICATION} trust\n{before}", "utf-8")
        connection.execute("select pg_reload_conf()")
        for role in (OWNER, APPLICATION):
            connection.execute(f"create role {role} login".encode())
        yield
        Path(hba).write_text(before, "utf-8")
        for role in (OWNER, APPLICATION):
            connection.execute(f"drop role {role}".encode())
        connection.execute("select pg_reload_conf()")


@contextmanager
def made(owner: str) -> Iterator[Roster]:
    """Make a database that belongs to a role, as deploy/postgres-roles.sh does."""
    with fresh_database() as url:
        of_role = {
            role: sa.make_url(url).set(username=role).render_as_string(hide_password=False)
            for role in (OWNER, APPLICATION)
        }
        roster = Roster(url, of_role[OWNER], of_role[APPLICATION])
        name = sa.make_url(url).database
        roster.ask(f"alter database {name} owner to {owner}", by=url)
        roster.ask(f"revoke all on database {name} from public", by=url)
        roster.ask("revoke create on schema public from public", by=url)
        roster.ask("alter schema public owner to pg_database_owner", by=url)
        yield roster


@pytest.fixture(scope="module")
def roster(roles: None) -> Iterator[Roster]:
    """A database with an owner's tables, initialized by the application."""
    with made(OWNER) as roster:
        code, output = roster.run("migrate", owner=roster.owner)
        assert code == 0, output
        assert roster.run("init", "--admin", ADMIN)[0] == 0
        yield roster


def staff(folder: Path, *names: str) -> str:
    """Write a users.csv and return its path."""
    path = folder / "users.csv"
    rows = (f"{n},true,s,teacher,{n},Given,Family,{n}@x.example" for n in names)
    path.write_text(csv_text(HEADER, *rows), "utf-8")
    return str(path)


@pytest.mark.case("c33")
def test_the_application_does_its_work_without_owning_a_table(
    roster: Roster, tmp_path: Path
) -> None:
    """The application syncs, saves preferences, erases and tidies without owning a table."""
    assert roster.run("sync", staff(tmp_path, "ann", "bob"))[1]["outcome"] == "succeeded"
    assert roster.run("preferences", "--set", "profile=strict")[0] == 0
    assert roster.run("preferences", "--set", "profile=tolerant")[0] == 0
    assert roster.run("sync", staff(tmp_path, "ann"))[1]["outcome"] == "succeeded"
    assert roster.run("erase", "bob@x.example")[0] == 0
    assert roster.ask("select count(*) from changes where before::text like '%bob%'") == [(0,)]
    assert roster.ask("select count(*) > 2 from changes") == [(True,)]
    assert roster.run("tidy")[0] == 0
    owned = "select count(*) from pg_class where relowner = to_regrole(current_user::text)"
    assert roster.ask(owned) == [(0,)]
    assert roster.run("check")[1]["warnings"] == []


ATTEMPTS = {
    "update": "update changes set reason = 'another'",
    "delete": "delete from changes",
    "delete of events": "delete from events",
    "truncate": "truncate changes",
    "truncate of another": "truncate sites cascade",
    "as erasure does": "set oneroster.erasing = 'on'; delete from changes",
    "by the change feed": "update roster_changes set action = 'another'",
    "by the change feed, as erasure does": (
        "set oneroster.erasing = 'on'; delete from roster_changes"
    ),
    "without the trigger": "alter table changes disable trigger all",
    "no trigger": "drop trigger append_only on changes",
    "another function": (
        "create or replace function keep_the_audit() returns trigger language plpgsql as "
        "'begin return null; end'"
    ),
    "a function of its own": "create function mine() returns int language sql as 'select 1'",
    "a rule": "create rule lost as on insert to changes do instead nothing",
    "no table": "drop table changes",
    "another owner": f"alter table changes owner to {APPLICATION}",
    "as the owner": f"set role {OWNER}",
    "replication": "set session_replication_role = 'replica'",
    "fewer days": (
        "create or replace function audit_keep_days() returns integer language sql as 'select 0'"
    ),
    "the version": "update oneroster_schema_version set version_num = '0001'",
    "more rights": f"grant delete on changes to {APPLICATION}",
}


@pytest.mark.case("c33")
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_application_can_not_change_the_audit(roster: Roster, attempt: str) -> None:
    """The application can neither change the audit nor disable its protection."""
    before = roster.ask("select c::text from changes c union all select e::text from events e")
    refused = (errors.InsufficientPrivilege, errors.InvalidTableDefinition)
    if attempt == "more rights":
        roster.ask(ATTEMPTS[attempt])  # PostgreSQL only warns and grants nothing
        with pytest.raises(refused):
            roster.ask(ATTEMPTS["delete"])
    else:
        with pytest.raises(refused):
            roster.ask(ATTEMPTS[attempt])
    after = roster.ask("select c::text from changes c union all select e::text from events e")
    assert after == before


@pytest.mark.case("c33")
def test_retention_keeps_what_the_owner_says(roster: Roster, tmp_path: Path) -> None:
    """Audit rows younger than the owner's retention stay, whatever time the application passes."""
    roster.run("sync", staff(tmp_path, "ann", "cec"))
    ((before,),) = roster.ask("select count(*) from changes")
    for until in ("'infinity'", "now() + interval '9 years'"):
        roster.ask(f"select drop_from_audit('default', {until})")
        assert roster.ask("select count(*) from changes") == [(before,)]
    roster.ask(
        "set oneroster.erasing = 'on'; "
        "update changes set made_at = made_at - interval '8 years' where id = "
        "(select min(id) from changes)",
        by=roster.superuser,
    )
    assert roster.ask("select drop_from_audit('default', now())") == [(1,)]


@pytest.mark.case("c33")
def test_erasure_changes_the_audit_of_erased_users_only(roster: Roster, tmp_path: Path) -> None:
    """The erasure function does not change the audit of a user who is not erased."""
    roster.run("sync", staff(tmp_path, "dan"))
    before = roster.ask("select c::text from changes c order by id")
    roster.ask("select erase_from_audit(id) from users where erased_at is null")
    assert roster.ask("select c::text from changes c order by id") == before


@pytest.mark.case("c33")
def test_a_table_of_the_callers_own_is_not_taken_for_the_audit(roster: Roster) -> None:
    """The owner's functions use only the owner's tables."""
    roster.ask(
        "create temporary table changes (site text, made_at timestamptz); "
        "insert into changes values ('default', '-infinity'); "
        "select drop_from_audit('default', now()); "
        "do $$ begin assert (select count(*) from pg_temp.changes) = 1; end $$"
    )


@pytest.mark.case("c33")
def test_an_installation_with_one_role_goes_on_and_can_change(roles: None, tmp_path: Path) -> None:
    """A single role works with a warning; once the tables have an owner, migrate uses it."""
    with made(APPLICATION) as roster:
        assert roster.run("migrate")[0] == 0
        assert roster.run("init", "--admin", ADMIN)[0] == 0
        assert roster.run("sync", staff(tmp_path, "ann"))[1]["outcome"] == "succeeded"
        (warning,) = roster.run("check")[1]["warnings"]
        assert "could change the audit" in warning
        assert "ONEROSTER_OWNER_URL" in warning

        reassign = f"reassign owned by {APPLICATION} to {OWNER}"
        roster.ask(f"grant connect on database {name_of(roster)} to {OWNER}", by=roster.superuser)
        code, output = roster.run("migrate", owner=roster.owner)
        assert (code, reassign in output["stderr"]) == (1, True)
        roster.ask(reassign, by=roster.superuser)
        assert roster.run("migrate", owner=roster.owner)[0] == 0

        assert roster.run("check")[1]["warnings"] == []
        assert roster.run("sync", staff(tmp_path, "ann", "bob"))[1]["outcome"] == "succeeded"


@pytest.mark.case("c33")
def test_tables_of_an_owner_are_upgraded_by_migrate_alone(roles: None) -> None:
    """Commands report missing or outdated tables of another owner in one sentence."""
    with made(OWNER) as roster:
        connect = f"grant connect on database {name_of(roster)} to {APPLICATION}"
        roster.ask(connect, by=roster.superuser)
        code, output = roster.run("history", owner=roster.owner)
        assert code == 1
        assert "no tables yet" in output["stderr"]
        assert "ONEROSTER_OWNER_URL" in output["stderr"]
        assert roster.run("migrate", owner=roster.owner)[0] == 0
        older = "update oneroster_schema_version set version_num = '0010'"
        roster.ask(older, by=roster.superuser)
        code, output = roster.run("history", owner=roster.owner)
        assert (code, "Traceback" in output["stderr"]) == (1, False)
        assert f"by their owner, {OWNER}, and not by {APPLICATION}" in output["stderr"]


def name_of(roster: Roster) -> str:
    """Return the name of the database."""
    return str(sa.make_url(roster.superuser).database)


@pytest.mark.case("c33")
def test_check_warns_of_a_longer_retention_of_the_owner(roster: Roster) -> None:
    """`oneroster check` warns if the services ask for fewer days than the owner keeps."""
    code, output = roster.run("check", ONEROSTER_KEEP_AUDIT_DAYS="365")
    assert code == 0
    assert "2,557 days" in output["warnings"][0]
