"""Which run judged the same package before, while nothing else has changed since."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

_RUNS = """
alter table runs
    add column basis text,
    add column same_as uuid references runs;
create index on runs (site, sha256) where sha256 is not null;
comment on column runs.basis is 'a hash of everything that the outcome depends on but the package';
comment on column runs.same_as is 'whose judgement and plan this run takes over; see unchanged.md';
"""


def upgrade() -> None:
    """Add what unchanged packages ask."""
    op.execute(_RUNS)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
