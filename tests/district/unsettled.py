"""Faults in rows that no change of the same day affects.

A quarantined record and its dependants stay unchanged: this rule is clear while nothing else
changes. If, for example, a user's row is faulty on the day one of the user's enrollments ends, the
outcome is a matter of definition. `test_three_days` tests such days one by one; random days leave
them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from district.desired import desired
from district.faults import Fault, Place, plant_faults
from district.state import Roster, Taught

if TYPE_CHECKING:
    import random

    from district.rows import Package


def plant_settled_faults(
    roster: Roster, package: Package, rng: random.Random, *, share: float = 0.01
) -> tuple[Package, list[Fault]]:
    """Plant faults as `plant_faults` does, but only in rows whose dependants don't change today.

    Args:
        roster: The roster of the site, with its stored links.
        package: The package of the day, without faults.
        rng: Decides which rows get which faults.
        share: Share of the staff rows that get a fault.

    Raises:
        RuntimeError: No such rows were found; the district is too small or changes too much.
    """
    places = unsettled(roster, package)
    for _ in range(100):
        spoilt, faults = plant_faults(package, rng, share=share, avoid=places)
        found = {(one.file, one.sourced_id) for one in desired(roster, spoilt).findings}
        if faults and not found & places:
            return spoilt, faults
    raise RuntimeError("every fault meets a change of the day; make fewer changes")


def unsettled(roster: Roster, package: Package) -> set[Place]:
    """Return the rows that an enrollment depends on which ends or moves with this package.

    Args:
        roster: The roster of the site, with its stored links.
        package: The package of the day, before faults are planted.
    """
    links = {
        row["sourcedId"]: row["courseSourcedId"] for row in package.tables["classes"].records()
    }
    today = {
        row["sourcedId"]: Taught(
            row["userSourcedId"],
            row["classSourcedId"],
            links.get(row["classSourcedId"], ""),
            row["role"],
        )
        for row in package.tables["enrollments"].records()
    }
    places: set[Place] = set()
    for id_, old in roster.enrollments.items():
        if today.get(id_) == old:
            continue
        places |= {("users", old.user), ("classes", old.class_), ("courses", old.course)}
        if links.get(old.class_) != old.course:
            places.add(("enrollments", id_))
    for id_, old_course in roster.classes.items():
        if links.get(id_) != old_course:
            places.add(("courses", old_course))
    if "roles" in package.tables:
        moved = {id_ for file, id_ in places if file == "users"}
        places |= {
            ("roles", row["sourcedId"])
            for row in package.tables["roles"].records()
            if row["userSourcedId"] in moved
        }
    return places
