"""Where things live: settings by environment variable, each with an embedded default.

| variable                 | unset means                                                    |
|--------------------------|----------------------------------------------------------------|
| `ONEROSTER_HOME`         | `.oneroster/` in the project                                   |
| `ONEROSTER_DATABASE_URL` | the PostgreSQL that this project starts in `ONEROSTER_HOME`     |
| `ONEROSTER_STORAGE_URL`  | the folder `storage/` of `ONEROSTER_HOME`                       |
"""

from __future__ import annotations

import os
from pathlib import Path

from upath import UPath

PROJECT = Path(__file__).resolve().parents[2]
"""The checkout: the folder that holds dags/, plugins/, include/ and expectations/."""


def home() -> Path:
    """Return the folder of the embedded PostgreSQL, the packages, the snapshots and the reports."""
    return Path(os.environ.get("ONEROSTER_HOME") or PROJECT / ".oneroster").absolute()


def database_url() -> str | None:
    """Return the URL of the roster database, or None for the embedded PostgreSQL."""
    return os.environ.get("ONEROSTER_DATABASE_URL") or None


def storage() -> UPath:
    """Return the root under which packages, snapshots, plans and reports are kept."""
    return UPath(os.environ.get("ONEROSTER_STORAGE_URL") or (home() / "storage").as_uri())


def expectations() -> Path:
    """Return the folder of the Great Expectations suites."""
    return Path(os.environ.get("ONEROSTER_EXPECTATIONS") or PROJECT / "expectations")
