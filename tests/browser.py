"""A real Chromium for tests and pictures. A test fails if the browser's console reports anything.

One Chromium and one page serve a whole module. A test gets the page as it was new: empty, without
cookies and without stored values.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, Page, Playwright, Request, expect, sync_playwright

from measures import IS_UNCOVERED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import ConsoleMessage, Error, Locator

__all__ = ["Page", "browsing", "chromium", "close", "log_in", "press", "reach", "visit"]

_NAMES = (
    *("chromium-headless-shell", "chromium", "chromium-browser"),
    *("google-chrome", "google-chrome-stable"),
)
"""Debian's headless shell comes first: the same engine without a window, a third less work."""
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    # A page lives for seconds: to optimise its code takes longer than the faster code saves.
    "--js-flags=--no-opt --no-maglev",
)
_MOST_STOPS = 60
"""So many presses of Tab are enough for any control of a page."""
_OTHERS = ("Monaco", "/api/v2/", "/ui/")
"""Parts of the addresses of Airflow's own pages: what these log is not our concern."""
PATIENCE_MS = 30_000
"""How long a page may take to show what a test expects, on a busy machine."""
expect.set_options(timeout=PATIENCE_MS)


def chromium() -> str:
    """Return the path of a Chromium on this machine."""
    named = os.environ.get("CHROMIUM")
    found = named or next((path for name in _NAMES if (path := shutil.which(name))), None)
    assert found, "no Chromium found: install one, or set CHROMIUM to its path"
    return found


@contextmanager
def browsing(
    theme: str = "light",
    width: int = 1400,
    height: int = 900,
    *,
    ignoring: tuple[str, ...] = (),
    alone: bool = False,
) -> Iterator[Page]:
    """Yield an empty page; fail at the end if its console reported anything.

    Args:
        theme: light or dark.
        width: Width of the window, in pixels.
        height: Height of the window, in pixels.
        ignoring: Words that the console may report: Chromium logs every refused request there.
        alone: The test adds listeners, scripts or permissions: no other test gets this page.

    Raises:
        AssertionError: The console reported an error or a warning.
    """
    reported: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        expected = any(words in message.text for words in ignoring)
        if message.type in {"error", "warning"} and not expected and not _is_of_others(message):
            reported.append(f"{message.type}: {message.text} ({message.location['url']})")

    def fail(error: Error) -> None:
        reported.append(str(error))

    page = _pages.pop() if _pages and not alone else _new_page()
    page.set_viewport_size({"width": width, "height": height})
    # Otherwise spinners are drawn again and again while a test waits.
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    page.on("console", listen)
    page.on("pageerror", fail)
    is_reusable = False
    try:
        with page.add_init_script(f"localStorage.setItem('theme', '{theme}')"):
            yield page
        page.remove_listener("console", listen)
        page.remove_listener("pageerror", fail)
        is_reusable = not alone
    finally:
        if is_reusable:
            _clear(page)
            _pages.append(page)
        else:
            page.context.close()
    assert not reported, "\n".join(reported)


_pages: list[Page] = []
"""Pages that wait for the next test. To load Airflow's pages again takes half as long in them."""


def _new_page() -> Page:
    """Return a page of a new context."""
    context = _browser().new_context(locale="en-GB", timezone_id="Europe/Berlin")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    _follow_requests(page)
    return page


def _clear(page: Page) -> None:
    """Leave the page as a new one."""
    if page.url.startswith("http"):
        page.evaluate("localStorage.clear(); sessionStorage.clear()")
    page.goto("about:blank")
    page.context.clear_cookies()
    _asked[page].clear()


# The router asks its own state for the index of an entry, without which no page may ask to stay.
_FOLLOW = """to => {
    const idx = (history.state?.idx ?? 0) + 1;
    history.pushState({ usr: null, key: `visit-${idx}`, idx }, "", to);
    dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
}"""
_QUIET_S = 0.5
_asked: WeakKeyDictionary[Page, set[Request]] = WeakKeyDictionary()
"""The requests of each page that have no answer yet."""


def _follow_requests(page: Page) -> None:
    under_way = _asked.setdefault(page, set())

    # Playwright 1.65 puts an attribute on a handler, which a set's own method refuses.
    def begin(request: Request) -> None:
        under_way.add(request)

    def end(request: Request) -> None:
        under_way.discard(request)

    page.on("request", begin)
    page.on("requestfinished", end)
    page.on("requestfailed", end)


def visit(page: Page, address: str) -> None:
    """Follow an address as a link of the page does, and wait until no request is under way.

    Only the first visit loads Airflow's pages, because loading and running their three megabytes
    takes two processor seconds. A test of the first look, or of a reload, uses `goto`.
    """
    if page.url.startswith("http"):
        page.evaluate(_FOLLOW, address)
    else:
        page.goto(address)
    settle(page)


def settle(page: Page) -> None:
    """Wait until no request of a page was under way for half a second.

    Playwright reaches the state `networkidle` once for each load, so a click does not change it.
    """
    quiet_since = time.monotonic()
    deadline = quiet_since + PATIENCE_MS / 1000
    while (now := time.monotonic()) - quiet_since < _QUIET_S:
        assert now < deadline, "the page keeps sending requests"
        page.wait_for_timeout(50)
        if _asked[page]:
            quiet_since = time.monotonic()


_open: list[tuple[Playwright, Browser]] = []


def _browser() -> Browser:
    """Return the open Chromium; open one if there is none."""
    if not _open:
        playwright = sync_playwright().start()
        launch = playwright.chromium.launch
        _open.append((playwright, launch(executable_path=chromium(), args=list(_ARGUMENTS))))
    return _open[0][1]


def close() -> None:
    """Close the Chromium, if one is open."""
    _pages.clear()
    while _open:
        playwright, browser = _open.pop()
        browser.close()
        playwright.stop()


def log_in(page: Page, origin: str, name: str = "admin") -> None:
    """Log in as a user whose password equals the user name.

    The page gets the cookie that Airflow's own form sets. The form and Airflow's home page would
    take as long as the page that is tested.
    """
    login = {"username": name, "password": name}
    answer = page.request.post(f"{origin}/auth/token", data=login)
    assert answer.ok, answer.text()
    cookie = {"name": "_token", "value": answer.json()["access_token"], "url": origin}
    page.context.add_cookies([cookie])  # type: ignore[list-item]


def reach(page: Page, control: Locator) -> None:
    """Press Tab until a control has the focus, and see that nothing hides it."""
    control.wait_for()
    for _ in range(_MOST_STOPS):
        if control.evaluate("it => it === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(control).to_be_focused()
    page.wait_for_function(IS_UNCOVERED)


def press(page: Page, control: Locator, key: str = "Enter") -> None:
    """Reach a control by Tab, and press a key there."""
    reach(page, control)
    page.keyboard.press(key)


def _is_of_others(message: ConsoleMessage) -> bool:
    return any(other in message.location["url"] for other in _OTHERS)
