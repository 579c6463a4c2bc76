"""What pages ask: the causes of findings, the DAG run behind a run, long lists in order."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

_CAUSES = """
create table causes (
    run_id uuid not null references runs,
    seq integer not null,
    code text not null,
    severity text not null,
    file text,
    "column" text,
    expected text,
    findings bigint not null,
    rows bigint not null,
    first_row bigint,
    primary key (run_id, seq)
);
comment on table causes is 'findings of one run that are mended together, the heaviest first';

insert into causes
select
    run_id,
    row_number() over (
        partition by run_id order by severity, sum(rows) desc, code, file, "column", expected
    ),
    code, severity, file, "column", expected, count(*), sum(rows), min(row)
from findings
group by run_id, code, severity, file, "column", expected;
"""

_RUNS = """
alter table runs
    add column dag_id text,
    add column dag_run_id text,
    add column undoes uuid references runs;
comment on column runs.dag_id is 'the DAG that this is a run of; null from the command line';
comment on column runs.undoes is 'the run that this one takes back';
"""

_ORDER = """
create index on runs (site, started_at desc, run_id desc) include (outcome, trigger);
drop index runs_site_started_at_idx;
create index on changes (run_id, id);
drop index changes_run_id_idx;
create index on findings (sourced_id) where sourced_id is not null;
create index on events (site, id desc);
"""


def upgrade() -> None:
    """Add what the pages ask."""
    for part in (_CAUSES, _RUNS, _ORDER):
        op.execute(part)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
