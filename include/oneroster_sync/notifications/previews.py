"""Previews: the messages of a topic as they would be sent, to those who choose the topics.

A preview is made from the newest run, or the state of the site, that would cause the message. If
there is none it is made from an example, and says so. The templates are those that are sent.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.findings import CODES
from oneroster_sync.notifications import templates
from oneroster_sync.notifications.freshness import Freshness, freshness
from oneroster_sync.notifications.letterhead import Letterhead
from oneroster_sync.notifications.overdue import Overdue, find_overdue
from oneroster_sync.notifications.weekly_digest import Week, errors_of, week_before
from oneroster_sync.roster.protections import Protection
from oneroster_sync.roster.stale_protection import StaleCause, list_stale
from oneroster_sync.runs import Outcome, Run, Trigger, make_runs, run_details, select_runs
from oneroster_sync.runs.holds import Hold
from oneroster_sync.runs.pending_deltas import State, of_site, out_of_step
from oneroster_sync.runs.standstill import find_standstill, make_standstill
from oneroster_sync.sites import maintenance, preferences_store
from oneroster_sync.sites.preferences import Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from oneroster_sync.notifications.message import Message
    from oneroster_sync.sites.preferences import Preferences

_NO_RUN = "00000000-0000-0000-0000-000000000000"
"""Run in the links of examples: its page says that the run does not exist."""
_WAS_HELD = "(outcome = 'held' or expires_at is not null)"
_HAD_ERRORS = """
outcome in ('succeeded', 'succeeded_with_errors', 'no_changes') and :errors_from <= coalesce((
    select sum((kind.value ->> 'errors')::bigint) from json_each(counts) kind), 0)
"""
# No index has these conditions: a site without such a run would read all of its runs.
_RECENT = 500
"""Number of a site's newest runs in which a run of a kind is looked for."""
_HELD_COUNTS = {
    "users": {"added": 3, "updated": 11, "deactivated": 94, "errors": 0},
    "courses": {"added": 0, "removed": 0, "errors": 0},
    "assignments": {"added": 4, "removed": 188, "errors": 0},
}


@dataclass(frozen=True, slots=True)
class Preview:
    """A message as it would be sent.

    Attributes:
        label: What the message is about, within its topic.
        message: The message.
        run_id: The run from which it was made; None for the site as a whole, and for an example.
        is_example: Whether its numbers are invented, because the site has no such case.
    """

    label: str
    message: Message
    run_id: str | None
    is_example: bool


def list_previews(
    connection: Connection, site: str, topic: Topic, *, base_url: str, now: dt.datetime
) -> list[Preview]:
    """Return the messages of a topic as they would be sent.

    Args:
        connection: To the roster database.
        site: The site.
        topic: The topic.
        base_url: Public base URL of Airflow.
        now: The time, in aware UTC.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    chosen = preferences_store.load(connection, site)
    head = Letterhead.load(connection, site, base_url=base_url)
    return list(_Maker(connection, chosen, head, now).of_topic(topic))


@dataclass(frozen=True, slots=True)
class _Maker:
    connection: Connection
    chosen: Preferences
    head: Letterhead
    now: dt.datetime

    def of_topic(self, topic: Topic) -> Iterator[Preview]:
        match topic:
            case Topic.HELD:
                yield self._of_run("A held plan", _WAS_HELD, self._held, _as_it_was_held)
            case Topic.FAILED:
                yield self._of_run(
                    "A failed run", "outcome = 'failed'", self._failed, templates.failed
                )
                yield self._example(
                    "A run without a record",
                    templates.unrecorded(
                        (
                            "oneroster_sync__" + self.head.site,
                            "scheduled__2026-11-30T02:00:00+00:00",
                        ),
                        None,
                        self.head,
                    ),
                )
                yield self._overdue()
                yield self._example(
                    "A DAG file with an error",
                    templates.unreadable_file("/opt/airflow/dags/oneroster.py", 3, self.head),
                )
            case Topic.REJECTED:
                yield self._of_run(
                    "A rejected package",
                    "outcome = 'rejected'",
                    lambda: self._run(Outcome.REJECTED),
                    lambda run, head: templates.rejected(
                        run, self._causes(run, "schema.missing_header", rows=1), head
                    ),
                )
            case Topic.ERRORS:
                yield self._of_run(
                    "Rows with errors",
                    _HAD_ERRORS,
                    lambda: self._run(Outcome.SUCCEEDED_WITH_ERRORS, counts=self._with_errors()),
                    lambda run, head: templates.errors(
                        run,
                        self._causes(run, "row.invalid_email", rows=errors_of(run.counts)),
                        errors_of(run.counts),
                        head,
                    ),
                )
                yield self._protected()
            case Topic.STALE:
                yield self._stale()
                yield from self._lacking()
            case Topic.UNAPPLIED:
                yield from self._unapplied()
            case Topic.DIGEST:
                yield self._digest()

    def _of_run(
        self,
        label: str,
        condition: str,
        example: Callable[[], Run],
        template: Callable[[Run, Letterhead], Message],
    ) -> Preview:
        """Return the message of the newest run that meets a condition, or of an example."""
        query = sa.text(
            f"{select_runs()} where {condition} and run_id in (select run_id from runs "  # noqa: S608
            "where site = :site and not is_preview order by started_at desc limit :recent) "
            "order by started_at desc limit 1"
        )
        bound = {
            "site": self.head.site,
            "recent": _RECENT,
            "errors_from": self.chosen.notices.errors_from,
        }
        for run in make_runs(self.connection.execute(query, bound).mappings()):
            return Preview(label, template(run, self.head), run.run_id, is_example=False)
        return self._example(label, template(example(), self.head))

    @staticmethod
    def _example(label: str, message: Message) -> Preview:
        return Preview(label, message, None, is_example=True)

    def _run(self, outcome: Outcome, **values: Any) -> Run:
        return Run.opened(
            run_id=_NO_RUN,
            site=self.head.site,
            trigger=Trigger.SCHEDULE,
            scope=self.chosen.scope,
            preferences=self.chosen,
            started_at=self.now.replace(hour=2, minute=0, second=0, microsecond=0),
            outcome=outcome,
            **values,
        )

    def _held(self) -> Run:
        limit = self.chosen.guards.users
        words = f"less than {limit.percent:g} % or fewer than {limit.minimum}"
        hold = Hold("guard.removals", "users", 94, 300, words)
        return self._run(
            Outcome.HELD,
            reasons=(hold.to_text(),),
            holds=(hold.as_dict(),),
            counts=_HELD_COUNTS,
            expires_at=self.now + dt.timedelta(hours=self.chosen.approval_hours),
        )

    def _failed(self) -> Run:
        return self._run(Outcome.FAILED, reasons=(CODES["source.unreachable"].meaning,))

    def _causes(self, run: Run, code: str, *, rows: int) -> list[dict[str, Any]]:
        """Return the causes of a run, or one invented cause for an example."""
        if run.run_id != _NO_RUN:
            return templates.list_to_fix(run_details.causes(self.connection, run.run_id))
        words = {"meaning": CODES[code].meaning, "hint": CODES[code].hint, "code": code}
        column = "familyName" if rows == 1 else "email"
        return [{**words, "file": "users.csv", "column": column, "affected": rows}]

    def _with_errors(self) -> dict[str, dict[str, int]]:
        return {"users": {"added": 0, "errors": self.chosen.notices.errors_from}}

    def _overdue(self) -> Preview:
        label = "A sync that is not done in time"
        late = find_overdue(self.connection, self.chosen, now=self.now)
        if late is not None:
            return Preview(label, templates.overdue(late, self.head), None, is_example=False)
        due = self.now.replace(
            hour=self.chosen.time_utc.hour, minute=self.chosen.time_utc.minute, second=0
        )
        late = Overdue(due, due + dt.timedelta(hours=self.chosen.done_within_hours or 3))
        return self._example(label, templates.overdue(late, self.head))

    def _protected(self) -> Preview:
        label = "Records protected by rows with errors"
        found = [c for c in list_stale(self.connection, self.head.site) if not c.is_released]
        if found:
            return Preview(label, templates.protected(found, self.head), None, is_example=False)
        age = self.chosen.stale_protection_runs
        code, now = "row.invalid_email", self.now
        one = Protection("user", "", "", "users", code, "email", now, _NO_RUN, age, None, None)
        cause = StaleCause(
            "", "users.csv", "row.invalid_email", "email", age, (one, one), is_released=False
        )
        return self._example(label, templates.protected([cause], self.head))

    def _stale(self) -> Preview:
        label = "No new export"
        found = freshness(self.connection, self.head.site, now=self.now)
        if found.is_stale:
            return Preview(label, templates.stale(found, self.head), None, is_example=False)
        days = self.chosen.stale_after_days or 7
        since = self.now - dt.timedelta(days=days)
        example = Freshness(
            self.head.site, since, None, since, days, days - 1, 0, days, is_stale=True
        )
        return self._example(label, templates.stale(example, self.head))

    def _lacking(self) -> Iterator[Preview]:
        lost = {one.file for one in out_of_step(self.connection, self.head.site)}
        dropped = {one.file for one in of_site(self.connection, self.head.site, State.DISCARDED)}
        for label, files, is_out in (
            ("Out of step with deltas", lost, True),
            ("Discarded deltas", dropped, False),
        ):
            message = templates.lacking(
                sorted(files) or ["enrollments"], self.head, is_out_of_step=is_out
            )
            yield Preview(label, message, None, is_example=not files)

    def _unapplied(self) -> Iterator[Preview]:
        still = find_standstill(self.connection, self.head.site, now=self.now)
        is_example = still.level is None
        if is_example:
            since = self.now - dt.timedelta(days=3)
            still = make_standstill(self.head.site, None, since, 3, now=self.now)
        message = templates.unapplied(still, self.head)
        yield Preview("No changes applied", message, None, is_example=is_example)
        stopped = maintenance.find(self.connection)
        message = templates.stopped(stopped or maintenance.Maintenance(self.now, "", ""), self.head)
        yield Preview("A maintenance", message, None, is_example=stopped is None)

    def _digest(self) -> Preview:
        label = "The week"
        week = week_before(self.connection, self.head.site, now=self.now)
        if week.outcomes:
            return Preview(label, templates.digest(week, self.head), None, is_example=False)
        return self._example(label, templates.digest(self._invented(week), self.head))

    def _invented(self, week: Week) -> Week:
        return Week(
            site=week.site,
            first_on=week.first_on,
            last_on=week.last_on,
            outcomes={Outcome.SUCCEEDED: 3, Outcome.NO_CHANGES: 2},
            changes={"users": {"added": 4, "updated": 19}, "assignments": {"added": 12}},
            errors=0,
            waiting=(),
            next_syncs=week.next_syncs,
            fresh=week.fresh,
        )


def _as_it_was_held(run: Run, head: Letterhead) -> Message:
    """Return the message of a held plan without what was added to its reasons since."""
    if run.outcome is not Outcome.HELD and run.holds:
        run = replace(run, reasons=tuple(hold["text"] for hold in run.holds))
    return templates.held(run, head)
