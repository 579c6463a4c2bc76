"""An index of the plans that wait for a decision.

They are few, and the list of sites asks for them every few seconds: without the index it reads all
runs of all sites.
"""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Make it; a sync that would write meanwhile waits for some seconds."""
    # Not concurrently, which is impossible in a transaction: all migrations run in one.
    op.execute(
        "create index runs_held on runs (site, started_at desc) "
        "where outcome = 'held' and decision is null"
    )


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
