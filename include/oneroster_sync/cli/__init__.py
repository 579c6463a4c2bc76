"""The command line: the same stages as the DAGs', without Airflow.

Exit codes: 0 done, 1 failed, 2 usage, 3 held, 4 rejected.
"""

from oneroster_sync.cli import keeping, looking, running, siting
from oneroster_sync.cli.console import FAILED, HELD, REJECTED, main

__all__ = ["FAILED", "HELD", "REJECTED", "keeping", "looking", "main", "running", "siting"]
