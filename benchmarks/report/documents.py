"""Write results into documents, each table between two comments with its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

README = PROJECT / "README.md"
PERFORMANCE = PROJECT / "docs" / "performance.md"
SCALE = PROJECT / "docs" / "scale.md"
PICTURES = PROJECT / "docs" / "pictures"


def write_parts(path: Path, parts: dict[str, str]) -> None:
    """Replace the named parts of a page.

    Raises:
        ValueError: The page has no such place.
    """
    page = path.read_text(encoding="utf-8")
    for name, text in parts.items():
        page = with_part(page, name, text)
    path.write_text(page, encoding="utf-8")


def with_part(page: str, name: str, text: str) -> str:
    """Return a page with the text between the comments of a name replaced.

    Raises:
        ValueError: The page has no such place.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"the page has no place for {name}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"
