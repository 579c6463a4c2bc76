"""The guide and the reference as the pages show them, from the Markdown that comes with the code.

So a "?" leads to what is true of the version that is installed, also where no network is.
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
"""Two links to what is in docs/ at the top of the project; a wheel holds their files."""
_OVERVIEW = "overview"
"""How the README.md of a part is called in addresses."""


class NoDocumentError(NotFoundError):
    """There is no page of that name, or the documentation was not installed."""

    code = "docs.missing"


@dataclass(frozen=True, slots=True)
class Document:
    """A page of the documentation.

    Attributes:
        name: Its part and its name in addresses, such as `guide/held-run`.
        title: Its heading.
        html: What stands under the heading. Links to other pages are relative to its address;
            pictures are left out, since the reader has the pages themselves in front of them.
    """

    name: str
    title: str
    html: str


@functools.cache
def list_documents() -> tuple[tuple[str, str], ...]:
    """Return name and title of each page: the guide in its own order, then the reference."""
    guide = FOLDER / "guide" / "README.md"
    if not guide.exists():
        return ()
    stories = re.findall(r"\]\(([a-z-]+)\.md\)", guide.read_text("utf-8"))
    names = [f"guide/{_OVERVIEW}", *(f"guide/{name}" for name in dict.fromkeys(stories))]
    names += [f"reference/{path.stem}" for path in sorted((FOLDER / "reference").glob("*.md"))]
    shown = [(name, _file(name)) for name in names]
    return tuple((name, _title(file)) for name, file in shown if "```{" not in file.read_text())


@functools.cache
def read_document(name: str) -> Document:
    """Return a page.

    Raises:
        NoDocumentError: There is none of that name.
    """
    if name not in dict(list_documents()):
        raise NoDocumentError(f"The documentation of this installation has no page {name}.")
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(_file(name).read_text("utf-8"))
    heading = tokens.index(next(token for token in tokens if token.type == "heading_close"))
    body = list(_for_the_pages(tokens[heading + 1 :], name))
    return Document(
        name, dict(list_documents())[name], markdown.renderer.render(body, markdown.options, {})
    )


def _file(name: str) -> Path:
    part, _, page = name.partition("/")
    return FOLDER / part / ("README.md" if page == _OVERVIEW else f"{page}.md")


def _title(file: Path) -> str:
    with file.open(encoding="utf-8") as lines:
        return next(lines).removeprefix("# ").strip()


def _for_the_pages(tokens: list[Token], name: str) -> Iterator[Token]:
    """Yield tokens whose headings can be linked to, and whose links lead to pages of ours.

    A paragraph that held a picture alone goes with it.
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
    """Have a link lead to a page's address; return whether there is such a page."""
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
    """Return what a link calls a heading, as GitHub and MyST do."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
