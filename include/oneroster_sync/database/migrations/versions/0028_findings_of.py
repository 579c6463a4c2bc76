"""Findings by reference: a run that repeats an earlier one names it and stores no rows of its own.

At a district of a million people each night without changes would add 70,000 rows, all of them said
before.
"""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"

_STATEMENTS = """
alter table runs add column findings_of uuid;
comment on column runs.findings_of is
    'the run whose rows in findings, causes and other_people are this run''s too; null: its own';
create index runs_by_findings on runs ((coalesce(findings_of, run_id)));

create view run_findings as
select r.run_id, f.seq, f.code, f.severity, f.file, f.row, f."column", f.sourced_id, f.expected,
       f.rows, f.target_file, f.target, f.cause
from runs r join findings f on f.run_id = coalesce(r.findings_of, r.run_id);
comment on view run_findings is
    'the findings of each run, those too that it has by reference (runs.findings_of)';

create view run_causes as
select r.run_id, c.seq, c.code, c.severity, c.file, c."column", c.expected, c.findings, c.rows,
       c.first_row, c.target_file, c.target, c.affected, c.follows
from runs r join causes c on c.run_id = coalesce(r.findings_of, r.run_id);
comment on view run_causes is
    'the causes of each run''s findings, those too that it has by reference (runs.findings_of)';
"""


def upgrade() -> None:
    """Add the reference; runs of the past keep the rows that they have."""
    op.execute(_STATEMENTS)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
