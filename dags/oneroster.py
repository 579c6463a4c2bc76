"""The DAG file: all DAGs, for whoever lists them, or the one that a task asks for."""

from oneroster_airflow.dags import *  # noqa: F403 - which DAGs there are depends on the sites
