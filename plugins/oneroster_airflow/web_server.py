"""Security headers of the whole server, and the host names that it answers.

Every answer forbids framing by other sites, so that users can't be led to click on a hidden page.
In our own deployments a policy also restricts the sources of scripts, styles and images.

Another site can make its own host name resolve to this machine (DNS rebinding), and then send
requests like one of our pages. So other names are refused if `ONEROSTER_ALLOWED_HOSTS` is set.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.configuration import conf
from starlette.datastructures import Headers, MutableHeaders

from oneroster_airflow.airflow_internals import get_route_path
from oneroster_airflow.airflow_routes import is_under
from oneroster_airflow.api.errors import Problem
from oneroster_sync import settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FRAMES = "frame-ancestors 'self'"
_REST = f"img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; {_FRAMES}"
_PAGES = (
    # Airflow's editor compiles its SQL parser from WebAssembly, and runs in workers.
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    # Chakra inserts its styles into the page.
    f"style-src 'self' 'unsafe-inline'; base-uri 'self'; form-action 'self'; {_REST}"
)
_LOGIN = (
    # FAB's pages contain inline scripts, and send forms to the login page.
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    f"base-uri 'self'; {_REST}"
)
_CDN = "https://cdn.jsdelivr.net"
_REFERENCE = (
    f"default-src 'self'; script-src 'self' 'unsafe-inline' {_CDN}; worker-src 'self' blob:; "
    f"style-src 'self' 'unsafe-inline' {_CDN} https://fonts.googleapis.com; base-uri 'self'; "
    "img-src 'self' data: https:; font-src 'self' data: https://fonts.gstatic.com; "
    f"object-src 'none'; {_FRAMES}"
)
_POLICIES = {"/auth": _LOGIN, "/docs": _REFERENCE, "/redoc": _REFERENCE}
"""Path → policy, for pages that need more than Airflow's own."""
_ANY_NAME = ("/execution", "/api/v2/monitor/health")
"""Paths that tasks and probes request by any host name; they use no cookie."""


class WebServer:
    """Middleware that refuses foreign host names, and adds headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap Airflow's app."""
        self._app = app
        self._is_ours = settings.guards_all_of_airflow()
        self._hosts = settings.allowed_hosts()
        self._hsts = settings.hsts_seconds()
        self._own = urlsplit(conf.get("api", "base_url", fallback="") or "").hostname

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = get_route_path(scope)

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._mark(MutableHeaders(scope=message), path, scope.get("scheme") == "https")
            await send(message)

        host = _name_of(Headers(scope=scope).get("host", ""))
        if self._is_allowed(host) or is_under(path, _ANY_NAME):
            await self._app(scope, receive, marked)
            return
        detail = (
            "This server does not accept that host name. Use localhost, or add the name to "
            "ONEROSTER_ALLOWED_HOSTS and restart it."
        )
        await Problem(421, detail, code="web.host").answer()(scope, receive, marked)

    def _is_allowed(self, host: str) -> bool:
        if self._hosts is None or host in self._hosts or host in {"localhost", self._own}:
            return True
        try:
            # An address can't be rebound, and tools of this machine use it.
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def _mark(self, headers: MutableHeaders, path: str, is_encrypted: bool) -> None:  # noqa: FBT001
        policy = headers.get("content-security-policy")
        if policy is None:
            policy = self._policy(path) if self._is_ours else _FRAMES
        elif "frame-ancestors" not in policy:
            policy = f"{policy}; {_FRAMES}"
        headers["content-security-policy"] = policy
        if self._hsts and is_encrypted:
            headers.setdefault("strict-transport-security", f"max-age={self._hsts}")

    def _policy(self, path: str) -> str:
        return next((p for root, p in _POLICIES.items() if is_under(path, [root])), _PAGES)


def _name_of(host: str) -> str:
    """Return the name or address of a Host header without its port; empty if it has none."""
    try:
        # `localhost.` is the same host.
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
