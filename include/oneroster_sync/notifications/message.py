"""A message: the content of a notification, as plain text for chats and as HTML for e-mails.

A message names sites, runs, counts and codes, but no persons: every text that looks like an e-mail
address is replaced.

A sentence may contain text from a package, such as the name of a school, and each chat service has
its own markup: `<!channel>`, `@everyone`, `[label](address)`, Telegram's HTML. So a sentence keeps
only letters, digits and punctuation that is no markup in any service, and words that a service
would turn into a link are changed. Only our own links are links.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from html import escape

from oneroster_sync.findings import CODES
from oneroster_sync.standard import ALL_FILES

_PUNCTUATION = frozenset(" .,;:?()%'\"’“”-–—…/_+")
"""Characters that a sentence keeps besides letters and digits."""
_LINE = 500
"""Maximum length of a sentence, so that a long name does not move the link out of view."""
# Without `:/`, no service turns an address into a link.
_SCHEME = re.compile(r":/+")
# Underscores within a word stay, as in codes; around a word they are italics in several services.
_LOOSE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
# Match only from the beginning of a word: from each letter, the time would be quadratic.
_DOTTED = re.compile(r"\b\w+(?:\.\w+)+")
FILES = {f"{name}.csv" for names in ALL_FILES.values() for name in names}
_ADDRESS = re.compile(r"(?<![^\s<>\"'()])[^\s<>\"'()]+@[^\s<>\"'()]+")


@dataclass(frozen=True, slots=True)
class Points:
    """A list with one item on each line."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a page, with a label."""

    label: str
    url: str


Part = str | Points | Link


@dataclass(frozen=True, slots=True)
class Message:
    """Content of a notification: a subject, and paragraphs, lists and links in order."""

    subject: str
    parts: tuple[Part, ...]

    def title(self) -> str:
        """Return the subject on one line."""
        return _clean(self.subject)

    def text(self) -> str:
        """Return the message as plain text."""
        return "\n\n".join(_as_text(part) for part in self.parts) + "\n"

    def html(self) -> str:
        """Return the message as simple HTML, with all texts escaped."""
        return "\n".join(_as_html(part) for part in self.parts) + "\n"


def _clean(text: str) -> str:
    """Return a text on one line, without hidden characters and markup of chat services."""
    seen = "".join(c if c.isprintable() else " " for c in text)
    plain = _SCHEME.sub(" ", _ADDRESS.sub("…", " ".join(seen.split())))
    plain = "".join(c if _is_plain(c) else " " for c in plain)
    plain = _DOTTED.sub(_unlinked, _LOOSE_UNDERSCORE.sub(" ", plain))
    line = " ".join(plain.split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"


def _is_plain(character: str) -> bool:
    # Marks are parts of letters in many scripts, as vowels are in Devanagari.
    is_mark = unicodedata.category(character).startswith("M")
    return character.isalnum() or is_mark or character in _PUNCTUATION


def _unlinked(word: re.Match[str]) -> str:
    """Return a word with dots in a form that no service recognises as a host name."""
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
