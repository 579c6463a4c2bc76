"""Stage 1, extract: read a package into snapshots, or reuse the results of an earlier run."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from upath import UPath

from oneroster_sync import database
from oneroster_sync.findings import Findings
from oneroster_sync.roster.reader import read_known
from oneroster_sync.runs import pending_deltas as stored
from oneroster_sync.runs import reuse
from oneroster_sync.runs.pending_deltas import FILES_OF_SCOPE, State
from oneroster_sync.runs.summary import reject
from oneroster_sync.settings import SettingError
from oneroster_sync.sources import positions, uploads, work_folder
from oneroster_sync.sources.digest import Hashing, sha256_of
from oneroster_sync.sources.sniff import wrong_kind
from oneroster_sync.stages.base import Result, RunContext, begin_reading, stage
from oneroster_sync.stages.extract import pending_deltas
from oneroster_sync.stages.extract.acquire import in_place, private_copies
from oneroster_sync.stages.extract.archive import RefusedError
from oneroster_sync.stages.extract.dialect import Dialect
from oneroster_sync.stages.extract.mapping_csv import read_mapping
from oneroster_sync.stages.extract.package import Extracted, extract_package
from oneroster_sync.stages.extract.quotes import hides_rows
from oneroster_sync.standard import Version
from oneroster_sync.standard.kinds import MAPPINGS, Kind
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from oneroster_sync.findings import Finding
    from oneroster_sync.roster.model import Known
    from oneroster_sync.runs import Run
    from oneroster_sync.runs.pending_deltas import Delta
    from oneroster_sync.stages.extract.acquire import Connections, Incoming, RunPackages

Taken = tuple[str, dict[str, Any]]
"""A source, and the newest package taken from it."""

log = logging.getLogger("oneroster")


@stage
def extract(context: RunContext, kind: Kind, connections: Connections | None = None) -> Result:
    """Stage 1: read the package into staff-only snapshots, or reuse an earlier run's results.

    Delta files are pending from then on, until a plan that includes them is applied.

    Args:
        context: Context of the run.
        kind: The declared kind of the package.
        connections: Returns an Airflow connection by its id; None outside of Airflow.

    Raises:
        SourceError: The site's source has no usable package.
        OSError: The file system failed; another try may help.
    """
    # Before anything is written: a plan that was made from other data must keep no evidence.
    context.forget_plan()
    # Removed first and written last, so that a stage that is killed never looks finished.
    context.artifacts.remove("extracted.json")
    run = context.run
    _sweep(run.site)
    if earlier := run.undoes or run.removals_of:
        log.info("This run continues run %s; it reads no package.", earlier)
        nothing = Extracted("", version=Version.V1_1)
        return _result(run, [pending_deltas.Arrived("", run.started_at, nothing)])
    with database.engine().connect() as connection:
        basis = reuse.compute_basis(connection, run) if run.of_package else None
    # Most nights the package is unchanged: then a local file is not even copied.
    # A folder is compared below, while it is read: each of its files is opened once.
    lies = in_place(run)
    if (
        lies is not None
        and lies.is_file()
        and (same := reuse.find_reusable(run, basis, lambda: sha256_of(lies)))
    ):
        return _reused(run, same)
    with database.engine().connect() as connection:
        known = pending_deltas.with_pending(connection, run, read_known(connection, run.site))
    sha256, taken, lost = "", None, dict[str, str]()
    packages: list[pending_deltas.Arrived] = []
    try:
        with private_copies(run, kind, connections) as run_packages:
            taken = run_packages.taken
            # Hashing runs on another processor while the packages are read.
            with Hashing(functools.partial(_sha256_of_all, run_packages)) as hashing:
                if same := reuse.find_reusable(run, basis, hashing.result):
                    return _reused(run, same, taken)
                begin_reading()
                for one in run_packages.packages:
                    extracted = _read(one, run, kind, known)
                    packages.append(pending_deltas.Arrived(one.name, one.arrived_at, extracted))
                    known = pending_deltas.with_staff(known, extracted.tables.items())
                sha256 = hashing.result()
            run_packages.check_unchanged(run)
            if run_packages.is_again and _leave_out_deltas(packages[-1]):
                # These results are not those of all the package's files, so no later run may reuse
                # them.
                basis = None
            lost = _lost(packages, run_packages.gap)
    except RefusedError as refusal:  # the package exceeds the size limit of a copy
        name = UPath(run.package or "").name
        packages = [pending_deltas.Arrived(name, run.started_at, _refused(refusal.finding))]
    for package in packages:
        package.extracted.sha256 = sha256
        log_files(package.extracted, kind)
    newest = packages[-1].extracted
    is_told = run.of_package and newest.is_version_known
    values = {
        "sha256": sha256,
        "basis": basis,
        "oneroster_version": newest.version if is_told else None,
        "packages": [
            {"name": package.name, "arrived_at": package.arrived_at.isoformat()}
            for package in packages
        ],
    }
    if (refused := [package for package in packages if package.extracted.refused]) != []:
        if _can_be_judged(packages, run):
            return _result(run, packages, values)  # validate finds the other errors and rejects it
        return _result(run, packages, {**values, **_rejection(refused[0], len(packages))})
    # A preview must not leave pending deltas.
    state = State.PREVIEW if run.is_preview else State.PENDING
    deltas = pending_deltas.deltas_of(run, packages, known, state=state) if run.of_package else []
    return _result(run, packages, values, deltas=deltas, taken=taken, lost=lost)


def _result(
    run: Run,
    packages: Sequence[pending_deltas.Arrived],
    values: Mapping[str, Any] | None = None,
    **stored: Any,
) -> Result:
    """Return the result of stage 1 for packages.

    Args:
        run: The run.
        packages: The packages that it read, the oldest first.
        values: Columns of the run's record.
        stored: Arguments of `_store`.
    """
    return Result(
        values={"same_as": None, **(values or {})},
        findings=_findings_of(packages),
        removed=("findings",),
        tables=pending_deltas.snapshots_of(packages),
        documents={"extracted": pending_deltas.describe(packages)},
        store=functools.partial(_store, run, **stored),
    )


def _reused(run: Run, same: Run, taken: Taken | None = None) -> Result:
    """Return the result of a run that reuses the results of an earlier run."""
    return Result(
        values=reuse.values_of(same),
        reuses=same,
        store=functools.partial(_store, run, taken=taken),
    )


def _store(
    run: Run,
    connection: Connection,
    *,
    deltas: Sequence[tuple[Delta, pa.Table]] = (),
    taken: Taken | None = None,
    lost: Mapping[str, str] | None = None,
) -> None:
    """Store deltas and positions of a run in the transaction of its record.

    One transaction, so that a killed process has either read nothing or lost nothing.

    Args:
        run: The run.
        connection: A connection in the transaction.
        deltas: New pending delta files, with their rows.
        taken: The source and the newest package taken from it, if any.
        lost: Files whose deltas may be missing → the reason.
    """
    stored.register(connection, run.site, run.run_id, deltas)
    if taken is not None:
        positions.take(connection, run.site, run.run_id, *taken)
    for file, cause in (lost or {}).items():
        stored.mark_out_of_step(connection, run.site, [file], cause=cause, now=run.started_at)
    pending_deltas.expire(connection, run.site, now=run.started_at)


def _sweep(site: str) -> None:
    """Remove packages that killed processes left behind; an error is logged."""
    try:
        work_folder.sweep()
        uploads.sweep_unfinished(site, now=dt.datetime.now(dt.UTC))
    except (OSError, SettingError) as error:
        log.warning("Files of interrupted processes can't be deleted: %s.", type(error).__name__)


def _can_be_judged(packages: Sequence[pending_deltas.Arrived], run: Run) -> bool:
    """Return whether a refused package has rows to judge; a refused delta is never pending."""
    one = packages[0].extracted
    is_bulk = Mode.DELTA not in one.modes.values()
    return run.of_package and len(packages) == 1 and bool(one.refused_tables) and is_bulk


def _sha256_of_all(run_packages: RunPackages) -> str:
    """Return the sha256 of a package, or of the hashes of several packages."""
    found = [one.sha256() for one in run_packages.packages]
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()


def _leave_out_deltas(package: pending_deltas.Arrived) -> bool:
    """Leave out the deltas of a package that was read before; return whether it had any.

    They were applied, are pending, or were discarded; reading them again must not change that.
    """
    modes = package.extracted.modes
    known = [file for file, mode in modes.items() if mode is Mode.DELTA]
    for file in known:
        modes[file] = Mode.ABSENT
        package.extracted.tables.pop(file, None)
    if known:
        log.info("The source has no new package; its last delta was read by an earlier run.")
    return bool(known)


def _lost(packages: Sequence[pending_deltas.Arrived], gap: str | None) -> dict[str, str]:
    """Return the files whose deltas may be missing → the reason.

    A bulk file that is not applied is not kept, so the deltas after it lack their base. Unread
    lines of a delta never come again.
    """
    lost: dict[str, str] = {}
    in_bulk: set[str] = set()
    for package in packages:
        for file, mode in package.extracted.modes.items():
            if mode is Mode.DELTA and file in in_bulk:
                lost[file] = "a bulk file before its deltas was not applied"
            if mode is Mode.DELTA and gap is not None and file not in in_bulk:
                lost[file] = gap
            if mode is Mode.DELTA and _hides(package.extracted.tables.get(file)):
                lost[file] = "lines of a delta could not be read"
            if mode is Mode.BULK:
                in_bulk.add(file)
    if gap is not None and lost:
        log.warning("Deltas may be lost, since %s: %s.", gap, pending_deltas.ASK_FOR_BULK)
    return lost


def _hides(table: pa.Table | None) -> bool:
    return table is not None and hides_rows(table)


def _findings_of(packages: Sequence[pending_deltas.Arrived]) -> pa.Table:
    """Return the findings of all packages; only those of the newest have row numbers."""
    findings = Findings()
    for package in packages:
        table = package.extracted.findings.table()
        if package is not packages[-1]:
            at = table.column_names.index("row")
            nowhere = pa.nulls(table.num_rows, pa.int64())
            table = table.set_column(at, table.schema.field(at), nowhere)
        findings.add_table(table)
    return findings.table()


def _rejection(package: pending_deltas.Arrived, count: int) -> dict[str, Any]:
    """Return the outcome of a run with a refused package; the reasons name one of several."""
    values = reject(package.extracted.findings)
    if count > 1:
        values["reasons"] = [f"{package.name}: {reason}" for reason in values["reasons"]]
    return values


def _read(package: Incoming, run: Run, kind: Kind, known: Known) -> Extracted:
    finding = wrong_kind(package.path, kind)
    if finding is not None:
        return _refused(finding)
    if kind in MAPPINGS:
        return read_mapping(package.path, kind, run.preferences.profile, sha256="")
    files = FILES_OF_SCOPE[run.scope]
    profile, dialect = run.preferences.profile, Dialect.of(run.preferences)
    return extract_package(
        package.path,
        profile,
        known,
        files=files,
        sha256="",
        dialect=dialect,
        opened=package.opened,
    )


def _refused(finding: Finding) -> Extracted:
    refused = Extracted("", refused=True)
    refused.findings.add(finding)
    return refused


def log_files(extracted: Extracted, kind: Kind = Kind.PACKAGE) -> None:
    """Log the files that were read, with the number of kept rows."""
    what = f"OneRoster {extracted.version}"
    if kind in MAPPINGS:
        what = f"{kind}.csv"
    elif not extracted.is_version_known:
        what = "of a version of OneRoster that could not be determined"
    log.info("The package is %s, sha256 %s.", what, extracted.sha256)
    for name, rows in extracted.rows.items():
        kept = extracted.tables[name].num_rows if name in extracted.tables else 0
        log.info(
            "%s.csv (%s): %s rows, %s kept.", name, extracted.modes[name], f"{rows:,}", f"{kept:,}"
        )
    if extracted.ignored:
        log.info("%s rows of users.csv are not staff; they were ignored.", f"{extracted.ignored:,}")
