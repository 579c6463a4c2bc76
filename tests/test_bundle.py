"""The bundle that Airflow loads has all pages in one file, and nothing that Airflow already has."""

from __future__ import annotations

import json
import re

from oneroster_airflow.ui import BUNDLE, FOLDER
from oneroster_sync.settings import PROJECT

GIVEN = {"React", "ReactJSXRuntime", "ReactRouterDOM", "ChakraUI"}
"""Globals that Airflow provides to plugins; all plugins share the same instance."""
MOST_BYTES = 300_000


def text() -> str:
    """Return the committed bundle."""
    return (FOLDER / BUNDLE).read_text("utf-8")


def test_only_what_airflow_gives_is_taken_from_outside() -> None:
    """The bundle is one function of Airflow's globals, without any import."""
    taken = re.search(r"\}\)\(([\w,]+)\);\s*$", text())
    assert taken
    assert set(taken[1].split(",")) == GIVEN
    assert not re.search(r"\bimport\s*[({*\"'\w]|\bexport\s*[{*]|\brequire\(\"", text())


def test_no_second_react_comes_along() -> None:
    """The bundle has no React, router or Chakra, which would not share Airflow's theme."""
    for mark in ("react.transitional.element", "__reactRouterVersion", "defineRecipe", "zag-js"):
        assert mark not in text(), mark


def test_the_file_stays_small() -> None:
    """The bundle has at most 300,000 bytes, because a browser loads it before the first page.

    It may grow by a page, but not by a library.
    """
    assert len(text().encode()) <= MOST_BYTES


def test_the_icons_are_beside_it() -> None:
    """The icons of the navigation are built together with the pages."""
    assert {file.name for file in FOLDER.iterdir()} == {BUNDLE, "icon.svg", "icon-dark.svg"}


def test_every_version_is_pinned() -> None:
    """Each package of the build has an exact version, so that builds are reproducible."""
    package = json.loads((PROJECT / "ui/package.json").read_text("utf-8"))
    lock = json.loads((PROJECT / "ui/package-lock.json").read_text("utf-8"))
    wanted = package["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert lock["packages"][""]["devDependencies"] == wanted
    assert not any("resolved" in one for one in lock["packages"].values())
