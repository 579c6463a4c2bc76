"""What starts the syncs of a site, and which package at its source was last noticed as new."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"

_TABLES = """
alter table preferences add column started_by text not null default 'schedule';

create table arrivals (
    site text primary key references sites,
    source text not null,
    package json not null
);
comment on table arrivals is
    'the newest package at the source of a site that a new file may start: it is no new one';
"""


def upgrade() -> None:
    """Add both."""
    op.execute(_TABLES)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
