"""Where scheduled syncs find their package: a path, or a URL of another place.

A path or a `file://` URL is read as the worker sees it (`local`). Everything else is a `Place`:
looked at twice, streamed into a private copy, and moved aside at the end where the site says so.
"""
