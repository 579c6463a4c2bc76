"""Texts of all messages: what happened, what it means, and what to do next.

The subject is the fact itself, because many people read no more than the subject.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from oneroster_sync.notifications.letterhead import PAGES
from oneroster_sync.notifications.message import FILES, Points
from oneroster_sync.runs import Outcome, Trigger
from oneroster_sync.runs.holds import describe
from oneroster_sync.runs.summary import count_changes, format_changes
from oneroster_sync.sites.preferences import Topic
from oneroster_sync.sites.schedule import format_next, format_schedule
from oneroster_sync.standard import ROSTERING_FILES, Version, rostering_file

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from oneroster_sync.notifications.freshness import Freshness
    from oneroster_sync.notifications.letterhead import Letterhead
    from oneroster_sync.notifications.message import Message
    from oneroster_sync.notifications.overdue import Overdue
    from oneroster_sync.notifications.weekly_digest import Week
    from oneroster_sync.roster.stale_protection import StaleCause
    from oneroster_sync.runs import Run
    from oneroster_sync.runs.standstill import Standstill
    from oneroster_sync.sites.maintenance import Maintenance
    from oneroster_sync.sites.preferences import Preferences

_CAUSES = 5
_COLUMNS = {
    column.name
    for version in Version
    for name in ROSTERING_FILES
    if (file := rostering_file(name, version))
    for column in file.columns
}
_STARTED_BY = {
    Trigger.SCHEDULE: "the scheduled sync",
    Trigger.UPLOAD: "the upload",
    Trigger.COMMAND: "the sync from the command line",
}
_ENDED = {
    Outcome.SUCCEEDED_WITH_ERRORS: "succeeded with errors",
    Outcome.NO_CHANGES: "found nothing to change",
    Outcome.SUPERSEDED: "superseded by another run",
}


_TO_DO = {
    Topic.HELD: (
        "What to do: look at the plan; an administrator then approves or discards it. If it is "
        "not what the SIS should say, fix the export and discard the plan."
    ),
    Topic.FAILED: (
        "What to do: the run's log says more. The next sync tries again automatically; clear "
        "the DAG run to try this one again."
    ),
    Topic.REJECTED: (
        "What to do: fix it in the SIS and export again; the next sync reads the new package."
    ),
    Topic.ERRORS: (
        "What to do: fix these in the SIS, in this order. The run's page has the "
        "findings as CSV for the administrators of the SIS."
    ),
    Topic.UNAPPLIED: (
        "What to do: open the newest sync. If its plan is held, an administrator approves or "
        "discards it; if it failed or was rejected, its page says what to fix."
    ),
    Topic.STALE: (
        "What to do: see why the SIS exports nothing new. The sync works, but what it reads is old."
    ),
}
_TO_RELEASE = (
    "What to do: fix the rows in the SIS. Where a record is really gone, an administrator "
    "releases it: oneroster protections list --site {site}"
)
_NOTHING_COMES = (
    "What to do: see whether the SIS still exports to the place that the preferences name, and "
    "whether the sync is enabled."
)


def held(run: Run, head: Letterhead) -> Message:
    """Return the message that a plan is held: why, its changes, and when the approval expires."""
    expires = f"Expires {head.moment(run.expires_at)}, then discarded." if run.expires_at else ""
    return head.message(
        f"Approve? {_first_hold(run)}",
        f"Held: the plan of {_which(run, head)} needs an approval. Why:",
        Points(run.reasons),
        f"The whole plan: {format_changes(run.counts)}. Nothing of it was applied.",
        _TO_DO[Topic.HELD],
        *([expires] if expires else []),
        head.run_link("The plan and the decision", run.run_id),
    )


def _first_hold(run: Run) -> str:
    """Format the first hold of a plan, such as `94 of 300 users would be deactivated`."""
    return describe(run.holds[0]) if run.holds else "A plan is held"


def failed(run: Run, head: Letterhead) -> Message:
    """Return the message that a run failed."""
    reason = run.reasons[0].rstrip(".") if run.reasons else "the log says why"
    return head.message(
        f"Sync failed: {reason}",
        f"Failed: {_which(run, head)} could not continue. Nothing was changed.",
        f"Why: {reason}.",
        _TO_DO[Topic.FAILED],
        head.run_link("The run and its log", run.run_id),
    )


def unrecorded(dag_run: tuple[str, str], run: Run | None, head: Letterhead) -> Message:
    """Return the message that a DAG run failed before it recorded its outcome."""
    dag_id, dag_run_id = dag_run
    how_far = "before its outcome was recorded" if run else "before it could begin"
    # Ids of DAG runs hold a plus sign and colons, and people may choose one with a slash.
    page = f"/dags/{quote(dag_id)}/runs/{quote(dag_run_id, safe='')}"
    return head.message(
        f"Sync failed {how_far}",
        f"Failed: the DAG run {dag_run_id} of {dag_id} ended {how_far}.",
        *([f"Why: {run.reasons[0].rstrip('.')}."] if run and run.reasons else []),
        "What to do: look at the tasks of the DAG run and their logs. Clear them to try again.",
        head.airflow_link("The DAG run in Airflow", page),
    )


def overdue(late: Overdue, head: Letterhead) -> Message:
    """Return the message that a scheduled sync missed its deadline."""
    return head.message(
        f"Sync not done by {late.deadline:%H:%M} UTC: the one of {late.due:%Y-%m-%d %H:%M}",
        f"Late: the sync of {head.moment(late.due)} was not done by {head.moment(late.deadline)}, "
        "as the preferences require.",
        "What to do: see whether it ran, waits for a decision, failed, or never started.",
        head.site_link("The runs of the site"),
    )


_UNREADABLE = (
    "What to do: Airflow's list of DAGs shows the import error. Look at what changed last: an "
    "upgrade, the file, or the packages of the DAG processor's machine."
)


def unreadable_file(filename: str, sites: int, head: Letterhead) -> Message:
    """Return the message that no sync starts, because Airflow can't read the DAG file."""
    counted = _counted(sites, "site")
    return head.message(
        f"No sync of {counted} can start: Airflow can't read the DAG file",
        f"Failed: Airflow can't read {filename}. No sync of {counted} starts until it can.",
        _UNREADABLE,
        head.airflow_link("Airflow's DAGs", "/dags"),
    )


def rejected(run: Run, causes: Sequence[dict[str, Any]], head: Letterhead) -> Message:
    """Return the message that a package was rejected, with the causes to fix."""
    return head.message(
        f"Package rejected{_first_cause(causes)}",
        f"Rejected: the package of {_which(run, head)} can't be used. Nothing was changed.",
        _to_fix(causes),
        _TO_DO[Topic.REJECTED],
        head.run_link("Findings, row by row", run.run_id),
    )


def _first_cause(causes: Sequence[dict[str, Any]]) -> str:
    """Format the cause to fix first, such as `, users.csv: a column is missing`."""
    if not causes:
        return ""
    place = next((name for name in _names(causes[0]["file"]) if name in FILES), None)
    meaning: str = causes[0]["meaning"]
    first = meaning.partition(" ")[0]
    # Names such as OneRoster or SIS keep their capitals.
    if first == "A" or first[1:].islower():
        meaning = f"{meaning[:1].lower()}{meaning[1:]}"
    return f"{f', {place}' if place else ''}: {meaning}"


def errors(run: Run, causes: Sequence[dict[str, Any]], rows: int, head: Letterhead) -> Message:
    """Return the message that many rows were skipped, with the causes to fix."""
    count = _counted(rows, "row")
    return head.message(
        f"{count} had errors and {'was' if rows == 1 else 'were'} skipped",
        f"Skipped: {count} of the package of {_which(run, head)}. The other rows were used.",
        "The records of these rows are unchanged: no one was deactivated because of them.",
        _to_fix(causes),
        _TO_DO[Topic.ERRORS],
        head.run_link("Findings, row by row", run.run_id),
    )


def protected(causes: Sequence[StaleCause], head: Letterhead) -> Message:
    """Return the message about stale protections, without sourcedIds."""
    count = sum(len(cause.records) for cause in causes)
    lines = [cause.to_text() for cause in causes[:_CAUSES]]
    if len(causes) > _CAUSES:
        lines.append(f"and {_counted(len(causes) - _CAUSES, 'more cause', 'more causes')}")
    rows = "a row that is not fixed" if count == 1 else "rows that are not fixed"
    return head.message(
        f"{_counted(count, 'record')} protected by {rows}",
        "A record stays unchanged while its row has errors. These rows have had errors for long:",
        Points(tuple(lines)),
        _TO_RELEASE.format(site=head.site),
        head.site_link(),
    )


def stale(fresh: Freshness, head: Letterhead) -> Message:
    """Return the message that no new package has arrived for days."""
    link = head.site_link()
    if fresh.run_id:
        link = head.run_link("The run that read the newest package", fresh.run_id)
    return head.message(
        f"No new export for {_counted(fresh.days, 'day')}",
        fresh.to_text(),
        _TO_DO[Topic.STALE] if fresh.again else _NOTHING_COMES,
        link,
    )


def unapplied(still: Standstill, head: Letterhead) -> Message:
    """Return the message that syncs run but none was applied for long."""
    return head.message(
        still.sentence,
        f"{still.sentence}.",
        "The roster is as it was then: people who came or left since are not in it.",
        _TO_DO[Topic.UNAPPLIED],
        head.site_link(),
    )


def stopped(found: Maintenance, head: Letterhead) -> Message:
    """Return the message that the syncs of all sites are stopped; it does not name who did it."""
    return head.message(
        "All syncs are stopped for a maintenance",
        f"Stopped: no sync of any site has begun since {head.moment(found.since)}.",
        "The roster stays as it is until an administrator resumes the syncs.",
        "What to do: when the maintenance is over, resume the syncs on the page of all sites.",
        head.airflow_link("All sites, with the reason", PAGES),
    )


def lacking(files: Sequence[str], head: Letterhead, *, is_out_of_step: bool) -> Message:
    """Return the message that the roster lacks changes from deltas, and how to get them."""
    listed = ", ".join(f"{file}.csv" for file in files)
    if is_out_of_step:
        fact = f"Out of step with the SIS: a bulk file of {listed} is needed"
        why = (
            f"Out of step: deltas of {listed} were lost or could not be applied for too long, so "
            "that the roster may lack changes. Whatever a delta removes is held until then."
        )
    else:
        fact = f"Discarded changes of {listed} are missing: a bulk file is needed"
        why = f"The roster lacks changes of {listed}, because a person discarded a delta."
    return head.message(
        fact,
        why,
        f"What to do: ask the SIS for a bulk file of {listed}, and sync it.",
        head.site_link(),
    )


def digest(week: Week, head: Letterhead) -> Message:
    """Return the message with the weekly digest and the next syncs."""
    ran = _counted(sum(week.outcomes.values()), "sync")
    lines = [
        f"{_ENDED.get(outcome, outcome)}: {number:,}"
        for outcome in Outcome
        if (number := week.outcomes.get(outcome, 0))
    ]
    waits = _counted(len(week.waiting), "plan") if week.waiting else "none"
    facts = [ran if lines else "no sync", _counted(count_changes(week.changes), "change")]
    if week.waiting:
        facts.append(f"{waits} to approve")
    return head.message(
        f"Week of {week.first_on:%Y-%m-%d}: {', '.join(facts)}",
        f"{ran} ran from {week.first_on:%Y-%m-%d} to {week.last_on:%Y-%m-%d}."
        if lines
        else f"No sync ran from {week.first_on:%Y-%m-%d} to {week.last_on:%Y-%m-%d}.",
        *([Points(tuple(lines))] if lines else []),
        f"Changed: {format_changes(week.changes)}.",
        f"Rows with errors in the newest of them: {week.errors:,}.",
        f"Approval needed: {waits}.",
        *(
            head.run_link(f"The plan of {head.moment(run.started_at)}", run.run_id)
            for run in week.waiting
        ),
        week.fresh.to_text(),
        f"Next, while the sync is enabled: {week.next_syncs}.",
        head.site_link(),
    )


def trial(chosen: Preferences, head: Letterhead, *, now: dt.datetime) -> Message:
    """Return a test message, which shows that messages arrive."""
    return head.message(
        "Test message: notifications of this site arrive here",
        "This is a test: messages about this site arrive here. There is nothing to do.",
        f"Topics: {', '.join(chosen.notices.topics) or 'nothing'}.",
        f"Schedule: {format_schedule(chosen)}. Next sync: {format_next(chosen, now, 1)}.",
        head.site_link("Preferences", "/preferences"),
    )


def _which(run: Run, head: Letterhead) -> str:
    how = _STARTED_BY[run.trigger]
    if run.undoes:
        how = "an undo"
    elif run.removals_of:
        how = "a run of pending removals"
    return f"{how} of {head.moment(run.started_at)}"


def _to_fix(causes: Sequence[dict[str, Any]]) -> Points:
    """Format the causes to fix, in the order in which to fix them."""
    lines = [_cause(cause) for cause in causes[:_CAUSES]]
    if len(causes) > _CAUSES:
        lines.append(f"and {_counted(len(causes) - _CAUSES, 'more cause', 'more causes')}")
    return Points(tuple(lines))


def _cause(cause: dict[str, Any]) -> str:
    """Format a cause as one line, without text from the package."""
    # Names of files and columns come from the package, so only those of the standard are repeated.
    place = [name for name in _names(cause["file"]) if name in FILES]
    place += [name for name in _names(cause["column"]) if place and name in _COLUMNS]
    text = " ".join(filter(None, (cause["meaning"], cause["hint"])))
    return f"{', '.join((*place, _counted(cause['affected'], 'row')))}: {text} ({cause['code']})"


def _names(listed: str | None) -> list[str]:
    return listed.split(", ") if listed else []


def _counted(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def list_to_fix(causes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the causes to fix, in order, without those that follow from another cause.

    Return warnings only if there are no errors: with the profile strict, a package can be rejected
    because of warnings.
    """
    own = [cause for cause in causes if cause["follows"] is None]
    return [cause for cause in own if cause["severity"] == "error"] or own
