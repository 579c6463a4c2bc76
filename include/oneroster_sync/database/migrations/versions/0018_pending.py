"""Deltas that were read and not applied, files out of step, and where each source was read to."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"

_TABLES = """
create table pending_deltas (
    id bigint generated always as identity primary key,
    site text not null references sites,
    run_id uuid not null references runs,
    part integer not null,
    package text,
    file text not null,
    oneroster_version text not null,
    arrived_at timestamptz not null,
    state text not null,
    rows bytea,
    ended_by text,
    unique (run_id, part, file)
);
create index pending_deltas_of_site on pending_deltas (site);
comment on table pending_deltas is
    'delta files that were read whole and not applied; staff rows only';
comment on column pending_deltas.part is 'which package of the run, the oldest first';
comment on column pending_deltas.state is
    'pending; preview: of a run that applies nothing; discarded by a person, or expired: the '
    'roster lacks its changes until a bulk file of its kind is applied';
comment on column pending_deltas.rows is 'the rows as Parquet; null once they can''t be applied';
create table out_of_step (
    site text not null references sites,
    file text not null,
    since timestamptz not null,
    cause text not null,
    primary key (site, file)
);
comment on table out_of_step is
    'files of which deltas were lost; removals by delta are held until a bulk file is applied';
create table source_positions (
    site text primary key references sites,
    source text not null,
    taken json not null,
    previous json,
    run_id uuid not null references runs
);
comment on table source_positions is 'the last package that was taken from a site''s source';
comment on column source_positions.previous is
    'what was the last before the run, which is tried again from there';
alter table runs
    add column packages json,
    add column deltas jsonb,
    add column bulk_in_plan json;
comment on column runs.packages is 'the packages that the run read, the oldest first';
comment on column runs.deltas is 'the pending deltas that its plan is made from, its own included';
comment on column runs.bulk_in_plan is 'the files that its plan is made from in bulk';
"""


def upgrade() -> None:
    """Make the tables; deltas that were not applied before the upgrade are not known."""
    op.execute(_TABLES)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
