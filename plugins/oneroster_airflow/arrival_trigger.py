"""The trigger that starts a site's sync when a new package has arrived at its source.

A stored DAG contains only the site's name; the preferences are read here for each check. All
triggers of a triggerer share one watch (`operations.arrivals`), so that a thousand sites need only
one poll. Airflow's triggerer runs it for DAGs that are not paused; no task is involved.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

import structlog
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from oneroster_sync import settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Hashable

    from oneroster_sync.sites.preferences import Preferences
    from oneroster_sync.sources.base import Login

log = structlog.get_logger(__name__)

LOGINS_KEPT_S = 300
"""How long a connection of Airflow is cached, in seconds."""


class PackageArrival(BaseEventTrigger):
    """Fires when a new package has arrived, for sites where an arrival starts a sync."""

    _running: ClassVar[dict[int, PackageArrival]] = {}
    """The triggers that run in this triggerer, by the identity of their objects, oldest first."""

    def __init__(self, site: str) -> None:
        """Watch the source of a site."""
        super().__init__()
        self.site = site

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and the site's name."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"site": self.site}

    def shared_stream_key(self) -> Hashable:
        """Return one key for all sites, because they share a watch."""
        return (type(self).__module__,)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Check all sites repeatedly, and yield each new package."""
        del kwargs
        from oneroster_sync.operations.arrivals import Watch

        watch, logins = Watch(), _Logins()
        try:
            while True:
                # An error now (such as an unreachable database) may be gone at the next check.
                try:
                    # In threads: queries and servers that block would stop all other triggers.
                    watched = await asyncio.to_thread(watch.list_watched, cls._triggers())
                    known = await logins.of(watched)
                    found = await asyncio.to_thread(watch.look, watched, known)
                except Exception as error:  # noqa: BLE001
                    log.warning("The check for new packages failed.", error=_in_short(error))
                    found = []
                for arrival in found:
                    yield arrival.as_dict()
                await asyncio.sleep(settings.watch_seconds())
        finally:
            watch.close()

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[dict[str, Any]]
    ) -> AsyncGenerator[TriggerEvent]:
        """Yield the packages that arrive at this site."""
        self._running[id(self)] = self
        try:
            async for arrival in shared_stream:
                if arrival["site"] == self.site:
                    log.info("A new package has arrived.", site=self.site)
                    yield TriggerEvent(arrival)
        finally:
            del self._running[id(self)]

    @classmethod
    def _triggers(cls) -> dict[str, int | None]:
        """Return each site with the id of its newest trigger.

        Airflow deletes the trigger of a paused DAG, and stores one with another id when the DAG is
        no longer paused. A triggerer that restarts keeps the ids.
        """
        return {trigger.site: trigger.trigger_id for trigger in cls._running.values()}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch alone, in a triggerer without shared streams."""
        async for event in self.filter_shared_stream(self.open_shared_stream({})):
            yield event


class _Logins:
    """Logins of Airflow's connections, requested over the triggerer's channel to the server."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Login | None]] = {}

    async def of(self, watched: Collection[Preferences]) -> dict[str, Login | None]:
        """Return connection id → login, for the sources of the watched sites."""
        from oneroster_airflow.airflow_connections import as_login

        wanted = {chosen.source_connection for chosen in watched if chosen.source_connection}
        found = {}
        for connection_id in sorted(wanted):
            until, login = self._kept.get(connection_id, (0.0, None))
            if until < monotonic():
                try:
                    login = as_login(connection_id, await Connection.async_get(connection_id))
                except Exception as error:  # noqa: BLE001  others go on
                    login = None
                    is_missing = isinstance(error, AirflowNotFoundException)
                    why = "Airflow has none of that id" if is_missing else _in_short(error)
                    log.warning("A connection can't be used.", connection=connection_id, error=why)
                # A failure is kept too, so that a missing connection is not asked for at each look.
                self._kept[connection_id] = monotonic() + LOGINS_KEPT_S, login
            found[connection_id] = login
        return found


def _in_short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
