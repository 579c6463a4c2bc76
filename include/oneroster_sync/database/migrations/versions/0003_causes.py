"""What a cause names, which other cause it follows from, and which cause a finding has."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

_CAUSES = """
alter table causes
    add column target_file text,
    add column target text,
    add column affected bigint,
    add column follows integer;
update causes set affected = rows;
alter table causes alter column affected set not null;
comment on table causes is 'findings of one run that are mended together, the first to mend first';
comment on column causes.target is 'the sourcedId of the record that is not there';
comment on column causes.affected is 'rows of this cause and of all that follows from it';
comment on column causes.follows is 'the cause that this one follows from';
"""
_FINDINGS = """
alter table findings
    add column target_file text,
    add column target text,
    add column cause integer;
update findings f set cause = c.seq
from causes c
where c.run_id = f.run_id and c.code = f.code and c.severity = f.severity
    and c.file is not distinct from f.file
    and c."column" is not distinct from f."column"
    and c.expected is not distinct from f.expected;
comment on column findings.target is 'the sourcedId that the row points to';
comment on column findings.cause is 'the number of its cause in the order to mend them';
"""


def upgrade() -> None:
    """Add what the grouping of findings needs; old runs keep the causes that they had."""
    for part in (_CAUSES, _FINDINGS):
        op.execute(part)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
