"""Where things live: settings by environment variable, each with an embedded default.

| variable                 | unset means                                                    |
|--------------------------|----------------------------------------------------------------|
| `ONEROSTER_HOME`         | `.oneroster/` in the project                                   |
| `ONEROSTER_DATABASE_URL` | the PostgreSQL that this project starts in `ONEROSTER_HOME`     |
| `ONEROSTER_STORAGE_URL`  | the folder `storage/` of `ONEROSTER_HOME`                       |
| `ONEROSTER_PACKED_MIB`   | a zip may have 512 MiB                                         |
| `ONEROSTER_UNPACKED_MIB` | the files of a package may have 4,096 MiB in all               |
"""

from __future__ import annotations

import os
from pathlib import Path

from upath import UPath

PROJECT = Path(__file__).resolve().parents[2]
"""The checkout: the folder that holds dags/, plugins/, include/ and expectations/."""


class SettingError(ValueError):
    """A setting holds what it can't; the message names it."""


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


def mebibytes(name: str, unset: int) -> int:
    """Return a limit in bytes, from a variable that holds whole mebibytes.

    Raises:
        SettingError: It holds anything else.
    """
    value = os.environ.get(name) or str(unset)
    if not (value.isascii() and value.isdigit() and int(value)):
        raise SettingError(f"{name} is {value!r}; it takes a whole number of MiB, 1 or more")
    return int(value) << 20
