"""What a morning's wave came to: whether all is done, once and in time, and how long it waited.

Plain numbers, made of what Airflow's and the roster's databases say afterwards. All moments are
seconds after the slot at which every site was due.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oneroster_sync.sites.schedule import GRACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GRACE_S = GRACE.total_seconds()
"""Who has begun later than so many seconds after its slot is skipped."""
SKIPPED = "skipped"
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class SiteRun:
    """What became of a site's slot.

    Attributes:
        site: Whose.
        dag_runs: How many scheduled DAG runs Airflow made of it.
        records: How many runs the roster knows of it.
        state: Of the DAG run; None where none was made.
        outcome: Of the run.
        begun_s: When the scheduler began the DAG run, by which lateness is judged.
        extract_s: When `extract` began: a worker had a place for it.
        ended_s: When the DAG run ended.
    """

    site: str
    dag_runs: int
    records: int
    state: str | None = None
    outcome: str | None = None
    begun_s: float | None = None
    extract_s: float | None = None
    ended_s: float | None = None

    @property
    def is_once(self) -> bool:
        """Whether there is exactly one DAG run, and one record of it."""
        return (self.dag_runs, self.records) == (1, 1)

    @property
    def is_late(self) -> bool:
        """Whether the scheduler was too late: it made no DAG run, or began one that is skipped."""
        if self.begun_s is None:
            return True
        return self.outcome == SKIPPED and self.begun_s > GRACE_S

    @property
    def is_done(self) -> bool:
        """Whether the site was synced."""
        return self.state == "success" and self.outcome != SKIPPED


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task of the wave: which, and from when to when it had a slot."""

    task: str
    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload amid a wave, in seconds from the moment of the request.

    Attributes:
        asked_s: After the slot.
        weight: Of its tasks, which Airflow orders them by.
        ahead: How many tasks of scheduled runs waited for a slot then.
        answered_s: Until the API had taken the package in.
        extract_s: Until `extract` began.
        ended_s: Until its DAG run had ended.
        worked_s: As long its tasks had a slot; the rest is waiting.
        outcome: Of the run.
    """

    asked_s: float
    weight: int
    ahead: int
    answered_s: float
    extract_s: float
    ended_s: float
    worked_s: float
    outcome: str | None

    @property
    def waited_s(self) -> float:
        """All the time in which it was due and had no slot."""
        return max(0.0, self.ended_s - self.worked_s - self.answered_s)


@dataclass(frozen=True, slots=True)
class Used:
    """What a service took: the processors' seconds, and the most memory at once in MiB."""

    cpu_s: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Wave:
    """All that was measured of one wave.

    Attributes:
        name: What the sites' packages bring.
        weights: “as shipped”, or “all the same”: whether uploads go first.
        runs: One for each site.
        tasks: Of all the scheduled runs.
        tried_again: How many of them took more than one try.
        upload: The one amid it.
        services: By their names.
        connections: The most client connections to PostgreSQL at once.
        airflow_mib: Size of Airflow's database before and after.
    """

    name: str
    weights: str
    runs: list[SiteRun]
    tasks: list[TaskRun]
    tried_again: int
    upload: Upload | None
    services: dict[str, Used] = field(default_factory=dict)
    connections: int = 0
    airflow_mib: tuple[float, float] = (0.0, 0.0)

    @property
    def wall_s(self) -> float:
        """From the slot to the end of the last run."""
        return max((run.ended_s for run in self.runs if run.ended_s is not None), default=0.0)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many runs ended how, the most frequent first."""
        told = Counter(run.outcome or run.state or "no run" for run in self.runs)
        return dict(told.most_common())


def not_once(runs: Iterable[SiteRun]) -> list[str]:
    """Return the sites with more than one DAG run or record, or with one of them alone."""
    return [run.site for run in runs if not run.is_once and run.dag_runs + run.records > 0]


def late(runs: Iterable[SiteRun]) -> list[str]:
    """Return the sites whose slot was not run because nobody had begun it in time."""
    return [run.site for run in runs if run.is_late]


def late_from(runs: Sequence[SiteRun]) -> int | None:
    """Return at which number of sites lateness begins, None where nobody is late.

    That is one more than could be begun in time.
    """
    in_time = sum(not run.is_late for run in runs)
    return in_time + 1 if in_time < len(runs) else None


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Return the value that so many percent do not pass: one of the values; None of none."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def per_second(tasks: Sequence[TaskRun]) -> float | None:
    """Return how many tasks began in a second, from the first one's beginning to the last one's."""
    began = sorted(task.began_s for task in tasks)
    if len(began) < 2 or began[-1] == began[0]:  # noqa: PLR2004  two make a distance
        return None
    return (len(began) - 1) / (began[-1] - began[0])


def best_minute(tasks: Sequence[TaskRun]) -> float:
    """Return how many tasks began in a second, in the minute with the most of them."""
    began = sorted(task.began_s for task in tasks)
    most = first = 0
    for last, moment in enumerate(began):
        while moment - began[first] >= _MINUTE_S:
            first += 1
        most = max(most, last - first + 1)
    return most / _MINUTE_S
