#!/bin/sh
# Three databases, each with a role of its own that can use no other: Airflow's metadata, the
# roster, and Celery's results. PostgreSQL's image runs this once, when its volume is empty; on a
# server of your own, run it as a role that may make roles and databases.
set -eu

: "${AIRFLOW_DB_PASSWORD:?}" "${ROSTER_DB_PASSWORD:?}" "${CELERY_DB_PASSWORD:?}"

# Passwords are read from the environment by psql itself, so that no list of processes shows them.
psql -v ON_ERROR_STOP=1 --no-psqlrc --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv airflow AIRFLOW_DB_PASSWORD
\getenv roster ROSTER_DB_PASSWORD
\getenv celery CELERY_DB_PASSWORD
create role airflow login password :'airflow';
create role roster login password :'roster';
create role celery login password :'celery';
create database airflow owner airflow;
create database roster owner roster;
create database celery owner celery;
revoke connect on database airflow, roster, celery from public;
SQL
