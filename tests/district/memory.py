"""Days of a district on a site in memory, compared with the oracle."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from district.days import BUSY, next_day
from district.desired import Desired, desired
from district.faults import plant_faults
from district.make import make_district
from district.mixed import draw_modes, mixed_package, unsettle, with_marks
from district.rows import Package, bulk_package
from district.state import EMPTY, CourseState, Roster, UserState
from district.write import package_files
from every_mode import MemorySite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from every_mode import Done

_COUNTED = ("errors", "ignored")


@dataclass(slots=True)
class Life:
    """Some days of a generated district on one site.

    Attributes:
        seed: Seed of all random choices.
        version: OneRoster version of the packages.
        share: Share of the staff's rows that get a fault.
    """

    seed: int
    version: str
    share: float = 0.0
    users: int = 60
    site: MemorySite = field(default_factory=MemorySite)
    wanted: Roster = EMPTY

    def days(self, count: int) -> Iterator[tuple[int, Package]]:
        """Yield number and package of each day; the first package is bulk."""
        rng = random.Random(self.seed)
        yesterday = make_district(self.seed, self.users, ids="mixed")
        yield 0, bulk_package(yesterday, self.version)
        for day in range(1, count):
            today = unsettle(next_day(yesterday, rng, BUSY), rng)
            modes = draw_modes(rng, self.version)
            package = with_marks(mixed_package(yesterday, today, self.version, modes), rng)
            if self.share and rng.random() < 0.7:
                package, _ = plant_faults(package, rng, share=self.share)
            yield day, package
            yesterday = today

    def live(self, count: int) -> list[str]:
        """Sync some days, and return the differences of the first day that has any."""
        for day, package in self.days(count):
            found = self.bring(package)
            if found:
                modes = {name: table.mode for name, table in package.tables.items()}
                return [f"seed {self.seed}, {self.version}, day {day}, {modes}", *found]
        return []

    def bring(self, package: Package) -> list[str]:
        """Sync a package twice, and return the differences between the site and the oracle."""
        texts = {name: data.decode() for name, data in package_files(package).items()}
        wanted = desired(self.wanted, package)
        done = self.site.sync(texts)
        found = _differences(wanted, done, shown(self.site))
        again = self.site.sync(texts)
        if not again.plan.is_empty() or again.plan.moves_links():
            found.append(f"the same package again: {again.users} {again.assignments}")
        self.wanted = wanted.roster
        return found


def shown(site: MemorySite) -> Roster:
    """Return the state of a site in memory as a Roster of the oracle."""
    users = {
        u["sourced_id"]: UserState(
            u["given_name"],
            u["family_name"],
            u["email"],
            u["username"],
            u["role"],
            frozenset((u["org_sourced_ids"] or "").split(",")),
            u["status"],
        )
        for u in site.roster.users.to_pylist()
        if u["managed"]
    }
    courses = {
        c["sourced_id"]: CourseState(c["title"], c["course_code"] or "", c["status"])
        for c in site.roster.courses.to_pylist()
    }
    return Roster(users, courses, site.assignments())


def _differences(wanted: Desired, done: Done, found: Roster) -> list[str]:
    from district.site import differences

    wrong = differences(wanted.roster, found)
    for kind, counts in wanted.counts.by_kind().items():
        wrong += [
            f"count of {kind} {name}: wanted {count}, found {done.counts[kind].get(name)}"
            for name, count in counts.items()
            if done.counts[kind].get(name) != count
        ]
    return wrong
