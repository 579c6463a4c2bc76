"""The frozen plan of a held run, as large as the largest audit; its pages are read from files."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pyarrow as pa

from oneroster_sync.roster.columns import (
    ASSIGNMENT_CHANGES,
    COURSE_FIELDS,
    LINK_FIELDS,
    USER_FIELDS,
    change_schema,
)
from oneroster_sync.stages.diff.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence


def plan_of(site: str, *, users: int, courses: int, assignments: int, enrollments: int) -> Plan:
    """Return a plan that adds these numbers of records to an empty roster."""
    user_ids, course_ids = _ids("user", users), _ids("course", courses)
    pairs = range(assignments)
    table = {
        "action": ["add"] * assignments,
        "user_sourced_id": [user_ids[n % users] for n in pairs],
        "course_sourced_id": [course_ids[n % courses] for n in pairs],
        "before_status": [None] * assignments,
        "after_status": ["active"] * assignments,
        "reason": ["enrolled in a class of the course"] * assignments,
        "row": list(pairs),
    }
    return Plan(
        site,
        0,
        _added(user_ids, USER_FIELDS, "person"),
        _added(course_ids, COURSE_FIELDS, "Course"),
        pa.table(table, ASSIGNMENT_CHANGES),
        {"enrollments": _enrollments(enrollments, user_ids, course_ids)},
    )


def _ids(kind: str, count: int) -> list[str]:
    return sorted(str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}{n}")) for n in range(count))


def _added(ids: Sequence[str], fields: Sequence[str], word: str) -> pa.Table:
    schema = change_schema(tuple(fields))
    many = len(ids)
    columns: dict[str, list[object]] = {name: [None] * many for name in schema.names}
    columns |= {f"after_{name}": [f"{word} {name} {n}" for n in range(many)] for name in fields}
    columns |= {
        "action": ["add"] * many,
        "sourced_id": list(ids),
        "after_sourced_id": list(ids),
        "after_status": ["active"] * many,
        "after_managed": [True] * many,
        "reason": ["in the package"] * many,
        "row": list(range(2, many + 2)),
    }
    return pa.table(columns, schema)


def _enrollments(count: int, user_ids: Sequence[str], course_ids: Sequence[str]) -> pa.Table:
    columns = {
        "sourced_id": _ids("enrollment", count),
        "class_sourced_id": _ids("class", count),
        "user_sourced_id": [user_ids[n % len(user_ids)] for n in range(count)],
        "role": ["teacher"] * count,
        "course_sourced_id": [course_ids[n % len(course_ids)] for n in range(count)],
        "unplaced": pa.nulls(count, pa.string()),
    }
    assert list(columns) == list(LINK_FIELDS["enrollments"])
    return pa.table(columns)
