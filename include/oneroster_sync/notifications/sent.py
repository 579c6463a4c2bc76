"""Record of sent notifications, so that none is sent twice for one cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from oneroster_sync.runs import make_runs, select_runs

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run
    from oneroster_sync.sites.preferences import Topic

_LOCK = 72_620_172
# Tried, not waited for: the process with the lock is sending this notification now. The lock ends
# with the transaction, also if that process dies.
_CLAIM = "select pg_try_advisory_xact_lock(hashtextextended(:what, :lock))"
_TOLD_AT = """
select max(sent_at) from notices where site = :site and topic = :topic and cause = :cause
"""
_NOTE = """
insert into notices (site, topic, cause, run_id, sent_at, ways)
values (:site, :topic, :cause, cast(:run_id as uuid), :now, :ways)
"""
_GOOD_AT = """
select max(ended_at) from runs
where site = :site and outcome in ('succeeded', 'succeeded_with_errors', 'no_changes')
"""
# An upload of one file, a mapping, an undo or a delta has no errors because it does not contain the
# rows with errors. Only a run with the same files shows that these rows are fixed.
_MENDED_AT = """
select max(good.ended_at) from runs bad join runs good on good.site = bad.site
where bad.run_id = cast(:run_id as uuid)
  and good.outcome in ('succeeded', 'succeeded_with_errors', 'no_changes')
  and good.kind = bad.kind and good.undoes is null and good.removals_of is null
  and coalesce(good.bulk_in_plan, '[]')::jsonb @> coalesce(bad.bulk_in_plan, '[]')::jsonb
  and :errors_below > coalesce((
      select sum((kind.value ->> 'errors')::bigint) from json_each(good.counts) kind), 0)
"""
_WAITING = """
where site = :site and outcome = 'held' and decision is null and not is_preview
  and started_at <= :now and (expires_at is null or expires_at > :now)
order by started_at desc limit :limit
"""
_NEWEST = """
where site = :site and started_at <= :now and not is_preview and outcome in
    ('succeeded', 'succeeded_with_errors', 'no_changes', 'rejected', 'failed')
order by started_at desc limit 1
"""


def claim(connection: Connection, site: str, topic: Topic, cause: str) -> bool:
    """Lock a cause until the transaction ends; return False if another process has the lock."""
    bound = {"lock": _LOCK, "what": f"{site} {topic} {cause}"}
    return bool(connection.scalar(sa.text(_CLAIM), bound))


def find_sent_at(connection: Connection, site: str, topic: Topic, cause: str) -> dt.datetime | None:
    """Return when a notification for a cause was last sent, or None."""
    bound = {"site": site, "topic": topic.value, "cause": cause}
    found: dt.datetime | None = connection.scalar(sa.text(_TOLD_AT), bound)
    return found


def note(
    connection: Connection,
    site: str,
    topic: Topic,
    cause: str,
    *,
    run_id: str | None,
    ways: int,
    now: dt.datetime,
) -> None:
    """Record in the current transaction that a notification was sent, by how many channels."""
    bound = {
        "site": site,
        "topic": topic.value,
        "cause": cause,
        "run_id": run_id,
        "ways": ways,
        "now": now,
    }
    connection.execute(sa.text(_NOTE), bound)


def find_last_success(connection: Connection, site: str) -> dt.datetime | None:
    """Return when a successful run of the site last ended, or None."""
    found: dt.datetime | None = connection.scalar(sa.text(_GOOD_AT), {"site": site})
    return found


def find_fixed_at(connection: Connection, run_id: str, *, errors_below: int) -> dt.datetime | None:
    """Return when a successful run with the same files last had fewer errors, or None."""
    bound = {"run_id": run_id, "errors_below": errors_below}
    found: dt.datetime | None = connection.scalar(sa.text(_MENDED_AT), bound)
    return found


def waiting(connection: Connection, site: str, *, now: dt.datetime, limit: int) -> list[Run]:
    """Return at most `limit` runs that wait for a decision, newest first."""
    bound = {"site": site, "now": now, "limit": limit}
    return make_runs(connection.execute(sa.text(f"{select_runs()} {_WAITING}"), bound).mappings())


def newest_ended(connection: Connection, site: str, *, now: dt.datetime) -> Run | None:
    """Return the newest run that succeeded, failed or was rejected, or None."""
    bound = {"site": site, "now": now}
    found = make_runs(connection.execute(sa.text(f"{select_runs()} {_NEWEST}"), bound).mappings())
    return found[0] if found else None
