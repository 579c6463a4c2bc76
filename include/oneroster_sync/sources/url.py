"""Parse the source of a site: a path, or a URL without secrets.

| source                              | meaning                                           |
|-------------------------------------|---------------------------------------------------|
| `/srv/sis`, `file:///srv/sis`       | a file or a folder that the workers see           |
| `sftp://sis.example.org/exports`    | a file or a folder of an SFTP server              |
| `s3://bucket/exports`               | an object or a prefix of a bucket                 |
| `https://sis.example.org/o.zip`     | a file, or with a slash at the end a page of links |
| `gs://`, `abfs://`, `smb://`, …     | other storage that fsspec has a file system for    |

This is the only parser of sources and packages. All entry points (API, CLI, DAG) use it, so that
all agree what a spelling means: an attacker passes a check that compares strings by a spelling that
the check does not expect.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from urllib.parse import unquote, urlsplit

from oneroster_sync.errors import UserError

FILE, SFTP, S3, HTTPS = "file", "sftp", "s3", "https"
_ALIASES = {"s3a": S3, "gcs": "gs", "az": "abfs", "abfss": "abfs", "tosfs": "tos"}
"""Schemes that fsspec reads with the file system of another scheme."""
_SCHEMES = frozenset(
    {FILE, SFTP, S3, HTTPS}
    | {"abfs", "adl", "box", "dbfs", "dropbox", "gdrive", "gs", "hdfs", "lakefs", "oci", "ocilake"}
    | {"oss", "smb", "tos", "webdav", "webhdfs"}
)
"""All schemes that can be read. fsspec has more; those that unpack archives, cache files or wrap
another URL are left out, because their URL does not show the real source."""
_OPEN = {"http": "https://", "ftp": "sftp://"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HAVE_HOST = {SFTP, HTTPS}
_PORTS = {SFTP: 22, HTTPS: 443}
# Line breaks would forge lines of a log.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# A host with one of these is another host to some parsers: `a%2eb` is a.b, and `\` may be a slash.
_ODD_HOST = re.compile(r"[\s\\%]")
_HIDDEN_SLASH = re.compile(r"%2f|%5c|\\", re.IGNORECASE)
_DECODINGS = 4
"""Times that a path is percent-decoded; no server is known to decode more often."""


class WrongSourceError(UserError, ValueError):
    """The source is not valid; the message says why, and never repeats the source."""


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """The parts of a source.

    Attributes:
        scheme: In lower case, without aliases; `file` for a path.
        host: The host, the bucket or the share; empty for files.
        port: The port that the URL names.
        login: The login name that the URL names.
        path: The path, as the server spells it.
        text: The source as it was given.
    """

    scheme: str
    host: str
    port: int | None
    login: str | None
    path: str
    text: str

    @property
    def is_local(self) -> bool:
        """Whether the source is a file or a folder of the worker's own file system."""
        return self.scheme == FILE

    @property
    def can_move(self) -> bool:
        """Whether packages can be moved at this source."""
        return self.scheme != HTTPS

    @property
    def canonical(self) -> str:
        """The normalized spelling of this source, for comparison; links are not followed."""
        path = posixpath.normpath(f"/{self.path.lstrip('/')}")
        if self.is_local:
            return f"file://{_one_root(os.path.abspath(self.path))}"  # noqa: PTH100  no Path drops ..
        return f"{self.scheme}://{self._authority()}{path}"

    @property
    def for_fsspec(self) -> str:
        """The URL for fsspec: no alias, a lower-case scheme, no chain."""
        return f"{self.scheme}://{self.login + '@' if self.login else ''}{self.host}{self.path}"

    def port_or(self, port: int | None) -> int | None:
        """Return the port of the URL, else `port`, else the default port of the scheme."""
        return self.port or port or _PORTS.get(self.scheme)

    def is_below(self, root: SourceUrl) -> bool:
        """Return whether this source is `root` or is below it.

        Local paths are compared as the file system resolves them: links are followed, and a folder
        that is mounted twice is one folder. The host of other roots may hold `*` and `?`.
        """
        if self.scheme != root.scheme:
            return False
        if self.is_local:
            return is_within(self.path, root.path)
        if not fnmatchcase(self._authority(), root._authority()):
            return False
        if self.scheme == HTTPS and _HIDDEN_SLASH.search(self.path):
            return False  # some servers read it as a slash, others as part of a name
        if _has_dots(self.path):
            return False
        path, top = (posixpath.normpath(f"/{it.path.lstrip('/')}") for it in (self, root))
        if self.scheme == HTTPS:
            path, top = unquote(path), unquote(top)
        return path == top or path.startswith(f"{top.rstrip('/')}/")

    @classmethod
    def parse(cls, source: str) -> SourceUrl:
        """Parse a source.

        Raises:
            WrongSourceError: The source holds a secret, is not encrypted, or is not a valid URL.
        """
        named = _SCHEME.match(source)
        if named is None:
            if _CONTROL.search(source):
                raise WrongSourceError("the source contains a control character")
            return cls(FILE, "", None, None, source, source)
        given = named[1].lower()
        # Before urlsplit, which silently removes tabs and line breaks from a URL.
        _check_form(source, given, source[named.end() :])
        try:
            parts = urlsplit(source)
            port = parts.port
        except ValueError:
            raise WrongSourceError(
                "the source is not a valid URL: check its host and port"
            ) from None
        scheme = _ALIASES.get(given, given)
        # Names of buckets and shares are case-sensitive, host names are not.
        host = parts.hostname if scheme in _HAVE_HOST else parts.netloc.rpartition("@")[2]
        _check(scheme, parts.password, parts.query or parts.fragment, parts.netloc, host)
        path = unquote(parts.path) if scheme in {FILE, SFTP} else parts.path
        _check_path(scheme, path)
        return cls(scheme, host or "", port, parts.username, path, source)

    def _authority(self) -> str:
        """Return the name of the server, without login names but with containers (abfs)."""
        if self.scheme in _HAVE_HOST:
            return f"{self.host.lower().rstrip('.')}:{self.port_or(None)}"
        return f"{self.login}@{self.host}" if self.login else self.host


def scheme_of(source: str) -> str | None:
    """Return the scheme of a URL in lower case, or None for a path."""
    found = _SCHEME.match(source)
    return found[1].lower() if found else None


def is_within(path: str, root: str) -> bool:
    """Return whether a local path is `root` or is below it, as the file system resolves both.

    Comparing names alone would miss a folder that is mounted twice, and case-insensitive file
    systems.
    """
    real, top = _one_root(os.path.realpath(path)), _one_root(os.path.realpath(root))
    while True:
        if real == top or _is_same(real, top):
            return True
        above = os.path.dirname(real)  # noqa: PTH120  Path would make an object for each step
        if above == real:
            return False
        real = above


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        return False


def _one_root(path: str) -> str:
    """Return a path with one leading slash: POSIX lets systems treat two in a special way."""
    return f"/{path.lstrip('/')}" if path.startswith("/") else path


def _check_form(source: str, scheme: str, rest: str) -> None:
    """Refuse a source that is not `scheme://…`, or a chain of fsspec, which hides its target."""
    outside = re.sub(r"//([^/@]*@)?\[[^/\]]*\]?", "//", rest, count=1)  # the :: of an IPv6 address
    if "::" in f":{outside}":
        raise WrongSourceError("the source contains ::, which joins two sources; name one")
    if not rest.startswith("//"):
        raise WrongSourceError(
            f"{scheme}: does not begin a source; a path begins with /, a URL with {scheme}://"
        )
    if _CONTROL.search(source):
        raise WrongSourceError("the source contains a control character")


def _check(scheme: str, password: str | None, query: str, netloc: str, host: str | None) -> None:
    if password is not None:
        raise WrongSourceError(
            "the source contains a password: put it into an Airflow connection, and name that here"
        )
    if scheme in _OPEN:
        raise WrongSourceError(
            f"{scheme}:// is not encrypted, and a package holds personal data: use {_OPEN[scheme]}"
        )
    if scheme not in _SCHEMES:
        raise WrongSourceError(
            f"{scheme}:// is not known; use a path, file://, sftp://, s3:// or https://"
        )
    if scheme == FILE:
        if netloc:
            raise WrongSourceError("file:// takes no host: write file:///path, or the path alone")
        return
    if query:
        raise WrongSourceError(
            "the source has a part after ? or #, which may hold keys and tokens: "
            "put them into an Airflow connection"
        )
    if not host:
        raise WrongSourceError(f"{scheme}:// needs a host or a bucket, as in {scheme}://name/path")
    if _ODD_HOST.search(netloc):
        raise WrongSourceError(
            "the source is not a URL: its host holds a space, a % or a backslash"
        )


def _check_path(scheme: str, path: str) -> None:
    if _CONTROL.search(path):
        raise WrongSourceError("the source contains a control character")
    if scheme not in {FILE, HTTPS} and "*" in path:
        raise WrongSourceError(
            "the source contains a pattern: name the folder, and set the pattern by its own "
            "preference"
        )
    # A file server resolves these as a person expects; in a bucket they are parts of names, and
    # some libraries remove them before the request.
    if scheme not in {FILE, SFTP} and _has_dots(path):
        raise WrongSourceError(
            "the source contains . or .. as a folder: write the path without them"
        )


def _has_dots(path: str) -> bool:
    """Return whether a folder of a path is `.` or `..`, however often it is percent-encoded."""
    for _ in range(_DECODINGS):
        if {".", ".."}.intersection(re.split(r"[/\\]", path)):
            return True
        path = unquote(path)
    return False


class After(StrEnum):
    """What to do with a package at its source after its run has ended well."""

    LEAVE = "leave"
    MOVE = "move"
    """Move the package into a folder `done` beside it."""
