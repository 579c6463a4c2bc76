"""Render a held plan for Airflow's Required Actions: the reasons, the counts, how to answer.

The text is Markdown. Values from a package are escaped: names of schools and files; it contains no
data of a person.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from oneroster_airflow.airflow_internals import ParamsDict
from oneroster_sync.findings.finding import shown
from oneroster_sync.runs.holds import describe
from oneroster_sync.runs.summary import format_counts, why_held
from oneroster_sync.sites.time_zone import format_moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oneroster_sync.runs import Run

REASON, PLAN = "reason", "plan_hash"
"""Fields of an answer besides its option."""
REASON_LENGTH = 500
_SHOWN = 10
"""Number of listed schools; the run's page has all."""
_KINDS = {"users": "Users", "courses": "Courses", "assignments": "Course assignments"}
_SORTS = ("added", "changed", "ended")
_ADDRESS = re.compile(r"https?|ftp|www|mailto|xmpp|[^\s@](?=@)", re.IGNORECASE)
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:@/])")


def subject_of(run: Run) -> str:
    """Return the headline: the site, and why its plan waits."""
    return f"{run.site}: {why_held(run)}"


def form_of(run: Run) -> ParamsDict:
    """Return the form of an answer; it contains the plan's hash, so that an answer names it."""
    return ParamsDict(
        {
            REASON: Param(
                None,
                type=["null", "string"],
                maxLength=REASON_LENGTH,
                title="Reason",
                description="For the audit; it may be left out.",
            ),
            # Airflow's form does not show a constant, and sends it with the answer.
            PLAN: Param(run.plan_hash, type="string", const=run.plan_hash, title="Plan"),
        }
    )


def body_of(run: Run) -> str:
    """Return the information for a decision, or links to it."""
    return "\n".join(_lines(run))


def _lines(run: Run) -> Iterator[str]:
    yield "Nothing was applied. An administrator approves or discards this plan. Why it is held:"
    yield ""
    for hold in run.holds:
        share = f" ({100 * hold['found'] / hold['of']:.1f} %)" if hold["of"] else ""
        sentence = f"{describe(hold)}{share}. Limit: {hold['limit']}"
        yield f"- {_plain(sentence[:1].upper() + sentence[1:])}. (`{hold['code']}`)"
    yield from ("", f"**[See every change of the plan](plugin/oneroster/runs/{run.run_id})**", "")
    yield from _counts(run.counts or {})
    yield from _schools(run.schools or [])
    yield from _what_comes(run)


def _counts(counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Yield a table of the plan's counts, without empty rows and columns."""
    changes = {
        kind: {word: number for word, number in numbers.items() if word != "ignored"}
        for kind, numbers in counts.items()
    }
    changes = {kind: numbers for kind, numbers in changes.items() if any(numbers.values())}
    words = dict.fromkeys(w for numbers in changes.values() for w, n in numbers.items() if n)
    if not words:
        return
    yield _row("", *map(format_counts, words))
    yield _row("---", *("---:" for _ in words))
    for kind, numbers in changes.items():
        cells = (f"{numbers[word]:,}" if word in numbers else "" for word in words)
        yield _row(_KINDS.get(kind, kind), *cells)
    yield ""


def _schools(schools: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a table of the plan's counts by school, most removals first."""
    if not schools:
        return
    yield _row("School", *_KINDS.values())
    yield _row(*("---" for _ in range(len(_KINDS) + 1)))
    for school in schools[:_SHOWN]:
        yield _row(_plain(school["name"]), *(_to_text(school[kind]) for kind in _KINDS))
    yield ""
    if (more := len(schools) - _SHOWN) > 0:
        yield from (f"… and {more:,} more {'school' if more == 1 else 'schools'}.", "")


def _what_comes(run: Run) -> Iterator[str]:
    yield (
        "**Approve** applies exactly this plan. **Discard** changes nothing; the next sync makes a "
        "new plan."
    )
    if run.expires_at is not None:
        yield f"Expires {format_moment(run.expires_at, run.preferences.time_zone)}, then discarded."
    yield from ("", f"Plan `{run.plan_hash}` of run `{run.run_id}`")


def _to_text(numbers: Mapping[str, int]) -> str:
    parts = [f"{numbers['gone']:,} of {numbers['active']:,} removed"] if numbers.get("gone") else []
    parts += [f"{numbers[sort]:,} {sort}" for sort in _SORTS if numbers.get(sort)]
    return ", ".join(parts) or "–"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Return a text that Markdown renders literally, on one line.

    Markdown turns addresses into links even if their characters are escaped, so a zero-width
    character is put into them.
    """
    seen = _ADDRESS.sub(lambda found: f"{found[0]}\u2060", shown(" ".join(text.split())))
    return _MARKUP.sub(r"\\\1", seen)
