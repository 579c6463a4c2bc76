"""The audit is append-only, and one role can keep it from another.

The tables `changes` and `events` refuse UPDATE, DELETE and TRUNCATE by a trigger. Who owns a table
can drop its trigger, so an installation may have two roles: the owner makes and upgrades the
tables (`oneroster migrate`, by `ONEROSTER_OWNER_URL`), and the application's role, which everything
else uses, may read and write them, but insert and select only on the audit. Erasure and retention
then go by two functions that run as the owner; they do these two things and no other.
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
"""The audit: what was changed in rosters, and what people decided."""

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
    """The owner of the tables can't give the application's role what it needs."""


@dataclass(frozen=True, slots=True)
class Protection:
    """How the audit is kept from the role of a connection.

    Attributes:
        can_be_changed: Whether the role could change or remove rows of the audit.
        kept_days: How many days of it are kept whatever the role asks for; None for no such rule.
    """

    can_be_changed: bool
    kept_days: int | None


def protection(connection: Connection) -> Protection:
    """Return how the audit is kept from the role of this connection."""
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
    """Return the condition by which an index finds, in their order, the changes `c` of a run.

    Changes are indexed by the version of the roster, not by their run: one index less to write.
    Those that are older than versions have an index by run.
    """
    is_older = connection.scalar(sa.text(_HAS_OLDER), {"run_id": run_id})
    return _OLDER if is_older else _NUMBERED


def has_changes(connection: Connection, run_id: str) -> bool:
    """Tell whether anything that a run changed is in the audit; it goes after its time."""
    query = f"select exists (select from changes c where {condition_of_run(connection, run_id)})"  # noqa: S608
    return bool(connection.scalar(sa.text(query), {"run_id": run_id}))


def erase_person(connection: Connection, user_id: int) -> None:
    """Take out of the audit who an account was, once it is marked as erased."""
    connection.execute(sa.text("select erase_from_audit(:id)"), {"id": user_id})


def drop_changes(connection: Connection, site: str, *, before: dt.datetime) -> int:
    """Remove from the audit what was changed before a moment, as far as its owner lets it go."""
    bound = {"site": site, "before": before}
    return int(connection.scalar(sa.text("select drop_from_audit(:site, :before)"), bound) or 0)


def grant_to(connection: Connection, role: str, *, keep_days: int) -> None:
    """Give the application's role its rights on the tables; it can be done again at any time.

    Args:
        connection: As the owner of the tables, in a transaction.
        role: The application's role.
        keep_days: How many days of the audit are kept whatever that role asks for.

    Raises:
        GrantError: The role is not there, or lacks a right that only others can give.
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
        raise GrantError(f"the role {role} of ONEROSTER_DATABASE_URL is not there; make it first")
    to, schema, database, is_owner = found
    if is_owner:
        raise GrantError(
            f"the role {role} of ONEROSTER_DATABASE_URL owns the tables itself, or may do all that "
            "their owner may; give it no part in the role of ONEROSTER_OWNER_URL"
        )
    run(f"grant usage on schema {schema} to {to}")
    for name, kind in connection.execute(sa.text(_OURS)).all():
        if kind == "S":
            run(f"grant usage, select on sequence {schema}.{name} to {to}")
        elif kind == "v":
            # What is written into a view is written as the owner of the view: into the audit too.
            run(f"revoke insert, update, delete on {schema}.{name} from {to}")
            run(f"grant select on {schema}.{name} to {to}")
        else:
            run(f"grant select, insert, update, delete on {schema}.{name} to {to}")
    for table in TABLES:
        run(f"revoke update, delete on {table} from {to}")
    run(f"revoke insert, update, delete on oneroster_schema_version from {to}")
    for function in _FUNCTIONS:
        run(f"grant execute on function {function} to {to}")
    run(
        "create or replace function audit_keep_days() returns integer language sql as "
        f"'select {keep_days:d}'"
    )
    # Plans are applied by way of temporary tables. Who does not own the database gives no rights
    # on it, and PostgreSQL says so by a warning alone: so the result is looked at.
    run(f"grant connect, temporary on database {database} to {to}")
    has = sa.text("select has_database_privilege(:role, current_database(), :right)")
    rights = ("CONNECT", "TEMPORARY")
    if not all(connection.scalar(has, {"role": role, "right": right}) for right in rights):
        raise GrantError(
            f"the role {role} may not connect or make temporary tables; whoever owns the database "
            f"says: grant connect, temporary on database {database} to {to}"
        )
