"""A fetch from a server that only sends a byte now and then ends in time."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from oneroster_sync.sources.base import Login, Patience
from oneroster_sync.sources.errors import RetriableSourceError
from places import a_zip, refused
from servers import (
    BUCKET,
    HOST,
    LOGIN,
    PASSWORD,
    drip_after,
    https_server,
    s3_server,
    sftp_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers import S3, Sftp, Web

ZIP = a_zip(2_000_000)
PATIENT = Patience(connect_s=30, read_s=30, look_s=3, whole_s=3, settle_s=0)
"""No single byte exceeds the timeouts of the libraries."""
AT_MOST_S = 20
"""The most seconds for a listing, the package, and the end of both."""
MIDWAY = 600_000


@pytest.fixture(scope="module")
def store() -> Iterator[S3]:
    """Yield an S3 server with a package in its folder `out`."""
    with s3_server() as server:
        server.put("out/o.zip", ZIP)
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder that the servers serve, with a package in `out`."""
    out = tmp_path / "served" / "out"
    out.mkdir(parents=True)
    (out / "o.zip").write_bytes(ZIP)
    os.utime(out / "o.zip", (1_790_000_000, 1_790_000_000))
    return tmp_path / "served"


@pytest.fixture
def web(folder: Path) -> Iterator[Web]:
    """Yield a web server for the folder."""
    with https_server(folder) as server:
        yield server


@pytest.fixture
def sftp(folder: Path) -> Iterator[Sftp]:
    """Yield an SFTP server for the folder."""
    with sftp_server(folder) as server:
        yield server


def check_given_up(url: str, login: Login, left: threading.Event) -> None:
    """Check that a fetch ends in time with a sentence, and that its connection is closed."""
    began = time.monotonic()
    error = refused(url, login, "source.timeout", RetriableSourceError, patience=PATIENT)
    assert "was stopped because" in str(error)
    assert time.monotonic() - began < AT_MOST_S
    assert left.wait(AT_MOST_S), "the connection stays open"


@pytest.mark.case("b23")
@pytest.mark.parametrize("size", [0, MIDWAY])
def test_a_web_server_that_drips_is_given_up(web: Web, size: int) -> None:
    """A slow web server is given up, from the first byte of TLS on or within the package."""
    left = threading.Event()
    with drip_after(web.port, size, left) as port:
        login = Login("sis", f"https://{HOST}", extra={"ca_file": str(web.ca_file)})
        check_given_up(f"https://{HOST}:{port}/out/o.zip", login, left)


@pytest.mark.case("b23")
@pytest.mark.parametrize("size", [0, MIDWAY])
def test_an_sftp_server_that_drips_is_given_up(sftp: Sftp, size: int) -> None:
    """A slow SFTP server is given up, from its banner on or within the package."""
    left = threading.Event()
    with drip_after(sftp.port, size, left) as port:
        login = Login("sis", HOST, port, LOGIN, PASSWORD, {"no_host_key_check": "true"})
        check_given_up(f"sftp://{HOST}/out", login, left)


@pytest.mark.case("b23")
@pytest.mark.parametrize("size", [0, MIDWAY])
def test_a_bucket_that_drips_is_given_up(store: S3, size: int) -> None:
    """A slow bucket is given up, from its first answer on or within the package."""
    left = threading.Event()
    with drip_after(store.port, size, left) as port:
        extra = store.extra(endpoint_url=f"http://{HOST}:{port}")
        login = Login("sis", login=store.key, password=store.secret, extra=extra)
        check_given_up(f"s3://{BUCKET}/out", login, left)
