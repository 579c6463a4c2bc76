"""The audit is append-only: only retention and erasure may change or remove its rows."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

_TRIGGERS = """
create function keep_the_audit() returns trigger language plpgsql as $$
begin
    if coalesce(current_setting('oneroster.erasing', true), '') <> 'on' then
        raise exception 'the audit is append-only: % of % is refused', tg_op, tg_table_name
            using errcode = 'insufficient_privilege';
    end if;
    return null;
end
$$;
comment on function keep_the_audit is 'lets retention and erasure through, see store/audit.py';
create trigger append_only before update or delete or truncate on changes
    for each statement execute function keep_the_audit();
create trigger append_only before update or delete or truncate on events
    for each statement execute function keep_the_audit();
"""


def upgrade() -> None:
    """Refuse whatever is not an insert."""
    op.execute(_TRIGGERS)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
