"""Open the source of a site; the library of its scheme is imported only when it is used."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from oneroster_sync.sources.deadlines import WatchedPlace
from oneroster_sync.sources.errors import (
    NoSourceError,
    NotReadyError,
    RefusedSourceError,
    SourceError,
)
from oneroster_sync.sources.local import LocalPlace
from oneroster_sync.sources.url import HTTPS, SFTP, After, SourceUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from oneroster_sync.sources.base import Login, Patience, Place
    from oneroster_sync.sources.sftp import SftpConnection

    Connections = Callable[[str], Login]
    """Finds what an Airflow connection says, by its id."""


class SourceSettings(Protocol):
    """The preferences of a site about its source: the fields of `Source`, as text."""

    @property
    def source(self) -> str | None:
        """A path or a URL; None if the site has no source."""

    @property
    def source_connection(self) -> str | None:
        """Id of the Airflow connection with the login, if the source needs one."""

    @property
    def source_pattern(self) -> str:
        """Glob pattern of the names of packages."""

    @property
    def source_after(self) -> After:
        """What to do with a package after its run has ended well."""


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a site's packages.

    Attributes:
        url: The file or folder.
        connection: Id of the Airflow connection with the login, if the source needs one.
        pattern: Glob pattern of the names of packages.
        after: What to do with a package after its run has ended well.
    """

    url: SourceUrl
    connection: str | None = None
    pattern: str = "*.zip"
    after: After = After.LEAVE

    @classmethod
    def of(cls, chosen: SourceSettings) -> Source:
        """Return the source that a site's preferences name.

        Raises:
            NoSourceError: The site has no source.
            WrongSourceError: The source holds a secret, or is not a valid URL.
        """
        if chosen.source is None:
            raise NoSourceError("source.not_set", "the site has no source")
        return cls(
            SourceUrl.parse(chosen.source),
            chosen.source_connection,
            chosen.source_pattern,
            chosen.source_after,
        )

    def login(self, connections: Connections | None) -> Login | None:
        """Return the source's Airflow connection; None for a local source or one without.

        Raises:
            RefusedSourceError: `connections` is None (outside Airflow), or does not know the id.
        """
        if self.connection is None or self.url.is_local:
            return None
        if connections is None:
            raise RefusedSourceError(
                "source.no_connection",
                f"the connection {self.connection} can only be used in Airflow",
            )
        return connections(self.connection)


@contextlib.contextmanager
def open_source(source: Source, login: Login | None, patience: Patience) -> Iterator[Place]:
    """Open a source and yield its place.

    Raises:
        SourceError: The source can't be opened, or not now.
    """
    if source.url.is_local:
        yield LocalPlace(source.url.path)
    elif source.url.scheme == SFTP:
        # Imported here: paramiko costs 0.35 s and s3fs 1.1 s in a process that opens any source.
        with _library("sftp"):
            from oneroster_sync.sources import sftp
        with sftp.opened(source.url, login, patience) as place:
            yield WatchedPlace(place, patience, place.abort)
    elif source.url.scheme == HTTPS:
        with _library("https"):
            from oneroster_sync.sources import https
        with https.opened(source.url, login, patience, source.pattern) as page:
            yield WatchedPlace(page, patience, page.abort)
    else:
        from oneroster_sync.sources import object_store

        with object_store.opened(source.url, login, patience) as found:
            yield WatchedPlace(found, patience, found.abort)


class SourceOpener:
    """Opens sources in turn; those of one SFTP server and login use one connection.

    There is one SFTP connection at a time, so sort the sources by `order`. A connection that broke
    is not used again. If a login was refused or a server did not answer, the other sources of that
    server and login fail with the same error at once: a server may lock a login that fails often.
    """

    PLACES = 500
    """How many sources use a connection before it is made anew."""

    def __init__(self, patience: Patience) -> None:
        """Make an opener without connections."""
        self._patience = patience
        self._key: Hashable = None
        self._connection: SftpConnection | None = None
        self._failed: dict[Hashable, SourceError] = {}
        self._served = 0

    @staticmethod
    def order(source: Source) -> tuple[str, str, int, str]:
        """Return a sort key that puts sources with one connection side by side."""
        url = source.url
        return url.scheme, url.host.lower(), url.port or 0, source.connection or ""

    @contextlib.contextmanager
    def open(self, source: Source, login: Login | None) -> Iterator[Place]:
        """Open a source and yield its place.

        Raises:
            SourceError: The source can't be opened, or not now.
        """
        if source.url.is_local or source.url.scheme != SFTP:
            with open_source(source, login, self._patience) as place:
                yield place
            return
        connection = self._connect(source, login)
        try:
            place = connection.place(source.url)
            yield WatchedPlace(place, self._patience, place.abort)
        # The server answered, so the connection is fine for the next source.
        except (NoSourceError, RefusedSourceError, NotReadyError):
            raise
        except BaseException:
            self.close()
            raise

    @property
    def is_shared(self) -> bool:
        """Whether the last opened source used a connection that had served another."""
        return self._served > 1

    def close(self) -> None:
        """Close the open connection, if there is one."""
        connection, self._connection, self._key = self._connection, None, None
        if connection is not None:
            connection.close()

    def _connect(self, source: Source, login: Login | None) -> SftpConnection:
        with _library("sftp"):
            from oneroster_sync.sources.sftp import SftpConnection
        key = SftpConnection.key(source.url, login)
        if key in self._failed:
            # An exception that is raised again and again keeps adding to its traceback.
            raise self._failed[key].with_traceback(None)
        if self._connection is None or key != self._key or self._served >= self.PLACES:
            self.close()
            self._served = 0
            try:
                self._connection = SftpConnection(source.url, login, self._patience)
            except SourceError as error:
                self._failed[key] = error
                raise
            self._key = key
        self._served += 1
        return self._connection


@contextlib.contextmanager
def _library(scheme: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError:
        raise RefusedSourceError(
            "source.unknown_scheme", f"no library on this machine reads {scheme}://"
        ) from None
