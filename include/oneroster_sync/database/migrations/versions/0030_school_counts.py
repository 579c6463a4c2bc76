"""How many users were active in each school when a run was applied: the roster over time."""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Add the column; it is filled from the next run on that changes something."""
    op.execute(
        """
        alter table runs add column school_counts jsonb;
        comment on column runs.school_counts is
            'sourcedId of a school -> active users when the run was applied; null: as before';
        """
    )


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
