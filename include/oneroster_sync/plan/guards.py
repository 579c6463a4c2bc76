"""The stage review: is the plan within the site's limits, or does it wait for a person?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from oneroster_sync.findings import CODES, Finding
from oneroster_sync.package.manifest import Mode
from oneroster_sync.plan.compare import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from oneroster_sync.plan.definition import Plan
    from oneroster_sync.plan.roster import Roster
    from oneroster_sync.preferences import Guards, RemovalGuard

_FEW = 5
"""Below so many records no share of them is a mass change."""
_WORDS = {"users": "users", "courses": "courses", "assignments": "course assignments"}
_EMPTY_COUNTS = ("users", "roles", "courses", "classes", "enrollments")


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason to wait, with the numbers that were judged.

    Attributes:
        code: A finding code of the layer `guard`.
        kind: users, courses, assignments or the name of a file.
        found: How many records or rows the guard looks for.
        of: How many there are.
        limit: What the site allows, in words.
    """

    code: str
    kind: str
    found: int
    of: int
    limit: str

    def in_words(self) -> str:
        """Return the reason as one sentence."""
        kind = _WORDS.get(self.kind, self.kind)
        share = f" ({100 * self.found / self.of:.1f} %)" if self.of else ""
        numbers = f"{self.found:,} of {self.of:,} {kind}{share}"
        return f"{self.code}: {numbers}; {self.limit}. {CODES[self.code].meaning}"

    def as_finding(self) -> Finding:
        """Return the reason as a finding about the package."""
        expected = (
            f"{self.limit}, found {self.found:,} of {self.of:,} {_WORDS.get(self.kind, self.kind)}"
        )
        return Finding(self.code, expected=expected)

    def as_dict(self) -> dict[str, Any]:
        """Return the reason as it is stored with the run."""
        return {**asdict(self), "text": self.in_words()}


def check_plan(
    plan: Plan,
    roster: Roster,
    guards: Guards,
    *,
    modes: Mapping[str, Mode],
    valid: Mapping[str, pa.Table],
    quarantined: Mapping[str, pa.Table],
    rows: Mapping[str, int],
) -> tuple[Hold, ...]:
    """Return every reason to hold a plan; none means that it is clear.

    A plan that changes nothing is held for an empty file only, so that errors which nobody mends
    don't ask for a decision every day.

    Args:
        plan: What would be done.
        roster: What it was made against.
        guards: The site's limits.
        modes: File → how it counts.
        valid: File → rows that are used.
        quarantined: File → rows with errors.
        rows: File → how many rows it has, staff or not.
    """
    holds = _empty_files(modes, rows, roster)
    if not plan.is_empty():
        holds += [
            *_removals(plan, roster, guards),
            *_errors(guards, valid, quarantined),
            *_wrong_source(guards, modes, valid, quarantined, roster),
            *_identity_shift(plan, roster, guards.users),
        ]
    return tuple(sorted(holds, key=lambda hold: (hold.code, hold.kind)))


def _removals(plan: Plan, roster: Roster, guards: Guards) -> list[Hold]:
    holds = []
    for kind, table, action in (
        ("users", plan.users, "deactivate"),
        ("courses", plan.courses, "remove"),
        ("assignments", plan.assignments, "remove"),
    ):
        found = int(pc.sum(pc.equal(table["action"], action)).as_py() or 0)
        of = roster.managed_active(kind)
        guard: RemovalGuard = getattr(guards, kind)
        if guard.cap is not None and found > guard.cap:
            holds.append(Hold("guard.removals", kind, found, of, f"at most {guard.cap:,}"))
        elif found >= guard.minimum and found * 100 >= guard.percent * of:
            limit = f"less than {guard.percent:g} % or fewer than {guard.minimum}"
            holds.append(Hold("guard.removals", kind, found, of, limit))
    return holds


def _errors(
    guards: Guards, valid: Mapping[str, pa.Table], quarantined: Mapping[str, pa.Table]
) -> list[Hold]:
    holds = []
    for name, table in quarantined.items():
        found, of = table.num_rows, table.num_rows + valid[name].num_rows
        if found >= _FEW and found * 100 > guards.error_percent * of:
            limit = f"at most {guards.error_percent:g} % with errors"
            holds.append(Hold("guard.error_rate", f"{name}.csv", found, of, limit))
    return holds


def _empty_files(modes: Mapping[str, Mode], rows: Mapping[str, int], roster: Roster) -> list[Hold]:
    of = {"users": roster.managed_active("users"), "courses": roster.managed_active("courses")}
    return [
        Hold("guard.empty_file", f"{name}.csv", 0, of.get(name, 0), "at least one row")
        for name in _EMPTY_COUNTS
        if modes.get(name) is Mode.BULK and rows.get(name) == 0
    ]


def _wrong_source(
    guards: Guards,
    modes: Mapping[str, Mode],
    valid: Mapping[str, pa.Table],
    quarantined: Mapping[str, pa.Table],
    roster: Roster,
) -> list[Hold]:
    holds = []
    for name, table in (("users", roster.users), ("courses", roster.courses)):
        if modes.get(name) is not Mode.BULK or name not in valid:
            continue
        ours = pc.and_(table["managed"], pc.equal(table["status"], "active"))
        known = table.filter(ours)["sourced_id"]
        found = sum(
            int(pc.sum(pc.is_in(known, side[name]["sourcedId"].combine_chunks())).as_py() or 0)
            for side in (valid, quarantined)
        )
        if len(known) >= _FEW and found * 100 < guards.known_percent * len(known):
            limit = f"at least {guards.known_percent:g} % of the known sourcedIds"
            holds.append(Hold("guard.wrong_source", name, found, len(known), limit))
    return holds


def _identity_shift(plan: Plan, roster: Roster, guard: RemovalGuard) -> list[Hold]:
    users = plan.users
    leaving = users.filter(
        pc.and_(pc.equal(users["action"], "deactivate"), pc.equal(users["reason"], ABSENT))
    )
    coming = users.filter(pc.equal(users["action"], "add"))
    same = pc.is_in(coming["after_login"], leaving["before_login"].drop_null().combine_chunks())
    found, of = int(pc.sum(same).as_py() or 0), roster.managed_active("users")
    if found >= guard.minimum and found * 100 >= guard.percent * of:
        return [
            Hold(
                "guard.identity_shift",
                "users",
                found,
                of,
                f"less than {guard.percent:g} % or fewer than {guard.minimum}",
            )
        ]
    return []
