"""Read and write the records of runs, with their findings and causes."""

from __future__ import annotations

import contextlib
import json
import uuid
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from oneroster_sync import database, settings
from oneroster_sync.database.copy import copy_in
from oneroster_sync.findings import causes_of
from oneroster_sync.runs.model import Outcome, Run, Trigger, UnknownRunError
from oneroster_sync.sites.preferences import STORED, Preferences, Scope

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from oneroster_sync.findings import Causes


_JSON = {"preferences", "undo_of"}
_FIELDS = tuple(name for name in Run.__dataclass_fields__ if name != "holds")
_RESET_COLUMNS = ", ".join(
    [
        "reasons = '[]'",
        *(
            f"{name} = excluded.{name}"
            for name in ("stage", "credited_admin_id", "preferences", "scope", "package")
        ),
        *(
            f"{name} = null"
            for name in (
                *("outcome", "ended_at", "expires_at", "same_as", "findings_of", "basis", "sha256"),
                *("plan_hash", "base_version", "reviewed_hash", "counts", "withheld", "schools"),
                *("decision", "decided_hash", "decided_by", "decided_at", "decision_reason"),
            )
        ),
    ]
)
_SELECT = f"select {', '.join(_FIELDS)} from runs"  # noqa: S608  names of our own


def begin(connection: Connection, run: Run) -> Run:
    """Insert a run's record, or return the stored one, because a retry is the same run.

    A run that failed, was rejected or was skipped begins again with the same id. It gets the
    current preferences, package and credited administrator, and loses its plan, review and
    decision.
    """
    values = {
        "run_id": run.run_id,
        "site": run.site,
        "trigger": run.trigger.value,
        "requested_by": run.requested_by,
        "credited_admin_id": run.credited_admin_id,
        "package": run.package,
        "scope": run.scope.value,
        "preferences": run.preferences.model_dump_json(),
        "started_at": run.started_at,
        "stage": run.stage,
        "dag_id": run.dag_id,
        "dag_run_id": run.dag_run_id,
        "undoes": run.undoes,
        "kind": run.kind,
        "undo_of": json.dumps(run.undo_of) if run.undo_of else None,
        "removals_of": run.removals_of,
        "uploaded_as": run.uploaded_as,
        "is_preview": run.is_preview,
    }
    names = ", ".join(values)
    marks = ", ".join(f"cast(:{n} as jsonb)" if n in _JSON else f":{n}" for n in values)
    connection.execute(
        sa.text(
            f"insert into runs ({names}) values ({marks}) on conflict (run_id) do update "  # noqa: S608
            f"set {_RESET_COLUMNS} "
            "where runs.applied_at is null and runs.outcome in ('failed', 'rejected', 'skipped')"
        ),
        values,
    )
    return get(connection, run.run_id)


def get(connection: Connection, run_id: str, *, for_update: bool = False) -> Run:
    """Return a run, and lock its record if `for_update`.

    Raises:
        UnknownRunError: There is no run with that id.
    """
    lock = " for update" if for_update else ""
    query = sa.text(f"{_SELECT} where run_id = cast(:run_id as uuid){lock}")
    row = None
    # PostgreSQL would refuse a text that is not a UUID, and the transaction would have to end.
    with contextlib.suppress(ValueError):
        bound = {"run_id": str(uuid.UUID(run_id))}
        row = connection.execute(query, bound).mappings().one_or_none()
    if row is None:
        raise UnknownRunError(f"there is no run {run_id!r}; see: oneroster history")
    return _as_run(dict(row))


def exists(connection: Connection, run_id: str) -> bool:
    """Return whether there is a run with that id, a UUID."""
    query = sa.text("select exists (select from runs where run_id = cast(:run_id as uuid))")
    return bool(connection.scalar(query, {"run_id": run_id}))


def find_removals_run(connection: Connection, run_id: str) -> str | None:
    """Return the id of the newest follow-up run that holds a run's pending removals, or None."""
    query = (
        "select run_id from runs where removals_of = cast(:run_id as uuid) "
        "order by started_at desc limit 1"
    )
    found = connection.scalar(sa.text(query), {"run_id": run_id})
    return str(found) if found else None


def list_newest(connection: Connection, site: str, limit: int) -> list[Run]:
    """Return at most `limit` runs of a site, newest first."""
    query = sa.text(f"{_SELECT} where site = :site order by started_at desc limit :limit")
    return make_runs(connection.execute(query, {"site": site, "limit": limit}).mappings())


def select_runs() -> str:
    """Return the start of a query for `make_runs`, up to the name of the table."""
    return _SELECT


def make_runs(rows: Iterable[Any]) -> list[Run]:
    """Convert rows of a query that starts with `select_runs` to runs."""
    return [_as_run(dict(row)) for row in rows]


def list_unfinished(connection: Connection, site: str, except_run: str) -> list[Run]:
    """Return the other runs of a site that are at work, or approved and not applied yet."""
    query = sa.text(
        f"{_SELECT} where site = :site and run_id <> cast(:run_id as uuid) and (outcome is null "
        "or (outcome = 'held' and decision = 'approved')) order by started_at, run_id"
    )
    return make_runs(connection.execute(query, {"site": site, "run_id": except_run}).mappings())


def mark_cut_off(connection: Connection, run_id: str, *, now: dt.datetime) -> None:
    """End a run as failed, because its process is gone."""
    reasons = ["the run was interrupted; nothing was applied"]
    update(connection, run_id, outcome=Outcome.FAILED, ended_at=now, reasons=reasons)


def find_first_after(connection: Connection, site: str, version: int | None) -> Run | None:
    """Return the first run that changed the roster after a version, or None."""
    query = f"{_SELECT} where site = :site and applied_version > :version "
    query += "order by applied_version, applied_at limit 1"
    bound = {"site": site, "version": version}
    found = make_runs(connection.execute(sa.text(query), bound).mappings())
    return found[0] if found else None


def update(connection: Connection, run_id: str, **values: Any) -> None:
    """Set columns of a run's record; lists and dictionaries are stored as JSON."""
    sets, bound = [], {"run_id": run_id}
    for name, value in values.items():
        if isinstance(value, dict | list | tuple):
            sets.append(f"{name} = cast(:{name} as json)")
            bound[name] = json.dumps(value)
        else:
            sets.append(f"{name} = :{name}")
            bound[name] = value.value if isinstance(value, StrEnum) else value
    query = f"update runs set {', '.join(sets)} where run_id = cast(:run_id as uuid)"  # noqa: S608
    connection.execute(sa.text(query), bound)


def save_findings(connection: Connection, run_id: str, table: pa.Table) -> None:
    """Store a run's findings and their causes, in place of the stored ones.

    A run that refers to the findings of an earlier run (`findings_of`) stores none. For each cause
    only the first findings are stored, up to `settings.findings_of_cause`, with their numbers among
    all findings. The causes count all findings.
    """
    of_other = "select findings_of is not null from runs where run_id = cast(:run_id as uuid)"
    if connection.scalar(sa.text(of_other), {"run_id": run_id}):
        table = table.slice(0, 0)
    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type):  # PostgreSQL has no NUL
            table = table.set_column(at, field, pc.replace_substring(table[at], "\0", r"\x00"))
    causes = causes_of(table)
    findings = table.append_column("cause", causes.numbers).append_column(
        "seq", pa.array(range(1, table.num_rows + 1), pa.int64())
    )
    findings = findings.filter(_first_of_causes(causes, settings.findings_of_cause()))
    numbers = pa.array(range(1, causes.table.num_rows + 1), pa.int64())
    numbered_causes = causes.table.append_column("seq", numbers)
    for name, rows in (("findings", findings), ("causes", numbered_causes)):
        connection.execute(
            sa.text(f"delete from {name} where run_id = cast(:run_id as uuid)"),  # noqa: S608
            {"run_id": run_id},
        )
        count = rows.num_rows
        copy_in(connection, name, rows.append_column("run_id", pa.repeat(run_id, count)))


def _first_of_causes(causes: Causes, limit: int) -> pa.Array:
    """Return a mask of the first `limit` findings of each cause."""
    kept = np.ones(len(causes.numbers), bool)
    counts = causes.table["findings"].to_numpy()
    if counts.size and counts.max() > limit:
        numbers = causes.numbers.to_numpy()
        # Stable, so that the findings of a cause keep their order.
        order = np.argsort(numbers, kind="stable")
        first = np.searchsorted(numbers[order], numbers[order])
        kept[order] = np.arange(len(order)) - first < limit
    return pa.array(kept)


def _as_run(row: dict[str, Any]) -> Run:
    stored = row["reasons"] or ()
    reasons = tuple(r["text"] if isinstance(r, dict) else str(r) for r in stored)
    return Run(
        **{
            **row,
            "run_id": str(row["run_id"]),
            "trigger": Trigger(row["trigger"]),
            "scope": Scope(row["scope"]),
            "outcome": Outcome(row["outcome"]) if row["outcome"] else None,
            "preferences": Preferences.model_validate(row["preferences"], context=STORED),
            "reasons": reasons,
            "holds": tuple(r for r in stored if isinstance(r, dict)),
            "undoes": str(row["undoes"]) if row["undoes"] else None,
            "removals_of": str(row["removals_of"]) if row["removals_of"] else None,
            "same_as": str(row["same_as"]) if row["same_as"] else None,
            "findings_of": str(row["findings_of"]) if row["findings_of"] else None,
        }
    )


def find(run_id: str) -> Run:
    """Return a run's record, with a connection of its own.

    Raises:
        UnknownRunError: There is no run with that id.
    """
    with database.engine().connect() as connection:
        return get(connection, run_id)
