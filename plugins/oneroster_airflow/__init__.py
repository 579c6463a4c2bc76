"""The Airflow plugin, which Airflow finds in two ways: installed, or copied to its plugins folder.

Installed, it is found by the entry point `airflow.plugins`. Copied, this file is run under the name
`__init__`, hence no relative imports, and the plugin is offered here. Airflow reports a plugin that
it finds twice as an error, so a copy beside an installation offers nothing.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution


def is_installed() -> bool:
    """Return whether Airflow finds the plugin of an installed package."""
    try:
        points = distribution("oneroster-sync").entry_points
    except PackageNotFoundError:
        return False
    return any(point.group == "airflow.plugins" for point in points)


if __name__ != "oneroster_airflow" and not is_installed():
    from oneroster_airflow.plugin import OneRosterPlugin

    __all__ = ["OneRosterPlugin", "is_installed"]
