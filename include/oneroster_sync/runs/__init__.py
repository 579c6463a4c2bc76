"""Runs: their records, artifacts and logs.

`model` has the record and `store` reads and writes it (`runs.get`, `runs.update`). `artifacts` is
the folder of a run. `queries` and `run_details` serve the pages. `reuse` finds an earlier run whose
results can be reused. `superseded` ends held runs without a decision.

The names are imported on first use, because `repeat` must not load what the other modules import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oneroster_sync.runs.model import Outcome, Run, Trigger, UnknownRunError
    from oneroster_sync.runs.store import (
        begin,
        exists,
        find,
        find_first_after,
        find_removals_run,
        get,
        list_newest,
        list_unfinished,
        make_runs,
        mark_cut_off,
        save_findings,
        select_runs,
        update,
    )

__all__ = [
    "Outcome",
    "Run",
    "Trigger",
    "UnknownRunError",
    "begin",
    "exists",
    "find",
    "find_first_after",
    "find_removals_run",
    "get",
    "list_newest",
    "list_unfinished",
    "make_runs",
    "mark_cut_off",
    "save_findings",
    "select_runs",
    "update",
]

_OF_MODEL = {"Outcome", "Run", "Trigger", "UnknownRunError"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{'model' if name in _OF_MODEL else 'store'}")
    globals()[name] = found = getattr(home, name)
    return found
