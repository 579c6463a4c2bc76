"""Arrivals: new packages at the sources of the sites that a new file may start.

One watch looks for all sites, again and again: once at a source that several sites share, and at a
host by one connection at a time. A package is announced once it was the same for a while and is
named as finished, so that two that arrive within a minute are one arrival. It is then remembered in
the database: a watch that begins anew announces nothing twice. Of a site that is off nothing is
remembered, so that what came meanwhile starts nothing. Nothing is read, moved or removed.
"""

from __future__ import annotations

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
from oneroster_sync.sources.connect import Source, open_source
from oneroster_sync.sources.errors import NoSourceError, NotReadyError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping
    from concurrent.futures import Future

    from oneroster_sync.sites.preferences import Preferences
    from oneroster_sync.sources.base import Login
    from oneroster_sync.sources.selection import Package

log = logging.getLogger("oneroster")

QUIET_LOOKS = 2
"""For how many looks after the first a package has to be the same: a minute, every 30 seconds."""
JOINED_AFTER = 4
"""After how many looks each site that is on has joined a watch that began anew."""
ALLOWED_FOR = 20
"""How many looks long a site may use the source that it was found to be allowed to."""
_HOSTS_AT_ONCE = 8
_WAIT_S = 5
"""How long a look waits for hosts; the answer of a slower one counts at the next look."""
_PATIENCE = Patience(connect_s=10, read_s=10, look_s=30)
_REMEMBERED = "select source, package from arrivals where site = :site"
_FORGET_OFF = "delete from arrivals where site <> all(:sites)"
_NOTHING: dict[str, Any] = {"name": "", "files": [], "modified": None}
"""What is remembered of a source at which no package lies."""
_REMEMBER = """
insert into arrivals (site, source, package) values (:site, :source, cast(:package as json))
on conflict (site) do update set source = excluded.source, package = excluded.package
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A package that was noticed as new.

    Attributes:
        site: Whose source it lies at.
        name: What the source calls it.
        size: Bytes, of all its files; None where the source does not tell.
        modified: When it was last changed, as far as the source tells.
    """

    site: str
    name: str
    size: int | None
    modified: dt.datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        modified = self.modified.isoformat() if self.modified else None
        return {"site": self.site, "name": self.name, "size": self.size, "modified": modified}


@dataclass(frozen=True, slots=True)
class _Place:
    """What a look is at; sites that share it share the look."""

    source: Source

    @property
    def host(self) -> tuple[str, str]:
        url = self.source.url
        return ("file", "") if url.is_local else (url.scheme, url.host.lower())

    @property
    def text(self) -> str:
        """How the database calls it."""
        return f"{self.source.url.text} {self.source.pattern}"


@dataclass(slots=True)
class _Seen:
    package: dict[str, Any]
    looks: int = 0


@dataclass(slots=True)
class Watch:
    """Looks for new packages, and knows what it saw the last time."""

    _seen: dict[str, _Seen] = field(default_factory=dict)
    _announced: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    _known: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    _may: dict[str, tuple[int, bool]] = field(default_factory=dict)
    _looks: int = 0
    _on: frozenset[str] = frozenset()
    _refused: dict[str, str] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_HOSTS_AT_ONCE, "arrivals")
    )
    _under_way: dict[tuple[str, str], Future[Any]] = field(default_factory=dict)

    def list_watched(self, sites: Collection[str]) -> list[Preferences]:
        """Return the preferences of those sites that a new file may start, and that may be read."""
        self._looks += 1
        if self._looks % ALLOWED_FOR == 0:
            self._may.clear()
        if self._looks >= JOINED_AFTER:
            self._forget_who_is_off(sites)
        with database.engine().connect() as connection:
            found = preferences_store.read_watched(connection, sites)
            for chosen in found:
                if self._may.get(chosen.site, (None,))[0] != chosen.version:
                    self._may[chosen.site] = chosen.version, self._may_look(connection, chosen)
        # Another process may watch the others meanwhile: what they had is read anew then.
        watched = {chosen.site for chosen in found}
        for kept in (self._known, self._seen, self._may):
            for site in kept.keys() - watched:
                del kept[site]
        return [chosen for chosen in found if self._may[chosen.site][1]]

    def look(
        self, watched: Collection[Preferences], logins: Mapping[str, Login | None]
    ) -> list[Arrival]:
        """Look once at the sources of sites; return what is new and was the same for a while.

        What is returned is remembered by the next call: who is stopped before it has handed an
        arrival on announces it again.

        Args:
            watched: The sites' preferences.
            logins: Id of an Airflow connection → what it says; a source whose login is missing is
                left out.
        """
        self._remember_announced()
        places: dict[_Place, list[str]] = {}
        for chosen in watched:
            source = Source.of(chosen)
            needs = None if source.url.is_local else source.connection
            if needs is None or logins.get(needs) is not None:
                places.setdefault(_Place(source), []).append(chosen.site)
        arrivals: list[Arrival] = []
        for place, package in self._look_at(list(places), logins):
            new = [site for site in places[place] if self._is_arrival(site, place, package)]
            arrivals += [_arrival(site, package) for site in new if package is not None]
        return arrivals

    def close(self) -> None:
        """Wait for nothing more; what is under way ends by itself."""
        self._remember_announced()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _forget_who_is_off(self, sites: Collection[str]) -> None:
        """Forget what was at the sources of sites whose syncs are off.

        A triggerer that begins anew gets its sites one after the other, so none is off for the
        first looks. Where several triggerers share the sites, each takes those of another for off:
        the other has what it saw in memory, and only what arrives while it begins anew is lost.
        """
        if self._on == frozenset(sites) and self._looks % ALLOWED_FOR:
            return
        self._on = frozenset(sites)
        with database.engine().begin() as connection:
            connection.execute(sa.text(_FORGET_OFF), {"sites": sorted(sites)})

    def _may_look(self, connection: sa.Connection, chosen: Preferences) -> bool:
        try:
            allow_list.check_source(connection, chosen)
        except OneRosterError as error:
            self._say_once(chosen.site, str(error))
            return False
        return True

    def _look_at(
        self, places: list[_Place], logins: Mapping[str, Login | None]
    ) -> list[tuple[_Place, Package | None]]:
        """Look at all places, host by host; a host that has not answered is not asked again."""
        by_host: dict[tuple[str, str], list[_Place]] = {}
        for place in places:
            by_host.setdefault(place.host, []).append(place)
        for host, of_host in by_host.items():
            if host not in self._under_way:
                self._under_way[host] = self._pool.submit(_newest_of_each, of_host, logins)
        wait(self._under_way.values(), timeout=_WAIT_S)
        found: list[tuple[_Place, Package | None]] = []
        for host, future in list(self._under_way.items()):
            if future.done():
                del self._under_way[host]
                looked, failed = future.result()
                found += [(place, package) for place, package in looked if place in places]
                for place, why in failed:
                    self._say_once(place.text, why)
        return found

    def _is_arrival(self, site: str, place: _Place, package: Package | None) -> bool:
        now = _NOTHING if package is None else _as_stored(package)
        known = self._remembered(site, place)
        if package is None and known is not None:
            return False  # what was there was moved aside
        if known is None or not _is_newer(now, known):
            self._seen.pop(site, None)
            if known is None:
                # The first look: what is there has been there, for all that anybody knows.
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
            if row is None:
                return None
            self._known[site] = row.source, row.package
        source, package = self._known[site]
        return package if source == place.text else None

    def _remember_announced(self) -> None:
        for site, (source, package) in self._announced.items():
            self._remember(site, source, package)
        self._announced.clear()

    def _remember(self, site: str, source: str, package: dict[str, Any]) -> None:
        bound = {"site": site, "source": source, "package": json.dumps(package)}
        with database.engine().begin() as connection:
            connection.execute(sa.text(_REMEMBER), bound)
        self._known[site] = source, package

    def _say_once(self, about: str, why: str) -> None:
        if self._refused.get(about) != why:
            self._refused[about] = why
            log.warning("%s: no new file is looked for: %s.", about, why)


def _newest_of_each(
    places: list[_Place], logins: Mapping[str, Login | None]
) -> tuple[list[tuple[_Place, Package | None]], list[tuple[_Place, str]]]:
    """Return the newest package of each place of a host, and what went wrong at others."""
    found: list[tuple[_Place, Package | None]] = []
    failed: list[tuple[_Place, str]] = []
    for place in places:
        source = place.source
        login = None if source.url.is_local else logins.get(source.connection or "")
        try:
            with open_source(source, login, _PATIENCE) as opened:
                found.append((place, selection.newest_of(opened, source.pattern)))
        except NotReadyError:
            continue  # it is not there to its end
        except NoSourceError:
            found.append((place, None))
        except OneRosterError as error:
            failed.append((place, str(error)))
        except Exception as error:  # noqa: BLE001  one place is not in the way of the others
            failed.append((place, type(error).__name__))
    return found, failed


def _as_stored(package: Package) -> dict[str, Any]:
    moments = [entry.modified.isoformat() for entry in package.files if entry.modified]
    return {
        "name": package.name,
        "files": [[entry.name, entry.size, entry.stamp] for entry in package.files],
        "modified": max(moments, default=None),
    }


def _is_newer(now: dict[str, Any], known: dict[str, Any]) -> bool:
    """Tell whether a package is another than the one known, and not an older one.

    Where the newest was moved aside, the one before it is the newest again, and no arrival.
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
