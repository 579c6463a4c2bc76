"""Hostile values in a live Airflow: answers, downloads, logs, notifications and Airflow's pages."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import unicodedata
import zipfile
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

import hostile
from browser import browsing, log_in
from live import running, wait_for
from oneroster_sync.findings.finding import shown
from receivers import (
    QUIET,
    apprise_connection,
    free_port,
    mail_server,
    smtp_connection,
    webhook,
)
from test_hostile_values import OBEYED, STARTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from live import Live
    from receivers import Hook, Mail

pytestmark = [
    pytest.mark.long,
    pytest.mark.case("c06"),
    *(pytest.mark.filterwarnings(rule) for rule in QUIET),
]
LOGIN, PASSWORD = "postman", "Zqpassword"
CHOSEN = {"recipients": ["ops@example.org"], "channels": ["team"], "errors_from": 1}
ACCOUNT = """
insert into users (site, username, given_name, family_name, email, login, role, status, managed)
values ('default', %s, %s, %s, %s, %s, 'teacher', 'active', false)
"""
_OURS = {"p", "ul", "li", "a"}
"""The elements of a notification."""


class Elements(HTMLParser):
    """The elements, the attributes and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.read = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element and its attributes."""
        self.names.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Record a text."""
        self.read += data


@dataclass
class Town:
    """An Airflow, and the servers that receive its notifications.

    Attributes:
        live: The Airflow.
        mail: The mail server.
        hook: The webhook.
        errors: A run with errors in most rows, approved if it was held.
        held: A run that is held for a reason of each school.
    """

    live: Live
    mail: Mail
    hook: Hook
    errors: dict[str, Any]
    held: dict[str, Any]


def packed(texts: Mapping[str, str]) -> bytes:
    """Return files as a zip."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return written.getvalue()


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """An Airflow whose site has synced hostile packages and sent notifications about them."""
    with contextlib.ExitStack() as stack:
        mail = stack.enter_context(mail_server(LOGIN, PASSWORD, free_port()))
        hook = stack.enter_context(webhook())
        settings = {
            "AIRFLOW_CONN_SMTP_DEFAULT": smtp_connection(mail.port, LOGIN, PASSWORD),
            "AIRFLOW_CONN_TEAM": apprise_connection(f"json://127.0.0.1:{hook.port}/token"),
        }
        live = stack.enter_context(running(settings=settings))
        for number, text in enumerate((*hostile.PAYLOADS, *STARTS)):
            live.rows(ACCOUNT + "returning id", text, text, text, text, f"{number}@{text}".lower())
        live.oneroster("preferences", "--set", f"notices={json.dumps(CHOSEN)}")
        errors = live.follow(live.admin.upload(hostile.package(broken=True)))
        if errors["outcome"] == "held":
            body = {"plan_hash": errors["plan_hash"], "reason": f"x\r\n{hostile.PAYLOADS[0]}"}
            live.admin.post(f"runs/{errors['run_id']}/approve", body)
            errors = live.decided(errors["run_id"])
        assert errors["outcome"] == "succeeded_with_errors"
        for setting in hostile.ONLY_SCHOOLS:
            live.oneroster("preferences", "--set", setting)
        schools = live.follow(live.admin.upload(packed(hostile.schools())))
        if schools["outcome"] == "held":
            body = {"plan_hash": schools["plan_hash"], "reason": "all is new"}
            live.admin.post(f"runs/{schools['run_id']}/approve", body)
            assert live.decided(schools["run_id"])["applied_at"]
        held = live.follow(live.admin.upload(packed(hostile.schools(without=5))))
        assert held["outcome"] == "held"
        wait_for(lambda: (mail.messages and hook.bodies) or None)
        yield Town(live, mail, hook, errors, held)


def cells(town: Town, path: str) -> list[list[str]]:
    """Return the rows of a download: an attachment with equally long rows and no formula."""
    answer = town.live.admin.send("GET", path)
    assert answer.is_success
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    text = answer.content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    for row in rows[1:]:
        assert not [cell for cell in row if cell.lstrip(" ")[:1] in tuple("=+-@|%\t\r\n\0\uff1d")]
    return rows


@pytest.mark.case("c07")
def test_findings_are_downloaded_whole_and_inert(town: Town) -> None:
    """Each payload is whole in its cell of the findings' download, and none is a formula."""
    rows = cells(town, f"runs/{town.errors['run_id']}/findings.csv")
    named = {cell for row in rows for cell in row}
    for text in hostile.PAYLOADS:
        assert {f"!{text}", f"'!{text}"} & named, text


@pytest.mark.case("c07")
def test_accounts_are_downloaded_whole_and_inert(town: Town) -> None:
    """Names of accounts made by hand are whole in their cells of the download, and no formulas."""
    rows = cells(town, f"runs/{town.held['run_id']}/adoption.csv")
    named = {cell for row in rows for cell in row}
    for text in (*hostile.PAYLOADS, *STARTS):
        assert {f"{text} {text}", f"'{text} {text}"} & named, text


def test_answers_are_json_and_nothing_else(town: Town) -> None:
    """Each answer is JSON with the value unchanged, and no browser treats it as a page."""
    run, site = f"runs/{town.errors['run_id']}", "sites/default"
    paths = [run, *(f"{run}/{part}" for part in ("findings", "causes", "changes", "report"))]
    paths += [f"{site}/runs", f"{site}/records?q=owned", f"{site}/accounts", "sites"]
    text = ""
    for path in (*paths, f"runs/{town.held['run_id']}"):
        answer = town.live.admin.send("GET", path)
        assert answer.is_success, path
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        text += json.dumps(answer.json(), ensure_ascii=False)
    assert json.dumps(hostile.PAYLOADS[0])[1:-1] in text


def test_document_of_the_api_is_of_no_package(town: Town) -> None:
    """The OpenAPI document contains no value of a package."""
    answer = town.live.admin.send("GET", "openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text)["openapi"]
    assert not [text for text in hostile.PAYLOADS if len(text) > 12 and text in answer.text]


@pytest.mark.case("c09")
def test_log_of_a_run_has_no_line_of_a_package(town: Town) -> None:
    """The log of a run has no control character, and each payload is inside a line of ours."""
    for run in (town.errors, town.held):
        text = town.live.admin.send("GET", f"runs/{run['run_id']}/log").text
        assert "guard." in text
        for line in text.split("\n"):
            assert not [c for c in line if unicodedata.category(c) in OBEYED - {"Cc"}], ascii(line)
            assert not set(line) & {"\x1b", "\r", "\x9b", "\0", "\b"}, ascii(line)
            assert not line.startswith(tuple(hostile.PAYLOADS[:12]))


def test_messages_are_ours_whatever_they_name(town: Town) -> None:
    """A notification has only our headers and elements, and shows the payload as text."""
    assert len(town.mail.messages) >= 2
    for number, mail in enumerate(town.mail.messages):
        _is_ours(str(mail["subject"]))
        assert [header for header in mail if header.lower() in {"bcc", "cc", "reply-to"}] == []
        assert mail["to"] == "ops@example.org"
        assert town.mail.envelopes[number] == ["ops@example.org"]
        for written in town.mail.written(number):
            assert b"<script" not in written.lower()
        page = Elements(town.mail.html(number))
        assert page.names <= _OURS
        assert {name for name, _ in page.attributes} <= {"href"}
        assert all((to or "").startswith(f"{town.live.origin}/") for _, to in page.attributes)
        _is_seen(page.read)
    read = " ".join(Elements(town.mail.html()).read.split())
    # Notifications leave out characters of names that a chat or browser could take for markup.
    assert "script owned 1 script" in " ".join(re.findall(r"\w+", read))
    for body in town.hook.bodies:
        _is_ours(body["title"])
        _is_seen(body["message"])


def _is_ours(subject: str) -> None:
    assert re.fullmatch(r"[A-Z0-9].+ — default", subject), subject
    _is_seen(subject)


def _is_seen(text: str) -> None:
    assert not [c for c in text if unicodedata.category(c) in OBEYED and c != "\n"], ascii(text)


def test_required_actions_show_what_is_written(town: Town) -> None:
    """Airflow's required actions show reasons and schools as text, without script or link."""
    asked = set[str]()
    with browsing(alone=True) as page:
        log_in(page, town.live.origin)
        page.on("request", lambda request: asked.add(request.url))
        page.goto(f"{town.live.origin}/required_actions?response_received=false")
        page.get_by_role("link", name="5 of 6 users of").first.click()
        page.get_by_text("See every change of the plan").wait_for()
        page.wait_for_load_state("networkidle")
        read = (page.locator("body").text_content() or "").replace("\u2060", "")
        ways = page.locator("a").evaluate_all("them => them.map(it => it.href)")
        pictures = page.locator("img").evaluate_all("them => them.map(it => it.src)")
        assert page.evaluate("typeof globalThis.owned") == "undefined"
    assert [text for text in hostile.PAYLOADS if shown(text) not in read] == []
    assert [to for to in (*ways, *pictures, *asked) if hostile.ELSEWHERE in to.split("?")[0]] == []
    assert [to for to in ways if to.startswith(("javascript:", "mailto:"))] == []


def test_data_docs_hold_no_value(town: Town) -> None:
    """The downloaded report of Great Expectations has no value of a package in any file."""
    answer = town.live.admin.send("GET", f"runs/{town.errors['run_id']}/report/docs.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as docs:
        pages = {name: docs.read(name).decode("utf-8", "replace") for name in docs.namelist()}
    assert [name for name in pages if name.endswith(".html")]
    for name, page in pages.items():
        found = [text for text in hostile.PAYLOADS if len(text) > 12 and text in name + page]
        assert not found, name
