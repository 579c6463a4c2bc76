"""A real Chromium for tests and pictures. A test fails if the browser's console reports anything.

One Chromium serves a whole module; each page has its own context and shares nothing with other
pages.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import ConsoleMessage

__all__ = ["Page", "browsing", "chromium", "close", "log_in"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_OTHERS = ("Monaco", "/api/v2/", "/ui/")
"""Parts of the addresses of Airflow's own pages: what these log is not our concern."""


def chromium() -> str:
    """Return the path of a Chromium on this machine."""
    named = os.environ.get("CHROMIUM")
    found = named or next((path for name in _NAMES if (path := shutil.which(name))), None)
    assert found, "no Chromium found: install one, or set CHROMIUM to its path"
    return found


@contextmanager
def browsing(
    theme: str = "light", width: int = 1400, height: int = 900, *, ignoring: tuple[str, ...] = ()
) -> Iterator[Page]:
    """Yield a new page; fail at the end if its console reported anything.

    Args:
        theme: light or dark.
        width: Width of the window, in pixels.
        height: Height of the window, in pixels.
        ignoring: Words that the console may report: Chromium logs every refused request there.

    Raises:
        AssertionError: The console reported an error or a warning.
    """
    said: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        expected = any(words in message.text for words in ignoring)
        if message.type in {"error", "warning"} and not expected and not _is_of_others(message):
            said.append(f"{message.type}: {message.text} ({message.location['url']})")

    context = _browser().new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    try:
        context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", listen)
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
    finally:
        context.close()
    assert not said, "\n".join(said)


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
    while _open:
        playwright, browser = _open.pop()
        browser.close()
        playwright.stop()


def log_in(page: Page, origin: str, name: str = "admin") -> None:
    """Log in as a user whose password equals the user name."""
    page.goto(f"{origin}/auth/login")
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(name)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/auth/login" not in address)


def _is_of_others(message: ConsoleMessage) -> bool:
    return any(other in message.location["url"] for other in _OTHERS)
