"""The protocol that all kinds of sources implement: list files, read a file, move a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from oneroster_sync import settings
from oneroster_sync.settings import Limits
from oneroster_sync.sources.errors import RefusedSourceError
from oneroster_sync.sources.url import SFTP

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from oneroster_sync.sources.url import SourceUrl

PIECE = 1 << 20
"""Bytes that are requested at a time."""


@dataclass(frozen=True, slots=True)
class Login:
    """The fields of an Airflow connection; `repr` leaves out the secrets.

    Attributes:
        connection: The connection's id.
        host: The host that the secrets may be sent to.
        port: The port of the host.
        login: The login name, or the id of a key.
        password: The password, the token or the secret key.
        extra: The connection's extra.
    """

    connection: str
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def word(self, name: str) -> str | None:
        """Return a text of the extra, or None if it is missing or empty."""
        return str(self.extra.get(name) or "") or None

    def flag(self, name: str) -> bool:
        """Return whether a flag of the extra is set to true."""
        return str(self.extra.get(name, "")).lower() == "true"

    def check_host(self, url: SourceUrl) -> None:
        """Check that the secrets are sent only to the host of the connection.

        Raises:
            RefusedSourceError: The connection names another host, or none.
        """
        # The host of Airflow's HTTP connections may have a scheme before it.
        own = urlsplit("//" + (self.host or "").rpartition("://")[2]).hostname
        port = url.port if url.scheme == SFTP else url.port_or(None)
        if own != url.host.lower() or (self.port and port and self.port != port):
            raise RefusedSourceError(
                "source.other_host",
                f"the connection {self.connection} is not for {url.host}",
                expected=f"a connection whose host is {url.host}",
            )


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits, in seconds, and size limits of a source.

    Attributes:
        connect_s: Until a connection is established.
        read_s: Until the next bytes arrive.
        look_s: For one listing with all its requests, or until a file's first bytes arrive.
        whole_s: For the transfer of a package.
        move_s: For moving a package.
        settle_s: Between two listings that must show the same package.
        limits: Size limits of a package.
    """

    connect_s: float = 20.0
    read_s: float = 60.0
    look_s: float = 300.0
    whole_s: float = 3600.0
    move_s: float = 900.0
    settle_s: float = field(default_factory=settings.settle_seconds)
    limits: Limits = field(default_factory=Limits.in_force)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a place, as it was when the place was listed.

    Attributes:
        name: The file's name, without a folder.
        path: The path by which the place addresses the file.
        size: Bytes; None if the place does not report them.
        stamp: A value that changes with the content: a modification time or a tag (ETag).
        modified: When the file was last modified; None if the place does not report it.
    """

    name: str
    path: str
    size: int | None
    stamp: str
    modified: dt.datetime | None = None


class Place(Protocol):
    """An opened source: a file, or a folder with files.

    All methods raise a `SourceError` for all failures.
    """

    @property
    def name(self) -> str:
        """The name of the place in messages, without secrets and login."""

    def list_entries(self) -> tuple[bool, list[Entry]]:
        """Return (True, [the file]) if the place is a file, else (False, the folder's files)."""

    def read(self, entry: Entry) -> AbstractContextManager[Iterator[bytes]]:
        """Open a file and yield its bytes in pieces of at most about `PIECE`."""

    def move(self, entry: Entry, folder: str, name: str) -> None:
        """Move a file into a folder beside it, which is created if it is missing."""


def is_plain(name: str) -> bool:
    """Return whether a name from a server is safe as a file name here and in a log."""
    return name.isprintable() and name not in {"", ".", ".."} and not set(name) & set("/\\")
