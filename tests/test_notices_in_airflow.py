"""The real DAGs send notifications, metrics, traces and lineage once, and without names."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import uuid
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from golden.school import SCHOOL, folder_of
from live import STAGES, UPLOAD, Live, running, wait_for
from oneroster_airflow.notifier import BOUND_S
from oneroster_sync.local.airflow_api import Run
from oneroster_sync.sites.dag_names import WATCH
from receivers import (
    HOST,
    QUIET,
    Hook,
    Mail,
    Received,
    apprise_connection,
    collector,
    free_port,
    mail_server,
    smtp_connection,
    webhook,
)
from test_no_personal_data import NEVER, PERSONAL, files_below, marked, where

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.long, *(pytest.mark.filterwarnings(rule) for rule in QUIET)]

PROJECT = Path(__file__).resolve().parents[1]
LOGIN, PASSWORD, TOKEN = "postman", "Zqpassword", "Zqtoken"
CHOSEN = {"recipients": ["ops@example.org"], "channels": ["team"], "errors_from": 5}


@dataclass
class Town:
    """An Airflow and the receivers of its messages."""

    live: Live
    mail: Mail
    hook: Hook
    mail_stops: contextlib.ExitStack
    telemetry: Received
    catalogue: Hook

    def new(self, since: int) -> list[str]:
        """Return the subjects of the mails after the first ones."""
        subjects = [str(mail["subject"]) for mail in self.mail.messages[since:]]
        assert [body["title"] for body in self.hook.bodies[since:]] == subjects
        return [subject.removesuffix(" — default") for subject in subjects]

    def watch(self, **conf: Any) -> Run:
        """Run the watch DAG, and wait for its end."""
        return self.live.wait(self.live.api.trigger(WATCH, conf))


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """Yield an Airflow whose site `default` notifies one e-mail address and one channel."""
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as mail_stops:
        mail = mail_stops.enter_context(mail_server(LOGIN, PASSWORD, free_port()))
        hook, catalogue = stack.enter_context(webhook()), stack.enter_context(webhook())
        received = stack.enter_context(collector())
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": received.url,
            "OPENLINEAGE_URL": f"http://{HOST}:{catalogue.port}",
            "AIRFLOW_CONN_SMTP_DEFAULT": smtp_connection(mail.port, LOGIN, PASSWORD),
            "AIRFLOW_CONN_TEAM": apprise_connection(f"json://127.0.0.1:{hook.port}/{TOKEN}"),
        }
        live = stack.enter_context(running(settings=settings))
        live.oneroster("preferences", "--set", f"notices={json.dumps(CHOSEN)}")
        wait_for(lambda: live.api.has_dag(WATCH) or None)
        yield Town(live, mail, hook, mail_stops, received, catalogue)


def test_the_dag_file_loads_nothing_heavy() -> None:
    """The DAG file imports no heavy library, because every task's process reads it."""
    heavy = ("apprise", "pandas", "pyarrow", "sqlalchemy", "airflow.providers.smtp")
    program = (
        "import sys; sys.path[:0] = ['plugins']; import airflow.sdk.definitions.dag;"
        f"before = {{m for m in {heavy} if m in sys.modules}};"
        "import oneroster_airflow.dags.watch_dag;"
        f"print([m for m in {heavy} if m in sys.modules and m not in before])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_a_held_plan_is_notified(town: Town, tmp_path: Path) -> None:
    """A held plan's notification links to it; an approved plan with many errors sends another."""
    package = folder_of(marked(SCHOOL), tmp_path / "marked")
    run = town.live.api.trigger(UPLOAD, {"package": str(package), "kind": "package"})
    wait_for(lambda: (town.hook.bodies and town.mail.messages) or None)
    (subject,) = town.new(0)
    assert subject.startswith("Approve? ")
    held = wait_for(lambda: found if (found := town.live.newest())["outcome"] == "held" else None)
    link = f"{town.live.origin}/plugin/oneroster/runs/{held['run_id']}"
    assert f'<a href="{link}">The plan and the decision</a>' in town.mail.html()
    assert f"The plan and the decision: {link}" in town.hook.bodies[0]["message"]

    where_to = f"runs/{held['run_id']}/approve"
    town.live.admin.post(where_to, {"plan_hash": held["plan_hash"]})
    wait_for(lambda: town.live.newest()["outcome"] == "succeeded_with_errors" or None)
    town.live.wait(run)

    (second,) = town.new(1)
    assert second.endswith("rows had errors and were skipped")
    assert "<li>users.csv, " in town.mail.html()


def test_a_rejection_is_notified_once(town: Town, data: Path) -> None:
    """The same rejected package twice sends one notification, which names the correction."""
    before = len(town.mail.messages)
    for _ in range(2):
        assert town.live.upload(data / "microsoft-sds").state == "failed"
    assert town.new(before)[0].startswith("Package rejected: the package is of another format")
    assert len(town.new(before)) == 1
    assert "(package.lookalike)" in town.mail.html()


def test_a_failure_is_notified(town: Town, data: Path) -> None:
    """The notification of a run that can't start names the reason."""
    before = len(town.mail.messages)
    town.live.oneroster("preferences", "--set", "credited_admin=null")
    assert town.live.upload(data / "district-small-1.1.zip").state == "failed"
    assert town.new(before)[0].startswith("Sync failed: the credited administrator is missing")
    assert "Why: the credited administrator is missing or inactive" in town.mail.html()
    town.live.oneroster("preferences", "--set", "credited_admin=admin@example.org")


def test_a_stale_site_and_its_week_are_notified_once(town: Town) -> None:
    """The daily watch notifies about missing packages and the week, each once."""
    before = len(town.mail.messages)
    ago = "update runs set started_at = started_at - interval '10 days' returning run_id"
    assert town.live.rows(ago)
    first, second = town.watch(), town.watch()
    assert (first.state, second.state) == ("success", "success")
    assert town.live.states(first) == {
        **dict.fromkeys(("expire", "tidy", "notify"), "success"),
        "test": "skipped",
    }
    stale, week = town.new(before)
    assert stale == "No new export for 10 days"
    assert week.startswith("Week of ")


def test_the_api_has_the_freshness(town: Town) -> None:
    """The API has the same freshness as the notification."""
    freshness = town.live.person("viewer").get("sites/default/freshness")
    assert (freshness["days"], freshness["is_stale"]) == (10, True)
    assert freshness["stale_after_days"] == 7
    assert freshness["sentence"].startswith("The newest package was first read on ")


def test_a_test_message_arrives(town: Town) -> None:
    """A test message on request of an administrator arrives, and no other task runs."""
    before = len(town.mail.messages)
    asked = town.live.admin.post("sites/default/notices/test", expect=202)
    assert asked["dag_id"] == WATCH
    run = town.live.wait(Run(WATCH, asked["dag_run_id"], "queued"))
    assert town.live.states(run) == {
        **dict.fromkeys(("expire", "tidy", "notify"), "skipped"),
        "test": "success",
    }
    assert town.new(before) == ["Test message: notifications of this site arrive here"]


def test_a_test_message_needs_a_recipient(town: Town) -> None:
    """Without recipients, or with a paused DAG, a test message is refused with the reason."""
    town.live.oneroster("init", "--site", "quiet", "--admin", "admin@example.org")
    problem = town.live.admin.post("sites/quiet/notices/test", expect=409)
    assert problem["code"] == "notices.nobody"
    try:
        town.live.api._call("PATCH", f"/api/v2/dags/{WATCH}", body={"is_paused": True})
        problem = town.live.admin.post("sites/default/notices/test", expect=409)
        assert problem["code"] == "notices.paused"
    finally:
        town.live.api.unpause(WATCH)


def test_a_dead_mail_server_does_not_delay_a_run(town: Town, data: Path) -> None:
    """If the mail server is down, the run ends as usual and as fast.

    The channel gets its message, and the log of the run names the failed e-mail.
    """
    before = len(town.hook.bodies)
    town.mail_stops.close()
    run = town.live.upload(data / "edfi-lms-1.1" / "courses.csv", kind="users")
    assert town.live.newest()["outcome"] == "rejected"
    (record,) = [task for task in town.live.api.tasks(run) if task.task_id == "record"]
    assert record.duration_s is not None
    assert record.duration_s < BOUND_S
    failure = "not sent by e-mail (connection smtp_default): ConnectionRefusedError"
    assert failure in town.live.logs(run)
    (body,) = town.hook.bodies[before:]
    assert body["title"].startswith("Package rejected")


def test_a_dag_run_without_a_record_is_notified(town: Town) -> None:
    """If a DAG run has no run record, the failure callback sends the notification."""
    before = len(town.hook.bodies)
    run = town.live.wait(town.live.api.trigger(UPLOAD, {}))
    assert run.state == "failed"
    wait_for(lambda: town.hook.bodies[before:] or None)
    (body,) = town.hook.bodies[before:]
    assert body["title"] == "Sync failed before it could begin — default"
    assert "before it could begin" in body["message"]


def test_a_test_that_does_not_arrive_is_red(town: Town) -> None:
    """The failed task of a test message names the channel that failed."""
    run = town.watch(test_site="default")
    assert run.state == "failed"
    assert "e-mail (connection smtp_default): ConnectionRefusedError" in town.live.logs(run)


def test_no_message_names_a_person(town: Town) -> None:
    """No message that was sent names a person."""
    places = {str(mail["subject"]): town.mail.html(n) for n, mail in enumerate(town.mail.messages)}
    places |= {f"hook {n}": json.dumps(body) for n, body in enumerate(town.hook.bodies)}
    assert len(places) >= 13
    assert [where(word, places) for word in (NEVER, PERSONAL, "@")] == [[], [], []]


def test_metrics_and_spans_come_from_every_task(town: Town) -> None:
    """The processes of all stages send spans of one trace, and metrics with consistent values."""
    received = town.telemetry
    run = town.live.newest()
    spans = [s for s in received.spans if s.trace_id == uuid.UUID(run["run_id"]).bytes]
    (whole,) = (span for span in spans if span.name == "oneroster.run")
    assert {span.name for span in spans} >= {"oneroster.extract", "oneroster.record"}
    assert {s.parent_span_id for s in spans if s is not whole} == {whole.span_id}
    seconds = received.latest("oneroster.stage.duration", "outcome")
    assert {stage for _, stage in seconds} == set(STAGES)
    outcomes = dict(town.live.rows("select outcome, count(*) from runs group by outcome"))
    sent = {key[0]: value for key, value in received.latest("oneroster.runs").items()}
    assert sent == outcomes
    assert {"succeeded_with_errors", "rejected", "failed"} <= sent.keys()
    assert ("package.lookalike", "error") in received.latest("oneroster.run.findings", "site")


def test_lineage_leads_from_the_upload_to_the_tables(town: Town) -> None:
    """The lineage events of a run name source, package and tables of the roster."""
    inputs: dict[str, set[tuple[str, str]]] = defaultdict(set)
    outputs: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for event in town.catalogue.bodies:
        task = event["job"]["name"].rpartition(".")[2]
        inputs[task] |= {(one["namespace"], one["name"]) for one in event.get("inputs", ())}
        outputs[task] |= {(one["namespace"], one["name"]) for one in event.get("outputs", ())}
    (package,) = outputs["extract"]
    assert ("oneroster://default", "upload") in inputs["extract"]
    assert package[1].endswith("/runs/default")
    for stage in ("validate", "diff", "apply"):
        assert inputs[stage] == {package}
    tables = {name.rpartition(".")[2] for _, name in outputs["apply"]}
    assert tables == {"users", "courses", "course_assignments", "roster"}


def test_no_telemetry_or_lineage_names_a_person(town: Town) -> None:
    """Metrics, spans and our datasets hold no value of a package."""
    sets = [e.get(side, ()) for e in town.catalogue.bodies for side in ("inputs", "outputs")]
    places = {"lineage": json.dumps(sets)}
    places["telemetry"] = b"".join(town.telemetry.raw).decode("latin-1")
    assert all(len(text) > 1000 for text in places.values())
    assert [where(word, places) for word in (NEVER, PERSONAL)] == [[], []]


@pytest.mark.case("c16")
def test_no_secret_is_in_a_log(town: Town) -> None:
    """No log of a task or a service holds a password or a token of a connection."""
    logs = files_below(town.live.home / "logs")
    assert any("Notification of site default was sent" in text for text in logs.values())
    assert [where(word, logs) for word in (PASSWORD, TOKEN)] == [[], []]
