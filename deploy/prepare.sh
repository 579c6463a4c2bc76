#!/bin/sh
# Prepare the databases before any service starts: create or upgrade the tables of Airflow and of
# the roster, FAB's roles and its first administrator. Safe to run again; run it at every upgrade.
set -eu

airflow db migrate
oneroster migrate
python -m oneroster_airflow.fab_setup
