"""Which remembered enrollments are kept for a broken row under another sourcedId."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"

_UNPLACED = """
alter table enrollments add column unplaced text;
comment on column enrollments.unplaced is
    'true while it is kept for a broken row that may be its own under another sourcedId';
"""


def upgrade() -> None:
    """Remember why an enrollment is kept, so that it is kept for as long as the row comes."""
    op.execute(_UNPLACED)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
