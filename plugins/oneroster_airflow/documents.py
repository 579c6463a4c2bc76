"""Render the guide and the reference for the pages, from the Markdown of the installed version.

So a "?" opens the documentation of the installed version, also without a network.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

from oneroster_sync.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

FOLDER = Path(__file__).with_name("docs")
"""Contains two symbolic links to folders of docs/; a wheel contains their files."""
_OVERVIEW = "overview"
"""Name of a part's README.md in addresses."""


class NoDocumentError(NotFoundError):
    """There is no page with this name, or the documentation is not installed."""

    code = "docs.missing"


@dataclass(frozen=True, slots=True)
class Document:
    """A page of the documentation.

    Attributes:
        name: Part and name in addresses, such as `guide/held-run`.
        title: Its heading.
        html: The content below the heading. Links to other pages are relative to its address;
            pictures are left out, because readers have the pages themselves in view.
    """

    name: str
    title: str
    html: str


@functools.cache
def list_documents() -> tuple[tuple[str, str], ...]:
    """Return name and title of all pages: the guide in its order, then the reference."""
    guide = FOLDER / "guide" / "README.md"
    if not guide.exists():
        return ()
    stories = re.findall(r"\]\(([a-z-]+)\.md\)", guide.read_text("utf-8"))
    names = [f"guide/{_OVERVIEW}", *(f"guide/{name}" for name in dict.fromkeys(stories))]
    names += [f"reference/{path.stem}" for path in sorted((FOLDER / "reference").glob("*.md"))]
    # Pages with MyST's directives are for the built documentation: this renderer would show their
    # source.
    shown = [(name, _file(name)) for name in names]
    return tuple((name, _title(file)) for name, file in shown if "```{" not in file.read_text())


@functools.cache
def read_document(name: str) -> Document:
    """Read and render a page.

    Raises:
        NoDocumentError: There is no page with this name.
    """
    if name not in dict(list_documents()):
        raise NoDocumentError(f"The documentation of this installation has no page {name}.")
    # No raw HTML: the pages insert the result into their own document.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(_file(name).read_text("utf-8"))
    heading = tokens.index(next(token for token in tokens if token.type == "heading_close"))
    body = list(_for_the_pages(tokens[heading + 1 :], name))
    html = markdown.renderer.render(body, markdown.options, {})
    for wide in ("pre", "table"):  # they scroll sideways, which the keyboard must reach
        html = html.replace(f"<{wide}>", f'<{wide} tabindex="0">')
    return Document(name, dict(list_documents())[name], html)


def _file(name: str) -> Path:
    part, _, page = name.partition("/")
    return FOLDER / part / ("README.md" if page == _OVERVIEW else f"{page}.md")


def _title(file: Path) -> str:
    with file.open(encoding="utf-8") as lines:
        return next(lines).removeprefix("# ").strip()


def _for_the_pages(tokens: list[Token], name: str) -> Iterator[Token]:
    """Yield tokens with anchors for headings, and links that lead to our pages.

    A paragraph with only a picture is left out.
    """
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _slug(tokens[number + 1].content))
        if token.children:
            token.children = list(_inline(token.children, name))
    pictures = {
        number + at
        for number, (begin, token) in enumerate(pairwise(tokens))
        if begin.type == "paragraph_open" and not token.children
        for at in range(3)
    }
    yield from (token for number, token in enumerate(tokens) if number not in pictures)


def _inline(tokens: list[Token], name: str) -> Iterator[Token]:
    leads = True
    for token in tokens:
        if token.type == "link_open":
            leads = _lead(token, name)
        if token.type == "image" or (token.type in {"link_open", "link_close"} and not leads):
            continue
        yield token


def _lead(link: Token, name: str) -> bool:
    """Point a link to the address of its page; return whether there is such a page."""
    path, mark, heading = str(link.attrGet("href")).partition("#")
    if "://" in path:
        link.attrSet("target", "_blank")
        link.attrSet("rel", "noreferrer")
        return True
    if not path:
        return True
    part = name.partition("/")[0]
    target = os.path.normpath(f"{part}/{path}").removesuffix(".md")
    target = re.sub("/README$", f"/{_OVERVIEW}", target)
    if target not in dict(list_documents()):
        return False
    link.attrSet("href", f"../{target}{mark}{heading}")
    return True


def _slug(heading: str) -> str:
    """Return the anchor of a heading, by the rules of GitHub and MyST."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
