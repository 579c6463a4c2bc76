"""Why a plan is held: the reasons with their numbers, and when a number is beyond a limit."""

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
"""What a guard counts that looks at accounts made by hand."""
DELTA = "delta"
"""What a guard counts that looks at the rows of a delta package."""
_FIRST = (
    *("guard.held_back", "guard.removals", "guard.school_removals", "guard.week_removals"),
    *("guard.not_primary", "guard.out_of_step"),
)
"""Reasons that name what goes: whoever decides reads them first."""
_LAST = ("guard.empty_file", "guard.wrong_source", "guard.other_year", "guard.error_rate")
"""Reasons that lie in the package and not in the plan, errors of rows at the end."""
_WORDS = {"users": "users", "courses": "courses", "assignments": "course assignments"}
_GONE = {"users": "deactivated"}
KINDS = tuple(_WORDS)
FEW = 5
"""Below so many records no share of them is a mass change."""


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
        days: How many days were judged together, None for the plan alone.
        earlier: How many of `found` were applied within these days, before the plan.
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
        """Return the reason as one sentence."""
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
        """Return the reason as it is stored with the run."""
        return {**asdict(self), "text": self.to_text()}

    def _what(self) -> str:
        kind = _WORDS.get(self.kind, self.kind)
        return f"{kind} of {shown(self.school)}" if self.school else kind


def describe(hold: Mapping[str, Any]) -> str:
    """Return what a guard found as a clause, as `6 of 10 users would be deactivated`.

    Args:
        hold: As `Hold.as_dict` returns it. It may have been stored by an earlier version.
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


def order_holds(holds: Iterable[Hold]) -> tuple[Hold, ...]:
    """Return reasons by their weight: what goes first, and of that people before courses."""
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
    """Tell whether so many of so many records are beyond a limit."""
    if limit.cap is not None and found > limit.cap:
        return True
    return found >= limit.minimum and found * 100 >= limit.percent * of


def has_many_errors(found: int, of: int, percent: float) -> bool:
    """Tell whether so many of a file's rows with errors are beyond the threshold."""
    return found >= FEW and found * 100 > percent * of


def knows_few(found: int, of: int, percent: float) -> bool:
    """Tell whether a file holds too few of the records that earlier syncs brought."""
    return of >= FEW and found * 100 < percent * of


def find_first_held(of: int, limit: Limit) -> int | None:
    """Return from how many of so many records on a plan is held, None where all of them may go."""
    return _find_first(of, lambda found: is_beyond(found, of, limit))


def find_first_many_errors(of: int, percent: float) -> int | None:
    """Return from how many rows with errors on a file of so many rows is held, or None."""
    return _find_first(of, lambda found: has_many_errors(found, of, percent))


def find_fewest_known(of: int, percent: float) -> int:
    """Return how many of so many known records a file must hold at least."""
    return _find_first(of, lambda found: not knows_few(found, of, percent)) or 0


def _find_first(of: int, is_true: Callable[[int], bool]) -> int | None:
    """Return the first count for which a rule holds: once it does, it does for all larger ones."""
    first = bisect_left(range(of + 1), x=True, key=is_true)
    return first if first <= of else None
