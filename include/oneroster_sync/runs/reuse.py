"""Unchanged: a package that was judged before needs no second judgement while all else is the same.

Many a SIS exports the same bytes every night. Such a run takes over what an earlier one found and
planned, which was nothing, and goes on with review and apply, where the plan's hash and the
roster's version are checked as ever.
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
    """Return a hash of everything that the outcome of a run depends on but its package."""
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with driver.cursor(row_factory=dict_row) as cursor:
        return repeat.compute_basis(
            cursor,
            run.site,
            run.preferences.model_dump(mode="json"),
            credited=run.credited_admin_id,
            today=run.started_at.date(),
            pending=pending_deltas.tell_apart(connection, run.site, except_run=run.run_id),
        )


def compute_unchanged_basis(run: Run) -> str | None:
    """Return the basis of a run while it is that with which the run began; else None."""
    if run.basis is None:
        return None
    with database.engine().connect() as connection:
        return run.basis if run.basis == compute_basis(connection, run) else None


def find_reusable(run: Run, basis: str | None, sha256: Callable[[], str]) -> Run | None:
    """Return the run that found nothing to do in the same package on the same basis, if any.

    Args:
        run: The run.
        basis: What it goes by; None when it is of no package.
        sha256: Returns the sha256 of its package; asked only where it may help.
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
    """Copy what an earlier run found and planned into a run's folder."""
    theirs, ours = (RunFolder.of(run.site, one.run_id) for one in (earlier, run))
    for part in repeat.PARTS:
        ours.take(theirs, part)
    for name in repeat.VALUES:
        ours.write_json(name, theirs.read_json(name))
    for name in repeat.OPTIONAL_VALUES:
        if theirs.has(f"{name}.json"):
            ours.write_json(name, theirs.read_json(name))
    log.info("The package is that of run %s, and nothing has changed since.", earlier.run_id)


def values_of(earlier: Run) -> dict[str, Any]:
    """Return what the record of a run takes over that reuses an earlier run's results."""
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
    """Return the runs that found nothing to do on a basis: sha256 of the package → newest run.

    Only runs whose plan a review found clear: one that a person had to approve is judged again.
    """
    bound = {"site": site, "kind": kind, "scope": scope, "basis": basis}
    return {row[0]: row[1] for row in connection.execute(sa.text(_BEFORE), bound)}
