"""Format the outcome of a run in one sentence for people."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneroster_sync.database.plain import connect_briefly
from oneroster_sync.findings.causes import first_of_causes
from oneroster_sync.findings.finding import rows_as_findings
from oneroster_sync.runs import Outcome, Trigger, make_runs, select_runs
from oneroster_sync.runs.counts import (
    count_changes,
    format_changes,
    format_counts,
    format_left_out,
    list_changes,
    sum_counts,
)
from oneroster_sync.runs.holds import describe
from oneroster_sync.sites.choices import Scope
from oneroster_sync.standard.kinds import Kind

if TYPE_CHECKING:
    from oneroster_sync.findings import Findings
    from oneroster_sync.runs import Run

__all__ = [
    "BY_NEW_FILE",
    "BY_SCHEDULE",
    "UNCHANGED",
    "Times",
    "count_changes",
    "find_outcome",
    "format_changes",
    "format_counts",
    "format_left_out",
    "format_outcome",
    "format_type",
    "lines_of_record",
    "measure_times",
    "reject",
    "sum_counts",
    "why_held",
]

_SCOPES = {
    Scope.USERS: "Users",
    Scope.COURSES: "Courses",
    Scope.USERS_AND_COURSES: "Users + courses",
}
_MAPPINGS = {Kind.IDS.value: "New sourcedIds", Kind.LINKS.value: "Links of accounts"}
UNCHANGED = "nothing was changed"
"""A reason in the record of a failed run, for people who read only the record."""
BY_SCHEDULE = "the schedule"
BY_NEW_FILE = "a new file"
"""The `requested_by` of a run that a new package at the source started."""
_BY_ITSELF = {BY_SCHEDULE, BY_NEW_FILE}
"""The `requested_by` of automatic runs."""


def format_type(run: Run) -> str:
    """Format what a run processed and what started it."""
    if run.undoes:
        return "Undo of a run"
    what = _MAPPINGS.get(run.kind, _SCOPES[run.scope])
    how = {
        Trigger.UPLOAD: "manual upload",
        Trigger.COMMAND: "command line",
        Trigger.SCHEDULE: "automated" if run.requested_by in _BY_ITSELF else "started by hand",
    }[run.trigger]
    return f"{what}, {how}"


def format_outcome(run: Run) -> str:
    """Format the outcome of a run and its reason."""
    if run.outcome is None:
        return "Under way."
    if run.outcome is Outcome.HELD and run.decision == "approved":
        return f"Approved by {run.decided_by}; it is about to be applied."
    words = _SENTENCES[run.outcome]
    if run.outcome is Outcome.NO_CHANGES and run.same_as:
        words = "Nothing to do: the package and everything else are unchanged."
    if run.outcome is Outcome.SUCCEEDED_WITH_ERRORS and not list_changes(run.counts):
        words = "Nothing to change. {errors}"
    if run.outcome is Outcome.DISCARDED and run.decision != "discarded":
        words = "Discarded, nothing was changed: {first}"
    if run.outcome is Outcome.DISCARDED and run.is_preview:
        words = "Preview, nothing was changed. A sync would make these changes: {done}."
        words += " It would be held: {held}." if run.holds else ""
    if run.outcome is Outcome.DISCARDED and run.decision == "discarded" and run.deltas:
        words = (
            "Discarded{by}, nothing was changed. The roster lacks these changes until a bulk file "
            "is applied."
        )
    if run.outcome is Outcome.SUPERSEDED and _distinct_reasons(run):
        words = "Superseded, nothing was changed: {first}"
    if run.outcome in _SUCCESSFUL:
        # The whole sentence is a template for `format` below, and a reason may contain braces.
        words = " ".join([words, *map(_escaped, _distinct_reasons(run))])
    return words.format(
        approved=f" after approval by {run.decided_by}" if run.decision == "approved" else "",
        by=f" by {run.decided_by}",
        done=format_changes(run.counts),
        errors=_errors(run),
        first=_first(run),
        what="file" if run.kind in _MAPPINGS else "package",
        held=why_held(run),
    ).rstrip()


def find_outcome(run_id: str) -> str | None:
    """Return the outcome of a run in one sentence; None if it has not ended or does not exist.

    For callers that must not wait: no connection pool, no migration, and an answer within seconds.

    Raises:
        psycopg.Error: The database does not answer.
    """
    from psycopg.rows import dict_row

    with connect_briefly() as connection, connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("set statement_timeout = '3s'")
        cursor.execute(f"{select_runs()} where run_id = %s".encode(), (run_id,))
        found = make_runs(cursor.fetchall())
    return format_outcome(found[0]) if found and found[0].outcome is not None else None


_SUCCESSFUL = {Outcome.SUCCEEDED, Outcome.SUCCEEDED_WITH_ERRORS, Outcome.NO_CHANGES}
_SENTENCES = {
    Outcome.SUCCEEDED: "Applied{approved}: {done}.",
    Outcome.SUCCEEDED_WITH_ERRORS: "Applied{approved}: {done}. {errors}",
    Outcome.NO_CHANGES: "Nothing to do: the roster already matches the {what}.",
    Outcome.HELD: "Held, nothing was changed: {held}.",
    Outcome.REJECTED: "Rejected, nothing was changed. {first}",
    Outcome.DISCARDED: "Discarded{by}, nothing was changed.",
    Outcome.SUPERSEDED: "Superseded, nothing was changed: another run changed the roster first.",
    Outcome.FAILED: "Failed, nothing was changed: {first}",
    Outcome.SKIPPED: "{first}",
}


@dataclass(frozen=True, slots=True)
class Times:
    """How long a run worked, and how long it waited for a decision, in seconds.

    Attributes:
        held_at: When the plan was held; None if it never was.
    """

    work_s: float
    waited_s: float
    held_at: dt.datetime | None


def measure_times(run: Run, *, now: dt.datetime) -> Times:
    """Return how long a run worked and waited, until `now` if it has not ended."""
    ended_at = run.ended_at or now
    if run.expires_at is None:
        return Times((ended_at - run.started_at).total_seconds(), 0, None)
    # Only the deadline is stored: review sets it from these hours when it holds the plan.
    held_at = run.expires_at - dt.timedelta(hours=run.preferences.approval_hours)
    work, until = held_at - run.started_at, ended_at
    if run.decision == "approved" and run.decided_at is not None:
        # Until the plan is applied, `ended_at` is the time of the hold.
        until = run.decided_at
        work += (now if run.outcome is Outcome.HELD else max(ended_at, until)) - until
    elif run.outcome is Outcome.HELD:
        until = now
    waited = max(until - held_at, dt.timedelta())
    return Times(work.total_seconds(), waited.total_seconds(), held_at)


def lines_of_record(record: dict[str, Any]) -> list[str]:
    """Format the history of a user or a course, one line for each change."""
    state = f"{record['kind']} {record['sourced_id']}: {record['status']}"
    if record["protected"]:
        state += f", protected because {record['protected']}"
    lines = [state]
    for change in record["changes"]:
        user, course = change["user_sourced_id"], change["course_sourced_id"]
        what = f"{change['kind']} {user or course}"
        if user and course:
            what = f"assignment of {user} to {course}"
        place = f" ({change['file']} row {change['row']})" if change["row"] else ""
        lines.append(
            f"  {change['made_at']} {change['action']} {what}: {change['reason']}{place}; "
            f"run {change['run_id']}, asked for by {change['requested_by']}, "
            f"credited to {change['credited_to']}"
        )
    return lines


def _errors(run: Run) -> str:
    """Format the number of rows that were not used: of users, courses, assignments, or others."""
    errors = sum(numbers["errors"] for numbers in (run.counts or {}).values())
    rows = "1 row" if errors == 1 else f"{errors:,} rows"
    if not errors:
        rows = "Some rows of orgs, classes or sessions"
    their = "its record is" if errors == 1 else "their records are"
    had = "had an error and was skipped" if errors == 1 else "had errors and were skipped"
    return f"{rows} {had}; {their} unchanged."


def why_held(run: Run) -> str:
    """Format why a plan is held, such as `6 of 10 users would be deactivated`."""
    text = "; ".join(map(describe, run.holds))
    return text or "; ".join(run.reasons) or "it waits for a decision"


def _first(run: Run) -> str:
    reasons = _distinct_reasons(run)
    if run.outcome is Outcome.REJECTED:
        return _why_rejected(reasons)
    first = reasons[0] if reasons else "the log says why"
    more = len(reasons) - 1
    tail = f" ({more} more)" if more > 0 else ""
    return f"{first.rstrip('.')}{tail}."


def _why_rejected(texts: list[str]) -> str:
    """Format the first error with its hint, and the number of further errors."""
    first = texts[0] if texts else "The log says why"
    more = {0: "", 1: " One more error is among the findings."}.get(
        max(len(texts) - 1, 0), f" {len(texts) - 1:,} more errors are among the findings."
    )
    return f"{first[:1].upper()}{first[1:].rstrip('.')}.{more}"


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _distinct_reasons(run: Run) -> list[str]:
    """Return the reasons of a run, each once, without those of its holds.

    `UNCHANGED` is left out, because each sentence contains it already.
    """
    known = {hold["text"] for hold in run.holds} | {UNCHANGED}
    return [reason for reason in dict.fromkeys(run.reasons) if reason not in known]


def reject(findings: Findings, *, by_cause: bool = False) -> dict[str, Any]:
    """Return the columns of a run's record that is rejected because of findings.

    Args:
        findings: Findings of all stages so far.
        by_cause: Whether the reasons name one error of each cause, the worst first.
    """
    table = findings.table()
    if by_cause:
        table = first_of_causes(table)
    errors = [f for f in rows_as_findings(table) if f.severity == "error"][:10]
    return {"outcome": Outcome.REJECTED, "reasons": [f.for_a_person() for f in errors]}
