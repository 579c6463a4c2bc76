"""Last modified times of records, as far as deltas contain them.

A delta may arrive late, after a newer one. So the dateLastModified of records in deltas is stored,
removed records included, and an older row is not used. A bulk file contains the current state
without dates, so the times of its file are deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.columns import FORGOTTEN, MODIFIED, PUT
from oneroster_sync.roster.records import in_order, positions
from oneroster_sync.standard.modes import Mode
from oneroster_sync.standard.timestamps import in_utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneroster_sync.roster.model import Roster


def moments_of(
    good: Mapping[str, pa.Table],
    modes: Mapping[str, Mode],
    roster: Roster,
    present: Mapping[str, pa.Array],
) -> dict[str, pa.Table]:
    """Return the times to store and the times to delete; nothing if none changes.

    Only records that the site has or had are stored, because students must not be stored.

    Args:
        good: File → rows that are used.
        modes: File → absent, bulk or delta.
        roster: The site's roster.
        present: File → sourcedIds that the site has after the plan is applied.
    """
    stored = roster.modified
    known = roster.known()
    kept = [MODIFIED.empty_table()]
    for file in present.keys() & good.keys():
        if modes[file] is Mode.DELTA:
            ours = pa.concat_arrays([known[file], present[file]])
            kept.append(_newer(file, good[file], stored_of(stored, file), ours))
    whole = pa.array([file for file in present if modes[file] is Mode.BULK], pa.string())
    gone = stored.filter(pc.is_in(stored["file"], whole)).select(["file", "sourced_id"])
    put = pa.concat_tables(kept)
    if not put.num_rows and not gone.num_rows:
        return {}
    return {name: in_order(table, "file", "sourced_id") for name, table in _pair(put, gone).items()}


def forgotten(put: pa.Table | None, roster: Roster) -> dict[str, pa.Table]:
    """Return the deletion of times that an earlier run stored and that are unchanged since.

    Args:
        put: The run's times, or the part that is undone; None if it stored none.
        roster: The site's current roster.
    """
    if put is None or not put.num_rows:
        return {}
    keys = _keyed(roster.modified, "modified_at")
    gone = put.filter(pc.is_in(_keyed(put, "modified_at"), keys)).select(["file", "sourced_id"])
    return _pair(MODIFIED.empty_table(), gone)


def stored_of(stored: pa.Table, file: str) -> pa.Table:
    """Return the stored times of one file."""
    return stored.filter(pc.equal(stored["file"], file))


def _newer(file: str, rows: pa.Table, stored: pa.Table, ours: pa.Array) -> pa.Table:
    ids = rows["sourcedId"].combine_chunks()
    moments = in_utc(rows["dateLastModified"])
    before = stored["modified_at"].take(positions(ids, stored["sourced_id"])).combine_chunks()
    # The comparison is null for a record without a stored time: its first time counts.
    is_newer = pc.fill_null(pc.greater(moments, before), pc.is_valid(moments))
    is_ours = pc.or_(pc.is_in(ids, ours), pc.is_valid(before))
    made = pa.table(
        {"file": pa.repeat(file, len(ids)), "sourced_id": ids, "modified_at": moments},
        schema=MODIFIED,
    )
    return made.filter(pc.and_(is_newer, is_ours))


def _pair(put: pa.Table, gone: pa.Table) -> dict[str, pa.Table]:
    return {PUT: put, FORGOTTEN: gone}


def _keyed(table: pa.Table, *columns: str) -> pa.Array:
    joined = pc.binary_join_element_wise(
        *(table[name] for name in ("file", "sourced_id", *columns)), "\x1f"
    )
    return joined.combine_chunks()
