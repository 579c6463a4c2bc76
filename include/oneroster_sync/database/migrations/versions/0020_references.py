"""Check references once for each statement, in place of foreign keys that check row by row.

A foreign key asks for each row and each key anew, and queues an event for each in memory that
PostgreSQL cannot spill. That was half of its work in a large first sync. See
docs/design/references.md for the rules and the races.
"""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"

_REFERENCES = {
    "changes": {
        "run_id": ("runs", "run_id"),
        "site": ("sites", "site"),
        "user_id": ("users", "id"),
        "course_id": ("courses", "id"),
        "credited_admin_id": ("users", "id"),
    },
    "course_assignments": {
        "site": ("sites", "site"),
        "user_id": ("users", "id"),
        "course_id": ("courses", "id"),
    },
    "findings": {"run_id": ("runs", "run_id")},
    **{
        name: {"site": ("sites", "site")}
        for name in ("users", "courses", "orgs", "roles", "classes", "enrollments", "modified")
    },
}
"""Table → column → the table and the key that it refers to. Small tables keep their keys."""

# The functions run as the owner of the tables, as foreign keys do: the application's role may not
# lock the audit. The schema's name is pinned, and temporary tables come last, so that a caller's
# own table `users` is not looked at.
#
# Statements are dynamic, because PL/pgSQL would keep the plan of the first one: made for ten rows,
# it would be used for a million.
_FUNCTIONS = """
create function check_references() returns trigger
    language plpgsql security definer
    set search_path = {schema}, pg_temp
as $$
declare
    named text;
    dangling boolean;
begin
    for n in 0 .. tg_nargs - 3 by 3 loop
        if tg_level = 'ROW' then
            named := format('select ($1).%I as k', tg_argv[n]);
        else
            named := format('select distinct %I as k from added', tg_argv[n]);
        end if;
        if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
            -- The snapshot may be older than the removal of what is named. Locking it fails then.
            execute format(
                'select from %I r where r.%I in (%s) for key share',
                tg_argv[n + 1], tg_argv[n + 2], named
            ) using new;
        end if;
        execute format(
            'select exists (select from (%s) a where a.k is not null '
            'and not exists (select from %I r where r.%I = a.k))',
            named, tg_argv[n + 1], tg_argv[n + 2]
        ) into dangling using new;
        if dangling then
            raise foreign_key_violation using
                message = format(
                    'table "%s": %s names no row of table "%s"',
                    tg_table_name, tg_argv[n], tg_argv[n + 1]
                ),
                table = tg_table_name, column = tg_argv[n], schema = tg_table_schema;
        end if;
    end loop;
    return null;
end
$$;
comment on function check_references is
    'refuses rows that refer to nothing; arguments: column, table, key, and so on';

create function keep_referenced() returns trigger
    language plpgsql security definer
    set search_path = {schema}, pg_temp
as $$
declare
    gone text;
    is_referenced boolean;
begin
    if tg_op = 'DELETE' then
        if not exists (select from removed) then
            return null;
        end if;
    end if;
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        -- An old snapshot would not show the rows that refer to these since.
        raise feature_not_supported using message = format(
            'rows of table "%s" are removed at the isolation level read committed only',
            tg_table_name
        );
    end if;
    -- Who has inserted rows that refer to these has not committed yet: wait for them. Who inserts
    -- from now on waits for this transaction, and finds nothing to refer to.
    for n in 1 .. tg_nargs - 2 by 2 loop
        execute format('lock table %I in share row exclusive mode', tg_argv[n]);
    end loop;
    for n in 1 .. tg_nargs - 2 by 2 loop
        if tg_op = 'TRUNCATE' then
            gone := format('c.%I is not null', tg_argv[n + 1]);
        else
            gone := format(
                'c.%I in (select k from (%s) g where not exists '
                '(select from %I t where t.%I = g.k))',
                tg_argv[n + 1],
                case when tg_level = 'ROW' then format('select ($1).%I as k', tg_argv[0])
                    else format('select %I as k from removed', tg_argv[0]) end,
                tg_table_name, tg_argv[0]
            );
        end if;
        execute format('select exists (select from %I c where %s)', tg_argv[n], gone)
            into is_referenced using old;
        if is_referenced then
            raise foreign_key_violation using
                message = format(
                    'table "%s": rows of table "%s" refer to this row by %s',
                    tg_table_name, tg_argv[n], tg_argv[n + 1]
                ),
                table = tg_table_name, schema = tg_table_schema;
        end if;
    end loop;
    return null;
end
$$;
comment on function keep_referenced is
    'refuses to remove what rows refer to; arguments: key, then table, column, and so on';

revoke execute on function check_references, keep_referenced from public;
"""

_DROP = """
do $$
declare
    found text;
begin
    for found in
        select conname from pg_constraint c
        join pg_attribute a on a.attrelid = c.conrelid and c.conkey = array[a.attnum]
        where c.contype = 'f' and c.conrelid = '{table}'::regclass
            and c.confrelid = '{other}'::regclass and a.attname = '{column}'
    loop
        execute format('alter table {table} drop constraint %I', found);
    end loop;
end
$$
"""

_CHECK = """
create trigger check_references after insert on {table}
    referencing new table as added
    for each statement execute function check_references({arguments});
create trigger check_changed_references after update on {table}
    for each row when ({is_changed}) execute function check_references({arguments});
"""

_KEEP = """
create trigger keep_referenced after delete on {table}
    referencing old table as removed
    for each statement execute function keep_referenced({arguments});
create trigger keep_referenced_key after update on {table}
    for each row when (old.{key} is distinct from new.{key})
    execute function keep_referenced({arguments});
create trigger keep_referenced_table after truncate on {table}
    for each statement execute function keep_referenced({arguments});
"""


def upgrade() -> None:
    """Put triggers in the place of foreign keys; what the keys held holds without a gap."""
    schema = op.get_bind().exec_driver_sql("select quote_ident(current_schema())").scalar()
    op.execute(_FUNCTIONS.format(schema=schema))
    referring: dict[tuple[str, str], list[str]] = {}
    for table, columns in _REFERENCES.items():
        arguments = []
        for column, (other, key) in columns.items():
            op.execute(_DROP.format(table=table, other=other, column=column))
            arguments += [column, other, key]
            referring.setdefault((other, key), []).extend((table, column))
        is_changed = " or ".join(f"old.{name} is distinct from new.{name}" for name in columns)
        op.execute(
            _CHECK.format(table=table, is_changed=is_changed, arguments=", ".join(arguments))
        )
    for (table, key), names in referring.items():
        op.execute(_KEEP.format(table=table, key=key, arguments=", ".join((key, *names))))


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
