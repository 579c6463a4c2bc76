"""One run of a site whose tasks users can run in any order, and each state that it reaches.

`Product` calls the tasks of the real DAG on the real database and storage. Two calls of a task on
the same record and files have the same effect, so `Shelf` keeps each state once and restores it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors, set_current_context

from conftest import csv_text
from oneroster_sync import database, runs, settings
from oneroster_sync.operations import approval
from oneroster_sync.operations.approval import NotHeldError, OtherPlanError
from oneroster_sync.runs import UnknownRunError
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site
    from oneroster_sync.runs import Run

PROJECT = Path(__file__).resolve().parents[1]
QUESTION = dag_names.REVIEW_DECISION
TASKS = ("extract", "validate", "diff", "review", QUESTION, "apply", "record")
NEW, DONE, FAILED, SKIPPED, CUT, WAITS = ".", "s", "f", "k", "u", "w"
"""States of a task: not called yet, success, failed, skipped, upstream_failed, awaiting_input."""
ENDED = {DONE, FAILED, SKIPPED, CUT}
HEADER = (
    "sourcedId,status,dateLastModified,enabledUser,role,username,userIds,givenName,"
    "familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password"
)
"""Nearly all columns, so that there are few findings."""
EVERYBODY = 10


def staff(count: int, first: str = "Given") -> str:
    """Return a users.csv of numbered teachers, with a given name for the first one."""
    names = [first, *["Given"] * (count - 1)]
    rows = (f"u{n},,,true,teacher,u{n},,{g},F,,,u{n}@x.org,,,,," for n, g in enumerate(names))
    return csv_text(HEADER, *rows)


PACKAGES = {"harmless": staff(EVERYBODY, "Other"), "dangerous": staff(4)}
"""One renames one of ten people; the other would deactivate six of them, so its plan is held."""


class Deed(NamedTuple):
    """An action of a user, on a task or on the whole run.

    `word` is `mark success`, `mark failed`, `clear` or `retry` for a task; `approve` and `discard`
    decide about the plan, and `replace` replaces the package that the next extract reads.
    """

    word: str
    task: str = ""
    downstream: bool = False

    def __str__(self) -> str:
        """Return the action as readable text."""
        return " ".join([self.word, self.task, "and downstream" * self.downstream]).strip()


DEEDS = (
    *(
        Deed(word, task, downstream)
        for word in ("mark success", "mark failed", "clear")
        for downstream in (False, True)
        for task in TASKS
        if not (downstream and task == TASKS[-1])
    ),
    *(Deed("retry", task) for task in TASKS if task != QUESTION),
)
"""Actions of operators, each one request to Airflow."""
OTHERS = (Deed("approve"), Deed("discard"), Deed("replace"))
"""Other actions: administrators decide, and the source delivers another package."""


@dataclass(frozen=True)
class Called:
    """The result of a task's call: its state, and the tasks that it makes Airflow skip."""

    state: str
    skips: tuple[str, ...] = ()


class Product:
    """One run of a site: its record, its files and the roster."""

    def __init__(self, site: Site, package: str = "dangerous") -> None:
        """Take a site of ten people, whose next package is one of `PACKAGES`."""
        self.site = site
        self.folder = site.package({"users.csv": PACKAGES[package]})
        from oneroster_airflow.dags.site_dags import upload_dag

        self._dag = upload_dag(site.name)
        self.begin_another()

    def begin_another(self) -> None:
        """Start another DAG run of the site, without any task called."""
        name = f"manual__{os.urandom(8).hex()}"
        self.run_id = dag_names.run_id_of(self._dag.dag_id, name)
        moment = dt.datetime.now(dt.UTC)
        self._context: Any = {
            "params": {"package": str(self.folder), "kind": "package", "undo": None},
            "dag_run": SimpleNamespace(
                dag_id=self._dag.dag_id,
                run_id=name,
                run_type="manual",
                run_after=moment,
                start_date=moment,
                triggering_user_name="op",
                clear_number=0,
            ),
            "ti": SimpleNamespace(get_ti_count=lambda **_: 1, get_dr_count=lambda **_: 0),
            "outlet_events": OutletEventAccessors(),
        }

    @property
    def run(self) -> Run | None:
        """The run's record; None before its first stage."""
        try:
            return runs.find(self.run_id)
        except UnknownRunError:
            return None

    @property
    def outcome(self) -> str | None:
        """The outcome of the run so far."""
        return self.run.outcome if self.run else None

    def holds(self, package: str) -> bool:
        """Return whether the next extract would read this package."""
        return (self.folder / "users.csv").read_text() == PACKAGES[package]

    def roster(self) -> tuple[int, str]:
        """Return the number of active people, and the given name of the first one."""
        ((count, name),) = self.site.rows(
            "select count(*) filter (where status = 'active'), "
            "min(given_name) filter (where sourced_id = 'u0') from users "
            "where site = :site and sourced_id is not null"
        )
        return count, name

    def call(self, task: str) -> Called:
        """Call a task of the DAG as Airflow does, and return the resulting state."""
        if task == QUESTION:
            return self._question()
        self._context["ti"].task_id = task
        with set_current_context(self._context):
            try:
                result = self._dag.task_dict[task].python_callable()
            except AirflowSkipException:
                return Called(SKIPPED)
            except (Exception, SystemExit):  # noqa: BLE001  any error makes the task fail
                return Called(FAILED)
        skips: tuple[str, ...] = ()
        if task == "review":
            skips = (QUESTION,) if result == ["apply"] else () if result else (QUESTION, "apply")
        return Called(DONE, skips)

    def _question(self) -> Called:
        """Decide from the run's record, as `ReviewDecision` does."""
        run = self.run
        if run is None:
            return Called(FAILED)
        if run.outcome == "held" and run.decision is None:
            return Called(WAITS)
        goes_on = run.outcome is None or run.decision == "approved"
        return Called(DONE, () if goes_on else ("apply",))

    def decide(self, deed: Deed) -> None:
        """Approve or discard the plan as an administrator, if there is a plan."""
        run, now = self.run, dt.datetime.now(dt.UTC)
        if run is None or run.plan_hash is None:
            return
        decide = approval.note_approval if deed.word == "approve" else approval.discard
        with contextlib.suppress(NotHeldError, OtherPlanError):
            decide(self.run_id, by="admin", now=now, plan_hash=run.plan_hash)

    def replace(self) -> None:
        """Replace the package with the other one."""
        other = "harmless" if self.holds("dangerous") else "dangerous"
        (self.folder / "users.csv").write_text(PACKAGES[other])


_TIMES = ("started_at", "ended_at", "applied_at", "decided_at", "expires_at")
_UNLIKE = ("report", "run.json")
"""Files of a run that contain times; no stage reads them."""
_TABLES = """
select table_name from information_schema.columns join information_schema.tables
using (table_schema, table_name)
where table_schema = 'public' and column_name = '{column}' and table_type = 'BASE TABLE'
"""
_READ = "'{table}', (select coalesce(jsonb_agg(to_jsonb(t)), '[]') from {table} t where {where})"
_REMOVE = "delete from {table} t where {where} and :rows <> ''"
_PUT_BACK = """
insert into {table} overriding system value
select * from jsonb_populate_recordset(null::{table}, cast(:rows as jsonb))
"""


@dataclass(frozen=True)
class Facts:
    """The facts of one state of a product: the run's record, and the roster."""

    run: Run | None
    roster: tuple[int, str]

    def would_dare(self, plan_hash: str) -> bool:
        """Return whether `apply` would find this plan without a decision."""
        run = self.run
        return run is not None and (run.plan_hash, run.decision) == (plan_hash, None)


class Shelf:
    """The states of a product, each kept once; a state can be restored and recognized."""

    def __init__(self, product: Product) -> None:
        """Keep the current state of the product."""
        self._product = product
        self._files_of = Path(settings.storage_of("runs", product.site.name).path) / product.run_id
        self._bound = {"site": product.site.name, "run": product.run_id}
        self._place = tempfile.TemporaryDirectory(
            prefix="orders-", dir=Path(settings.storage().path).parent, ignore_cleanup_errors=True
        )
        with database.engine().connect() as connection:
            of_site = connection.scalars(sa.text(_TABLES.format(column="site"))).all()
            of_run = connection.scalars(sa.text(_TABLES.format(column="run_id"))).all()
        self._where = dict.fromkeys(of_run, "t.run_id::text = :run")
        self._where |= dict.fromkeys(of_site, "t.site = :site")
        self._kept: list[tuple[dict[str, Any], Path, str]] = []
        self.facts: list[Facts] = []
        """The facts of each kept state."""
        self._known: dict[str, int] = {}
        self._rows_now: dict[str, Any] = {}
        self._at = self.keep()

    def __len__(self) -> int:
        """Return the number of kept states."""
        return len(self._kept)

    def close(self) -> None:
        """Remove the kept files."""
        self._place.cleanup()

    def keep(self) -> int:
        """Keep the current state of the product and return its number; equal states have one."""
        rows, files = self._rows(), list(self._files())
        package = (self._product.folder / "users.csv").read_text()
        mine = (row for row in rows["runs"] if row["run_id"] == self._product.run_id)
        record: dict[str, Any] = next(mine, {})
        state = [(name, None if name in _TIMES else value) for name, value in record.items()]
        state += [(name, record.get(name) is None) for name in _TIMES]
        digest = hashlib.sha256(repr([state, self._product.roster(), package]).encode())
        for file in files:
            digest.update(file.relative_to(self._files_of).as_posix().encode() + file.read_bytes())
        known = self._known.setdefault(digest.hexdigest(), len(self._kept))
        if known == len(self._kept):
            place = Path(self._place.name) / str(known)
            place.mkdir()
            for file in files:
                _link(file, place / file.relative_to(self._files_of))
            self._kept.append((rows, place, package))
            self.facts.append(Facts(self._product.run, self._product.roster()))
        self._at, self._rows_now = known, rows
        return known

    def put_back(self, number: int) -> None:
        """Restore a kept state of the product."""
        if number == self._at:
            return
        rows, place, package = self._kept[number]
        with database.engine().begin() as connection:
            # Skip triggers and foreign keys: a trigger forbids emptying the audit's tables.
            connection.exec_driver_sql("set local session_replication_role = replica")
            for name in (name for name in rows if rows[name] != self._rows_now[name]):
                bound = {**self._bound, "rows": json.dumps(rows[name])}
                for statement in (_REMOVE, _PUT_BACK):
                    query = statement.format(table=name, where=self._where[name])
                    connection.execute(sa.text(query), bound)
        shutil.rmtree(self._files_of, ignore_errors=True)
        for file in place.rglob("*"):
            if file.is_file():
                _link(file, self._files_of / file.relative_to(place))
        (self._product.folder / "users.csv").write_text(package)
        self._at, self._rows_now = number, rows

    def _rows(self) -> dict[str, Any]:
        """Return all rows of the site or of the run, by table."""
        parts = (_READ.format(table=name, where=where) for name, where in self._where.items())
        with database.engine().connect() as connection:
            query = sa.text(f"select jsonb_build_object({', '.join(parts)})")
            found: dict[str, Any] = connection.scalar(query, self._bound)
        return found

    def _files(self) -> Iterator[Path]:
        for file in sorted(self._files_of.rglob("*")):
            if file.is_file() and file.relative_to(self._files_of).parts[0] not in _UNLIKE:
                yield file


def _link(file: Path, target: Path) -> None:
    """Hard-link a file to another place; a stage that writes it anew does not change the link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(file, target)
