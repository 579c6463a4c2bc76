#!/bin/sh
# What has to be there before any service starts: the tables of Airflow and of the roster, FAB's
# roles and its first administrator. Safe to run again, and to be run at every upgrade.
set -eu

airflow db migrate
oneroster migrate
python -m oneroster_airflow.fab_setup
