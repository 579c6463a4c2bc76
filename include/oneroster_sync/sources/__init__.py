"""Sources of scheduled syncs: a path, or the URL of a server or a bucket.

A path or a `file://` URL is read from the worker's file system (`local`). Every other source is
opened as a `Place`: listed twice, streamed into a private copy, and, if the site wants it, moved
into `done` at the end.
"""
