"""The DAG file: defines all DAGs, or for a task only the DAG of the task."""

from oneroster_airflow.dags import *  # noqa: F403 - which DAGs there are depends on the sites
