"""What the platform keeps of a user and of a course: one declaration for a column.

Plan, audit, apply, erasure, the API and the pages follow from it. To keep one more column: name it
here, let the sync read it (a `use` in `standard.files`), and add it to the table by a migration.
What its values may be stands in the suites.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a user or of a course.

    Attributes:
        name: Of the table's column, of the plan's, and in the audit.
        source: The column of the file that it comes from, by its canonical name.
        label: What people call it.
        personal: Whether it says who somebody is; erasure takes it away.
        derived: Whether diff makes it from more than its own column: by the version, from roles.csv
            as well, or in another spelling.
        compared: Whether another value is a change. One that is not compared is brought along by
            the next change of something else.
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
"""Column → what people call it."""

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
"""What is kept of the files that are no entity of the platform: column of the table → of the file.

An enrollment's course is no column of the file: it is the course that its class led to when the
enrollment was last without errors; it is unplaced when it is kept for a broken row that may be its
own under another sourcedId. A class's last day is that of the last of its terms.
"""


def record_schema(fields: tuple[str, ...]) -> pa.Schema:
    """Return the schema of stored users or courses."""
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
    """Return the schema of a plan's changes to users or courses."""
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
"""When the SIS last modified records, by file; moments as `standard.timestamps` writes them."""
PUT, FORGOTTEN = "modified", "modified.gone"
"""Names among a plan's links: moments to keep, schema `MODIFIED`, and records to forget."""

STAY_GONE = "lost_role.gone"
"""Name among a plan's links: sourcedIds of users who don't come back by a role alone any more."""

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
