"""Sources elsewhere: the connection, the pattern, and what becomes of a package."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

_PREFERENCES = """
alter table preferences
    add column source_connection text,
    add column source_pattern text not null default '*.zip',
    add column source_after text not null default 'leave';
comment on column preferences.source is 'a path, or a URL without a secret';
comment on column preferences.source_connection is 'the Airflow connection with its login';
comment on column preferences.source_pattern is 'what the names of packages are like';
comment on column preferences.source_after is 'leave or move, when a run has ended well';
"""


def upgrade() -> None:
    """Add what a source elsewhere needs."""
    op.execute(_PREFERENCES)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
