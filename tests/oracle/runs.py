"""What a site stores about its runs: preferences, pending deltas, and the outcome of each run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oracle.guards import DEFAULTS, Limits
from oracle.undo import Part, Trace

if TYPE_CHECKING:
    import datetime as dt

    from oracle.door import Line, Read
    from oracle.judge import Judged
    from oracle.state import Plan, State


@dataclass(slots=True)
class Choice:
    """The preferences of the site that the days of the oracle change."""

    scope: str = "users_and_courses"
    adopt: bool = False
    create_only_until: dt.date | None = None
    removals_wait: bool = False
    raised: tuple[float, dt.date | None] | None = None
    teaching: tuple[str, ...] = ("teacher",)
    limits: Limits = field(default_factory=lambda: dict(DEFAULTS))
    profile: str = "tolerant"

    def copy(self) -> Choice:
        """Return a copy."""
        return Choice(
            self.scope, self.adopt, self.create_only_until, self.removals_wait, self.raised,
            self.teaching, dict(self.limits), self.profile,
        )  # fmt: skip

    def raised_on(self, day: dt.date) -> float | None:
        """Return the percentage to which thresholds are raised on a day, or None."""
        if self.raised is None or (self.raised[1] is not None and day > self.raised[1]):
            return None
        return self.raised[0]


@dataclass(slots=True)
class Delta:
    """A delta file that was read and is not applied; `part` numbers the packages of its run."""

    run: int
    file: str
    version: str
    arrived: dt.datetime
    lines: list[Line]
    state: str = "pending"
    part: int = 0


@dataclass(slots=True)
class Run:
    """A run: its outcome, and what a later decision or undo needs."""

    ref: int
    started: dt.datetime
    choice: Choice
    scope: str = "users_and_courses"
    outcome: str | None = None
    holds: set[tuple[str, str]] = field(default_factory=set)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    plan: Plan | None = None
    errors: bool = False
    deltas: list[int] = field(default_factory=list)
    bulk: set[str] = field(default_factory=set)
    modes: dict[str, str] = field(default_factory=dict)
    missing: dict[str, set[str]] = field(default_factory=dict)
    withheld: Plan | None = None
    why_withheld: str = ""
    undoes: int | None = None
    part: Part = field(default_factory=Part)
    removals_of: int | None = None
    expires: dt.datetime | None = None
    number: int = 0
    approved: bool = False
    applied: bool = False
    trace: Trace = field(default_factory=Trace)
    before: State | None = None


def count(plan: Plan) -> dict[str, dict[str, int]]:
    """Return the counts that a run reports for a plan, by kind."""
    counts = {kind: dict(numbers) for kind, numbers in plan.counts().items()}
    files = {"users": "users", "courses": "courses", "assignments": "enrollments"}
    for kind, file in files.items():
        counts[kind]["errors"] = len(plan.bad.get(file, ()))
    counts["users"]["ignored"] = 0
    return counts


def count_roles_alone(plan: Plan, modes: dict[str, str]) -> int:
    """Count the broken rows of roles.csv whose user has no counted row in users.csv."""
    named = {line.get("sourcedId") for line in plan.bad.get("users", ())} - {None}
    broken = [
        line for line in plan.bad.get("roles", ())
        if (modes.get("users") != "bulk" or "flaw" in line)
        and line.get("userSourcedId") not in named
    ]  # fmt: skip
    return len(broken)


def is_unusable(judged: Judged, modes: dict[str, str], read: Read) -> bool:
    """Return whether a package is rejected because none of its rows could be used."""
    if any(read.rows[name] == 0 for name in read.rows):
        return False
    brought = [n for n in ("users", "courses", "enrollments") if n in judged.good]
    spoilt = [n for n in brought if not judged.good[n] and judged.bad[n]]
    whole = modes.get("users") == "bulk" and modes.get("roles") != "delta"
    no_staff = whole and not judged.good.get("users") and not judged.bad.get("users")
    if no_staff and read.rows.get("users"):
        return True
    is_delta = any(modes[n] == "delta" for n in brought)
    known = any(judged.good[n] for n in brought) or judged.late
    known = known or any(line.get("flaw") == "no role" for line in judged.bad.get("users", ()))
    return bool(spoilt) and not (is_delta and known)
