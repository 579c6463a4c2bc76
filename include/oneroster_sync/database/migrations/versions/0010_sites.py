"""Sites that are archived, and those that were restored and are still switched off."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

_SITES = """
alter table sites
    add column archived_at timestamptz,
    add column archived_by text,
    add column restored_at timestamptz,
    add column off_asked boolean not null default false;
comment on column sites.archived_at is 'since when no run of the site can begin';
comment on column sites.restored_at is 'what was asked for before this is not done any more';
comment on column sites.off_asked is
    'the switch of its sync has to be put off in Airflow before anything is scheduled';
"""


def upgrade() -> None:
    """Add what archiving a site needs."""
    op.execute(_SITES)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
