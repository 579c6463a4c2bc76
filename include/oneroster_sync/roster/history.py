"""History of a record: its changes, run by run, and the reason if the sync may not change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.findings.codes import explained
from oneroster_sync.roster.columns import LABELS
from oneroster_sync.roster.last_change import GONE, find_last_change, format_last_change
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
_RECORDS = {
    "user": """
select 'user' as kind, id, sourced_id,
       coalesce(nullif(concat_ws(' ', given_name, family_name), ''), email) as label,
       email, role, status, managed, created_at, org_sourced_ids as schools
from users where site = :site and id = :id
""",
    "course": """
select 'course' as kind, id, sourced_id, title as label, null as email, null as role,
       status, managed, created_at, org_sourced_id as schools
from courses where site = :site and id = :id
""",
}
_CHANGES = """
select c.made_at, c.run_id, c.kind, c.action, c.reason, c.file, c.row, c.requested_by,
       c.before, c.after, a.email as credited_to,
       u.sourced_id as user_sourced_id, k.sourced_id as course_sourced_id,
       nullif(concat_ws(' ', u.given_name, u.family_name), '') as person, k.title as course_title,
       r.uploaded_as, r.package, r.decision, r.decided_by, r.decision_reason
from changes c
left join runs r on r.run_id = c.run_id
join users a on a.id = c.credited_admin_id
left join users u on u.id = c.user_id
left join courses k on k.id = c.course_id
where c.site = :site and case when :kind = 'user' then c.user_id = :id else c.course_id = :id end
order by c.id
"""
_CURRENT = {
    "user": """
select 'course' as kind, k.id, k.sourced_id, k.title as label, count(*) over () as total
from course_assignments a join courses k on k.id = a.course_id
where a.user_id = :id and a.site = :site and a.status = 'active'
order by k.title, k.id limit :limit
""",
    "course": """
select 'user' as kind, u.id, u.sourced_id,
       coalesce(nullif(concat_ws(' ', u.given_name, u.family_name), ''), u.email) as label,
       count(*) over () as total
from course_assignments a join users u on u.id = a.user_id
where a.course_id = :id and a.site = :site and a.status = 'active'
order by label, u.id limit :limit
""",
}
_SCHOOLS = "select sourced_id, name from orgs where site = :site and name is not null"
CURRENT = 200
"""Maximum number of listed courses of a person, or people of a course; all are counted."""
_FINDINGS = """
select f.code, f.severity, f.file, f.row, f."column", f.expected, r.run_id, r.started_at
from findings f join runs r on coalesce(r.findings_of, r.run_id) = f.run_id
where r.site = :site and f.sourced_id = :term and f.severity = 'error'
order by r.started_at desc, f.seq limit 20
"""


def explain(connection: Connection, site: str, term: str) -> list[dict[str, Any]]:
    """Return every record with an e-mail address or a sourcedId, and its history.

    Args:
        connection: To the roster database.
        site: The site.
        term: An e-mail address or a sourcedId.

    Returns:
        For each record its columns, its changes (oldest first), recent findings about its rows,
        and the reason if the sync may not change the record.
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


def read_record(
    connection: Connection, site: str, kind: str, record_id: int
) -> dict[str, Any] | None:
    """Return one record and its history: changes (newest first), findings and protection.

    Args:
        connection: To the roster database.
        site: The site.
        kind: user or course.
        record_id: `id` of the record in the roster.

    Returns:
        The record, or None if the site has no record with that id.
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
    rows = [dict(r) for r in connection.execute(sa.text(_CHANGES), key).mappings()]
    changes = [_as_row(change, kind) for change in reversed(rows)]
    last = find_last_change(kind, changes)
    current = connection.execute(sa.text(_CURRENT[kind]), {**key, "limit": CURRENT}).mappings()
    listed = [dict(one) for one in current]
    named = connection.execute(sa.text(_SCHOOLS), {"site": site})
    names = {row.sourced_id: row.name for row in named}
    _name_schools(changes, names)
    schools = [one for one in (record.pop("schools") or "").split(",") if one]
    is_gone = record["status"] != "active" and last is not None and last["action"] in GONE
    return {
        **record,
        "sentence": format_last_change(kind, last),
        "undoes": last["run_id"] if last is not None and is_gone else None,
        "schools": [names.get(school, school) for school in schools],
        "current": listed,
        "current_total": listed[0]["total"] if listed else 0,
        "protected": _protected(connection, site, record),
        "changes": changes,
        "findings": _findings_about(connection, site, record["sourced_id"]),
    }


def _as_row(row: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a change for the page of the record; `other` names the other side of an assignment."""
    other = None
    if row["kind"] == "assignment":
        other = row["course_title"] if kind == "user" else row["person"]
        other = other or row["course_sourced_id" if kind == "user" else "user_sourced_id"]
    return {
        **{name: row[name] for name in _REPORTED},
        "run_id": str(row["run_id"]),
        "fields": fields_moved(row["before"], row["after"]),
        "other": other,
    }


_REPORTED = (
    *("made_at", "kind", "action", "reason", "file", "row", "requested_by", "credited_to"),
    *("uploaded_as", "package", "decision", "decided_by", "decision_reason"),
)


_OF_SCHOOLS = {"org_sourced_ids", "org_sourced_id"}


def _name_schools(changes: list[dict[str, Any]], names: dict[str, str]) -> None:
    """Replace the sourcedIds of schools in the changes by their names, if the names are known."""
    for field in (field for change in changes for field in change["fields"]):
        if field["field"] in _OF_SCHOOLS:
            for side in ("before", "after"):
                ids = (field[side] or "").split(",")
                field[side] = ", ".join(names.get(one, one) for one in ids) or None


def _findings_about(connection: Connection, site: str, sourced_id: str) -> list[dict[str, Any]]:
    found = connection.execute(sa.text(_FINDINGS), {"site": site, "term": sourced_id}).mappings()
    return [{**explained(dict(f)), "run_id": str(f["run_id"])} for f in found]


_NOT_EXPLAINED = (
    *("person", "course_title", "uploaded_as", "package"),
    *("decision", "decided_by", "decision_reason"),
)
"""Keys that `explain` leaves out: its output may go to a log, and these may name people."""


def _change(row: dict[str, Any]) -> dict[str, Any]:
    for name in _NOT_EXPLAINED:
        del row[name]
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


# The login is the normalized address, so it would repeat the line of the e-mail address.
_NOT_SHOWN = {"login"}


def fields_moved(
    before: dict[str, Any] | None, after: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Return the fields that differ between a record before and after a change."""
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
