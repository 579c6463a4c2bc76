"""Open the source of a site; the library of its scheme is imported only when it is used."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from oneroster_sync.sources.deadlines import WatchedPlace
from oneroster_sync.sources.errors import NoSourceError, RefusedSourceError
from oneroster_sync.sources.local import LocalPlace
from oneroster_sync.sources.url import HTTPS, SFTP, After, SourceUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oneroster_sync.sources.base import Login, Patience, Place

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


@contextlib.contextmanager
def _library(scheme: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError:
        raise RefusedSourceError(
            "source.unknown_scheme", f"no library on this machine reads {scheme}://"
        ) from None
