"""The table of docs/design/house.md: a newcomer finds the place of a task by its noun."""

from __future__ import annotations

import re

import pytest

from oneroster_sync.settings import PROJECT

PAGE = PROJECT / "docs/design/house.md"
_ROW = re.compile(r"^\| ([^|`]+) \| ([^|`]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


def tasks() -> list[tuple[str, str, list[str], list[str]]]:
    """Return each row: the task, its noun, the files to edit, and the words to look for."""
    rows = _ROW.findall(PAGE.read_text("utf-8"))
    return [
        (task, noun, _CODE.findall(files), _CODE.findall(words))
        for task, noun, files, words in rows
        if not task.startswith(("to …", "---"))
    ]


def test_there_are_twelve_tasks() -> None:
    """The page names twelve tasks of newcomers."""
    assert len(tasks()) == 12


@pytest.mark.parametrize(
    ("task", "noun", "files", "words"), tasks(), ids=lambda value: str(value)[:40]
)
def test_noun_of_a_task_is_in_the_path(
    task: str, noun: str, files: list[str], words: list[str]
) -> None:
    """One or two files are edited; the first has the noun in its path, and each holds its word."""
    assert 1 <= len(files) <= 2, task
    assert noun in files[0], task
    for file, word in zip(files, words if len(words) == len(files) else words * 2, strict=False):
        assert word in (PROJECT / file).read_text("utf-8"), (file, word)
