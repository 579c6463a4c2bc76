"""The time zone of a site, whose time stands beside UTC in texts."""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Add the column; a site without a zone is shown in UTC alone, as before."""
    op.execute(
        """
        alter table preferences add column time_zone text;
        comment on column preferences.time_zone is
            'IANA name; texts show its time beside UTC, in which schedules are; null: UTC alone';
        """
    )


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
