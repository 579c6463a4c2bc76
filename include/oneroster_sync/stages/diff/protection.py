"""Protected records: a row with errors keeps its record unchanged while the row comes.

A row that is never fixed would protect its record for ever. So the run in which the protection
began is stored, old protections are listed, and an administrator may release one: the next plan
then treats the record as absent. No protection is released automatically.
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
"""Records that rows with errors protect; `course_sourced_id` is set for assignments only."""
FILES = {"user": "users", "course": "courses", "assignment": "enrollments"}
"""Kind of record → the file whose rows with errors protect it."""
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Split:
    """Rows with errors, split into those that protect their records and released ones."""

    protects: dict[str, pa.Table]
    released: dict[str, pa.Table]

    def with_released(self, bad: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """Return all rows with errors: released rows count as errors as well."""
        return {
            name: pa.concat_tables([table, self.released[name]], promote_options="permissive")
            if name in self.released
            else table
            for name, table in bad.items()
        }


def split_released(bad: Mapping[str, pa.Table], modes: Mapping[str, Mode], roster: Roster) -> Split:
    """Split rows with errors into those whose records were released and those that protect.

    Args:
        bad: File → rows with errors.
        modes: File → its mode; only absence from a bulk file removes a record.
        roster: The site's roster, with its released records.
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
    """Return the plan with the reason for the removal of released records."""
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
    """Return the active records that only a row with errors protects from being absent.

    Args:
        valid: File → valid rows.
        bad: File → rows with errors once the plan is made.
        modes: File → its mode.
        roster: The site's roster.
        plan: The plan; records that it removes are not protected.
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
        # With threads Arrow returns the groups in any order; the artifact must not vary.
        table.group_by(keys, use_threads=False)
        .aggregate([("row", "min")])
        .rename_columns([*keys, "row"])
    )


def count_waiting(name: str, valid: pa.Table, bad: pa.Table, roster: Roster) -> int:
    """Return the number of absent records that rows without an identity protect."""
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
    """Return the records of each row of a file; a row may have none or several records."""
    if kind == "assignment":
        return _rows_by_pair(rows, roster, plan)
    named = [(rows["sourcedId"], rows["row"])]
    if kind == "user":
        # A broken row with a new sourcedId may be the row of the user who has its login.
        stored = roster.users
        strange = rows.filter(pc.invert(pc.is_in(rows["sourcedId"], _ids(stored["sourced_id"]))))
        whose = stored["sourced_id"].take(positions(strange["login"], stored["login"]))
        named.append((whose, strange["row"]))
    parts = [_table(kind, ids, pa.repeat("", len(ids)), numbers) for ids, numbers in named]
    return pa.concat_tables(parts)


def _rows_by_pair(rows: pa.Table, roster: Roster, plan: Plan | None) -> pa.Table:
    """Return the assignments of enrollments, by the remembered links and by user and class."""
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
    """Return the keys of the active records that a sync could remove and the plan does not."""
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
    """Return the records that rows with errors protect, and the bulk files of the run.

    None for a run that reads no package or reuses the results of an earlier run.
    """
    if not run.of_package or run.same_as is not None:
        return None
    tables = RunFolder.of(run.site, run.run_id).read_tables("protected")
    if not tables:
        return None
    bulk = [name for name, mode in read_extracted(run).modes.items() if mode is Mode.BULK]
    return tables["records"], sorted(bulk)
