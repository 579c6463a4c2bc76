"""Files of a web server, over TLS that is always verified.

The Airflow connection holds login and password for basic authentication, or, with `"auth":
"bearer"` in its extra, a token as its password; `ca_file` in the extra is the path of the
certificate of a private authority. Redirects are followed over TLS only, and to other hosts without
the login.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

import httpx

from oneroster_sync.sources.base import PIECE, Entry
from oneroster_sync.sources.errors import (
    NoSourceError,
    NotReadyError,
    RefusedSourceError,
    RetriableSourceError,
)
from oneroster_sync.sources.selection import finished, matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneroster_sync.sources.base import Login, Patience
    from oneroster_sync.sources.url import SourceUrl

# Some servers have no HEAD; a GET whose body is not read gives the same headers.
_NO_HEAD = {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
_LOGIN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_PAGE = 4 * PIECE
"""Most bytes of a page of links that are read."""
_LINKS = 500
"""Most files that a page may link to; each listing makes one request for each."""


class HttpsPlace:
    """A file of a web server, or a page whose links are files."""

    def __init__(self, client: httpx.Client, url: SourceUrl, pattern: str) -> None:
        """Make a place for a URL; the client sends its requests."""
        self._client = client
        self._url = url.text
        self._host = url.host
        self._pattern = pattern
        self._sockets: list[socket.socket] = []
        client.event_hooks = {"request": [*client.event_hooks["request"], self._watch]}
        self.name = f"https://{url.host}{url.path}"

    def list_entries(self) -> tuple[bool, list[Entry]]:
        """Return (True, [the file]), or for a page (False, the files that it links to)."""
        if not self._url.endswith("/"):
            return True, [self._ask(self._url)]
        links = [link for link in self._links() if self._is_wanted(link)]
        if len(links) > _LINKS:
            raise RefusedSourceError(
                "source.too_many_files",
                f"{self.name} links to {len(links):,} files, and the limit is {_LINKS}; "
                "narrow the pattern, or name the file itself",
            )
        return False, [self._ask(link) for link in links]

    @contextlib.contextmanager
    def read(self, entry: Entry) -> Iterator[Iterator[bytes]]:
        """Open a file and yield its bytes in pieces."""
        with _translate_errors(self._host), self._client.stream("GET", entry.path) as answer:
            self._check(answer, entry.name)
            # The file may have been replaced since the HEAD of the listing.
            if _stamp(answer) != entry.stamp:
                raise NotReadyError("source.not_ready", f"{entry.name} was just replaced")
            yield answer.iter_raw(PIECE)

    def move(self, entry: Entry, folder: str, name: str) -> None:
        """Raise RefusedSourceError: files of a web server can't be moved."""
        raise RefusedSourceError(
            "source.not_permitted", f"{entry.name} can't be moved to {folder}/{name}"
        )

    def abort(self) -> None:
        """Cut all connections, while another thread may be reading from one.

        The sockets are shut down, not closed: after a close, the system may give the same
        descriptor to another file, and the thread would read from that.
        """
        for connected in self._sockets:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the duplicated sockets that `abort` uses."""
        for connected in self._sockets:
            connected.close()

    def _watch(self, request: httpx.Request) -> None:
        """Make httpcore report each connection that it opens for a request."""
        request.extensions = {**request.extensions, "trace": self._note_connection}

    def _note_connection(self, event: str, info: dict[str, Any]) -> None:
        # A duplicate, because TLS detaches the socket from the object that the library holds now.
        if event.endswith("connect_tcp.complete"):
            self._sockets.append(info["return_value"].get_extra_info("socket").dup())

    def _ask(self, url: str) -> Entry:
        name = unquote(urlsplit(url).path.rpartition("/")[2]) or "OneRoster.zip"
        with _translate_errors(self._host):
            answer = self._client.head(url)
            if answer.status_code in _NO_HEAD:
                with self._client.stream("GET", url) as answer:
                    self._check(answer, name)
            self._check(answer, name)
        size = answer.headers.get("content-length")
        modified = None
        with contextlib.suppress(ValueError, KeyError):
            modified = parsedate_to_datetime(answer.headers["last-modified"]).astimezone(dt.UTC)
        known = int(size) if size and size.isdecimal() else None
        return Entry(name, url, known, _stamp(answer), modified)

    def _links(self) -> list[str]:
        reader = _Links()
        with _translate_errors(self._host), self._client.stream("GET", self._url) as answer:
            self._check(answer, self.name)
            page = b""
            for piece in answer.iter_bytes(PIECE):
                page += piece
                if len(page) > _PAGE:
                    break
        reader.feed(page.decode("utf-8", "replace"))
        return [urljoin(self._url, link) for link in dict.fromkeys(reader.found)]

    def _is_wanted(self, link: str) -> bool:
        """Return whether a link is directly below the page and its name can be a package's."""
        if not link.startswith(self._url):
            return False
        name = finished(unquote(link.removeprefix(self._url)))
        plain = not set(name) & set("/?#")
        return plain and (matches(name, self._pattern) or matches(name, "*.csv"))

    def _check(self, answer: httpx.Response, what: str) -> None:
        status = answer.status_code
        if answer.is_success:
            return
        if status in _LOGIN:
            raise RefusedSourceError(
                "source.login_refused", f"{self._host} refused the login (status {status})"
            )
        if status in _GONE:
            raise NoSourceError("source.not_found", f"there is nothing at {what}")
        if answer.is_server_error or status in _LATER:
            raise RetriableSourceError(
                "source.unreachable", f"{self._host} can't answer now (status {status})"
            )
        raise RefusedSourceError(
            "source.not_permitted", f"{self._host} refuses {what} (status {status})"
        )


@contextlib.contextmanager
def opened(
    url: SourceUrl, login: Login | None, patience: Patience, pattern: str
) -> Iterator[HttpsPlace]:
    """Yield the place of a URL; its connections are closed at the end.

    Raises:
        RefusedSourceError: The connection is for another host, or its ca_file is wrong.
    """
    # No compression on the way: `iter_raw` yields the file's own bytes, as many as content-length
    # says.
    headers, auth, ca_file = {"Accept-Encoding": "identity"}, None, None
    if login is not None:
        login.check_host(url)
        ca_file = login.word("ca_file")
        if login.word("auth") == "bearer":
            headers["Authorization"] = f"Bearer {login.password}"
        elif login.login or login.password:
            auth = httpx.BasicAuth(login.login or "", login.password or "")
    try:
        trusted = ssl.create_default_context(cafile=ca_file)
    except OSError:
        raise RefusedSourceError(
            "source.certificate", "the ca_file of the connection can't be read"
        ) from None
    timeout = httpx.Timeout(patience.read_s, connect=patience.connect_s)
    with (
        httpx.Client(
            auth=auth,
            headers=headers,
            verify=trusted,
            timeout=timeout,
            follow_redirects=True,
            # httpx calls the hook for each redirect too, and takes the login out of one to another
            # origin.
            event_hooks={"request": [_only_tls]},
        ) as client,
        contextlib.closing(HttpsPlace(client, url, pattern)) as place,
    ):
        yield place


def _only_tls(request: httpx.Request) -> None:
    if request.url.scheme != "https":
        raise RefusedSourceError(
            "source.not_encrypted", f"the source redirects to {request.url.host} without TLS"
        )


def _stamp(answer: httpx.Response) -> str:
    """Return the response headers that change with the file."""
    names = ("etag", "last-modified", "content-length")
    return " ".join(answer.headers.get(name, "-") for name in names)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Append the target of a link to `found`."""
        if tag == "a":
            self.found.extend(value for name, value in attrs if name == "href" and value)


@contextlib.contextmanager
def _translate_errors(host: str) -> Iterator[None]:
    """Raise errors of httpx as `SourceError`, without the library's text."""
    try:
        yield
    except httpx.TimeoutException:
        raise RetriableSourceError("source.timeout", f"{host} did not answer in time") from None
    except httpx.ConnectError as error:
        # httpx has no class for a certificate that is refused; only the text of OpenSSL shows it.
        if "CERTIFICATE" in str(error).upper():
            raise RefusedSourceError(
                "source.certificate", f"the certificate of {host} can't be trusted"
            ) from None
        raise RetriableSourceError("source.unreachable", f"{host} can't be reached") from None
    except httpx.HTTPError:
        raise RetriableSourceError("source.interrupted", f"{host} closed the connection") from None
