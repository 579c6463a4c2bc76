"""The guide is correct: its links exist, and its commands have the printed arguments."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from oneroster_sync.cli import main
from oneroster_sync.sites.preferences import Preferences

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[1]
GUIDE = PROJECT / "docs" / "guide"
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(PROJECT.glob("docs/**/*.md"))]
OF_ALL = {option for parameter in main.params for option in parameter.opts}
"""Options that come before the command."""


def _name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def shell_lines(page: Path) -> Iterator[list[str]]:
    """Yield the words of each line of a page's shell blocks, without comments."""
    for block in re.findall(r"(?ms)^ *```sh\n(.*?)^ *```", page.read_text("utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            ends = [words.index(sign) for sign in "<>" if sign in words]
            yield words[: min(ends, default=len(words))]


def commands_of(page: Path) -> list[list[str]]:
    """Return the words of each `oneroster` command of a page, in its blocks and in its text."""
    named = [words for words in shell_lines(page) if words and Path(words[0]).name == "oneroster"]
    spans = re.findall(r"`(oneroster [a-z-][^`]*)`", page.read_text("utf-8"))
    return [words[1:] for words in (*named, *map(shlex.split, spans))]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """The target of each link inside the project exists, pictures included."""
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    inner = [link.partition("#")[0] for link in links if "://" not in link]
    assert [link for link in inner if link and not (page.parent / link).exists()] == []


def test_every_page_of_the_guide_is_listed() -> None:
    """The guide's list has every page of the guide."""
    pages = {page.name for page in GUIDE.glob("*.md")} - {"README.md"}
    index = (GUIDE / "README.md").read_text("utf-8")
    assert pages == set(re.findall(r"\]\(([a-z-]+\.md)\)", index))


def test_every_picture_is_of_both_themes() -> None:
    """Each picture exists in the light and in the dark theme."""
    pictures = [path.stem.rpartition("-") for path in (PROJECT / "docs/pictures").glob("*.png")]
    names = {name for name, _, _ in pictures}
    wanted = {(name, "-", theme) for name in names for theme in ("light", "dark")}
    assert set(pictures) == wanted


@pytest.mark.parametrize("page", [PAGES[0], *sorted(GUIDE.glob("*.md"))], ids=_name)
def test_every_command_is_understood(page: Path) -> None:
    """Each printed command parses, and each printed setting is a preference."""
    for words in commands_of(page):
        while words and words[0] in OF_ALL:
            words.pop(0)
        if not words:
            continue
        name, *rest = words
        command: click.Command = main.commands[name]
        while isinstance(command, click.Group) and rest:
            name, *rest = rest
            command = command.commands[name]
        if not rest:
            continue
        found = command.make_context(name, rest).params
        for setting in found.get("settings", ()):
            chosen: Any = Preferences(site="any").model_dump()
            for part in setting.partition("=")[0].split("."):
                assert part in chosen, f"{setting} of {page.name}"
                chosen = chosen[part]


def test_every_target_of_make_is_there() -> None:
    """Each make target that the guide uses is in the Makefile."""
    targets = set(re.findall(r"(?m)^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8")))
    lines = [words for page in GUIDE.glob("*.md") for words in shell_lines(page)]
    asked = {words[at + 1] for words in lines for at, word in enumerate(words) if word == "make"}
    assert asked <= targets
    assert "up" in asked
