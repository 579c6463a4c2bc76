"""Protected records: since which run a broken row has kept each, and who released it."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"

_TABLES = """
create table protections (
    site text not null references sites,
    kind text not null check (kind in ('user', 'course', 'assignment')),
    sourced_id text not null,
    course_sourced_id text not null default '',
    file text not null,
    code text not null,
    "column" text not null default '',
    since timestamptz not null,
    since_run uuid not null references runs,
    released_at timestamptz,
    released_by text,
    primary key (site, kind, sourced_id, course_sourced_id)
);
comment on table protections is
    'records that only a broken row keeps from being absent, stored once when that began';
alter table preferences add column stale_protection_runs integer not null default 14;
alter table runs add column bulk_files json;
comment on column runs.bulk_files is 'the files that the run had in bulk, without .csv';
"""


def upgrade() -> None:
    """Make the table; protections of before count from the next run on."""
    op.execute(_TABLES)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
