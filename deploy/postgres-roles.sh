#!/bin/sh
# Create three databases, each with its own role that can use no other database: Airflow's
# metadata, the roster, and Celery's results. If ROSTER_OWNER_DB_PASSWORD is set, another role,
# `roster_owner`, owns the roster's tables: then the services' role `roster` can't change the audit.
#
# `roster_reader` is the role of programs that read rosters. It can't log in; give it to a login
# with `grant roster_reader to …`. The table roster_readers lists the sites that each login sees
# (see the guide's page on the change feed).
#
# PostgreSQL's image runs this script once, when its volume is empty. It is safe to run again: to
# complete an interrupted first start, to change the passwords of the roles, or to change the owner
# of the tables. On a server of your own, run it as a superuser.
set -eu

: "${AIRFLOW_DB_PASSWORD:?}" "${ROSTER_DB_PASSWORD:?}" "${CELERY_DB_PASSWORD:?}"
ROSTER_OWNER_DB_PASSWORD="${ROSTER_OWNER_DB_PASSWORD:-}"
export ROSTER_OWNER_DB_PASSWORD

# psql reads the passwords from the environment, so that no list of processes shows them.
psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv airflow AIRFLOW_DB_PASSWORD
\getenv roster ROSTER_DB_PASSWORD
\getenv owner ROSTER_OWNER_DB_PASSWORD
\getenv celery CELERY_DB_PASSWORD
select :'owner' <> '' as has_owner \gset

create temporary table wanted as
select * from (values
    ('airflow', :'airflow', 'airflow'),
    ('roster', :'roster', case when :'owner' <> '' then 'roster_owner' else 'roster' end),
    ('roster_owner', nullif(:'owner', ''), null),
    ('celery', :'celery', 'celery')
) of (role, password, owner) where password is not null;

select format('create role %I login', role) from wanted
where role not in (select rolname from pg_roles) \gexec
select format('alter role %I password %L', role, password) from wanted \gexec
select format('create database %I owner %I', role, owner) from wanted
where owner is not null and role not in (select datname from pg_database) \gexec
revoke connect on database airflow, roster, celery from public;
grant connect, temporary on database roster to roster;

select 'create role roster_reader nologin'
where to_regrole('roster_reader') is null \gexec
grant connect on database roster to roster_reader;

\if :has_owner
alter database roster owner to roster_owner;
grant connect, temporary on database roster to roster;
\connect roster
revoke create on schema public from public;
-- The tables of an installation in which one role owned and used them.
select exists (select from pg_class where relowner = to_regrole('roster')) as had_tables \gset
\if :had_tables
reassign owned by roster to roster_owner;
\endif
\endif

\connect roster
-- If the tables exist, grant the role its views now; otherwise `oneroster migrate` does so later.
select to_regprocedure('make_reader_views()') is not null as has_views \gset
\if :has_views
select make_reader_views() \g /dev/null
\endif
SQL
