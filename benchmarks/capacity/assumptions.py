"""Values that the capacity model assumes without a measurement, each with its source."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from benchmarks.districts.days import AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOUR_S, DAY_S = 3_600, 86_400
WEEK_S = 7 * DAY_S
_MINUTE_S = 60


def _assume(value: Any, what: str, source: str) -> Any:
    """Return a field with a default, a description, and the source of the default."""
    # A factory, because a dataclass refuses a dict as a default.
    return field(default_factory=lambda: value, metadata={"what": what, "source": source})


_JUDGEMENT = "judgement: put your own in its place"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """A week of a platform's districts, in UTC; it begins on Monday at 00:00."""

    shares: Mapping[str, float] = _assume(
        {"S": 0.90, "M": 0.095, "L": 0.005},
        "share of districts with 2,000, 100,000 and 1,000,000 users (students and guardians count)",
        f"{_JUDGEMENT} (`--shares`)",
    )
    kinds: Mapping[str, float] = _assume(
        {"day 2": 0.55, "no change": 0.10, AGAIN: 0.35},
        "scheduled runs by what their package brings: changes, other bytes with the same rows, the "
        "same bytes",
        _JUDGEMENT,
    )
    new_share: float = _assume(
        0.01, "districts whose first sync falls into the week", _JUDGEMENT + "; a platform grows"
    )
    weekend_share: float = _assume(
        0.2, "districts that also sync on Saturday and Sunday", _JUDGEMENT
    )
    hours: Mapping[int, float] = _assume(
        {2: 0.25, 3: 0.2, 4: 0.15, 5: 0.1, 6: 0.1, 7: 0.06, 8: 0.05, 9: 0.05, 10: 0.04},
        "hour (UTC) that a district chooses",
        "exports are made at night; the form's first value is 02:00",
    )
    minutes: Mapping[int, float] = _assume(
        {0: 0.7, 30: 0.2, 15: 0.05, 45: 0.05}, "minute that it chooses", "people choose full hours"
    )
    scatter_s: float = _assume(
        30, "seconds after its slot within which a DAG run is made", "the scheduler's loop"
    )
    uploads_a_week: float = _assume(
        0.25, "uploads of a district in a week, Monday to Friday", _JUDGEMENT
    )
    office_hours: tuple[int, int] = _assume(
        (7, 23), "hours (UTC) in which people upload", "school offices from Helsinki to Los Angeles"
    )
    failing_share: float = _assume(
        0.01, "runs of which one stage fails and is tried again", _JUDGEMENT
    )
    retry_s: tuple[int, ...] = _assume(
        (30, 60, 120, 240),
        "seconds between the tries of extract; after the last one the run has failed",
        "`plugins/oneroster_airflow/dags/site_dags.py`",
    )
    outage: tuple[int, int] = _assume(
        (DAY_S + 2 * HOUR_S, DAY_S + 4 * HOUR_S),
        "the bad morning: Tuesday, two hours from 02:00, a source is away",
        "the question asked",
    )
    outage_share: float = _assume(
        0.3, "districts whose source that is", "one hosted SIS serves many districts: judgement"
    )
    refused_s: float = _assume(20, "seconds until a source that is away is given up", _JUDGEMENT)
    death_s: int = _assume(
        2 * DAY_S + 2 * HOUR_S + 5 * _MINUTE_S,
        "a worker dies: Wednesday, 02:05, in the middle of the wave",
        "the question asked",
    )
    noticed_s: int = _assume(
        300,
        "seconds until its tasks are begun anew",
        "`[scheduler] task_instance_heartbeat_timeout`, Airflow's default",
    )
    away_s: int = _assume(600, "seconds until another worker takes its place", _JUDGEMENT)
    slots_of_worker: int = _assume(4, "slots of a worker", "`deploy/helm/values.yaml`")
    tasks_per_s: float = _assume(
        4.0,
        "tasks that one scheduler starts in a second",
        "a floor: forty tasks that do nothing took ten seconds on four slots of two cores",
    )
    churn: float = _assume(
        0.1,
        "changes of an ordinary changed day, as a share of the benchmark's day 2",
        "the benchmark changes 4 % of the records in a day: no district does so every day",
    )
    weeks_a_year: int = _assume(42, "weeks of a year that are synced", "the summer break is paused")

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yield each assumption: its description, its value as text, its source."""
        for one in fields(self):
            value = getattr(self, one.name)
            yield one.metadata["what"], _to_text(one.name, value), one.metadata["source"]


def at(seconds: float) -> str:
    """Return a time of the week as text, such as `Tue 02:00`."""
    # Any Monday: only the day and the time are shown.
    monday = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    return (monday + dt.timedelta(seconds=seconds)).strftime("%a %H:%M")


def _to_text(name: str, value: Any) -> str:
    if name == "outage":
        return f"{at(value[0])}–{at(value[1])[4:]}"
    if name == "death_s":
        return at(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {100 * share:g} %" for key, share in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) if len(value) > 2 else f"{value[0]}–{value[1]}"  # noqa: PLR2004
    if name.endswith("share") or name == "churn":
        return f"{100 * value:g} %"
    return f"{value:g}"
