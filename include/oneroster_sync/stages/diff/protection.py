"""Protected records: a broken row leaves its record as it is, for as long as the row comes.

A row that is never mended would protect its record for good. So the run in which the protection
began is remembered, an old one is listed, and an administrator may release it: the next plan then
takes the record for absent. Nothing is released by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.records import ABSENT, positions, put
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.stages.diff.assignments import NOT_TAUGHT
from oneroster_sync.stages.extract.pending_deltas import read_extracted
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.runs import Run
    from oneroster_sync.stages.diff.plan import Plan

PROTECTED = pa.schema(
    [
        ("kind", pa.string()),
        ("sourced_id", pa.string()),
        ("course_sourced_id", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
    ]
)
"""Records that a broken row protects; `course_sourced_id` is blank but for assignments."""
FILES = {"user": "users", "course": "courses", "assignment": "enrollments"}
"""Kind of record → the file whose broken rows protect it."""
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Split:
    """Rows with errors of which some protect nothing any more, because somebody released them."""

    protects: dict[str, pa.Table]
    released: dict[str, pa.Table]

    def with_released(self, bad: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """Return rows with errors with the released ones: they count as errors all the same."""
        return {
            name: pa.concat_tables([table, self.released[name]], promote_options="permissive")
            if name in self.released
            else table
            for name, table in bad.items()
        }


def split_released(bad: Mapping[str, pa.Table], modes: Mapping[str, Mode], roster: Roster) -> Split:
    """Part the rows with errors whose records were released from those that still protect theirs.

    Args:
        bad: File → rows with errors.
        modes: File → how it counts; only absence from a bulk file takes a record away.
        roster: What the site holds, and what of it was released.
    """
    protects, released = dict(bad), {}
    for kind, name in FILES.items():
        theirs = roster.released.filter(pc.equal(roster.released["kind"], kind))
        if not theirs.num_rows or name not in bad or modes.get(name) is not Mode.BULK:
            continue
        named = _rows_by_record(kind, bad[name], roster)
        rows = named.filter(pc.is_in(_keys(named), _keys(theirs).combine_chunks()))["row"]
        is_free = pc.is_in(bad[name]["row"], rows.combine_chunks())
        released[name] = bad[name].filter(is_free)
        protects[name] = bad[name].filter(pc.invert(is_free))
    return Split(protects, released)


def with_reasons(plan: Plan, roster: Roster) -> Plan:
    """Return a plan that says of released records why they are taken for absent."""
    if not roster.released.num_rows:
        return plan
    changed = {}
    for kind, (name, columns, reason) in _PLANNED.items():
        table = getattr(plan, name)
        theirs = roster.released.filter(pc.equal(roster.released["kind"], kind))
        keys = pa.table(
            {
                "sourced_id": table[columns[0]],
                "course_sourced_id": table[columns[1]]
                if columns[1]
                else pa.repeat("", table.num_rows),
            }
        )
        why = theirs["reason"].take(positions(_keys(keys), _keys(theirs)))
        is_absence = pc.equal(table["reason"], reason)
        reasons = pc.if_else(is_absence, pc.coalesce(why, table["reason"]), table["reason"])
        changed[name] = put(table, "reason", reasons)
    return replace(plan, **changed)


_PLANNED = {
    "user": ("users", ("before_sourced_id", ""), ABSENT),
    "course": ("courses", ("before_sourced_id", ""), ABSENT),
    "assignment": ("assignments", ("user_sourced_id", "course_sourced_id"), NOT_TAUGHT),
}


def protected_records(
    valid: Mapping[str, pa.Table],
    bad: Mapping[str, pa.Table],
    modes: Mapping[str, Mode],
    roster: Roster,
    plan: Plan,
) -> pa.Table:
    """Return the active records that only a broken row of a bulk file keeps from being absent.

    Args:
        valid: File → rows that are used.
        bad: File → rows with errors once the plan is made.
        modes: File → how it counts.
        roster: What the site holds.
        plan: What is made of it; what it takes away is not protected.
    """
    parts = []
    for kind, name in FILES.items():
        if name not in bad or modes.get(name) is not Mode.BULK:
            continue
        rows = _rows_by_record(kind, bad[name], roster)
        kept = pc.is_in(_keys(rows), _active(kind, roster, plan).combine_chunks())
        sound = _rows_by_record(kind, valid[name], roster, plan)
        alone = pc.invert(pc.is_in(_keys(rows), _keys(sound).combine_chunks()))
        parts.append(rows.filter(pc.and_(kept, alone)))
    if not parts:
        return PROTECTED.empty_table()
    table = pa.concat_tables(parts).sort_by([("kind", "ascending"), ("row", "ascending")])
    keys = ["kind", "sourced_id", "course_sourced_id", "file"]
    return (
        table.group_by(keys, use_threads=False)
        .aggregate([("row", "min")])
        .rename_columns([*keys, "row"])
    )


def count_waiting(name: str, valid: pa.Table, bad: pa.Table, roster: Roster) -> int:
    """Return how many records no row names, so that only rows without an identity protect them."""
    kinds = {file: kind for kind, file in FILES.items()}
    if name not in kinds:
        return 0
    kind = kinds[name]
    named = [_keys(_rows_by_record(kind, rows, roster)).combine_chunks() for rows in (valid, bad)]
    active = _active(kind, roster, None)
    return int(pc.sum(pc.invert(pc.is_in(active, pa.concat_arrays(named)))).as_py() or 0)


def _rows_by_record(
    kind: str, rows: pa.Table, roster: Roster, plan: Plan | None = None
) -> pa.Table:
    """Return which record each row of a file is of; a row may be of none, and of more than one."""
    if kind == "assignment":
        return _rows_by_pair(rows, roster, plan)
    named = [(rows["sourcedId"], rows["row"])]
    if kind == "user":
        # A broken row under a new sourcedId stands for whoever has its login.
        stored = roster.users
        strange = rows.filter(pc.invert(pc.is_in(rows["sourcedId"], _ids(stored["sourced_id"]))))
        whose = stored["sourced_id"].take(positions(strange["login"], stored["login"]))
        named.append((whose, strange["row"]))
    parts = [_table(kind, ids, pa.repeat("", len(ids)), numbers) for ids, numbers in named]
    return pa.concat_tables(parts)


def _rows_by_pair(rows: pa.Table, roster: Roster, plan: Plan | None) -> pa.Table:
    """Return the assignments of enrollments: by what was remembered, and by user and class."""
    remembered, classes = roster.links["enrollments"], roster.links["classes"]
    at = positions(rows["sourcedId"], remembered["sourced_id"])
    by_id = _table(
        "assignment",
        remembered["user_sourced_id"].take(at),
        remembered["course_sourced_id"].take(at),
        rows["row"],
    )
    course = classes["course_sourced_id"].take(
        positions(rows["classSourcedId"], classes["sourced_id"])
    )
    if plan is not None and "classes" in plan.links:
        moved = plan.links["classes"]
        now = moved["course_sourced_id"].take(
            positions(rows["classSourcedId"], moved["sourced_id"])
        )
        course = pc.coalesce(now, course)
    by_pair = _table("assignment", rows["userSourcedId"], course, rows["row"])
    return pa.concat_tables([by_id, by_pair])


def _table(
    kind: str,
    ids: pa.ChunkedArray,
    courses: pa.ChunkedArray | pa.Array,
    rows: pa.ChunkedArray,
) -> pa.Table:
    count = len(ids)
    table = pa.table(
        {
            "kind": pa.repeat(kind, count),
            "sourced_id": ids,
            "course_sourced_id": courses,
            "file": pa.repeat(FILES[kind], count),
            "row": rows,
        },
        schema=PROTECTED,
    )
    return table.filter(
        pc.and_(pc.is_valid(table["sourced_id"]), pc.is_valid(table["course_sourced_id"]))
    )


def _active(kind: str, roster: Roster, plan: Plan | None) -> pa.ChunkedArray:
    """Return the keys of the active records that a sync could take away, and the plan does not."""
    stored = {"user": roster.users, "course": roster.courses, "assignment": roster.assignments}[
        kind
    ]
    ours = pc.and_(stored["managed"], pc.equal(stored["status"], "active"))
    if kind == "user":
        ours = pc.and_(ours, pc.not_equal(stored["id"], roster.credited_admin))
    stored = stored.filter(ours)
    ids = stored["user_sourced_id"] if kind == "assignment" else stored["sourced_id"]
    courses = (
        stored["course_sourced_id"] if kind == "assignment" else pa.repeat("", stored.num_rows)
    )
    keys = _keys(pa.table({"sourced_id": ids, "course_sourced_id": courses}))
    if plan is not None:
        name, columns, _ = _PLANNED[kind]
        table = getattr(plan, name)
        gone = table.filter(pc.is_in(table["action"], pa.array(["deactivate", "remove"])))
        blank = pa.repeat("", gone.num_rows)
        going = pa.table(
            {
                "sourced_id": gone[columns[0]],
                "course_sourced_id": gone[columns[1]] if columns[1] else blank,
            }
        )
        keys = keys.filter(pc.invert(pc.is_in(keys, _keys(going).combine_chunks())))
    return keys.drop_null()


def _keys(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(
        table["sourced_id"], table["course_sourced_id"], _SEPARATOR, null_handling="emit_null"
    )


def _ids(column: pa.ChunkedArray) -> pa.Array:
    return column.drop_null().combine_chunks()


def read_protected(run: Run) -> tuple[pa.Table, list[str]] | None:
    """Return the records that broken rows protect, and the files that the run had in bulk.

    None for a run that read no package, or that reuses what an earlier run found.
    """
    if not run.of_package or run.same_as is not None:
        return None
    tables = RunFolder.of(run.site, run.run_id).read_tables("protected")
    if not tables:
        return None
    bulk = [name for name, mode in read_extracted(run).modes.items() if mode is Mode.BULK]
    return tables["records"], sorted(bulk)
