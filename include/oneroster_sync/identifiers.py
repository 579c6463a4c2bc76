"""Valid names of sites: a name is used as a folder, in ids of DAGs and in URLs.

So a name is lower-case ASCII without characters that are special in a path (no dot, no slash). This
also excludes letters that look alike, and names that differ only in case.
"""

from __future__ import annotations

import re

from oneroster_sync.errors import UserError

PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
EXPECTED = "1 to 63 lower-case letters, digits, - or _, beginning with a letter or a digit"


class SiteNameError(UserError, ValueError):
    """The name is not valid for a site; the message describes valid names."""


def is_site_name(name: str) -> bool:
    """Return whether a name is valid for a site."""
    # fullmatch, because `$` also matches before a line break at the end.
    return re.fullmatch(PATTERN.strip("^$"), name) is not None


def checked(name: str) -> str:
    """Return the name of a site after checking it.

    Raises:
        SiteNameError: The name is not valid for a site.
    """
    if not is_site_name(name):
        raise SiteNameError(f"{name!r} can't be the name of a site: that is {EXPECTED}")
    return name
