"""Why is a record as it is? Its changes, run by run, and whether it is protected now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_USERS = """
select id, sourced_id, email, role, status, managed, 'user' as kind from users
where site = :site and (sourced_id = :term or login = :login) order by status, id
"""
_COURSES = """
select id, sourced_id, null as email, null as role, status, managed, 'course' as kind from courses
where site = :site and sourced_id = :term
"""
_CHANGES = """
select c.made_at, c.run_id, c.kind, c.action, c.reason, c.file, c.row, c.requested_by,
       c.before, c.after, a.email as credited_to,
       u.sourced_id as user_sourced_id, k.sourced_id as course_sourced_id
from changes c
join users a on a.id = c.credited_admin_id
left join users u on u.id = c.user_id
left join courses k on k.id = c.course_id
where c.site = :site and case when :kind = 'user' then c.user_id = :id else c.course_id = :id end
order by c.id
"""
_FINDINGS = """
select f.code, f.file, f.row, f."column", f.expected, f.run_id, r.started_at
from findings f join runs r on r.run_id = f.run_id
where r.site = :site and f.sourced_id = :term and f.severity = 'error'
order by r.started_at desc, f.seq limit 20
"""


def explain(connection: Connection, site: str, term: str) -> list[dict[str, Any]]:
    """Return every record that an e-mail address or a sourcedId names, with its story.

    Args:
        connection: To the roster database.
        site: The site.
        term: An e-mail address or a sourcedId.

    Returns:
        For each record: what it is, its changes in order, recent findings about its rows, and why
        the sync may not change it, if so.
    """
    bound = {"site": site, "term": term, "login": term.casefold()}
    records = []
    for query in (_USERS, _COURSES):
        for row in connection.execute(sa.text(query), bound).mappings():
            record = dict(row)
            key = {"site": site, "kind": record["kind"], "id": record["id"]}
            record["changes"] = [
                _change(dict(r)) for r in connection.execute(sa.text(_CHANGES), key).mappings()
            ]
            found = connection.execute(
                sa.text(_FINDINGS), {"site": site, "term": record["sourced_id"]}
            ).mappings()
            record["findings"] = [
                {**f, "run_id": str(f["run_id"]), "started_at": f["started_at"].isoformat()}
                for f in found
            ]
            record["protected"] = _protected(connection, site, record)
            records.append(record)
    return records


def _change(row: dict[str, Any]) -> dict[str, Any]:
    before, after = row.pop("before") or {}, row.pop("after") or {}
    moved = {k: [before.get(k), v] for k, v in after.items() if before.get(k) != v}
    return {
        **row,
        "made_at": row["made_at"].isoformat(),
        "run_id": str(row["run_id"]),
        "fields": moved,
    }


def _protected(connection: Connection, site: str, record: dict[str, Any]) -> str | None:
    admin = connection.scalar(
        sa.text("select credited_admin_id from preferences where site = :site"), {"site": site}
    )
    if record["kind"] == "user" and record["id"] == admin:
        return "it is the credited administrator"
    if not record["managed"]:
        return "it was made by hand and is not managed by the sync"
    return None
