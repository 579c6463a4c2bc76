"""Measure the stored data of a sync: rows by table, bytes of a row, bytes of a run's folder.

    python -m benchmarks.capacity.storage S M             writes benchmarks/data/kept.json
    python -m benchmarks.capacity.storage --airflow URL   adds what Airflow keeps of a DAG run

Syncs districts of the benchmark, all days and the last package once more, into its own embedded
PostgreSQL, and counts the rows of each run. Bytes are measured on disk, with all indexes: if a
table has too few rows, its rows are repeated in a copy with all indexes. In Airflow's metadata, a
DAG run that Airflow itself made is repeated in the same way.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from benchmarks import PROJECT
from benchmarks.districts import DAYS, SIZES, packages
from benchmarks.districts.days import AGAIN, NAMES
from benchmarks.sync.contestants import Ground, Ours
from oneroster_sync.database.embedded import postgres

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from psycopg import Connection

KEPT = PROJECT / "benchmarks" / "data" / "kept.json"
HOME = PROJECT / "build" / "bench" / "home-kept"
ENOUGH = 2_000
"""Minimum number of rows to measure the bytes per row."""
MANY = 20_000
"""Rows of a copy; enough that fixed pages, such as the free space map, are negligible."""
_SEED, _JULY = 1, 7
_TABLES = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind = 'r' order by 1
"""
AIRFLOW = {
    "dag_run": {"id": "t.id + n", "run_id": "'manual__' || n"},
    "task_instance": {"id": "gen_random_uuid()", "run_id": "'manual__' || n"},
    "task_instance_history": {"task_instance_id": "gen_random_uuid()", "run_id": "'manual__' || n"},
    "xcom": {"dag_run_id": "t.dag_run_id + n", "run_id": "'manual__' || n"},
    "rendered_task_instance_fields": {"run_id": "'manual__' || n"},
    "log": {"id": "t.id + 1000 * n", "run_id": "'manual__' || n"},
}
"""Airflow's tables of a DAG run → columns that need another value in each copy."""


@dataclass(slots=True)
class Kept:
    """The stored data of syncs.

    Attributes:
        rows: Size → kind of day → table → rows that the run added.
        folders: Size → kind of day → bytes of the run's folder, plan and report.
        packages: Size → bytes of a package, compressed like a zip.
        row_bytes: Table → bytes of a row with its indexes.
        airflow_bytes: Airflow's table → bytes of one DAG run.
        measured: Date, and version of PostgreSQL.
    """

    rows: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    folders: dict[str, dict[str, int]] = field(default_factory=dict)
    packages: dict[str, int] = field(default_factory=dict)
    row_bytes: dict[str, float] = field(default_factory=dict)
    airflow_bytes: dict[str, float] = field(default_factory=dict)
    measured: str = ""

    def save(self, path: Path = KEPT) -> None:
        """Write the values to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path = KEPT) -> Kept:
        """Read the values from a file; empty if there is none."""
        return cls(**json.loads(path.read_text("utf-8"))) if path.exists() else cls()


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", metavar="SIZE", help="S, M or L")
    parser.add_argument(
        "--airflow", metavar="URL", help="Airflow's metadata, with a DAG run of ours"
    )
    chosen = parser.parse_args()
    if unknown := set(chosen.sizes) - SIZES.keys():
        parser.error(f"there is no size {', '.join(sorted(unknown))}; there are {', '.join(SIZES)}")
    kept = Kept.load()
    if chosen.sizes:
        try:
            measure(chosen.sizes, kept)
        finally:
            postgres.stop(HOME)
    if chosen.airflow:
        with psycopg.connect(chosen.airflow, autocommit=True) as connection:
            kept.airflow_bytes = dag_run_bytes(connection)
    kept.save()
    print(json.dumps(asdict(kept), indent=1))


def measure(sizes: list[str], kept: Kept) -> None:
    """Sync districts of these sizes, each from an empty database; the last one gives the bytes."""
    ground = Ground(HOME)
    ours = Ours(ground)
    today = dt.datetime.now(dt.UTC).date()
    for size in sorted(sizes, key=lambda one: SIZES[one]):
        # Until July the school year is the one that began the year before.
        folders = packages(size, _SEED, today.year - (today.month <= _JULY))
        kept.packages[size] = _zipped(folders[DAYS[-1]])
        ours.reset()
        with psycopg.connect(ground.url(ours.database), autocommit=True) as connection:
            before = count(connection)
            days = [*zip(NAMES, map(folders.get, DAYS), strict=True), (AGAIN, folders[DAYS[-1]])]
            for name, folder in days:
                assert folder is not None
                ours.sync(folder)
                after = count(connection)
                kept.rows.setdefault(size, {})[name] = {
                    table: after[table] - before[table]
                    for table in after
                    if after[table] != before[table]
                }
                kept.folders.setdefault(size, {})[name] = _newest_folder(ground.home)
                before = after
            connection.execute("vacuum analyze")
            kept.row_bytes |= {t: bytes_of_row(connection, t) for t, n in after.items() if n}
            version = connection.execute("show server_version").fetchone()
            assert version is not None
            kept.measured = f"{today.isoformat()}, PostgreSQL {version[0]}, sizes {' '.join(sizes)}"


def count(connection: Connection) -> dict[str, int]:
    """Return table → number of rows."""
    tables = [str(row[0]) for row in connection.execute(_TABLES)]
    return {table: _count(connection, table) for table in tables}


def bytes_of_row(
    connection: Connection, table: str, other: Mapping[str, str] | None = None
) -> float:
    """Return the bytes of a row on disk, with all indexes and TOAST.

    Args:
        connection: A connection in autocommit mode.
        table: The table, which has at least one row.
        other: Column → SQL of a value that differs in each copy `n` of a row `t`.
    """
    rows = _count(connection, table)
    if rows >= ENOUGH and other is None:
        return _bytes(connection, table) / rows
    columns = {
        str(row[0]): str(row[1])
        for row in connection.execute(
            "select column_name, data_type from information_schema.columns "
            "where table_name = %s and table_schema = 'public'",
            [table],
        )
    }
    chosen = other or {
        name: "gen_random_uuid()" if kind == "uuid" else f"t.{name} + n * 2000"
        for name, kind in columns.items()
        if name in {"id", "seq", "run_id", "version"} and kind in {"uuid", "bigint", "integer"}
    }
    values = ", ".join(chosen.get(name, f't."{name}"') for name in columns)
    # Rounded up, so that the copy has at least `MANY` rows.
    copies = -(-MANY // rows)
    connection.execute("drop table if exists repeated")
    connection.execute(
        # The storage of its columns decides which values PostgreSQL compresses and moves out of the
        # row.
        sql.SQL("create table repeated (like {} including storage)").format(sql.Identifier(table))
    )
    connection.execute(
        f"insert into repeated select {values} "
        f'from "{table}" t, generate_series(1, {copies}) n'.encode()
    )
    for (definition,) in connection.execute(
        "select indexdef from pg_indexes where tablename = %s and schemaname = 'public'", [table]
    ).fetchall():
        # Unique columns are not unique among the copies, so the index must not be.
        _, _, of = str(definition).partition(" USING ")
        connection.execute(f"create index on repeated using {of}".encode())
    connection.execute("vacuum analyze repeated")
    found = _bytes(connection, "repeated") / (copies * rows)
    connection.execute("drop table repeated")
    return found


def dag_run_bytes(connection: Connection) -> dict[str, float]:
    """Return table → bytes that Airflow stores for one DAG run.

    Raises:
        ValueError: There is no DAG run.
    """
    runs = _count(connection, "dag_run")
    if not runs:
        raise ValueError("there is no DAG run in this metadata; let Airflow make one first")
    return {
        table: bytes_of_row(connection, table, other) * rows / runs
        for table, other in AIRFLOW.items()
        if (rows := _count(connection, table))
    }


def _count(connection: Connection, table: str) -> int:
    row = connection.execute(
        sql.SQL("select count(*) from {}").format(sql.Identifier(table))
    ).fetchone()
    assert row is not None
    return int(row[0])


def _bytes(connection: Connection, table: str) -> int:
    row = connection.execute(
        "select pg_total_relation_size(to_regclass(%s))", [f'public."{table}"']
    ).fetchone()
    assert row is not None
    return int(row[0])


def _newest_folder(home: Path) -> int:
    """Return the size of the newest run's folder."""
    runs = (home / "storage" / "runs" / "default").iterdir()
    newest = max(runs, key=lambda run: run.stat().st_mtime_ns)
    return sum(file.stat().st_size for file in newest.rglob("*") if file.is_file())


def _zipped(folder: Path) -> int:
    import zlib

    # Level 6 is that of an ordinary zip.
    return sum(len(zlib.compress(file.read_bytes(), 6)) for file in folder.iterdir())


if __name__ == "__main__":
    main()
