"""Web security: check writes for their origin, and add headers to every answer.

Only writes of our own pages and of programs are processed, and only after a login.
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
    """Middleware that refuses cross-site writes, and adds headers to every answer.

    An unexpected error becomes a problem here, so that the connection is not closed with it.

    A browser sends a cookie with requests of any page, so a write with a cookie must come from one
    of our pages. A browser never sends a bearer token by itself, so it needs no such check.
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
            refusal = Problem(403, "Only OneRoster's own pages may send writes.", code="web.origin")
            await refusal.answer()(scope, receive, marked)
            return
        try:
            await _log_in(scope)
            await self._app(scope, receive, marked)
        except HTTPException as refusal:
            await refused(refusal)(scope, receive, marked)
        except Exception as error:
            # The status has been sent already; only closing the connection shows that the answer is
            # not whole.
            if begun:
                raise
            await unexpected(error)(scope, receive, marked)


async def _log_in(scope: Scope) -> None:
    """Require a login for a write, because FastAPI parses bodies before it checks the login.

    Raises:
        HTTPException: The user is not logged in.
    """
    if scope["method"] not in _READS:
        request = Request(scope)
        await get_user(request, None, await _BEARER(request))


def is_own(scope: Scope) -> bool:
    """Return whether a write comes from one of our pages, or from a program with a token.

    If the server is reached by TLS, a page without TLS is not ours: somebody on the network path
    could have changed it.
    """
    headers = Headers(scope=scope)
    if headers.get("authorization", "").lower().startswith("bearer "):
        return True
    site = headers.get("sec-fetch-site")
    if site is not None:
        # `none` is an address that a person typed, and such a request never writes.
        return site == "same-origin"
    # Browsers without Fetch Metadata, such as Safari before 16.4, still send the origin of a write.
    origin = urlsplit(headers.get("origin") or "")
    return (origin.scheme, origin.netloc) == (scope["scheme"], headers.get("host"))
