"""The package of a run: a private copy of it, and what becomes of the original."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from oneroster_sync import sources
from oneroster_sync.findings import Finding
from oneroster_sync.package.kinds import Kind
from oneroster_sync.package.opening import RefusedError
from oneroster_sync.preferences import After
from oneroster_sync.run_folder import RunFolder
from oneroster_sync.source_url import SourceUrl
from oneroster_sync.sources import local
from oneroster_sync.store import allow_list, database
from oneroster_sync.store.runs import Outcome, Trigger
from oneroster_sync.work_folder import work_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oneroster_sync.preferences import Preferences
    from oneroster_sync.sources import Fetched, Login
    from oneroster_sync.store.runs import Run

    Connections = Callable[[str], Login]

log = logging.getLogger("oneroster")

_WELL = {Outcome.SUCCEEDED, Outcome.SUCCEEDED_WITH_ERRORS, Outcome.NO_CHANGES}
_NOTED = "fetched"
"""Under which name a run's folder keeps what was fetched, and from where."""


@contextlib.contextmanager
def private_copy(run: Run, kind: Kind, connections: Connections | None = None) -> Iterator[Path]:
    """Yield a copy of the package that nobody else can change; it goes when the stage ends.

    Args:
        run: A scheduled one is of the site's source, another of the path that it names.
        kind: What the package is said to be.
        connections: Finds an Airflow connection by its id; None outside of Airflow.

    Raises:
        SourceError: The site's source does not give a package; the run's findings say so too.
        RefusedError: What somebody named is larger than a package may be.
    """
    with work_folder() as folder:
        if run.trigger is not Trigger.SCHEDULE:
            yield _copy(run.package or "", kind, folder)
            return
        try:
            fetched = _fetch(run.preferences, connections, folder)
        except sources.SourceError as error:
            RunFolder.of(run.site, run.run_id).write_tables(
                "findings", {"1-extract": error.as_findings()}
            )
            raise
        log.info("The package is %s.", fetched.name)
        RunFolder.of(run.site, run.run_id).write_json(_NOTED, fetched.as_dict())
        yield fetched.path


def in_place(run: Run) -> Path | None:
    """Return where the package lies that somebody named, if on this machine's own disk."""
    if run.trigger is Trigger.SCHEDULE or not run.package:
        return None
    url = SourceUrl.parse(run.package)
    package = Path(url.path)
    if not url.is_local or not _can_read(package):
        return None  # where it is there and may not be read, copying it says so in words
    if package.is_file() and package.stat().st_size > sources.Patience().limits.unpacked:
        return None  # it is not even read to be known again
    return package


def _can_read(package: Path) -> bool:
    """Tell whether a package is there and all of it may be read."""
    try:
        files = [package, *package.rglob("*")] if package.is_dir() else [package]
        return all(os.access(file, os.R_OK) for file in files)
    except PermissionError:
        return False


def put_aside(run: Run, connections: Connections | None = None) -> None:
    """Move the package of a run that ended well, where the site says so.

    Nothing that fails here changes how the run ended: the package then stays where it is.
    """
    chosen = run.preferences
    wanted = run.trigger is Trigger.SCHEDULE and chosen.source_after is After.MOVE
    if not wanted or run.outcome not in _WELL:
        return
    try:
        source = sources.Source.of(chosen)
        moved = sources.put_aside(
            source,
            RunFolder.of(run.site, run.run_id).read_json(_NOTED),
            at=run.started_at,
            login=source.login(connections),
        )
    except sources.SourceError as error:
        log.warning("The package stays where it is: %s.", error)
    except Exception as error:  # noqa: BLE001  to be moved is never in the way of a run
        log.warning("The package stays where it is: %s.", type(error).__name__)
    else:
        log.info("The package is now at %s.", moved or "the place where it was")


def _fetch(chosen: Preferences, connections: Connections | None, folder: Path) -> Fetched:
    source = sources.Source.of(chosen)
    if not source.url.is_local:
        return sources.fetch(source, folder, login=source.login(connections))
    found = local.newest_package(Path(source.url.path), source.pattern)
    with database.engine().connect() as connection:
        allow_list.check_found(connection, chosen, str(found))
    local.check_settled(found, sources.Patience().settle_s)
    files = (local.entry_of(found),) if found.is_file() else ()
    target = folder / found.name
    local.copy(found, target, sources.Patience())
    return sources.Fetched(target, found.name, "", files)


def _copy(named: str, kind: Kind, folder: Path) -> Path:
    """Copy what somebody named, within the limits of a package; what is not there is not copied.

    Raises:
        RefusedError: It is larger than a package may be.
    """
    source = sources.Source(SourceUrl.parse(named))
    path, patience = PurePosixPath(source.url.path), sources.Patience()
    lone = kind is not Kind.PACKAGE and path.suffix.lower() == ".csv"
    target = folder / (f"{kind}.csv" if lone else path.name or "package")
    try:
        if source.url.is_local:
            local.copy(Path(source.url.path), target, patience)
        else:
            sources.copy_all(source, target, patience)
    except sources.NoSourceError:
        log.info("There is nothing at %s.", path.name)
    except sources.RefusedSourceError as error:
        if error.code != "source.too_large":
            raise
        raise RefusedError(Finding("zip.size_exceeded", expected=error.expected)) from None
    return target
