"""By when the scheduled sync of a site has to be done, in hours after it was due."""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Add the column; no site asks for it until somebody saves it."""
    op.execute("alter table preferences add column done_within_hours integer")


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
