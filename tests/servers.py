"""Servers that packages come from, and failures of the network.

    with sftp_server(folder) as sftp, cut_after(sftp.port, 100_000) as port:
        …

Nothing is mocked: an SFTP server, an S3 server and a web server with TLS listen on their own ports,
and a proxy cuts connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import httpx
import trustme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "127.0.0.1"
LOGIN, PASSWORD = "sis-export", "s3cret-of-the-sis"
BUCKET = "exports"
_NUMBERS = itertools.count()


@dataclass
class Sftp:
    """An SFTP server: its port, its host key, and the private key that may log in.

    `asked` has a line for each connection: the name that logged in, or "" until one does.
    """

    port: int
    host_key: str
    private_key: str
    folder: Path
    asked: list[str] = field(default_factory=list)

    def extra(self, **more: Any) -> dict[str, Any]:
        """Return the extra of a connection that knows the host key."""
        return {"host_key": self.host_key, **more}


class _Door(asyncssh.SSHServer):
    def __init__(self, key: asyncssh.SSHKey, asked: list[str]) -> None:
        self._key = key.convert_to_public()
        self._asked = asked
        self._number = len(asked)
        asked.append("")

    def begin_auth(self, username: str) -> bool:
        self._asked[self._number] = username
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (LOGIN, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == LOGIN and key == self._key


@contextlib.contextmanager
def sftp_server(folder: Path, algorithm: str = "ssh-ed25519") -> Iterator[Sftp]:
    """Serve a folder over SFTP; a client that logs in sees only this folder."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    own, theirs = asyncssh.generate_private_key(algorithm), asyncssh.generate_private_key(algorithm)
    asked: list[str] = []

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            HOST,
            0,
            server_host_keys=[own],
            server_factory=functools.partial(_Door, theirs, asked),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=os.fsencode(folder)),
        )

    async def stop() -> None:
        acceptor.close()
        await acceptor.wait_closed()

    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    try:
        yield Sftp(
            acceptor.get_port(),
            own.export_public_key().decode().strip(),
            theirs.export_private_key().decode(),
            folder,
            asked,
        )
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@dataclass
class S3:
    """An S3 server with one bucket and one user, who has access to the bucket."""

    port: int
    key: str
    secret: str
    client: Any

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"http://{HOST}:{self.port}"

    def extra(self, **more: Any) -> dict[str, Any]:
        """Return the extra of a connection to the server."""
        return {"endpoint_url": self.url, "region_name": "us-east-1", **more}

    def put(self, key: str, content: bytes) -> None:
        """Put an object into the bucket."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def keys(self) -> list[str]:
        """Return the names of all objects."""
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [each["Key"] for each in found]


_MAY = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [_MAY]})


@contextlib.contextmanager
def s3_server() -> Iterator[S3]:
    """Serve S3 from a separate process that checks keys and signatures."""
    import boto3

    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    url = f"http://{HOST}:{port}"
    words = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _answers(f"{url}/moto-api/"))
        make = functools.partial(boto3.client, endpoint_url=url, region_name="us-east-1")
        root = {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
        iam = make("iam", **root)
        iam.create_user(UserName=LOGIN)
        iam.put_user_policy(UserName=LOGIN, PolicyName="all", PolicyDocument=_POLICY)
        made = iam.create_access_key(UserName=LOGIN)["AccessKey"]
        key, secret = made["AccessKeyId"], made["SecretAccessKey"]
        client = make("s3", aws_access_key_id=key, aws_secret_access_key=secret)
        client.create_bucket(Bucket=BUCKET)
        httpx.post(f"{url}/moto-api/reset-auth", content="0").raise_for_status()
        yield S3(port, key, secret, client)
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).is_success
    return False


@dataclass
class Web:
    """A web server: its port, its CA certificate, and the headers of the requests."""

    port: int
    ca_file: Path
    sent: list[dict[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def https_server(
    folder: Path, authorization: str | None = None, *, name: str = HOST
) -> Iterator[Web]:
    """Serve a folder over TLS to clients that send this `Authorization` header.

    Args:
        folder: The served folder; a folder in it is a page of links. `elsewhere` redirects.
        authorization: The required header; None accepts every client.
        name: The host name of the certificate.
    """
    authority = trustme.CA()
    ca_file = folder.parent / f"ca-{next(_NUMBERS)}.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    web = Web(0, ca_file)

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            web.sent.append(dict(self.headers))
            if authorization is not None and self.headers.get("Authorization") != authorization:
                self.send_error(401)
            elif self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1:9/OneRoster.zip")
                self.end_headers()
            elif self.command == "HEAD":
                super().do_HEAD()
            else:
                super().do_GET()

        do_HEAD = do_GET  # noqa: N815

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the client's connection was cut
                super().handle()

        def log_message(self, *_words: Any) -> None:
            """Log nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    handler = functools.partial(Handler, directory=str(folder))
    with ThreadingHTTPServer((HOST, 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        web.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join(30)


@contextlib.contextmanager
def cut_after(port: int, size: int) -> Iterator[int]:
    """Yield a proxy port that cuts each connection after so many bytes from the server."""
    with _listening(functools.partial(_pass_on, port, size, lambda _: False)) as cutting:
        yield cutting


@contextlib.contextmanager
def silent_after(port: int, size: int) -> Iterator[int]:
    """Yield a proxy port that falls silent after so many bytes from the server."""
    with _listening(functools.partial(_pass_on, port, size, _wait)) as stalling:
        yield stalling


@contextlib.contextmanager
def drip_after(port: int, size: int, left: threading.Event) -> Iterator[int]:
    """Yield a proxy port that passes on single bytes after so many bytes from the server.

    One byte comes every tenth of a second, so no read times out. `left` is set when the client
    closes the connection.
    """

    def serve(taken: socket.socket) -> None:
        try:
            _pass_on(port, size, lambda _: True, taken, piece=1)
        finally:
            left.set()

    with _listening(serve) as dripping:
        yield dripping


@contextlib.contextmanager
def meanwhile(port: int, size: int, happens: Callable[[], object]) -> Iterator[int]:
    """Yield a proxy port that calls `happens` after so many bytes from the server."""

    def do(_taken: socket.socket) -> bool:
        happens()
        return True

    with _listening(functools.partial(_pass_on, port, size, do)) as passing:
        yield passing


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Yield a port that accepts connections and never answers."""
    with _listening(_wait) as port:
        yield port


def closed_port() -> int:
    """Return a port on which no process listens."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def until(look: Callable[[], bool], within_s: float = 30) -> None:
    """Wait until `look` returns true."""
    deadline = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.05)


@contextlib.contextmanager
def _listening(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken, _ = server.accept()
                    threading.Thread(target=one, args=(taken,), daemon=True).start()

        def one(taken: socket.socket) -> None:
            with taken, contextlib.suppress(OSError):
                serve(taken)

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _pass_on(
    port: int,
    size: int,
    then: Callable[[socket.socket], bool],
    taken: socket.socket,
    piece: int = 1 << 14,
) -> None:
    """Pass on the bytes of both sides; after `size` bytes of the server continue if `then` agrees.

    After that the server's bytes are passed on in pieces of `piece` bytes, single ones slowly.
    """
    left, most = size, min(1 << 14, size + 1)
    with socket.create_connection((HOST, port)) as target:
        while True:
            ready, _, _ = select.select([taken, target], [], [])
            for one, other in ((taken, target), (target, taken)):
                if one not in ready:
                    continue
                data = one.recv(most if one is target else 1 << 14)
                if not data:
                    return
                if one is target and left >= 0:
                    left -= len(data)
                    if left < 0 and not then(taken):
                        return
                    most = piece if left < 0 else min(most, left + 1)
                other.sendall(data)
                if most == 1:
                    time.sleep(0.1)


def _wait(taken: socket.socket) -> bool:
    """Read and discard bytes until the other side closes the connection."""
    while taken.recv(1 << 16):
        pass
    return False


def copy_into(folder: Path, package: Path, name: str = "OneRoster.zip") -> Path:
    """Copy a package into a folder, and return its new path."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(package, folder / name))
