"""The append-only audit, and its protection from the application's role.

The tables `changes` and `events` refuse UPDATE, DELETE and TRUNCATE by a trigger. The owner of a
table can drop its trigger, so an installation may have two roles: the owner creates and upgrades
the tables (`oneroster migrate`, with `ONEROSTER_OWNER_URL`), and the application's role, which
everything else uses, reads and writes them but has only INSERT and SELECT on the audit. Erasure and
retention then call two functions that run as the owner (security definer) and do nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from oneroster_sync.errors import UserError

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

TABLES = ("changes", "events")
"""The tables of the audit: changes of rosters, and decisions of people."""

_OURS = """
select quote_ident(c.relname), c.relkind from pg_class c
where c.relnamespace = to_regnamespace(quote_ident(current_schema()))
  and c.relkind in ('r', 'v', 'S')
  and c.relowner in (
      select relowner from pg_class where oid = to_regclass('changes')
      union all select to_regrole(quote_ident(current_user)))
order by c.relname
"""
_FUNCTIONS = ("erase_from_audit(bigint)", "drop_from_audit(text, timestamptz)")
_MAY = """
select exists (
    select from pg_class c
    where c.oid = any(array[to_regclass('changes'), to_regclass('events')]::oid[])
      and (pg_has_role(current_user, c.relowner, 'USAGE')
           or has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER')))
"""


class GrantError(UserError):
    """The owner of the tables can't grant the rights that the application's role needs."""


@dataclass(frozen=True, slots=True)
class Protection:
    """How the audit is protected from the role of a connection.

    Attributes:
        can_be_changed: Whether the role could change or remove rows of the audit.
        kept_days: Days of the audit that the role cannot delete; None if there is no such rule.
    """

    can_be_changed: bool
    kept_days: int | None


def protection(connection: Connection) -> Protection:
    """Return how the audit is protected from the role of this connection."""
    return Protection(
        bool(connection.scalar(sa.text(_MAY))),
        connection.scalar(sa.text("select audit_keep_days()")),
    )


_HAS_OLDER = """
select exists (select from changes where run_id = cast(:run_id as uuid) and version is null)
"""
_OLDER = "c.run_id = cast(:run_id as uuid) and c.version is null"
_NUMBERED = """
c.run_id = cast(:run_id as uuid) and (c.site, c.version) = (
    select site, applied_version from runs where run_id = cast(:run_id as uuid))
"""


def condition_of_run(connection: Connection, run_id: str) -> str:
    """Return the SQL condition that selects the changes `c` of a run, in order, by an index.

    Changes are indexed by the version of the roster, not by their run: one index less to write.
    Changes from before rosters had versions have an index by run.
    """
    is_older = connection.scalar(sa.text(_HAS_OLDER), {"run_id": run_id})
    return _OLDER if is_older else _NUMBERED


def has_changes(connection: Connection, run_id: str) -> bool:
    """Return whether the audit still holds changes of a run; expired changes are deleted."""
    query = f"select exists (select from changes c where {condition_of_run(connection, run_id)})"  # noqa: S608
    return bool(connection.scalar(sa.text(query), {"run_id": run_id}))


def erase_person(connection: Connection, user_id: int) -> None:
    """Remove the personal data of an account that is marked as erased from the audit."""
    connection.execute(sa.text("select erase_from_audit(:id)"), {"id": user_id})


def drop_changes(connection: Connection, site: str, *, before: dt.datetime) -> int:
    """Delete changes before a time from the audit, except those that its owner keeps.

    Returns:
        How many changes were deleted.
    """
    bound = {"site": site, "before": before}
    return int(connection.scalar(sa.text("select drop_from_audit(:site, :before)"), bound) or 0)


def grant_to(connection: Connection, role: str, *, keep_days: int) -> None:
    """Grant the application's role its rights on the tables; safe to repeat.

    Args:
        connection: A connection of the owner of the tables, in a transaction.
        role: The application's role.
        keep_days: Days of the audit that the application's role cannot delete.

    Raises:
        GrantError: The role does not exist, or needs a right that the owner cannot grant.
    """

    def run(statement: str) -> None:
        connection.exec_driver_sql(statement)

    found = connection.execute(
        sa.text(
            "select quote_ident(rolname), quote_ident(current_schema()), "
            "quote_ident(current_database()), rolsuper or pg_has_role(rolname, relowner, 'USAGE') "
            "from pg_roles, pg_class c where rolname = :role and c.oid = to_regclass('changes')"
        ),
        {"role": role},
    ).first()
    if found is None:
        raise GrantError(f"the role {role} of ONEROSTER_DATABASE_URL does not exist; create it")
    to, schema, database, is_owner = found
    if is_owner:
        raise GrantError(
            f"the role {role} of ONEROSTER_DATABASE_URL owns the tables itself, or has the rights "
            "of their owner; do not make it a member of the role of ONEROSTER_OWNER_URL"
        )
    run(f"grant usage on schema {schema} to {to}")
    for name, kind in connection.execute(sa.text(_OURS)).all():
        if kind == "S":
            run(f"grant usage, select on sequence {schema}.{name} to {to}")
        elif kind == "v":
            # PostgreSQL writes through a view with the rights of its owner: into the audit too.
            run(f"revoke insert, update, delete on {schema}.{name} from {to}")
            run(f"grant select on {schema}.{name} to {to}")
        else:
            run(f"grant select, insert, update, delete on {schema}.{name} to {to}")
    # After the loop: it grants every right on all tables, those of the audit too.
    for table in TABLES:
        run(f"revoke update, delete on {table} from {to}")
    # Only the owner migrates; another number there would let the application run on an old schema.
    run(f"revoke insert, update, delete on oneroster_schema_version from {to}")
    for function in _FUNCTIONS:
        run(f"grant execute on function {function} to {to}")
    run(
        # DDL takes no parameters; `:d` formats nothing but an integer.
        "create or replace function audit_keep_days() returns integer language sql as "
        f"'select {keep_days:d}'"
    )
    # Plans are applied through temporary tables. A GRANT by a role that does not own the database
    # has no effect, and PostgreSQL only warns about it: so check the result.
    run(f"grant connect, temporary on database {database} to {to}")
    has = sa.text("select has_database_privilege(:role, current_database(), :right)")
    rights = ("CONNECT", "TEMPORARY")
    if not all(connection.scalar(has, {"role": role, "right": right}) for right in rights):
        raise GrantError(
            f"the role {role} may not connect or create temporary tables; the owner of the "
            f"database must run: grant connect, temporary on database {database} to {to}"
        )
