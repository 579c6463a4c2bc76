"""Pending deltas: delta files that were read completely and are not applied yet.

A delta file is stored in the transaction that ends the stage extract, and deleted in the
transaction that applies it. So no delta is lost if a process is killed at any time.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from oneroster_sync.findings.finding import shown_id
from oneroster_sync.sites.preferences import Scope
from oneroster_sync.standard import ROSTERING_FILES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterable, Sequence

    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run


class State(StrEnum):
    """State of a delta file that was not applied."""

    PENDING = "pending"
    PREVIEW = "preview"
    """From a preview; deleted when that run ends."""
    DISCARDED = "discarded"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Delta:
    """One delta file of one package.

    Attributes:
        delta_id: Number in the database; 0 before the file is stored.
        run_id: The run that read the file.
        part: Position of the package within that run, oldest first.
        package: Name of the package.
        file: Name of the file, without `.csv`.
        version: Version of the standard.
        arrived_at: When the package arrived.
        state: State of the file.
        ended_by: Who discarded the file.
    """

    delta_id: int
    run_id: str
    part: int
    package: str
    file: str
    version: str
    arrived_at: dt.datetime
    state: State = State.PENDING
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class OutOfStep:
    """A file with lost deltas, so that the roster may be out of step with the SIS.

    Attributes:
        file: Name of the file, without `.csv`.
        since: When the loss was noticed.
        cause: The reason, as text.
    """

    file: str
    since: dt.datetime
    cause: str


FILES_OF_SCOPE = {
    Scope.USERS: ("orgs", "roles", "users"),
    Scope.COURSES: ("academicSessions", "orgs", "courses"),
    Scope.USERS_AND_COURSES: ROSTERING_FILES,
}
"""The files that a run of each scope reads."""
_UNDONE = {
    "user": ("users", "roles", "enrollments"),
    "course": ("courses", "classes"),
    "assignment": ("classes", "enrollments"),
    None: ROSTERING_FILES,
}
"""Kind of record that is undone → the files whose pending rows would restore it."""
_COLUMNS = """
d.id, d.run_id::text, d.part, d.package, d.file, d.oneroster_version, d.arrived_at, d.state,
d.ended_by
"""
_FOLDABLE = """
select {columns} from pending_deltas d join runs r on r.run_id = d.run_id
where d.site = :site and d.oneroster_version = :version and (
    (d.run_id = cast(:run_id as uuid) and d.state in ('pending', 'preview'))
    or (d.state = 'pending' and r.outcome is not null
        and not (r.outcome = 'held' and r.decision is not distinct from 'approved')
        and not exists (
            select from runs h
            where h.site = :site and h.outcome = 'held' and h.decision = 'approved'
              and h.run_id <> cast(:run_id as uuid) and h.deltas @> to_jsonb(d.id))))
order by d.arrived_at, d.part, d.id
"""
_OF_SITE = """
select {columns} from pending_deltas d where d.site = :site and d.state = any(:states)
order by d.arrived_at, d.part, d.id
"""
_REPLACED = """
delete from pending_deltas d using runs r
where r.run_id = d.run_id and d.site = :site and d.file = any(:files) and r.started_at <= :read_at
"""
_EXPIRED = """
with packages as (
    select d.run_id, d.part,
           min(r.started_at) < :before as is_old,
           row_number() over (order by min(r.started_at) desc, d.run_id, d.part desc) as place,
           bool_or(r.outcome is null or exists (
               select from runs h where h.site = :site and h.outcome = 'held'
                 and h.deltas @> to_jsonb(d.id))) as waits
    from pending_deltas d join runs r on r.run_id = d.run_id
    where d.site = :site and d.state = 'pending'
    group by d.run_id, d.part)
update pending_deltas d set state = 'expired', rows = null
from packages p
where d.run_id = p.run_id and d.part = p.part and d.state = 'pending'
  and (p.is_old or p.place > :packages) and not p.waits
returning d.file
"""
_LOST = """
insert into out_of_step (site, file, since, cause) values (:site, :file, :since, :cause)
on conflict do nothing
"""


def register(
    connection: Connection,
    site: str,
    run_id: str,
    deltas: Iterable[tuple[Delta, pa.Table]],
) -> list[int]:
    """Store the delta files that a run read, in place of those of an earlier try.

    Returns:
        The numbers of the stored files.
    """
    forget(connection, run_id)
    query = (
        "insert into pending_deltas (site, run_id, part, package, file, oneroster_version, "
        "arrived_at, state, rows) values (:site, :run_id, :part, :package, :file, :version, "
        ":arrived_at, :state, :rows) returning id"
    )
    return [
        int(
            connection.execute(
                sa.text(query),
                {
                    "site": site,
                    "run_id": run_id,
                    "part": delta.part,
                    "package": delta.package,
                    "file": delta.file,
                    "version": delta.version,
                    "arrived_at": delta.arrived_at,
                    "state": delta.state.value,
                    "rows": _as_parquet(table),
                },
            ).scalar_one()
        )
        for delta, table in deltas
    ]


def forget(connection: Connection, run_id: str) -> None:
    """Delete the pending delta files of a run, because its package is not used or is read again."""
    query = (
        "delete from pending_deltas where run_id = cast(:run_id as uuid) "
        "and state in ('pending', 'preview')"
    )
    connection.execute(sa.text(query), {"run_id": run_id})


def foldable(
    connection: Connection, run: Run, *, version: str, files: Collection[str]
) -> list[Delta]:
    """Return the delta files from which a run's plan is made, oldest first.

    These are the run's own files and the files of runs that have ended. Files in an approved plan
    that another run is about to apply are left out.

    Args:
        connection: To the roster database.
        run: The run.
        version: Version of the standard; files of another version have other columns.
        files: The files that the run may change.
    """
    bound = {"site": run.site, "version": version, "run_id": run.run_id}
    found = connection.execute(sa.text(_FOLDABLE.format(columns=_COLUMNS)), bound)
    return [delta for delta in map(_as_delta, found) if delta.file in files]


def used(connection: Connection, run: Run) -> set[int]:
    """Return the numbers of the delta files from which the run's plan would be made now."""
    files = FILES_OF_SCOPE[run.scope]
    found = foldable(connection, run, version=run.oneroster_version or "", files=files)
    bulk = run.bulk_in_plan or ()
    return {d.delta_id for d in found if d.run_id == run.run_id or d.file not in bulk}


def of_site(
    connection: Connection, site: str, *states: State, except_run: str | None = None
) -> list[Delta]:
    """Return a site's delta files in some states, oldest first, without those of `except_run`."""
    bound = {"site": site, "states": [state.value for state in states]}
    found = connection.execute(sa.text(_OF_SITE.format(columns=_COLUMNS)), bound)
    return [delta for delta in map(_as_delta, found) if delta.run_id != except_run]


def read_rows(connection: Connection, deltas: Sequence[Delta]) -> dict[int, pa.Table]:
    """Return the rows of delta files: number → table."""
    query = "select id, rows from pending_deltas where id = any(:ids) and rows is not null"
    ids = [delta.delta_id for delta in deltas]
    return {row[0]: _as_table(row[1]) for row in connection.execute(sa.text(query), {"ids": ids})}


def still_pending(connection: Connection, ids: Collection[int]) -> set[int]:
    """Return those of `ids` that can still be applied, and lock their rows."""
    query = (
        # Ordered, so that two transactions with the same rows can't wait for each other.
        "select id from pending_deltas where id = any(:ids) and state in ('pending', 'preview') "
        "order by id for update"
    )
    return set(connection.scalars(sa.text(query), {"ids": list(ids)}))


def end_applied(connection: Connection, run: Run) -> None:
    """Delete the delta files that an applied run has used or replaced.

    These are the files in its plan, and the earlier deltas of each file that it has in bulk. A plan
    with a withheld part keeps all of them. An undo discards the pending deltas of the run that it
    undoes, because the next plan would apply them again.
    """
    if run.undoes is not None:
        _discard_undone(connection, run)
    if run.withheld is not None:
        return
    bound = {"site": run.site, "ids": list(run.deltas or ()), "files": list(run.bulk_in_plan or ())}
    read_at = "select started_at from runs where run_id = cast(:run_id as uuid)"
    # A follow-up run reads nothing: what it has in bulk was read by the run that it follows.
    bound["read_at"] = connection.scalar(
        sa.text(read_at), {"run_id": run.removals_of or run.run_id}
    )
    connection.execute(
        sa.text("delete from pending_deltas where site = :site and id = any(:ids)"), bound
    )
    connection.execute(sa.text(_REPLACED), bound)
    # A bulk file does not repair a loss that was noticed after it was read.
    known = (
        "delete from out_of_step where site = :site and file = any(:files) and since <= :read_at"
    )
    connection.execute(sa.text(known), bound)


def _discard_undone(connection: Connection, run: Run) -> None:
    query = "select deltas from runs where run_id = cast(:run_id as uuid)"
    ids = connection.scalar(sa.text(query), {"run_id": run.undoes}) or []
    part = run.undo_of or {}
    files, sourced_id = _UNDONE[part.get("kind")], part.get("sourced_id")
    if sourced_id is None:
        discard(connection, run.site, ids, by=run.requested_by, files=files)
        return

    def without_record(file: str, rows: pa.Table) -> pa.Table:
        return rows.filter(pc.invert(_is_of(rows, sourced_id))) if file in files else rows

    rewrite_rows(connection, run.site, without_record, ids)


def _is_of(rows: pa.Table, sourced_id: str) -> pa.ChunkedArray | pa.Array:
    """Return a mask of the rows that are about a user or a course, or that refer to it."""
    found = pa.repeat(False, rows.num_rows)
    for name in ("sourcedId", "userSourcedId", "courseSourcedId"):
        if name in rows.column_names:
            found = pc.or_(found, pc.fill_null(pc.equal(rows[name], sourced_id), False))
    return found


def discard(
    connection: Connection,
    site: str,
    ids: Collection[int],
    *,
    by: str,
    files: Collection[str] = ROSTERING_FILES,
) -> list[int]:
    """Discard delta files by a person's decision: delete their rows and keep their records.

    Args:
        connection: With a transaction.
        site: The site.
        ids: Numbers of the delta files.
        by: Who decided.
        files: Discard only deltas of these files.

    Returns:
        The numbers of those that were pending.
    """
    query = (
        # The rows hold personal data and have no use any more; the record explains the later
        # finding.
        "update pending_deltas set state = 'discarded', rows = null, ended_by = :by "
        "where site = :site and id = any(:ids) and state = 'pending' "
        "and file = any(:files) returning id"
    )
    bound = {"site": site, "ids": list(ids), "by": by, "files": list(files)}
    return list(connection.scalars(sa.text(query), bound))


def expire(
    connection: Connection, site: str, *, before: dt.datetime, packages: int, now: dt.datetime
) -> int:
    """Expire the delta files of packages that are too old or too many, and mark the loss.

    The files are then out of step. Files of a current run or of a held plan are kept.

    Returns:
        The number of expired files.
    """
    bound = {"site": site, "before": before, "packages": packages}
    files = list(connection.scalars(sa.text(_EXPIRED), bound))
    mark_out_of_step(
        connection, site, set(files), cause="deltas could not be applied for too long", now=now
    )
    return len(files)


def mark_out_of_step(
    connection: Connection, site: str, files: Iterable[str], *, cause: str, now: dt.datetime
) -> None:
    """Record that deltas of some files were lost."""
    for file in sorted(files):
        bound = {"site": site, "file": file, "cause": cause, "since": now}
        connection.execute(sa.text(_LOST), bound)


def out_of_step(connection: Connection, site: str) -> list[OutOfStep]:
    """Return a site's files with lost deltas."""
    query = "select file, since, cause from out_of_step where site = :site order by file"
    return [OutOfStep(*row) for row in connection.execute(sa.text(query), {"site": site})]


def out_of_step_by_site(connection: Connection) -> dict[str, list[OutOfStep]]:
    """Return the files with lost deltas of all sites, by site."""
    query = "select site, file, since, cause from out_of_step order by site, file"
    found: dict[str, list[OutOfStep]] = {}
    for site, *entry in connection.execute(sa.text(query)):
        found.setdefault(site, []).append(OutOfStep(*entry))
    return found


def rewrite_rows(
    connection: Connection,
    site: str,
    change: Callable[[str, pa.Table], pa.Table],
    ids: Collection[int] | None = None,
) -> None:
    """Remove rows from stored delta files.

    Args:
        connection: With a transaction.
        site: The site.
        change: Takes a file's name and its rows, and returns the rows to keep.
        ids: Numbers of the delta files; None means all of the site.
    """
    query = "select id, file, rows from pending_deltas where site = :site and rows is not null"
    for number, file, rows in connection.execute(sa.text(query), {"site": site}).all():
        if ids is not None and number not in ids:
            continue
        table = _as_table(rows)
        kept = change(file, table)
        if kept.num_rows != table.num_rows:
            put = "update pending_deltas set rows = :rows where id = :id"
            connection.execute(sa.text(put), {"id": number, "rows": _as_parquet(kept)})


def naming(table: pa.Table, words: Collection[str]) -> pa.ChunkedArray | pa.Array:
    """Return a mask of the rows with one of some words as a value, ignoring case, or its hash."""
    hashes = (shown_id(word, is_staff=False) for word in words)
    known = pa.array([*(word.casefold() for word in words), *hashes], pa.string())
    found = pa.repeat(False, table.num_rows)
    for column in table.columns:
        if pa.types.is_string(column.type):
            found = pc.or_(found, pc.is_in(pc.utf8_lower(column), known))
    return found


def fingerprint_pending(connection: Connection, site: str, *, except_run: str) -> list[Any]:
    """Return a fingerprint of the deltas that are not applied, without those of `except_run`."""
    found = of_site(connection, site, State.PENDING, State.DISCARDED, except_run=except_run)
    lost = out_of_step(connection, site)
    return [*((one.delta_id, one.state.value) for one in found), *(one.file for one in lost)]


def _as_delta(row: Any) -> Delta:
    return Delta(
        delta_id=row.id,
        run_id=row.run_id,
        part=row.part,
        package=row.package or "",
        file=row.file,
        version=row.oneroster_version,
        arrived_at=row.arrived_at,
        state=State(row.state),
        ended_by=row.ended_by,
    )


def _as_parquet(table: pa.Table) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    return bytes(buffer.getvalue().to_pybytes())


def _as_table(data: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(data))
