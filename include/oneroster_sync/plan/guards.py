"""The stage review: is the plan within the site's limits, or does it wait for a person?"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import CODES, Finding
from oneroster_sync.findings.model import shown
from oneroster_sync.package.manifest import Mode
from oneroster_sync.plan.adoption import NEAR
from oneroster_sync.plan.assignments import TERMS_ENDED
from oneroster_sync.plan.compare import differs, positions
from oneroster_sync.plan.fields import COURSE_FIELDS
from oneroster_sync.plan.rekeys import is_beyond

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from oneroster_sync.plan.definition import Plan
    from oneroster_sync.plan.roster import Roster
    from oneroster_sync.preferences import Guards, Limit

_FEW = 5
"""Below so many records no share of them is a mass change."""
ACCOUNTS = "accounts"
"""What a guard counts that looks at accounts made by hand."""
_WORDS = {"users": "users", "courses": "courses", "assignments": "course assignments"}
_NEVER_EMPTY = ("orgs", "users", "roles", "courses")
_EMPTY_IN_SUMMER = ("classes", "enrollments")
"""Files that may have no rows between two school years."""
_EARLY, _LATE = dt.timedelta(days=30), dt.timedelta(days=90)
"""How far from today all sessions of a package may lie, in the future and in the past."""
REMOVAL_CODES = frozenset({"guard.removals", "guard.school_removals"})
"""Reasons for which only what goes needs to wait."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason to wait, with the numbers that were judged.

    Attributes:
        code: A finding code of the layer `guard`.
        kind: users, courses, assignments, accounts or the name of a file.
        found: How many records or rows the guard looks for.
        of: How many there are.
        limit: What the site allows, in words.
        school: Name of the school that was judged, None for the site as a whole.
    """

    code: str
    kind: str
    found: int
    of: int
    limit: str
    school: str | None = None

    def in_words(self) -> str:
        """Return the reason as one sentence."""
        share = f" ({100 * self.found / self.of:.1f} %)" if self.of else ""
        numbers = f"{self.found:,} of {self.of:,} {self._what()}{share}"
        return f"{self.code}: {numbers}; {self.limit}. {CODES[self.code].meaning}"

    def as_finding(self) -> Finding:
        """Return the reason as a finding about the package."""
        expected = f"{self.limit}, found {self.found:,} of {self.of:,} {self._what()}"
        return Finding(self.code, expected=expected)

    def as_dict(self) -> dict[str, Any]:
        """Return the reason as it is stored with the run."""
        return {**asdict(self), "text": self.in_words()}

    def _what(self) -> str:
        kind = _WORDS.get(self.kind, self.kind)
        return f"{kind} of {shown(self.school)}" if self.school else kind


def check_plan(
    plan: Plan,
    roster: Roster,
    guards: Guards,
    *,
    modes: Mapping[str, Mode],
    valid: Mapping[str, pa.Table],
    quarantined: Mapping[str, pa.Table],
    rows: Mapping[str, int],
    today: dt.date,
    schools: Iterable[Mapping[str, Any]] = (),
    accounts: pa.Table | None = None,
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
        today: The day of the run: a raised limit counts until its day.
        schools: What the plan comes to in each school, as `count_by_school` tells it.
        accounts: Whose the accounts made by hand may be, as `match_accounts` tells it.
    """
    holds = _empty_files(modes, rows, roster, today)
    if not plan.is_empty():
        removals = _removals(plan, roster, guards, today)
        holds += [
            *removals,
            *_school_removals(schools, guards, today, {hold.kind for hold in removals}),
            *_updates(plan, roster, guards),
            *_errors(guards, valid, quarantined),
            *_wrong_source(guards, modes, valid, quarantined, roster, plan),
            *_other_year(valid, roster, today),
            *_identity_shift(plan, roster, guards.sourced_ids),
            *_look_alikes(accounts, roster),
        ]
    return tuple(sorted(holds, key=lambda hold: (hold.code, hold.kind, hold.school or "")))


def _removals(plan: Plan, roster: Roster, guards: Guards, today: dt.date) -> list[Hold]:
    holds = []
    for kind, table, action in (
        ("users", plan.users, "deactivate"),
        ("courses", plan.courses, "remove"),
        ("assignments", plan.assignments, "remove"),
    ):
        going = table.filter(pc.equal(table["action"], action))
        found = int(pc.sum(pc.not_equal(going["reason"], TERMS_ENDED)).as_py() or 0)
        of = roster.managed_active(kind)
        limit, words = _in_force(getattr(guards, kind), guards, today)
        holds += _beyond("guard.removals", kind, found, of, limit, words)
    return holds


def _school_removals(
    schools: Iterable[Mapping[str, Any]], guards: Guards, today: dt.date, held: set[str]
) -> list[Hold]:
    """Judge each school by its own numbers, in the kinds that the site as a whole lets pass."""
    limit, words = _in_force(guards.school, guards, today)
    return [
        hold
        for school in schools
        for kind in _WORDS
        if kind not in held
        for hold in _beyond(
            "guard.school_removals",
            kind,
            school[kind]["gone"],
            school[kind]["active"],
            limit,
            words,
            school["name"],
        )
    ]


def _in_force(limit: Limit, guards: Guards, today: dt.date) -> tuple[Limit, str]:
    """Return a limit for removals as it counts today, and since when it is another one."""
    raised = guards.raised
    if raised is None or not raised.holds_on(today):
        return limit, ""
    words = f", raised until {raised.until}" if raised.until else ", raised for one run"
    return limit.model_copy(update={"percent": raised.percent, "cap": None}), words


def _updates(plan: Plan, roster: Roster, guards: Guards) -> list[Hold]:
    holds = []
    for kind, table, limit in (
        ("users", plan.users, guards.updated_users),
        ("courses", _beyond_their_year(plan.courses), guards.updated_courses),
    ):
        found = int(pc.sum(pc.equal(table["action"], "update")).as_py() or 0)
        holds += _beyond("guard.updates", kind, found, roster.managed_active(kind), limit)
    return holds


def _beyond_their_year(courses: pa.Table) -> pa.Table:
    """Leave out the changes to courses that go to another school year, and are as they were."""
    moved = pa.repeat(False, courses.num_rows)
    for name in COURSE_FIELDS:
        if name != "school_year_sourced_id":
            moved = pc.or_(moved, differs(courses[f"before_{name}"], courses[f"after_{name}"]))
    return courses.filter(moved)


def _beyond(
    code: str,
    kind: str,
    found: int,
    of: int,
    limit: Limit,
    words: str = "",
    school: str | None = None,
) -> list[Hold]:
    """Return the reason to hold so many of so many, if they are beyond a limit.

    One that was raised, as `words` say, lets pass as many percent as it names: 100 is all of them.
    """
    is_all_it_names = found * 100 == limit.percent * of
    if not is_beyond(found, of, limit) or (words and is_all_it_names):
        return []
    upto = "at most" if words else "less than"
    allowed = f"{upto} {limit.percent:g} % or fewer than {limit.minimum}"
    if limit.cap is not None and found > limit.cap:
        allowed = f"at most {limit.cap:,}"
    return [Hold(code, kind, found, of, f"{allowed}{words}", school)]


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


def _empty_files(
    modes: Mapping[str, Mode], rows: Mapping[str, int], roster: Roster, today: dt.date
) -> list[Hold]:
    """Hold files without rows; those of classes not while none that is remembered goes on."""
    ends = roster.links["classes"]["ends_on"]
    go_on = pc.any(pc.fill_null(pc.greater_equal(ends, today.isoformat()), True)).as_py()
    is_summer = roster.managed_active("users") > 0 and not go_on
    expected = _NEVER_EMPTY if is_summer else (*_NEVER_EMPTY, *_EMPTY_IN_SUMMER)
    of = {"users": roster.managed_active("users"), "courses": roster.managed_active("courses")}
    return [
        Hold("guard.empty_file", f"{name}.csv", 0, of.get(name, 0), "at least one row")
        for name in expected
        if modes.get(name) is Mode.BULK and rows.get(name) == 0
    ]


def _wrong_source(
    guards: Guards,
    modes: Mapping[str, Mode],
    valid: Mapping[str, pa.Table],
    quarantined: Mapping[str, pa.Table],
    roster: Roster,
    plan: Plan,
) -> list[Hold]:
    """Hold a file that knows few of those whom we know; who gets a new sourcedId is known by it."""
    holds = []
    for name, table, changes in (
        ("users", roster.users, plan.users),
        ("courses", roster.courses, plan.courses),
    ):
        if modes.get(name) is not Mode.BULK or name not in valid:
            continue
        ours = pc.and_(table["managed"], pc.equal(table["status"], "active"))
        moved = changes.filter(pc.is_valid(changes["before_sourced_id"]))
        at = positions(table["sourced_id"], moved["before_sourced_id"])
        called = pc.coalesce(moved["after_sourced_id"].take(at), table["sourced_id"])
        known = called.filter(ours)
        found = sum(
            int(pc.sum(pc.is_in(known, side[name]["sourcedId"].combine_chunks())).as_py() or 0)
            for side in (valid, quarantined)
        )
        if len(known) >= _FEW and found * 100 < guards.known_percent * len(known):
            limit = f"at least {guards.known_percent:g} % of the known sourcedIds"
            holds.append(Hold("guard.wrong_source", name, found, len(known), limit))
    return holds


def _other_year(valid: Mapping[str, pa.Table], roster: Roster, today: dt.date) -> list[Hold]:
    """Hold a package whose sessions are all far from today while we know of nearer ones."""
    sessions = valid.get("academicSessions")
    known = pc.max(roster.links["classes"]["ends_on"]).as_py()
    if sessions is None or not sessions.num_rows or known is None:
        return []
    first, last = pc.min(sessions["startDate"]).as_py(), pc.max(sessions["endDate"]).as_py()
    if first is None or last is None:
        return []
    early = first > (today + _EARLY).isoformat() and known >= today.isoformat()
    late = last < (today - _LATE).isoformat() and last < known
    if not (early or late):
        return []
    which = "next year's, too early" if early else "last year's"
    limit = f"sessions around {today}, not from {first} to {last} ({which})"
    count = sessions.num_rows
    return [Hold("guard.other_year", "academicSessions.csv", count, count, limit)]


def _identity_shift(plan: Plan, roster: Roster, limit: Limit) -> list[Hold]:
    holds = []
    for kind, table in (("users", plan.users), ("courses", plan.courses)):
        found = int(pc.sum(_changes_id(table)).as_py() or 0)
        of = roster.managed_active(kind)
        holds += _beyond("guard.identity_shift", kind, found, of, limit)
    return holds


def _look_alikes(accounts: pa.Table | None, roster: Roster) -> list[Hold]:
    """Hold a site's first sync that would give people who seem to have an account a second one."""
    users = roster.users
    if accounts is None or pc.any(users["managed"]).as_py():
        return []
    near = pc.is_in(accounts["how"], pa.array(NEAR))
    found = pc.sum(pc.and_(near, pc.not_equal(accounts["id"], roster.credited_admin))).as_py() or 0
    limit = "none on a first sync"
    return [Hold("guard.look_alikes", ACCOUNTS, found, users.num_rows, limit)] if found else []


def _changes_id(table: pa.Table) -> pa.ChunkedArray:
    """Tell which changes give a record that has a sourcedId another one."""
    return pc.fill_null(pc.not_equal(table["before_sourced_id"], table["after_sourced_id"]), False)
