"""How Sphinx makes a site of the documentation: `make docs` serves it, `make check` builds it.

A warning fails the build, so a link into the project, a heading or a Python name that is not there
does too. Addresses elsewhere are not asked for: the build needs no network.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_PROJECT = Path(__file__).resolve().parents[1]
_BUILD = _PROJECT / "build"
_AT_THE_TOP = {
    "index": "README.md",
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
}
"""Pages of the site whose text is a file at the top of the project, where its readers look."""

project = "OneRoster sync"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinxcontrib.openapi",
]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
autodoc_typehints = "none"  # the signature has them
napoleon_use_ivar = True
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = project
html_favicon = None
html_copy_source = False
html_show_sphinx = False


def _write_openapi(app: Sphinx) -> None:
    """Write what the API says of itself: the reference is made from it."""
    del app
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(_BUILD / "airflow"),
        "PYTHONPATH": str(_PROJECT / "plugins"),
    }
    _BUILD.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "oneroster_airflow.api", str(_BUILD / "openapi.json")]
    subprocess.run(command, env=environment, check=True)
    document = json.loads((_BUILD / "openapi.json").read_text("utf-8"))
    operations = [one for path in document["paths"].values() for one in path.values()]
    for operation in operations:  # FastAPI takes the summary from the description's first line
        first, _, rest = operation["description"].partition("\n\n")
        operation["description"] = rest if first.rstrip(".") == operation["summary"] else first
    document["paths"] = {f"/oneroster{path}": them for path, them in document["paths"].items()}
    (_BUILD / "api-reference.json").write_text(json.dumps(document), "utf-8")


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    """Give a page the text of its file at the top, and have links lead within the site."""
    lies_in = (Path(app.srcdir) / page).parent
    if name := _AT_THE_TOP.get(page):
        app.env.note_dependency(str(_PROJECT / name), docname=page)
        source[0] = (_PROJECT / name).read_text("utf-8") + source[0]
        lies_in = _PROJECT

    def of_the_site(link: re.Match[str]) -> str:
        path, mark, heading = link[1].partition("#")
        if "://" in path or not path:
            return link[0]
        file = (lies_in / path).resolve()
        if file.is_dir() and (file / "README.md").exists():
            file /= "README.md"
        for at_the_top, name in _AT_THE_TOP.items():
            if file == _PROJECT / name:
                file = Path(app.srcdir) / f"{at_the_top}.md"
        start = (Path(app.srcdir) / page).parent
        return f"]({os.path.relpath(file, start)}{mark}{heading})"

    source[0] = re.sub(r"\]\(([^)\s]+)\)", of_the_site, source[0])


def setup(app: Sphinx) -> None:
    """Have the description of the API there first, and every page read by us."""
    app.connect("builder-inited", _write_openapi)
    app.connect("source-read", _read)
