"""Reuse: take over the results of an earlier run if the package and all else is unchanged.

Many SIS export the same bytes every night. A run of such a package reuses the findings and the
plan, which is empty, of the earlier run. It then continues with review and apply, which check the
hash of the plan and the roster's version as always.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from psycopg.rows import dict_row

from oneroster_sync import database, runs
from oneroster_sync.runs import pending_deltas, repeat
from oneroster_sync.runs.artifacts import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run

log = logging.getLogger("oneroster")


def compute_basis(connection: Connection, run: Run) -> str:
    """Return a hash of everything but the package that the outcome of a run depends on."""
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with driver.cursor(row_factory=dict_row) as cursor:
        return repeat.compute_basis(
            cursor,
            run.site,
            run.preferences.model_dump(mode="json"),
            credited=run.credited_admin_id,
            today=run.started_at.date(),
            pending=pending_deltas.fingerprint_pending(connection, run.site, except_run=run.run_id),
        )


def compute_unchanged_basis(run: Run) -> str | None:
    """Return the basis of a run if it is the same as at the run's beginning, else None."""
    if run.basis is None:
        return None
    with database.engine().connect() as connection:
        # If somebody edited the roster between the two, it is not known whether the plan saw the
        # edit.
        return run.basis if run.basis == compute_basis(connection, run) else None


def find_reusable(run: Run, basis: str | None, sha256: Callable[[], str]) -> Run | None:
    """Return a run with the same package and basis that found nothing to do, or None.

    Args:
        run: The run.
        basis: The basis of the run; None if the run reads no package.
        sha256: Returns the sha256 of the package; called only if a run has the same basis.
    """
    if basis is None:
        return None
    with database.engine().connect() as connection:
        judged = find_judged(
            connection, run.site, kind=run.kind, scope=run.scope.value, basis=basis
        )
        found = judged.get(sha256()) if judged else None
        if found is None or not (RunFolder.of(run.site, found).path / "plan").exists():
            return None
        return runs.get(connection, found)


def copy_results(earlier: Run, run: Run) -> None:
    """Copy the findings, the plan and the report of an earlier run into a run's folder."""
    theirs, ours = (RunFolder.of(run.site, one.run_id) for one in (earlier, run))
    for part in repeat.PARTS:
        ours.take(theirs, part)
    for name in repeat.VALUES:
        ours.write_json(name, theirs.read_json(name))
    for name in repeat.OPTIONAL_VALUES:
        if theirs.has(f"{name}.json"):
            ours.write_json(name, theirs.read_json(name))
    log.info("The package is the same as in run %s, and nothing else has changed.", earlier.run_id)


def values_of(earlier: Run) -> dict[str, Any]:
    """Return the columns that a run's record takes over when it reuses an earlier run's results."""
    names = (
        "sha256",
        "basis",
        "oneroster_version",
        "plan_hash",
        "base_version",
        "counts",
        "schools",
        "bulk_in_plan",
    )
    # Without reviewed_hash: review records it for this run, from the copied plan.
    return {name: getattr(earlier, name) for name in names} | {
        "same_as": earlier.run_id,
        "findings_of": earlier.run_id,
        "stage": "diff",
    }


_BEFORE = f"""
select r.sha256, r.run_id::text from runs r
where r.site = :site and r.kind = :kind and r.scope = :scope and r.basis = :basis
  and {repeat.JUDGED}
order by r.started_at
"""  # noqa: S608  names of our own


def find_judged(
    connection: Connection, site: str, *, kind: str, scope: str, basis: str
) -> dict[str, str]:
    """Return the runs with a basis that found nothing to do: sha256 of the package → newest run.

    Runs whose plan was held are left out: a plan that a person had to approve is reviewed again.
    """
    bound = {"site": site, "kind": kind, "scope": scope, "basis": basis}
    # The query has the oldest first, so the newest run of a package replaces the others.
    return {row[0]: row[1] for row in connection.execute(sa.text(_BEFORE), bound)}
