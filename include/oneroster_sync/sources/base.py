"""What every place offers, wherever it is: its files, their bytes, and to move one."""

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
"""How many bytes are asked for at a time."""


@dataclass(frozen=True, slots=True)
class Login:
    """What an Airflow connection says; its secrets show in no `repr`.

    Attributes:
        connection: The connection's id.
        host: The host that the secrets are for.
        port: Its port.
        login: The login name, or the id of a key.
        password: The password, the token or the secret key.
        extra: Whatever else the connection holds.
    """

    connection: str
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def word(self, name: str) -> str | None:
        """Return a text of the extra; an empty one is none."""
        return str(self.extra.get(name) or "") or None

    def flag(self, name: str) -> bool:
        """Tell whether something in the extra is true."""
        return str(self.extra.get(name, "")).lower() == "true"

    def check_host(self, url: SourceUrl) -> None:
        """Make sure that secrets go to no other host than the one that they are for.

        Raises:
            RefusedSourceError: The connection is for another host, or does not say for which.
        """
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
    """How long a place may take, and how much it may give.

    Attributes:
        connect_s: For a connection to stand.
        read_s: For the next bytes to come.
        look_s: For all that is asked of the place at one look, or before the first bytes come.
        whole_s: For a package to come.
        move_s: For a package to be moved.
        settle_s: Between two looks at a package.
        limits: How large a package may be.
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
    """A file of a place, as it was when it was looked at.

    Attributes:
        name: Its last name, without a folder.
        path: How the place itself calls it.
        size: Bytes; None where the place does not tell.
        stamp: What differs when the content does: a time of change, or a tag.
        modified: When it was changed last, as far as the place tells.
    """

    name: str
    path: str
    size: int | None
    stamp: str
    modified: dt.datetime | None = None


class Place(Protocol):
    """A file, or a folder with files, somewhere.

    All methods raise a `SourceError` for whatever goes wrong.
    """

    @property
    def name(self) -> str:
        """What to call it in a sentence: no secret, no login."""

    def look(self) -> tuple[bool, list[Entry]]:
        """Return whether the place is one file, and that file or those of the folder."""

    def read(self, entry: Entry) -> AbstractContextManager[Iterator[bytes]]:
        """Open a file and yield its bytes in pieces of at most about `PIECE`."""

    def move(self, entry: Entry, folder: str, name: str) -> None:
        """Move a file into a folder beside it, which is made when it is not there."""


def is_plain(name: str) -> bool:
    """Tell whether a name that a server gives can be used as one here and shown in a log."""
    return name.isprintable() and name not in {"", ".", ".."} and not set(name) & set("/\\")
