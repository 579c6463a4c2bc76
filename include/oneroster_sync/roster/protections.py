"""Protected records in the database, with the age of each protection and its release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.database.copy import stage

if TYPE_CHECKING:
    import datetime as dt

    import pyarrow as pa
    from sqlalchemy.engine import Connection

# Count the runs that had the file in bulk and were applied. Runs that were skipped, rejected or
# held and not approved were never applied. A run that reuses the results of an earlier run does not
# count, because it read the same rows again.
_LISTED = """
select p.kind, p.sourced_id, p.course_sourced_id, p.file, p.code, p."column", p.since,
       p.since_run::text as since_run, p.released_at, p.released_by,
       (select count(*) from runs r
        where r.site = p.site and r.applied_at > p.since and r.same_as is null
          and jsonb_exists(r.bulk_files::jsonb, p.file)) as age
from protections p
where p.site = :site
order by p.file, p.code, p."column", p.kind, p.sourced_id, p.course_sourced_id
"""
_GONE = """
delete from protections t
where t.site = :site and t.file = any(:files) and not exists (
    select from staged_protections s
    where s.kind = t.kind and s.sourced_id = t.sourced_id
      and s.course_sourced_id = t.course_sourced_id)
"""
_NEW = """
insert into protections
    (site, kind, sourced_id, course_sourced_id, file, code, "column", since, since_run)
select :site, kind, sourced_id, course_sourced_id, file, code, "column", :now,
       cast(:run_id as uuid)
from staged_protections
on conflict do nothing
"""
_RELEASE = """
update protections set released_at = :now, released_by = :by
where site = :site and released_at is null and kind = :kind and sourced_id = :sourced_id
  and course_sourced_id = :course_sourced_id
"""
_ALONG = """
select u.sourced_id, c.sourced_id from course_assignments a
join users u on u.id = a.user_id
join courses c on c.id = a.course_id
where a.site = :site and a.status = 'active' and a.managed and c.sourced_id = any(:courses)
order by 1, 2
"""


@dataclass(frozen=True, slots=True)
class Protection:
    """A record that would be absent from its file without a row with errors.

    Attributes:
        kind: user, course or assignment.
        sourced_id: Of the record, or of the user of an assignment.
        course_sourced_id: Of the course of an assignment; blank otherwise.
        file: File of the row, without `.csv`.
        code: Finding code of the row.
        column: Column of the finding; blank if the finding has none.
        since: When the first run with this protection was applied.
        since_run: The id of that run.
        age: Number of applied runs since then that had the file in bulk.
        released_at: When the protection was released; None while it is in force.
        released_by: Who released it.
    """

    kind: str
    sourced_id: str
    course_sourced_id: str
    file: str
    code: str
    column: str
    since: dt.datetime
    since_run: str
    age: int
    released_at: dt.datetime | None
    released_by: str | None

    @property
    def cause(self) -> str:
        """The cause as commands take it, such as `users.csv:row.bad_value:email`."""
        # A finding about a whole row has no column.
        return f"{self.file}.csv:{self.code}:{self.column}".rstrip(":")


def listed(connection: Connection, site: str) -> list[Protection]:
    """Return the protected records of a site, ordered by file and cause."""
    rows = connection.execute(sa.text(_LISTED), {"site": site}).mappings()
    return [Protection(**row) for row in rows]


def note(
    connection: Connection,
    site: str,
    run_id: str,
    table: pa.Table,
    files: list[str],
    *,
    now: dt.datetime,
) -> None:
    """Store the records that a run found protected, in the current transaction.

    Protections that are stored already keep their `since`, so their age goes on.

    Args:
        connection: With a transaction.
        site: The site.
        run_id: The run that is applied.
        table: Schema `stages.diff.protection.PROTECTED` with `code` and `column`, without `row`.
        files: The files that the run had in bulk; protections of other files are not changed.
        now: The time.
    """
    bound: dict[str, Any] = {"site": site, "files": files, "run_id": run_id, "now": now}
    stage(connection, "staged_protections", table)
    connection.execute(sa.text(_GONE), bound)
    connection.execute(sa.text(_NEW), bound)


def mark_released(
    connection: Connection, site: str, records: list[Protection], *, by: str, now: dt.datetime
) -> None:
    """Mark records as released; the next plan treats them as absent."""
    for record in records:
        bound = {"site": site, "by": by, "now": now, "kind": record.kind}
        bound |= {
            "sourced_id": record.sourced_id,
            "course_sourced_id": record.course_sourced_id,
        }
        connection.execute(sa.text(_RELEASE), bound)


def active_assignments_of(
    connection: Connection, site: str, courses: list[str]
) -> list[tuple[str, str]]:
    """Return (user, course) of the active managed assignments to courses, as sourcedIds."""
    rows = connection.execute(sa.text(_ALONG), {"site": site, "courses": courses})
    return [(row[0], row[1]) for row in rows]
