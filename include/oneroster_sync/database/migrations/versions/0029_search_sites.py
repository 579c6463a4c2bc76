"""Indexes by which a person or a course is found in all sites, by how a family name begins.

In the order of bytes ("C"): only so a prefix is a range of an index whatever the database's locale.
"""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"

# Not concurrently, which is impossible in a transaction: all migrations run in one.
_INDEXES = """
create index users_by_family_name on users (lower(family_name) collate "C");
create index courses_by_title on courses (lower(title) collate "C");
"""


def upgrade() -> None:
    """Make them; a sync that would write meanwhile waits for some seconds."""
    for statement in _INDEXES.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
