"""What an uploaded file was called, which runs are previews, and a notification of a standstill.

Sites that saved which notifications they want get the new one, too: whoever wants none has an empty
list, which stays empty.
"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"

_COLUMNS = """
alter table runs
    add column uploaded_as text,
    add column is_preview boolean not null default false;
comment on column runs.uploaded_as is 'the name that an uploaded file had where it came from';
comment on column runs.is_preview is 'nothing was to be applied: the plan was only looked at';
"""
_PREVIEWS = """
update runs set is_preview = true
where outcome = 'discarded' and reasons::text like '%a preview: nothing was to be applied%'
"""
_TOPIC = """
update preferences
set notices = jsonb_set(notices, '{topics}', notices -> 'topics' || '"unapplied"')
where jsonb_array_length(coalesce(notices -> 'topics', '[]')) > 0
    and not notices -> 'topics' ? 'unapplied'
"""


def upgrade() -> None:
    """Add the columns, mark the previews of before, and add the topic to lists that were saved."""
    for statement in (_COLUMNS, _PREVIEWS, _TOPIC):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
