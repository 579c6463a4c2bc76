"""Names of both people where another person comes under a known sourcedId."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"

_TABLE = """
create table other_people (
    run_id uuid not null references runs,
    site text not null references sites,
    user_id bigint not null references users,
    sourced_id text not null,
    known_given_name text,
    known_family_name text,
    new_given_name text,
    new_family_name text,
    new_login text,
    primary key (run_id, user_id)
);
create index other_people_of_user on other_people (user_id);
create index other_people_of_site on other_people (site);
comment on table other_people is
    'who has a sourcedId and who came under it, for those who may see persons; staff only';
comment on column other_people.new_login is 'by which the new person is erased';
"""


def upgrade() -> None:
    """Make the table; nothing is known of the runs of before."""
    op.execute(_TABLE)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
