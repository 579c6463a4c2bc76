"""Erasure: who a person was goes, in the database and in every file; what was done stays.

An alias takes the place of the sourcedId, so that the audit still tells that somebody was added and
later deactivated, when, by which run and credited to whom, and no longer who it was.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from oneroster_sync import database, settings
from oneroster_sync.database import locks
from oneroster_sync.errors import ConflictError
from oneroster_sync.operations import erasure_sql
from oneroster_sync.runs import pending_deltas
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sites import preferences_store

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection
    from upath import UPath

log = logging.getLogger("oneroster")


class NotErasedError(ConflictError):
    """The person can't be erased now; the message says why, and what to do first."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of a person's data.

    Attributes:
        alias: What the account is called from now on.
        runs: The runs of which files were removed, because they spoke of the person.
    """

    alias: str
    runs: tuple[str, ...]


def erase(site: str, term: str, *, by: str, now: dt.datetime, reason: str = "") -> Erased:
    """Erase who a deactivated person was.

    Args:
        site: Whose roster.
        term: The person's sourcedId or e-mail address.
        by: Who asks for it.
        now: When.
        reason: For the audit; it should not name the person.

    Raises:
        NotErasedError: There is no such person, they are active or credited with the changes, or a
            plan that waits speaks of them.
    """
    with locks.turn(database.engine(), site):
        with database.engine().connect() as connection:
            person = _erasable(connection, site, term)
            speaking = _speaking(site, erasure_sql.known_by(connection, person))
            if waiting := erasure_sql.undecided(connection, site, speaking):
                raise NotErasedError(
                    f"the plan of run {waiting[0]} speaks of them: decide it first"
                )
        for run_id, parts in speaking.items():
            for part in parts:
                RunFolder.of(site, run_id).remove(part)
        erased = Erased(f"erased-{person['id']}", tuple(sorted(speaking)))
        details = {"alias": erased.alias, "runs": erased.runs, "reason": reason}
        with database.engine().begin() as connection:
            # The turn is lost with its connection. The lock of the roster is this transaction's:
            # a plan that is being applied is waited for, and may have brought the person back.
            database.lock_site(connection, site)
            person = _erasable(connection, site, term)
            words = erasure_sql.known_by(connection, person)
            pending_deltas.rewrite_rows(connection, site, partial(_without, words))
            erasure_sql.erase_person(connection, site, person, erased.alias, now=now)
            preferences_store.note_event(connection, site, by, "erased", details, now=now)
    log.info("A person of site %s was erased; the account is %s now.", site, erased.alias)
    return erased


def _without(words: set[str], file: str, rows: pa.Table) -> pa.Table:
    """Return the rows of a pending delta that do not speak of a person."""
    del file
    return rows.filter(pc.invert(pending_deltas.naming(rows, words)))


def _erasable(connection: Connection, site: str, term: str) -> dict[str, Any]:
    person = erasure_sql.find_person(connection, site, term)
    if person is None:
        raise NotErasedError(f"site {site} knows nobody of that sourcedId or e-mail address")
    if person["credited"]:
        raise NotErasedError("changes are credited to this account: choose another one first")
    if person["status"] == "active":
        raise NotErasedError(
            "the account is active: deactivate it in the SIS and sync first, or the next sync "
            "brings everything back"
        )
    return person


def _speaking(site: str, words: set[str]) -> dict[str, list[str]]:
    """Return the runs whose files speak of a person, and the parts of their folders that do."""
    found: dict[str, list[str]] = {}
    root = settings.storage_of("runs", site)
    for folder in root.iterdir() if root.exists() else ():
        parts = [part.name for part in folder.iterdir() if _speaks(part, words)]
        if parts:
            found[folder.name] = parts
    return found


def _speaks(place: UPath, words: set[str]) -> bool:
    if place.is_dir():
        return any(_speaks(inner, words) for inner in place.iterdir())
    content = place.read_bytes()
    if place.suffix == ".parquet":
        return _table_speaks(pq.read_table(pa.BufferReader(content)), words)
    text = content.decode("utf-8", "replace").casefold()
    return any(word.casefold() in text for word in words)


def _table_speaks(table: pa.Table, words: set[str]) -> bool:
    known = pa.array([word.casefold() for word in words])
    texts = (column for column in table.columns if pa.types.is_string(column.type))
    return any(pc.any(pc.is_in(pc.utf8_lower(column), known)).as_py() for column in texts)
