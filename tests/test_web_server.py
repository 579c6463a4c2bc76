"""Headers of the server's answers, allowed host names, and the delay of wrong logins."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from playwright.sync_api import expect, sync_playwright
from starlette.testclient import TestClient

from browser import chromium
from live import wait_for
from oneroster_airflow.login_delay import LONGEST, Guesses, LoginDelay
from oneroster_airflow.web_server import WebServer
from oneroster_sync.local.airflow import free_port
from served import ALL, OURS, SITE, SYNC, UPLOAD, Server, server, servers, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

__all__ = ["server", "servers", "tokens"]
PATHS = ["/", "/api/v2/version", "/api/v2/nothing", "/oneroster/health", "/nowhere", "/auth/token",
         f"/api/v2/dags/{UPLOAD}"]  # fmt: skip


@pytest.mark.case("c02")
@pytest.mark.parametrize("path", PATHS)
def test_no_answer_may_be_framed_by_others(server: Server, path: str) -> None:
    """No answer of Airflow, its login or ours can be framed by another site's page."""
    for method in ("GET", "POST", "DELETE"):
        policy = server.asks(None, method, path).headers["content-security-policy"]
        assert "frame-ancestors 'self'" in policy


@pytest.mark.case("c02")
def test_our_deployments_say_where_pages_take_things_from(servers: dict[str, Server]) -> None:
    """In our deployments, Airflow's pages run only own scripts; in others our policy is minimal."""
    whole = servers[ALL].asks(None, "GET", "/").headers["content-security-policy"]
    assert "default-src 'self'" in whole
    assert "script-src 'self' 'wasm-unsafe-eval';" in whole
    assert "object-src 'none'" in whole
    assert servers[OURS].asks(None, "GET", "/").headers["content-security-policy"] == (
        "frame-ancestors 'self'"
    )


@pytest.mark.case("c02")
def test_only_tls_is_asked_for_where_there_is_tls(server: Server) -> None:
    """A browser is asked to use TLS only if the request used TLS and a setting is on."""
    header = "strict-transport-security"
    assert header not in server.asks(None, "GET", "/api/v2/version").headers
    answer = server.asks(None, "GET", "https://localhost/api/v2/version")
    assert answer.headers[header] == "max-age=86400"


@contextlib.contextmanager
def listening(app: Any) -> Iterator[str]:
    """Serve an app from a thread, and yield its address."""
    port = free_port()
    uvicorn_ = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error"))
    thread = threading.Thread(target=uvicorn_.run, daemon=True)
    thread.start()
    wait_for(lambda: uvicorn_.started or None)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        uvicorn_.should_exit = True
        thread.join(30)


@pytest.mark.case("c02")
def test_airflows_own_pages_live_with_the_policy(
    servers: dict[str, Server], tokens: tuple[str, Any]
) -> None:
    """The content security policy breaks no page of Airflow."""
    messages: list[str] = []
    server = servers[ALL]
    with listening(server.client.app) as origin, sync_playwright() as playwright:
        # Other console messages of Airflow's and FAB's pages do not matter here.
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: messages.append(message.text))
        page.goto(f"{origin}/auth/login")
        page.locator("input[name=username]").fill("admin")
        if tokens[0] == "fab":
            page.locator("input[name=password]").fill("admin")
            page.keyboard.press("Enter")
            page.wait_for_url(re.compile(r"^(?!.*/auth/login)"))
        else:
            cookie = {"name": "_token", "value": server.tokens["admin"], "url": origin}
            page.context.add_cookies([cookie])  # type: ignore[list-item]
        page.goto(f"{origin}/dags/{SYNC}/code")
        expect(page.locator(".monaco-editor .view-line").first).to_be_visible(timeout=60_000)
        page.goto(f"{origin}/plugin/oneroster/sites/{SITE}/preferences")
        expect(page.get_by_label("Time (UTC)")).to_be_visible(timeout=60_000)
        browser.close()
    assert [text for text in messages if "Content Security Policy" in text] == []


def named(monkeypatch: pytest.MonkeyPatch, hosts: str, host: str, path: str = "/x") -> int:
    """Return the status of an answer to a request with this host name."""
    monkeypatch.setenv("ONEROSTER_ALLOWED_HOSTS", hosts)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    answer: httpx2.Response = TestClient(WebServer(app)).get(path, headers={"host": host})
    return answer.status_code


@pytest.mark.case("c24")
@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((host, 200) for host in ("localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080")),
        *((host, 200) for host in ("LOCALHOST.", "127.9.9.9", "roster.lab", "Roster.Lab:443")),
        *((host, 421) for host in ("evil.example", "evil.example:8080", "192.168.1.9", "", "[")),
        *((host, 421) for host in ("localhost.evil.example", "127.0.0.1.evil.example", "evil@x")),
    ],
)
def test_the_server_is_asked_by_its_own_names(
    monkeypatch: pytest.MonkeyPatch, host: str, status: int
) -> None:
    """A request with a foreign host name is refused, which prevents DNS rebinding."""
    assert named(monkeypatch, "roster.lab", host) == status
    assert named(monkeypatch, "", host) == 200
    assert named(monkeypatch, "roster.lab", host, "/execution/health") == 200


class Logins:
    """A login that accepts one password, and a clock that moves only while requests wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Start without any wrong login."""
        monkeypatch.setenv("ONEROSTER_GUARD", ALL)
        self.now = 0.0
        self.tried: list[bytes] = []
        self.delay = LoginDelay(self._app, Guesses(lambda: self.now), self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        del scope
        body = (await receive())["body"]
        self.tried.append(body)
        status = 201 if b"right" in body else 401
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def log_in(
        self, name: str, word: str = "wrong", address: str = "10.0.0.1", path: str = "token"
    ) -> tuple[int, float]:
        """Try a password; return the status and the seconds that it took."""
        where = {"path": f"/auth/{path}", "client": (address, 1), "headers": []}
        scope = {"type": "http", "method": "POST", **where}
        body = f'{{"username": "{name}", "password": "{word}"}}'.encode()
        began, status = self.now, 0

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)

        await self.delay(scope, receive, send)
        return status, self.now - began


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> Logins:
    """A login without any tries."""
    return Logins(monkeypatch)


def tries(logins: Logins, count: int, **more: Any) -> list[float]:
    """Return the seconds that each of some wrong logins of one name took."""

    async def all_of_them() -> list[float]:
        return [(await logins.log_in("admin", **more))[1] for _ in range(count)]

    return asyncio.run(all_of_them())


@pytest.mark.case("c23")
@pytest.mark.parametrize("path", ["token", "token/cli", "login/"])
def test_each_wrong_password_makes_the_next_wait_longer(logins: Logins, path: str) -> None:
    """Three wrong passwords cost nothing; each further one doubles the wait, up to a limit."""
    waits = tries(logins, 12, path=path)
    assert waits[:3] == [0, 0, 0]
    assert waits[3:7] == [0.5, 1, 2, 4]
    assert waits[-1] == LONGEST


@pytest.mark.case("c23")
def test_other_addresses_and_other_names_are_no_way_around(logins: Logins) -> None:
    """The delay counts both by name and by address, so that changing one of them does not help."""

    async def guess() -> tuple[float, float]:
        for n in range(30):
            await logins.log_in("admin", address=f"10.0.1.{n}")
            await logins.log_in(f"user{n}", address="10.0.2.1")
        one = await logins.log_in(" ADMIN ", address="10.0.3.1")
        other = await logins.log_in("fresh", address="10.0.2.1")
        return one[1], other[1]

    assert asyncio.run(guess()) == (LONGEST, LONGEST)


@pytest.mark.case("c23")
def test_nobody_is_locked_out(logins: Logins) -> None:
    """A user with the right password logs in during an attack, after the longest wait at most."""

    async def attacked() -> tuple[tuple[int, float], tuple[int, float], float]:
        for n in itertools.chain(range(50)):
            await logins.log_in("admin", address=f"10.0.1.{n}")
        first = await logins.log_in("admin", "right", address="10.0.9.9")
        second = await logins.log_in("admin", "right", address="10.0.9.9")
        logins.now += 1000
        return first, second, (await logins.log_in("admin"))[1]

    first, second, later = asyncio.run(attacked())
    assert (first[0], second) == (201, (201, 0))
    assert first[1] <= LONGEST
    assert later == 0


@pytest.mark.case("c23")
def test_many_tries_at_once_are_no_faster(logins: Logins) -> None:
    """Simultaneous tries of one name from one address take turns, and the queue has a limit."""

    async def flood() -> tuple[list[int], int]:
        for _ in range(10):
            await logins.log_in("admin")
        began = logins.now
        answers = await asyncio.gather(*(logins.log_in("admin") for _ in range(100)))
        assert logins.now - began >= LONGEST * 20
        return [status for status, _ in answers], (await logins.log_in("op", "right"))[0]

    answers, other = asyncio.run(flood())
    assert (answers.count(401), answers.count(429), other) == (20, 80, 201)
    assert len(logins.tried) == 31


@pytest.fixture
def at_once(servers: dict[str, Server]) -> None:
    """Make the server's own login delay pass at once; `Logins` tests its length."""
    found: Any = servers[ALL].client.app.middleware_stack  # type: ignore[attr-defined]
    while not isinstance(found, LoginDelay):
        found = getattr(found, "app", None) or found._app

    async def sleep(seconds: float) -> None:
        del seconds

    found._sleep = sleep


@pytest.mark.case("c22", "c23")
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("content", [b"", b"[" * 9000, b"[]", b"\xff", b"username=a", b"1", b"{}"])
def test_a_login_that_is_none_is_refused(
    servers: dict[str, Server], at_once: None, content: bytes, kind: str
) -> None:
    """An unreadable login is refused with a client error."""
    headers = {"content-type": kind}
    answer = servers[ALL].asks(None, "POST", "/auth/token", content=content, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text


def test_a_login_has_a_size(servers: dict[str, Server]) -> None:
    """A login that is too large is refused."""
    answer = servers[ALL].asks(None, "POST", "/auth/token", content=b" " * (1 << 15))
    assert answer.status_code == 413
