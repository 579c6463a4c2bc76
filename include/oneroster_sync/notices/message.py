"""A message: told once, read as plain text in a chat and as HTML in a mail.

It names sites, runs, counts and codes, and nobody: what looks like an e-mail address is blotted
out, whoever wrote the sentence that it stands in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

_ADDRESS = re.compile(r"(?<![^\s<>\"'()])[^\s<>\"'()]+@[^\s<>\"'()]+")


@dataclass(frozen=True, slots=True)
class Points:
    """Several things of one kind, each on a line of its own."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """Where to go on."""

    label: str
    url: str


Part = str | Points | Link


@dataclass(frozen=True, slots=True)
class Message:
    """What people are told: a subject, and paragraphs, points and links in order."""

    subject: str
    parts: tuple[Part, ...]

    def title(self) -> str:
        """Return the subject on one line."""
        return _clean(self.subject)

    def text(self) -> str:
        """Return the message as plain text."""
        return "\n\n".join(_as_text(part) for part in self.parts) + "\n"

    def html(self) -> str:
        """Return the message as simple HTML; nothing in it is taken for markup."""
        return "\n".join(_as_html(part) for part in self.parts) + "\n"


def _clean(text: str) -> str:
    """Return a text on one line, without what turns it around or hides a part of it."""
    seen = "".join(c if c.isprintable() else " " for c in text)
    return _ADDRESS.sub("…", " ".join(seen.split()))


def _as_text(part: Part) -> str:
    match part:
        case Points(lines):
            return "\n".join(f"- {_clean(line)}" for line in lines)
        case Link(label, url):
            return f"{_clean(label)}: {url}"
        case text:
            return _clean(text)


def _as_html(part: Part) -> str:
    match part:
        case Points(lines):
            return "<ul>" + "".join(f"<li>{escape(_clean(line))}</li>" for line in lines) + "</ul>"
        case Link(label, url):
            return f'<p><a href="{escape(url)}">{escape(_clean(label))}</a></p>'
        case text:
            return f"<p>{escape(_clean(text))}</p>"
