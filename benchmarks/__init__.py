"""Benchmarks that anybody can repeat; docs/performance.md contains the results."""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

# The generator and the Airflow of the tests are used here as well.
sys.path.append(str(PROJECT / "tests"))
