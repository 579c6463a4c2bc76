"""Metrics and traces of runs: what a collector receives from real syncs; off by default.

A collector listens on this machine, and the syncs go through the command line.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import pytest
import yaml

from composed import PROJECT
from golden.school import SCHOOL, changed
from oneroster_sync.runs import telemetry, telemetry_export
from oneroster_sync.sites.dag_names import STAGES
from receivers import HOST, Received, collector, free_port, silence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site

PERSONAL = ("ann", "bob", "cat", "dan", "Ann", "Lee", "Ray", "example.org")
DASHBOARD = PROJECT / "deploy" / "grafana" / "oneroster.json"
ALERTS = PROJECT / "deploy" / "grafana" / "alerts.yaml"
GUIDE = PROJECT / "docs" / "guide" / "observability.md"
_SYNC = """
import sys
from click.testing import CliRunner
from oneroster_sync.cli import main
done = CliRunner().invoke(main, sys.argv[1:], catch_exceptions=False)
assert done.exit_code == 0, done.output
print([name for name in sys.modules if name.split(".")[0] in {"opentelemetry", "openlineage"}])
"""


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    """A collector that this process sends to."""
    with collector() as there:
        send_to(there.url, monkeypatch)
        yield there
        telemetry_export._EXPORTERS.clear()


def send_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process send to an address from now on."""
    telemetry_export._EXPORTERS.clear()
    monkeypatch.setenv(telemetry.BOTH_TO, url)


def without_ann() -> dict[str, str]:
    """Return the school with one teacher less and one row that can't be used."""
    texts = changed(SCHOOL, "users.csv", "cat@example.org", "no address")
    lines = texts["users.csv"].splitlines()
    texts["users.csv"] = "\n".join(line for line in lines if not line.startswith("ann,")) + "\n"
    return texts


def test_each_sync_sends_its_metrics_at_its_end(site: Site, received: Received) -> None:
    """The metrics have rows, records, findings by code, removals and thresholds, age and times."""
    began = time.time()
    first = site.sync(SCHOOL)
    assert first["outcome"] == "succeeded", first

    rows = received.latest("oneroster.run.rows")
    assert rows["users", site.name] == len(SCHOOL["users.csv"].splitlines()) - 1
    records = received.latest("oneroster.run.records", "site")
    for record_type, counts in first["counts"].items():
        for action, number in counts.items():
            assert records[action, record_type] == number
    active = received.latest("oneroster.roster.records", "site")
    in_database = "select count(*) from users where site = :site and status = 'active'"
    assert active["users",] == site.rows(in_database)[0][0]
    assert received.latest("oneroster.plan.removals", "site") == {
        ("users",): 0,
        ("courses",): 0,
        ("assignments",): 0,
    }
    assert received.latest("oneroster.plan.removals.threshold.share", "site")["users",] == 0.1
    assert received.latest("oneroster.plan.removals.threshold", "site")["users",] == 5
    assert received.latest("oneroster.plans.held") == {(site.name,): 0}
    assert received.latest("oneroster.runs") == {("succeeded", site.name): 1}
    for name in ("oneroster.package.arrival.time", "oneroster.run.end.time"):
        (moment,) = received.latest(name).values()
        assert began - 1 <= moment <= time.time() + 1, name
    seconds = received.latest("oneroster.stage.duration", "outcome")
    assert set(seconds) == {(site.name, stage) for stage in STAGES}
    assert all(0 < each < time.time() - began for each in seconds.values())
    assert received.services == {"oneroster-sync"}
    posts = len(received.raw)
    assert posts == 2, "one request for metrics and one for spans"


def test_held_plan_and_findings_are_sent_and_go_again(site: Site, received: Received) -> None:
    """A held plan counts until its decision, and a finding's code until a run without it."""
    site.sync(SCHOOL)
    for setting in ("guards.users.percent=20", "guards.users.minimum=1"):
        site.command("preferences", "--set", setting)
    held = site.sync(without_ann())
    assert held["outcome"] == "held", held

    assert received.latest("oneroster.plans.held") == {(site.name,): 1}
    removals = received.latest("oneroster.plan.removals", "site")["users",]
    share = received.latest("oneroster.plan.removals.share", "site")["users",]
    assert removals == held["counts"]["users"]["deactivated"] == 1
    assert share >= received.latest("oneroster.plan.removals.threshold.share", "site")["users",]
    codes = received.latest("oneroster.run.findings", "site", "severity")
    expected = [code for code, _, _ in site.findings(held)]
    assert codes == {(code,): expected.count(code) for code in expected}
    assert len(codes) >= 2

    site.command("discard", held["run_id"])
    assert received.latest("oneroster.plans.held") == {(site.name,): 0}
    again = site.sync(SCHOOL)
    assert again["findings"] == {"errors": 0, "warnings": 0}
    codes = received.latest("oneroster.run.findings", "site", "severity")
    assert set(codes.values()) == {0}
    assert received.latest("oneroster.runs")["discarded", site.name] == 1


def test_one_run_is_one_trace_with_a_span_for_each_stage(site: Site, received: Received) -> None:
    """The id of the trace is that of the run, and the stages are inside the run's span."""
    run = site.sync(SCHOOL)
    trace_id = uuid.UUID(run["run_id"]).bytes
    assert {span.trace_id for span in received.spans} == {trace_id}
    spans = {span.name: span for span in received.spans}
    whole = spans.pop("oneroster.run")
    assert whole.parent_span_id == b""
    assert set(spans) == {f"oneroster.{stage}" for stage in STAGES}
    for name, span in spans.items():
        assert span.parent_span_id == whole.span_id, name
        assert whole.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    attributes = {pair.key: pair.value.string_value for pair in whole.attributes}
    expected = {"site": site.name, "run_id": run["run_id"], "outcome": "succeeded"}
    assert expected.items() <= attributes.items()


def test_a_stage_that_fails_is_an_error_and_names_no_value(
    site: Site, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The span of a failed stage has the name of its exception, and not its message."""
    monkeypatch.setenv("ONEROSTER_TEMPORARY", "/proc/ann-secret")  # no folder can be made there
    with pytest.raises(OSError, match="ann-secret"):
        site.command("sync", site.package(SCHOOL))
    spans = {span.name: span for span in received.spans}
    assert set(spans) == {"oneroster.run", "oneroster.extract", "oneroster.record"}
    failed = spans["oneroster.extract"].status
    assert (failed.code, failed.message) == (failed.STATUS_CODE_ERROR, "FileNotFoundError")
    seconds = received.latest("oneroster.stage.duration")
    assert (("failed", site.name, "extract")) in seconds
    assert ("failed", site.name) in received.latest("oneroster.run.end.time")
    assert b"ann-secret" not in b"".join(received.raw)


@pytest.mark.case("c15")
def test_nothing_that_is_sent_names_a_person(site: Site, received: Received) -> None:
    """A collector receives no value of a package."""
    site.sync(SCHOOL)
    site.sync(without_ann())
    sent = b"".join(received.raw).decode("latin-1")
    assert site.name in sent
    found = [word for word in PERSONAL if re.search(rf"\b{re.escape(word)}\b", sent)]
    assert found == []
    known = {metric.name: set(metric.attributes) for metric in telemetry.METRICS}
    assert {name for name, _, _ in received.points()} == set(known)
    for name, attributes, _ in received.points():
        assert set(attributes) == known[name], name


@pytest.mark.case("b62")
def test_a_collector_that_is_away_delays_a_sync_and_nothing_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync continues within seconds if the collector is unreachable or silent."""
    with silence() as silent:
        for port in (free_port(), silent):
            send_to(f"http://{HOST}:{port}", monkeypatch)
            began = time.monotonic()
            assert site.sync(SCHOOL)["outcome"] in {"succeeded", "no_changes"}
            assert time.monotonic() - began < 10
    telemetry_export._EXPORTERS.clear()


@pytest.mark.case("b62")
def test_only_the_first_stage_waits_for_a_collector_that_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each stage is a process, and the stages of a machine share that the collector is away."""

    def batch() -> float:
        telemetry_export._EXPORTERS.clear()  # as in a new process
        began = time.monotonic()
        with telemetry_export.exporter().batch():
            span = telemetry_export.exporter()._tracer.start_span("oneroster.apply")
            telemetry_export.exporter().set_value(telemetry.HELD, 1, {"site": "north"})
            span.end()
        return time.monotonic() - began

    with silence() as port:
        send_to(f"http://{HOST}:{port}", monkeypatch)
        waited = [batch() for _ in range(6)]
    assert waited[0] >= telemetry_export.WITHIN_S
    assert max(waited[1:]) < telemetry_export.WITHIN_S * 0.7
    assert sum(waited) < 2 * telemetry_export.WITHIN_S + 1
    assert [record.getMessage() for record in caplog.records if record.name == "oneroster"] == [
        "Metrics and traces were not sent: the collector did not answer."
    ]
    with collector(port) as there:  # the collector is back
        batch()
        deadline = time.monotonic() + 10
        while not (there.metrics and there.spans) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert there.metrics
        assert there.spans
    telemetry_export._EXPORTERS.clear()


@pytest.mark.parametrize(
    ("variables", "metrics", "spans"),
    [
        ({}, False, False),
        ({telemetry.BOTH_TO: "http://c:4318"}, True, True),
        ({telemetry.METRICS_TO: "http://c:4318/v1/metrics"}, True, False),
        ({telemetry.TRACES_TO: "http://c:4318/v1/traces"}, False, True),
        ({telemetry.BOTH_TO: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, True, False),
        ({telemetry.BOTH_TO: "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False, False),
    ],
)
def test_standard_variables_switch_it_on(
    variables: dict[str, str],
    metrics: bool,  # noqa: FBT001
    spans: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The variables that OpenTelemetry defines decide what is sent."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (telemetry.sends_metrics(), telemetry.sends_spans()) == (metrics, spans)


@pytest.mark.case("b62")
def test_disabled_telemetry_imports_nothing(site: Site) -> None:
    """A whole sync in a separate process imports neither OpenTelemetry nor OpenLineage."""
    package = site.package(SCHOOL)
    words = ["sync", str(package), "--site", site.name, "--json"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SYNC, *words],
        env=plain, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "[]"


def in_prometheus(metric: telemetry.Metric) -> str:
    """Return Prometheus's name of a metric that arrives by OTLP."""
    unit = {"s": "_seconds", "1": "_ratio"}.get(metric.unit, "")
    return metric.name.replace(".", "_") + unit + ("_total" if metric.is_total else "")


def queries() -> dict[str, str]:
    """Return each query of the dashboard and of the alert rules, by its place."""
    board = json.loads(DASHBOARD.read_text("utf-8"))
    found = {
        f"panel {panel['title']}/{target['refId']}": target["expr"]
        for panel in board["panels"]
        for target in panel.get("targets", [])
    }
    for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]:
        found |= {f"alert {rule['alert']}": rule["expr"] for rule in group["rules"]}
    return found


def test_dashboard_and_alerts_name_metrics_that_are_sent() -> None:
    """Each query uses existing metrics and attributes, and each metric is used by a query."""
    known = {in_prometheus(metric): metric for metric in telemetry.METRICS}
    asked = queries()
    assert len(asked) >= 15
    for where, query in asked.items():
        named = set(re.findall(r"\boneroster_\w+", query))
        assert named, where
        assert named <= known.keys(), where
        attributes = {each for name in named for each in known[name].attributes}
        for words in re.findall(
            r"(?:by|on|without|ignoring|group_left|group_right) ?\(([^)]*)\)", query
        ):
            assert set(re.findall(r"\w+", words)) <= attributes, where
        for words in re.findall(r"\{([^}]*)\}", query):
            assert set(re.findall(r"(\w+)\s*[=!]", words)) <= attributes, where
    together = " ".join(asked.values())
    assert [name for name in known if name not in together] == []


def test_alert_rules_are_whole() -> None:
    """Each rule has a severity, and a description of what to do."""
    for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
            assert rule["labels"]["severity"] in {"warning", "critical"}
            assert set(rule["annotations"]) == {"summary", "description"}


def test_guide_names_each_metric() -> None:
    """The page's table lists the metrics, with unit and attributes."""
    text = GUIDE.read_text("utf-8")
    for metric in telemetry.METRICS:
        attributes = ", ".join(f"`{name}`" for name in metric.attributes)
        row = (
            f"| `{metric.name}` | `{in_prometheus(metric)}` | {attributes} | {metric.description} |"
        )
        assert row in text, row
