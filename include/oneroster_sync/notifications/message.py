"""A message: told once, read as plain text in a chat and as HTML in a mail.

It names sites, runs, counts and codes, and nobody: what looks like an e-mail address is blotted
out, whoever wrote the sentence that it stands in.

A sentence may hold what a package chose, such as the name of a school, and each chat service has
markup of its own: `<!channel>`, `@everyone`, `[label](address)`, Telegram's HTML. So a sentence
keeps letters, digits and the punctuation that no service takes for markup, and a word that a
service would turn into a link is broken. The links of a message are ours.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from html import escape

from oneroster_sync.findings import CODES
from oneroster_sync.standard import ALL_FILES

_PUNCTUATION = frozenset(" .,;:()%'\"’“”-–…/_+")
"""What a sentence keeps beside letters and digits."""
_LINE = 500
"""How many characters a sentence may have: a long name must not push the link out of sight."""
_SCHEME = re.compile(r":/+")
_LOOSE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
# From the beginning of a word only: a search from each letter takes the square of a word's length.
_DOTTED = re.compile(r"\b\w+(?:\.\w+)+")
FILES = {f"{name}.csv" for names in ALL_FILES.values() for name in names}
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
    """Return a text on one line, without hidden characters and what a chat takes for markup."""
    seen = "".join(c if c.isprintable() else " " for c in text)
    plain = _SCHEME.sub(" ", _ADDRESS.sub("…", " ".join(seen.split())))
    plain = "".join(c if _is_plain(c) else " " for c in plain)
    plain = _DOTTED.sub(_unlinked, _LOOSE_UNDERSCORE.sub(" ", plain))
    line = " ".join(plain.split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"


def _is_plain(character: str) -> bool:
    is_mark = unicodedata.category(character).startswith("M")
    return character.isalnum() or is_mark or character in _PUNCTUATION


def _unlinked(word: re.Match[str]) -> str:
    """Return a word with dots that no service takes for the name of a host."""
    found = word.group()
    if found in CODES or found in FILES or found.replace(".", "").isdecimal():
        return found
    return found.replace(".", "(.)")


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
