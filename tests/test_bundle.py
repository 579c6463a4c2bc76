"""The file that Airflow loads: all pages in one, and nothing in it that Airflow has already."""

from __future__ import annotations

import json
import re

from oneroster_airflow.ui import BUNDLE, FOLDER
from oneroster_sync.settings import PROJECT

GIVEN = {"React", "ReactJSXRuntime", "ReactRouterDOM", "ChakraUI"}
"""What Airflow makes global for plugins, and tells the same instance of to all of them."""
MOST_BYTES = 300_000


def text() -> str:
    """Return the file as it is committed."""
    return (FOLDER / BUNDLE).read_text("utf-8")


def test_only_what_airflow_gives_is_taken_from_outside() -> None:
    """The pages are one function of Airflow's globals; nothing is left to import."""
    taken = re.search(r"\}\)\(([\w,]+)\);\s*$", text())
    assert taken
    assert set(taken[1].split(",")) == GIVEN
    assert not re.search(r"\bimport\s*[({*\"'\w]|\bexport\s*[{*]|\brequire\(\"", text())


def test_no_second_react_comes_along() -> None:
    """A React, a router or a Chakra of our own would not know the theme and the address."""
    for mark in ("react.transitional.element", "__reactRouterVersion", "defineRecipe", "zag-js"):
        assert mark not in text(), mark


def test_the_file_stays_small() -> None:
    """A browser reads it before the first page: 333,000 bytes it was before it was built.

    It may grow by a page, never by a library.
    """
    assert len(text().encode()) <= MOST_BYTES


def test_the_icons_are_beside_it() -> None:
    """What the navigation shows is built with the pages."""
    assert {file.name for file in FOLDER.iterdir()} == {BUNDLE, "icon.svg", "icon-dark.svg"}


def test_every_version_is_pinned() -> None:
    """The same sources give the same file: no package of the build is left to a range."""
    package = json.loads((PROJECT / "ui/package.json").read_text("utf-8"))
    lock = json.loads((PROJECT / "ui/package-lock.json").read_text("utf-8"))
    wanted = package["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert lock["packages"][""]["devDependencies"] == wanted
    assert not any("resolved" in one for one in lock["packages"].values())
