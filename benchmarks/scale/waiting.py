"""The results of a wave: whether all runs are done, once and in time, and how long they waited.

All numbers come from the databases of Airflow and the roster. All times are seconds after the slot
at which every site was due.
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
"""A run that begins later than this after its slot is skipped."""
SKIPPED = "skipped"
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class SiteRun:
    """The result of a site's slot.

    Attributes:
        site: The site.
        dag_runs: Number of scheduled DAG runs that Airflow created.
        records: Number of runs in the roster database.
        state: State of the DAG run, or None if there is none.
        outcome: Outcome of the run.
        begun_s: Time when the scheduler began the DAG run; lateness is judged by it.
        extract_s: Time when `extract` began, because a worker had a free slot.
        ended_s: Time when the DAG run ended.
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
        """Return whether there is exactly one DAG run with one record."""
        return (self.dag_runs, self.records) == (1, 1)

    @property
    def is_late(self) -> bool:
        """Return whether the scheduler was too late: no DAG run, or one that is skipped."""
        if self.begun_s is None:
            return True
        return self.outcome == SKIPPED and self.begun_s > GRACE_S

    @property
    def is_done(self) -> bool:
        """Return whether the site was synced."""
        return self.state == "success" and self.outcome != SKIPPED


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task of the wave, and the time when it had a slot."""

    task: str
    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload during a wave; times are seconds after its request.

    Attributes:
        asked_s: Time of the request after the slot.
        weight: Priority weight of its tasks.
        ahead: Number of tasks of scheduled runs that waited for a slot then.
        answered_s: Time until the API had received the package.
        extract_s: Time until `extract` began.
        ended_s: Time until its DAG run had ended.
        worked_s: Total time that its tasks had a slot; the rest is waiting.
        outcome: Outcome of the run.
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
        """Return the total time that it was due without a slot."""
        return max(0.0, self.ended_s - self.worked_s - self.answered_s)


@dataclass(frozen=True, slots=True)
class Used:
    """The use of a service: CPU seconds, and peak memory in MiB."""

    cpu_s: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Wave:
    """All results of one wave.

    Attributes:
        name: Name of the wave, by the sites' packages.
        weights: “as shipped”, or “all the same”: whether uploads have priority.
        runs: The result of each site.
        tasks: The tasks of all scheduled runs.
        tried_again: Number of tasks with more than one try.
        upload: The upload during the wave.
        services: Name → use of each service.
        connections: Maximum number of client connections to PostgreSQL.
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
        """Return the time from the slot to the end of the last run."""
        return max((run.ended_s for run in self.runs if run.ended_s is not None), default=0.0)

    @property
    def outcomes(self) -> dict[str, int]:
        """Return outcome → number of runs, the most frequent first."""
        done = Counter(run.outcome or run.state or "no run" for run in self.runs)
        return dict(done.most_common())


def not_once(runs: Iterable[SiteRun]) -> list[str]:
    """Return the sites without exactly one DAG run and one record."""
    return [run.site for run in runs if not run.is_once and run.dag_runs + run.records > 0]


def late(runs: Iterable[SiteRun]) -> list[str]:
    """Return the sites whose slot was skipped because no run began in time."""
    return [run.site for run in runs if run.is_late]


def late_from(runs: Sequence[SiteRun]) -> int | None:
    """Return the number of sites from which runs are late, or None if none is.

    It is one more than the number of runs that could begin in time.
    """
    in_time = sum(not run.is_late for run in runs)
    return in_time + 1 if in_time < len(runs) else None


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Return a percentile, which is one of the values; None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def per_second(tasks: Sequence[TaskRun]) -> float | None:
    """Return the tasks begun per second, from the first begin to the last."""
    began = sorted(task.began_s for task in tasks)
    if len(began) < 2 or began[-1] == began[0]:  # noqa: PLR2004  two make a distance
        return None
    return (len(began) - 1) / (began[-1] - began[0])


def best_minute(tasks: Sequence[TaskRun]) -> float:
    """Return the tasks begun per second in the busiest minute."""
    began = sorted(task.began_s for task in tasks)
    most = first = 0
    for last, moment in enumerate(began):
        while moment - began[first] >= _MINUTE_S:
            first += 1
        most = max(most, last - first + 1)
    return most / _MINUTE_S
