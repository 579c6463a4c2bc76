"""The id of the Airflow trigger that noticed a package at the source of a site."""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Add the column; a package without a trigger was noticed before and stays known."""
    op.execute(
        """
        alter table arrivals add column trigger_id bigint;
        comment on column arrivals.trigger_id is
            'the trigger that noticed the package; a site that was off gets a new one from Airflow';
        """
    )


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
