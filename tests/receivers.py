"""Receivers for messages of the tests: a mail server, a webhook, a collector, on this machine.

with mail_server("ops", "password") as mail, webhook() as hook:
    …
    assert "held" in mail.messages[0]["subject"]
    assert "held" in hook.bodies[0]["title"]

with collector() as received:
    …
    assert received.latest("oneroster.plans.held") == {("default",): 0}
"""

from __future__ import annotations

import email
import json
import socket
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email import policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

HOST = "127.0.0.1"
QUIET = (
    "ignore:Requiring AUTH while not requiring TLS:UserWarning",  # nothing leaves this machine
    "ignore:'imghdr' is deprecated:DeprecationWarning",  # from Apprise's own copy
)
"""Warnings that our code does not cause."""


@dataclass
class Mail:
    """A mail server: the mails that it took, and the addresses of each."""

    port: int
    messages: list[EmailMessage] = field(default_factory=list)
    envelopes: list[list[str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Accept a mail."""
        message = email.message_from_bytes(envelope.content, policy=policy.default)
        self.messages.append(message)
        self.envelopes.append(list(envelope.rcpt_tos))
        self.raw.append(envelope.content)
        return "250 taken"

    def written(self, number: int = -1) -> list[bytes]:
        """Return a mail as it was sent, and each of its parts as a mail program decodes it."""
        parts = [part for part in self.messages[number].walk() if not part.is_multipart()]
        return [self.raw[number], *(bytes(part.get_payload(decode=True) or b"") for part in parts)]

    def html(self, number: int = -1) -> str:
        """Return the HTML of a mail with plain line ends: SMTP changes those of ASCII text."""
        body = self.messages[number].get_body(("html",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


@dataclass
class Hook:
    """A webhook: the bodies and the paths that were posted to it."""

    port: int
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@dataclass
class Received:
    """An OpenTelemetry collector: all that was sent to it by OTLP over HTTP, in order."""

    port: int
    metrics: list[Metric] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    raw: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return the value of OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://{HOST}:{self.port}"

    def points(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """Yield name, attributes and value of each point, in the order of arrival."""
        for metric in self.metrics:
            for point in getattr(metric, str(metric.WhichOneof("data"))).data_points:
                attributes = {pair.key: pair.value.string_value for pair in point.attributes}
                yield metric.name, attributes, float(getattr(point, point.WhichOneof("value")))

    def latest(self, name: str, *without: str) -> dict[tuple[str, ...], float]:
        """Return attributes, in the order of their names → the newest value of a metric."""
        found = {}
        for named, attributes, value in self.points():
            if named == name:
                key = (attributes[each] for each in sorted(attributes) if each not in without)
                found[tuple(key)] = value
        return found

    def take(self, path: str, body: bytes) -> None:
        """Decode a request."""
        self.raw.append(body)
        if path == "/v1/metrics":
            for metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self._note_service(metrics.resource)
                self.metrics += [
                    metric for scope in metrics.scope_metrics for metric in scope.metrics
                ]
        elif path == "/v1/traces":
            for spans in ExportTraceServiceRequest.FromString(body).resource_spans:
                self._note_service(spans.resource)
                self.spans += [span for scope in spans.scope_spans for span in scope.spans]

    def _note_service(self, resource: Any) -> None:
        names = {pair.key: pair.value.string_value for pair in resource.attributes}
        self.services.add(names["service.name"])


def free_port() -> int:
    """Return a port on which no program listens."""
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def mail_server(login: str, password: str, port: int | None = None) -> Iterator[Mail]:
    """Run a mail server that takes mail from one login."""

    def is_known(_server: Any, _session: Any, _envelope: Any, _mechanism: Any, given: Any) -> Any:
        known = LoginPassword(login.encode(), password.encode())
        return AuthResult(success=given == known, handled=False)

    mail = Mail(port or free_port())
    controller = Controller(
        mail,
        hostname=HOST,
        port=mail.port,
        authenticator=is_known,
        auth_require_tls=False,
        auth_required=True,
    )
    controller.start()
    try:
        yield mail
    finally:
        controller.stop()


@contextmanager
def webhook() -> Iterator[Hook]:
    """Run a webhook; it refuses a path that contains `refuse`."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if "refuse" not in self.path:
                hook.paths.append(self.path)
                hook.bodies.append(json.loads(body))
            self.send_response(403 if "refuse" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer((HOST, 0), Taking)
    hook = Hook(server.server_port)
    with _serving(server):
        yield hook


@contextmanager
def collector(port: int = 0) -> Iterator[Received]:
    """Run a collector of OpenTelemetry metrics and traces, on a port or on a free one."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer((HOST, port), Taking)
    received = Received(server.server_port)
    with _serving(server):
        yield received


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silence(port: int | None = None) -> Iterator[int]:
    """Listen on a port, never answer, and yield the port."""
    with closing(socket.create_server((HOST, port or 0))) as listening:
        yield int(listening.getsockname()[1])


def smtp_connection(port: int, login: str, password: str) -> str:
    """Return a connection to the mail server, in the form of an environment variable."""
    extra = {"from_email": "oneroster@example.org", "disable_ssl": True, "disable_tls": True}
    values = {"conn_type": "smtp", "host": HOST, "port": port, "login": login, "password": password}
    return json.dumps({**values, "extra": extra})


def apprise_connection(*urls: str) -> str:
    """Return a connection of Apprise to some services."""
    services = [{"path": url, "tag": "all"} for url in urls]
    return json.dumps({"conn_type": "apprise", "extra": {"config": services}})
