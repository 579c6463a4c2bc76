"""Held runs that end without a person's decision: superseded or expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from oneroster_sync import runs
from oneroster_sync.runs import Outcome
from oneroster_sync.sites import preferences_store

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run

NOBODY = "OneRoster"
"""The actor in the audit when a plan expires without a decision."""


def newer_plan(by: Run) -> str:
    """Return the reason of a held plan that a newer package's plan supersedes."""
    return f"{by.named()} made a newer plan"


def moved_roster(by: Run | None) -> str:
    """Return the reason of a plan that a change of the roster supersedes; `by` may be unknown."""
    return f"{by.named() if by else 'another run'} changed the roster first"


def list_held(connection: Connection, site: str) -> list[Run]:
    """Return the held runs of a site, oldest first, and lock their records."""
    query = f"{runs.select_runs()} where site = :site and outcome = 'held' "
    # Ordered, so that two callers lock the same runs in one order.
    query += "order by started_at, run_id for update"
    return runs.make_runs(connection.execute(sa.text(query), {"site": site}).mappings())


def list_expired(connection: Connection, now: dt.datetime) -> list[str]:
    """Return the ids of the held runs of all sites whose time for a decision is over."""
    query = "select run_id from runs where outcome = 'held' and decision is null "
    query += "and expires_at <= :now order by expires_at, run_id"
    return [str(run_id) for run_id in connection.scalars(sa.text(query), {"now": now})]


def is_expired(run: Run, now: dt.datetime) -> bool:
    """Return whether a run is held without a decision and its time is over."""
    waits = run.outcome is Outcome.HELD and run.decision is None
    return waits and run.expires_at is not None and run.expires_at <= now


def discard_expired(connection: Connection, run: Run, *, now: dt.datetime) -> Run:
    """Discard a run whose time for a decision is over, record it in the audit, and return it."""
    hours = run.preferences.approval_hours
    reason = f"nobody decided within {hours} {'hour' if hours == 1 else 'hours'}"
    _end(connection, run, Outcome.DISCARDED, reason, now)
    details = {"run_id": run.run_id, "plan_hash": run.plan_hash, "reason": reason}
    preferences_store.note_event(connection, run.site, NOBODY, "plan_expired", details, now=now)
    return runs.get(connection, run.run_id)


def supersede(connection: Connection, run: Run, reason: str, *, now: dt.datetime) -> None:
    """End a held run as superseded; the reason names the other run."""
    _end(connection, run, Outcome.SUPERSEDED, reason, now)


def _end(connection: Connection, run: Run, outcome: Outcome, reason: str, now: dt.datetime) -> None:
    """End a held run, and keep the numbers of its holds."""
    reasons = [reason, *run.holds]
    runs.update(connection, run.run_id, outcome=outcome, reasons=reasons, ended_at=now)
