"""Runs: the record of each, what its stages left, and how it is told.

`runs.get`, `runs.update` and the like are of `store`, the record itself of `model`; `artifacts` is
a run's folder, `queries` and `run_details` answer pages, `reuse` finds an earlier run whose results
hold, `superseded` ends held runs that
nobody decided.
"""

from __future__ import annotations

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
