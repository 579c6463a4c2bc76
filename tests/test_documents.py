"""The guide inside the pages: the targets of the "?" links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from homes import PROJECT
from oneroster_airflow import documents

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [name for name, _ in documents.list_documents()]


def test_every_page_of_the_guide_is_shown_in_its_order() -> None:
    """The guide's pages are listed in its order, then the reference pages without Sphinx."""
    stories = {path.stem for path in (PROJECT / "docs/guide").glob("*.md")} - {"README"}
    assert PAGES[0] == "guide/overview"
    assert {name.removeprefix("guide/") for name in PAGES[1:] if "guide/" in name} == stories
    assert PAGES[-1].startswith("reference/")
    assert "reference/command-line" not in PAGES


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_somewhere(name: str) -> None:
    """Each link leads to a listed page and an existing heading, and no page has a picture."""
    html = documents.read_document(name).html
    assert "<img" not in html
    assert "<p></p>" not in html
    assert not re.search(r"<(pre|table)>", html), (
        "a scrolling element is not reachable with the keyboard"
    )
    for link in re.findall(r'href="([^"]+)"', html):
        path, _, heading = link.partition("#")
        if "://" in path:
            continue
        target = path.removeprefix("../") or name
        assert target in PAGES, link
        assert not heading or f'id="{heading}"' in documents.read_document(target).html, link


@pytest.mark.parametrize("name", ["guide/nothing", "guide/../../README", "design/apply", ""])
def test_no_other_file_is_a_page(name: str) -> None:
    """Only listed documents are readable, whatever path a request names."""
    with pytest.raises(documents.NoDocumentError):
        documents.read_document(name)


def test_an_installation_without_documents_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin that was copied without its documents lists no pages, and raises no other error."""
    monkeypatch.setattr(documents, "FOLDER", tmp_path)
    documents.list_documents.cache_clear()
    documents.read_document.cache_clear()
    try:
        assert documents.list_documents() == ()
        with pytest.raises(documents.NoDocumentError, match="no page guide/overview"):
            documents.read_document("guide/overview")
    finally:
        documents.list_documents.cache_clear()
        documents.read_document.cache_clear()
