"""Helpers that fetch from a source: quickly, with a login, and with checks of the messages.

got = fetched(f"sftp://{HOST}/out", login)
failure = refused(f"sftp://{HOST}/out", login, "source.login_refused")
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oneroster_sync.sources.base import Login, Patience
from oneroster_sync.sources.connect import Source
from oneroster_sync.sources.errors import SourceError
from oneroster_sync.sources.fetch import Fetched, fetch
from oneroster_sync.sources.url import SourceUrl

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = Patience(connect_s=2, read_s=2)


def source_of(url: str, pattern: str = "*.zip") -> Source:
    """Return a source whose connection is `sis`."""
    return Source(SourceUrl.parse(url), "sis", pattern)


def fetched(
    url: str,
    login: Login | None,
    *,
    pattern: str = "*.zip",
    patience: Patience = QUICK,
    between: Callable[[], object] = lambda: None,
) -> tuple[str, dict[str, bytes], Fetched]:
    """Fetch, and call `between` between the two listings of the source.

    Returns:
        The name of the package, its files as delivered, and the result of the fetch.
    """

    def wait(_seconds: float) -> None:
        between()

    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder)
        try:
            found = fetch(
                source_of(url, pattern),
                into,
                login=login,
                patience=patience,
                pause=wait,
            )
        except SourceError:
            assert list(into.iterdir()) == [], "a fetch that fails leaves nothing"
            raise
        files = [path for path in into.rglob("*") if path.is_file()]
        return found.name, {path.name: path.read_bytes() for path in files}, found


def refused(
    url: str, login: Login | None, code: str, kind: type[SourceError] = SourceError, **more: Any
) -> SourceError:
    """Fetch, expect a failure with this code and return it; no message holds a secret."""
    with pytest.raises(SourceError) as failure:
        fetched(url, login, **more)
    error = failure.value
    assert (error.code, isinstance(error, kind)) == (code, True), error
    assert error.as_findings().to_pylist()[0]["code"] == code
    if login is not None:
        # Not in pytest's own style, which parses the sources: CPython 3.11 fails in `ast.parse`
        # when the thread of a server runs in between ("recursion depth mismatch").
        traced = str(failure.getrepr(style="native"))
        check_silence(login, str(error), repr(error), repr(login), traced)
    return error


def check_silence(login: Login, *texts: str) -> None:
    """Assert that no text holds a secret of a login."""
    for secret in (login.password, login.word("private_key")):
        for text in texts:
            assert secret is None or secret not in text


def a_zip(size: int = 300_000) -> bytes:
    """Return a zip of at least so many bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(zipfile.ZipInfo("users.csv"), b"sourcedId\n" + b"u" * size)
    return target.getvalue()


def zipped(files: dict[str, str]) -> bytes:
    """Return CSV texts as a zip."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return target.getvalue()
