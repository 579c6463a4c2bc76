"""Measurements that anybody can repeat; what they came to stands in docs/performance.md."""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

# The tests' districts lend their columns and names, and their Airflow.
sys.path.append(str(PROJECT / "tests"))
