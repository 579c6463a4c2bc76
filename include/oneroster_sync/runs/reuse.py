"""Unchanged: a package that was judged before needs no second judgement while all else is the same.

Many a SIS exports the same bytes every night. Such a run takes over what an earlier one found and
planned, which was nothing, and goes on with review and apply, where the plan's hash and the
roster's version are checked as ever.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync import database, runs, settings
from oneroster_sync.provider_info import __version__
from oneroster_sync.roster.columns import COURSE_FIELDS, USER_FIELDS
from oneroster_sync.runs import pending_deltas
from oneroster_sync.runs.artifacts import RunFolder

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run

log = logging.getLogger("oneroster")

_PARTS = ("findings", "unclear", "plan", "before", "report", "adoption", "other_people")
_VALUES = ("extracted", "plan")
_OPTIONAL_VALUES = ("results", "report")
"""What may be missing: a run goes on when its report can't be written."""
_DECIDES = ("great-expectations", "pyarrow")
"""Packages whose version may change what is found and planned, beside our own."""


def compute_basis(connection: Connection, run: Run) -> str:
    """Return a hash of everything that the outcome of a run depends on but its package.

    That is the roster with the accounts that were made by hand, the deltas that are pending, which
    classes have ended by today, the preferences, who is credited, the columns that are kept, the
    suites and the versions of what judges.
    """
    today = run.started_at.date()
    chosen = run.preferences
    until = chosen.create_only_until
    parts = {
        "roster": roster_now(connection, run.site, today=today),
        "preferences": chosen.settings().model_dump(mode="json"),
        "creates_only": until is not None and today <= until,
        "credited": run.credited_admin_id,
        "columns": [*USER_FIELDS, *COURSE_FIELDS],
        "suites": _suites(),
        "versions": _versions(),
        "pending": pending_deltas.tell_apart(connection, run.site, except_run=run.run_id),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


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
    for part in _PARTS:
        ours.take(theirs, part)
    for name in _VALUES:
        ours.write_json(name, theirs.read_json(name))
    for name in _OPTIONAL_VALUES:
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
        "stage": "diff",
    }


@functools.cache
def _versions() -> list[str]:
    """Return the versions of what judges: those of this process, which reads them from files."""
    return [__version__, *(version(name) for name in _DECIDES)]


def _suites() -> str:
    digest = hashlib.sha256()
    for file in sorted(settings.expectations().rglob("*.json")):
        digest.update(file.relative_to(settings.expectations()).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


_ROSTER = """
select roster_version,
       (select count(*) from classes c where c.site = s.site and c.ends_on < :today) as ended,
       (select jsonb_build_array(count(*), max(released_at)) from protections p
        where p.site = s.site and p.released_at is not null) as released,
       {sums}
from sites s where site = :site
"""
_SUM = """
(select jsonb_build_array(count(*), sum(hashtextextended(t::text, 0)::numeric)) from {table} t
 where t.site = s.site) as {table}
"""
_OUTSIDE = ("users", "courses", "course_assignments", "modified")
"""What changes without the roster's version: by people, the platform, and deltas of no change."""
_BEFORE = """
select sha256, run_id::text from runs
where site = :site and kind = :kind and scope = :scope and basis = :basis
  and outcome in ('no_changes', 'succeeded_with_errors')
  and withheld is null and same_as is null and sha256 is not null
  and reviewed_hash = plan_hash
order by started_at
"""


def roster_now(connection: Connection, site: str, *, today: dt.date) -> dict[str, Any]:
    """Return what tells one state of a site's roster from another."""
    sums = ", ".join(_SUM.format(table=table) for table in _OUTSIDE)
    bound = {"site": site, "today": today.isoformat()}
    row = connection.execute(sa.text(_ROSTER.format(sums=sums)), bound).mappings().one()
    return dict(row)


def find_judged(
    connection: Connection, site: str, *, kind: str, scope: str, basis: str
) -> dict[str, str]:
    """Return the runs that found nothing to do on a basis: sha256 of the package → newest run.

    Only runs whose plan a review found clear: one that a person had to approve is judged again.
    """
    bound = {"site": site, "kind": kind, "scope": scope, "basis": basis}
    return {row[0]: row[1] for row in connection.execute(sa.text(_BEFORE), bound)}
