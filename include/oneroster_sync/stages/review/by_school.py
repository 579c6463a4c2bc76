"""Count the changes of a plan in each school, for the person who decides about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.columns import TERMS_ENDED
from oneroster_sync.roster.records import positions
from oneroster_sync.stages.diff.partial import schools_of_courses

if TYPE_CHECKING:
    from oneroster_sync.roster.model import Roster
    from oneroster_sync.stages.diff.plan import Plan

KINDS = ("users", "courses", "assignments")
_SORTS = {
    "add": "added",
    "adopt": "changed",
    "update": "changed",
    "rekey": "changed",
    "reactivate": "added",
    "deactivate": "gone",
    "remove": "gone",
}
_RECORDS = pa.schema([("school", pa.string()), ("sort", pa.string())])


def count_by_school(plan: Plan, roster: Roster) -> list[dict[str, Any]]:
    """Return the numbers of added, changed and removed records by school, most removals first.

    A user counts in each of their schools, an assignment in the school of its course. Removals of
    ended terms count as `ended`, not as `gone`.

    Returns:
        For each school with a change: `school` (sourcedId), `name`, and for users, courses and
        assignments the numbers `added`, `changed`, `gone`, `ended` and `active` before the plan.
    """
    names = _names(plan, roster)
    schools: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        changes = _changes(kind, plan, roster).group_by(["school", "sort"])
        for row in changes.aggregate([([], "count_all")]).to_pylist():
            school = row["school"]
            counted = schools.setdefault(school, _blank(school, names.get(school)))
            counted[kind][row["sort"]] = row["count_all"]
    for kind in KINDS:
        active = pc.value_counts(_active(kind, roster))
        for row in active.to_pylist():
            if row["values"] in schools:
                schools[row["values"]][kind]["active"] = row["counts"]
    return sorted(
        schools.values(),
        key=lambda one: (-sum(one[kind]["gone"] for kind in KINDS), one["name"], one["school"]),
    )


def _blank(school: str, name: str | None) -> dict[str, Any]:
    numbers = ("added", "changed", "gone", "ended", "active")
    return {
        "school": school,
        "name": name or school,
        **{kind: dict.fromkeys(numbers, 0) for kind in KINDS},
    }


def _changes(kind: str, plan: Plan, roster: Roster) -> pa.Table:
    """Return the school and the kind of change (column `sort`) of each change of a kind."""
    table = {"users": plan.users, "courses": plan.courses, "assignments": plan.assignments}[kind]
    sort = pc.take(
        pa.array(list(_SORTS.values())), pc.index_in(table["action"], pa.array(list(_SORTS)))
    )
    if kind == "users":
        # The school before the plan, because removals are compared with the records that it has
        # now.
        cells = pc.coalesce(table["before_org_sourced_ids"], table["after_org_sourced_ids"])
        return _spread(cells, sort)
    if kind == "courses":
        school = pc.coalesce(table["before_org_sourced_id"], table["after_org_sourced_id"])
    else:
        sort = pc.if_else(pc.equal(table["reason"], TERMS_ENDED), "ended", sort)
        school = schools_of_courses(table["course_sourced_id"], plan, roster)
    return _table(school, sort)


def _active(kind: str, roster: Roster) -> pa.Array:
    """Return the schools of all active managed records; a record counts once in each."""
    table = {"users": roster.users, "courses": roster.courses, "assignments": roster.assignments}[
        kind
    ]
    table = table.filter(pc.and_(table["managed"], pc.equal(table["status"], "active")))
    if kind == "users":
        nothing = pa.nulls(table.num_rows, pa.string())
        return _spread(table["org_sourced_ids"], nothing)["school"].combine_chunks()
    if kind == "courses":
        return table["org_sourced_id"].drop_null().combine_chunks()
    courses = roster.courses
    school = courses["org_sourced_id"].take(
        positions(table["course_sourced_id"], courses["sourced_id"])
    )
    return school.drop_null().combine_chunks()


def _spread(cells: pa.ChunkedArray, sort: pa.ChunkedArray | pa.Array) -> pa.Table:
    """Return a row for each of the comma-separated schools of a record."""
    lists = pc.split_pattern(cells, ",").combine_chunks()
    sorts = sort.combine_chunks() if isinstance(sort, pa.ChunkedArray) else sort
    return _table(pc.list_flatten(lists), sorts.take(pc.list_parent_indices(lists)))


def _table(school: pa.ChunkedArray | pa.Array, sort: pa.ChunkedArray | pa.Array) -> pa.Table:
    table = pa.table({"school": school, "sort": sort}, schema=_RECORDS)
    return table.filter(pc.is_valid(table["school"])).combine_chunks()


def _names(plan: Plan, roster: Roster) -> dict[str, str | None]:
    """Return sourcedId → newest name of each org."""
    names: dict[str, str | None] = {}
    for table in (roster.links["orgs"], plan.links.get("orgs")):
        if table is not None:
            names |= dict(
                zip(table["sourced_id"].to_pylist(), table["name"].to_pylist(), strict=True)
            )
    return names
