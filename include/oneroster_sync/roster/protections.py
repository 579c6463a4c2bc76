"""Protected records in the database: since when each is, how old that is, and what was released."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.database.copy import stage

if TYPE_CHECKING:
    import datetime as dt

    import pyarrow as pa
    from sqlalchemy.engine import Connection

# A run ages a protection if it had the file in bulk and ended well. Runs that were skipped,
# rejected or held and not approved were never applied; one that reuses an earlier run's results
# has seen nothing new.
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
    """A record that only a broken row keeps from being absent.

    Attributes:
        kind: user, course or assignment.
        sourced_id: Of the record, or of the user of an assignment.
        course_sourced_id: Of the course of an assignment; blank otherwise.
        file: The file of the row, without `.csv`.
        code: What is wrong with the row.
        column: Where, blank where it is no column.
        since: When the run in which it began was applied.
        since_run: That run.
        age: How many runs since then had the file in bulk and ended well.
        released_at: When it was released, None while it protects.
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
        """What is wrong, in one word that a command takes: `users.csv:row.bad_value:email`."""
        return f"{self.file}.csv:{self.code}:{self.column}".rstrip(":")


def listed(connection: Connection, site: str) -> list[Protection]:
    """Return the protected records of a site, by file and cause."""
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
    """Note in the transaction under way which records a run found protected.

    What was known already stays as it is, so that the same package moves nothing.

    Args:
        connection: With a transaction.
        site: The site.
        run_id: The run that is applied.
        table: Schema `stages.diff.protection.PROTECTED` with `code` and `column`, without `row`.
        files: The files that the run had in bulk; those of others are left alone.
        now: The time.
    """
    bound: dict[str, Any] = {"site": site, "files": files, "run_id": run_id, "now": now}
    stage(connection, "staged_protections", table)
    connection.execute(sa.text(_GONE), bound)
    connection.execute(sa.text(_NEW), bound)


def mark_released(
    connection: Connection, site: str, records: list[Protection], *, by: str, now: dt.datetime
) -> None:
    """Note that records were released: the next plan takes them for absent."""
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
    """Return user and course of the active assignments that go when these courses go."""
    rows = connection.execute(sa.text(_ALONG), {"site": site, "courses": courses})
    return [(row[0], row[1]) for row in rows]
