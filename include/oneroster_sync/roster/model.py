"""The roster of one site as Arrow tables: diff compares a package with it to make the plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings.finding import is_named
from oneroster_sync.roster.columns import MODIFIED, STORED_ASSIGNMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

RELEASED = pa.schema(
    [
        ("kind", pa.string()),
        ("sourced_id", pa.string()),
        ("course_sourced_id", pa.string()),
        ("reason", pa.string()),
    ]
)
"""Released records and the reason of their removal; only assignments have a course."""


NO_IDS = pa.array([], pa.string())


@dataclass(frozen=True, slots=True)
class Known:
    """Records of the site from earlier syncs, needed to read rows that refer to them.

    Attributes:
        users: sourcedIds of users.
        role_ids: sourcedIds of role rows.
        role_users: sourcedId of the user of each of `role_ids`.
        role_types: Type of each of `role_ids`: primary or secondary.
        unread_roles: sourcedIds of pending role rows that can't be read, or their hashes.
        unread_users: sourcedId of the user of each of these, or its hash.
        unread_enrollments: sourcedIds of pending enrollments that can't be read, or their hashes.
        enrollments: sourcedIds of enrollments of staff.
        has_courses: Whether the site has any course: the classes of a package without courses.csv
            can refer only to these.
    """

    users: pa.Array = field(default_factory=lambda: NO_IDS)
    role_ids: pa.Array = field(default_factory=lambda: NO_IDS)
    role_users: pa.Array = field(default_factory=lambda: NO_IDS)
    role_types: pa.Array = field(default_factory=lambda: NO_IDS)
    unread_roles: pa.Array = field(default_factory=lambda: NO_IDS)
    unread_users: pa.Array = field(default_factory=lambda: NO_IDS)
    unread_enrollments: pa.Array = field(default_factory=lambda: NO_IDS)

    def is_ours(self, name: str, ids: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return a mask of the sourcedIds that the site has stored or pending.

        Args:
            name: users, roles or enrollments.
            ids: sourcedIds of rows of that file.
        """
        known, unread = {
            "users": (self.users, self.unread_users),
            "roles": (self.role_ids, self.unread_roles),
            "enrollments": (self.enrollments, self.unread_enrollments),
        }[name]
        found = pc.is_in(ids, known)
        return pc.or_(found, is_named(ids, unread)) if len(unread) else found

    enrollments: pa.Array = field(default_factory=lambda: NO_IDS)
    has_courses: bool = False


@dataclass(frozen=True, slots=True)
class Roster:
    """The site's records.

    Attributes:
        site: The site.
        version: Rises with each plan and erasure that changes the roster; a plan is valid only for
            the version it was made from.
        credited_admin: `id` of the user who is recorded as the author of changes.
        users: Schema `columns.record_schema(USER_FIELDS)`.
        courses: Schema `columns.record_schema(COURSE_FIELDS)`.
        assignments: Assignments whose user and course have sourcedIds, schema
            `columns.STORED_ASSIGNMENTS`.
        unnamed_assignments: Assignments whose user or course has no sourcedId, because an undo
            removed it.
        links: orgs, roles, classes and enrollments, schema `columns.link_schema`.
        released: Records that a row with errors protects and that an administrator released.
        lost_role: sourcedIds of the users who were deactivated because they lost their last role,
            and whose record has not changed since.
        absent: sourcedIds of inactive users who were deactivated for another reason than
            `enabledUser=false`, among those whose rows have no `enabledUser`.
        modified: Last-modified times of records from deltas, schema `columns.MODIFIED`.
    """

    site: str
    version: int
    credited_admin: int
    users: pa.Table
    courses: pa.Table
    assignments: pa.Table
    links: Mapping[str, pa.Table]
    unnamed_assignments: pa.Table = field(default_factory=STORED_ASSIGNMENTS.empty_table)
    modified: pa.Table = field(default_factory=MODIFIED.empty_table)
    released: pa.Table = field(default_factory=RELEASED.empty_table)
    lost_role: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    absent: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))

    def known(self) -> dict[str, pa.Array]:
        """Return the sourcedIds of the site by file, to resolve references and deltas."""
        tables = {"users": self.users, "courses": self.courses, **self.links}
        return {name: _ids(table) for name, table in tables.items()}

    def managed_active(self, kind: str) -> int:
        """Return the number of active managed records of a kind."""
        table = {"users": self.users, "courses": self.courses, "assignments": self.assignments}[
            kind
        ]
        held = pc.and_(table["managed"], pc.equal(table["status"], "active"))
        return int(pc.sum(held).as_py() or 0)


def _ids(table: pa.Table) -> pa.Array:
    return table["sourced_id"].drop_null().combine_chunks()
