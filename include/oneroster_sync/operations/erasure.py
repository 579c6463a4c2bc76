"""Erasure: delete the personal data of a person from the database and all files; keep the audit.

An alias replaces the sourcedId. So the audit still shows that an account was added and deactivated,
when, by which run and credited to whom, but not who the person was.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from oneroster_sync import database, settings
from oneroster_sync.database import audit, locks
from oneroster_sync.errors import ConflictError
from oneroster_sync.roster.columns import USERS
from oneroster_sync.runs import other_people, pending_deltas
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sites import preferences_store
from oneroster_sync.standard.logins import normalize_login

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection
    from upath import UPath

log = logging.getLogger("oneroster")


class NotErasedError(ConflictError):
    """The person can't be erased now; the message says why, and what to do first."""


@dataclass(frozen=True, slots=True)
class Erased:
    """Result of an erasure.

    Attributes:
        alias: The sourcedId of the account from now on.
        runs: The runs with deleted artifacts, because these contained the person.
    """

    alias: str
    runs: tuple[str, ...]


def erase(site: str, term: str, *, by: str, now: dt.datetime, reason: str = "") -> Erased:
    """Erase the personal data of a deactivated person.

    Args:
        site: The site.
        term: The person's sourcedId or e-mail address.
        by: Who requests the erasure.
        now: The time.
        reason: For the audit; it should not name the person.

    Raises:
        NotErasedError: There is no such person, the account is active, it is the credited
            administrator, or a plan without a decision contains it.
    """
    with locks.hold_site_turn(database.engine(), site):
        with database.engine().connect() as connection:
            person = _erasable(connection, site, term)
            speaking = _speaking(site, known_by(connection, person))
            if waiting := undecided(connection, site, speaking):
                raise NotErasedError(f"the plan of run {waiting[0]} contains them: decide it first")
        # Files first: if the process dies in between, the database still has the words to find them
        # by.
        for run_id, parts in speaking.items():
            for part in parts:
                RunFolder.of(site, run_id).remove(part)
        erased = Erased(f"erased-{person['id']}", tuple(sorted(speaking)))
        details = {"alias": erased.alias, "runs": erased.runs, "reason": reason}
        with database.engine().begin() as connection:
            # The site's turn is lost if its connection breaks. So also take the lock of the roster
            # in this transaction: it waits for a plan that is being applied. That plan may have
            # reactivated the person, so check again.
            database.lock_site(connection, site)
            person = _erasable(connection, site, term)
            words = known_by(connection, person)
            pending_deltas.rewrite_rows(connection, site, partial(_without, words))
            erase_person(connection, site, person, erased.alias, by=by, now=now)
            preferences_store.note_event(connection, site, by, "erased", details, now=now)
    log.info("A person of site %s was erased; the account is %s now.", site, erased.alias)
    return erased


def _without(words: set[str], file: str, rows: pa.Table) -> pa.Table:
    """Return the rows of a pending delta that do not contain the person."""
    del file
    return rows.filter(pc.invert(pending_deltas.naming(rows, words)))


def _erasable(connection: Connection, site: str, term: str) -> dict[str, Any]:
    person = find_person(connection, site, term)
    if person is None:
        raise NotErasedError(f"site {site} has no person with that sourcedId or e-mail address")
    if person["credited"]:
        raise NotErasedError("changes are credited to this account: choose another one first")
    if person["status"] == "active":
        raise NotErasedError(
            "the account is active: deactivate it in the SIS and sync first, or the next sync "
            "restores everything"
        )
    return person


def _speaking(site: str, words: set[str]) -> dict[str, list[str]]:
    """Return the runs whose artifacts contain a person: run id → names of the artifacts."""
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


_FIND = """
select id, sourced_id, given_name, family_name, email, login, username, status,
       id = (select credited_admin_id from preferences where site = :site) as credited
from users where site = :site and (sourced_id = :term or login = :login)
"""
_EARLIER = """
select distinct image ->> name
from changes, unnest(array[before, after]) image,
     unnest(array['sourced_id', 'email', 'login', 'username']) name
where user_id = :id and kind = 'user' and image ->> name is not null
"""
_SOURCED_IDS = """
select cast(:sourced_id as text)
union
select image ->> 'sourced_id' from changes, unnest(array[before, after]) image
where user_id = :id and kind = 'user' and image ->> 'sourced_id' is not null
except
select sourced_id from users where site = :site and id <> :id
"""
"""All sourcedIds that the account has had, without those that another account has now."""
_UNDECIDED = """
select run_id::text from runs
where site = :site and run_id::text = any(:runs) and (outcome is null or outcome = 'held')
"""
_FORGOTTEN = ", ".join(f"{field.name} = null" for field in USERS if field.personal)
_STATEMENTS = (
    f"""
    update users set sourced_id = :alias, {_FORGOTTEN}, erased_at = :now, updated_at = :now
    where id = :id
    """,  # noqa: S608  names of our own
    "update findings set sourced_id = :alias where sourced_id = any(:were) and run_id in ({runs})",
    "update findings set target = :alias where target = any(:were) and run_id in ({runs})",
    "update causes set target = :alias where target = any(:were) and run_id in ({runs})",
    "delete from enrollments where site = :site and user_sourced_id = any(:were)",
    "delete from protections where site = :site and kind <> 'course' and sourced_id = any(:were)",
    "delete from roles where site = :site and user_sourced_id = any(:were)",
    "delete from modified where site = :site and file = 'users' and sourced_id = any(:were)",
    *(
        f"""
        delete from modified m where site = :site and file = '{table}'
          and not exists (
              select from {table} t where t.site = m.site and t.sourced_id = m.sourced_id)
        """  # noqa: S608  names of our own
        for table in ("enrollments", "roles")
    ),
    """
    with moved as (
        update sites set roster_version = roster_version + 1 where site = :site
        returning roster_version
    )
    insert into changes (site, version, kind, action, user_id, sourced_id, reason, requested_by,
                         made_at)
    select :site, roster_version, 'user', 'erased', :id, :alias, 'erased', :by, :now from moved
    """,
)
_RUNS = "select run_id from runs where site = :site"


def find_person(connection: Connection, site: str, term: str) -> dict[str, Any] | None:
    """Return the account with a sourcedId or an e-mail address, or None."""
    bound = {"site": site, "term": term, "login": normalize_login(term)}
    found = connection.execute(sa.text(_FIND), bound).mappings().first()
    return dict(found) if found else None


def known_by(connection: Connection, person: dict[str, Any]) -> set[str]:
    """Return all sourcedIds and addresses of a person, from the roster and the audit."""
    words = {person[name] for name in ("sourced_id", "email", "login", "username")}
    words |= set(connection.execute(sa.text(_EARLIER), {"id": person["id"]}).scalars())
    return {word for word in words if word}


def undecided(connection: Connection, site: str, run_ids: Iterable[str]) -> list[str]:
    """Return those of `run_ids` that are at work or held."""
    bound = {"site": site, "runs": list(run_ids)}
    return list(connection.execute(sa.text(_UNDECIDED), bound).scalars())


def erase_person(
    connection: Connection,
    site: str,
    person: dict[str, Any],
    alias: str,
    *,
    by: str,
    now: dt.datetime,
) -> None:
    """Replace the personal data of a person by an alias in all tables of the site.

    The roster gets a new version, and the change feed a row with only ids, so that programs with a
    copy of the roster can erase the person too.

    Args:
        connection: With a transaction.
        site: The site.
        person: As `find_person` returns it.
        alias: The sourcedId of the account from now on.
        by: Who requests the erasure.
        now: The time.
    """
    had = {name: person[name] for name in ("id", "sourced_id")}
    were = connection.execute(sa.text(_SOURCED_IDS), {"site": site, **had}).scalars()
    bound = {
        "site": site,
        "id": person["id"],
        "were": list(were),
        "alias": alias,
        "by": by,
        "now": now,
    }
    # Before the audit is erased, from which `known_by` has the earlier addresses.
    other_people.erase(connection, site, person["id"], known_by(connection, person))
    for statement in _STATEMENTS:
        connection.execute(sa.text(statement.format(runs=_RUNS)), bound)
    # Last, because the audit's function erases only accounts that are marked as erased.
    audit.erase_person(connection, person["id"])
