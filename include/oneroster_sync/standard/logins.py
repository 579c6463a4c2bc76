"""The one spelling of a login, by which e-mail addresses are compared."""

from __future__ import annotations

import unicodedata


def normalize_login(address: str) -> str:
    """Return an e-mail address in the spelling in which logins are stored: NFC, lower case, NFC.

    Lower case is not case folding, which makes `ß` and `ss` one: `gross@` and `groß@` are the
    mailboxes of two people. It comes between two normal forms, because the lower case of a
    composed letter may be one that is not (`İ`).
    """
    if address.isascii():
        return address.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", address).lower())
