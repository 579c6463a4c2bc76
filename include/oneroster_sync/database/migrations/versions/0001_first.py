"""The roster, the links behind it, the runs and their story."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

# The login is unique by an exclusion and not by an index, since only a constraint is deferrable:
# two users who swap addresses in one package are checked when all rows are written.
_ROSTER = """
create table sites (
    site text primary key,
    roster_version bigint not null default 0,
    created_at timestamptz not null default now()
);

create table users (
    id bigint generated always as identity primary key,
    site text not null references sites,
    sourced_id text,
    given_name text,
    family_name text,
    email text,
    login text,
    username text,
    role text not null,
    org_sourced_ids text,
    status text not null check (status in ('active', 'inactive')),
    managed boolean not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (site, sourced_id),
    exclude (site with =, login with =) where (status = 'active') deferrable initially deferred
);
comment on column users.login is 'the e-mail address people log in with, in one spelling';
comment on column users.managed is 'made or adopted by the sync; only these are ever changed by it';

create table courses (
    id bigint generated always as identity primary key,
    site text not null references sites,
    sourced_id text,
    title text not null,
    course_code text,
    grades text,
    subjects text,
    org_sourced_id text,
    school_year_sourced_id text,
    status text not null check (status in ('active', 'removed')),
    managed boolean not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (site, sourced_id)
);

create table course_assignments (
    site text not null references sites,
    user_id bigint not null references users,
    course_id bigint not null references courses,
    status text not null check (status in ('active', 'removed')),
    managed boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (user_id, course_id)
);
create index on course_assignments (site);
create index on course_assignments (course_id);
"""

_LINKS = """
create table orgs (
    site text not null references sites,
    sourced_id text not null,
    name text,
    type text,
    parent_sourced_id text,
    primary key (site, sourced_id)
);
create table roles (
    site text not null references sites,
    sourced_id text not null,
    user_sourced_id text not null,
    role_type text,
    role text not null,
    org_sourced_id text,
    primary key (site, sourced_id)
);
create table classes (
    site text not null references sites,
    sourced_id text not null,
    course_sourced_id text not null,
    primary key (site, sourced_id)
);
create table enrollments (
    site text not null references sites,
    sourced_id text not null,
    class_sourced_id text not null,
    user_sourced_id text not null,
    role text not null,
    course_sourced_id text,
    primary key (site, sourced_id)
);
comment on table classes is 'not an entity of the platform: how enrollments reach courses';
comment on table enrollments is 'of staff only: what course assignments are made from';
"""

_RUNS = """
create table preferences (
    site text primary key references sites,
    version integer not null,
    credited_admin_id bigint references users,
    days text[] not null,
    time_utc time not null,
    pause_windows jsonb not null,
    scope text not null,
    teacher_permission text not null,
    profile text not null,
    assignment_roles text[] not null,
    adopt_accounts boolean not null,
    guards jsonb not null,
    source text,
    saved_at timestamptz not null,
    saved_by text not null
);

create table runs (
    run_id uuid primary key,
    site text not null references sites,
    trigger text not null check (trigger in ('schedule', 'upload', 'command')),
    requested_by text not null,
    credited_admin_id bigint references users,
    package text,
    sha256 text,
    oneroster_version text,
    scope text not null,
    preferences jsonb not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    stage text not null,
    outcome text check (outcome in (
        'succeeded', 'succeeded_with_errors', 'no_changes', 'held', 'rejected',
        'discarded', 'superseded', 'failed', 'skipped')),
    reasons jsonb not null default '[]',
    plan_hash text,
    base_version bigint,
    applied_at timestamptz,
    applied_version bigint,
    decision text check (decision in ('approved', 'discarded')),
    decided_hash text,
    decided_by text,
    decided_at timestamptz,
    decision_reason text,
    counts json,
    findings json
);
create index on runs (site, started_at desc);

create table findings (
    run_id uuid not null references runs,
    seq bigint not null,
    code text not null,
    severity text not null,
    file text,
    row bigint,
    "column" text,
    sourced_id text,
    expected text,
    rows bigint not null,
    primary key (run_id, seq)
);

create table changes (
    id bigint generated always as identity primary key,
    run_id uuid not null references runs,
    site text not null references sites,
    kind text not null check (kind in ('user', 'course', 'assignment')),
    action text not null,
    user_id bigint references users,
    course_id bigint references courses,
    sourced_id text,
    before jsonb,
    after jsonb,
    reason text not null,
    file text,
    row bigint,
    credited_admin_id bigint not null references users,
    requested_by text not null,
    made_at timestamptz not null
);
create index on changes (run_id);
create index on changes (user_id) where user_id is not null;
create index on changes (course_id) where course_id is not null;
comment on table changes is 'the audit: append only';

create table events (
    id bigint generated always as identity primary key,
    site text not null references sites,
    at timestamptz not null,
    actor text not null,
    event text not null,
    details jsonb not null
);
comment on table events is 'the audit of what people did: preferences saved, plans decided';
"""

_VIEWS = """
create view teacher_permissions as
select
    a.site,
    a.user_id,
    a.course_id,
    not c.managed or p.teacher_permission = 'units_and_lessons' as may_edit_units,
    true as may_edit_lessons
from course_assignments a
join users u on u.id = a.user_id and u.status = 'active'
join courses c on c.id = a.course_id and c.status = 'active'
join preferences p on p.site = a.site
where a.status = 'active';
comment on view teacher_permissions is
    'who may edit what now; a saved preference counts at once and for all courses';
"""


def upgrade() -> None:
    """Make everything."""
    for part in (_ROSTER, _LINKS, _RUNS, _VIEWS):
        op.execute(part)


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before the first migration")
