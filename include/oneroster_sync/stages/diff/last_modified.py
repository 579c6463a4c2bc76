"""When the SIS last modified each record, as far as deltas told.

A delta may come late, or after a newer one. So the dateLastModified of what a delta brought is
kept, also of a record that it took away, and a row that is older is not used. A bulk file tells
everything as it is now, without dates: those of its kind are forgotten.
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
    """Return which moments are kept from now on and which are forgotten; nothing if none moves.

    Only of records that the site has or had: who is a student is stored nowhere.

    Args:
        good: File → rows that are used.
        modes: File → absent, bulk or delta.
        roster: What the site holds.
        present: File → sourcedIds that the site has once the plan is applied.
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
    """Return that what an earlier run put is forgotten, where it still stands.

    Args:
        put: Its moments, or those of them that are taken back; None if it had none.
        roster: What the site holds now.
    """
    if put is None or not put.num_rows:
        return {}
    keys = _keyed(roster.modified, "modified_at")
    gone = put.filter(pc.is_in(_keyed(put, "modified_at"), keys)).select(["file", "sourced_id"])
    return _pair(MODIFIED.empty_table(), gone)


def stored_of(stored: pa.Table, file: str) -> pa.Table:
    """Return what is known of one file."""
    return stored.filter(pc.equal(stored["file"], file))


def _newer(file: str, rows: pa.Table, stored: pa.Table, ours: pa.Array) -> pa.Table:
    ids = rows["sourcedId"].combine_chunks()
    moments = in_utc(rows["dateLastModified"])
    before = stored["modified_at"].take(positions(ids, stored["sourced_id"])).combine_chunks()
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
