"""Whom losing the last role has deactivated: they come back when a role does."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"

_COLUMN = """
alter table users add column lost_role_at timestamptz;
comment on column users.lost_role_at is
    'when losing the last role deactivated the user; counts while it is updated_at';
"""


def upgrade() -> None:
    """Add the column; nothing is known of who left before."""
    op.execute(_COLUMN)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
