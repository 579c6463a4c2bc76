"""Register the pages that `ui/` builds with Airflow."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("dist")
BUNDLE = "oneroster.js"


@functools.cache
def fingerprint() -> str:
    """Return a name for the current files, so that a browser may cache them permanently."""
    digest = hashlib.sha256()
    for file in sorted(FOLDER.rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(FOLDER).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def react_apps() -> list[dict[str, Any]]:
    """Return the pages for Airflow: one in its navigation, one at every DAG run."""
    # Without a slash at the beginning: it is relative to Airflow's base URL, which may have a path.
    files = f"oneroster/static/{fingerprint()}"
    shared = {
        "bundle_url": f"{files}/{BUNDLE}",
        "icon": f"{files}/icon.svg",
        "icon_dark_mode": f"{files}/icon-dark.svg",
    }
    return [
        {
            **shared,
            "name": "OneRoster",
            "destination": "nav",
            "url_route": "oneroster",
            "nav_top_level": True,
        },
        {**shared, "name": "OneRoster run", "destination": "dag_run", "url_route": "oneroster-run"},
    ]
