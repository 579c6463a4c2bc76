"""Held runs that end without anybody's decision: something newer is there, or the time ran out."""

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
"""Who discards a plan when nobody decides."""


def newer_plan(by: Run) -> str:
    """Return why a held plan is superseded by the plan of a newer package."""
    return f"{by.named()} made a newer plan"


def moved_roster(by: Run | None) -> str:
    """Return why a plan is superseded by a run that changed the roster; None if it is not known."""
    return f"{by.named() if by else 'another run'} changed the roster first"


def list_held(connection: Connection, site: str) -> list[Run]:
    """Return the runs of a site whose plans are held, locked, the oldest first."""
    query = f"{runs.select_runs()} where site = :site and outcome = 'held' "
    query += "order by started_at, run_id for update"
    return runs.make_runs(connection.execute(sa.text(query), {"site": site}).mappings())


def list_expired(connection: Connection, now: dt.datetime) -> list[str]:
    """Return the ids of the runs of all sites that nobody decided in time."""
    query = "select run_id from runs where outcome = 'held' and decision is null "
    query += "and expires_at <= :now order by expires_at, run_id"
    return [str(run_id) for run_id in connection.scalars(sa.text(query), {"now": now})]


def is_expired(run: Run, now: dt.datetime) -> bool:
    """Tell whether a run waits for a decision and nobody decided in time."""
    waits = run.outcome is Outcome.HELD and run.decision is None
    return waits and run.expires_at is not None and run.expires_at <= now


def discard_expired(connection: Connection, run: Run, *, now: dt.datetime) -> Run:
    """End a run because nobody decided in time, and note it in the audit."""
    hours = run.preferences.approval_hours
    reason = f"nobody decided within {hours} {'hour' if hours == 1 else 'hours'}"
    _end(connection, run, Outcome.DISCARDED, reason, now)
    details = {"run_id": run.run_id, "plan_hash": run.plan_hash, "reason": reason}
    preferences_store.note_event(connection, run.site, NOBODY, "plan_expired", details, now=now)
    return runs.get(connection, run.run_id)


def supersede(connection: Connection, run: Run, reason: str, *, now: dt.datetime) -> None:
    """End a held run because of another one, which the reason names."""
    _end(connection, run, Outcome.SUPERSEDED, reason, now)


def _end(connection: Connection, run: Run, outcome: Outcome, reason: str, now: dt.datetime) -> None:
    """End a held run; the numbers that held it stay with it."""
    reasons = [reason, *run.holds]
    runs.update(connection, run.run_id, outcome=outcome, reasons=reasons, ended_at=now)
