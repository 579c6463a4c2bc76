"""`make test ARGS=--slowest`: the costs of the tests, and the programs that they start.

For each phase of a test (setup with its fixtures, call, teardown) it reports the seconds on the
clock and the processor seconds of the test process, of the programs that it ran, and of the Airflow
and the PostgreSQL that it used. The rest is waiting. An audit hook counts the servers and browsers
where Python starts a program. All phases are in `build/slowest.csv`.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

_KEY = "cost"
_SHOWN = 40
_ALL = Path(__file__).resolve().parents[1] / "build" / "slowest.csv"
_STARTED = {
    "supervisor.supervisord": "Airflow",
    "pg_ctl start": "PostgreSQL",
    "chromium": "Chromium",
    "redis-server": "Redis",
    "initdb --pgdata": "initdb",
}


class Cost:
    """Measure every phase of every test; with several workers, each measures its own."""

    def __init__(self) -> None:
        """Start to count the programs that are started."""
        self.started: Counter[str] = Counter()
        self._cost: dict[str, Any] = {}
        sys.addaudithook(self._notice)

    def _notice(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            words = " ".join(map(str, [args[0], *args[1]]))
            for mark, name in _STARTED.items():
                if mark in words and "--version" not in words:
                    self.started[name] += 1

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """Measure the setup, with all fixtures that this test is the first to need."""
        yield from self._measured(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Measure the test itself."""
        yield from self._measured(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        """Measure the teardown, with all fixtures that no later test needs."""
        yield from self._measured(item)

    def _measured(self, item: pytest.Item) -> Iterator[None]:
        roots = _servers(item)
        began, busy, started = time.monotonic(), _processor_seconds(roots), self.started.copy()
        try:
            yield
        finally:
            self._cost = {
                "wall": time.monotonic() - began,
                # A server that was stopped meanwhile takes its seconds with it.
                "cpu": max(0.0, _processor_seconds(_servers(item)) - busy),
                "started": dict(self.started - started),
            }

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the cost to the report, because only reports leave a worker."""
        report = yield
        report.user_properties.append((f"{_KEY} {report.when}", self._cost))
        return report


def summary(stats: dict[str, list[Any]]) -> Iterator[str]:
    """Return the lines to print after the tests, from the reports of all workers."""
    phases = sorted(_phases(stats), key=lambda phase: -phase[2]["wall"])
    if not phases:
        return
    wall = sum(cost["wall"] for _, _, cost in phases)
    cpu = sum(cost["cpu"] for _, _, cost in phases)
    yield f"All phases: {wall:.0f} s, of which {cpu:.0f} s of a processor; the rest is waiting."
    started: Counter[str] = Counter()
    for _, _, cost in phases:
        started.update(cost["started"])
    yield "Started: " + ", ".join(f"{n} × {name}" for name, n in sorted(started.items()))
    yield "By module (seconds, processor seconds, tests):"
    modules: dict[str, list[float]] = {}
    for name, when, cost in phases:
        found = modules.setdefault(name.partition("::")[0], [0, 0, 0])
        found[0] += cost["wall"]
        found[1] += cost["cpu"]
        found[2] += when == "call"
    for name, (took, used, tests) in sorted(modules.items(), key=lambda it: -it[1][0])[:_SHOWN]:
        yield f"{took:8.1f} {used:8.1f} {tests:5.0f}  {name}"
    yield f"The {_SHOWN} slowest phases (seconds, processor seconds):"
    for name, when, cost in phases[:_SHOWN]:
        yield f"{cost['wall']:8.1f} {cost['cpu']:8.1f}  {when:<8}  {name}"
    _ALL.parent.mkdir(exist_ok=True)
    with _ALL.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("seconds", "processor_seconds", "phase", "test"))
        lines.writerows((f"{c['wall']:.3f}", f"{c['cpu']:.3f}", when, n) for n, when, c in phases)


def _phases(stats: dict[str, list[Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for report in _reports(stats):
        for key, cost in report.user_properties:
            if key == f"{_KEY} {report.when}" and cost:
                yield report.nodeid.partition("@")[0], report.when, cost


def _reports(stats: dict[str, list[Any]]) -> Iterable[Any]:
    """Return each report once; a passed setup or teardown is under the empty name."""
    return [
        report
        for name, reports in stats.items()
        if name != "deselected"
        for report in reports
        if hasattr(report, "when") and hasattr(report, "user_properties")
    ]


def _servers(item: pytest.Item) -> list[psutil.Process]:
    """Return the first process of each server that a test uses; its children count for it."""
    from oneroster_sync import settings
    from oneroster_sync.database.embedded import postmaster

    found = [postmaster.find(settings.home() / "postgres" / "data")]
    if "live" in sys.modules:
        found += sys.modules["live"].servers()
    # Its children are not ours: only it knows the seconds of the children that ended.
    if (pid := forkserver._forkserver._forkserver_pid) is not None:  # type: ignore[attr-defined]
        with suppress(psutil.Error):
            found.append(psutil.Process(pid))
    return [process for process in found if process]


def _processor_seconds(roots: Iterable[psutil.Process]) -> float:
    """Return the processor seconds of this process, its children, and the servers it uses."""
    seconds = sum(os.times()[:4])
    for root in roots:
        for process in [root, *_descendants(root)]:
            with suppress(psutil.Error):
                took = process.cpu_times()
                seconds += took.user + took.system + took.children_user + took.children_system
    return seconds


def _descendants(root: psutil.Process) -> list[psutil.Process]:
    try:
        return root.children(recursive=True)
    except psutil.Error:
        return []
