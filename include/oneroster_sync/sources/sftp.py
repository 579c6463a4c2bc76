"""Files and folders of an SFTP server, whose host key is known beforehand.

The Airflow connection has the fields of Airflow's own SSH and SFTP connections: host, port, login,
password; and in its extra `private_key` or `key_file`, `private_key_passphrase`, and `host_key`
(the key in base64, with or without its type before it). The password is not sent to a server with
another host key. Only `"no_host_key_check": true` turns this check off.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime as dt
import functools
import io
import logging
import posixpath
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from oneroster_sync.sources.base import PIECE, Entry
from oneroster_sync.sources.deadlines import within
from oneroster_sync.sources.errors import (
    NoSourceError,
    RefusedSourceError,
    RetriableSourceError,
    SourceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from oneroster_sync.sources.base import Login, Patience
    from oneroster_sync.sources.url import SourceUrl

log = logging.getLogger("oneroster")

# paramiko logs a traceback for every server that hangs up; our own messages are enough.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class SftpPlace:
    """A file or a folder of an SFTP server."""

    def __init__(
        self, client: paramiko.SFTPClient, url: SourceUrl, abort: Callable[[], None]
    ) -> None:
        """Make a place for a URL with an open SFTP client; `abort` cuts its connection."""
        self._client = client
        self.abort = abort
        self._host = url.host
        self._path = url.path.rstrip("/") or "/"
        self.name = f"sftp://{url.host}{self._path}"

    def list_entries(self) -> tuple[bool, list[Entry]]:
        """Return (True, [the file]) if the path is a file, else (False, the folder's files)."""
        with _translate_errors(self._host, self.name):
            found = self._client.stat(self._path)
            if not stat.S_ISDIR(found.st_mode or 0):
                return True, [_entry(posixpath.basename(self._path), self._path, found)]
            return False, list(self._files())

    @contextlib.contextmanager
    def read(self, entry: Entry) -> Iterator[Iterator[bytes]]:
        """Open a file and yield its bytes in pieces."""
        with _translate_errors(self._host, entry.name), self._client.open(entry.path, "rb") as file:
            yield iter(lambda: file.read(PIECE), b"")

    def move(self, entry: Entry, folder: str, name: str) -> None:
        """Move a file into a folder beside it."""
        target = posixpath.join(posixpath.dirname(entry.path), folder)
        with _translate_errors(self._host, entry.name):
            with contextlib.suppress(OSError):
                # SFTP has no error of its own for a folder that exists, only "failure".
                self._client.mkdir(target)
            self._client.rename(entry.path, posixpath.join(target, name))

    def _files(self) -> Iterator[Entry]:
        for found in self._client.listdir_attr(self._path):
            path = posixpath.join(self._path, found.filename)
            # The listing describes a link itself; size and time of the package are those of its
            # target.
            if stat.S_ISLNK(found.st_mode or 0):
                with contextlib.suppress(OSError):
                    linked = self._client.stat(path)
                    if stat.S_ISREG(linked.st_mode or 0):
                        yield _entry(found.filename, path, linked)
            elif not stat.S_ISDIR(found.st_mode or 0):
                yield _entry(found.filename, path, found)


class SftpConnection:
    """A connection to an SFTP server with one login, for one place or several in turn."""

    def __init__(self, url: SourceUrl, login: Login | None, patience: Patience) -> None:
        """Log in.

        Raises:
            RefusedSourceError: The Airflow connection lacks a field, the host key is not the
                expected one, or the login is refused.
            RetriableSourceError: The server does not answer.
        """
        if login is None:
            raise RefusedSourceError("source.no_connection", "sftp:// needs an Airflow connection")
        login.check_host(url)
        self._client = paramiko.SSHClient()
        try:
            _expect_key(self._client, url, login)
            begin = functools.partial(_begin, self._client, url, login, patience)
            self._session = within(patience.look_s, begin, self.close, f"sftp://{url.host}")
        except BaseException:
            self.close()
            raise

    @staticmethod
    def key(url: SourceUrl, login: Login | None) -> Hashable:
        """Return a value that is equal for URLs that one connection can serve."""
        if login is None:
            return url.host.lower(), url.port
        port = url.port_or(login.port)
        return url.host.lower(), port, login.connection, login.login or url.login

    def place(self, url: SourceUrl) -> SftpPlace:
        """Return the place of a URL with the same key."""
        return SftpPlace(self._session, url, self.close)

    def close(self) -> None:
        """Cut the connection, which also ends a step that waits for the server."""
        self._client.close()


@contextlib.contextmanager
def opened(url: SourceUrl, login: Login | None, patience: Patience) -> Iterator[SftpPlace]:
    """Log in, and yield the place; the connection is closed at the end.

    Raises:
        SourceError: The server can't be used, or not now.
    """
    with contextlib.closing(SftpConnection(url, login, patience)) as connection:
        yield connection.place(url)


def _begin(
    client: paramiko.SSHClient, url: SourceUrl, login: Login, patience: Patience
) -> paramiko.SFTPClient:
    _connect(client, url, login, patience)
    with _translate_errors(url.host, url.host):
        session = client.open_sftp()
        # Without it, paramiko waits for the next bytes for ever.
        channel = session.get_channel()
        if channel is not None:
            channel.settimeout(patience.read_s)
        return session


def _expect_key(client: paramiko.SSHClient, url: SourceUrl, login: Login) -> None:
    given = login.word("host_key")
    if given is None:
        if not login.flag("no_host_key_check"):
            raise RefusedSourceError(
                "source.host_key_unknown",
                f"the connection {login.connection} does not name the host key of {url.host}",
                expected="host_key in the extra of the connection",
            )
        log.warning(
            "The host key of %s is not checked: its connection turns the check off.", url.host
        )
        client.set_missing_host_key_policy(_AnyKey())
        return
    port = url.port_or(login.port)
    # As in known_hosts, where a key of another port is under [host]:port.
    name = url.host if port == paramiko.config.SSH_PORT else f"[{url.host}]:{port}"
    key = _host_key(given, login)
    client.get_host_keys().add(name, key.get_name(), key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())


class _AnyKey(paramiko.MissingHostKeyPolicy):
    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        """Accept any key, and store none."""


def _host_key(given: str, login: Login) -> paramiko.PKey:
    words = given.split()
    try:
        data = base64.b64decode(next(w for w in words if w.startswith("AAAA")), validate=True)
        kind = data[4 : 4 + int.from_bytes(data[:4], "big")].decode("ascii")
        return paramiko.PKey.from_type_string(kind, data)
    except (StopIteration, binascii.Error, ValueError, paramiko.SSHException):
        raise RefusedSourceError(
            "source.host_key_unknown",
            f"the host_key of the connection {login.connection} is not a key in base64",
            expected="what ssh-keyscan prints after the host's name",
        ) from None


def _connect(client: paramiko.SSHClient, url: SourceUrl, login: Login, patience: Patience) -> None:
    began = time.monotonic()
    key = _private_key(login)
    try:
        client.connect(
            url.host,
            port=url.port_or(login.port) or paramiko.config.SSH_PORT,
            username=login.login or url.login or "",
            password=login.password,
            pkey=key,
            timeout=patience.connect_s,
            banner_timeout=patience.connect_s,
            auth_timeout=patience.connect_s,
            channel_timeout=patience.connect_s,
            # Keys of the worker's own account must not log a site in.
            allow_agent=False,
            look_for_keys=False,
        )
    except paramiko.BadHostKeyException as error:
        raise RefusedSourceError(
            "source.host_key_changed",
            f"the host key of {url.host} is not the expected one; it shows {error.key.fingerprint}",
            expected=str(error.expected_key.fingerprint),
        ) from None
    except paramiko.AuthenticationException:
        raise RefusedSourceError(
            "source.login_refused", f"{url.host} refused the login of {login.connection}"
        ) from None
    except (OSError, EOFError, paramiko.SSHException) as error:
        # paramiko raises the same errors for a server that is silent and one that hangs up.
        if isinstance(error, TimeoutError) or time.monotonic() - began >= patience.connect_s:
            raise RetriableSourceError(
                "source.timeout", f"{url.host} did not answer in {patience.connect_s:g} s"
            ) from None
        raise RetriableSourceError("source.unreachable", f"{url.host} can't be reached") from None


def _private_key(login: Login) -> paramiko.PKey | None:
    text, path = login.word("private_key"), login.word("key_file")
    if text is None and path is None:
        return None
    try:
        data = text.encode() if text is not None else Path(str(path)).read_bytes()
        return _as_key(data, login.word("private_key_passphrase"))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, paramiko.SSHException):
        raise RefusedSourceError(
            "source.login_refused",
            f"the private key of the connection {login.connection} can't be read",
            expected="a private key, and its passphrase if it has one",
        ) from None


def _as_key(data: bytes, phrase: str | None) -> paramiko.PKey:
    """Return a key read from any usual format; paramiko reads only one format for each type."""
    password = phrase.encode() if phrase else None
    try:
        # OpenSSH's own format first; keys of older programs are in PEM.
        key: object = serialization.load_ssh_private_key(data, password)
    except ValueError:
        key = serialization.load_pem_private_key(data, password)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        text = key.private_bytes(pem, serialization.PrivateFormat.OpenSSH, plain)
        return paramiko.Ed25519Key.from_private_key(io.StringIO(text.decode()))
    if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        text = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
        kind = paramiko.RSAKey if isinstance(key, rsa.RSAPrivateKey) else paramiko.ECDSAKey
        return kind.from_private_key(io.StringIO(text.decode()))
    raise ValueError("a key of another kind")


def _entry(name: str, path: str, found: paramiko.SFTPAttributes) -> Entry:
    changed = found.st_mtime or 0
    modified = dt.datetime.fromtimestamp(changed, dt.UTC)
    return Entry(name, path, found.st_size, str(changed), modified)


@contextlib.contextmanager
def _translate_errors(host: str, what: str) -> Iterator[None]:
    """Raise errors of paramiko as `SourceError`, without the library's text."""
    try:
        yield
    except SourceError:
        raise
    except FileNotFoundError:
        raise NoSourceError("source.not_found", f"there is nothing at {what}") from None
    except PermissionError:
        raise RefusedSourceError(
            "source.not_permitted", f"{host} refuses access to {what}"
        ) from None
    except TimeoutError:
        raise RetriableSourceError("source.timeout", f"{host} stopped answering") from None
    except (OSError, EOFError, paramiko.SSHException):
        raise RetriableSourceError("source.interrupted", f"{host} closed the connection") from None
