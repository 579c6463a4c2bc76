"""What a site's source is: a path, or a URL that holds no secret.

| source                              | what it is                                        |
|-------------------------------------|---------------------------------------------------|
| `/srv/sis`, `file:///srv/sis`       | a file or a folder that the workers see           |
| `sftp://sis.example.org/exports`    | a file or a folder of an SFTP server              |
| `s3://bucket/exports`               | an object or a prefix of a bucket                 |
| `https://sis.example.org/o.zip`     | a file, or with a slash at the end a page of links |
| `gs://`, `abfs://`, `smb://`, …     | whatever fsspec has a file system for             |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

FILE, SFTP, S3, HTTPS = "file", "sftp", "s3", "https"
_NAMED = {FILE, SFTP, S3, HTTPS}
_OPEN = {"http": "https://", "ftp": "sftp://"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HAVE_HOST = {SFTP, HTTPS}
_PORTS = {SFTP: 22, HTTPS: 443}


class WrongSourceError(ValueError):
    """The source can't be one; the message says why, and never repeats the source."""


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """A source in its parts.

    Attributes:
        scheme: In small letters; `file` for a path.
        host: The host, the bucket or the share; empty for files.
        port: The port that the URL names.
        login: The login name that the URL names.
        path: The path, as the place itself spells it.
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
        """Whether it is a file or a folder of the worker's own file system."""
        return self.scheme == FILE

    @property
    def can_move(self) -> bool:
        """Whether what was read can be moved there."""
        return self.scheme != HTTPS

    def port_or(self, port: int | None) -> int | None:
        """Return the port of the URL, else this one, else the one that the scheme has."""
        return self.port or port or _PORTS.get(self.scheme)

    @classmethod
    def parse(cls, source: str) -> SourceUrl:
        """Return the parts of a source.

        Raises:
            WrongSourceError: It holds a secret, is not encrypted, or is no URL.
        """
        scheme = scheme_of(source)
        if scheme is None:
            return cls(FILE, "", None, None, source, source)
        try:
            parts = urlsplit(source)
            port = parts.port
        except ValueError:
            raise WrongSourceError("the source is no URL: check its host and its port") from None
        _check(scheme, parts.password, parts.query or parts.fragment, parts.hostname)
        path = unquote(parts.path) if scheme in {FILE, SFTP} else parts.path
        if scheme not in {FILE, HTTPS} and "*" in path:
            raise WrongSourceError(
                "the source holds a pattern: give the folder, and the pattern by itself"
            )
        # Buckets and shares are told apart by the size of letters, host names are not.
        host = parts.hostname if scheme in _HAVE_HOST else parts.netloc.rpartition("@")[2]
        return cls(scheme, host or "", port, parts.username, path, source)


def scheme_of(source: str) -> str | None:
    """Return the scheme of a URL in small letters, or None for a path."""
    found = _SCHEME.match(source)
    return found[1].lower() if found else None


def _check(scheme: str, password: str | None, query: str, host: str | None) -> None:
    if password is not None:
        raise WrongSourceError(
            "the source holds a password: put it into an Airflow connection, and name that here"
        )
    if scheme in _OPEN:
        raise WrongSourceError(
            f"{scheme}:// is not encrypted, and a package holds personal data: use {_OPEN[scheme]}"
        )
    if scheme == FILE:
        return
    if query:
        raise WrongSourceError(
            "the source has a part after ? or #, where keys and tokens stand: "
            "put them into an Airflow connection"
        )
    if not host:
        raise WrongSourceError(f"{scheme}:// needs a host or a bucket, as in {scheme}://name/path")
    if scheme not in _NAMED and scheme not in _known_schemes():
        raise WrongSourceError(
            f"{scheme}:// is not known; use a path, file://, sftp://, s3:// or https://"
        )


def _known_schemes() -> set[str]:
    from fsspec.registry import known_implementations

    # These wrap another file system, or read something that is no storage.
    return set(known_implementations) - {"cached", "data", "memory", "reference", "root"}
