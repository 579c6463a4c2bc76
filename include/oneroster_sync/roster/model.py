"""What the roster database holds of one site, as tables: the base that a plan is made against."""

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
"""Released records and why their removal is planned; no course but for assignments."""


NO_IDS = pa.array([], pa.string())


@dataclass(frozen=True, slots=True)
class Known:
    """What the site has from earlier syncs, for rows that can't be read by themselves.

    Attributes:
        users: sourcedIds.
        role_ids: sourcedIds of role rows.
        role_users: Whose role each of `role_ids` is.
        role_types: Whether each of `role_ids` is primary or secondary.
        unread_roles: sourcedIds of role rows that are pending and can't be read, or their hashes.
        unread_users: Whose role each of these is, or a hash of it.
        unread_enrollments: sourcedIds of pending enrollments that can't be read, or their hashes.
        enrollments: sourcedIds of enrollments of staff.
        has_courses: Whether it has any course: classes of a package without courses.csv can only
            point to those.
    """

    users: pa.Array = field(default_factory=lambda: NO_IDS)
    role_ids: pa.Array = field(default_factory=lambda: NO_IDS)
    role_users: pa.Array = field(default_factory=lambda: NO_IDS)
    role_types: pa.Array = field(default_factory=lambda: NO_IDS)
    unread_roles: pa.Array = field(default_factory=lambda: NO_IDS)
    unread_users: pa.Array = field(default_factory=lambda: NO_IDS)
    unread_enrollments: pa.Array = field(default_factory=lambda: NO_IDS)

    def is_ours(self, name: str, ids: pa.ChunkedArray) -> pa.ChunkedArray:
        """Tell which sourcedIds of a file the site has, or has pending.

        Args:
            name: users, roles or enrollments.
            ids: sourcedIds.
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
        version: Counts the applied plans; a plan holds for the version it was made against.
        credited_admin: `id` of the user who is recorded as author.
        users: Schema `columns.record_schema(USER_FIELDS)`.
        courses: Schema `columns.record_schema(COURSE_FIELDS)`.
        assignments: Those whose user and course have sourcedIds, schema
            `columns.STORED_ASSIGNMENTS`.
        unnamed_assignments: Those whose user or course has none: accounts whose link was undone.
        links: orgs, roles, classes and enrollments, schema `columns.link_schema`.
        released: Records that a broken row protects and that an administrator released.
        lost_role: sourcedIds of the users whom losing the last role has deactivated, and nothing
            else since.
        absent: sourcedIds of inactive users whom no `enabledUser=false` had disabled, of those
            whose rows say nothing of it (`with_absent`).
        modified: When the SIS last modified what came in deltas, schema `columns.MODIFIED`.
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
        """Return the sourcedIds that the site has, by file, for references and for deltas."""
        tables = {"users": self.users, "courses": self.courses, **self.links}
        return {name: _ids(table) for name, table in tables.items()}

    def managed_active(self, kind: str) -> int:
        """Return how many records of a kind the sync manages and are active."""
        table = {"users": self.users, "courses": self.courses, "assignments": self.assignments}[
            kind
        ]
        held = pc.and_(table["managed"], pc.equal(table["status"], "active"))
        return int(pc.sum(held).as_py() or 0)


def _ids(table: pa.Table) -> pa.Array:
    return table["sourced_id"].drop_null().combine_chunks()
