"""How a run ended, in one sentence for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneroster_sync.preferences import Scope
from oneroster_sync.store.runs import Outcome, Trigger

if TYPE_CHECKING:
    from oneroster_sync.store.runs import Run

_KINDS = {"users": "user", "courses": "course", "assignments": "course assignment"}
_NOT_DONE = {"errors", "ignored"}
_SCOPES = {
    Scope.USERS: "Users",
    Scope.COURSES: "Courses",
    Scope.USERS_AND_COURSES: "Users + courses",
}
BY_SCHEDULE = "the schedule"
"""Who asked for a run that nobody asked for."""


def type_of(run: Run) -> str:
    """Return what was processed, and how it came about."""
    if run.undoes:
        return "Undo of a run"
    how = {
        Trigger.UPLOAD: "manual upload",
        Trigger.COMMAND: "command line",
        Trigger.SCHEDULE: "automated" if run.requested_by == BY_SCHEDULE else "started by hand",
    }[run.trigger]
    return f"{_SCOPES[run.scope]}, {how}"


def in_one_sentence(run: Run) -> str:
    """Return the outcome and why."""
    if run.outcome is None:
        return "Under way."
    if run.outcome is Outcome.HELD and run.decision == "approved":
        return f"Approved by {run.decided_by}; it is about to be applied."
    words = _SENTENCES[run.outcome]
    if run.outcome is Outcome.DISCARDED and not run.decided_by:
        words = "Discarded, nothing was changed: {first}"
    return words.format(
        approved=f" after approval by {run.decided_by}" if run.decision == "approved" else "",
        by=f" by {run.decided_by}",
        done=what_changes(run.counts),
        errors=_errors(run.counts),
        first=_first(run),
        held=_held(run),
    ).rstrip()


_SENTENCES = {
    Outcome.SUCCEEDED: "Applied{approved}: {done}.",
    Outcome.SUCCEEDED_WITH_ERRORS: "Applied{approved}: {done}. {errors}",
    Outcome.NO_CHANGES: "Nothing to do: the roster is already as the package wants it. {errors}",
    Outcome.HELD: "Held, nothing was changed: {held}.",
    Outcome.REJECTED: "Rejected, nothing was changed: {first}",
    Outcome.DISCARDED: "Discarded{by}, nothing was changed.",
    Outcome.SUPERSEDED: "Superseded, nothing was changed: another run changed the roster first.",
    Outcome.FAILED: "Failed, nothing was changed: {first}",
    Outcome.SKIPPED: "{first}",
}


def what_changes(counts: dict[str, dict[str, int]] | None) -> str:
    """Return what a plan comes to, as `20 users added, 3 users deactivated`."""
    parts = [
        f"{_counted(number, _KINDS[kind])} {word}"
        for kind, numbers in (counts or {}).items()
        for word, number in numbers.items()
        if number and word not in _NOT_DONE
    ]
    return ", ".join(parts) or "nothing"


def _errors(counts: dict[str, dict[str, int]] | None) -> str:
    errors = sum(numbers["errors"] for numbers in (counts or {}).values())
    if not errors:
        return ""
    rows = "1 row" if errors == 1 else f"{errors:,} rows"
    return f"{rows} could not be used; what they name was left as it is."


def _held(run: Run) -> str:
    told = []
    for hold in run.holds:
        kind = _KINDS.get(hold["kind"], hold["kind"])
        many = f"{kind}s" if hold["kind"] in _KINDS else f"rows of {kind}"
        what = {
            "guard.removals": "{found} of {of} {many} would go",
            "guard.error_rate": "{found} of {of} {many} have errors",
            "guard.empty_file": "{kind} holds no rows",
            "guard.wrong_source": "only {found} of {of} known {many} are in the package",
            "guard.identity_shift": "{found} of {of} {many} would get another sourcedId",
        }.get(hold["code"], "{found} of {of} {many}")
        numbers = {"found": f"{hold['found']:,}", "of": f"{hold['of']:,}"}
        told.append(what.format(**numbers, many=many, kind=kind))
    return "; ".join(told) or "; ".join(run.reasons) or "it waits for a decision"


def _first(run: Run) -> str:
    first = run.reasons[0] if run.reasons else "the log says why"
    more = len(run.reasons) - 1
    tail = f" ({more} more)" if more > 0 else ""
    return f"{first.rstrip('.')}{tail}."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
