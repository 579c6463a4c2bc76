"""Send metrics and spans of runs by OpenTelemetry's exporters; `telemetry` imports it when needed.

The providers are our own and separate from those of Airflow. Each process makes them after its fork
and sends once for each stage or whole sync, without a thread that wakes up in between. All spans of
a run form one trace, from any process, because the id of the trace is the run's id.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import hashlib
import logging
import math
import os
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import trace
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from oneroster_sync import provider_info
from oneroster_sync.runs import telemetry

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator

    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter

    from oneroster_sync.runs import Run
    from oneroster_sync.runs.telemetry import Metric

log = logging.getLogger("oneroster")

SERVICE = "oneroster-sync"
WITHIN_S = 1.0
"""Timeout of an export in seconds, unless OTEL_EXPORTER_OTLP_TIMEOUT is set."""
AWAY_WITHIN_S = 0.1
"""How long a stage waits for a collector that did not answer in the last `AWAY_FOR_S`."""
AWAY_FOR_S = 60.0
_FLUSH_MS = 30_000
_OF_RUN: contextvars.ContextVar[tuple[int, int] | None] = contextvars.ContextVar(
    "oneroster_run_span", default=None
)


class _RunIds(RandomIdGenerator):
    """Give the span of a run fixed ids, because stages in other processes refer to them already."""

    def generate_trace_id(self) -> int:
        ids = _OF_RUN.get()
        return ids[0] if ids else super().generate_trace_id()

    def generate_span_id(self) -> int:
        ids = _OF_RUN.get()
        return ids[1] if ids else super().generate_span_id()


@dataclass(slots=True)
class Observed:
    """A stage at work.

    Attributes:
        outcome: Outcome of the stage, set at its end.
    """

    outcome: str = "failed"


class Exporter:
    """Metrics and spans of this process, and their exporters."""

    def __init__(self) -> None:
        resource = Resource.create(_resource())
        # With an infinite interval the SDK starts no thread, which a fork would lose.
        reader = PeriodicExportingMetricReader(_metric_exporter(), math.inf)
        self._meters = MeterProvider([reader], resource, shutdown_on_exit=False)
        self._traces = TracerProvider(
            resource=resource, id_generator=_RunIds(), shutdown_on_exit=False
        )
        self._flushes: list[Callable[[int], bool]] = []
        self._timeout_s = 0.0
        if telemetry.sends_metrics():
            self._flushes.append(self._meters.force_flush)
            self._timeout_s = _timeout("METRICS")
        if telemetry.sends_spans():
            self._traces.add_span_processor(BatchSpanProcessor(_span_exporter()))
            self._flushes.append(self._traces.force_flush)
            self._timeout_s = max(self._timeout_s, _timeout("TRACES"))
        self._tracer = self._traces.get_tracer(SERVICE, provider_info.__version__)
        meter = self._meters.get_meter(SERVICE, provider_info.__version__)
        self._gauges = {
            metric: meter.create_gauge(metric.name, metric.unit, metric.description)
            for metric in telemetry.METRICS
            if not metric.is_total
        }
        self._totals: dict[Metric, list[Observation]] = {}
        for metric in telemetry.METRICS:
            if metric.is_total:
                self._totals[metric] = []
                meter.create_observable_counter(
                    metric.name,
                    [functools.partial(self._take_totals, metric)],
                    metric.unit,
                    metric.description,
                )
        self._depth = 0

    def _take_totals(self, metric: Metric, _options: CallbackOptions) -> Iterable[Observation]:
        # Taken once: otherwise each later batch of the process would send the old totals again.
        found, self._totals[metric] = self._totals[metric], []
        return found

    def set_value(self, metric: Metric, value: float, attributes: dict[str, str]) -> None:
        """Set the newest value of a metric, which is sent at the end of the batch."""
        if metric.is_total:
            self._totals[metric].append(Observation(value, attributes))
        else:
            self._gauges[metric].set(value, attributes)

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Send all metrics and spans at the end of the outermost `batch` block."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._flush()

    def _flush(self) -> None:
        """Send metrics and spans at once; wait only briefly if the collector was just away.

        The threads are daemons, so a process that ends does not wait for them.
        """
        was_away = _is_away()
        ends = time.monotonic() + (AWAY_WITHIN_S if was_away else self._timeout_s)
        _FAILED.clear()
        threads = [
            threading.Thread(target=_send, args=(flush,), daemon=True) for flush in self._flushes
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))
        is_away = bool(_FAILED) or any(thread.is_alive() for thread in threads)
        if is_away and not was_away:
            log.warning("Metrics and traces were not sent: the collector did not answer.")
            _note_away()
        elif was_away and not is_away:
            _away_file().unlink(missing_ok=True)

    @contextlib.contextmanager
    def stage(self, name: str, run: Run) -> Iterator[Observed]:
        """Measure a stage, and make a span for it below the span of its run."""
        observed, began = Observed(), time.monotonic()
        here = trace.get_current_span().get_span_context()  # of Airflow's task, where it traces
        # Linked and not the parent: a task's span belongs to one try, and a run outlives it.
        links = [trace.Link(here)] if here.is_valid and here.trace_id != _ids(run)[0] else []
        with self.batch():
            span = self._tracer.start_span(
                f"oneroster.{name}", _below(run), attributes={"site": run.site}, links=links
            )
            try:
                yield observed
            except BaseException as error:
                # Only the class: the message may contain a value of the package, or a path.
                span.set_status(trace.StatusCode.ERROR, type(error).__name__)
                raise
            finally:
                span.set_attributes({"stage": name, "outcome": observed.outcome})
                span.end()
                attributes = {"site": run.site, "stage": name, "outcome": observed.outcome}
                self.set_value(telemetry.SECONDS, time.monotonic() - began, attributes)

    def end_run(self, run: Run) -> None:
        """Make the span of a recorded run, from its start to its end or to now."""
        token = _OF_RUN.set(_ids(run))
        try:
            span = self._tracer.start_span(
                "oneroster.run",
                trace.set_span_in_context(trace.INVALID_SPAN),
                start_time=_nanoseconds(run.started_at),
            )
        finally:
            _OF_RUN.reset(token)
        outcome = run.outcome.value if run.outcome else "going on"
        named = {"run_id": run.run_id, "trigger": run.trigger.value, "outcome": outcome}
        span.set_attributes({"site": run.site, **named})
        if outcome in {"failed", "rejected"}:
            span.set_status(trace.StatusCode.ERROR, outcome)
        span.end(_nanoseconds(run.ended_at) if run.ended_at else None)


_T = TypeVar("_T")


class _Noting:
    """Note whether the collector took what an exporter sent."""

    def export(self, *args: Any, **kwargs: Any) -> Any:
        """Send, and note a failure; the SDK ignores the result."""
        result = super().export(*args, **kwargs)  # type: ignore[misc]
        if result.name != "SUCCESS":
            _FAILED.append(type(self).__name__)
        return result


def _noting(kind: type[_T]) -> type[_T]:
    return type(kind.__name__, (_Noting, kind), {})


def _send(flush: Callable[[int], bool]) -> None:
    try:
        flush(_FLUSH_MS)
    except Exception as error:  # noqa: BLE001  telemetry must not make a stage fail
        _FAILED.append(type(error).__name__)


_FAILED: list[str] = []
"""Exporters that failed since the last batch began."""


def _away_file() -> Path:
    """Return the file that exists while the collector is away, shared by this machine's stages.

    Each stage is a process. Without the file, each stage of each run would wait again.
    """
    names = (telemetry.BOTH_TO, telemetry.METRICS_TO, telemetry.TRACES_TO)
    addresses = "\n".join(os.environ.get(name, "") for name in names)
    name = hashlib.sha256(f"{os.getuid()}\n{addresses}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"oneroster-collector-away-{name}"


def _is_away() -> bool:
    try:
        # lstat here and O_EXCL below: in a folder that all users share, the name may be another's
        # link.
        found = _away_file().lstat()
    except OSError:
        return False
    return found.st_uid == os.getuid() and 0 <= time.time() - found.st_mtime < AWAY_FOR_S


def _note_away() -> None:
    with contextlib.suppress(OSError):
        _away_file().unlink(missing_ok=True)
        os.close(os.open(_away_file(), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


_EXPORTERS: dict[int, Exporter] = {}
"""Process id → exporter: a forked process must not use the locks and connections of its parent."""


def exporter() -> Exporter:
    """Return the exporter of this process, and make it at the first call."""
    pid = os.getpid()
    if pid not in _EXPORTERS:
        _EXPORTERS.clear()
        _EXPORTERS[pid] = Exporter()
    return _EXPORTERS[pid]


def _ids(run: Run) -> tuple[int, int]:
    """Return the ids of a run's trace and of its span; the span's is never 0, which is invalid."""
    number = uuid.UUID(run.run_id).int
    return number, (number & (1 << 64) - 1) or 1


def _below(run: Run) -> Context:
    trace_id, span_id = _ids(run)
    sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    parent = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=sampled)
    return trace.set_span_in_context(trace.NonRecordingSpan(parent))


def _nanoseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1e9)


def _resource() -> dict[str, Any]:
    named = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    is_named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in named
    return {} if is_named else {"service.name": SERVICE}


def _timeout(signal: str) -> float:
    names = (f"OTEL_EXPORTER_OTLP_{signal}_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
    with contextlib.suppress(ValueError):
        return float(next(filter(None, map(os.environ.get, names)), WITHIN_S))
    return WITHIN_S


def _is_grpc(signal: str) -> bool:
    both = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    return (os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or both) == "grpc"


def _metric_exporter() -> MetricExporter:
    # Cumulative: a total counts from the site's first run, not from the start of this process.
    always: dict[type, AggregationTemporality] = {
        ObservableCounter: AggregationTemporality.CUMULATIVE
    }
    if _is_grpc("METRICS"):
        from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as by_grpc

        return _noting(by_grpc.OTLPMetricExporter)(
            timeout=_timeout("METRICS"), preferred_temporality=always
        )
    from opentelemetry.exporter.otlp.proto.http import metric_exporter as by_http

    return _noting(by_http.OTLPMetricExporter)(
        timeout=_timeout("METRICS"), preferred_temporality=always
    )


def _span_exporter() -> SpanExporter:
    if _is_grpc("TRACES"):
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as by_grpc

        return _noting(by_grpc.OTLPSpanExporter)(timeout=_timeout("TRACES"))
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as by_http

    return _noting(by_http.OTLPSpanExporter)(timeout=_timeout("TRACES"))
