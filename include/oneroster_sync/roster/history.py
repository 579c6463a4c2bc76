"""Why is a record as it is? Its changes, run by run, and whether it is protected now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.findings.codes import explained
from oneroster_sync.roster.columns import LABELS
from oneroster_sync.standard.logins import normalize_login

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
_SEARCH = """
(select 'user' as kind, id, sourced_id,
        coalesce(nullif(concat_ws(' ', given_name, family_name), ''), email) as label,
        email, status, managed, (sourced_id = :term or login = :login) as exact
 from users
 where site = :site and (sourced_id = :term or login = :login
    or concat_ws(' ', given_name, family_name) ilike :part or email ilike :part)
 order by exact desc, label limit :limit)
union all
(select 'course', id, sourced_id, title, null, status, managed, sourced_id = :term
 from courses
 where site = :site and (sourced_id = :term or title ilike :part or course_code ilike :part)
 order by 8 desc, title limit :limit)
order by exact desc, label limit :limit
"""
_RECORDS = {
    "user": """
select 'user' as kind, id, sourced_id,
       coalesce(nullif(concat_ws(' ', given_name, family_name), ''), email) as label,
       email, role, status, managed, created_at
from users where site = :site and id = :id
""",
    "course": """
select 'course' as kind, id, sourced_id, title as label, null as email, null as role,
       status, managed, created_at
from courses where site = :site and id = :id
""",
}
_CHANGES = """
select c.made_at, c.run_id, c.kind, c.action, c.reason, c.file, c.row, c.requested_by,
       c.before, c.after, a.email as credited_to,
       u.sourced_id as user_sourced_id, k.sourced_id as course_sourced_id,
       nullif(concat_ws(' ', u.given_name, u.family_name), '') as person, k.title as course_title
from changes c
join users a on a.id = c.credited_admin_id
left join users u on u.id = c.user_id
left join courses k on k.id = c.course_id
where c.site = :site and case when :kind = 'user' then c.user_id = :id else c.course_id = :id end
order by c.id
"""
_FINDINGS = """
select f.code, f.severity, f.file, f.row, f."column", f.expected, r.run_id, r.started_at
from findings f join runs r on coalesce(r.findings_of, r.run_id) = f.run_id
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
    bound = {"site": site, "term": term, "login": normalize_login(term)}
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


def search(connection: Connection, site: str, term: str, limit: int) -> list[dict[str, Any]]:
    """Return the users and courses that a text names: exactly, or somewhere in their names.

    Args:
        connection: To the roster database.
        site: The site.
        term: Part of a name, an e-mail address, a title or a course code, or a sourcedId.
        limit: How many at most.
    """
    bound = {
        "site": site,
        "term": term,
        "login": normalize_login(term),
        "part": f"%{_escaped(term)}%",
        "limit": limit,
    }
    found = connection.execute(sa.text(_SEARCH), bound).mappings()
    return [{name: value for name, value in row.items() if name != "exact"} for row in found]


def tell(connection: Connection, site: str, kind: str, record_id: int) -> dict[str, Any] | None:
    """Return one record and its story: changes newest first, findings, and why it is protected.

    Args:
        connection: To the roster database.
        site: The site.
        kind: user or course.
        record_id: Its id in the roster.

    Returns:
        The record, or None when the site has none of that id.
    """
    row = (
        connection.execute(sa.text(_RECORDS[kind]), {"site": site, "id": record_id})
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    record = dict(row)
    key = {"site": site, "kind": kind, "id": record_id}
    changes = [dict(r) for r in connection.execute(sa.text(_CHANGES), key).mappings()]
    return {
        **record,
        "protected": _protected(connection, site, record),
        "changes": [_told(change, kind) for change in reversed(changes)],
        "findings": _findings_about(connection, site, record["sourced_id"]),
    }


def _told(row: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a change as seen from the record: the other end of an assignment is named."""
    other = None
    if row["kind"] == "assignment":
        other = row["course_title"] if kind == "user" else row["person"]
        other = other or row["course_sourced_id" if kind == "user" else "user_sourced_id"]
    columns = ("made_at", "kind", "action", "reason", "file", "row", "requested_by", "credited_to")
    return {
        **{name: row[name] for name in columns},
        "run_id": str(row["run_id"]),
        "fields": fields_moved(row["before"], row["after"]),
        "other": other,
    }


def _findings_about(connection: Connection, site: str, sourced_id: str) -> list[dict[str, Any]]:
    found = connection.execute(sa.text(_FINDINGS), {"site": site, "term": sourced_id}).mappings()
    return [{**explained(dict(f)), "run_id": str(f["run_id"])} for f in found]


def _escaped(term: str) -> str:
    for sign in "\\%_":
        term = term.replace(sign, f"\\{sign}")
    return term


def _change(row: dict[str, Any]) -> dict[str, Any]:
    del row["person"], row["course_title"]  # a log may hold what `explain` prints
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


_NOT_SHOWN = {"login"}


def fields_moved(
    before: dict[str, Any] | None, after: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Return the fields that two images of a record differ in."""
    was, now = before or {}, after or {}
    return [
        {
            "field": name,
            "label": LABELS.get(name, name.replace("_", " ")),
            "before": _shown(was.get(name)),
            "after": _shown(now.get(name)),
        }
        for name in {**was, **now}
        if name not in _NOT_SHOWN and was.get(name) != now.get(name)
    ]


def _shown(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None else str(value)
