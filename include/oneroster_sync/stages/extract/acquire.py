"""Fetch the package of a run as a private copy, and archive the original after the run."""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from oneroster_sync import database
from oneroster_sync.findings import Finding
from oneroster_sync.runs import Outcome, Trigger
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sites import allow_list
from oneroster_sync.sources import archive, local, positions
from oneroster_sync.sources.base import Patience
from oneroster_sync.sources.connect import Source
from oneroster_sync.sources.digest import sha256_of
from oneroster_sync.sources.errors import NoSourceError, RefusedSourceError, SourceError
from oneroster_sync.sources.fetch import copy_all
from oneroster_sync.sources.in_place import FolderInPlace
from oneroster_sync.sources.selection import not_ready
from oneroster_sync.sources.unread import Taken, fetch_unread
from oneroster_sync.sources.url import After, SourceUrl
from oneroster_sync.sources.work_folder import work_folder
from oneroster_sync.stages.extract.archive import RefusedError
from oneroster_sync.stages.extract.package import holds_delta
from oneroster_sync.standard.kinds import Kind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from oneroster_sync.runs import Run
    from oneroster_sync.sources.base import Login

    Connections = Callable[[str], Login]

log = logging.getLogger("oneroster")

_SUCCESSFUL = {Outcome.SUCCEEDED, Outcome.SUCCEEDED_WITH_ERRORS, Outcome.NO_CHANGES}
_NOTED = "fetched"
"""Name of the JSON artifact that records the fetched packages and their source."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A package of a run: a private copy, or a folder that is read in place.

    Attributes:
        path: Path of the package.
        name: Name of the package.
        arrived_at: Time of arrival: the file's modification time, or the run's start.
        opened: The open files of a folder that is read in place; None for a copy.
    """

    path: Path
    name: str
    arrived_at: dt.datetime
    opened: FolderInPlace | None = None

    def sha256(self) -> str:
        """Return the sha256 of the package."""
        return sha256_of(self.path) if self.opened is None else self.opened.sha256()


@dataclass(frozen=True, slots=True)
class RunPackages:
    """The packages that a run reads.

    Attributes:
        packages: At least one, the oldest first.
        taken: The site's source and the newest package taken from it; None for another source.
        is_again: Whether the newest package was read before, so that its deltas are known.
        gap: Why deltas may have been lost, as a text; None if none were.
    """

    packages: tuple[Incoming, ...]
    taken: tuple[str, dict[str, Any]] | None = None
    is_again: bool = False
    gap: str | None = None

    def check_unchanged(self, run: Run) -> None:
        """Check that a folder that is read in place has not changed meanwhile.

        Raises:
            NotReadyError: It has changed; the run's findings say the same.
        """
        with _report_source_error(run):
            for package in self.packages:
                if package.opened is not None:
                    package.opened.check_unchanged()


@contextlib.contextmanager
def _report_source_error(run: Run) -> Iterator[None]:
    """Write a `SourceError` among the run's findings, and raise it again."""
    try:
        yield
    except SourceError as error:
        found = {"1-extract": error.as_findings()}
        RunFolder.of(run.site, run.run_id).write_tables("findings", found)
        raise


@contextlib.contextmanager
def private_copies(
    run: Run, kind: Kind, connections: Connections | None = None
) -> Iterator[RunPackages]:
    """Yield the run's packages: private copies, or a folder in place.

    Nobody else can change a copy; it is deleted when the stage ends. A local folder that the run
    names is read in place: the caller checks it with `RunPackages.check_unchanged` after reading.

    Args:
        run: A scheduled run reads the site's source; any other run reads the path that it names.
        kind: The declared kind of the package.
        connections: Returns an Airflow connection by its id; None outside of Airflow.

    Raises:
        SourceError: The site's source has no usable package; the run's findings say the same.
        RefusedError: The named file exceeds the size limit of a package.
    """
    with work_folder() as folder, contextlib.ExitStack() as stack:
        is_named = run.trigger is not Trigger.SCHEDULE
        with _report_source_error(run):
            if is_named and (lies := in_place(run)) is not None and lies.is_dir():
                whole = FolderInPlace.open(lies, Patience().limits)
                if (opened := stack.enter_context(whole)) is not None:
                    yield RunPackages((Incoming(lies, lies.name, run.started_at, opened),))
                    return
        if is_named:
            path = _copy(run.package or "", kind, folder)
            yield RunPackages((Incoming(path, path.name, run.started_at),))
            return
        with _report_source_error(run):
            run_packages = _fetch(run, connections, folder)
            run_packages = replace(
                run_packages, packages=_opened_in_place(run_packages, folder, stack)
            )
        yield run_packages


def _opened_in_place(
    run_packages: RunPackages, folder: Path, stack: contextlib.ExitStack
) -> tuple[Incoming, ...]:
    """Return the packages; open the files of those that were not copied."""
    packages = []
    for package in run_packages.packages:
        found = package
        if not package.path.is_relative_to(folder):
            opened = stack.enter_context(FolderInPlace.open(package.path, Patience().limits))
            if opened is None:  # no longer a plain folder
                raise not_ready(package.name)
            found = replace(package, opened=opened)
        packages.append(found)
    return tuple(packages)


def in_place(run: Run) -> Path | None:
    """Return the path of a package that the run names, if it is readable on a local disk."""
    if run.trigger is Trigger.SCHEDULE or not run.package:
        return None
    url = SourceUrl.parse(run.package)
    package = Path(url.path)
    if not url.is_local or not _can_read(package):
        return None  # if it may not be read, copying it raises the error
    if package.is_file() and package.stat().st_size > Patience().limits.unpacked:
        return None  # too large to be hashed; copying it raises the error
    return package


def _can_read(package: Path) -> bool:
    """Return whether a package exists and all of its files may be read."""
    try:
        files = [package, *package.rglob("*")] if package.is_dir() else [package]
        return all(os.access(file, os.R_OK) for file in files)
    except PermissionError:
        return False


def move_read_package(run: Run, connections: Connections | None = None) -> None:
    """Move the packages of a successful run to the archive, if the site's preferences say so.

    An error is logged and does not change the outcome: the package then stays where it is.
    """
    chosen = run.preferences
    wanted = run.trigger is Trigger.SCHEDULE and chosen.source_after is After.MOVE
    if not wanted or run.outcome not in _SUCCESSFUL:
        return
    try:
        source = Source.of(chosen)
        login = source.login(connections)
        for fetched in _fetched_for(run):
            moved = archive.move_read_package(source, fetched, at=run.started_at, login=login)
            log.info("The package is now at %s.", moved or "its place at the source")
            if moved:
                with database.engine().begin() as connection:
                    # Otherwise the next run misses its last package, and takes deltas for lost.
                    positions.note_moved(connection, run.site, [fetched["files"][0]["name"]])
    except SourceError as error:
        log.warning("The package stays where it is: %s.", error)
    except Exception as error:  # noqa: BLE001  moving a package must never stop a run
        log.warning("The package stays where it is: %s.", type(error).__name__)


def _fetched_for(run: Run) -> list[dict[str, Any]]:
    """Return the packages fetched for a run and for the runs whose deltas are in its plan."""
    folder = RunFolder.of(run.site, run.run_id)
    read_by = folder.read_json("extracted").get("read_by", [])
    found: list[dict[str, Any]] = []
    for run_id in (*read_by, run.run_id):
        with contextlib.suppress(FileNotFoundError):
            noted = RunFolder.of(run.site, run_id).read_json(_NOTED)
            found += noted.get("packages", [noted])
    return found


def _fetch(run: Run, connections: Connections | None, folder: Path) -> RunPackages:
    source = Source.of(run.preferences)
    # With another pattern the last package taken says nothing about what is unread.
    key = f"{source.url.text} {source.pattern}"
    with database.engine().connect() as connection:
        stored, elsewhere = positions.last_taken(connection, run.site, run.run_id, key)

    def check_found(path: str) -> None:
        with database.engine().connect() as connection:
            allow_list.check_found(connection, run.preferences, path)

    unread = fetch_unread(
        source,
        folder,
        taken=Taken.read(stored) if stored else None,
        is_moved_here=elsewhere,
        holds_delta=holds_delta,
        check_found=check_found,
        login=source.login(connections),
    )
    noted = {"packages": [fetched.as_dict() for fetched in unread.packages]}
    RunFolder.of(run.site, run.run_id).write_json(_NOTED, noted)
    packages = []
    for fetched, modified in zip(unread.packages, unread.arrived, strict=True):
        log.info("The package is %s.", fetched.name)
        # The source's clock may be ahead: a package can't arrive after it was read.
        arrived_at = min(modified or run.started_at, run.started_at)
        packages.append(Incoming(fetched.path, fetched.name, arrived_at))
    taken = None if unread.is_again else (key, unread.newest.as_dict())
    return RunPackages(tuple(packages), taken, unread.is_again, unread.gap)


def _copy(named: str, kind: Kind, folder: Path) -> Path:
    """Copy the named file or folder, within the size limit; log it if there is nothing to copy.

    Raises:
        RefusedError: It exceeds the size limit of a package.
    """
    source = Source(SourceUrl.parse(named))
    path, patience = PurePosixPath(source.url.path), Patience()
    lone = kind is not Kind.PACKAGE and path.suffix.lower() == ".csv"
    target = folder / (f"{kind}.csv" if lone else path.name or "package")
    try:
        if source.url.is_local:
            local.copy(Path(source.url.path), target, patience)
        else:
            copy_all(source, target, patience)
    except NoSourceError:
        log.info("There is nothing at %s.", path.name)
    except RefusedSourceError as error:
        if error.code != "source.too_large":
            raise
        raise RefusedError(Finding("zip.size_exceeded", expected=error.expected)) from None
    return target
