"""When the SIS last modified what came in deltas, so that an older change is told from a newer."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

_TABLE = """
create table modified (
    site text not null references sites,
    file text not null,
    sourced_id text not null,
    modified_at timestamptz not null,
    primary key (site, file, sourced_id)
);
comment on table modified is
    'dateLastModified of records that came in deltas; a bulk file forgets those of its kind';
"""


def upgrade() -> None:
    """Make the table; nothing is known of what came before."""
    op.execute(_TABLE)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
