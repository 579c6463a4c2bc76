"""Stages 3 and 4, diff and review: from valid rows and the roster to a frozen plan, and a verdict.

Nothing here reads a clock, a file or a database. `build` puts a plan together from `users`,
`courses` and `assignments`; `links` says which classes and enrollments hold from now on; `claims`
settles who owns a login; `guards` judges a plan; `definition` is the plan itself and its hash.
`mapped` plans what people say of sourcedIds, `adoption` tells what they may say of accounts.
"""

from __future__ import annotations

from oneroster_sync.plan.build import build_plan
from oneroster_sync.plan.definition import Counts, Plan
from oneroster_sync.plan.guards import check_plan
from oneroster_sync.plan.holds import Hold
from oneroster_sync.plan.roster import Roster

__all__ = ["Counts", "Hold", "Plan", "Roster", "build_plan", "check_plan"]
