"""When a person's data was erased."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

_USERS = """
alter table users add column erased_at timestamptz;
comment on column users.erased_at is 'since when nothing here says who it was; see retention.md';
"""


def upgrade() -> None:
    """Add what erasure asks."""
    op.execute(_USERS)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
