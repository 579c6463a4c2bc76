"""Airflow's command line, with everything loaded that the tasks of a run need.

    python -m oneroster_sync.stages.preload scheduler        in place of `airflow scheduler`
    python -m oneroster_sync.stages.preload celery worker    in place of `airflow celery worker`

On Linux both run each task in a fork of themselves. What they have loaded before, no task loads
again: that is most of what a small district's run would take (docs/performance.md). Where tasks are
no forks (macOS), nothing is gained and nothing is lost.
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
"""What brings with it all that the DAG file and the stages ask for, some of it late."""


def load() -> None:
    """Load what the tasks need."""
    from oneroster_sync.stages.validate import gx_loader

    gx_loader.load()
    for name in MODULES:
        importlib.import_module(name)


if __name__ == "__main__":
    load()
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)
