"""Faults: run the tasks of a run in a process that is killed, disconnected or out of disk space.

A point is each place where a run touches the outside world: a statement, a commit, a file that it
opens for writing, renames or removes. The name of a point is that of its task and of the action,
such as `apply: insert into changes`. The product does not know about points: they are observed from
outside, through events of SQLAlchemy and audit events of Python.

After a fault, a new process retries the run from the task that failed, as Airflow does.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from oneroster_sync import database, pipeline, runs, settings
from oneroster_sync.database import locks
from oneroster_sync.pipeline import begin

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection as Pipe

    from oneroster_sync.pipeline import Request
    from oneroster_sync.runs import Run

TRIES = 4
"""Most processes for one run; the next try passes every fault except a fatal one."""
_WRITES = {"open", "os.mkdir", "os.rename"}
_REMOVES = {"os.remove", "os.rmdir", "shutil.rmtree"}
_PRIVATE = "oneroster-"
"""Prefix of the folders in which a run keeps its private copies."""
_END = "-"
_TABLES = ("users", "courses", "course_assignments", "orgs", "roles", "classes", "enrollments")
_ROWS = """
select to_jsonb(t) - 'updated_at' - 'created_at' from {} t where site = :site order by t::text
"""


class Kind(StrEnum):
    """Kind of a fault at a point."""

    KILLED = "killed"
    """The process ends at once, as after `kill -9` or when its machine stops."""
    FAILED = "failed"
    """The database closes the connection, as when it restarts, or the disk is full."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at the n-th point of a process, counted from one."""

    kind: Kind
    at: int


PARTS = 6
"""`make long` divides the points into this many parts, so that no single test takes long at the
end."""


def faults_at(points: int, step: int) -> list[Fault]:
    """Return the faults of `points` points: at each of them if `step` is 1, else at every n-th."""
    return [
        Fault(kind, number)
        for number in range(1, points + 1)
        for shift, kind in enumerate(Kind)
        if (number + shift * (step // 2)) % step == 0
    ]


@dataclass(slots=True)
class Story:
    """What happened to a run.

    Attributes:
        points: Names of the points that the first process reached.
        failed: Task and message of each error, in order; a killed process reports none.
        tries: Number of processes that it took.
    """

    points: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    tries: int = 0


def live(request: Request, fault: Fault | None, at: dt.datetime, look: Callable[[], None]) -> Story:
    """Finish a run in spite of a fault.

    Args:
        request: The request for the run.
        fault: The fault of the first process, or None.
        at: The time that all tasks get.
        look: Called after each process that ended before the run did.
    """
    story, first = Story(), next(iter(TASKS))
    while first != _END:
        story.tries += 1
        assert story.tries <= TRIES, f"{first} failed too often: {story.failed}"
        first = _try(request, first, fault if story.tries == 1 else None, at, story)
        if first != _END:
            look()
    return story


def _try(request: Request, first: str, fault: Fault | None, at: dt.datetime, story: Story) -> str:
    """Start with a task in a new process, and return the task to start with next, or `_END`."""
    ours, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_work, args=(request, first, fault, at, theirs))
    process.start()
    theirs.close()
    task, ended = first, False
    with contextlib.suppress(EOFError):
        while True:
            what, words = ours.recv()
            if what == "task":
                task = words
            elif what == "point" and story.tries == 1:
                story.points.append(words)
            elif what == "failed":
                story.failed.append((task, words))
            elif what == "end":
                ended = True
    process.join()
    return _END if ended else task


def _work(request: Request, first: str, fault: Fault | None, at: dt.datetime, pipe: Pipe) -> None:
    """Run the tasks, in a process of their own."""
    points = _Points(fault, pipe)
    points.watch()
    names = list(TASKS)
    for name in names[names.index(first) :]:
        pipe.send(("task", name))
        points.task = name
        try:
            TASKS[name](request, at)
        except Exception as error:  # noqa: BLE001  reported to the parent, which retries
            pipe.send(("failed", f"{type(error).__name__}: {error}"))
            os._exit(1)
    pipe.send(("end", ""))
    os._exit(0)


def state_of(site: str) -> list[list[dict[str, Any]]]:
    """Return all records of a site's roster, hand-made accounts included."""
    with database.engine().connect() as connection:
        return [
            list(connection.execute(sa.text(_ROWS.format(table)), {"site": site}).scalars())
            for table in _TABLES
        ]


def be_command_line(
    words: list[str], environment: dict[str, str], log: Pipe, stop_at: str | None = None
) -> None:
    """Run `oneroster` in this process and send its log through a pipe.

    Args:
        words: Words of the command.
        environment: Environment of the process.
        log: The pipe for the log.
        stop_at: Text of the log line at which the process waits to be ended.
    """
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(log.fileno(), 2)
    log.close()
    from oneroster_sync.cli import main

    def stops(record: logging.LogRecord) -> bool:
        if stop_at is not None and stop_at in record.getMessage():
            os.write(2, f"{record.getMessage()}\n".encode())
            signal.pause()
        return True

    logging.getLogger("oneroster").addFilter(stops)
    main(words)


class _Points:
    """Counts the points of this process and causes the fault at its point."""

    def __init__(self, fault: Fault | None, pipe: Pipe) -> None:
        self.task = ""
        self._fault = fault
        self._pipe = pipe
        self._count = 0
        self._busy = False
        self._roots = (str(Path(settings.storage().path)), _PRIVATE)

    def watch(self) -> None:
        """Observe each statement, commit and file from now on; this cannot be undone."""
        sa.event.listen(Engine, "before_cursor_execute", self._statement)
        sa.event.listen(Engine, "commit", self._commit)
        sys.addaudithook(self._audited)

    def _statement(self, connection: sa.Connection, _cursor: object, text: str, *_: object) -> None:
        self._database(" ".join(text.split()[:3]).lower(), connection)

    def _commit(self, connection: sa.Connection) -> None:
        self._database("commit", connection)

    def _database(self, name: str, connection: sa.Connection) -> None:
        with self._alone() as is_alone:
            if is_alone and self._is_reached(name) is Kind.FAILED:
                driver: Any = connection.connection.driver_connection
                _terminate(driver.info.backend_pid)

    def _audited(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in _WRITES and event not in _REMOVES:
            return
        path = str(args[0])
        if not any(root in path for root in self._roots):
            return
        if event == "open" and not (isinstance(args[1], str) and set(args[1]) & set("wax+")):
            return
        with self._alone() as is_alone:
            name = f"{event.rpartition('.')[2]} {Path(path).parent.name}/{Path(path).name}"
            reached = self._is_reached(name) if is_alone else None
        if reached is Kind.FAILED:
            number = errno.EIO if event in _REMOVES else errno.ENOSPC
            raise OSError(number, os.strerror(number), path)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Yield whether this is a point of the run, and not an effect of handling another point."""
        was_busy, self._busy = self._busy, True
        try:
            yield not was_busy
        finally:
            self._busy = was_busy

    def _is_reached(self, name: str) -> Kind | None:
        self._count += 1
        self._pipe.send(("point", f"{self.task}: {name}"))
        if self._fault is None or self._count != self._fault.at:
            return None
        if self._fault.kind is Kind.KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._fault.kind


def _terminate(pid: int) -> None:
    """End a connection from the server's side."""
    engine = sa.create_engine(database.url(), poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})


def _extract(request: Request, at: dt.datetime) -> None:
    with locks.hold_site_turn(database.engine(), request.site):
        begin(request, now=at)
    _go_on(request, lambda run: pipeline.extract(run, request.kind))


def _reviewed(run: Run, at: dt.datetime) -> Run:
    run = pipeline.review(run, now=at)
    pipeline.supersede_older(run, now=at)
    return pipeline.record(run, now=at) if run.outcome == "held" else run


def _record(request: Request, at: dt.datetime) -> None:
    pipeline.record(runs.find(request.run_id), now=at)


def _go_on(request: Request, stage: Callable[[Run], Run]) -> None:
    with locks.hold_site_turn(database.engine(), request.site):
        run = runs.find(request.run_id)
        with pipeline.note_failure(run):
            stage(run)


TASKS: dict[str, Callable[[Request, dt.datetime], None]] = {
    "extract": _extract,
    "validate": lambda request, _: _go_on(request, pipeline.validate),
    "diff": lambda request, _: _go_on(request, pipeline.diff),
    "review": lambda request, at: _go_on(request, lambda run: _reviewed(run, at)),
    "apply": lambda request, at: _go_on(request, lambda run: pipeline.apply(run, now=at)),
    "record": _record,
}
"""The tasks of a DAG, in their order."""

# Children start with all modules imported, so that hundreds of them take about a minute.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "oneroster_sync.stages.validate.relations",
        "oneroster_sync.stages.validate.gx_runner",
        "oneroster_sync.stages.validate.gx_metrics",
        "oneroster_sync.stages.validate.gx_patches",
        "oneroster_sync.database.embedded.postgres",
        "oneroster_sync.cli",
        "oneroster_sync.pipeline",
        "psutil",
        "pyarrow.acero",
        "pyarrow.dataset",
        "upath.implementations.local",
    ]
)
