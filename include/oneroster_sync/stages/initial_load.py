"""Initial load: copy a plan's new rows straight into the roster's tables and the audit (COPY).

In a site's first sync every row is new. So PostgreSQL does not need to write each row into a
temporary table, read it again and join it to find its id: the ids are reserved, and the audit's
rows are made here. The resulting rows equal those of the statements of `apply`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from oneroster_sync.database.copy import copy_in, copy_out
from oneroster_sync.roster.columns import COURSE_FIELDS, LINK_FIELDS, USER_FIELDS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from oneroster_sync.stages.diff.plan import Plan

_RECORDS = {"users": ("user", USER_FIELDS), "courses": ("course", COURSE_FIELDS)}
_ID = pa.schema([("id", pa.int64())])
# JSON must escape these, and Arrow has no function that does.
_CONTROL = r"[\x00-\x1f]"


def load(connection: Connection, plan: Plan, bound: dict[str, Any]) -> frozenset[str]:
    """Copy the new rows of a plan into the roster, with their audit.

    Args:
        connection: A connection in a transaction that holds the site's lock.
        plan: The plan.
        bound: Parameters that `apply` binds to its statements.

    Returns:
        The names of the plan's tables that were loaded.
    """
    loaded: set[str] = set()
    if _only_adds(plan):
        _load_records(connection, plan, bound)
        loaded |= {"users", "courses", "assignments"}
    for name in LINK_FIELDS:
        if name in plan.links and _is_first(connection, plan, name):
            rows = plan.links[name]
            copy_in(connection, name, _with_constants(rows, site=plan.site))
            loaded |= {f"links.{name}", f"links.{name}.gone"}
    return frozenset(loaded)


def _only_adds(plan: Plan) -> bool:
    """Return whether all changes add records, and assignments between the added records."""
    changes = (plan.users, plan.courses, plan.assignments)
    # pc.all of no rows is null.
    if not all(pc.all(pc.equal(table["action"], "add")).as_py() is not False for table in changes):
        return False
    known = {n: getattr(plan, n)["after_sourced_id"].combine_chunks() for n in _RECORDS}
    return all(
        ids.null_count == 0
        and pc.all(pc.is_in(plan.assignments[f"{_RECORDS[name][0]}_sourced_id"], ids)).as_py()
        is not False
        for name, ids in known.items()
    )


def _is_first(connection: Connection, plan: Plan, name: str) -> bool:
    """Return whether the site has no rows in this link table yet, and the plan deletes none."""
    gone = plan.links.get(f"{name}.gone")
    if gone is not None and gone.num_rows:
        return False
    query = f"select not exists (select from {name} where site = :site)"  # noqa: S608
    return bool(connection.scalar(sa.text(query), {"site": plan.site}))


def _load_records(connection: Connection, plan: Plan, bound: dict[str, Any]) -> None:
    when = bound["now"].isoformat()
    stamps = {"site": plan.site, "created_at": when, "updated_at": when}
    ids = {}
    for name, (kind, fields) in _RECORDS.items():
        table = getattr(plan, name)
        ids[name] = _reserve_ids(connection, name, table.num_rows)
        columns = ("sourced_id", *fields, "status", "managed")
        rows = pa.table({"id": ids[name], **{c: table[f"after_{c}"] for c in columns}})
        copy_in(connection, name, _with_constants(rows, **stamps))
        audit = {f"{kind}_id": ids[name], "sourced_id": table["sourced_id"]}
        after = _as_json({c: table[f"after_{c}"] for c in columns})
        _copy_audit(
            connection, kind, table, audit | {"after": after}, bound["file"] or f"{name}.csv", bound
        )
    table = plan.assignments
    pairs = {
        f"{kind}_id": ids[name].take(
            pc.index_in(
                table[f"{kind}_sourced_id"], getattr(plan, name)["after_sourced_id"]
            ).combine_chunks()
        )
        for name, (kind, _) in _RECORDS.items()
    }
    rows = pa.table({**pairs, "status": table["after_status"]})
    copy_in(connection, "course_assignments", _with_constants(rows, **stamps))
    after = _as_json({"status": table["after_status"]})
    _copy_audit(connection, "assignment", table, pairs | {"after": after}, "enrollments.csv", bound)


def _reserve_ids(connection: Connection, table: str, count: int) -> pa.Array:
    """Return ids that no other transaction gets; they may have gaps."""
    query = (
        f"select nextval(pg_get_serial_sequence('{table}', 'id')) "  # noqa: S608
        f"from generate_series(1, {count})"
    )
    return copy_out(connection, query, "", _ID)["id"].combine_chunks()


def _copy_audit(
    connection: Connection,
    kind: str,
    changes: pa.Table,
    columns: dict[str, pa.Array],
    file: str,
    bound: dict[str, Any],
) -> None:
    rows = pa.table({**columns, **{name: changes[name] for name in ("action", "reason", "row")}})
    constants = {
        "run_id": bound["run_id"],
        "site": bound["site"],
        "kind": kind,
        "file": file if bound["read"] else None,
        "credited_admin_id": bound["admin"],
        "requested_by": bound["by"],
        "made_at": bound["now"].isoformat(),
        "version": bound["version"],
    }
    copy_in(connection, "changes", _with_constants(rows, **constants))


def _with_constants(table: pa.Table, **constants: Any) -> pa.Table:
    for name, value in constants.items():
        if value is not None:
            table = table.append_column(name, pa.repeat(value, table.num_rows))
    return table


def _as_json(columns: dict[str, pa.ChunkedArray]) -> pa.Array:
    """Return a JSON object for each row, as text."""
    parts: list[Any] = []
    for number, (name, column) in enumerate(columns.items()):
        parts += [f"{'{' if number == 0 else ', '}{json.dumps(name)}: ", _values_as_json(column)]
    # The last argument is the separator.
    return pc.binary_join_element_wise(*parts, "}", "")


def _values_as_json(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_boolean(column.type):
        text = pc.cast(column, pa.string())
    elif pc.any(pc.match_substring_regex(column, _CONTROL)).as_py():
        text = pa.chunked_array([[json.dumps(value) for value in column.to_pylist()]], pa.string())
    else:
        escaped = pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), '"', '\\"')
        text = pc.binary_join_element_wise('"', escaped, '"', "")
    return pc.fill_null(text, "null")
