"""Texts of all messages: what happened, what it means, and what to do next."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from oneroster_sync.notifications.message import FILES, Link, Message, Points
from oneroster_sync.runs import Outcome, Trigger
from oneroster_sync.runs.holds import describe
from oneroster_sync.runs.summary import what_changes
from oneroster_sync.sites.preferences import Topic
from oneroster_sync.sites.schedule import format_next, format_schedule
from oneroster_sync.standard import ROSTERING_FILES, Version, rostering_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oneroster_sync.notifications.freshness import Freshness
    from oneroster_sync.notifications.weekly_digest import Week
    from oneroster_sync.roster.stale_protection import StaleCause
    from oneroster_sync.runs import Run
    from oneroster_sync.runs.standstill import Standstill
    from oneroster_sync.sites.preferences import Preferences

PAGES = "/plugin/oneroster"
"""Path of the pages in Airflow."""
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
    Outcome.SUCCEEDED_WITH_ERRORS: "succeeded, with rows that could not be used",
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
        "What to do: fix these in the SIS, the first of them first. The run's page has the "
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


def run_page(base_url: str, run_id: str) -> str:
    """Return the address of a run's page."""
    return f"{base_url.rstrip('/')}{PAGES}/runs/{run_id}"


def site_page(base_url: str, site: str, page: str = "") -> str:
    """Return the address of a page of a site."""
    return f"{base_url.rstrip('/')}{PAGES}/sites/{site}{page}"


def held(run: Run, base_url: str) -> Message:
    """Return the message that a plan is held: why, its changes, and until when it waits."""
    return Message(
        f"Approve? {_fact(run)} — {run.site}",
        (
            f"Held: what {_which(run)} would do needs a person's decision. Why:",
            Points(run.reasons),
            f"The whole plan: {what_changes(run.counts)}. Nothing of it was applied.",
            _TO_DO[Topic.HELD],
            *(
                [f"Undecided, it is discarded at {_moment(run.expires_at)}."]
                if run.expires_at
                else []
            ),
            Link("The plan and the decision", run_page(base_url, run.run_id)),
        ),
    )


def _fact(run: Run) -> str:
    """Format the first hold of a plan, such as `94 of 300 users would be deactivated`."""
    return describe(run.holds[0]).rstrip(".") if run.holds else "A plan is held"


def failed(run: Run, base_url: str) -> Message:
    """Return the message that a run failed."""
    reason = run.reasons[0] if run.reasons else "the log says why"
    return Message(
        _subject(run.site, "a sync failed"),
        (
            f"Failed: {_which(run)} could not go on. Nothing was changed.",
            f"Why: {reason.rstrip('.')}.",
            _TO_DO[Topic.FAILED],
            Link("The run and its log", run_page(base_url, run.run_id)),
        ),
    )


def unrecorded(site: str, dag_run: tuple[str, str], run: Run | None, base_url: str) -> Message:
    """Return the message that a DAG run failed before it recorded its outcome."""
    dag_id, dag_run_id = dag_run
    how_far = "before its outcome was recorded" if run else "before it could begin"
    page = f"{base_url.rstrip('/')}/dags/{quote(dag_id)}/runs/{quote(dag_run_id, safe='')}"
    return Message(
        _subject(site, "a sync failed"),
        (
            f"Failed: the DAG run {dag_run_id} of {dag_id} ended {how_far}.",
            *([f"Why: {run.reasons[0].rstrip('.')}."] if run and run.reasons else []),
            "What to do: look at the tasks of the DAG run and their logs. Clear them to try again.",
            Link("The DAG run in Airflow", page),
        ),
    )


def overdue(site: str, late: str, base_url: str) -> Message:
    """Return the message that a scheduled sync missed its deadline."""
    return Message(
        _subject(site, "a sync was not done in time"),
        (
            f"Late: {late}, as the preferences require.",
            "What to do: see whether it ran, waits for a decision, failed, or never started.",
            Link("The runs of the site", site_page(base_url, site)),
        ),
    )


_UNREADABLE = (
    "What to do: Airflow's list of DAGs shows the import error. Look at what changed last: an "
    "upgrade, the file, or the packages of the DAG processor's machine."
)


def unreadable_file(site: str, filename: str, sites: int, base_url: str) -> Message:
    """Return the message that no sync starts, because Airflow can't read the DAG file."""
    counted = _counted(sites, "site")
    return Message(
        _subject(site, "Airflow can't read the DAG file"),
        (
            f"Failed: Airflow can't read {filename}. No sync of {counted} starts until it can.",
            _UNREADABLE,
            Link("Airflow's DAGs", f"{base_url.rstrip('/')}/dags"),
        ),
    )


def rejected(run: Run, causes: Sequence[dict[str, Any]], base_url: str) -> Message:
    """Return the message that a package was rejected, with the causes to fix."""
    return Message(
        _subject(run.site, "a package was rejected"),
        (
            f"Rejected: the package of {_which(run)} can't be used. Nothing was changed.",
            _mended(causes),
            _TO_DO[Topic.REJECTED],
            Link("Findings, row by row", run_page(base_url, run.run_id)),
        ),
    )


def errors(run: Run, causes: Sequence[dict[str, Any]], rows: int, base_url: str) -> Message:
    """Return the message that many rows could not be used, with the causes to fix."""
    count = _counted(rows, "row")
    return Message(
        _subject(run.site, f"{count} could not be used"),
        (
            f"Not used: {count} of the package of {_which(run)}. The other rows were used.",
            "The records of these rows are unchanged: no one was deactivated because of them.",
            _mended(causes),
            _TO_DO[Topic.ERRORS],
            Link("Findings, row by row", run_page(base_url, run.run_id)),
        ),
    )


def protected(site: str, causes: Sequence[StaleCause], base_url: str) -> Message:
    """Return the message about stale protections, without sourcedIds."""
    count = sum(len(cause.records) for cause in causes)
    lines = [cause.to_text() for cause in causes[:_CAUSES]]
    if len(causes) > _CAUSES:
        lines.append(f"and {_counted(len(causes) - _CAUSES, 'more cause', 'more causes')}")
    return Message(
        _subject(site, f"{_counted(count, 'record')} protected by rows that are not fixed"),
        (
            "A record stays as it is if its row can't be used. These rows have come for long:",
            Points(tuple(lines)),
            _TO_RELEASE.format(site=site),
            Link("Recent synchronizations", site_page(base_url, site)),
        ),
    )


def stale(fresh: Freshness, base_url: str) -> Message:
    """Return the message that no new package has arrived for days."""
    to_do = _TO_DO[Topic.STALE] if fresh.again else _NOTHING_COMES
    link = Link("Recent synchronizations", site_page(base_url, fresh.site))
    if fresh.run_id:
        link = Link("The run that read the newest package", run_page(base_url, fresh.run_id))
    return Message(
        _subject(fresh.site, f"no new package for {_counted(fresh.days, 'day')}"),
        (fresh.to_text(), to_do, link),
    )


def unapplied(still: Standstill, base_url: str) -> Message:
    """Return the message that syncs run but none was applied for long."""
    return Message(
        _subject(still.site, f"{still.sentence[:1].lower()}{still.sentence[1:]}"),
        (
            f"{still.sentence}.",
            "The roster is as it was then: people who came or left since are not in it.",
            _TO_DO[Topic.UNAPPLIED],
            Link("Recent synchronizations", site_page(base_url, still.site)),
        ),
    )


def lacking(site: str, files: Sequence[str], base_url: str, *, is_out_of_step: bool) -> Message:
    """Return the message that the roster lacks changes from deltas, and how to get them."""
    listed = ", ".join(f"{file}.csv" for file in files)
    if is_out_of_step:
        subject = "the roster is out of step with the SIS"
        why = (
            f"Out of step: deltas of {listed} were lost or could not be applied for too long, so "
            "that the roster may lack changes. Whatever a delta removes is held until then."
        )
    else:
        subject = "the roster lacks changes that were discarded"
        why = f"The roster lacks changes of {listed}, because a person discarded a delta."
    return Message(
        _subject(site, subject),
        (
            why,
            f"What to do: ask the SIS for a bulk file of {listed}, and sync it.",
            Link("Recent synchronizations", site_page(base_url, site)),
        ),
    )


def digest(week: Week, base_url: str) -> Message:
    """Return the message with the weekly digest and the next syncs."""
    ran = sum(week.outcomes.values())
    lines = [
        f"{_ENDED.get(outcome, outcome)}: {number:,}"
        for outcome in Outcome
        if (number := week.outcomes.get(outcome, 0))
    ]
    waits = _counted(len(week.waiting), "plan") if week.waiting else "nothing"
    return Message(
        _subject(week.site, f"the week of {week.first_on:%Y-%m-%d} to {week.last_on:%Y-%m-%d}"),
        (
            f"{_counted(ran, 'sync')} ran." if ran else "No sync ran.",
            *([Points(tuple(lines))] if lines else []),
            f"Changed: {what_changes(week.changes)}.",
            f"Rows with errors in the newest of them: {week.errors:,}.",
            f"Waiting for a decision: {waits}.",
            *(
                Link(f"The plan of {_moment(run.started_at)}", run_page(base_url, run.run_id))
                for run in week.waiting
            ),
            week.fresh.to_text(),
            f"Next, while the sync is enabled: {week.next_syncs}.",
            Link("Recent synchronizations", site_page(base_url, week.site)),
        ),
    )


def trial(chosen: Preferences, base_url: str, *, now: dt.datetime) -> Message:
    """Return a test message, which shows that messages arrive."""
    return Message(
        _subject(chosen.site, "a test message"),
        (
            "This is a test: messages about this site arrive here. There is nothing to do.",
            f"Topics: {', '.join(chosen.notices.topics) or 'nothing'}.",
            f"Schedule: {format_schedule(chosen)}. Next sync: {format_next(chosen, now, 1)}.",
            Link("Preferences", site_page(base_url, chosen.site, "/preferences")),
        ),
    )


def _subject(site: str, what: str) -> str:
    return f"OneRoster {site}: {what}"


def _which(run: Run) -> str:
    how = _STARTED_BY[run.trigger]
    if run.undoes:
        how = "an undo"
    elif run.removals_of:
        how = "a run of pending removals"
    return f"{how} of {_moment(run.started_at)}"


def _mended(causes: Sequence[dict[str, Any]]) -> Points:
    """Format the causes to fix, in the order in which to fix them."""
    lines = [_cause(cause) for cause in causes[:_CAUSES]]
    if len(causes) > _CAUSES:
        lines.append(f"and {_counted(len(causes) - _CAUSES, 'more cause', 'more causes')}")
    return Points(tuple(lines))


def _cause(cause: dict[str, Any]) -> str:
    """Format a cause as one line, without text from the package."""
    place = [name for name in _names(cause["file"]) if name in FILES]
    place += [name for name in _names(cause["column"]) if place and name in _COLUMNS]
    text = " ".join(filter(None, (cause["meaning"], cause["hint"])))
    return f"{', '.join((*place, _counted(cause['affected'], 'row')))}: {text} ({cause['code']})"


def _names(listed: str | None) -> list[str]:
    return listed.split(", ") if listed else []


def _counted(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _moment(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def to_mend(causes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the causes to fix, in order, without those that follow from another cause.

    Return warnings only if there are no errors: with the profile strict, a package can be rejected
    because of warnings.
    """
    own = [cause for cause in causes if cause["follows"] is None]
    return [cause for cause in own if cause["severity"] == "error"] or own
