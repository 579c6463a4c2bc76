"""Delay logins after wrong passwords, in our own deployments; no account is locked.

After a few wrong logins each further try waits twice as long as the one before, up to a maximum.
Tries are counted by name, from any address, and by address, with any name. Tries of one name from
one address run one after the other, so that parallel tries are no faster. A user with the right
password waits at most the maximum.

Each process counts separately: several processes allow proportionally more tries.
"""

from __future__ import annotations

import asyncio
import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from weakref import WeakValueDictionary

from starlette.datastructures import Headers

from oneroster_airflow.airflow_internals import get_route_path
from oneroster_airflow.airflow_routes import is_under
from oneroster_airflow.api.errors import Problem
from oneroster_sync import settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOGINS = ("/auth/token", "/auth/login")
_TOKENS = "/auth/token"
_FREE = {"name": 3, "address": 10}
"""Wrong logins without a delay: people mistype, and a school may share one address."""
_FIRST_S, LONGEST = 0.5, 15.0
"""First and maximum delay, in seconds."""
_FORGOTTEN_S = 900
_KEPT = 10_000
"""Maximum number of names and addresses to remember."""
_QUEUE = 20
"""Maximum number of waiting tries of one name from one address."""
_MOST = 1 << 14
"""Maximum size of a login request, in bytes."""


class Guesses:
    """Counts wrong logins by name and by address, and computes the delay of the next login."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start without any counts."""
        self._now = now
        self._wrong: dict[tuple[str, str], tuple[int, float]] = {}

    def delay(self, name: str, address: str) -> float:
        """Return the delay of the next try, in seconds."""
        return max(self._delay("name", name), self._delay("address", address))

    def note(self, name: str, address: str, *, is_right: bool) -> None:
        """Count a try. A right login clears the name only: the address may try other names."""
        if is_right:
            self._wrong.pop(("name", name), None)
            return
        for key in (("name", name), ("address", address)):
            count = self._count(key)
            # Written anew at the end, so that the first entry is the oldest, and is forgotten
            # first.
            self._wrong.pop(key, None)
            self._wrong[key] = (count + 1, self._now())
        while len(self._wrong) > _KEPT:
            del self._wrong[next(iter(self._wrong))]

    def _delay(self, kind: str, value: str) -> float:
        beyond = self._count((kind, value)) - _FREE[kind]
        # The exponent is bounded, because a float overflows at 2.0 ** 1024.
        return 0.0 if beyond < 0 else min(_FIRST_S * 2.0 ** min(beyond, 20), LONGEST)

    def _count(self, key: tuple[str, str]) -> int:
        count, last = self._wrong.get(key, (0, 0.0))
        return count if self._now() - last < _FORGOTTEN_S else 0


class LoginDelay:
    """Middleware that delays logins after wrong ones."""

    def __init__(
        self,
        app: ASGIApp,
        guesses: Guesses | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        """Wrap Airflow's app."""
        self._app = app
        self._is_ours = settings.guards_all_of_airflow()
        self._guesses = guesses or Guesses()
        self._sleep = sleep
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._waiting: dict[tuple[str, str], int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; delay a login."""
        if not (self._is_ours and scope["type"] == "http" and scope["method"] == "POST"):
            await self._app(scope, receive, send)
            return
        path = get_route_path(scope)
        if not is_under(path, _LOGINS):
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            await Problem(413, "A login has less bytes.").answer()(scope, receive, send)
            return
        address = str((scope.get("client") or ("",))[0])
        name = _name_in(body, Headers(scope=scope).get("content-type", ""))
        if name is None and is_under(path, [_TOKENS]):
            self._guesses.note("", address, is_right=False)
            detail = "A login is a JSON object with username and password."
            await Problem(422, detail).answer()(scope, receive, send)
            return
        key = (name or "", address)
        if self._waiting.get(key, 0) >= _QUEUE:
            detail = "Many logins of this name wait already; try again in a moment."
            headers = {"Retry-After": str(int(LONGEST))}
            await Problem(429, detail, headers=headers).answer()(scope, receive, send)
            return
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            await self._try(scope, body, send, key, is_token=is_under(path, [_TOKENS]))
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    async def _try(
        self, scope: Scope, body: bytes, send: Send, key: tuple[str, str], *, is_token: bool
    ) -> None:
        # Weakly held: a lock lives as long as a try holds or awaits it, so names that are made up
        # leave none.
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            await self._sleep(self._guesses.delay(*key))

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    is_right = _is_right(message, is_token=is_token)
                    self._guesses.note(*key, is_right=is_right)
                await send(message)

            await self._app(scope, _again(body), noting)


def _is_right(message: Message, *, is_token: bool) -> bool:
    """Return whether an answer is a login; FAB redirects wrong logins to its page again."""
    if is_token:
        return bool(message["status"] < HTTPStatus.BAD_REQUEST)
    where = Headers(raw=message["headers"]).get("location", _LOGINS[1])
    return message["status"] < HTTPStatus.BAD_REQUEST and _LOGINS[1] not in where


def _name_in(body: bytes, kind: str) -> str | None:
    """Return the name in a login request; None if the body can't be a login.

    Airflow answers some such bodies with status 500, which would alarm people.
    """
    try:
        if kind.startswith("application/x-www-form-urlencoded"):
            form = parse_qs(body.decode(), keep_blank_values=True)
            found = form.get("username", [""])[0] if "password" in form else None
        else:
            named = json.loads(body)
            found = named.get("username", "") if isinstance(named, dict) else None
    except (ValueError, RecursionError):
        return None
    # As a key: other spellings of one name share its count, and a long one takes little memory.
    return found.strip().casefold()[:256] if isinstance(found, str) else None


async def _read(receive: Receive) -> bytes | None:
    """Return the body of a login; None if it is too long or was cut off."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += bytes(message.get("body", b""))
        if len(body) > _MOST:
            return None
        if not message.get("more_body"):
            return body


def _again(body: bytes) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
