"""The provider metadata for Airflow, and the one option in Airflow's configuration.

Airflow calls `get_provider_info` while it builds its configuration, in each of its commands. So
this module must not import Airflow when it is loaded: no command would start (circular import).

Since the URL is an option of Airflow, a command (`database_url_cmd`) or the secrets backend
(`database_url_secret`) can supply it too, and Airflow masks it in logs.
"""

from __future__ import annotations

import configparser
import functools
import os
import sys
from pathlib import Path
from typing import Any

__version__ = "0.2.0"
"""The version, available even if the package was copied and not installed."""
SECTION, OPTION = "oneroster", "database_url"
_VARIABLE = f"AIRFLOW__{SECTION}__{OPTION}".upper()


def get_provider_info() -> dict[str, Any]:
    """Return the provider metadata of the package, with its option in Airflow's configuration."""
    return {
        "package-name": "oneroster-sync",
        "name": "OneRoster sync",
        "description": "Keeps staff, courses and course assignments in step with a school's SIS.",
        "versions": [__version__],
        "asset-uris": [
            {
                "schemes": ["oneroster"],
                "handler": None,
                "to_openlineage_converter": "oneroster_airflow.lineage.convert_asset",
            }
        ],
        "config": {
            SECTION: {
                "description": "OneRoster sync: the other settings are variables ONEROSTER_….",
                "options": {
                    OPTION: {
                        "description": (
                            "URL of the roster database, PostgreSQL 15 or newer and not Airflow's "
                            "own. The variable ONEROSTER_DATABASE_URL goes before it."
                        ),
                        "version_added": "0.3.0",
                        "type": "string",
                        "sensitive": True,
                        "example": "postgresql://oneroster@db.example.org/roster",
                        "default": None,
                    },
                },
            },
        },
    }


def find_database_url() -> str | None:
    """Return the URL from Airflow's configuration, or None if it is not set.

    If nothing can have set the option, Airflow is not imported: the import takes a second, and
    creates a folder for Airflow's configuration.
    """
    given = tuple(item for item in os.environ.items() if item[0].startswith(_VARIABLE))
    if not given and "airflow" not in sys.modules and not _is_in_file():
        return None
    return _look_up(given)


def _is_in_file() -> bool:
    """Return whether Airflow's configuration file sets the option in any of its forms."""
    home = os.environ.get("AIRFLOW_HOME") or "~/airflow"
    file = os.environ.get("AIRFLOW_CONFIG") or Path(home) / "airflow.cfg"
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read(Path(file).expanduser(), "utf-8")
    except (configparser.Error, OSError, UnicodeError):
        return True  # let Airflow report the error
    names = (OPTION, f"{OPTION}_cmd", f"{OPTION}_secret")
    return any(parser.has_option(SECTION, name) for name in names)


@functools.cache  # a command or a secrets backend may take seconds
def _look_up(_given: tuple[tuple[str, str], ...]) -> str | None:
    try:
        from airflow.sdk.configuration import conf
    except ImportError:
        return None
    found: str | None = conf.get(SECTION, OPTION, fallback=None)
    return (found or "").strip() or None  # the output of a command ends with a line break
