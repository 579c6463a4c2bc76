"""How a site's SIS writes its files: encoding, delimiter and order of dates."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"

_COLUMNS = """
alter table preferences
    add column encoding text not null default 'utf-8',
    add column delimiter text not null default 'comma',
    add column date_order text not null default 'iso';
comment on column preferences.encoding is 'of the files: utf-8 or windows-1252';
comment on column preferences.delimiter is 'between values: comma, semicolon, tab or bar';
comment on column preferences.date_order is 'of dates in the files: iso, month_first or day_first';
"""


def upgrade() -> None:
    """Add the columns; every site is as the standard wants."""
    op.execute(_COLUMNS)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
