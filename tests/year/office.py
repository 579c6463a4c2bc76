"""The office decides about held plans by their reasons and by announcements.

It never uses the truth. A plan must pass all of its rules:

* many errors, another district's file or an empty file are never intended: discard;
* another school year needs its announcement, other sourcedIds need a new SIS or a new catalog;
* mass updates need a new SIS or a new catalog;
* removals need as many announced leavers or ended courses since the last accepted package, a school
that closes, or an announced change that explains them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oneroster_sync.runs import Run
    from year.life import News

LEAVES, ENDS, CLOSES = "leaves", "course ends", "school closes"
NEW_SIS, NEW_CATALOG = "new SIS", "new catalog"
YEAR_ENDS, NEW_YEAR = "school year ends", "new school year"
_LATELY = dt.timedelta(days=21)
_NEVER = ("guard.empty_file", "guard.error_rate", "guard.wrong_source")
_EXPLAINED_BY = {
    "guard.other_year": (NEW_YEAR,),
    "guard.identity_shift": (NEW_SIS, NEW_CATALOG),
    "guard.updates": (NEW_SIS, NEW_CATALOG),
}
_PER_LEAVER = 6
"""Assignments that may be removed for each leaver or ended course."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a plan is approved, and why."""

    approves: bool
    reason: str


def judge(run: Run, news: News, *, since: dt.date, today: dt.date) -> Verdict:
    """Decide about a held plan.

    Args:
        run: The held run, with its reasons.
        news: All announcements.
        since: The day of the last accepted package.
        today: The day of the decision.
    """
    for hold in run.holds:
        if not _is_explained(hold, news, since, today):
            return Verdict(approves=False, reason=f"nothing announced explains {hold['code']}")
    return Verdict(approves=True, reason="as announced")


def _is_explained(hold: dict[str, Any], news: News, since: dt.date, today: dt.date) -> bool:
    code = hold["code"]
    lately = today - _LATELY
    if code in _NEVER:
        return False
    if code in _EXPLAINED_BY:
        return news.count(lately, *_EXPLAINED_BY[code]) > 0
    return _is_announced(hold, news, since, lately)


def _is_announced(hold: dict[str, Any], news: News, since: dt.date, lately: dt.date) -> bool:
    """Return whether enough removals were announced, for the site or for a school."""
    kind, closing = hold["kind"], {one.school for one in news.since(since, CLOSES)}
    if hold["school"] in closing:
        return True
    if kind == "users":
        return int(hold["found"]) <= news.count(since, LEAVES, CLOSES)
    if closing or news.count(lately, NEW_SIS, NEW_CATALOG, NEW_YEAR):
        return True
    if kind == "courses":
        return int(hold["found"]) <= news.count(since, ENDS)
    return int(hold["found"]) <= _PER_LEAVER * news.count(since, ENDS, LEAVES)
