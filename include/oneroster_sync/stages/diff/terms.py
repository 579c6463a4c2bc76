"""Terms: the last days of classes, and the course assignments that end with their classes.

An SIS drops the classes of a term when it is over. The resulting removals are expected, and no sign
of a broken export; so the last day of each class is stored when it is last seen.
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

    A class keeps its stored day if the package does not have all of its terms.

    Args:
        classes: The merged classes.
        stored: The remembered classes.
        valid: File → valid rows; academicSessions may be missing.
    """
    trusted = classes.trusted
    rows = active_rows(valid["classes"])
    ends = _ends(rows["termSourcedIds"], valid.get("academicSessions"))
    # An unreadable term may be the last one, so the class must not end sooner.
    ends = pc.if_else(is_left_out(rows, "termSourcedIds"), pa.scalar(None, pa.string()), ends)
    ends_now = ends.take(positions(trusted["sourced_id"], rows["sourcedId"]))
    remembered = stored["ends_on"].take(positions(trusted["sourced_id"], stored["sourced_id"]))
    return replace(classes, trusted=put(trusted, "ends_on", pc.coalesce(ends_now, remembered)))


def pairs_that_ended(roster: Roster, today: dt.date) -> pa.Table:
    """Return the pairs of user and course whose remembered classes all ended before `today`.

    Returns:
        The columns user_sourced_id and course_sourced_id. A pair with a class without a known last
        day has not ended.
    """
    enrollments, classes = roster.links["enrollments"], roster.links["classes"]
    ends = classes["ends_on"].take(
        positions(enrollments["class_sourced_id"], classes["sourced_id"])
    )
    # A day that is not known is null; such a class has not ended.
    is_current = pc.fill_null(pc.greater_equal(ends, today.isoformat()), True)
    table = put(enrollments, "is_current", is_current)
    grouped = table.group_by(["user_sourced_id", "course_sourced_id"], use_threads=False).aggregate(
        [("is_current", "any")]
    )
    return grouped.filter(pc.invert(grouped["is_current_any"])).select(
        ["user_sourced_id", "course_sourced_id"]
    )


def _ends(terms: pa.ChunkedArray, sessions: pa.Table | None) -> pa.ChunkedArray:
    """Return the last day of each list of terms; null if one of them is unknown."""
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
