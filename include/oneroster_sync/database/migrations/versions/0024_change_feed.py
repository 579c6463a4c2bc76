"""The change feed: what moved a roster, in order, for programs that follow it.

A change carries the version of the roster that it is part of. Of what is there already, only the
changes of the last weeks get theirs: to write one into each row of a large audit would write the
audit anew. The feed of a site begins with its next version, since whoever follows a roster begins
with a copy of it.
"""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"

# The check is added as not valid, because to validate it PostgreSQL would read the whole audit.
_TABLES = """
alter table changes add column version bigint;
comment on column changes.version is
    'of the roster, that the change is part of; null for what is older than the change feed';
alter table changes alter column run_id drop not null;
alter table changes alter column credited_admin_id drop not null;
alter table changes add constraint changes_of_a_run check (
    action = 'erased' or (run_id is not null and credited_admin_id is not null)) not valid;

-- Guards look back over the last weeks by version, so those changes get theirs.
select set_config('oneroster.erasing', 'on', true);
update changes c set version = r.applied_version from runs r
where r.run_id = c.run_id and r.applied_at > now() - interval '31 days';
select set_config('oneroster.erasing', 'off', true);

-- What a run changed is found by its version: apply would have to write another index for the feed.
create index changes_feed on changes (site, version, id) where version is not null;
create index changes_older on changes (run_id, id) where version is null;
drop index changes_run_id_id_idx;

create table change_feeds (
    site text primary key references sites,
    version bigint not null,
    seq bigint not null
);
comment on table change_feeds is
    'after which change the feed of a site is complete; earlier ones are not, or not any more';
insert into change_feeds select site, roster_version, 0 from sites where roster_version > 0;

create table roster_readers (
    role text not null,
    site text not null,
    primary key (role, site)
);
comment on table roster_readers is
    'which sites a role sees that is a member of roster_reader; * for all';
"""

# Members of roster_reader see the sites of roster_readers; owner and application see all. The
# arrays and the question whether the role is a reader are answered once for a statement.
_READABLE = """
(
    (select pg_has_role(current_user, c.relowner, 'USAGE') or not coalesce(
        pg_has_role(current_user, to_regrole('roster_reader'), 'USAGE'), false)
     from pg_class c where c.oid = 'changes'::regclass)
    or {site} = any (array(
        select s.site from sites s join roster_readers r on r.site in (s.site, '*')
        where pg_has_role(current_user, to_regrole(quote_ident(r.role)), 'USAGE')))
)"""

# PostgreSQL's policies are no way to keep sites apart here: a role for whom a table has policies
# may not COPY into it, and the application, where it owns no table, does. A view that is a barrier
# hides its order from what is around it, so it has one of its own: that of the index.
_VIEWS = """
create view roster_changes with (security_barrier) as
select t.site, t.version, t.id as seq, t.run_id, t.kind, t.action, t.user_id, t.course_id,
       t.sourced_id, t.before, t.after, t.made_at
from changes t
where t.version is not null and {readable}
order by t.site, t.version, t.id;
comment on view roster_changes is
    'the change feed, a contract: columns are added, none is changed (docs/guide/change-feed.md)';

create view roster_sites with (security_barrier) as
select t.site, t.roster_version, coalesce(f.version, 0) as feed_after_version,
       coalesce(f.seq, 0) as feed_after_seq
from sites t left join change_feeds f on f.site = t.site
where {readable};
comment on view roster_sites is
    'the version of each roster, and after which change its feed is complete';

create or replace view teacher_permissions with (security_barrier) as
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
where a.status = 'active' and {readable_assignments};
"""

_FUNCTIONS = """
create function make_reader_views() returns void language plpgsql
    set search_path = {schema}, pg_temp
as $$
declare
    of_table text;
    columns text;
    reader_view text;
begin
    foreach of_table in array array['users', 'courses', 'course_assignments'] loop
        select string_agg(format('t.%I', attname), ', ' order by attnum) into columns
        from pg_attribute
        where attrelid = of_table::regclass and attnum > 0 and not attisdropped
          and attname not in ('login', 'lost_role_at');
        execute format(
            'create or replace view %I with (security_barrier) as select %s from %I t where %s',
            'roster_' || of_table, columns, of_table, $readable${readable}$readable$);
    end loop;
    if to_regrole('roster_reader') is null then
        return;
    end if;
    execute format('grant usage on schema %I to roster_reader', current_schema());
    foreach reader_view in array array[
        'roster_changes', 'roster_sites', 'roster_users', 'roster_courses',
        'roster_course_assignments', 'teacher_permissions'
    ] loop
        execute format('grant select on %I to roster_reader', reader_view);
    end loop;
end
$$;
comment on function make_reader_views is
    'makes the views of rosters for the role roster_reader, with all columns, and grants them';
revoke execute on function make_reader_views from public;

create or replace function drop_from_audit(of_site text, until timestamptz) returns bigint
    language plpgsql security definer
    set search_path = {schema}, pg_temp
as $$
declare
    dropped bigint;
    last_version bigint;
    last_seq bigint;
begin
    perform set_config('oneroster.erasing', 'on', true);
    -- Where no days are set, least() goes by the other moment alone.
    with gone as (
        delete from changes
        where site = of_site
          and made_at < least(until, now() - make_interval(days => audit_keep_days()))
        returning version, id
    )
    select count(*), max(version), max(id) filter (where version is not null)
    into dropped, last_version, last_seq from gone;
    perform set_config('oneroster.erasing', 'off', true);
    if last_version is not null then
        insert into change_feeds as f values (of_site, last_version, last_seq)
        on conflict (site) do update set version = excluded.version, seq = excluded.seq
        where (f.version, f.seq) < (excluded.version, excluded.seq);
    end if;
    return dropped;
end
$$;
"""


def upgrade() -> None:
    """Number the changes by version, and make the views and the functions."""
    schema = op.get_bind().exec_driver_sql("select quote_ident(current_schema())").scalar()
    op.execute(_TABLES)
    readable = _READABLE.format(site="t.site")
    op.execute(
        _VIEWS.format(readable=readable, readable_assignments=_READABLE.format(site="a.site"))
    )
    op.execute(_FUNCTIONS.format(schema=schema, readable=readable))
    op.execute("select make_reader_views()")


def downgrade() -> None:
    """Refuse: a roster is never thrown away by a migration."""
    raise NotImplementedError("restore a backup to go back to before this migration")
