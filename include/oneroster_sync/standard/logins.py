"""Normalization of logins, so that e-mail addresses can be compared."""

from __future__ import annotations

import unicodedata


def normalize_login(address: str) -> str:
    """Return an e-mail address as logins are stored: NFC, then lower case, then NFC.

    `str.lower` is used, not `str.casefold`, which maps `ß` to `ss`: `gross@` and `groß@` are two
    mailboxes. The address is normalized again at the end, because the lower case of a composed
    letter (`İ`) may be decomposed.
    """
    if address.isascii():
        return address.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", address).lower())
