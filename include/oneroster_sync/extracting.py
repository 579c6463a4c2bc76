"""What stage 1 does: a package becomes snapshots, or turns out to be one that was judged before."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

from oneroster_sync import story, unchanged, uploads, work_folder
from oneroster_sync.incoming import in_place, private_copy
from oneroster_sync.package import extract
from oneroster_sync.package.extract import Extracted, sha256_of
from oneroster_sync.package.kinds import MAPPINGS, Kind, wrong_kind
from oneroster_sync.package.mapping import read_mapping
from oneroster_sync.package.opening import RefusedError
from oneroster_sync.planning import rejection
from oneroster_sync.preferences import Scope
from oneroster_sync.run_folder import RunFolder
from oneroster_sync.settings import SettingError
from oneroster_sync.spec import Version
from oneroster_sync.store import database
from oneroster_sync.store.roster import read_known

if TYPE_CHECKING:
    from pathlib import Path

    from oneroster_sync.findings import Finding
    from oneroster_sync.incoming import Connections
    from oneroster_sync.package.staff import Known
    from oneroster_sync.store.runs import Run

log = logging.getLogger("oneroster")

FILES_OF_SCOPE = {
    Scope.USERS: ("orgs", "roles", "users"),
    Scope.COURSES: ("academicSessions", "orgs", "courses"),
}
"""Scope → the files that are opened; all of them where it is not named."""


def _sweep(site: str) -> None:
    """Remove what processes that were killed left of packages; a run goes on where it can't be."""
    try:
        work_folder.sweep()
        uploads.sweep_unfinished(site, now=dt.datetime.now(dt.UTC))
    except (OSError, SettingError) as error:
        log.warning("What cut-off processes left can't be removed: %s.", type(error).__name__)


def read_package(run: Run, kind: Kind, connections: Connections | None) -> dict[str, Any]:
    """Write the snapshots of a run's package, and return what its record says of it.

    Args:
        run: The run.
        kind: What its package is said to be.
        connections: Finds an Airflow connection by its id; None outside of Airflow.

    Raises:
        SourceError: The site's source does not give a package.
        OSError: The file system failed.
    """
    _sweep(run.site)
    if earlier := run.undoes or run.removals_of:
        log.info("This run is of run %s; it reads no package.", earlier)
        _write(run, Extracted("", version=Version.V1_1))
        return {}
    with database.engine().connect() as connection:
        basis = unchanged.basis_of(connection, run) if run.of_package else None
    # Most nights bring what was there before: then a package on this machine is not even copied.
    lies = in_place(run)
    if lies is not None and (same := unchanged.judged_before(run, basis, lambda: sha256_of(lies))):
        return unchanged.take_over(same, run)
    with database.engine().connect() as connection:
        known = read_known(connection, run.site)
    try:
        with private_copy(run, kind, connections) as package:
            sha256 = sha256_of(package)
            if same := unchanged.judged_before(run, basis, lambda: sha256):
                return unchanged.take_over(same, run)
            extracted = _read(package, run, kind, known, sha256)
    except RefusedError as refusal:  # it is too large to be copied at all
        extracted = _refused(refusal.finding)
    story.tell_files(extracted, kind)
    story.tell_findings(extracted.findings.table())
    _write(run, extracted)
    return {
        "sha256": extracted.sha256,
        "basis": basis,
        "oneroster_version": extracted.version if run.of_package else None,
        **(rejection(extracted.findings) if extracted.refused else {}),
    }


def _read(package: Path, run: Run, kind: Kind, known: Known, sha256: str) -> Extracted:
    finding = wrong_kind(package, kind)
    if finding is not None:
        return _refused(finding)
    if kind in MAPPINGS:
        return read_mapping(package, kind, run.preferences.profile, sha256=sha256)
    files = FILES_OF_SCOPE.get(run.scope)
    return extract(package, run.preferences.profile, known, files=files, sha256=sha256)


def _refused(finding: Finding) -> Extracted:
    refused = Extracted("", refused=True)
    refused.findings.add(finding)
    return refused


def _write(run: Run, extracted: Extracted) -> None:
    folder = RunFolder.of(run.site, run.run_id)
    folder.write_tables("findings", {"1-extract": extracted.findings.table()})
    folder.write_tables("snapshots", extracted.tables)
    told = ("version", "modes", "rows", "ignored")
    folder.write_json("extracted", {name: getattr(extracted, name) for name in told})
