"""Undo of the links of a run: its classes, enrollments, roles and last modified times.

Rows that have changed again since stay as they are. Last modified times are deleted, not reverted:
the next delta is then read whatever its times are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.columns import LINK_FIELDS, PUT, link_schema
from oneroster_sync.roster.records import in_order
from oneroster_sync.stages.diff.last_modified import forgotten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.stages.diff.undo import Part

_FILES = {
    "user": ("roles", "enrollments"),
    "course": ("classes", "enrollments"),
    "assignment": ("enrollments", "classes"),
    None: tuple(LINK_FIELDS),
}
"""Kind of record → the link files behind it."""
_NAMES = ("user_sourced_id", "course_sourced_id")


def undo_links(
    remembered: Mapping[str, pa.Table],
    roster: Roster,
    part: Part,
    undone: Mapping[str, set[str | None]],
) -> dict[str, pa.Table]:
    """Return the changes that revert the links of a run.

    Args:
        remembered: The links that the run changed, and their earlier rows, as for `undo_plan`.
        roster: The site's current roster.
        part: Which part of the run.
        undone: Kind of record → sourcedIds of the undone records.
    """
    dependent: dict[str, set[str | None]] | None = None
    if part.kind in {"user", "course"} and part.sourced_id is None:
        dependent = {"user_sourced_id": set(), "course_sourced_id": set()}
        dependent[f"{part.kind}_sourced_id"] = undone[part.kind]
    moved = _links(remembered, roster, part, dependent)
    put = remembered.get(f"links.{PUT}")
    moved |= forgotten(_moments_of_part(put, part, moved if dependent else None), roster)
    return moved


def _links(
    remembered: Mapping[str, pa.Table],
    roster: Roster,
    part: Part,
    dependent: Mapping[str, set[str | None]] | None,
) -> dict[str, pa.Table]:
    """Return the changes that revert classes, enrollments and roles that are unchanged since."""
    moved: dict[str, pa.Table] = {}
    for name in _FILES[part.kind]:
        was = remembered.get(f"before.{name}")
        if was is None:
            continue
        made = remembered[f"links.{name}"]
        gone = remembered[f"links.{name}.gone"]["sourced_id"].combine_chunks()
        ends = dependent if name == "enrollments" else None
        # A row that moved between courses belongs to both: treated as new, it would be lost.
        picked = [_of_part(t, part) if ends is None else _of_ends(t, ends) for t in (made, was)]
        ids = pa.concat_arrays([table["sourced_id"].combine_chunks() for table in picked])
        made, was = (table.filter(pc.is_in(table["sourced_id"], ids)) for table in (made, was))
        schema = link_schema(name)
        made, was = _of_schema(made, schema), _of_schema(was, schema)
        now = {row["sourced_id"]: row for row in roster.links[name].to_pylist()}
        unmoved = {
            row["sourced_id"] for row in made.to_pylist() if now.get(row["sourced_id"]) == row
        }
        unmoved |= {id_ for id_ in gone.to_pylist() if id_ not in now}
        back = [row for row in was.to_pylist() if row["sourced_id"] in unmoved]
        there = {row["sourced_id"] for row in back}
        new = [id_ for id_ in made["sourced_id"].to_pylist() if id_ in unmoved and id_ not in there]
        moved[name] = in_order(pa.Table.from_pylist(back, schema=schema), "sourced_id")
        moved[f"{name}.gone"] = pa.table({"sourced_id": pa.array(sorted(new), pa.string())})
    return moved


def _of_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with all columns, some of which runs of earlier versions lack."""
    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(schema.names)


def _moments_of_part(
    put: pa.Table | None, part: Part, moved: Mapping[str, pa.Table] | None
) -> pa.Table | None:
    """Return the last modified times of the undone part: they are deleted, not reverted.

    Args:
        put: The times that the run stored.
        part: The part that is undone.
        moved: The enrollments that depend on the undone records, if any.
    """
    if put is None:
        return None
    files = set(_FILES[part.kind]) | {"user": {"users"}, "course": {"courses"}}.get(
        part.kind or "", {"users", "courses"} if part.kind is None else set()
    )
    put = put.filter(pc.is_in(put["file"], pa.array(sorted(files))))
    if moved is not None:
        ids = [moved[n]["sourced_id"] for n in ("enrollments", "enrollments.gone") if n in moved]
        dependent = pa.array([i for column in ids for i in column.to_pylist()], pa.string())
        others = pc.not_equal(put["file"], "enrollments")
        put = put.filter(pc.or_(others, pc.is_in(put["sourced_id"], dependent)))
    if part.sourced_id is None:
        return put
    return put.filter(pc.equal(put["sourced_id"], part.sourced_id))


def _of_part(rows: pa.Table, part: Part) -> pa.Table:
    """Return the rows with the part's sourcedId, or all rows if the part has none."""
    if part.sourced_id is None:
        return rows
    return _of_ends(rows, {name: {part.sourced_id} for name in _NAMES})


def _of_ends(rows: pa.Table, ends: Mapping[str, Iterable[str | None]]) -> pa.Table:
    """Return the rows that refer to one of the users or courses."""
    named = pa.repeat(False, rows.num_rows)
    for name, ids in ends.items():
        if name in rows.column_names:
            known = pa.array([id_ for id_ in ids if id_ is not None], pa.string())
            named = pc.or_(named, pc.is_in(rows[name], known))
    return rows.filter(named)
