"""Examples for the thresholds of a site: from how many of its own records on a plan is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneroster_sync.roster.reader import count_managed
from oneroster_sync.runs.holds import (
    find_fewest_known,
    find_first_held,
    find_first_many_errors,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from oneroster_sync.sites.thresholds import Guards

_ROWS = 200
"""Number of rows of the example file, because the files of the next package are unknown."""

_SIZES = {"users": (40, 2000), "courses": (40, 1000), "assignments": (100, 5000)}
"""Numbers of records of a small and a large site, for a site without a roster."""

_SCHOOLS = (10, 100)
"""Numbers of records of a small and a large school: each school is compared separately."""

_COUNTED = {
    "users": "users",
    "courses": "courses",
    "assignments": "assignments",
    "week": "users",
    "added_users": "users",
    "reactivated_users": "users",
    "changed_roles": "users",
    "moved_terms": "assignments",
    "updated_users": "users",
    "updated_courses": "courses",
    "sourced_ids": "users",
}
"""Threshold → the records of which it is a percentage."""


@dataclass(frozen=True, slots=True)
class HeldFrom:
    """A plan is held from `held_from` of `of` records on; None means that all may change."""

    of: int
    held_from: int | None


@dataclass(frozen=True, slots=True)
class ThresholdExamples:
    """Examples for each threshold, from the site's own roster or (`is_example`) made up."""

    is_example: bool
    guards: dict[str, tuple[HeldFrom, ...]]
    errors: HeldFrom
    known: HeldFrom


def read_examples(connection: Connection, site: str, guards: Guards) -> ThresholdExamples:
    """Compute examples for thresholds at a site; the thresholds need not be saved."""
    counts = count_managed(connection, site)
    is_example = counts["users"] == 0
    sizes = _SIZES if is_example else {kind: (of,) for kind, of in counts.items()}
    found = {
        name: tuple(HeldFrom(of, find_first_held(of, getattr(guards, name))) for of in sizes[kind])
        for name, kind in _COUNTED.items()
    }
    found["school"] = tuple(HeldFrom(of, find_first_held(of, guards.school)) for of in _SCHOOLS)
    known = _ROWS if is_example else counts["users"]
    return ThresholdExamples(
        is_example,
        found,
        errors=HeldFrom(_ROWS, find_first_many_errors(_ROWS, guards.error_percent)),
        known=HeldFrom(known, find_fewest_known(known, guards.known_percent)),
    )
