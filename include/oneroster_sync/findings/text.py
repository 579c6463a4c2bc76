"""Format ids, texts, values and causes for people, without showing personal data."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LISTED_CAUSES = 50
"""Most causes that are logged; the page of the run shows all."""
MARK = "sha256:"
"""Prefix of the hash that replaces a sourcedId."""
_HASH = re.compile(r"sha256:[0-9a-f]{12}")


def shown_id(sourced_id: str | None, *, is_staff: bool = True) -> str:
    """Return a sourcedId as a log may show it.

    An e-mail address is replaced by a hash. So is any sourcedId that may be a student's: some
    systems make sourcedIds from names, and no rule recognizes names in every language.
    """
    if sourced_id is None:
        return "(no sourcedId)"
    # Hashed already, for a finding or a pending delta; a second hash would match no other one.
    if _HASH.fullmatch(sourced_id):
        return sourced_id
    if "@" in sourced_id or not is_staff:
        return "sha256:" + hashlib.sha256(sourced_id.encode()).hexdigest()[:12]
    # Escaped, so that no line break of a value begins a line of the log.
    return ascii(sourced_id)[1:-1]


def shown_target(target: str, file: str | None) -> str:
    """Return the sourcedId that a row points to, and its file, as a log may show it.

    A person who is missing, or whose row can't be used, may be a student.
    """
    return f"{shown_id(target, is_staff=file != 'users.csv')} of {file}"


def shown(text: str) -> str:
    """Return an external text on one line, with escapes for invisible characters."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def describe(value: str) -> str:
    """Return the shape of a value that may be personal data; the value itself is never shown.

    Callers show a value itself only if it is a word of one of our own lists.
    """
    letters = [word for word in value.split() if word]
    if not letters:
        return "nothing"
    if len(letters) > 1:
        return f"{len(letters)} words"
    if "@" in value:
        return "an e-mail address"
    if value.isdigit():
        return f"a number of {len(value)} digits"
    return f"a word of {len(value)} {'letters' if value.isalpha() else 'characters'}"


def format_cause(cause: Mapping[str, Any]) -> str:
    """Return a cause as one line of a log.

    Args:
        cause: As `run_details.causes` returns it.
    """
    after = (
        (f" follows from cause {cause['follows']}: correct that first") if cause["follows"] else ""
    )
    place = [cause["file"], cause["column"] and f"column {cause['column']}"]
    where = f" in {', '.join(filter(None, place))}" if cause["file"] else ""
    missing = ""
    if cause["target"]:
        missing = f" It is {shown_target(cause['target'], cause['target_file'])}."
    affected, rows = cause["affected"], ""
    if cause["first_row"] or cause["target_file"]:
        rows = " 1 row is affected." if affected == 1 else f" {affected:,} rows are affected."
    text = f"Cause {cause['number']}{after}: {cause['code']}{where}: {cause['meaning']}{missing}"
    return f"{text}{rows} {cause['hint']}"
