"""The project keeps its own house: generated pages, the size of rooms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from catalogue import inputs
from catalogue.page import PAGE, as_markdown
from catalogue.promises import PROMISES
from oneroster_sync.findings.reference import format_page as findings_as_markdown
from oneroster_sync.stages.extract.semantics import format_page as semantics_as_markdown

PROJECT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    path
    for folder in ("include", "plugins", "dags", "tests", "benchmarks")
    for path in (PROJECT / folder).rglob("*.py")
)


def test_the_page_of_findings_is_the_catalogue() -> None:
    """docs/reference/findings.md is what the code says."""
    assert (PROJECT / "docs/reference/findings.md").read_text("utf-8") == findings_as_markdown()


def test_semantics_are_documented() -> None:
    """docs/reference/semantics.md is what the decision table says."""
    page = (PROJECT / "docs/reference/semantics.md").read_text("utf-8")
    assert page == semantics_as_markdown()


def test_the_page_of_reliability_is_made_from_the_tests() -> None:
    """docs/reliability.md names the tests that show each case, and no others."""
    page = PAGE.read_text("utf-8")
    assert as_markdown(page) == page


def test_every_bad_input_is_tried() -> None:
    """Each case of bad input has one that is brought through the command line, or an argument."""
    tried = {bad.case for bad in inputs.ALL}
    told = {case for case, promise in PROMISES.items() if promise.part == "a" if promise.argument}
    assert tried | told == {case for case in PROMISES if case.startswith("a")}
    assert len({bad.name for bad in inputs.ALL}) == len(inputs.ALL)


def test_every_design_page_is_listed() -> None:
    """No decision is written down where nobody finds it."""
    pages = {page.name for page in (PROJECT / "docs/design").glob("*.md")} - {"README.md"}
    index = (PROJECT / "docs/design/README.md").read_text("utf-8")
    assert pages == set(re.findall(r"\]\(([a-z-]+\.md)\)", index))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_room_is_too_large(path: Path) -> None:
    """A module that passes 500 lines is looked at again."""
    assert len(path.read_text("utf-8").splitlines()) <= 500
