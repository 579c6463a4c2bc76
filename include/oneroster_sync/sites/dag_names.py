"""Names of DAGs, tasks and assets, and ids of runs, for the DAG file and the pages."""

from __future__ import annotations

import uuid

from oneroster_sync.identifiers import is_site_name

SYNC = "oneroster_sync__"
UPLOAD = "oneroster_upload__"
WATCH = "oneroster_watch"
"""The DAG that checks every site once a day."""
STAGES = ("extract", "validate", "diff", "review", "apply", "record")
"""The six stages, in order."""
REVIEW_DECISION = "review_decision"
"""The task that waits while a plan is held; it belongs to the stage review."""
RECORD_REMOVALS = "record_removals"
"""The task that starts the run of the pending removals; it belongs to the stage record."""
TASKS = {
    **{stage: (stage,) for stage in STAGES},
    "review": ("review", REVIEW_DECISION),
    "record": ("record", RECORD_REMOVALS),
}
"""The task ids of each stage, in order."""

ROSTER_CHANGED = "oneroster_roster_changed"
"""The asset alias that lets a DAG wait for a change of any site's roster."""
ASSETS = "oneroster://"
"""Prefix of the URIs of our assets; the site follows."""

# Another namespace would give every stored run of a DAG run another id.
_RUNS = uuid.UUID("6f1f0d0e-0a53-4e43-9a3f-5f0c9b6f2a51")


def sync_dag_id(site: str) -> str:
    """Return the id of the DAG for the site's automatic syncs."""
    return SYNC + site


def upload_dag_id(site: str) -> str:
    """Return the id of the DAG for the site's uploads."""
    return UPLOAD + site


def roster_asset(site: str) -> str:
    """Return the URI of the asset that gets an event at each change of the site's roster."""
    return f"{ASSETS}{site}/roster"


def source_asset(site: str) -> str:
    """Return the URI of the asset that represents the site's source."""
    return f"{ASSETS}{site}/source"


def arrivals_asset(site: str) -> str:
    """Return the URI of the asset that gets an event when a new package is at the site's source.

    This is not the asset of the source, because Airflow drops the watcher of an asset that is also
    the inlet of a task.
    """
    return f"{ASSETS}{site}/arrivals"


def site_of_asset(uri: str) -> str | None:
    """Return the site of an asset, or None if the asset is not ours."""
    site, _, name = uri.removeprefix(ASSETS).partition("/")
    return site if uri.startswith(ASSETS) and name and is_site_name(site) else None


def site_of(dag_id: str) -> str | None:
    """Return the site of a DAG, or None if the DAG is not one of a site."""
    for prefix in (SYNC, UPLOAD):
        site = dag_id.removeprefix(prefix)
        if site != dag_id and is_site_name(site):
            return site
    return None


def run_id_of(dag_id: str, dag_run_id: str) -> str:
    """Return the run's id for a DAG run; it stays the same when tasks are retried or cleared."""
    return str(uuid.uuid5(_RUNS, f"{dag_id}/{dag_run_id}"))
