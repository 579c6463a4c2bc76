"""Run a wave: many sites due at the same minute, and an upload during it."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.scale.production import FIRST
from benchmarks.scale.waiting import GRACE_S, SiteRun, TaskRun, Upload, Wave
from benchmarks.timing.services import Watch
from live import wait_for
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from benchmarks.scale.production import House

_LOOK_S = 1.0
_SETTLED_S = 120
"""Seconds after the grace period in which a DAG run may still be created."""
_DUE_IN_S = 120
_BEFORE_S = 5
"""Seconds before the slot from which services are watched."""
_SAVED_S = 600
_STATES = """
select count(*), count(*) filter (where state in ('success', 'failed')) from dag_run
where run_type = 'scheduled' and logical_date = %s
"""
# `_` stands for any character in LIKE, so it is escaped; psycopg takes a single % for a parameter.
_DAG_RUNS = """
select dag_id, run_id, logical_date, state, start_date, end_date from dag_run
where run_type = 'scheduled' and dag_id like 'oneroster_sync\\_\\_%%' and queued_at >= %s
order by queued_at
"""
_TASKS = """
select t.dag_id, t.run_id, t.task_id, t.start_date, t.end_date, t.try_number from task_instance t
join dag_run r on r.dag_id = t.dag_id and r.run_id = t.run_id
where r.run_type = 'scheduled' and r.dag_id like 'oneroster_sync\\_\\_%%' and r.queued_at >= %s
and t.start_date is not null and t.state <> 'skipped'
"""
_RECORDS = """
select site, outcome from runs where trigger = 'schedule' and started_at >= %s
"""
_FIRST_ENDED = """
select 1 from task_instance t join dag_run r on r.dag_id = t.dag_id and r.run_id = t.run_id
where r.run_type = 'scheduled' and r.logical_date = %s and t.task_id = 'extract'
and t.state = 'success' limit 1
"""
_WAITING = """
select count(*) from task_instance
where dag_id like 'oneroster_sync\\_\\_%%' and state in ('scheduled', 'queued')
"""
_UPLOADED = """
select start_date, end_date, priority_weight, task_id from task_instance
where dag_id = %s and run_id = %s and start_date is not null and state <> 'skipped'
order by start_date
"""
_UPLOAD_RUN = "select end_date from dag_run where dag_id = %s and run_id = %s"
_OUTCOME = "select outcome from runs where run_id::text = %s"


@dataclass(slots=True)
class _Amid:
    """An upload in progress: the request, and the tasks that waited then."""

    asked_at: dt.datetime
    answered_s: float
    ahead: int
    started: dict[str, Any] = field(default_factory=dict)


def send(house: House, count: int, *, name: str, day: int, weights: str, hours: float) -> Wave:
    """Make all sites due at one minute, and wait until their runs have ended.

    The sites exist, and their syncs are enabled.

    Args:
        house: The running production.
        count: Number of sites.
        name: Name of the wave.
        day: Day of the packages at the sources.
        weights: Description of the uploads' priority.
        hours: Time limit in hours, after which only ended runs count.
    """
    house.copy_packages(count, day)
    slot = _save(house, count)
    before = house.airflow_mib()
    _sleep_until(slot - dt.timedelta(seconds=_BEFORE_S))
    watch = Watch(house.services(), house.database)
    since = slot - dt.timedelta(minutes=1)
    with watch.sample():
        # The other day's package, so that the upload has changes to apply.
        amid = _wait(house, count, slot, upload_day=3 - day, hours=hours)
        upload = _ended(house, slot, amid) if amid else None
    tasks = house.airflow(_TASKS, since)
    return Wave(
        name=name,
        weights=weights,
        runs=_site_runs(house, count, slot, since, tasks),
        tasks=[
            TaskRun(task, _after(slot, began), _after(slot, ended))
            for _, _, task, began, ended, _ in tasks
            if ended is not None
        ],
        tried_again=sum(tries > 1 for *_, tries in tasks),
        upload=upload,
        services=watch.used,
        connections=watch.connections,
        airflow_mib=(before, house.airflow_mib()),
    )


def _save(house: House, count: int) -> dt.datetime:
    """Save a schedule some minutes ahead for all sites, and wait until Airflow knows it."""
    ahead = _DUE_IN_S
    while ahead < _SAVED_S:
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead)
        slot = soon.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
        house.apply(count, slot)
        while dt.datetime.now(dt.UTC) < slot - dt.timedelta(seconds=_BEFORE_S):
            if house.is_due(count, slot):
                return slot
            time.sleep(_LOOK_S)
        ahead *= 2
    raise SystemExit(f"Airflow did not read the schedules of {count} sites within minutes.")


def _wait(
    house: House, count: int, slot: dt.datetime, *, upload_day: int, hours: float
) -> _Amid | None:
    """Wait until all runs of the slot have ended; upload when the first one is running."""
    amid = None
    settled = slot + dt.timedelta(seconds=GRACE_S + _SETTLED_S)
    given_up = slot + dt.timedelta(hours=hours)
    while (now := dt.datetime.now(dt.UTC)) < given_up:
        ((made, ended),) = house.airflow(_STATES, slot)
        if amid is None and house.airflow(_FIRST_ENDED, slot):
            amid = _upload(house, upload_day)
        if made == ended and (made == count or now > settled):
            break
        time.sleep(_LOOK_S)
    return amid


def _upload(house: House, day: int) -> _Amid:
    ((ahead,),) = house.airflow(_WAITING)
    asked_at, began = dt.datetime.now(dt.UTC), time.perf_counter()
    started = house.upload(day)
    return _Amid(asked_at, time.perf_counter() - began, ahead, started)


def _ended(house: House, slot: dt.datetime, amid: _Amid) -> Upload:
    """Wait until the upload has ended, and return its times."""
    named = (amid.started["dag_id"], amid.started["dag_run_id"])

    def has_ended() -> dt.datetime | None:
        ((at,),) = house.airflow(_UPLOAD_RUN, *named)
        ended: dt.datetime | None = at
        return ended

    ended_at = wait_for(has_ended, within_s=3_600)
    tasks = house.airflow(_UPLOADED, *named)
    ((outcome,),) = house.there.live.rows(_OUTCOME, amid.started["run_id"])
    began = next((task[0] for task in tasks if task[3] == "extract"), ended_at)
    return Upload(
        asked_s=_after(slot, amid.asked_at),
        weight=max(task[2] for task in tasks),
        ahead=amid.ahead,
        answered_s=amid.answered_s,
        extract_s=_after(amid.asked_at, began),
        ended_s=_after(amid.asked_at, ended_at),
        worked_s=sum((t[1] - t[0]).total_seconds() for t in tasks if t[1] is not None),
        outcome=outcome,
    )


def _site_runs(
    house: House, count: int, slot: dt.datetime, since: dt.datetime, tasks: list[tuple[Any, ...]]
) -> list[SiteRun]:
    """Return the result of each site, from both databases."""
    made: dict[str, list[tuple[Any, ...]]] = {}
    for row in house.airflow(_DAG_RUNS, since):
        made.setdefault(row[0], []).append(row)
    outcomes: dict[str, list[str | None]] = {}
    for site, outcome in house.there.live.rows(_RECORDS, since):
        outcomes.setdefault(site, []).append(outcome)
    extracts = {(t[0], t[1]): t[3] for t in tasks if t[2] == "extract"}
    found = []
    for site in house.sites(count):
        rows = made.get(dag_names.sync_dag_id(site), [])
        ended_as = outcomes.get(site, [])
        one = SiteRun(site, len(rows), len(ended_as), outcome=ended_as[0] if ended_as else None)
        with contextlib.suppress(StopIteration):
            dag_id, run_id, _, state, begun, ended = next(row for row in rows if row[2] == slot)
            one = SiteRun(
                site=site,
                dag_runs=len(rows),
                records=len(ended_as),
                state=state,
                outcome=one.outcome,
                begun_s=_maybe(slot, begun),
                extract_s=_maybe(slot, extracts.get((dag_id, run_id))),
                ended_s=_maybe(slot, ended),
            )
        found.append(one)
    assert FIRST not in house.sites(count)
    return found


def _sleep_until(moment: dt.datetime) -> None:
    time.sleep(max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds()))


def _after(slot: dt.datetime, moment: dt.datetime) -> float:
    return (moment - slot).total_seconds()


def _maybe(slot: dt.datetime, moment: dt.datetime | None) -> float | None:
    return None if moment is None else _after(slot, moment)
