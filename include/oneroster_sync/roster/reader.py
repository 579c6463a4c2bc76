"""Read the roster of a site from the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from oneroster_sync.database.copy import copy_out
from oneroster_sync.roster.columns import (
    COURSE_FIELDS,
    LINK_FIELDS,
    MODIFIED,
    STORED_ASSIGNMENTS,
    USER_FIELDS,
    link_schema,
    record_schema,
)
from oneroster_sync.roster.model import RELEASED, Known, Roster

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_ASSIGNMENTS = """
select a.user_id, a.course_id, u.sourced_id, c.sourced_id, a.status, a.managed
from course_assignments a
join users u on u.id = a.user_id
join courses c on c.id = a.course_id
where a.site = {site}
"""
_KNOWN_USERS = "select sourced_id from users where site = {site} and sourced_id is not null"
_KNOWN_ROLES = "select sourced_id, user_sourced_id, role_type from roles where site = {site}"
_KNOWN_ENROLLMENTS = "select sourced_id from enrollments where site = {site}"
_HAS_COURSES = "select exists (select from courses where site = :site and sourced_id is not null)"
# One format and UTC, so that the texts sort as the times do.
_MODIFIED = """
select file, sourced_id, to_char(modified_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
from modified where site = {site}
"""
# If `updated_at` is later, an edit by hand, an erasure or another run has changed the user since:
# then the lost role is no longer why the user is inactive.
_LOST_ROLE = """
select sourced_id from users
where site = {site} and managed and status = 'inactive' and sourced_id is not null
  and lost_role_at = updated_at
"""
_RELEASED = """
select kind, sourced_id, course_sourced_id,
       'protected by a broken row since '
       || to_char(since at time zone 'UTC', 'YYYY-MM-DD') || ', released by ' || released_by
from protections where site = {site} and released_at is not null
"""

_ACTIVE = """
select (select count(*) from users
        where site = :site and status = 'active' and (managed or :all)) as users,
    (select count(*) from courses
        where site = :site and status = 'active' and (managed or :all)) as courses,
    (select count(*) from course_assignments
        where site = :site and status = 'active' and (managed or :all)) as assignments
"""


def read_roster(connection: Connection, site: str, credited_admin: int) -> Roster:
    """Return the site's records, read in one snapshot of the database.

    Args:
        connection: A connection without an open transaction.
        site: The site.
        credited_admin: `id` of the credited administrator.
    """
    with connection.begin():
        connection.execute(sa.text("set transaction isolation level repeatable read read only"))
        return Roster(
            site=site,
            version=roster_version(connection, site),
            credited_admin=credited_admin,
            **_copy_records(connection, site),
            links={
                name: copy_out(connection, _links(name), site, link_schema(name))
                for name in LINK_FIELDS
            },
            modified=copy_out(connection, _MODIFIED, site, MODIFIED),
            released=copy_out(connection, _RELEASED, site, RELEASED),
            lost_role=copy_out(
                connection, _LOST_ROLE, site, pa.schema([("sourced_id", pa.string())])
            )["sourced_id"].combine_chunks(),
        )


def read_records(connection: Connection, site: str) -> tuple[int, dict[str, pa.Table]]:
    """Return the roster's version and its users, courses and course assignments in one snapshot.

    Args:
        connection: A connection without an open transaction.
        site: The site.
    """
    with connection.begin():
        connection.execute(sa.text("set transaction isolation level repeatable read read only"))
        version, records = roster_version(connection, site), _copy_records(connection, site)
    unnamed = records.pop("unnamed_assignments")
    records["assignments"] = pa.concat_tables([records["assignments"], unnamed])
    return version, records


def read_known(connection: Connection, site: str) -> Known:
    """Return the sourcedIds of the site's users, roles and enrollments, for the stage extract.

    Args:
        connection: A connection without an open transaction.
        site: The site.
    """
    with connection.begin():
        users, roles, enrollments = (
            copy_out(connection, query, site, pa.schema([(name, pa.string()) for name in names]))
            for query, names in (
                (_KNOWN_USERS, ["sourced_id"]),
                (_KNOWN_ROLES, ["sourced_id", "user_sourced_id", "role_type"]),
                (_KNOWN_ENROLLMENTS, ["sourced_id"]),
            )
        )
        has_courses = bool(connection.scalar(sa.text(_HAS_COURSES), {"site": site}))
    return Known(
        users=users["sourced_id"].combine_chunks(),
        role_ids=roles["sourced_id"].combine_chunks(),
        role_users=roles["user_sourced_id"].combine_chunks(),
        role_types=roles["role_type"].combine_chunks(),
        enrollments=enrollments["sourced_id"].combine_chunks(),
        has_courses=has_courses,
    )


def count_active(connection: Connection, site: str) -> dict[str, int]:
    """Return the numbers of active users, courses and course assignments of a site."""
    return _count(connection, site, all=True)


def count_managed(connection: Connection, site: str) -> dict[str, int]:
    """Return the numbers of active managed records; thresholds are percentages of these."""
    return _count(connection, site, all=False)


def _count(connection: Connection, site: str, **bound: bool) -> dict[str, int]:
    row = connection.execute(sa.text(_ACTIVE), {"site": site, **bound}).mappings().one()
    return {kind: int(number) for kind, number in row.items()}


def roster_version(connection: Connection, site: str) -> int:
    """Return the version of the site's roster: each plan or erasure that changes it adds 1."""
    query = sa.text("select roster_version from sites where site = :site")
    return int(connection.scalar(query, {"site": site}) or 0)


def _copy_records(connection: Connection, site: str) -> dict[str, pa.Table]:
    users, courses = record_schema(USER_FIELDS), record_schema(COURSE_FIELDS)
    assignments = copy_out(connection, _ASSIGNMENTS, site, STORED_ASSIGNMENTS)
    named = pc.and_(
        pc.is_valid(assignments["user_sourced_id"]), pc.is_valid(assignments["course_sourced_id"])
    )
    return {
        "users": copy_out(connection, _records("users", USER_FIELDS), site, users),
        "courses": copy_out(connection, _records("courses", COURSE_FIELDS), site, courses),
        "assignments": assignments.filter(named),
        "unnamed_assignments": assignments.filter(pc.invert(named)),
    }


def _records(table: str, fields: tuple[str, ...]) -> str:
    columns = ", ".join(("id", "sourced_id", *fields, "status", "managed"))
    return f"select {columns} from {table} where site = {{site}}"  # noqa: S608  names of our own


def _links(table: str) -> str:
    return f"select {', '.join(LINK_FIELDS[table])} from {table} where site = {{site}}"  # noqa: S608
