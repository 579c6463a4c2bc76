"""Taking a person's data out of the database: who they were goes, what was done stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.database import audit
from oneroster_sync.roster.schema import USERS
from oneroster_sync.runs import other_people
from oneroster_sync.standard.logins import normalize_login

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

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
    "update findings set sourced_id = :alias where sourced_id = :was and run_id in ({runs})",
    "update findings set target = :alias where target = :was and run_id in ({runs})",
    "update causes set target = :alias where target = :was and run_id in ({runs})",
    "delete from enrollments where site = :site and user_sourced_id = :was",
    "delete from protections where site = :site and kind <> 'course' and sourced_id = :was",
    "delete from roles where site = :site and user_sourced_id = :was",
    "delete from modified where site = :site and file = 'users' and sourced_id = :was",
    *(
        f"""
        delete from modified m where site = :site and file = '{table}'
          and not exists (
              select from {table} t where t.site = m.site and t.sourced_id = m.sourced_id)
        """  # noqa: S608  names of our own
        for table in ("enrollments", "roles")
    ),
    "update sites set roster_version = roster_version + 1 where site = :site",
)
_RUNS = "select run_id from runs where site = :site"


def find_person(connection: Connection, site: str, term: str) -> dict[str, Any] | None:
    """Return the account of a sourcedId or an e-mail address; None when there is none."""
    bound = {"site": site, "term": term, "login": normalize_login(term)}
    found = connection.execute(sa.text(_FIND), bound).mappings().first()
    return dict(found) if found else None


def known_by(connection: Connection, person: dict[str, Any]) -> set[str]:
    """Return the sourcedIds and addresses that a person has or had, as far as the audit tells."""
    words = {person[name] for name in ("sourced_id", "email", "login", "username")}
    words |= set(connection.execute(sa.text(_EARLIER), {"id": person["id"]}).scalars())
    return {word for word in words if word}


def undecided(connection: Connection, site: str, run_ids: Iterable[str]) -> list[str]:
    """Return those of some runs that are under way or wait for a decision."""
    bound = {"site": site, "runs": list(run_ids)}
    return list(connection.execute(sa.text(_UNDECIDED), bound).scalars())


def erase_person(
    connection: Connection, site: str, person: dict[str, Any], alias: str, *, now: dt.datetime
) -> None:
    """Put an alias in the place of who a person was, everywhere in the site.

    Args:
        connection: In a transaction.
        site: Whose roster.
        person: As `find_person` returns it.
        alias: What the account is called from now on.
        now: When.
    """
    bound = {
        "site": site,
        "id": person["id"],
        "was": person["sourced_id"],
        "alias": alias,
        "now": now,
    }
    other_people.erase(connection, site, person["id"], known_by(connection, person))
    for statement in _STATEMENTS:
        connection.execute(sa.text(statement.format(runs=_RUNS)), bound)
    audit.erase_person(connection, person["id"])
