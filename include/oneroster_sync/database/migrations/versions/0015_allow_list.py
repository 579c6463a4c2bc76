"""What each site may use: present sources, connections and channels are allowed by the upgrade."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"

_TABLE = """
create table allow_list (
    site text not null references sites,
    what text not null check (what in ('source', 'connection', 'channel')),
    value text not null,
    allowed_by text not null,
    allowed_at timestamptz not null,
    primary key (site, what, value)
);
comment on table allow_list is
    'what a site may use besides what the deployment says: by an upgrade, or because an '
    'administrator of all sites saved it';
"""
# A host in file:// was never looked at, and now no source may have one.
_NO_HOST = """
update preferences set source = regexp_replace(source, '^file://[A-Za-z0-9.-]+/', 'file:///', 'i')
where source ~* '^file://[A-Za-z0-9.-]+/';
"""
_PRESENT = """
insert into allow_list (site, what, value, allowed_by, allowed_at)
select site, 'source', source, 'upgrade', now() from preferences where source is not null
union all
select site, 'connection', source_connection, 'upgrade', now() from preferences
where source_connection is not null
union
select site, 'channel', jsonb_array_elements_text(coalesce(notices -> 'channels', '[]')),
    'upgrade', now()
from preferences;
"""


def upgrade() -> None:
    """Record what is there as allowed, so that no site is stopped."""
    op.execute(_TABLE)
    op.execute(_NO_HOST)
    op.execute(_PRESENT)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
