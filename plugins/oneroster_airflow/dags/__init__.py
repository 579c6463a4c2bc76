"""All DAGs: two for each site, and the watch. `from oneroster_airflow.dags import *` is a DAG file.

The names are created on access. Airflow may read a DAG file many times in one process but imports
this package only once, and each reading must find the current sites.
"""

from __future__ import annotations

from airflow.sdk import DAG, get_parsing_context

from oneroster_sync.sites import dag_names


def list_dag_ids() -> list[str]:
    """Return the id of the DAG that a task needs, or of all DAGs outside a task."""
    asked = get_parsing_context().dag_id
    # Airflow parses the file in each task's process: with 1,000 sites, a run of six tasks took 31 s
    # while each built all DAGs, and 3 s since each builds its own.
    if asked is not None:
        return [asked] if asked == dag_names.WATCH or dag_names.site_of(asked) else []
    from oneroster_sync.sites.dag_sites import site_names

    both = (dag_names.sync_dag_id, dag_names.upload_dag_id)
    return [*(dag_id(site) for site in site_names() for dag_id in both), dag_names.WATCH]


def make_dag(dag_id: str) -> DAG:
    """Make the DAG of one of our ids."""
    if dag_id == dag_names.WATCH:
        from oneroster_airflow.dags.watch_dag import watch_dag

        return watch_dag()
    from oneroster_airflow.dags.site_dags import sync_dag, upload_dag

    site = dag_names.site_of(dag_id)
    if site is None:
        raise ValueError(f"{dag_id} is not a DAG of OneRoster")
    return sync_dag(site) if dag_id == dag_names.sync_dag_id(site) else upload_dag(site)


def __getattr__(name: str) -> object:
    """Return the names for `import *`, or one of the DAGs."""
    if name == "__all__":
        return list_dag_ids()
    if name == dag_names.WATCH or dag_names.site_of(name):
        return make_dag(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
