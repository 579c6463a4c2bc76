"""Terms: when a class ends, and which course assignments end with their classes.

A SIS drops the classes of a term when it is over. What goes with them has run out, and is no sign
of a broken export; so the last day of each class is remembered from the day it was last seen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.records import positions, put
from oneroster_sync.stages.extract.csv_table import is_left_out
from oneroster_sync.stages.extract.links import Link, active_rows

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from oneroster_sync.roster.model import Roster


def with_ends(classes: Link, stored: pa.Table, valid: Mapping[str, pa.Table]) -> Link:
    """Return the classes with their last days.

    A class keeps the day that was remembered where the package does not tell all its terms.

    Args:
        classes: Those that hold from now on.
        stored: Those that were remembered.
        valid: File → rows that are used; academicSessions need not be there.
    """
    trusted = classes.trusted
    rows = active_rows(valid["classes"])
    ends = _ends(rows["termSourcedIds"], valid.get("academicSessions"))
    # A term that can't be read may be the last one, so it never ends a class sooner.
    ends = pc.if_else(is_left_out(rows, "termSourcedIds"), pa.scalar(None, pa.string()), ends)
    ends_now = ends.take(positions(trusted["sourced_id"], rows["sourcedId"]))
    remembered = stored["ends_on"].take(positions(trusted["sourced_id"], stored["sourced_id"]))
    return replace(classes, trusted=put(trusted, "ends_on", pc.coalesce(ends_now, remembered)))


def pairs_that_ended(roster: Roster, today: dt.date) -> pa.Table:
    """Return the pairs of user and course whose remembered classes have all ended before a day.

    Returns:
        The columns user_sourced_id and course_sourced_id. A pair with a class of which no last day
        is known has not ended.
    """
    enrollments, classes = roster.links["enrollments"], roster.links["classes"]
    ends = classes["ends_on"].take(
        positions(enrollments["class_sourced_id"], classes["sourced_id"])
    )
    goes_on = pc.fill_null(pc.greater_equal(ends, today.isoformat()), True)
    table = put(enrollments, "goes_on", goes_on)
    grouped = table.group_by(["user_sourced_id", "course_sourced_id"], use_threads=False).aggregate(
        [("goes_on", "any")]
    )
    return grouped.filter(pc.invert(grouped["goes_on_any"])).select(
        ["user_sourced_id", "course_sourced_id"]
    )


def _ends(terms: pa.ChunkedArray, sessions: pa.Table | None) -> pa.ChunkedArray:
    """Return the last day of each list of terms, null where one of them is not known."""
    days: dict[str, str | None] = {}
    if sessions is not None:
        rows = active_rows(sessions)
        days = dict(zip(rows["sourcedId"].to_pylist(), rows["endDate"].to_pylist(), strict=True))
    known = pc.unique(terms)
    last = [_last([days.get(term) for term in _parts(cell)]) for cell in known.to_pylist()]
    return pc.take(pa.chunked_array([pa.array(last, pa.string())]), pc.index_in(terms, known))


def _last(days: list[str | None]) -> str | None:
    known = [day for day in days if day]
    return max(known) if known and len(known) == len(days) else None


def _parts(cell: str | None) -> list[str]:
    return [part.strip() for part in (cell or "").split(",") if part.strip()]
