"""Files of an object store, or of any other storage that fsspec has a file system for.

The Airflow connection of `s3://` has the fields of Airflow's own AWS connections: the key id as
login, the secret key as password; `endpoint_url`, `region_name`, `session_token` and `ca_file` in
its extra. Without a connection, the machine's own role is used. For other schemes, `options` in the
extra holds the arguments of fsspec's file system; login and password become `username` and
`password`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import posixpath
from typing import TYPE_CHECKING, Any

from oneroster_sync.sources.base import PIECE, Entry
from oneroster_sync.sources.errors import (
    NoSourceError,
    NotReadyError,
    RefusedSourceError,
    RetriableSourceError,
    SourceError,
)
from oneroster_sync.sources.url import S3

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oneroster_sync.sources.base import Login, Patience
    from oneroster_sync.sources.url import SourceUrl

_TRIES = 2
"""Tries of a request in immediate succession; Airflow retries the task later."""
_CHANGED = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")
_TAGS = ("ETag", "etag", "md5Hash", "content_md5")
# The first match counts. Certificates come before unreachable hosts, because aiohttp's class for
# them is a subclass of ClientConnectorError. S3 answers a wrong key and a missing permission alike.
_FAILURES: tuple[tuple[type[SourceError], str, str, set[str]], ...] = (
    (NoSourceError, "source.not_found", "{host} has nothing at {what}", {"FileNotFoundError"}),
    (NotReadyError, "source.not_ready", "{what} was just replaced", {"FileExpired"}),
    (
        RefusedSourceError,
        "source.login_refused",
        "{host} refused the login, or its access to {what}",
        {
            "PermissionError",
            "NoCredentialsError",
            "PartialCredentialsError",
            "CredentialRetrievalError",
        },
    ),
    (
        RefusedSourceError,
        "source.certificate",
        "the certificate of {host} can't be trusted",
        {"SSLError", "SSLCertVerificationError", "ClientConnectorCertificateError"},
    ),
    (
        RetriableSourceError,
        "source.timeout",
        "{host} did not answer in time",
        {"TimeoutError", "ReadTimeoutError", "ConnectTimeoutError"},
    ),
    (
        RetriableSourceError,
        "source.unreachable",
        "{host} can't be reached",
        {"EndpointConnectionError", "ClientConnectorError", "gaierror", "ConnectionRefusedError"},
    ),
)
"""Error, code and message for the names of exception classes: each library has its own."""


class StoragePlace:
    """A file or a folder of a file system of fsspec."""

    def __init__(self, filesystem: Any, path: str, url: SourceUrl) -> None:
        """Make a place for a path of a file system."""
        self._fs = filesystem
        self._path = path
        self._host = f"{url.scheme}://{url.host}"
        self.name = f"{self._host}{url.path}"

    def list_entries(self) -> tuple[bool, list[Entry]]:
        """Return (True, [the file]) if the path is a file, else (False, the folder's files)."""
        with translating(self._host, self.name):
            # fsspec caches listings: the second look would compare the first one with itself.
            self._fs.invalidate_cache()
            found = self._fs.info(self._path)
            if found["type"] == "file":
                return True, [_entry(found)]
            inside = self._fs.ls(self._path, detail=True)
            return False, [_entry(each) for each in inside if each["type"] == "file"]

    @contextlib.contextmanager
    def read(self, entry: Entry) -> Iterator[Iterator[bytes]]:
        """Open a file and yield its bytes in pieces."""
        with (
            translating(self._host, entry.name),
            self._fs.open(entry.path, "rb", block_size=4 * PIECE) as file,
        ):
            yield iter(lambda: file.read(PIECE), b"")

    def move(self, entry: Entry, folder: str, name: str) -> None:
        """Move a file into a folder beside it."""
        target = posixpath.join(posixpath.dirname(entry.path), folder)
        with translating(self._host, entry.name):
            self._fs.makedirs(target, exist_ok=True)
            self._fs.mv(entry.path, posixpath.join(target, name))

    def abort(self) -> None:
        """Close the session of s3fs; other file systems end by their own timeouts."""
        session = getattr(self._fs, "_s3", None)
        if session is not None:
            self._fs.close_session(self._fs.loop, session)


@contextlib.contextmanager
def opened(url: SourceUrl, login: Login | None, patience: Patience) -> Iterator[StoragePlace]:
    """Yield the place of a URL.

    Raises:
        RefusedSourceError: There is no library for the scheme, or its options are wrong.
    """
    import fsspec

    options = _s3(login, patience) if url.scheme == S3 else _others(url, login)
    try:
        with translating(f"{url.scheme}://{url.host}", url.host):
            # fsspec shares file systems with equal arguments; a session that `abort` closed must
            # not come back.
            filesystem, path = fsspec.url_to_fs(url.for_fsspec, skip_instance_cache=True, **options)
            filesystem.retries = _TRIES  # s3fs has no argument for it
    except ImportError:
        raise RefusedSourceError(
            "source.unknown_scheme", f"no library on this machine reads {url.scheme}://"
        ) from None
    except (TypeError, ValueError):
        raise RefusedSourceError(
            "source.login_refused", f"{url.scheme}:// does not take these options"
        ) from None
    yield StoragePlace(filesystem, path, url)


def _s3(login: Login | None, patience: Patience) -> dict[str, Any]:
    options: dict[str, Any] = {
        "config_kwargs": {
            "connect_timeout": patience.connect_s,
            "read_timeout": patience.read_s,
            # botocore's own retries would multiply those of s3fs.
            "retries": {"total_max_attempts": 1},
        }
    }
    if login is not None:
        client = {"region_name": login.word("region_name"), "verify": login.word("ca_file")}
        options |= {
            "key": login.login,
            "secret": login.password,
            "token": login.word("session_token"),
            "endpoint_url": login.word("endpoint_url"),
            "client_kwargs": {name: value for name, value in client.items() if value},
        }
    return options


def _others(url: SourceUrl, login: Login | None) -> Mapping[str, Any]:
    if login is None:
        return {}
    if login.password:
        login.check_host(url)
    own = {"username": login.login, "password": login.password}
    return {k: v for k, v in own.items() if v} | dict(login.extra.get("options") or {})


def _entry(found: Mapping[str, Any]) -> Entry:
    path = str(found["name"])
    changed = next((found[name] for name in _CHANGED if found.get(name)), None)
    tag = next((found[name] for name in _TAGS if found.get(name)), "")
    modified = None
    if isinstance(changed, int | float):
        modified = dt.datetime.fromtimestamp(changed, dt.UTC)
    elif isinstance(changed, dt.datetime):
        modified = changed if changed.tzinfo else changed.replace(tzinfo=dt.UTC)
    return Entry(posixpath.basename(path), path, found["size"], f"{changed} {tag}", modified)


@contextlib.contextmanager
def translating(host: str, what: str) -> Iterator[None]:
    """Raise errors of fsspec as `SourceError`, without the library's text."""
    try:
        yield
    except (SourceError, ImportError, TypeError):
        raise
    except Exception as error:
        # A certificate that fails is both: aiohttp's error is a ValueError by way of ssl's.
        if isinstance(error, ValueError) and not isinstance(error, OSError):
            raise
        raise _as_ours(error, host, what) from None


def _as_ours(error: Exception, host: str, what: str) -> SourceError:
    kinds = set(_kinds(error))
    for failure, code, message, names in _FAILURES:
        if kinds & names:
            return failure(code, message.format(host=host, what=what))
    return RetriableSourceError("source.interrupted", f"{host} failed while {what} was used")


def _kinds(error: BaseException | None) -> Iterator[str]:
    """Yield the class names of an error and of its causes."""
    while error is not None:
        yield from (kind.__name__ for kind in type(error).__mro__)
        # Libraries wrap the error of the socket, some without `from`.
        error = error.__cause__ or error.__context__
