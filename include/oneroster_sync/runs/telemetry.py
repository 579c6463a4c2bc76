"""Metrics and spans of runs, for OpenTelemetry.

They are off unless one of the standard variables `OTEL_EXPORTER_OTLP_…ENDPOINT` is set; then
`telemetry_export` sends them. While they are off, OpenTelemetry is not imported.

A run is a batch job, and each stage may be a process of its own. So a metric is the newest value of
a site and not the count of one process. Attributes name sites, files, codes and record types, and
never a person or a run.
"""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync import database
from oneroster_sync.standard.files import ALL_FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run
    from oneroster_sync.sites.thresholds import Limit

log = logging.getLogger("oneroster")

METRICS_TO = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
TRACES_TO = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
BOTH_TO = "OTEL_EXPORTER_OTLP_ENDPOINT"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: Name in OpenTelemetry.
        unit: Unit in UCUM.
        description: Meaning of the value.
        attributes: Names of the attributes.
        is_total: Whether the value only grows.
    """

    name: str
    unit: str
    description: str
    attributes: tuple[str, ...]
    is_total: bool = False


ROWS = Metric(
    "oneroster.run.rows",
    "{row}",
    "Rows of each file of the newest run's package, including those of students",
    ("site", "file"),
)
RECORDS = Metric(
    "oneroster.run.records",
    "{record}",
    "Changes of records that the newest run made, or would make",
    ("site", "record_type", "action"),
)
ROSTER = Metric(
    "oneroster.roster.records",
    "{record}",
    "Active records after the newest run that was applied",
    ("site", "record_type"),
)
FINDINGS = Metric(
    "oneroster.run.findings",
    "{finding}",
    "Findings of the newest run by code",
    ("site", "code", "severity"),
)
REMOVALS = Metric(
    "oneroster.plan.removals",
    "{record}",
    "Records that the newest plan removes",
    ("site", "record_type"),
)
REMOVALS_SHARE = Metric(
    "oneroster.plan.removals.share",
    "1",
    "These removals as a share of the active managed records",
    ("site", "record_type"),
)
THRESHOLD_SHARE = Metric(
    "oneroster.plan.removals.threshold.share",
    "1",
    "The share from which on removals are held",
    ("site", "record_type"),
)
THRESHOLD_RECORDS = Metric(
    "oneroster.plan.removals.threshold",
    "{record}",
    "The least number of removals for which the share counts",
    ("site", "record_type"),
)
HELD = Metric("oneroster.plans.held", "{plan}", "Plans that wait for a decision", ("site",))
PACKAGE_TIME = Metric(
    "oneroster.package.arrival.time",
    "s",
    "When the newest package was read for the first time, in seconds since 1970",
    ("site",),
)
RUN_TIME = Metric(
    "oneroster.run.end.time",
    "s",
    "When the newest run of each outcome ended, in seconds since 1970",
    ("site", "outcome"),
)
RUNS = Metric("oneroster.runs", "{run}", "Runs by outcome", ("site", "outcome"), is_total=True)
SECONDS = Metric(
    "oneroster.stage.duration",
    "s",
    "How long each stage of the newest run took",
    ("site", "stage", "outcome"),
)
METRICS = (
    *(ROWS, RECORDS, ROSTER, FINDINGS, REMOVALS, REMOVALS_SHARE, THRESHOLD_SHARE),
    *(THRESHOLD_RECORDS, HELD, PACKAGE_TIME, RUN_TIME, RUNS, SECONDS),
)

Value = tuple[Metric, float, dict[str, str]]
"""A metric, its value, and its attributes."""

_ENDED = """
select outcome, count(*) as number, extract(epoch from max(ended_at))::float8 as ended
from runs where site = :site and outcome is not null group by outcome
"""
_PACKAGE = """
select extract(epoch from min(started_at))::float8 as seen from runs
where site = :site and coalesce(sha256, '') <> '' and kind not in ('ids', 'links')
group by sha256 order by seen desc limit 1
"""
# A code of the previous run that this run does not have is sent as 0: otherwise a backend continues
# to show its last value.
_FINDINGS = """
with of_run as (
    select code, severity, count(*) as number from run_findings where run_id = :run_id
    group by code, severity),
earlier as (
    select distinct code, severity from run_findings where run_id = (
        select run_id from runs
        where site = :site and run_id <> :run_id and started_at <= :started_at
        order by started_at desc limit 1))
select code, severity, coalesce(of_run.number, 0) as number
from earlier full join of_run using (code, severity)
"""


def is_on() -> bool:
    """Return whether metrics or spans are sent."""
    return sends_metrics() or sends_spans()


def sends_metrics() -> bool:
    """Return whether metrics are sent."""
    return _is_sent(METRICS_TO, "OTEL_METRICS_EXPORTER")


def sends_spans() -> bool:
    """Return whether spans are sent."""
    return _is_sent(TRACES_TO, "OTEL_TRACES_EXPORTER")


def _is_sent(endpoint: str, exporter: str) -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    is_told = os.environ.get(endpoint) or os.environ.get(BOTH_TO)
    return bool(is_told) and os.environ.get(exporter) != "none"


@contextlib.contextmanager
def batch() -> Iterator[None]:
    """Send all metrics and spans of the block at its end, and not after each stage."""
    if not is_on():
        yield
        return
    from oneroster_sync.runs import telemetry_export

    with telemetry_export.exporter().batch():
        yield


def observe(stage: str, run: Run, work: Callable[[], Run]) -> Run:
    """Do the work of a stage, measure its duration, and make a span for it.

    Args:
        stage: Name of the stage.
        run: The run before the stage.
        work: Does the work, and returns the run after the stage.
    """
    if not is_on():
        return work()
    from oneroster_sync.runs import telemetry_export

    with telemetry_export.exporter().stage(stage, run) as observed:
        done = work()
        observed.outcome = done.outcome.value if done.outcome else "going on"
    return done


def record_run(run: Run, count_rows: Callable[[], Mapping[str, int]]) -> None:
    """Send the metrics and the span of a recorded run.

    Args:
        run: The record of a run that ended or is held.
        count_rows: Returns file → number of rows; empty if no package was read.
    """
    if is_on():
        _send(lambda: _measured(run, count_rows()), run)


def record_removals(site: str, numbers: Mapping[str, tuple[int, int, Limit, str]]) -> None:
    """Send the numbers of removals in a plan, and their thresholds.

    Args:
        site: The site.
        numbers: Record type → removals, active managed records, limit for removals, its text.
    """
    if sends_metrics():
        _send(lambda: list(_removals(site, numbers)))


def _send(measure: Callable[[], list[Value]], run: Run | None = None) -> None:
    """Measure and send; log all exceptions, because telemetry must not make a run fail."""
    from oneroster_sync.runs import telemetry_export

    try:
        exporter = telemetry_export.exporter()
        with exporter.batch():
            for metric, value, attributes in measure() if sends_metrics() else ():
                exporter.set_value(metric, value, attributes)
            if run is not None:
                exporter.end_run(run)
    except Exception as error:  # noqa: BLE001
        log.warning("The metrics of the run were not sent: %s.", type(error).__name__)


def _measured(run: Run, rows: Mapping[str, int]) -> list[Value]:
    with database.engine().connect() as connection:
        return list(measure_run(connection, run, rows))


def measure_run(connection: Connection, run: Run, rows: Mapping[str, int]) -> Iterator[Value]:
    """Yield the metrics of a run and of its site, at the time when the run is recorded."""
    yield from _measure_run(run, rows)
    bound = {"site": run.site, "run_id": run.run_id, "started_at": run.started_at}
    for row in connection.execute(sa.text(_FINDINGS), bound):
        yield FINDINGS, row.number, {"site": run.site, "code": row.code, "severity": row.severity}
    yield from _measure_site(connection, {"site": run.site})


def _measure_run(run: Run, rows: Mapping[str, int]) -> Iterator[Value]:
    site = {"site": run.site}
    for file, number in rows.items():
        if file in _FILES:  # any other name comes from a person
            yield ROWS, number, {**site, "file": file}
    for record_type, counts in (run.counts or {}).items():
        for action, number in counts.items():
            yield RECORDS, number, {**site, "record_type": record_type, "action": action}
    for record_type, number in (run.roster_counts or {}).items():
        yield ROSTER, number, {**site, "record_type": record_type}


def _measure_site(connection: Connection, site: dict[str, str]) -> Iterator[Value]:
    held = 0
    for row in connection.execute(sa.text(_ENDED), site):
        if row.outcome == "held":  # its outcome may still change, and a total must not fall
            held = row.number
            continue
        yield RUNS, row.number, {**site, "outcome": row.outcome}
        if row.ended is not None:
            yield RUN_TIME, row.ended, {**site, "outcome": row.outcome}
    yield HELD, held, site
    seen = connection.scalar(sa.text(_PACKAGE), site)
    if seen is not None:
        yield PACKAGE_TIME, seen, site


_FILES = frozenset().union(*ALL_FILES.values())


def _removals(site: str, numbers: Mapping[str, tuple[int, int, Limit, str]]) -> Iterator[Value]:
    for record_type, (found, of, limit, _) in numbers.items():
        attributes: dict[str, Any] = {"site": site, "record_type": record_type}
        yield REMOVALS, found, attributes
        yield REMOVALS_SHARE, found / of if of else 0.0, attributes
        yield THRESHOLD_SHARE, limit.percent / 100, attributes
        yield THRESHOLD_RECORDS, limit.minimum, attributes
