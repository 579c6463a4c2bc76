"""The limit's last part: write the changes, by COPY wherever rows are new."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import uuid
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import psycopg

    from benchmarks.limit.checks import Checked

SITE = "default"
_IDS = {"user": "user_id", "course": "course_id"}


def copy_out(connection: psycopg.Connection, query: str) -> pl.DataFrame:
    """Return the rows of a query, all as text."""
    with connection.cursor().copy(f"copy ({query}) to stdout (format csv, header)") as copy:
        data = b"".join(copy)
    return pl.read_csv(io.BytesIO(data), infer_schema=False, raise_if_empty=True)


def copy_in(connection: psycopg.Connection, table: str, rows: pl.DataFrame) -> None:
    """Append rows to a table, by column name."""
    buffer = io.BytesIO()
    rows.write_csv(buffer, include_header=False, null_value="\\N")
    names = ", ".join(f'"{name}"' for name in rows.columns)
    statement = f"copy {table} ({names}) from stdin (format csv, null '\\N')"
    with connection.cursor().copy(statement.encode()) as copy:
        copy.write(buffer.getbuffer())


def _hidden(found: pl.DataFrame, file: str, unclear: pl.Series, known: pl.Series) -> pl.DataFrame:
    """Return findings with hashes in place of sourcedIds that may be a pupil's, or a name."""
    name = pl.col("sourced_id")
    of_row = (pl.col("file") == file) & pl.col("row").is_in(unclear.cast(pl.Int64).implode())
    hidden = of_row & ~name.is_in(known.implode())
    hashed = name.map_elements(_hash, return_dtype=pl.String)
    return found.with_columns(pl.when(hidden).then(hashed).otherwise(name).alias("sourced_id"))


def _hash(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:12]


class Run:
    """One run: its record, its findings, and its changes with their audit."""

    def __init__(self, connection: psycopg.Connection, admin: int) -> None:
        """Prepare a run in the transaction of a connection."""
        self.run_id = uuid.uuid4()
        self.now = dt.datetime.now(dt.UTC)
        self._connection = connection
        self._admin = admin
        self._ids: dict[str, pl.DataFrame] = {}
        self._changed = 0

    def open(
        self, package: str, digest: str, checked: Checked, known: dict[str, pl.Series]
    ) -> None:
        """Write the run's record and its findings.

        Args:
            package: Path of the package.
            digest: sha256 of the package.
            checked: The result of checking it.
            known: File → stored sourcedIds.
        """
        found = pl.concat(checked.findings) if checked.findings else pl.DataFrame()
        for file, rows in checked.unclear.items():
            if rows.len() and found.height:
                found = _hidden(found, file, rows, known[file])
        errors = found.filter(pl.col("severity") == "error").height if found.height else 0
        self._connection.execute(
            "insert into runs (run_id, site, trigger, requested_by, credited_admin_id, package, "
            "sha256, oneroster_version, scope, preferences, started_at, ended_at, stage, outcome, "
            "applied_at, counts, findings) values (%s, %s, 'command', 'the limit', %s, %s, %s, "
            "'1.1', 'users_and_courses', '{}', %s, %s, 'apply', 'succeeded', %s, %s, %s)",
            [
                *(self.run_id, SITE, self._admin, package, digest, self.now, self.now, self.now),
                json.dumps({"users": {"ignored": checked.ignored}}),
                json.dumps({"errors": errors, "warnings": found.height - errors}),
            ],
        )
        if found.height:
            numbered = found.with_row_index("seq", 1)
            copy_in(
                self._connection,
                "findings",
                numbered.with_columns(run_id=pl.lit(str(self.run_id))),
            )

    def write_records(
        self,
        kind: str,
        table: str,
        fields: tuple[str, ...],
        stored: pl.DataFrame,
        changes: pl.DataFrame,
    ) -> None:
        """Write the changes of users or courses, and their audit."""
        names = (*fields, "status")
        added = changes.filter(pl.col("action") == "add")
        ids = self._reserve(table, added.height)
        added = added.with_columns(id=pl.Series(ids, dtype=pl.String))
        moved = changes.filter(pl.col("action") != "add")
        at = pl.lit(self.now.isoformat())
        rows = added.select(
            "id",
            "sourced_id",
            *names,
            site=pl.lit(SITE),
            managed=pl.lit(value=True),
            created_at=at,
            updated_at=at,
        )
        copy_in(self._connection, table, rows)
        if moved.height:
            self._stage(moved.select("id", *names))
            sets = ", ".join(f"{name} = s.{name}" for name in names)
            self._connection.execute(
                f"update {table} t set {sets}, updated_at = %s "
                "from staged s where t.id = s.id::bigint".encode(),
                [self.now],
            )
        self._ids[kind] = pl.concat(
            [stored.select("sourced_id", "id").drop_nulls(), added.select("sourced_id", "id")]
        )
        changes = pl.concat([added, moved])
        whole = {"sourced_id": pl.col("sourced_id"), "managed": pl.lit(value=True)}
        before = pl.struct(**whole, **{name: pl.col(f"{name}_before") for name in names})
        is_new = pl.col("action") == "add"
        self._audit(
            changes,
            kind=pl.lit(kind),
            sourced_id=pl.col("sourced_id"),
            before=pl.when(~is_new).then(before.struct.json_encode()),
            after=pl.struct(**whole, **{name: pl.col(name) for name in names}).struct.json_encode(),
            file=pl.lit(f"{table}.csv"),
            **{_IDS[kind]: pl.col("id")},
        )

    def write_assignments(self, changes: pl.DataFrame) -> None:
        """Write the changes of course assignments, and their audit."""
        for kind, column in _IDS.items():
            ids = self._ids[kind].rename({"sourced_id": f"{kind}_sourced_id", "id": column})
            changes = changes.join(ids, on=f"{kind}_sourced_id", how="left")
        at = pl.lit(self.now.isoformat())
        added = changes.filter(pl.col("action") == "add").select(
            "user_id", "course_id", "status", site=pl.lit(SITE), created_at=at, updated_at=at
        )
        copy_in(self._connection, "course_assignments", added)
        moved = changes.filter(pl.col("action") != "add")
        if moved.height:
            self._stage(moved.select("user_id", "course_id", "status"))
            self._connection.execute(
                "update course_assignments a set status = s.status, updated_at = %s from staged s "
                "where a.user_id = s.user_id::bigint and a.course_id = s.course_id::bigint",
                [self.now],
            )
        was = pl.struct(status=pl.col("status_before")).struct.json_encode()
        self._audit(
            changes,
            kind=pl.lit("assignment"),
            before=pl.when(pl.col("status_before").is_not_null()).then(was),
            after=pl.struct(status=pl.col("status")).struct.json_encode(),
            file=pl.lit("enrollments.csv"),
            user_id=pl.col("user_id"),
            course_id=pl.col("course_id"),
        )

    def write_links(self, name: str, stored: pl.DataFrame, merged: pl.DataFrame) -> None:
        """Write the new links of one file, and delete those that are gone."""
        same = merged.join(stored, on=stored.columns, how="semi", nulls_equal=True)
        out = stored.join(same, on="sourced_id", how="anti")
        if out.height:
            self._stage(out.select("sourced_id"))
            self._connection.execute(
                f"delete from {name} t using staged s where t.site = %s "
                "and t.sourced_id = s.sourced_id".encode(),
                [SITE],
            )
        fresh = merged.join(same, on="sourced_id", how="anti")
        copy_in(self._connection, name, fresh.with_columns(site=pl.lit(SITE)))

    def close(self) -> None:
        """Increment the roster's version if something changed."""
        if self._changed:
            query = "update sites set roster_version = roster_version + 1 where site = %s"
            self._connection.execute(query, [SITE])

    def _reserve(self, table: str, count: int) -> list[str]:
        """Reserve ids that no other transaction gets."""
        query = "select nextval(pg_get_serial_sequence(%s, 'id'))::text from generate_series(1, %s)"
        return [row[0] for row in self._connection.execute(query, [table, count])]

    def _stage(self, rows: pl.DataFrame) -> None:
        columns = ", ".join(f"{name} text" for name in rows.columns)
        self._connection.execute("drop table if exists staged")
        self._connection.execute(f"create temporary table staged ({columns})".encode())
        copy_in(self._connection, "staged", rows)
        self._connection.execute("analyze staged")

    def _audit(self, changes: pl.DataFrame, **columns: pl.Expr) -> None:
        self._changed += changes.height
        always = {
            "run_id": pl.lit(str(self.run_id)),
            "site": pl.lit(SITE),
            "credited_admin_id": pl.lit(self._admin),
            "requested_by": pl.lit("the limit"),
            "made_at": pl.lit(self.now.isoformat()),
        }
        rows = changes.select("action", "reason", "row", **columns, **always)
        copy_in(self._connection, "changes", rows)
