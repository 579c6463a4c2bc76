"""Changes and findings of a run in pages, for tables with up to a million rows.

A search without a hit reads every row of the run, so the test of each row must be cheap: the people
and courses with that name, and the codes of the causes with that text, are looked up only once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from oneroster_sync.database import audit
from oneroster_sync.findings import Findings, causes_of
from oneroster_sync.findings.codes import explained
from oneroster_sync.roster.history import fields_moved
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.runs.repeat import SELECT_CAUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

_CHANGES = """
select c.id, c.kind, c.action, c.sourced_id, c.before, c.after, c.reason, c.file, c.row,
       concat_ws(' ', u.given_name, u.family_name) as person, u.email, u.role,
       coalesce(c.before ->> 'org_sourced_ids', u.org_sourced_ids) as user_schools,
       u.sourced_id as user_sourced_id, k.title, k.sourced_id as course_sourced_id,
       coalesce(c.before ->> 'org_sourced_id', k.org_sourced_id) as course_school
from changes c
left join users u on u.id = c.user_id
left join courses k on k.id = c.course_id
where {of_run} and c.id > :after
  and (cast(:kind as text) is null or c.kind = :kind)
  and (cast(:action as text) is null or c.action = :action)
  and (cast(:school as text) is null or case c.kind
    when 'user' then :school = any(string_to_array(
        coalesce(c.before ->> 'org_sourced_ids', u.org_sourced_ids), ','))
    else coalesce(c.before ->> 'org_sourced_id', k.org_sourced_id) = :school end)
  and (cast(:q as text) is null
    or c.user_id in (
        select id from users
        where site = (select site from runs where run_id = cast(:run_id as uuid))
          and strpos(lower(concat_ws(' ', given_name, family_name, email, sourced_id)), :q) > 0)
    or c.course_id in (
        select id from courses
        where site = (select site from runs where run_id = cast(:run_id as uuid))
          and strpos(lower(concat_ws(' ', title, course_code, sourced_id)), :q) > 0)
    or strpos(lower(concat_ws(' ', c.before ->> 'email', c.before ->> 'title')), :q) > 0)
order by c.id limit :limit
"""
OF_RUN = "(select coalesce(findings_of, run_id) from runs where run_id = cast(:run_id as uuid))"
"""The run whose rows in findings, causes and other_people are those of `:run_id`."""
_FINDINGS = f"""
select seq, code, severity, file, row, rows, "column", sourced_id, expected, target_file, target,
       cause
from findings
where run_id = {OF_RUN} and seq > :after
  and (cast(:severity as text) is null or severity = :severity)
  and (cast(:code as text) is null or code = :code)
  and (cast(:file as text) is null or file = :file)
  and (cast(:column as text) is null or "column" = :column)
  and (cast(:cause as integer) is null or cause = :cause)
  and (cast(:q as text) is null or strpos(lower(sourced_id), :q) > 0
    or (code = any(array(
            select distinct code from causes
            where run_id = {OF_RUN}
              and strpos(lower(concat_ws(' ', code, file, "column", expected)), :q) > 0))
        and strpos(lower(concat_ws(' ', code, file, "column", expected)), :q) > 0))
order by seq limit :limit
"""  # noqa: S608  names of our own
_CAUSES = f"{SELECT_CAUSES} where run_id = {OF_RUN} order by seq"
_ALL_FINDINGS = f"""
select f.code, f.severity, f.file, f.row, f.rows, f."column", f.sourced_id, f.expected,
       f.target_file, f.target, f.cause, c.follows
from findings f left join causes c on c.run_id = f.run_id and c.seq = f.cause
where f.run_id = {OF_RUN}
"""  # noqa: S608  names of our own


def has_rows(connection: Connection, run_id: str, table: Literal["changes", "findings"]) -> bool:
    """Return whether a table has rows of a run; they are deleted when they expire."""
    if table == "changes":
        return audit.has_changes(connection, run_id)
    query = f"select exists (select from findings where run_id = {OF_RUN})"  # noqa: S608
    return bool(connection.scalar(sa.text(query), {"run_id": run_id}))


def page_of_changes(
    connection: Connection,
    run_id: str,
    *,
    kind: str | None = None,
    action: str | None = None,
    q: str | None = None,
    school: str | None = None,
    after: int = 0,
    limit: int,
) -> tuple[list[dict[str, Any]], int | None]:
    """Return a page of the changes of a run, in order, and the cursor of the next page.

    Args:
        connection: To the roster database.
        run_id: An applied run.
        kind: user, course or assignment; None for all.
        action: add, update, …; None for all.
        q: Text that a name, an e-mail address, a title, a code or a sourcedId contains.
        school: sourcedId of a school of the user, of the course, or of the assigned course.
        after: Cursor of an earlier page.
        limit: Maximum number of changes.
    """
    bound = {
        "run_id": run_id,
        "kind": kind,
        "action": action,
        "q": q.lower() if q else None,
        "school": school,
        "after": after,
        "limit": limit + 1,
    }
    query = _CHANGES.format(of_run=audit.condition_of_run(connection, run_id))
    rows = list(connection.execute(sa.text(query), bound).mappings())
    following = rows[limit - 1]["id"] if len(rows) > limit else None
    return [as_change(dict(row)) for row in rows[:limit]], following


def as_change(row: dict[str, Any]) -> dict[str, Any]:
    """Format a row of the audit for a page: the name of its record, and its changed fields."""
    person = row["person"] or row["email"] or row["user_sourced_id"]
    course = row["title"] or row["course_sourced_id"]
    schools = row["user_schools"] if row["kind"] == "user" else row["course_school"]
    labels = {"user": person, "course": course, "assignment": f"{person} → {course}"}
    return {
        "kind": row["kind"],
        "action": row["action"],
        "sourced_id": row["sourced_id"],
        "label": labels[row["kind"]],
        "fields": fields_moved(row["before"], row["after"]),
        "reason": row["reason"],
        "file": row["file"],
        "row": row["row"],
        "schools": [school for school in (schools or "").split(",") if school],
        "role": None if row["kind"] == "course" else row["role"],
        "email": None if row["kind"] == "course" else row["email"],
    }


def name_schools(connection: Connection, site: str) -> dict[str, str]:
    """Return the names of a site's schools: sourcedId → name."""
    query = sa.text("select sourced_id, name from orgs where site = :site and name is not null")
    return {row.sourced_id: row.name for row in connection.execute(query, {"site": site})}


def causes(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    """Return the causes of a run's findings, in the order in which to fix them."""
    rows = connection.execute(sa.text(_CAUSES), {"run_id": run_id}).mappings()
    return [explained(dict(row)) for row in rows]


def count_issues(connection: Connection, run_id: str) -> int:
    """Return the number of causes to fix, without those that follow from another cause."""
    query = f"select count(*) from causes where run_id = {OF_RUN} "  # noqa: S608
    # Nobody can fix a guard's finding in the SIS: it asks for a decision.
    query += "and follows is null and code not like 'guard.%'"
    return int(connection.scalar(sa.text(query), {"run_id": run_id}) or 0)


def page_of_findings(
    connection: Connection,
    run_id: str,
    *,
    severity: str | None = None,
    code: str | None = None,
    file: str | None = None,
    column: str | None = None,
    cause: int | None = None,
    q: str | None = None,
    after: int = 0,
    limit: int,
) -> tuple[list[dict[str, Any]], int | None]:
    """Return a page of a run's findings, in order, and the cursor of the next page."""
    bound = {
        "run_id": run_id,
        "severity": severity,
        "code": code,
        "file": file,
        "column": column,
        "cause": cause,
        "q": q.lower() if q else None,
        "after": after,
        "limit": limit + 1,
    }
    rows = list(connection.execute(sa.text(_FINDINGS), bound).mappings())
    following = rows[limit - 1]["seq"] if len(rows) > limit else None
    return [explained(dict(row)) for row in rows[:limit]], following


def all_findings(connection: Connection, run_id: str) -> Iterator[dict[str, Any]]:
    """Yield all findings of a run: first the stored ones, in order, then those only in its folder.

    The stored findings are streamed, with a thousand in memory at a time.
    """
    yield from _stream_findings(connection, run_id, "order by f.seq")


def findings_to_fix(connection: Connection, run_id: str) -> Iterator[dict[str, Any]]:
    """Yield the findings to fix in the export, in the order in which to fix them.

    Findings of guards are left out: a person decides about them, and they can't be fixed in the
    SIS.
    """
    order = "and f.code not like 'guard.%' order by f.cause, f.seq"
    yield from _stream_findings(connection, run_id, order, of_guards_too=False)


def _stream_findings(
    connection: Connection, run_id: str, order: str, *, of_guards_too: bool = True
) -> Iterator[dict[str, Any]]:
    streaming = connection.execution_options(stream_results=True, max_row_buffer=1000)
    query = sa.text(f"{_ALL_FINDINGS} {order}")
    for row in streaming.execute(query, {"run_id": run_id}).mappings():
        yield explained(dict(row))
    for beyond in _beyond_stored(connection, run_id):
        if of_guards_too or not beyond["code"].startswith("guard."):
            yield explained(beyond)


_BEYOND = f"""
select r.site, r.run_id::text as run_id
from runs r
where r.run_id = {OF_RUN}
  and (select sum(findings) from causes c where c.run_id = r.run_id)
    > (select count(*) from findings f where f.run_id = r.run_id)
"""  # noqa: S608  names of our own


def _beyond_stored(connection: Connection, run_id: str) -> Iterator[dict[str, Any]]:
    """Yield the findings that are only in the run's folder, because their causes have too many."""
    found = connection.execute(sa.text(_BEYOND), {"run_id": run_id}).one_or_none()
    if found is None:
        return
    query = "select seq from findings where run_id = cast(:run_id as uuid)"
    stored = connection.scalars(sa.text(query), {"run_id": found.run_id}).all()
    follows = {cause["number"]: cause["follows"] for cause in causes(connection, run_id)}
    findings = Findings()
    for table in RunFolder.of(found.site, found.run_id).read_tables("findings").values():
        findings.add_table(table)
    rows = findings.table()
    rows = rows.append_column("cause", causes_of(rows).numbers)
    missing = np.ones(rows.num_rows, bool)
    # `seq` counts all findings of the run from 1, the stored ones and the others.
    missing[np.array(stored, np.int64) - 1] = False
    for batch in rows.filter(pa.array(missing)).to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            yield {**row, "follows": follows[row["cause"]]}
