"""Run Airflow's command line after importing everything that its forked processes need.

    python -m oneroster_sync.stages.preload scheduler        in place of `airflow scheduler`
    python -m oneroster_sync.stages.preload celery worker    in place of `airflow celery worker`
    python -m oneroster_sync.stages.preload dag-processor    in place of `airflow dag-processor`

On Linux, Airflow forks a process for each task and for each reading of a DAG file. A fork does not
import again what its parent imported: that is most of the time that a small district's run takes
(docs/performance.md). macOS does not fork, so nothing is gained and nothing is lost there.
"""

from __future__ import annotations

import gc
import importlib
import runpy
import sys
from contextlib import suppress

MODULES = (
    "airflow.providers.standard.operators.hitl",
    "airflow.providers.standard.operators.trigger_dagrun",
    "oneroster_sync.pipeline",
    "oneroster_sync.stages.validate.gx_runner",
    "pandas.core.methods.to_dict",
    "pyarrow.acero",
    "pyarrow.dataset",
    "great_expectations.render.renderer.site_builder",
    "jinja2.ext",
    "upath.implementations.local",
)
"""Modules that import all that the DAG file and the stages need, lazy imports included."""

DAGS = ("oneroster_airflow.dags.site_dags", "oneroster_airflow.dags.watch_dag")
"""What the DAG file imports."""


def load() -> None:
    """Import the modules that the tasks need."""
    from oneroster_sync.stages.validate import gx_loader

    gx_loader.load()
    for name in MODULES:
        importlib.import_module(name)
    load_dags()


def load_dags() -> None:
    """Import what a process needs that reads the DAG file, as each task does first."""
    for name in DAGS:
        # Airflow itself puts a folder of plugins on the path, later than this.
        with suppress(ModuleNotFoundError):
            importlib.import_module(name)
    # With its first asset, Airflow 3.3 imports all providers' handlers of asset addresses: Amazon's
    # brings boto3, which takes longer than the rest of the DAG file.
    importlib.import_module("airflow.sdk").Asset("oneroster://default/roster")


if __name__ == "__main__":
    # Imports make hardly any garbage, and the search for it takes a quarter of their time.
    gc.disable()
    if sys.argv[1:2] == ["dag-processor"]:
        load_dags()
    else:
        load()
    gc.enable()
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)
