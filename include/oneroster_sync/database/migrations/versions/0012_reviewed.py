"""Which plan the review found clear: what apply demands to see."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"

_RUNS = """
alter table runs add column reviewed_hash text;
comment on column runs.reviewed_hash is
    'hash of the plan that review found within the thresholds; null while unreviewed or held';
"""


def upgrade() -> None:
    """Add the column; runs under way are reviewed again before they are applied."""
    op.execute(_RUNS)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
