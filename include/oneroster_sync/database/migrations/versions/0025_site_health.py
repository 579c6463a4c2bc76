"""The display name of a site, a maintenance of all sites, and the size of a roster at each run.

The newest applied run of each site gets the size that its roster has now, so that the list of sites
has numbers before the next night.
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"

_TABLES = """
alter table sites add column title text;
comment on column sites.title is 'what people call the site; its id stays';
create table maintenance (
    since timestamptz not null,
    started_by text not null,
    reason text not null,
    only_one boolean primary key default true check (only_one)
);
comment on table maintenance is 'while there is a row, no sync of any site begins';
alter table runs add column roster_counts jsonb;
comment on column runs.roster_counts is 'how many records were active when the run was applied';
"""
_COUNTS = """
update runs r set roster_counts = jsonb_build_object(
    'users', (select count(*) from users where site = s.site and status = 'active'),
    'courses', (select count(*) from courses where site = s.site and status = 'active'),
    'assignments', (
        select count(*) from course_assignments where site = s.site and status = 'active'))
from sites s cross join lateral (
    select run_id from runs where site = s.site and applied_at is not null
    order by started_at desc limit 1) newest
where r.run_id = newest.run_id
"""


def upgrade() -> None:
    """Make them, and count what is there."""
    for statement in (_TABLES, _COUNTS):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
