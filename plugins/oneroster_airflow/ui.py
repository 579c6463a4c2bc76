"""The pages as `ui/` builds them, and where Airflow shows them."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("dist")
BUNDLE = "oneroster.js"


@functools.cache
def fingerprint() -> str:
    """Return a name for the files as they are now, so that a browser may keep them for good."""
    digest = hashlib.sha256()
    for file in sorted(FOLDER.rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(FOLDER).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def react_apps() -> list[dict[str, Any]]:
    """Return the pages as Airflow wants them: one in its navigation, one at every DAG run."""
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
