"""Pages of the changes of a frozen plan, in the same form as the audit of an applied run."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from oneroster_sync.roster.history import fields_moved
from oneroster_sync.stages.diff.partial import is_of_school

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from oneroster_sync.stages.diff.plan import Plan

_SEARCHED = {
    "user": ("given_name", "family_name", "email", "sourced_id"),
    "course": ("title", "course_code", "sourced_id"),
}
_FILES = {"user": "users.csv", "course": "courses.csv", "assignment": "enrollments.csv"}
_NAMES = {
    "user": "select sourced_id, given_name, family_name, email, role from users"
    " where site = :site and sourced_id = any(:ids)",
    "course": "select sourced_id, title, org_sourced_id from courses"
    " where site = :site and sourced_id = any(:ids)",
}
_COURSES = "select sourced_id from courses where site = :site and org_sourced_id = :school"


def page_of_plan(
    connection: Connection,
    plan: Plan,
    *,
    undoes: bool = False,
    mapping: str | None = None,
    kind: str | None = None,
    action: str | None = None,
    q: str | None = None,
    school: str | None = None,
    after: int = 0,
    limit: int,
) -> tuple[list[dict[str, Any]], int | None]:
    """Return a page of a plan's changes, and the cursor of the next page.

    Args:
        connection: Connection to the roster database, for the names in course assignments.
        plan: The frozen plan.
        undoes: Whether the plan is an undo, whose changes come from no file.
        mapping: Kind of the mapping file that the plan comes from; None for a package.
        kind: user, course or assignment, or None for all.
        action: add, update, …, or None for all.
        q: Text to find in names, e-mail addresses, titles, codes or sourcedIds.
        school: sourcedId of a school of the user, the course, or the assignment's course.
        after: Cursor of the page.
        limit: Maximum number of changes.
    """
    files: dict[str, str | None] = {**_FILES}
    if undoes or mapping:
        files = dict.fromkeys(_FILES, None if undoes else f"{mapping}.csv")
    page: list[dict[str, Any]] = []
    passed = 0
    for of_kind, table in _tables(plan):
        if kind not in {None, of_kind}:
            continue
        chosen = table.filter(pc.equal(table["action"], action)) if action else table
        chosen = _holding(of_kind, chosen, q) if q else chosen
        chosen = _of_school(connection, plan, of_kind, chosen, school) if school else chosen
        # The cursor counts the chosen changes of all kinds, one kind after the other.
        part = chosen.slice(max(after - passed, 0), limit + 1 - len(page))
        page.extend(_as_change(of_kind, row, files[of_kind]) for row in part.to_pylist())
        passed += chosen.num_rows
    following = after + limit if len(page) > limit else None
    _name_pairs(connection, plan, page[:limit])
    return page[:limit], following


def _tables(plan: Plan) -> tuple[tuple[str, pa.Table], ...]:
    return ("user", plan.users), ("course", plan.courses), ("assignment", plan.assignments)


def _holding(kind: str, table: pa.Table, q: str) -> pa.Table:
    """Return the rows that contain the text, ignoring case, like the search in the audit."""
    sides: list[tuple[str, ...]]
    if kind == "assignment":
        sides = [("user_sourced_id", "course_sourced_id")]
    else:
        sides = [tuple(f"{s}_{name}" for name in _SEARCHED[kind]) for s in ("before", "after")]
    found = []
    for columns in sides:
        texts = [pc.fill_null(table[column], "") for column in columns]
        text = pc.binary_join_element_wise(*texts, " ")
        found.append(pc.match_substring(text, q, ignore_case=True))
    return table.filter(functools.reduce(pc.or_, found))


def _of_school(
    connection: Connection, plan: Plan, kind: str, table: pa.Table, school: str
) -> pa.Table:
    """Return the changes of one school, by the same rule as the counts by school."""
    named = pa.array([school])
    if kind == "user":
        cells = pc.coalesce(table["before_org_sourced_ids"], table["after_org_sourced_ids"])
        return table.filter(is_of_school(cells, named))
    if kind == "course":
        orgs = pc.coalesce(table["before_org_sourced_id"], table["after_org_sourced_id"])
        return table.filter(pc.is_in(orgs, named))
    bound = {"site": plan.site, "school": school}
    stored = pa.array(connection.scalars(sa.text(_COURSES), bound).all(), pa.string())
    coming = plan.courses.filter(pc.equal(plan.courses["after_org_sourced_id"], school))
    ids = pa.concat_arrays([stored, coming["sourced_id"].combine_chunks()])
    return table.filter(pc.is_in(table["course_sourced_id"], ids))


def _as_change(kind: str, row: dict[str, Any], file: str | None) -> dict[str, Any]:
    before = {n.removeprefix("before_"): v for n, v in row.items() if n.startswith("before_")}
    after = {n.removeprefix("after_"): v for n, v in row.items() if n.startswith("after_")}
    best = {name: after.get(name) or before.get(name) for name in {**before, **after}}
    return {
        "kind": kind,
        "action": row["action"],
        "sourced_id": row.get("sourced_id"),
        "label": _label(kind, best) or row.get("sourced_id"),
        "fields": fields_moved(before, after),
        "reason": row["reason"],
        "file": file,
        "row": row["row"],
        **_contact(kind, {**best, **_school_of(kind, before, after)}),
        "pair": (row.get("user_sourced_id"), row.get("course_sourced_id")),
    }


def _school_of(
    kind: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, str | None]:
    """Return the schools of a record before the plan, as in the counts by school."""
    name = "org_sourced_ids" if kind == "user" else "org_sourced_id"
    return {name: before.get(name) or after.get(name)}


def _contact(kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return whom to ask about a change: the schools, and a user's role and address."""
    schools = record.get("org_sourced_ids" if kind == "user" else "org_sourced_id") or ""
    return {
        "schools": [school for school in schools.split(",") if school],
        "role": record.get("role") if kind == "user" else None,
        "email": record.get("email") if kind == "user" else None,
    }


def _label(kind: str, record: dict[str, Any]) -> str | None:
    """Return the name of a user or the title of a course."""
    if kind == "user":
        name = " ".join(filter(None, (record["given_name"], record["family_name"])))
        return name or record["email"]
    return record.get("title")


def _name_pairs(connection: Connection, plan: Plan, page: list[dict[str, Any]]) -> None:
    """Replace sourcedIds in course assignments by the names of user and course."""
    pairs = [change.pop("pair") for change in page]
    users = _records(connection, plan, "user", [user for user, _ in pairs if user])
    courses = _records(connection, plan, "course", [course for _, course in pairs if course])
    for change, (user, course) in zip(page, pairs, strict=True):
        if change["kind"] == "assignment":
            person, taught = users.get(user, {}), courses.get(course, {})
            names = (person and _label("user", person)) or user, taught.get("title") or course
            change["label"] = " → ".join(map(str, names))
            change |= {
                "schools": _contact("course", taught)["schools"],
                "role": person.get("role"),
                "email": person.get("email"),
            }


def _records(
    connection: Connection, plan: Plan, kind: str, ids: list[str]
) -> dict[str, dict[str, Any]]:
    """Return sourcedId → record, from the roster or the plan."""
    if not ids:
        return {}
    found = connection.execute(sa.text(_NAMES[kind]), {"site": plan.site, "ids": ids}).mappings()
    records = {row["sourced_id"]: dict(row) for row in found}
    table = plan.users if kind == "user" else plan.courses
    planned = table.filter(pc.is_in(table["sourced_id"], pa.array(ids, pa.string())))
    for row in planned.to_pylist():
        after = {n.removeprefix("after_"): v for n, v in row.items() if n.startswith("after_")}
        if _label(kind, after):
            records[row["sourced_id"]] = after
    return records
