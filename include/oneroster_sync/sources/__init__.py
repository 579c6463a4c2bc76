"""Where scheduled syncs find their package: a path, or a URL of another place.

A path or a `file://` URL is read as the worker sees it (`local`). Everything else is a `Place`:
looked at twice, streamed into a private copy, and moved aside at the end where the site says so.
"""

from __future__ import annotations

from oneroster_sync.sources.afterwards import put_aside
from oneroster_sync.sources.errors import (
    NoSourceError,
    NotReadyError,
    RefusedSourceError,
    RetriableSourceError,
    SourceError,
)
from oneroster_sync.sources.fetching import Fetched, copy_all, fetch
from oneroster_sync.sources.local import check_settled, newest_package
from oneroster_sync.sources.opening import Source
from oneroster_sync.sources.place import Login, Patience
from oneroster_sync.sources.unread import Taken, Unread, fetch_unread

__all__ = [
    "Fetched",
    "Login",
    "NoSourceError",
    "NotReadyError",
    "Patience",
    "RefusedSourceError",
    "RetriableSourceError",
    "Source",
    "SourceError",
    "Taken",
    "Unread",
    "check_settled",
    "copy_all",
    "fetch",
    "fetch_unread",
    "newest_package",
    "put_aside",
]
