"""The command line: the same stages as in the DAGs, without Airflow.

Exit codes: 0 done, 1 failed, 2 usage, 3 held, 4 rejected, 5 different (`compare --exit-code`).
"""

from oneroster_sync.cli import maintenance, queries, runs, sites
from oneroster_sync.cli.app import DIFFERENT, FAILED, HELD, REJECTED, main

__all__ = [
    "DIFFERENT",
    "FAILED",
    "HELD",
    "REJECTED",
    "main",
    "maintenance",
    "queries",
    "runs",
    "sites",
]
