"""Notifications are sent through all channels, within their time, and without a secret in a log."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
import requests

from oneroster_airflow import listener, notifier
from oneroster_sync import database, runs
from oneroster_sync.notifications import Link, Message, Points
from oneroster_sync.runs import Outcome, Run, Trigger
from oneroster_sync.sites import dag_names
from oneroster_sync.sites.preferences import Notices, Preferences, Scope
from past import EVERYBODY, choose, day, had
from receivers import (
    QUIET,
    Hook,
    Mail,
    apprise_connection,
    free_port,
    mail_server,
    silence,
    smtp_connection,
    webhook,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Site

pytestmark = [pytest.mark.filterwarnings(rule) for rule in QUIET]

LOGIN, PASSWORD, TOKEN = "postman", "Zqpassword", "Zqtoken"
MESSAGE = Message(
    "A plan is held – look",
    ("20 < 30", Points(("one", "two")), Link("The plan", "https://x.example/runs/1")),
)
TWO = ("ops@example.org", "sis@example.org")
SMTP = "AIRFLOW_CONN_SMTP_DEFAULT"


@dataclasses.dataclass
class Post:
    """The mail server and the webhook, with their Airflow connections."""

    mail: Mail
    hook: Hook
    environment: pytest.MonkeyPatch

    def channel(self, name: str, *paths: str) -> str:
        """Make an Apprise connection to paths of the webhook."""
        urls = (f"json://127.0.0.1:{self.hook.port}/{path}" for path in paths)
        self.environment.setenv(f"AIRFLOW_CONN_{name.upper()}", apprise_connection(*urls))
        return name

    def smtp(self, port: int, password: str = PASSWORD) -> None:
        """Make the SMTP connection."""
        self.environment.setenv(SMTP, smtp_connection(port, LOGIN, password))


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """A mail server and a webhook, known to Airflow."""
    with mail_server(LOGIN, PASSWORD) as mail, webhook() as hook:
        made = Post(mail, hook, monkeypatch)
        made.smtp(mail.port)
        yield made


def test_a_mail_says_what_the_message_says(post: Post) -> None:
    """One mail goes to all recipients, from the connection's sender, with the message as HTML."""
    sent = notifier.send(MESSAGE, Notices(recipients=TWO))
    assert sent == notifier.Sent(1, ())
    (mail,) = post.mail.messages
    assert post.mail.envelopes == [list(TWO)]
    assert (mail["subject"], mail["from"]) == (MESSAGE.title(), "oneroster@example.org")
    assert post.mail.html().replace("\r\n", "\n").strip() == MESSAGE.html().strip()


def test_a_mail_is_plain_text_and_html(post: Post) -> None:
    """A mail has a text part and an HTML part with the same content, HTML last."""
    notifier.send(MESSAGE, Notices(recipients=TWO))
    (mail,) = post.mail.messages
    assert mail.get_content_type() == "multipart/alternative"
    parts = [(part.get_content_type(), part.get_payload(decode=True)) for part in mail.iter_parts()]
    assert [kind for kind, _ in parts] == ["text/plain", "text/html"]
    text = bytes(parts[0][1] or b"").decode().replace("\r\n", "\n")
    assert text.strip() == MESSAGE.text().strip()


def test_a_channel_gets_plain_text(post: Post) -> None:
    """An Apprise service gets the title and the text."""
    sent = notifier.send(MESSAGE, Notices(channels=(post.channel("team", TOKEN),)))
    assert sent == notifier.Sent(1, ())
    (body,) = post.hook.bodies
    assert (body["title"], body["message"].strip()) == (MESSAGE.title(), MESSAGE.text().strip())
    assert post.hook.paths == [f"/{TOKEN}"]


def test_nothing_in_a_message_is_a_template(post: Post) -> None:
    """Text that looks like an Airflow template is sent without its template marks."""
    strange = Message("{{ 1 + 1 }}", ("{{ conn.smtp_default.password }}",))
    notifier.send(strange, Notices(recipients=TWO, channels=(post.channel("team", "x"),)))
    assert post.mail.messages[0]["subject"] == "1 + 1"
    assert post.hook.bodies[0]["message"].strip() == "conn(.)smtp_default(.)password"


SERVICES = {
    "Slack": f"slack://T1JJ3T3L2/A1BRTD4JD/{'a' * 24}/",
    "Slack, as blocks": f"slack://T1JJ3T3L2/A1BRTD4JD/{'a' * 24}/?blocks=yes",
    "Microsoft Teams": f"workflows://prod-15.westus.logic.azure.com/{'a' * 32}/{'b' * 43}",
    "Discord": f"discord://4174216298/{'a' * 30}",
    "Discord, as Markdown": f"discord://4174216298/{'a' * 30}?format=markdown&ping=yes",
    "Mattermost": f"mmosts://mm.example.org/{'a' * 32}",
    "Telegram": "tgram://123456789:abcdefg_hijklmnop/-100123/",
    "Google Chat": "gchat://space/key/token",
    "Rocket.Chat": f"rockets://{'a' * 24}%2F{'b' * 24}@rocket.example.org/#sync",
    "Zulip": f"zulip://bot@org/{'a' * 32}/sync",
    "ntfy": "ntfys://ntfy.example.org/sync",
}
"""Each service with a markup of its own, as an Apprise URL."""
MARKUP = (
    "<!channel>",
    "<!here|everybody>",
    "<@U012AB3CD>",
    "@everyone",
    "@here",
    "@all",
    "@**all**",
    "<@&4174216298>",
    "<at>everybody</at>",
    "<users/all>",
    "#town-square ~town-square",
    "<https://evil.example/approve|The plan and the decision>",
    "[The plan and the decision](https://evil.example/approve)",
    "https://evil.example/approve",
    "www.evil.example",
    "evil.example",
    "ev\u200bil.example",
    "![x](//evil.example/x.png)",
    "</b><a href='https://evil.example'>x",
    "<b>never closed",
    "&lt;!channel&gt; &#64;everyone",
    "*b* _i_ ~s~ `c` ||hidden|| ```",
    ":skull: /leave",
    "\\u0040everyone \\@everyone",
    "\u202eenoyreve@",
    "\uff20everyone \uff1c!channel\uff1e",
    "School " * 2_000,
)
"""Names of schools that a chat could interpret as markup."""
_FORBIDDEN = re.compile(r"[<>@\[\]{}#~`*|\\\\!&]|https?:|www[.]|evil[.]|\b_|_\b")


@pytest.mark.case("c31")
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", MARKUP, ids=range(len(MARKUP)))
def test_no_service_takes_a_name_for_markup(
    service: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notification with a hostile name mentions nobody, has no other link, and is sent."""
    sent: list[requests.PreparedRequest] = []

    def take(_self: object, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.request = 200, request
        answer._content = b"ok" if "slack" in str(request.url) else b'{"ok": true, "result": []}'
        sent.append(request)
        return answer

    # No real service is reachable: the request is captured behind Apprise.
    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", take)
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", apprise_connection(SERVICES[service]))
    link = "https://airflow.example.org/plugin/oneroster/runs/1"
    reason = f"guard.school_removals: 9 of 9 users of {name} (100.0 %); less than 30 %."
    message = Message(f"OneRoster north: {name}", (reason, Points((reason,)), Link("Plan", link)))

    assert notifier.send(message, Notices(channels=("chat",))) == notifier.Sent(1, ())

    texts = [text for request in sent for text in texts_of(request) if "Plan: " in text]
    (body,) = texts
    assert body.count("guard.school_removals: 9 of 9 users of") == 2
    sentences, _, led = body.rpartition("Plan: ")
    assert led.strip() == link
    assert not _FORBIDDEN.search(sentences.replace("<b>", "").replace("</b>", "")), sentences
    assert len(body) < 2_000


def texts_of(request: requests.PreparedRequest) -> list[str]:
    """Return each text in the body of a request, as the service reads it."""
    body = request.body or ""
    body = body.decode() if isinstance(body, bytes) else str(body)
    if "json" not in str(request.headers.get("Content-Type")):
        return [value for _, value in parse_qsl(body)]

    def texts(value: Any) -> Iterator[str]:
        match value:
            case str():
                yield value
            case dict():
                yield from texts(list(value.values()))
            case list():
                for one in value:
                    yield from texts(one)

    return list(texts(json.loads(body)))


def test_a_failing_channel_stops_no_other(post: Post) -> None:
    """If the mail server refuses, the channels still get the message and are counted."""
    post.smtp(post.mail.port, "wrong")
    channels = (post.channel("team", TOKEN), post.channel("lost", "refuse"))
    sent = notifier.send(MESSAGE, Notices(recipients=TWO, channels=channels))
    assert sent.worked == 1
    assert sent.failures == (
        "e-mail (connection smtp_default): SMTPAuthenticationError 535",
        "the connection lost: NotTakenError",
    )
    assert len(post.hook.bodies) == 1


def test_a_connection_that_is_not_there_is_named(post: Post) -> None:
    """A missing connection is reported by name, without an exception."""
    sent = notifier.send(MESSAGE, Notices(channels=("nowhere",)))
    assert sent.worked == 0
    assert sent.failures[0].startswith("the connection nowhere: ")


def test_one_service_of_several_may_fail(post: Post) -> None:
    """A message that one of a channel's services accepts is sent, and the other one is reported."""
    channel = post.channel("team", TOKEN, "refuse")
    sent = notifier.send(MESSAGE, Notices(channels=(channel,)))
    assert sent == notifier.Sent(1, ("the connection team: PartlyTakenError",))


def test_a_silent_server_is_given_up(post: Post) -> None:
    """A server that never answers costs no more than the given time."""
    with silence() as port:
        post.smtp(port)
        channels = (post.channel("team", TOKEN),)
        began = time.monotonic()
        sent = notifier.send(MESSAGE, Notices(recipients=TWO, channels=channels), within_s=1.5)
        assert time.monotonic() - began < 3
    assert sent.worked == 1
    assert sent.failures == ("e-mail (connection smtp_default): TimeoutError",)


@pytest.mark.case("c16")
def test_no_secret_is_logged(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    """No failure, at any log level, logs a password, a token or an address."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="oneroster")
    for name in ("apprise", "urllib3"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    channels = [post.channel("team", TOKEN), post.channel("lost", f"refuse/{TOKEN}")]
    gone = apprise_connection(f"json://{LOGIN}:{PASSWORD}@127.0.0.1:{free_port()}/{TOKEN}")
    post.environment.setenv("AIRFLOW_CONN_GONE", gone)
    post.environment.setenv("AIRFLOW_CONN_ODD", apprise_connection(f"no scheme {TOKEN}"))
    post.smtp(post.mail.port, f"{PASSWORD}2")
    chosen = Notices(recipients=TWO, channels=(*channels, "gone", "odd"))
    assert notifier.send(MESSAGE, chosen).worked == 1
    assert "A message was not sent by the connection gone" in caplog.text
    assert [word for word in (PASSWORD, TOKEN, *TWO) if word in caplog.text] == []


def test_a_run_is_notified_once(site: Site, post: Post) -> None:
    """A held plan that is notified at its review and again at its end is one mail."""
    choose(site)
    run = had(site, day(0), "held", plan_hash="h")
    notifier.notify_of_run(run)
    notifier.notify_of_run(run)
    assert len(post.mail.messages) == 1
    assert f"runs/{run.run_id}" in post.mail.html()


def test_a_failed_dag_run_without_a_notification_is_notified(site: Site, post: Post) -> None:
    """A failed DAG run whose run sent no notification is notified once."""
    choose(site)
    upload = dag_names.upload_dag_id(site.name)
    notifier.notify_of_dag_run(upload, "users__1")
    notifier.notify_of_dag_run(upload, "users__1")
    assert len(post.mail.messages) == 1
    assert f"dags/{upload}/runs/users__1" in post.mail.html()
    assert "before it could begin" in post.mail.html()
    begun(site, dag_names.run_id_of(upload, "users__2"))
    notifier.notify_of_dag_run(upload, "users__2")
    assert "before its outcome was recorded" in post.mail.html()
    failed = begun(site, dag_names.run_id_of(upload, "users__3"), "failed")
    notifier.notify_of_run(failed)
    notifier.notify_of_dag_run(upload, "users__3")
    assert len(post.mail.messages) == 3
    notifier.notify_of_dag_run("payroll", "users__4")
    assert len(post.mail.messages) == 3


def begun(site: Site, run_id: str, outcome: str | None = None) -> Run:
    """Store a run with this id, with an outcome if one is given."""
    run = Run.opened(
        run_id=run_id,
        site=site.name,
        trigger=Trigger.UPLOAD,
        requested_by="Ann",
        scope=Scope.USERS,
        preferences=Preferences(site=site.name),
        started_at=day(0),
    )
    with database.engine().begin() as connection:
        runs.begin(connection, run)
        if outcome is not None:
            runs.update(connection, run_id, outcome=Outcome(outcome), ended_at=day(0, hour=3))
        return runs.get(connection, run_id)


def test_an_import_error_of_our_dag_file_is_notified(
    site: Site, post: Post, tmp_path: Path
) -> None:
    """An import error in our DAG file is notified once, and one in another file is not.

    A site whose preferences can't be read keeps nobody else from the notification.
    """
    mine = f"{site.name}@example.org"
    with database.engine().begin() as connection:
        connection.exec_driver_sql("insert into sites values (%s)", (f"a-half-{site.name}",))
    choose(site, notices=EVERYBODY.model_copy(update={"recipients": (mine,)}))
    theirs, ours = tmp_path / "payroll.py", tmp_path / "oneroster.py"
    theirs.write_text("from airflow.sdk import DAG")
    ours.write_text("from oneroster_airflow.dags import *")
    for file in (theirs, ours, tmp_path / "gone.py"):
        listener.on_new_dag_import_error(filename=str(file), stacktrace="")
    for thread in threading.enumerate():
        if thread.name == listener.THREAD:
            thread.join(60)
    mails = [mail for mail in post.mail.messages if mine in str(mail["to"])]
    assert len(mails) == 1
    assert "can't read the DAG file" in str(mails[0]["subject"])


def test_dag_run_gets_a_note_of_how_its_run_ended(site: Site) -> None:
    """The note of a DAG run says how our run ended, and a person's note stays."""
    upload = dag_names.upload_dag_id(site.name)

    def noted(name: str, outcome: str | None, before: str | None = None) -> str | None:
        begun(site, dag_names.run_id_of(upload, name), outcome)
        dag_run = SimpleNamespace(dag_id=upload, run_id=name, note=before)
        listener.on_dag_run_success(dag_run=dag_run)
        note: str | None = dag_run.note
        return note

    assert str(noted("a", "superseded")).startswith("OneRoster: Superseded, nothing was changed")
    assert noted("b", "superseded", "call the SIS team") == "call the SIS team"
    assert str(noted("c", "no_changes", "OneRoster: Failed.")).startswith("OneRoster: Nothing to")
    assert noted("d", None) is None
    payroll = SimpleNamespace(dag_id="payroll", run_id="a", note=None)
    listener.on_dag_run_failed(dag_run=payroll)
    assert payroll.note is None


def test_a_note_never_breaks_the_scheduler(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the roster database, a DAG run gets no note, and no exception is raised."""
    monkeypatch.setenv("ONEROSTER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/roster")
    dag_run = SimpleNamespace(dag_id=dag_names.sync_dag_id(site.name), run_id="a", note=None)
    listener.on_dag_run_failed(dag_run=dag_run)
    assert dag_run.note is None
    assert "gets no note" in caplog.text


def test_a_dead_mail_server_is_no_trouble_for_a_run(
    site: Site, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """If the mail server is down, nothing is raised or recorded, and the next morning notifies."""
    choose(site)
    run = had(site, day(0), "failed", sha256="a")
    post.smtp(free_port())
    notifier.notify_of_run(run)
    assert "not sent by e-mail (connection smtp_default): ConnectionRefusedError" in caplog.text
    assert notifier.notify_of_sites([site.name], now=day(0, hour=6)) == [site.name]
    post.smtp(post.mail.port)
    assert notifier.notify_of_sites([site.name], now=day(0, hour=7)) == []
    subjects = [mail["subject"] for mail in post.mail.messages]
    assert subjects == [
        f"Sync failed: the log says why — {site.name}",
        f"Week of 2026-10-26: no sync, 0 changes — {site.name}",
    ]


def test_without_recipients_nothing_is_recorded(site: Site) -> None:
    """A site without recipients records nothing."""
    choose(site, notices=Notices())
    notifier.notify_of_run(had(site, day(0), "failed"))
    assert notifier.notify_of_sites([site.name], now=day(0, hour=6)) == []
    assert site.rows("select count(*) from notices where site = :site") == [(0,)]


def test_an_error_while_notifying_is_logged_and_not_raised(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """An error while notifying is logged and not raised."""
    run = dataclasses.replace(had(site, day(0), "failed"), site="nowhere")
    notifier.notify_of_run(run)
    assert "could not be sent: UnknownSiteError." in caplog.text


def test_one_site_stops_no_other(site: Site, post: Post) -> None:
    """A site that does not exist does not stop the notifications of others."""
    choose(site)
    had(site, day(0), "failed")
    assert notifier.notify_of_sites(["nowhere", site.name], now=day(0, hour=6)) == []
    assert len(post.mail.messages) == 2
