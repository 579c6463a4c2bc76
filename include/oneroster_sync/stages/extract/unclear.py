"""Unclear rows: rows that may not be a staff member's, because they or the role can't be read.

Such a row may have a pupil's name in place of the sourcedId. So findings and pending deltas keep a
hash of the sourcedId unless the site has it. A folded delta finds its records by the hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync import database
from oneroster_sync.findings.finding import hash_ids, hide_unknown
from oneroster_sync.roster.model import NO_IDS
from oneroster_sync.roster.reader import read_known
from oneroster_sync.stages.extract.repairs import role_is
from oneroster_sync.standard import STAFF_ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from oneroster_sync.roster.model import Known
    from oneroster_sync.runs import Run

_OF_PEOPLE = ("users", "roles", "enrollments")
_MARK = "sha256:"


def is_unclear(name: str, table: pa.Table) -> pa.ChunkedArray:
    """Return which rows of a file are unclear.

    Args:
        name: The file, without `.csv`.
        table: Its rows, as the door keeps them.
    """
    unclear = pc.or_(pc.is_valid(table["flaw"]), table["withheld"])
    if name in {"roles", "enrollments"}:
        is_staff = pc.fill_null(role_is(table["role"], STAFF_ROLES), False)
        unclear = pc.or_(unclear, pc.invert(is_staff))
    return unclear


def find_unclear(*packages: Mapping[str, pa.Table]) -> dict[str, pa.Array]:
    """Return file → numbers of its unclear rows.

    Args:
        packages: For each package file → rows, as `Staff.keep_…` returns them.
    """
    rows: dict[str, pa.Array] = {}
    for name, table in ((name, table) for tables in packages for name, table in tables.items()):
        if "flaw" not in table.column_names:
            continue
        found = table["row"].filter(is_unclear(name, table)).combine_chunks()
        rows[f"{name}.csv"] = pa.concat_arrays([rows.get(f"{name}.csv", found[:0]), found])
    return rows


def hide_ids(name: str, table: pa.Table, known: Known) -> pa.Table:
    """Replace sourcedIds in unclear rows by hashes, unless the site has the sourcedId.

    Args:
        name: The file, without `.csv`.
        table: Its rows, as the door keeps them.
        known: sourcedIds that the site has.
    """
    if name not in _OF_PEOPLE:
        return table
    unclear = is_unclear(name, table)
    own = {"users": known.users, "roles": known.role_ids, "enrollments": known.enrollments}
    for column, ids in (("sourcedId", own[name]), ("userSourcedId", known.users)):
        if column in table.column_names:
            hidden = pc.and_not(unclear, pc.is_in(table[column], ids))
            values = pc.if_else(hidden, hash_ids(table[column], hidden), table[column])
            table = table.set_column(table.column_names.index(column), column, values)
    return table


def restore_ids(tables: Mapping[int, pa.Table], known: Iterable[pa.Array]) -> dict[int, pa.Table]:
    """Replace hashes in rows of pending deltas by sourcedIds, as far as these are known.

    The record of an unclear row may have come since, in another row or package.

    Args:
        tables: Key of a delta → its rows.
        known: Known sourcedIds; those of the tables themselves are added.
    """
    places = [
        (key, column)
        for key, table in tables.items()
        for column in ("sourcedId", "userSourcedId")
        if column in table.column_names and pc.any(pc.starts_with(table[column], _MARK)).as_py()
    ]
    found = dict(tables)
    if not places:
        return found
    own = (
        table[column].drop_null().combine_chunks()
        for table in tables.values()
        for column in ("sourcedId", "userSourcedId")
        if column in table.column_names
    )
    ids = pc.unique(pa.concat_arrays([NO_IDS, *known, *own]))
    ids = ids.filter(pc.invert(pc.starts_with(ids, _MARK)))
    hashes = hash_ids(ids)
    for key, column in places:
        table = found[key]
        meant = ids.take(pc.index_in(table[column].combine_chunks(), hashes))
        values = pc.coalesce(meant, table[column])
        found[key] = table.set_column(table.column_names.index(column), column, values)
    return found


def hide_unknown_ids(run: Run, found: pa.Table, unclear: Mapping[str, pa.Array]) -> pa.Table:
    """Replace sourcedIds in findings about unclear rows by hashes, unless the site has them.

    Args:
        run: The run whose site is looked up.
        found: Findings of a stage.
        unclear: File → numbers of its unclear rows.
    """
    if not found.num_rows or not any(len(rows) for rows in unclear.values()):
        return found
    with database.engine().connect() as connection:
        known = read_known(connection, run.site)
    ids = {"users": known.users, "roles": known.role_ids, "enrollments": known.enrollments}
    return hide_unknown(found, unclear, {f"{file}.csv": values for file, values in ids.items()})
