"""How DAGs, DAG runs and our runs are named, for the DAG file and the pages alike."""

from __future__ import annotations

import uuid

from oneroster_sync.identifiers import is_site_name

SYNC = "oneroster_sync__"
UPLOAD = "oneroster_upload__"
WATCH = "oneroster_watch"
"""The one DAG that looks at every site once a day."""
STAGES = ("extract", "validate", "diff", "review", "apply", "record")
"""The six stages, in order."""
REVIEW_DECISION = "review_decision"
"""The task that waits while a plan is held; it belongs to the stage review."""
RECORD_REMOVALS = "record_removals"
"""The task that starts the run of removals that wait; it belongs to the stage record."""
TASKS = {
    **{stage: (stage,) for stage in STAGES},
    "review": ("review", REVIEW_DECISION),
    "record": ("record", RECORD_REMOVALS),
}
"""The task ids of each stage, in order."""

ROSTER_CHANGED = "oneroster_roster_changed"
"""The alias by which a DAG can wait for a change of any site's roster."""
ASSETS = "oneroster://"
"""What the URI of each asset of ours begins with; the site follows."""

_RUNS = uuid.UUID("6f1f0d0e-0a53-4e43-9a3f-5f0c9b6f2a51")


def sync_dag_id(site: str) -> str:
    """Return the DAG that follows the site's schedule."""
    return SYNC + site


def upload_dag_id(site: str) -> str:
    """Return the DAG that runs what somebody brings."""
    return UPLOAD + site


def roster_asset(site: str) -> str:
    """Return the URI of the asset that has an event whenever the site's roster has changed."""
    return f"{ASSETS}{site}/roster"


def source_asset(site: str) -> str:
    """Return the URI of the asset that stands for the site's source, wherever that is."""
    return f"{ASSETS}{site}/source"


def arrivals_asset(site: str) -> str:
    """Return the URI of the asset that has an event when a new package is at the site's source.

    It is another one than that of the source: Airflow forgets the watcher of an asset that is the
    inlet of a task too.
    """
    return f"{ASSETS}{site}/arrivals"


def site_of_asset(uri: str) -> str | None:
    """Return the site that an asset is of; None when it is none of ours."""
    site, _, name = uri.removeprefix(ASSETS).partition("/")
    return site if uri.startswith(ASSETS) and name and is_site_name(site) else None


def site_of(dag_id: str) -> str | None:
    """Return the site that a DAG is of; None when it is none of ours."""
    for prefix in (SYNC, UPLOAD):
        site = dag_id.removeprefix(prefix)
        if site != dag_id and is_site_name(site):
            return site
    return None


def run_id_of(dag_id: str, dag_run_id: str) -> str:
    """Return the id of the run that a DAG run is: tried or cleared again, it is the same."""
    return str(uuid.uuid5(_RUNS, f"{dag_id}/{dag_run_id}"))
