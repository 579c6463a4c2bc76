"""The glossary page comes from its source, and no file uses the phrases that it replaces."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from glossary import PAGE, SOURCE, format_glossary, read_words
from oneroster_sync.settings import PROJECT

AVOIDED = [
    (word, pattern) for word, entry in read_words().items() for pattern in entry.get("not", ())
]


def test_page_is_made_of_the_source() -> None:
    """docs/reference/glossary.md is what the generator prints."""
    assert PAGE.read_text("utf-8") == format_glossary()


@pytest.mark.parametrize(("word", "pattern"), AVOIDED)
def test_replaced_words_are_not_used(word: str, pattern: str) -> None:
    """No file of code, docs or pages uses a phrase that a word of the glossary replaces."""
    listed = subprocess.run(
        [
            str(shutil.which("git")),
            "ls-files",
            "*.py",
            "*.md",
            "*.toml",
            "*.json",
            "*.ts",
            "*.tsx",
            "*.js",
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    found = [
        name
        for name in listed
        if PROJECT / name not in {SOURCE, PROJECT / "CHANGELOG.md"}
        and "migrations/versions" not in name
        and (PROJECT / name).exists()
        and re.search(pattern, (PROJECT / name).read_text("utf-8"))
    ]
    assert found == [], f"use {word!r}"
