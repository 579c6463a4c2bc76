"""Columns of users and courses in the roster, each declared once.

Plan, audit, apply, erasure, the API and the pages use these declarations. To add a column, declare
it here, add a `use` in `standard.files` so that the sync reads it, and write a migration for the
table. The expectation suites contain the rules for its values.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a user or of a course.

    Attributes:
        name: Name of the column in the table, in the plan and in the audit.
        source: Canonical name of the column in the file.
        label: Name that people read.
        personal: Whether the value identifies a person; erasure deletes it.
        derived: Whether diff computes the value from more than its own column: depending on the
            version of the standard, from roles.csv too, or with a normalized spelling.
        compared: Whether a different value is a change. The value of a column that is not compared
            is written with the next change of another column.
    """

    name: str
    source: str
    label: str
    personal: bool = False
    derived: bool = False
    compared: bool = True


USERS = (
    Field("given_name", "givenName", "given name", personal=True),
    Field("family_name", "familyName", "family name", personal=True),
    Field("email", "email", "e-mail address", personal=True),
    Field("login", "login", "login", personal=True),
    Field("username", "username", "username", personal=True),
    Field("role", "role", "role", derived=True),
    Field("org_sourced_ids", "orgSourcedIds", "schools", personal=True, derived=True),
)
COURSES = (
    Field("title", "title", "title"),
    Field("course_code", "courseCode", "code"),
    Field("grades", "grades", "grades"),
    Field("subjects", "subjects", "subjects"),
    Field("org_sourced_id", "orgSourcedId", "school"),
    Field("school_year_sourced_id", "schoolYearSourcedId", "school year"),
)
USER_FIELDS = tuple(field.name for field in USERS)
COURSE_FIELDS = tuple(field.name for field in COURSES)
COMPARED_OF_USERS = tuple(field.name for field in USERS if field.compared)
COMPARED_OF_COURSES = tuple(field.name for field in COURSES if field.compared)
LABELS = {field.name: field.label for field in (*USERS, *COURSES)}
"""Column → name that people read."""

LINK_FIELDS = {
    "orgs": {
        "sourced_id": "sourcedId",
        "name": "name",
        "type": "type",
        "parent_sourced_id": "parentSourcedId",
    },
    "roles": {
        "sourced_id": "sourcedId",
        "user_sourced_id": "userSourcedId",
        "role_type": "roleType",
        "role": "role",
        "org_sourced_id": "orgSourcedId",
    },
    "classes": {
        "sourced_id": "sourcedId",
        "course_sourced_id": "courseSourcedId",
        "ends_on": "",
    },
    "enrollments": {
        "sourced_id": "sourcedId",
        "class_sourced_id": "classSourcedId",
        "user_sourced_id": "userSourcedId",
        "role": "role",
        "course_sourced_id": "",
        "unplaced": "",
    },
}
"""Stored columns of files that are no entity of the platform: column of the table → of the file.

A blank name marks a column that is not in the file. The course of an enrollment is the course of
its class when the enrollment last had no errors. An enrollment is `unplaced` if it is kept because
a row with errors may be the same enrollment under another sourcedId. The last day of a class is the
last day of its last term.
"""


def record_schema(fields: tuple[str, ...]) -> pa.Schema:
    """Return the schema of stored users or courses with these fields."""
    return pa.schema(
        [
            ("id", pa.int64()),
            ("sourced_id", pa.string()),
            *((name, pa.string()) for name in fields),
            ("status", pa.string()),
            ("managed", pa.bool_()),
        ]
    )


def change_schema(fields: tuple[str, ...]) -> pa.Schema:
    """Return the schema of a plan's changes to users or courses with these fields."""
    sides = [
        (f"{side}_{name}", kind)
        for side in ("before", "after")
        for name, kind in [
            ("sourced_id", pa.string()),
            *((field, pa.string()) for field in fields),
            ("status", pa.string()),
            ("managed", pa.bool_()),
        ]
    ]
    return pa.schema(
        [
            ("action", pa.string()),
            ("id", pa.int64()),
            ("sourced_id", pa.string()),
            *sides,
            ("reason", pa.string()),
            ("row", pa.int64()),
        ]
    )


MODIFIED = pa.schema(
    [("file", pa.string()), ("sourced_id", pa.string()), ("modified_at", pa.string())]
)
"""Last-modified times of records, by file, as `standard.timestamps` formats them."""
PUT, FORGOTTEN = "modified", "modified.gone"
"""Tables among a plan's links: last-modified times to store (schema `MODIFIED`) and to delete."""

KEPT_INACTIVE = "lost_role.gone"
"""Table among a plan's links: sourcedIds of users whom a new role alone no longer reactivates."""

STORED_ASSIGNMENTS = pa.schema(
    [
        ("user_id", pa.int64()),
        ("course_id", pa.int64()),
        ("user_sourced_id", pa.string()),
        ("course_sourced_id", pa.string()),
        ("status", pa.string()),
        ("managed", pa.bool_()),
    ]
)

ASSIGNMENT_CHANGES = pa.schema(
    [
        ("action", pa.string()),
        ("user_sourced_id", pa.string()),
        ("course_sourced_id", pa.string()),
        ("before_status", pa.string()),
        ("after_status", pa.string()),
        ("reason", pa.string()),
        ("row", pa.int64()),
    ]
)


def link_schema(name: str) -> pa.Schema:
    """Return the schema of a stored link table."""
    return pa.schema([(column, pa.string()) for column in LINK_FIELDS[name]])


TERMS_ENDED = "the terms of its classes have ended"
