"""Erasure and retention change the audit by functions of its owner, and by nothing else.

A role that owns no table can then write the audit and read it, erase a person from it, and remove
what is older than the owner says, and no more.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"

# The schema's name is pinned, and temporary tables come last: a function that runs as its owner
# must not be led to the caller's own table `changes`.
_FUNCTIONS = """
create function audit_keep_days() returns integer language sql as 'select null::integer';
comment on function audit_keep_days is
    'how many days of the audit are kept whoever asks; set by oneroster migrate';

create function erase_from_audit(person bigint) returns void
    language plpgsql security definer
    set search_path = {schema}, pg_temp
as $$
begin
    perform set_config('oneroster.erasing', 'on', true);
    update changes c
    set sourced_id = case when c.kind = 'user' then u.sourced_id else c.sourced_id end,
        before = case when c.kind = 'user' then c.before - array[{personal}] else c.before end,
        after = case when c.kind = 'user' then c.after - array[{personal}] else c.after end
    from users u
    where u.id = person and u.erased_at is not null and c.user_id = u.id;
    perform set_config('oneroster.erasing', 'off', true);
end
$$;
comment on function erase_from_audit is
    'takes who an erased account was out of the audit; what was done stays';

create function drop_from_audit(of_site text, until timestamptz) returns bigint
    language plpgsql security definer
    set search_path = {schema}, pg_temp
as $$
declare
    dropped bigint;
begin
    perform set_config('oneroster.erasing', 'on', true);
    -- Where no days are set, least() goes by the other moment alone.
    delete from changes
    where site = of_site
      and made_at < least(until, now() - make_interval(days => audit_keep_days()));
    get diagnostics dropped = row_count;
    perform set_config('oneroster.erasing', 'off', true);
    return dropped;
end
$$;
comment on function drop_from_audit is
    'removes what had its time, and nothing of the last audit_keep_days()';

revoke execute on function erase_from_audit, drop_from_audit from public;
comment on function keep_the_audit is 'lets erase_from_audit and drop_from_audit through';
"""
_PERSONAL = (
    "sourced_id",
    "given_name",
    "family_name",
    "email",
    "login",
    "username",
    "org_sourced_ids",
)
"""What says who somebody is, among the fields of a change."""


def upgrade() -> None:
    """Make the functions."""
    schema = op.get_bind().exec_driver_sql("select quote_ident(current_schema())").scalar()
    personal = ", ".join(f"'{name}'" for name in _PERSONAL)
    op.execute(_FUNCTIONS.format(schema=schema, personal=personal))


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
