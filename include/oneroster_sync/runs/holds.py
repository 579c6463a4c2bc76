"""Holds: the reasons why a plan is held, with their numbers, and the comparison with thresholds."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from oneroster_sync.findings import CODES, Finding
from oneroster_sync.findings.finding import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from oneroster_sync.sites.thresholds import Limit

ACCOUNTS = "accounts"
"""`Hold.kind` of a guard that counts accounts made by hand."""
DELTA = "delta"
"""`Hold.kind` of a guard that counts the rows of a delta package."""
_FIRST = (
    *("guard.held_back", "guard.removals", "guard.school_removals", "guard.week_removals"),
    *("guard.not_primary", "guard.out_of_step"),
)
"""Codes about removals, which are shown first."""
_LAST = ("guard.empty_file", "guard.wrong_source", "guard.other_year", "guard.error_rate")
"""Codes about the package and not about the plan, which are shown last, in this order."""
_WORDS = {"users": "users", "courses": "courses", "assignments": "course assignments"}
_GONE = {"users": "deactivated"}
KINDS = tuple(_WORDS)
FEW = 5
"""With fewer records than this, no percentage of them is a mass change."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason why a plan is held, with its numbers.

    Attributes:
        code: A finding code of the layer `guard`.
        kind: users, courses, assignments, accounts, delta or the name of a file.
        found: Number of records or rows that the guard counted.
        of: Number of all records or rows.
        limit: Text of the threshold.
        school: Name of the school; None for the whole site.
        days: Number of days that were counted together; None for the plan alone.
        earlier: Number of `found` that was applied within these days, before the plan.
    """

    code: str
    kind: str
    found: int
    of: int
    limit: str
    school: str | None = None
    days: int | None = None
    earlier: int = 0

    def to_text(self) -> str:
        """Format the reason as text for the run's record."""
        share = f" ({100 * self.found / self.of:.1f} %)" if self.of else ""
        numbers = f"{self.found:,} of {self.of:,} {self._what()}{share}"
        if self.days:
            numbers += f" within {self.days} days, {self.earlier:,} of them before this plan"
        return f"{self.code}: {numbers}; {self.limit}. {CODES[self.code].meaning}"

    def as_finding(self) -> Finding:
        """Return the reason as a finding about the package."""
        expected = f"{self.limit}, found {self.found:,} of {self.of:,} {self._what()}"
        return Finding(self.code, expected=expected)

    def as_dict(self) -> dict[str, Any]:
        """Return the reason as a JSON object, to store it with the run."""
        return {**asdict(self), "text": self.to_text()}

    def _what(self) -> str:
        kind = _WORDS.get(self.kind, self.kind)
        return f"{kind} of {shown(self.school)}" if self.school else kind


def describe(hold: Mapping[str, Any]) -> str:
    """Format a hold as a clause, such as `6 of 10 users would be deactivated`.

    Args:
        hold: The object of `Hold.as_dict`; an earlier version may have stored it.
    """
    code, kind, days = CODES.get(hold["code"]), hold["kind"], hold.get("days")
    template = code and (code.held_delta if kind == DELTA else code.held)
    template = template or "{found} of {of} {many}"
    if days and "{days}" not in template and "{within}" not in template:
        template += " within {days} days"
    return template.format(
        found=f"{hold['found']:,}",
        of=f"{hold['of']:,}",
        kind=kind,
        many=_WORDS.get(kind, f"rows of {kind}"),
        gone=_GONE.get(kind, "removed"),
        school=shown(hold.get("school") or ""),
        days=days,
        earlier=f"{hold.get('earlier', 0):,}",
        within=f" within {days} days" if days else "",
    )


def beyond(
    code: str,
    kind: str,
    found: int,
    of: int,
    limit: Limit,
    words: str = "",
    school: str | None = None,
) -> list[Hold]:
    """Return a list with one hold if `found` of `of` records are beyond a limit, else an empty one.

    With `words`, which describe a raised limit, exactly the percentage passes: 100 % allows all
    records. Without a raised limit, exactly the percentage is held.
    """
    # Multiplied and not divided: 29 / 100 * 100 is 28.999999999999996, and 29 % would not be
    # reached.
    is_exact_percent = found * 100 == limit.percent * of
    if not is_beyond(found, of, limit) or (words and is_exact_percent):
        return []
    upto = "at most" if words else "less than"
    allowed = f"{upto} {limit.percent:g} % or fewer than {limit.minimum}"
    if limit.cap is not None and found > limit.cap:
        allowed = f"at most {limit.cap:,}"
    return [Hold(code, kind, found, of, f"{allowed}{words}", school)]


def order_holds(holds: Iterable[Hold]) -> tuple[Hold, ...]:
    """Sort reasons for people: removals first, and users before courses."""
    return tuple(sorted(holds, key=_weigh))


def _weigh(hold: Hold) -> tuple[int, int, int, str, int, str]:
    group, place = 1, 0
    if hold.code in _FIRST:
        group, place = 0, _FIRST.index(hold.code)
    elif hold.code in _LAST:
        group, place = 2 + _LAST.index(hold.code), 0
    name = hold.kind.removesuffix(".csv")
    kind = KINDS.index(name) if name in KINDS else len(KINDS)
    return group, kind, place, hold.code, -hold.found, hold.school or ""


def is_beyond(found: int, of: int, limit: Limit) -> bool:
    """Return whether `found` of `of` records are beyond a limit."""
    if limit.cap is not None and found > limit.cap:
        return True
    return found >= limit.minimum and found * 100 >= limit.percent * of


def has_many_errors(found: int, of: int, percent: float) -> bool:
    """Return whether `found` rows with errors in a file with `of` rows are beyond `percent`."""
    return found >= FEW and found * 100 > percent * of


def knows_few(found: int, of: int, percent: float) -> bool:
    """Return whether a file contains only `found` of `of` known records, less than `percent`."""
    return of >= FEW and found * 100 < percent * of


def find_first_held(of: int, limit: Limit) -> int | None:
    """Return the smallest number of `of` records that is held, or None if all may change."""
    return _find_first(of, lambda found: is_beyond(found, of, limit))


def find_first_many_errors(of: int, percent: float) -> int | None:
    """Return the smallest number of rows with errors that holds a file of `of` rows, or None."""
    return _find_first(of, lambda found: has_many_errors(found, of, percent))


def find_fewest_known(of: int, percent: float) -> int:
    """Return the smallest number of `of` known records that a file must contain."""
    return _find_first(of, lambda found: not knows_few(found, of, percent)) or 0


def _find_first(of: int, is_true: Callable[[int], bool]) -> int | None:
    """Return the first count for which a rule is true, or None, by binary search.

    If a rule is true for a count, it is true for all larger counts.
    """
    first = bisect_left(range(of + 1), x=True, key=is_true)
    return first if first <= of else None
