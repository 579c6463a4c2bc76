"""Erasure takes everything out of the audit but what says nothing of a person.

A column that is added later is then erased without another change of this function.
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"

# The schema's name is pinned, and temporary tables come last: a function that runs as its owner
# must not be led to the caller's own table `changes`.
_FUNCTION = """
create or replace function erase_from_audit(person bigint) returns void
    language plpgsql security definer
    set search_path = {schema}, pg_temp
as $$
begin
    perform set_config('oneroster.erasing', 'on', true);
    update changes c
    set sourced_id = case when c.kind = 'user' then u.sourced_id else c.sourced_id end,
        before = case when c.kind = 'user' then (
            select jsonb_object_agg(key, value) from jsonb_each(c.before) where key = any({kept})
        ) else c.before end,
        after = case when c.kind = 'user' then (
            select jsonb_object_agg(key, value) from jsonb_each(c.after) where key = any({kept})
        ) else c.after end
    from users u
    where u.id = person and u.erased_at is not null and c.user_id = u.id;
    perform set_config('oneroster.erasing', 'off', true);
end
$$;
"""
_KEPT = "array['role', 'status', 'managed']"
"""What says nothing of who somebody is, among the fields of a change."""


def upgrade() -> None:
    """Replace the function; its owner and its grants stay."""
    schema = op.get_bind().exec_driver_sql("select quote_ident(current_schema())").scalar()
    op.execute(_FUNCTION.format(schema=schema, kept=_KEPT))


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
