"""Web safety for every answer: who may send a write, and what a browser may do with the answer.

Writes of our own pages and of programs alone are looked at, and only once somebody has logged in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi.security import HTTPBearer
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request

from oneroster_airflow.airflow_internals import get_user
from oneroster_airflow.api.errors import Problem, refused, unexpected

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BEARER = HTTPBearer(auto_error=False)
_READS = {"GET", "HEAD", "OPTIONS"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Safety:
    """Refuses writes that another site makes a browser send, and marks every answer.

    What nobody expected becomes a problem here, so that the connection is not torn down with it.

    A cookie is sent whoever wrote the page, so a write that comes with one must come from a page of
    ours. A bearer token is never sent by itself, so it needs no such proof.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        begun = False

        async def marked(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["method"] not in _READS and not is_own(scope):
            refusal = Problem(403, "Writes are taken from our own pages only.", code="web.origin")
            await refusal.answer()(scope, receive, marked)
            return
        try:
            await _log_in(scope)
            await self._app(scope, receive, marked)
        except HTTPException as refusal:
            await refused(refusal)(scope, receive, marked)
        except Exception as error:
            if begun:
                raise
            await unexpected(error)(scope, receive, marked)


async def _log_in(scope: Scope) -> None:
    """Go on with a write only if somebody has logged in: FastAPI parses bodies before it asks.

    Raises:
        HTTPException: Nobody has.
    """
    if scope["method"] not in _READS:
        request = Request(scope)
        await get_user(request, None, await _BEARER(request))


def is_own(scope: Scope) -> bool:
    """Tell whether a write comes from a page of ours, or from a program with a token.

    A page that was read without TLS is none of ours where we are reached by TLS: whoever is between
    could have written it.
    """
    headers = Headers(scope=scope)
    if headers.get("authorization", "").lower().startswith("bearer "):
        return True
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(headers.get("origin") or "")
    return (origin.scheme, origin.netloc) == (scope["scheme"], headers.get("host"))
