"""Reuse of an earlier run's results at the command line, without heavy imports.

On most nights a package has the same bytes as before, and everything else that its outcome depends
on is unchanged too. Then only hashing the package is needed, and to import Arrow, SQLAlchemy and
other libraries would take ten times as long. So this module imports only psycopg and hashlib.

The module handles only the simple case: a package on this machine, and a site where nothing waits.
It records exactly what the stages would record. In all other cases it changes nothing, and the
stages run.
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
"""Folders that a run copies from the earlier run of the same package."""
VALUES = ("extracted", "plan")
OPTIONAL_VALUES = ("results", "report")
"""JSON files that may be missing: a run continues if its report can't be written."""
_DECIDES = ("great-expectations", "pyarrow")
"""Libraries whose version may change findings and plans, besides our own version."""
_COLUMNS = Path(__file__).parents[1] / "roster" / "columns.py"

_ROSTER = """
select roster_version,
       (select count(*) from classes c where c.site = s.site and c.ends_on < %(today)s) as ended,
       (select jsonb_build_array(count(*), max(released_at)) from protections p
        where p.site = s.site and p.released_at is not null) as released,
       {sums}
from sites s where site = %(site)s
"""
# The sum of `xmin`, the transaction that wrote each row, represents the contents of a table: an
# insert or update writes a new transaction id, and a delete lowers the count. Hashing the contents
# as text takes five times as long.
_SUM = """
(select jsonb_build_array(count(*), sum(hashint8extended(t.xmin::text::bigint, 0)::numeric))
 from {table} t where t.site = s.site) as {table}
"""
_OUTSIDE = ("users", "courses", "course_assignments", "modified")
"""Tables that can change without a new roster version: by people, by the platform, and by deltas
that change no record."""
_SUMS = ", ".join(_SUM.format(table=table) for table in _OUTSIDE)
JUDGED = """
r.outcome in ('no_changes', 'succeeded_with_errors')
and r.withheld is null and r.same_as is null and r.sha256 is not null
and r.reviewed_hash = r.plan_hash
and (coalesce((r.findings ->> 'errors')::bigint + (r.findings ->> 'warnings')::bigint, 0) = 0
     or exists (select from findings f where f.run_id = r.run_id))
"""
"""Condition: run `r` found nothing to do without reuse, and its findings are still stored."""
# Exclude all sites where something waits or a run is at work: the stages handle these.
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
    """A request for a sync at the command line.

    Attributes:
        site: The site.
        package: Absolute path of the package.
        requested_by: The person, for the audit.
        scope: Scope in place of the site's own, or None.
        profile: Profile in place of the site's own, or None.
    """

    site: str
    package: str
    requested_by: str
    scope: str | None = None
    profile: str | None = None

    def bound(self) -> dict[str, str | None]:
        """Return the values that `_EARLIER` asks for."""
        return {"site": self.site, "scope": self.scope, "profile": self.profile}


def compute_basis(
    connection: Connection | psycopg.Cursor[Row],
    site: str,
    chosen: Mapping[str, Any],
    *,
    credited: int | None,
    today: dt.date,
    pending: list[Any],
) -> str:
    """Return a hash of everything but the package that the outcome of a run depends on.

    These are the roster with hand-made accounts, the pending deltas, the classes that have ended by
    today, the preferences, the credited administrator, the declared columns, the suites, and the
    versions of this package and of libraries.

    Args:
        connection: A connection or cursor to the roster database whose rows are dictionaries.
        site: The site.
        chosen: The preferences of the run, as JSON values.
        credited: `id` of the credited administrator.
        today: The day on which the run begins.
        pending: Fingerprint of the pending deltas.
    """
    until = chosen["create_only_until"]
    bound = {"site": site, "today": today.isoformat()}
    parts = {
        "roster": connection.execute(_ROSTER.format(sums=_SUMS).encode(), bound).fetchone(),
        # The version rises with each save, also with one that takes the last one back.
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
    """Return the versions of this package and of `_DECIDES`, cached, because they are in files."""
    return [__version__, *(version(name) for name in _DECIDES)]


def _suites() -> str:
    digest = hashlib.sha256()
    for file in sorted(settings.expectations().rglob("*.json")):
        digest.update(file.relative_to(settings.expectations()).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def sync_again(asked: Asked, *, clock: Callable[[], dt.datetime]) -> dict[str, Any] | None:
    """Record a run that reuses the results of an earlier run, or do nothing.

    Args:
        asked: The request.
        clock: Returns the current time.

    Returns:
        The object that `--json` prints of the run; None if the stages have to run.
    """
    storage, package = settings.local_storage(), Path(asked.package)
    if storage is None or _is_observed() or not _is_plain(package, storage):
        return None
    try:
        with plain.connect_briefly() as connection:
            connection.row_factory = dict_row  # type: ignore[assignment]
            return _sync_again(connection, asked, storage, clock)  # type: ignore[arg-type]
    except (psycopg.Error, OSError, settings.SettingError):
        # Nothing was recorded. The stages meet the same error and report it.
        return None


def _is_observed() -> bool:
    """Return whether metrics or spans may be sent, because only the stages create them."""
    return any(name.startswith("OTEL_EXPORTER_OTLP_") for name in os.environ)


def _is_plain(package: Path, storage: Path) -> bool:
    """Return whether a package exists, is outside the storage, and is no file above the limit."""
    # A package in the storage is an upload, which the stage record deletes after its run.
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
    if not plain.is_up_to_date(connection):
        return None
    if not connection.execute(_EARLIER, asked.bound()).fetchone():
        return None
    with plain.hold_site_turn(connection, asked.site) as is_free:
        return _repeat(connection, asked, storage, clock) if is_free else None


def _repeat(
    connection: Connection,
    asked: Asked,
    storage: Path,
    clock: Callable[[], dt.datetime],
) -> dict[str, Any] | None:
    # Before the lock, because it takes as long as reading the package.
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
            # Before the record: a run whose record exists has all of its files.
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
    """Return the newest run with the same package and basis that found nothing to do, or None."""
    same = [row for row in connection.execute(_EARLIER, asked.bound()) if row["sha256"] == sha256]
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
    """Link the artifacts of an earlier run into a new run's folder; return False if they are gone.

    Several runs can share one file, because artifacts are replaced and never changed in place.
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
    except OSError:  # the file system has no hard links
        shutil.copyfile(file, target)


def _summary(
    asked: Asked, earlier: Row, run_id: str, began: dt.datetime, now: dt.datetime
) -> dict[str, Any]:
    """Return the same object as `Run.summary`."""
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
    """Log the same lines as the stages of a run that reuses results."""
    if not log.isEnabledFor(logging.WARNING):
        return
    from oneroster_sync.findings.codes import explained
    from oneroster_sync.findings.text import LISTED_CAUSES, format_cause

    words = "Run %s of site %s: command, asked for by %s."
    log.info(words, summary["run_id"], asked.site, asked.requested_by)
    log.info(
        "The package is the same as in run %s, and nothing else has changed.", earlier["run_id"]
    )
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
