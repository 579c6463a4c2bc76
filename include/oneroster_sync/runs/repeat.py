"""A package that was judged before, decided and recorded before anything heavy is loaded.

On most nights a package is the same as before, byte for byte, and so is all that its outcome
depends on. Then reading and hashing it is the work, and loading Arrow, SQLAlchemy and the rest
takes ten times as long as that. So this module goes by psycopg and hashlib alone.

It decides the plain case only: a package on this machine, of a site where nothing waits. It records
exactly what the stages would. Wherever it is not sure it has done nothing, and the stages decide.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import shutil
import uuid
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from oneroster_sync import settings
from oneroster_sync.database import plain
from oneroster_sync.provider_info import __version__
from oneroster_sync.sources.digest import sha256_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    Row = dict[str, Any]
    Connection = psycopg.Connection[Row]

log = logging.getLogger("oneroster")

PARTS = ("findings", "unclear", "plan", "before", "report", "adoption", "other_people")
"""Folders that a run takes over from the run whose package it brings again."""
VALUES = ("extracted", "plan")
OPTIONAL_VALUES = ("results", "report")
"""What may be missing: a run goes on when its report can't be written."""
_DECIDES = ("great-expectations", "pyarrow")
"""Packages whose version may change what is found and planned, beside our own."""
_COLUMNS = Path(__file__).parents[1] / "roster" / "columns.py"

_ROSTER = """
select roster_version,
       (select count(*) from classes c where c.site = s.site and c.ends_on < %(today)s) as ended,
       (select jsonb_build_array(count(*), max(released_at)) from protections p
        where p.site = s.site and p.released_at is not null) as released,
       {sums}
from sites s where site = %(site)s
"""
# The transaction that wrote a row stands for its contents: whoever inserts or updates one leaves a
# number that was not there before, and a row that is deleted is one less. The contents themselves,
# as text, take five times as long.
_SUM = """
(select jsonb_build_array(count(*), sum(hashint8extended(t.xmin::text::bigint, 0)::numeric))
 from {table} t where t.site = s.site) as {table}
"""
_OUTSIDE = ("users", "courses", "course_assignments", "modified")
"""What changes without the roster's version: by people, the platform, and deltas of no change."""
_SUMS = ", ".join(_SUM.format(table=table) for table in _OUTSIDE)
JUDGED = """
r.outcome in ('no_changes', 'succeeded_with_errors')
and r.withheld is null and r.same_as is null and r.sha256 is not null
and r.reviewed_hash = r.plan_hash
and (coalesce((r.findings ->> 'errors')::bigint + (r.findings ->> 'warnings')::bigint, 0) = 0
     or exists (select from findings f where f.run_id = r.run_id))
"""
"""Runs `r` that found nothing to do by themselves, and whose findings are still there."""
# Whatever waits, is under way, or is out of the ordinary is left to the stages.
_EARLIER = f"""
select r.run_id::text, r.sha256, r.basis, r.scope, r.preferences, r.credited_admin_id,
       r.plan_hash, r.counts, r.findings, r.reasons, r.outcome
from sites s
join preferences p on p.site = s.site
join users u on u.id = p.credited_admin_id and u.site = s.site and u.status = 'active'
join runs r on r.site = s.site and r.kind = 'package'
    and r.scope = coalesce(%(scope)s, p.scope)
    and r.preferences ->> 'version' = p.version::text
    and r.preferences ->> 'profile' = coalesce(%(profile)s, p.profile)
    and r.credited_admin_id = p.credited_admin_id
    and r.base_version = s.roster_version and r.applied_version = s.roster_version
where s.site = %(site)s and s.archived_at is null and {JUDGED}
  and r.decision is null and r.basis is not null
  and not exists (select from maintenance)
  and not exists (select from pending_deltas d where d.site = s.site)
  and not exists (select from out_of_step o where o.site = s.site)
  and not exists (
      select from runs o
      where o.site = s.site and (o.outcome is null or o.outcome = 'held'))
order by r.started_at
"""  # noqa: S608  names of our own
_TAKEN_OVER = (
    *("site", "credited_admin_id", "scope", "preferences", "kind", "sha256", "basis", "schools"),
    *("oneroster_version", "plan_hash", "base_version", "reviewed_hash", "bulk_in_plan"),
    *("counts", "findings", "reasons", "outcome", "applied_version", "roster_counts"),
)
_RECORD = f"""
insert into runs (run_id, trigger, requested_by, package, stage, started_at, applied_at, ended_at,
                  is_preview, same_as, findings_of, {", ".join(_TAKEN_OVER)})
select %(run_id)s, 'command', %(by)s, %(package)s, 'apply', %(began)s, %(now)s, %(now)s,
       false, run_id, run_id, {", ".join(_TAKEN_OVER)}
from runs where run_id = %(earlier)s
"""  # noqa: S608  names of our own
SELECT_CAUSES = """
select seq as number, code, severity, file, "column", expected, target_file, target, findings, rows,
       first_row, affected, follows
from causes
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A package that somebody at the command line wants synced.

    Attributes:
        site: Whose roster.
        package: Its absolute path.
        requested_by: The person, for the audit.
        scope: In place of the site's own.
        profile: In place of the site's own.
    """

    site: str
    package: str
    requested_by: str
    scope: str | None = None
    profile: str | None = None


def compute_basis(
    connection: Connection | psycopg.Cursor[Row],
    site: str,
    chosen: Mapping[str, Any],
    *,
    credited: int | None,
    today: dt.date,
    pending: list[Any],
) -> str:
    """Return a hash of everything that the outcome of a run depends on but its package.

    That is the roster with the accounts that were made by hand, the deltas that are pending, which
    classes have ended by today, the preferences, who is credited, the columns that are kept, the
    suites and the versions of what judges.

    Args:
        connection: Or a cursor, to the roster database; its rows are dictionaries.
        site: Whose.
        chosen: The preferences of the run as JSON has them.
        credited: `id` of the credited administrator.
        today: When the run begins.
        pending: What tells one set of pending deltas from another.
    """
    until = chosen["create_only_until"]
    bound = {"site": site, "today": today.isoformat()}
    parts = {
        "roster": connection.execute(_ROSTER.format(sums=_SUMS).encode(), bound).fetchone(),
        "preferences": {n: v for n, v in chosen.items() if n not in {"site", "version"}},
        "creates_only": until is not None and today.isoformat() <= until,
        "credited": credited,
        "columns": hashlib.sha256(_COLUMNS.read_bytes()).hexdigest(),
        "suites": _suites(),
        "versions": _versions(),
        "pending": pending,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


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


def sync_again(asked: Asked, *, clock: Callable[[], dt.datetime]) -> dict[str, Any] | None:
    """Record a run of a package that was judged before, or do nothing.

    Args:
        asked: What is asked for.
        clock: Tells the time.

    Returns:
        The object that `--json` prints of the run; None where the stages have to decide.
    """
    storage, package = settings.local_storage(), Path(asked.package)
    if storage is None or _is_observed() or not _is_plain(package, storage):
        return None
    try:
        with plain.briefly() as connection:
            connection.row_factory = dict_row  # type: ignore[assignment]
            return _sync_again(connection, asked, storage, clock)  # type: ignore[arg-type]
    except (psycopg.Error, OSError, settings.SettingError):
        # Nothing was recorded. Whatever it is, the stages meet it too and have words for it.
        return None


def _is_observed() -> bool:
    """Tell whether metrics or spans may be sent, which the stages make."""
    return any(name.startswith("OTEL_EXPORTER_OTLP_") for name in os.environ)


def _is_plain(package: Path, storage: Path) -> bool:
    """Tell whether a package is a file or a folder that may be read, and none of the storage."""
    if not package.exists() or package.resolve().is_relative_to(storage.resolve()):
        return False
    if package.is_file():
        return package.stat().st_size <= settings.Limits.in_force().unpacked
    return True


def _sync_again(
    connection: Connection,
    asked: Asked,
    storage: Path,
    clock: Callable[[], dt.datetime],
) -> dict[str, Any] | None:
    if not plain.is_up_to_date(connection) or not plain.take_site_turn(connection, asked.site):
        return None  # the turn goes with the connection
    bound = {"site": asked.site, "scope": asked.scope, "profile": asked.profile}
    if not connection.execute(_EARLIER, bound).fetchone():
        return None
    sha256, began = sha256_of(Path(asked.package)), clock()
    run_id = str(uuid.uuid4())
    folder = storage / "runs" / asked.site / run_id
    try:
        with connection.transaction():
            plain.lock_site(connection, asked.site)
            earlier = _find(connection, asked, sha256, began)
            if earlier is None or not _copy_results(folder.with_name(earlier["run_id"]), folder):
                return None
            now = clock()
            summary = _summary(asked, earlier, run_id, began, now)
            (folder / "run.json").write_text(json.dumps(summary), "utf-8")
            values = {
                "run_id": run_id,
                "by": asked.requested_by,
                "package": asked.package,
                "began": began,
                "now": now,
                "earlier": earlier["run_id"],
            }
            connection.execute(_RECORD, values)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _log(connection, asked, earlier, summary)
    return summary


def _find(connection: Connection, asked: Asked, sha256: str, began: dt.datetime) -> Row | None:
    """Return the newest run that found nothing to do in the same package on the same basis."""
    bound = {"site": asked.site, "scope": asked.scope, "profile": asked.profile}
    same = [row for row in connection.execute(_EARLIER, bound) if row["sha256"] == sha256]
    if not same:
        return None
    newest = same[-1]
    basis = compute_basis(
        connection,
        asked.site,
        newest["preferences"],
        credited=newest["credited_admin_id"],
        today=began.date(),
        pending=[],
    )
    return newest if newest["basis"] == basis else None


def _copy_results(earlier: Path, folder: Path) -> bool:
    """Link what an earlier run found and planned into a run's folder; tell whether it was there.

    Artifacts are replaced and never written in place, so that several runs can have one file.
    """
    try:
        extracted = json.loads((earlier / "extracted.json").read_bytes())
    except FileNotFoundError:
        return False
    if not (earlier / "plan").is_dir() or not all(extracted["rows"].values()):
        return False
    folder.mkdir(parents=True)
    for part in PARTS:
        for file in (earlier / part).rglob("*"):
            if file.is_file():
                _link(file, folder / file.relative_to(earlier))
    for name in VALUES:
        _link(earlier / f"{name}.json", folder / f"{name}.json")
    for name in OPTIONAL_VALUES:
        with contextlib.suppress(FileNotFoundError):
            _link(earlier / f"{name}.json", folder / f"{name}.json")
    return True


def _link(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system that can't
        shutil.copyfile(file, target)


def _summary(
    asked: Asked, earlier: Row, run_id: str, began: dt.datetime, now: dt.datetime
) -> dict[str, Any]:
    """Return the same as `Run.summary`."""
    return {
        "run_id": run_id,
        "site": asked.site,
        "outcome": earlier["outcome"],
        "reasons": list(earlier["reasons"] or ()),
        "plan_hash": earlier["plan_hash"],
        "counts": earlier["counts"],
        "findings": earlier["findings"] or {"errors": 0, "warnings": 0},
        "started_at": began.isoformat(),
        "ended_at": now.isoformat(),
        "trigger": "command",
        "scope": earlier["scope"],
        "requested_by": asked.requested_by,
        "withheld": None,
        "is_preview": False,
    }


def _log(connection: Connection, asked: Asked, earlier: Row, summary: Mapping[str, Any]) -> None:
    """Log what the stages would log of such a run."""
    if not log.isEnabledFor(logging.WARNING):
        return
    from oneroster_sync.findings.codes import explained
    from oneroster_sync.findings.text import LISTED_CAUSES, format_cause

    words = "Run %s of site %s: command, asked for by %s."
    log.info(words, summary["run_id"], asked.site, asked.requested_by)
    log.info("The package is that of run %s, and nothing has changed since.", earlier["run_id"])
    query = f"{SELECT_CAUSES} where run_id = %s order by seq"
    causes = connection.execute(query.encode(), (earlier["run_id"],)).fetchall()
    for cause in causes[:LISTED_CAUSES]:
        log.warning("%s", format_cause(explained(cause)))
    if len(causes) > LISTED_CAUSES:
        log.info("… and %s more causes.", f"{len(causes) - LISTED_CAUSES:,}")
    if connection.execute(_MAY_BE_STALE, {"site": asked.site}).fetchone():
        _log_stale(asked.site)
    log.info("The run ended: %s.", summary["outcome"])
    for reason in summary["reasons"]:
        log.warning("%s", reason)


_MAY_BE_STALE = """
select from protections p join preferences c on c.site = p.site
where p.site = %(site)s and c.stale_protection_runs <= (
    select count(*) from runs r
    where r.site = p.site and r.applied_at > p.since and r.same_as is null)
limit 1
"""


def _log_stale(site: str) -> None:
    from oneroster_sync import database
    from oneroster_sync.roster.stale_protection import list_stale

    with database.engine().connect() as connection:
        for cause in list_stale(connection, site):
            log.warning("Stale protection: %s. See: oneroster protections list", cause.to_text())
