"""What trust asks: decisions that expire, parts of an undo, removals that wait, notices, terms."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

_PREFERENCES = """
alter table preferences
    add column approval_hours integer not null default 72,
    add column create_only_until date,
    add column expire_ended_terms boolean not null default true,
    add column stale_after_days integer default 7,
    add column notices jsonb not null default '{}';
"""

_RUNS = """
alter table runs
    add column kind text not null default 'package',
    add column expires_at timestamptz,
    add column undo_of jsonb,
    add column removals_of uuid references runs,
    add column withheld json,
    add column schools json;
comment on column runs.kind is 'what the package is said to be';
comment on column runs.expires_at is 'when a held plan is discarded unless somebody decides';
comment on column runs.undo_of is 'which part of the run it undoes: kind, record, changed_too';
comment on column runs.removals_of is 'the run whose removals this one brings';
comment on column runs.withheld is 'what the plan leaves out, as counts, and why';
comment on column runs.schools is 'what the plan comes to in each school';
create index on runs (site, sha256, started_at) where sha256 is not null;
"""

_NOTICES = """
create table notices (
    id bigint generated always as identity primary key,
    site text not null references sites,
    topic text not null,
    cause text not null,
    run_id uuid references runs,
    sent_at timestamptz not null,
    ways integer not null
);
create index on notices (site, topic, sent_at desc);
comment on table notices is 'what people were told, so that nobody is told twice of one cause';
"""

_LINKS = """
alter table classes add column ends_on text;
comment on column classes.ends_on is 'the last day of the last of its terms, as far as known';
"""


def upgrade() -> None:
    """Add what trust asks."""
    for part in (_PREFERENCES, _RUNS, _NOTICES, _LINKS):
        op.execute(part)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
