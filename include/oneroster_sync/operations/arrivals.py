"""Arrivals: new packages at the sources of sites whose syncs a new file may start.

One watch checks the sources of all sites repeatedly: a shared source once for all its sites, and
each host with one connection at a time. A package is announced when it has a complete name and did
not change for several looks, so two packages within a minute are one arrival. Announced packages
are stored in the database, so a restarted watch does not announce them again. They are stored with
the id of Airflow's trigger. If the sync of a site was off, Airflow makes a new trigger, and the
package at the source counts as old. So a package that arrives while the sync is off starts nothing,
even if no watch ran at that time. The watch does not read, move or delete packages.
"""

from __future__ import annotations

import contextlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync import database
from oneroster_sync.errors import OneRosterError
from oneroster_sync.sites import allow_list, preferences_store
from oneroster_sync.sources import selection
from oneroster_sync.sources.base import Patience
from oneroster_sync.sources.connect import Source, SourceOpener
from oneroster_sync.sources.errors import NoSourceError, NotReadyError, RetriableSourceError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping
    from concurrent.futures import Future

    from oneroster_sync.sites.preferences import Preferences
    from oneroster_sync.sources.base import Login
    from oneroster_sync.sources.selection import Package

log = logging.getLogger("oneroster")

QUIET_LOOKS = 2
"""For how many looks after the first a package must not change: one minute at 30 s per look."""
ALLOWED_FOR = 20
"""For how many looks the result of the allow list's check is cached."""
_HOSTS_AT_ONCE = 8
_WAIT_S = 5
"""How long a look waits for hosts, in seconds; a slower answer counts at a later look."""
_PATIENCE = Patience(connect_s=10, read_s=10, look_s=30)
_REMEMBERED = "select source, package, trigger_id from arrivals where site = :site"
_NOTHING: dict[str, Any] = {"name": "", "files": [], "modified": None}
"""Stored in place of a package if a source has none."""
_REMEMBER = """
insert into arrivals (site, source, package, trigger_id)
values (:site, :source, cast(:package as json), :trigger_id)
on conflict (site) do update
set source = excluded.source, package = excluded.package, trigger_id = excluded.trigger_id
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A new package at a site's source.

    Attributes:
        site: The site.
        name: Name of the package at the source.
        size: Total size of its files in bytes; None if the source does not report it.
        modified: When it was last modified; None if the source does not report it.
    """

    site: str
    name: str
    size: int | None
    modified: dt.datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Return the arrival as a JSON object."""
        modified = self.modified.isoformat() if self.modified else None
        return {"site": self.site, "name": self.name, "size": self.size, "modified": modified}


@dataclass(frozen=True, slots=True)
class _Place:
    """A source to look at; sites with an equal source share the look."""

    source: Source

    @property
    def host(self) -> tuple[str, str]:
        url = self.source.url
        return ("file", "") if url.is_local else (url.scheme, url.host.lower())

    @property
    def text(self) -> str:
        """Name of the source in the database."""
        return f"{self.source.url.text} {self.source.pattern}"


@dataclass(slots=True)
class _Seen:
    package: dict[str, Any]
    looks: int = 0


@dataclass(slots=True)
class Watch:
    """Look for new packages, and remember what the last look found."""

    _seen: dict[str, _Seen] = field(default_factory=dict)
    _announced: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    _known: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    _may: dict[str, tuple[int, bool]] = field(default_factory=dict)
    _looks: int = 0
    _triggers: dict[str, int | None] = field(default_factory=dict)
    _refused: dict[str, str] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_HOSTS_AT_ONCE, "arrivals")
    )
    _under_way: dict[tuple[str, str], Future[Any]] = field(default_factory=dict)

    def list_watched(self, triggers: Mapping[str, int | None]) -> list[Preferences]:
        """Return the preferences of those sites whose sources are watched and allowed.

        Args:
            triggers: Site that is on → id of its trigger in Airflow; None if there is none.
        """
        self._looks += 1
        if self._looks % ALLOWED_FOR == 0:
            self._may.clear()
        for site in [site for site, known in self._triggers.items() if triggers.get(site) != known]:
            self._known.pop(site, None)
            self._seen.pop(site, None)
        self._triggers = dict(triggers)
        with database.engine().connect() as connection:
            found = preferences_store.read_watched(connection, sorted(triggers))
            for chosen in found:
                if self._may.get(chosen.site, (None,))[0] != chosen.version:
                    self._may[chosen.site] = chosen.version, self._may_read(connection, chosen)
        # Drop the caches of all other sites: another process may watch them now, so their state
        # must be read from the database again.
        watched = {chosen.site for chosen in found}
        for kept in (self._known, self._seen, self._may):
            for site in kept.keys() - watched:
                del kept[site]
        return [chosen for chosen in found if self._may[chosen.site][1]]

    def look(
        self, watched: Collection[Preferences], logins: Mapping[str, Login | None]
    ) -> list[Arrival]:
        """Look once at the sources of sites; return new packages that did not change for a while.

        The next call stores the returned arrivals. So a watch that is stopped before it has passed
        an arrival on announces it again.

        Args:
            watched: The preferences of the sites.
            logins: Id of an Airflow connection → login; a source without its login is skipped.
        """
        self._remember_announced()
        places: dict[_Place, list[str]] = {}
        for chosen in watched:
            source = Source.of(chosen)
            needs = None if source.url.is_local else source.connection
            if needs is None or logins.get(needs) is not None:
                places.setdefault(_Place(source), []).append(chosen.site)
        arrivals: list[Arrival] = []
        for place, package in self._check_places(list(places), logins):
            new = [site for site in places[place] if self._is_arrival(site, place, package)]
            arrivals += [_arrival(site, package) for site in new if package is not None]
        return arrivals

    def close(self) -> None:
        """Store announced packages, and stop without waiting for slow hosts."""
        self._remember_announced()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _may_read(self, connection: sa.Connection, chosen: Preferences) -> bool:
        try:
            allow_list.check_source(connection, chosen)
        except OneRosterError as error:
            self._log_once(chosen.site, str(error))
            return False
        return True

    def _check_places(
        self, places: list[_Place], logins: Mapping[str, Login | None]
    ) -> list[tuple[_Place, Package | None]]:
        """Look at all sources, hosts in parallel; skip hosts whose last look has not ended yet."""
        by_host: dict[tuple[str, str], list[_Place]] = {}
        for place in places:
            by_host.setdefault(place.host, []).append(place)
        # One look at a host at a time: a host that hangs must not take all threads of the pool.
        for host, of_host in by_host.items():
            if host not in self._under_way:
                self._under_way[host] = self._pool.submit(_newest_of_each, of_host, logins)
        wait(self._under_way.values(), timeout=_WAIT_S)
        found: list[tuple[_Place, Package | None]] = []
        for host, future in list(self._under_way.items()):
            if future.done():
                del self._under_way[host]
                looked, failed = future.result()
                # A slow host may answer after the preferences of its sites have changed.
                found += [(place, package) for place, package in looked if place in places]
                for place, why in failed:
                    self._log_once(place.text, why)
        return found

    def _is_arrival(self, site: str, place: _Place, package: Package | None) -> bool:
        now = _NOTHING if package is None else _as_stored(package)
        known = self._remembered(site, place)
        if package is None and known is not None:
            return False  # the package was moved away
        if known is None or not _is_newer(now, known):
            self._seen.pop(site, None)
            if known is None:
                # At the first look of a trigger, a package counts as old: it may have been there
                # before, or have come while the site was off.
                self._remember(site, place.text, now)
            return False
        seen = self._seen.get(site)
        if seen is None or seen.package != now:
            self._seen[site] = _Seen(now)
            return False
        seen.looks += 1
        if seen.looks < QUIET_LOOKS:
            return False
        del self._seen[site]
        self._announced[site] = (place.text, now)
        return True

    def _remembered(self, site: str, place: _Place) -> dict[str, Any] | None:
        if site not in self._known:
            with database.engine().connect() as connection:
                row = connection.execute(sa.text(_REMEMBERED), {"site": site}).one_or_none()
            # None was stored by a version before triggers were, and stays known.
            if row is None or row.trigger_id not in {None, self._triggers[site]}:
                return None
            self._known[site] = row.source, row.package
        source, package = self._known[site]
        return package if source == place.text else None

    def _remember_announced(self) -> None:
        for site, (source, package) in self._announced.items():
            self._remember(site, source, package)
        self._announced.clear()

    def _remember(self, site: str, source: str, package: dict[str, Any]) -> None:
        bound = {
            "site": site,
            "source": source,
            "package": json.dumps(package),
            "trigger_id": self._triggers.get(site),
        }
        with database.engine().begin() as connection:
            connection.execute(sa.text(_REMEMBER), bound)
        self._known[site] = source, package

    def _log_once(self, about: str, why: str) -> None:
        # Once for each reason: there is a look every half minute.
        if self._refused.get(about) != why:
            self._refused[about] = why
            log.warning("%s: new files are not detected: %s.", about, why)


def _newest_of_each(
    places: list[_Place], logins: Mapping[str, Login | None]
) -> tuple[list[tuple[_Place, Package | None]], list[tuple[_Place, str]]]:
    """Return the newest package of each source of a host, and the errors of the others."""
    found: list[tuple[_Place, Package | None]] = []
    failed: list[tuple[_Place, str]] = []
    with contextlib.closing(SourceOpener(_PATIENCE)) as opener:
        for place in sorted(places, key=lambda place: SourceOpener.order(place.source)):
            source = place.source
            login = None if source.url.is_local else logins.get(source.connection or "")
            try:
                found.append((place, _newest(opener, source, login)))
            except NotReadyError:
                continue  # the upload of the package is not complete
            except NoSourceError:
                found.append((place, None))
            except OneRosterError as error:
                failed.append((place, str(error)))
            except Exception as error:  # noqa: BLE001  one source must not stop the others
                failed.append((place, type(error).__name__))
    return found, failed


def _newest(opener: SourceOpener, source: Source, login: Login | None) -> Package:
    """Return the newest package of a source; look again if a shared connection was cut."""
    try:
        with opener.open(source, login) as opened:
            return selection.newest_of(opened, source.pattern)
    except RetriableSourceError as error:
        if error.code != "source.interrupted" or not opener.is_shared:
            raise
    with opener.open(source, login) as opened:
        return selection.newest_of(opened, source.pattern)


def _as_stored(package: Package) -> dict[str, Any]:
    moments = [entry.modified.isoformat() for entry in package.files if entry.modified]
    return {
        "name": package.name,
        "files": [[entry.name, entry.size, entry.stamp] for entry in package.files],
        "modified": max(moments, default=None),
    }


def _is_newer(now: dict[str, Any], known: dict[str, Any]) -> bool:
    """Return whether a package differs from the known one and is not older.

    If the newest package was moved away, the previous one becomes the newest, but is no arrival.
    """
    older = now["modified"] and known["modified"] and now["modified"] < known["modified"]
    return now["files"] != known["files"] and not older


def _arrival(site: str, package: Package) -> Arrival:
    sizes = [entry.size for entry in package.files if entry.size is not None]
    moments = [entry.modified for entry in package.files if entry.modified]
    return Arrival(
        site,
        package.name,
        sum(sizes) if len(sizes) == len(package.files) else None,
        max(moments, default=None),
    )
