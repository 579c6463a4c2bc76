"""Rules: which notifications a run or a site causes, and which were sent already.

A notification has a topic and a cause. It is sent once for each cause, and sent again only as this
table says:

| topic    | cause                               | sent again                                   |
|----------|-------------------------------------|----------------------------------------------|
| held     | the plan's hash                     | never                                        |
| failed   | the reason, without ids and numbers | after a run that went well                   |
| failed   | a scheduled sync missed its         | never                                        |
|          | deadline                            |                                              |
| failed   | a DAG run ended unrecorded, or the  | after a run that went well                   |
|          | DAG file can't be read              |                                              |
| rejected | the codes of the causes             | after a run that went well                   |
| errors   | codes, files and columns of the     | after a run of the same files with fewer     |
|          | causes, and the power of ten of the | errors than the limit                        |
|          | number of rows                      |                                              |
| errors   | stale protection                    | after a week, while there is any             |
| unapplied| the last sync that was applied      | after a week                                 |
| unapplied| a maintenance stops the syncs of    | after a week                                 |
|          | all sites                           |                                              |
| stale    | when the newest package came;       | after a week                                 |
|          | the files with lost deltas          |                                              |
| digest   | the week                            | never                                        |
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from oneroster_sync import database
from oneroster_sync.notifications import sent, templates
from oneroster_sync.notifications.freshness import freshness
from oneroster_sync.notifications.letterhead import Letterhead
from oneroster_sync.notifications.overdue import find_overdue
from oneroster_sync.notifications.weekly_digest import WAITING, errors_of, week_before
from oneroster_sync.roster.stale_protection import list_stale
from oneroster_sync.runs import Outcome, pending_deltas, run_details
from oneroster_sync.runs.standstill import find_standstill
from oneroster_sync.sites import maintenance, preferences_store
from oneroster_sync.sites.preferences import Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from oneroster_sync.notifications.message import Message
    from oneroster_sync.runs import Run
    from oneroster_sync.sites.preferences import Notices

_STALE_AGAIN = dt.timedelta(days=7)
_PROTECTED = "stale protection"
_UNRECORDED, _NOT_BEGUN = "the run was not recorded", "the run did not begin"
_DAG_FILE, _LATE, _STOPPED = "the DAG file", "late: ", "maintenance since "
# Quoted texts, paths and addresses, ids of runs and other hexadecimal ids, and numbers differ from
# one run to the next while the reason is the same.
_VARIABLE = re.compile(
    r"""'[^']*'|"[^"]*"|(?<![^\s/\\@'"])[^\s/\\@]*[/\\@]\S*"""
    r"|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8,}\b|\d+"
)
_SUCCESSFUL = {Outcome.SUCCEEDED, Outcome.SUCCEEDED_WITH_ERRORS, Outcome.NO_CHANGES}


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification to send.

    Attributes:
        site: The site.
        topic: The topic.
        cause: Key that distinguishes notifications of a topic; not shown to people.
        run_id: The run that caused the notification; None for the site as a whole.
        message: The message.
        errors_from: The site's setting: notify from this number of rows with errors on.
    """

    site: str
    topic: Topic
    cause: str
    run_id: str | None
    message: Message
    errors_from: int


class Delivery(StrEnum):
    """What happened to a notification."""

    SENT = "sent"
    """At least one channel worked; the notification is recorded."""
    KNOWN = "known"
    """The notification was sent before, or another process is sending it."""
    UNSENT = "unsent"
    """No channel worked; it is tried again at the next occasion."""


def of_run(connection: Connection, run: Run, *, base_url: str) -> Notice | None:
    """Return the notification that the current state of a run causes, or None.

    Args:
        connection: To the roster database; the run's causes must be stored.
        run: A run that is held without a decision, or has ended.
        base_url: Public base URL of Airflow.
    """
    chosen = preferences_store.load(connection, run.site).notices
    topic = _topic(run, chosen)
    if topic is None or topic not in chosen.topics:
        return None
    head = Letterhead.load(connection, run.site, base_url=base_url)
    listed = templates.list_to_fix(run_details.causes(connection, run.run_id))
    codes = " ".join(sorted({cause["code"] for cause in listed}))
    rows = errors_of(run.counts)
    match topic:
        case Topic.HELD:
            cause, message = run.plan_hash or run.run_id, templates.held(run, head)
        case Topic.FAILED:
            reason = run.reasons[0] if run.reasons else ""
            cause, message = _VARIABLE.sub("#", reason), templates.failed(run, head)
        case Topic.REJECTED:
            cause, message = codes, templates.rejected(run, listed, head)
        case _:
            # The power of ten: a number of errors that only varies is no new cause, ten times as
            # many is.
            tens = len(str(rows // chosen.errors_from))
            cause = f"{_fingerprint(listed)} {tens}"
            message = templates.errors(run, listed, rows, head)
    return Notice(run.site, topic, cause, run.run_id, message, chosen.errors_from)


def of_dag_run(
    connection: Connection, site: str, dag_run: tuple[str, str], run: Run | None, *, base_url: str
) -> Notice | None:
    """Return the notification for a DAG run that failed before its run was recorded, or None.

    Args:
        connection: To the roster database.
        site: The site.
        dag_run: The ids of the DAG and of the DAG run.
        run: The record of the run; None if the run has not begun.
        base_url: Public base URL of Airflow.
    """
    chosen = preferences_store.load(connection, site).notices
    if Topic.FAILED not in chosen.topics:
        return None
    head = Letterhead.load(connection, site, base_url=base_url)
    message = templates.unrecorded(dag_run, run, head)
    cause = _UNRECORDED if run else _NOT_BEGUN
    return Notice(
        site, Topic.FAILED, cause, run.run_id if run else None, message, chosen.errors_from
    )


def of_dag_file(
    connection: Connection, site: str, filename: str, sites: Sequence[str], *, base_url: str
) -> Notice | None:
    """Return the notification that Airflow can't read the DAG file, or None if the topic is off.

    Args:
        connection: To the roster database.
        site: The site whose people are notified.
        filename: Path of the file.
        sites: All sites of the file.
        base_url: Public base URL of Airflow.
    """
    chosen = preferences_store.load(connection, site).notices
    if Topic.FAILED not in chosen.topics:
        return None
    head = Letterhead.load(connection, site, base_url=base_url)
    message = templates.unreadable_file(filename, len(sites), head)
    return Notice(site, Topic.FAILED, _DAG_FILE, None, message, chosen.errors_from)


def _fingerprint(causes: Sequence[Mapping[str, Any]]) -> str:
    """Return a hash of the codes, files and columns of causes, without numbers and targets.

    The records to which rows refer in vain change every night, and are no new cause.
    """
    places = {(cause["code"], cause["file"] or "", cause["column"] or "") for cause in causes}
    return hashlib.sha256(repr(sorted(places)).encode()).hexdigest()[:16]


def of_site(connection: Connection, site: str, *, base_url: str, now: dt.datetime) -> list[Notice]:
    """Return the notifications that a site causes on a day, such as staleness or the digest.

    The notifications of the newest run and of held plans are included, so that one which could not
    be sent before is tried again.

    Args:
        connection: To the roster database.
        site: The site.
        base_url: Public base URL of Airflow.
        now: The time, in aware UTC.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    preferences = preferences_store.load(connection, site)
    chosen = preferences.notices
    head = Letterhead.load(connection, site, base_url=base_url)
    newest = sent.newest_ended(connection, site, now=now)
    waiting = sent.waiting(connection, site, now=now, limit=WAITING)
    found = [of_run(connection, run, base_url=base_url) for run in (*waiting, newest) if run]
    fresh = freshness(connection, site, now=now)
    if fresh.is_stale and Topic.STALE in chosen.topics:
        cause, message = fresh.since.isoformat(), templates.stale(fresh, head)
        found.append(Notice(site, Topic.STALE, cause, None, message, chosen.errors_from))
    still = find_standstill(connection, site, now=now)
    if still.level and Topic.UNAPPLIED in chosen.topics:
        cause, message = still.run_id or "never", templates.unapplied(still, head)
        found.append(Notice(site, Topic.UNAPPLIED, cause, None, message, chosen.errors_from))
    stopped = maintenance.find(connection)
    if stopped is not None and Topic.UNAPPLIED in chosen.topics:
        cause = f"{_STOPPED}{stopped.since.astimezone(dt.UTC):%Y-%m-%d %H:%M}"
        message = templates.stopped(stopped, head)
        found.append(Notice(site, Topic.UNAPPLIED, cause, None, message, chosen.errors_from))
    late = find_overdue(connection, preferences, now=now)
    if late is not None and Topic.FAILED in chosen.topics:
        message = templates.overdue(late, head)
        cause = f"{_LATE}{late.key()}"
        found.append(Notice(site, Topic.FAILED, cause, None, message, chosen.errors_from))
    stale = list_stale(connection, site) if Topic.ERRORS in chosen.topics else []
    if waiting_for_release := [cause for cause in stale if not cause.is_released]:
        message = templates.protected(waiting_for_release, head)
        notice = Notice(site, Topic.ERRORS, _PROTECTED, None, message, chosen.errors_from)
        found.append(notice)
    lost = pending_deltas.out_of_step(connection, site)
    discarded = pending_deltas.of_site(connection, site, pending_deltas.State.DISCARDED)
    if (lost or discarded) and Topic.STALE in chosen.topics:
        files = sorted({*(one.file for one in lost), *(one.file for one in discarded)})
        message = templates.lacking(files, head, is_out_of_step=bool(lost))
        cause = " ".join([*files, "out of step" if lost else "discarded"])
        found.append(Notice(site, Topic.STALE, cause, None, message, chosen.errors_from))
    if Topic.DIGEST in chosen.topics:
        week = week_before(connection, site, now=now)
        cause, message = f"{week.first_on}", templates.digest(week, head)
        found.append(Notice(site, Topic.DIGEST, cause, None, message, chosen.errors_from))
    return [notice for notice in found if notice]


def of_trial(connection: Connection, site: str, *, base_url: str, now: dt.datetime) -> Message:
    """Return a site's test message.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    head = Letterhead.load(connection, site, base_url=base_url)
    return templates.trial(preferences_store.load(connection, site), head, now=now)


def send_once(notice: Notice, send: Callable[[Message], int], *, now: dt.datetime) -> Delivery:
    """Send a notification, unless it was sent before, and record it if a channel worked.

    Only one process at a time sends a notification for a cause. If the process dies after sending
    and before the commit, there is no record: the notification is then sent twice, which is better
    than never.

    Args:
        notice: The notification.
        send: Sends a message and returns the number of channels that worked.
        now: The time, in aware UTC.
    """
    site, topic, cause = notice.site, notice.topic, notice.cause
    with database.engine().begin() as connection:
        if not sent.claim(connection, site, topic, cause) or _is_known(connection, notice, now):
            return Delivery.KNOWN
        ways = send(notice.message)
        if not ways:
            return Delivery.UNSENT
        sent.note(connection, site, topic, cause, run_id=notice.run_id, ways=ways, now=now)
        return Delivery.SENT


def _topic(run: Run, chosen: Notices) -> Topic | None:
    if run.is_preview:
        return None  # the person who asked for the preview looks at its page
    if run.outcome is Outcome.HELD and run.decision is None:
        return Topic.HELD
    if run.outcome in _SUCCESSFUL and errors_of(run.counts) >= chosen.errors_from:
        return Topic.ERRORS
    if run.outcome is Outcome.FAILED:
        return Topic.FAILED
    return Topic.REJECTED if run.outcome is Outcome.REJECTED else None


def _is_known(connection: Connection, notice: Notice, now: dt.datetime) -> bool:
    """Return whether the notification was sent, and the table above does not ask to repeat it."""
    at = sent.find_sent_at(connection, notice.site, notice.topic, notice.cause)
    if at is None:
        return False
    # Days are compared, not times: the watch may run some seconds earlier than a week ago.
    if notice.cause == _PROTECTED:
        return now.date() - at.astimezone(dt.UTC).date() < _STALE_AGAIN
    if notice.cause.startswith(_LATE):
        return True
    match notice.topic:
        case Topic.HELD | Topic.DIGEST:
            return True
        case Topic.STALE | Topic.UNAPPLIED:
            return now.date() - at.astimezone(dt.UTC).date() < _STALE_AGAIN
        case Topic.ERRORS if notice.run_id is not None:
            good = sent.find_fixed_at(connection, notice.run_id, errors_below=notice.errors_from)
        case _:
            good = sent.find_last_success(connection, notice.site)
    return good is None or good < at
