"""Airflow's command line, with all modules imported that the tasks of a run need.

    python -m oneroster_sync.stages.preload scheduler        in place of `airflow scheduler`
    python -m oneroster_sync.stages.preload celery worker    in place of `airflow celery worker`

On Linux both run each task in a fork of themselves, and a task does not import again what the
parent has imported: that is most of the time of a small district's run (docs/performance.md). Where
tasks are not forks (macOS), the module makes no difference.
"""

from __future__ import annotations

import importlib
import runpy

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


def load() -> None:
    """Import the modules that the tasks need."""
    from oneroster_sync.stages.validate import gx_loader

    gx_loader.load()
    for name in MODULES:
        importlib.import_module(name)


if __name__ == "__main__":
    load()
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)
