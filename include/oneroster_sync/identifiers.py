"""What a site may be called: its name is a folder, a part of a DAG's id and a part of addresses.

So it is ASCII, in small letters, and nothing in it means anything to a path: no dot, no slash, no
letter that looks like another one, and no two names that differ in the size of letters only.
"""

from __future__ import annotations

import re

from oneroster_sync.errors import UserError

PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
EXPECTED = "1 to 63 small letters, digits, - or _, of which the first is a letter or a digit"


class SiteNameError(UserError, ValueError):
    """The name can't be that of a site; the message says what a name is like."""


def is_site_name(name: str) -> bool:
    """Return whether a site may be called so."""
    return re.fullmatch(PATTERN.strip("^$"), name) is not None


def checked(name: str) -> str:
    """Return the name of a site.

    Raises:
        SiteNameError: No site can be called so.
    """
    if not is_site_name(name):
        raise SiteNameError(f"{name!r} can't be the name of a site: that is {EXPECTED}")
    return name
