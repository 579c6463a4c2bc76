"""Stale protection: list records that rows with errors have protected for long, and release them.

An administrator releases one cause at a time, after a preview of what the next plan would remove.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from oneroster_sync import database
from oneroster_sync.database import locks
from oneroster_sync.errors import ConflictError
from oneroster_sync.roster import protections as store
from oneroster_sync.sites import preferences_store
from oneroster_sync.sites.registry import refuse_archived

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection

    from oneroster_sync.roster.protections import Protection

log = logging.getLogger("oneroster")


class NotStaleError(ConflictError):
    """The site has no stale protection with this cause; the message says what to do."""


@dataclass(frozen=True, slots=True)
class StaleCause:
    """The stale protections of one cause.

    Attributes:
        cause: The cause as commands take it.
        file: The file, with `.csv`.
        code: Finding code of its rows.
        column: Column of the finding; blank if the finding has none.
        age: The smallest age of the protections, in runs.
        records: The protections.
        is_released: Whether all of them are released and wait for the next plan.
    """

    cause: str
    file: str
    code: str
    column: str
    age: int
    records: tuple[Protection, ...]
    is_released: bool

    def to_text(self) -> str:
        """Describe the stale protections in one sentence that names no record."""
        count = len(self.records)
        records = "1 record has" if count == 1 else f"{count:,} records have"
        state = ", and released" if self.is_released else ""
        where = f"{self.file}, column {self.column}" if self.column else self.file
        return (
            f"{records} been protected by rows with errors for {self.age:,} syncs or more{state}: "
            f"{self.code} in {where}"
        )


def list_stale(connection: Connection, site: str) -> list[StaleCause]:
    """Return the protections that reached the site's `stale_protection_runs`, by cause.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    runs = preferences_store.load(connection, site).stale_protection_runs
    old = (found for found in store.listed(connection, site) if found.age >= runs)
    return list(_by_cause(old))


def preview_release(connection: Connection, site: str, cause: str) -> dict[str, list[str]]:
    """Return the records that the next plan would remove after a release, by kind.

    The assignments to a removed course are included. The next plan may remove fewer records: a row
    that is fixed in the meantime keeps its record.

    Raises:
        NotStaleError: The cause has no stale protection.
    """
    records = _stale(connection, site, cause).records
    goes: dict[str, list[str]] = {"users": [], "courses": [], "assignments": []}
    for record in records:
        if record.kind == "assignment":
            goes["assignments"].append(f"{record.sourced_id} to {record.course_sourced_id}")
        else:
            goes[f"{record.kind}s"].append(record.sourced_id)
    along = store.active_assignments_of(connection, site, goes["courses"])
    goes["assignments"] = sorted({*goes["assignments"], *(f"{u} to {c}" for u, c in along)})
    return goes


def release(
    site: str,
    cause: str,
    *,
    by: str,
    now: dt.datetime,
    reason: str = "",
    wait_s: float = 600,
) -> StaleCause:
    """Release the stale protections of one cause; the next plan treats their records as absent.

    The thresholds for removals apply to that plan, and the audit names who released the records.

    Args:
        site: The site.
        cause: As in `StaleCause.cause`.
        by: Who decides.
        now: The time.
        reason: For the audit.
        wait_s: Maximum number of seconds to wait for a run of the site to end.

    Raises:
        NotStaleError: The cause has no stale protection.
        ArchivedSiteError: The site is archived.
        BusyError: A run of the site still works after that time.
    """
    with (
        locks.hold_site_turn(database.engine(), site, wait_s=wait_s),
        database.engine().begin() as connection,
    ):
        refuse_archived(connection, site)
        found = _stale(connection, site, cause)
        store.mark_released(connection, site, list(found.records), by=by, now=now)
        details = {"cause": cause, "records": len(found.records), "reason": reason}
        preferences_store.note_event(connection, site, by, "protection_released", details, now=now)
    log.info("Released by %s: %s.", by, found.to_text())
    return found


def _stale(connection: Connection, site: str, cause: str) -> StaleCause:
    for found in list_stale(connection, site):
        if found.cause == cause:
            return found
    raise NotStaleError(
        f"site {site} has no stale protection with the cause {cause!r}; "
        "see: oneroster protections list"
    )


def _by_cause(records: Iterable[Protection]) -> Iterator[StaleCause]:
    # groupby needs the records of a cause side by side; `listed` orders them by file, code and
    # column.
    for cause, group in groupby(records, key=lambda record: record.cause):
        found = tuple(group)
        yield StaleCause(
            cause,
            f"{found[0].file}.csv",
            found[0].code,
            found[0].column,
            min(record.age for record in found),
            found,
            all(record.released_at is not None for record in found),
        )
