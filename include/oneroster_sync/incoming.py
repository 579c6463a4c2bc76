"""The package of a run: a private copy of it, and what becomes of the original."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from upath import UPath

from oneroster_sync import sources
from oneroster_sync.package.kinds import Kind
from oneroster_sync.preferences import After
from oneroster_sync.run_folder import RunFolder
from oneroster_sync.sources import local
from oneroster_sync.store.runs import Outcome, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oneroster_sync.sources import Fetched, Login, Source
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
    """
    with tempfile.TemporaryDirectory(prefix="oneroster-") as folder:
        if run.trigger is not Trigger.SCHEDULE:
            yield _copy(UPath(run.package or ""), kind, Path(folder))
            return
        try:
            fetched = _fetch(sources.Source.of(run.preferences), connections, Path(folder))
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
    package = UPath(run.package)
    return Path(package.path) if package.protocol in {"", "file"} and package.exists() else None


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


def _fetch(source: Source, connections: Connections | None, folder: Path) -> Fetched:
    if not source.url.is_local:
        return sources.fetch(source, folder, login=source.login(connections))
    found = local.newest_package(Path(source.url.path), source.pattern)
    local.check_settled(found, sources.Patience().settle_s)
    files = (local.entry_of(found),) if found.is_file() else ()
    target = folder / found.name
    local.copy(found, target)
    return sources.Fetched(target, found.name, "", files)


def _copy(package: UPath, kind: Kind, folder: Path) -> Path:
    """Copy what somebody brought; what is not there is not copied."""
    lone = kind is not Kind.PACKAGE and package.suffix.lower() == ".csv"
    target = folder / (f"{kind}.csv" if lone else package.name)
    if package.is_dir():
        local.copy(Path(package.path), target)
    elif package.is_file():
        with package.open("rb") as read, target.open("wb") as written:
            shutil.copyfileobj(read, written)
    return target
