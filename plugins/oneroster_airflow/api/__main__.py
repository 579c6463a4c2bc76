"""Write the OpenAPI document to a file, from which the types of the pages are generated."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from oneroster_airflow.api.app import create_app, describe

if __name__ == "__main__":
    # A file, because Airflow writes to the standard output on import.
    Path(sys.argv[1]).write_text(json.dumps(describe(create_app()), indent=1), "utf-8")
