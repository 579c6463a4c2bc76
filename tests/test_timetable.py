"""The timetable: when Airflow runs a site's scheduled DAG, also without readable preferences."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

# Airflow reads these once, at its first import.
os.environ.setdefault(
    "AIRFLOW_HOME", str(Path(tempfile.gettempdir(), f"oneroster-tests-{os.getuid()}"))
)
os.environ.setdefault(
    "AIRFLOW__CORE__PLUGINS_FOLDER", str(Path(__file__).resolve().parents[1] / "plugins")
)
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

import pendulum
import pytest
import structlog
from airflow import plugins_manager
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DataInterval, TimeRestriction

from oneroster_airflow.timetable import HELD_FOR, PreferencesTimetable
from oneroster_sync.sites.preferences import PauseWindow, Preferences, Weekday

ANY_TIME = TimeRestriction(earliest=None, latest=None, catchup=False)
SUMMER = PauseWindow(
    first_on=dt.date(2026, 6, 13), last_on=dt.date(2026, 8, 15), note="summer break"
)
WEEKDAYS = Preferences(site="default", version=1)


def at(text: str) -> pendulum.DateTime:
    """Return an aware UTC time of Airflow's type: `at("2026-06-12 02:00")`."""
    return pendulum.instance(datetime.fromisoformat(text).replace(tzinfo=UTC))


class Site:
    """A site called default whose preferences and clock a test sets; it counts the readings."""

    def __init__(self, now: str, preferences: Preferences | Exception | None = WEEKDAYS) -> None:
        self.now: datetime = at(now)
        self.preferences = preferences
        self.readings = 0
        self.timetable = self.schedule("default")

    def schedule(self, site: str) -> PreferencesTimetable:
        """Return a timetable for `site` that reads from this object."""
        return PreferencesTimetable(site=site, read=self._read, now=lambda: self.now)

    def _read(self, site: str) -> Preferences | None:
        assert site == "default"
        self.readings += 1
        if isinstance(self.preferences, Exception):
            raise self.preferences
        return self.preferences

    def next(
        self, *, last: str | None = None, restriction: TimeRestriction = ANY_TIME
    ) -> datetime | None:
        """Return the slot of the next run, as Airflow asks for it after the run of `last`."""
        info = self.timetable.next_dagrun_info(
            last_automated_data_interval=DataInterval.exact(at(last)) if last else None,
            restriction=restriction,
        )
        if info is None:
            return None
        assert info.data_interval == DataInterval.exact(info.run_after)
        assert info.logical_date == info.run_after
        return cast("datetime", info.run_after)


class TestNextRun:
    """The next run is the next slot of the preferences, never a missed one."""

    def test_first_run(self) -> None:
        """A new site's first run is its next slot, not the last one."""
        assert Site("2026-06-06 12:00").next() == at("2026-06-08 02:00")

    @pytest.mark.case("b29")
    def test_one_run_per_slot(self) -> None:
        """In the second after a run was created, the next one is the next day's."""
        assert Site("2026-06-08 02:00:01").next(last="2026-06-08 02:00") == at("2026-06-09 02:00")

    @pytest.mark.parametrize(
        ("now", "slot"),
        [
            ("2026-06-08 02:04", "2026-06-08 02:00"),
            ("2026-06-08 02:05", "2026-06-08 02:00"),
            ("2026-06-08 02:06", "2026-06-09 02:00"),
        ],
    )
    def test_grace(self, now: str, slot: str) -> None:
        """A slot that the scheduler missed runs up to five minutes late, and is then skipped."""
        assert Site(now).next(last="2026-06-05 02:00") == at(slot)

    @pytest.mark.case("b24")
    def test_scheduler_was_down(self) -> None:
        """After a week without a scheduler there is one next run, in the future."""
        assert Site("2026-06-15 09:00").next(last="2026-06-05 02:00") == at("2026-06-16 02:00")

    @pytest.mark.case("b25")
    def test_unpaused_after_the_summer(self) -> None:
        """A DAG that is unpaused after the summer gets the next future slot only."""
        site = Site("2026-08-16 09:00")

        assert site.next(last="2026-06-12 02:00") == at("2026-08-17 02:00")
        assert site.next(last="2026-08-17 02:00") == at("2026-08-18 02:00")

    def test_pause_window(self) -> None:
        """In a pause window the next run is the first slot after it."""
        site = Site("2026-06-20 09:00", WEEKDAYS.model_copy(update={"pause_windows": (SUMMER,)}))

        assert site.next(last="2026-06-12 02:00") == at("2026-08-17 02:00")

    @pytest.mark.case("b28")
    def test_time_moved_to_earlier_today(self) -> None:
        """A time that is moved to an earlier time of today takes effect tomorrow."""
        site = Site("2026-06-08 12:00", WEEKDAYS.model_copy(update={"time_utc": dt.time(18)}))
        assert site.next(last="2026-06-05 18:00") == at("2026-06-08 18:00")

        site.preferences = WEEKDAYS.model_copy(update={"time_utc": dt.time(9)})
        site.now += HELD_FOR

        assert site.next(last="2026-06-05 18:00") == at("2026-06-09 09:00")

    def test_catchup_makes_no_difference(self) -> None:
        """A sync reads the current state of the SIS, so a backfill gets no past slots either."""
        past = TimeRestriction(at("2026-06-01 00:00"), at("2026-06-07 00:00"), catchup=True)

        assert Site("2026-06-08 12:00").next(restriction=past) is None

    def test_dates_of_the_dag(self) -> None:
        """The DAG's start and end dates apply, both included."""
        start, end = at("2026-06-10 02:00"), at("2026-06-11 02:00")
        site = Site("2026-06-08 12:00")
        restriction = TimeRestriction(start, end, catchup=False)

        assert site.next(restriction=restriction) == start
        assert site.next(last="2026-06-10 02:00", restriction=restriction) == end
        assert site.next(last="2026-06-11 02:00", restriction=restriction) is None

    @pytest.mark.parametrize("preferences", [None, Preferences(site="default", version=0)])
    def test_nothing_saved(self, preferences: Preferences | None) -> None:
        """A site without saved preferences is not scheduled, and its summary states this."""
        site = Site("2026-06-08 12:00", preferences)

        assert site.next() is None
        assert site.timetable.summary.startswith("Not scheduled: no preferences saved")


class TestReading:
    """Preferences are read when Airflow asks, and a missing database stops nothing."""

    def test_unreadable_preferences(self) -> None:
        """Without an answer there is no next run, and one warning names the site and the cause."""
        site = Site("2026-06-08 12:00", ConnectionError("connection refused\n(long story)"))

        with structlog.testing.capture_logs() as lines:
            assert site.next(last="2026-06-08 02:00") is None

        assert lines == [
            {
                "event": "The next sync is not scheduled: the site's preferences cannot be read.",
                "log_level": "warning",
                "site": "default",
                "error": "ConnectionError: connection refused",
            }
        ]
        assert site.timetable.summary == "Not scheduled: the preferences cannot be read"

    def test_recovery(self) -> None:
        """If the database is back within the grace of a slot, the slot is still run."""
        site = Site("2026-06-08 02:00:10", ConnectionError())
        assert site.next(last="2026-06-05 02:00") is None

        site.preferences = WEEKDAYS
        site.now += timedelta(seconds=30)

        assert site.next(last="2026-06-05 02:00") == at("2026-06-08 02:00")

    def test_saved_change(self) -> None:
        """A change takes effect a second after it was saved, without a new DAG."""
        site = Site("2026-06-08 12:00")
        assert site.next() == at("2026-06-09 02:00")

        site.preferences = WEEKDAYS.model_copy(update={"days": (Weekday.SUNDAY,)})
        site.now += HELD_FOR

        assert site.next() == at("2026-06-14 02:00")
        assert site.timetable.summary == "Sun at 02:00 UTC"

    def test_a_year_of_runs(self) -> None:
        """A calendar of a year's runs needs one reading."""
        site = Site("2026-01-01 00:00")
        slot = site.next()
        while slot is not None and slot.year == at("2026-01-01 00:00").year:
            slot = site.next(last=slot.isoformat(sep=" ")[:16])

        assert site.readings == 1

    def test_timetable_of_a_dag_file(self) -> None:
        """In a DAG file, which every task's process runs, the timetable only names its site."""
        timetable = PreferencesTimetable("north")

        assert timetable.summary == timetable.description
        assert "north" in timetable.description

    def test_default_reader(self) -> None:
        """The default reader is the store's `read`, which takes a site."""
        store = pytest.importorskip("oneroster_sync.sites.preferences_store")

        inspect.signature(store.read).bind("default")


class TestInAirflow:
    """Airflow finds the timetable, stores its site and makes an equal one from it."""

    def test_serialisation(self) -> None:
        """A stored DAG has the site and no preferences, and gives the same timetable back."""
        with DAG("oneroster_sync__north", schedule=PreferencesTimetable("north")) as dag:
            pass

        stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))
        timetable = DagSerialization.from_dict(stored).timetable

        assert stored["dag"]["timetable"] == {
            "__type": "oneroster_airflow.timetable.PreferencesTimetable",
            "__var": {"site": "north"},
        }
        assert type(timetable) is PreferencesTimetable
        assert timetable.site == "north"
        assert timetable.serialize() == {"site": "north"}

    def test_same_behaviour(self) -> None:
        """The stored values are enough for the same schedule."""
        site = Site("2026-06-08 12:00")
        before, words = site.next(), site.timetable.summary

        site.timetable = site.schedule(**site.timetable.serialize())

        assert (site.next(), site.timetable.summary) == (before, words)
        assert words == "Mon–Fri at 02:00 UTC"

    def test_scheduled_like_any_periodic_dag(self) -> None:
        """Runs may be scheduled, overlap by the DAG's own limit only, and show in the calendar."""
        with DAG("defaults", schedule=PreferencesTimetable("default")) as dag:
            pass

        assert dag.timetable.can_be_scheduled
        assert dag.timetable.active_runs_limit is None
        assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable.periodic

    def test_manual_run(self) -> None:
        """A manual run has the time of its request."""
        asked = at("2026-06-08 12:34")

        interval = PreferencesTimetable("default").infer_manual_data_interval(run_after=asked)

        assert interval == DataInterval.exact(asked)

    def test_plugin(self) -> None:
        """Airflow loads one plugin, without errors, and the class that DAG files import."""
        plugins_manager.ensure_plugins_loaded()
        timetables = plugins_manager.get_timetables_plugins()

        assert plugins_manager.get_import_errors() == {}
        assert (
            timetables["oneroster_airflow.timetable.PreferencesTimetable"] is PreferencesTimetable
        )

    def test_modules_keep_their_names(self) -> None:
        """Airflow's plugin loader makes no top-level modules of the package's own files."""
        plugins_manager.ensure_plugins_loaded()

        assert "timetable" not in sys.modules

    def test_light_dag_file(self) -> None:
        """A DAG file imports no driver, web framework, data frame or store for its timetable.

        This holds too when Airflow checks whether it is a timetable, for which Python 3.11 calls
        every property of it.
        """
        program = """if True:
            import airflow.plugins_manager, airflow.serialization.serialized_objects, sys
            from airflow.sdk import DAG
            airflow_alone = set(sys.modules)
            from oneroster_airflow.timetable import PreferencesTimetable
            with DAG("light", schedule=PreferencesTimetable("default")) as dag:
                pass
            airflow.serialization.serialized_objects.DagSerialization.to_dict(dag)
            print(*(set(sys.modules) - airflow_alone))
        """
        done = subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        )
        added = set(done.stdout.splitlines()[-1].split())

        assert "oneroster_airflow.timetable" in added
        assert not added & {
            "fastapi",
            "great_expectations",
            "pandas",
            "psycopg",
            "psycopg2",
            "pyarrow",
            "oneroster_sync.database",
            "oneroster_sync.runs",
        }
