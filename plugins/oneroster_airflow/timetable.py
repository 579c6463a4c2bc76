"""The timetable of a site's scheduled DAG: it follows the site's stored preferences.

The DAG contains only the site's name. The preferences are read when Airflow asks for the next run,
so a saved change makes no new DAG version. The answer is never a slot missed by more than the
schedule's grace period: not after a pause of the DAG, after a stop of the scheduler, or after a
change of the time of day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import pendulum
import structlog
from airflow.timetables.base import DagRunInfo, DataInterval, Timetable

from oneroster_sync.sites import schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.timetables.base import TimeRestriction

    from oneroster_sync.sites.preferences import Preferences

HELD_FOR = timedelta(seconds=1)
"""How long preferences are cached: Airflow's calendar asks for the runs of a year."""

log = structlog.get_logger(__name__)


class PreferencesTimetable(Timetable):
    """Schedules one run per slot of the site's preferences, and skips pause windows.

    A site without saved or readable preferences is not scheduled. In both cases Airflow asks again
    when it next parses the DAG file, within seconds.

    A DAG file creates the timetable with the site's name only, without reading anything, because
    every task's process runs the file. The timetable of a stored DAG reads the preferences.

    `read` returns a site's preferences, or None if it has none (default: from the database); `now`
    is the clock. Neither is serialized; they are for tests.
    """

    def __init__(
        self,
        site: str,
        *,
        read: Callable[[str], Preferences | None] | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.site = site
        self.description = f"Days, time and pause windows are preferences of the site {site}."
        self._read = read
        self._now = now or _utc_now
        self._held: tuple[datetime, Preferences | None] | None = None

    def serialize(self) -> dict[str, Any]:
        """Return the site's name, which is all that a stored DAG needs."""
        return {"site": self.site}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """Make the timetable of a stored DAG."""
        return cls(data["site"], read=_read_from_store)

    @property
    def summary(self) -> str:
        """Return when syncs run, or why none runs; it never raises, because Airflow lists it."""
        if self._read is None:  # `isinstance(…, Timetable)` calls this property on Python 3.11
            return self.description
        try:
            preferences = self._preferences()
        except Exception:  # noqa: BLE001 - any exception here keeps Airflow from storing the DAG
            return "Not scheduled: the preferences cannot be read"
        if preferences is None:
            return "Not scheduled: no preferences saved, archived, or not switched on since"
        return schedule.format_schedule(preferences)

    def next_dagrun_info(
        self,
        *,
        last_automated_data_interval: DataInterval | None,
        restriction: TimeRestriction,
    ) -> DagRunInfo | None:
        """Return the next slot as a run, or None if there is none.

        The slot is after the last scheduled run, within the DAG's start and end dates, and not
        late; `catchup` makes no difference. If the preferences cannot be read, one warning with the
        site's name is logged, and nothing is scheduled until they can.
        """
        try:
            preferences = self._preferences()
        except Exception as error:  # noqa: BLE001 - whatever it met, the scheduler gets an answer
            log.warning(
                "The next sync is not scheduled: the site's preferences cannot be read.",
                site=self.site,
                error=f"{type(error).__name__}: {error}".partition("\n")[0],
            )
            return None
        if preferences is None:
            return None
        after = schedule.missed_up_to(self._now())
        if last_automated_data_interval is not None:
            after = max(after, last_automated_data_interval.end)
        if restriction.earliest is not None:
            after = max(after, restriction.earliest - datetime.resolution)
        slot = schedule.next_slot(preferences, after)
        if slot is None or (restriction.latest is not None and slot > restriction.latest):
            return None
        return DagRunInfo.exact(pendulum.instance(slot))

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """Return the time of the request, because a manual sync reads the current package."""
        return DataInterval.exact(run_after)

    def _preferences(self) -> Preferences | None:
        """Return the saved preferences, or None; they are cached for `HELD_FOR`."""
        now = self._now()
        # The lower bound is for a clock that was set back.
        if self._held is not None and timedelta() <= now - self._held[0] < HELD_FOR:
            return self._held[1]
        preferences = (self._read or _read_from_store)(self.site)
        if preferences is not None and preferences.version == 0:
            preferences = None
        self._held = (now, preferences)
        return preferences


def _read_from_store(site: str) -> Preferences | None:
    # Imported here, because parsing a DAG file needs no database driver.
    from oneroster_sync.sites import preferences_store as preferences

    return preferences.read(site)


def _utc_now() -> datetime:
    return datetime.now(UTC)
