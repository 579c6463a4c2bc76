"""Packages from a real S3 server: what is read, and how it fails."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientConnectorCertificateError
from aiohttp.client_reqrep import ConnectionKey

from oneroster_sync.sources.archive import move_read_package
from oneroster_sync.sources.base import Login, Patience
from oneroster_sync.sources.connect import Source
from oneroster_sync.sources.errors import (
    NoSourceError,
    NotReadyError,
    RefusedSourceError,
    RetriableSourceError,
)
from oneroster_sync.sources.fetch import fetch
from oneroster_sync.sources.object_store import translating
from oneroster_sync.sources.url import SourceUrl
from places import a_zip, fetched, refused, source_of
from roster_of import now
from servers import BUCKET, HOST, S3, closed_port, cut_after, meanwhile, s3_server, silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZIP = a_zip()
OUT = f"s3://{BUCKET}/out"


@pytest.fixture(scope="module")
def running() -> Iterator[S3]:
    """An S3 server."""
    with s3_server() as server:
        yield server


@pytest.fixture
def server(running: S3) -> S3:
    """The server, with an empty bucket."""
    for key in running.keys():  # noqa: SIM118  no dictionary
        running.client.delete_object(Bucket=BUCKET, Key=key)
    return running


def login_to(server: S3, **other: Any) -> Login:
    """Return the connection's login, with some values changed."""
    usual = {"login": server.key, "password": server.secret, "extra": server.extra()}
    return Login("sis", **{**usual, **other})


def test_the_newest_package_is_fetched(server: S3) -> None:
    """Of the objects below a prefix that match the pattern, the newest is read completely."""
    server.put("out/b.zip", a_zip(10))
    server.put("out/done/c.zip", a_zip(20))
    server.put("outside.zip", a_zip(30))
    name, files, found = fetched(f"{OUT}/b.zip", login_to(server))
    assert (name, files) == ("b.zip", {"b.zip": a_zip(10)})
    server.client.delete_object(Bucket=BUCKET, Key="out/b.zip")
    server.put("out/a.zip", ZIP)
    for url in (OUT, f"{OUT}/"):
        name, files, found = fetched(url, login_to(server))
        assert (name, files) == ("a.zip", {"a.zip": ZIP})
    assert found.as_dict()["files"][0]["path"] == f"{BUCKET}/out/a.zip"


def test_wrong_keys_are_refused(server: S3) -> None:
    """An unknown key and a wrong secret have their own code and are not retried."""
    server.put("out/a.zip", ZIP)
    for other in ({"login": "AKIAUNKNOWN"}, {"password": "wrong"}):
        refused(OUT, login_to(server, **other), "source.login_refused", RefusedSourceError)


def test_nothing_there(server: S3) -> None:
    """A wrong bucket, a wrong prefix and a prefix without packages have their own code."""
    server.put("out/users.txt", b"hello")
    for url in (OUT, f"s3://{BUCKET}/elsewhere", f"s3://{BUCKET}/", "s3://no-such-bucket/out"):
        error = refused(url, login_to(server), "source.not_found", NoSourceError)
        assert url.rstrip("/") in str(error)


def test_a_server_that_is_away_is_tried_again(server: S3) -> None:
    """An unreachable and a silent server are retried."""
    nobody = server.extra(endpoint_url=f"http://{HOST}:{closed_port()}")
    refused(OUT, login_to(server, extra=nobody), "source.unreachable", RetriableSourceError)
    with silent() as port:
        extra = server.extra(endpoint_url=f"http://{HOST}:{port}")
        patience = Patience(connect_s=0.3, read_s=0.3)
        login = login_to(server, extra=extra)
        refused(OUT, login, "source.timeout", RetriableSourceError, patience=patience)


def test_a_cut_connection_leaves_nothing(server: S3) -> None:
    """No part of an object is used if the connection is cut half way at every try."""
    server.put("out/a.zip", ZIP)
    with cut_after(server.port, 100_000) as port:
        login = login_to(server, extra=server.extra(endpoint_url=f"http://{HOST}:{port}"))
        refused(OUT, login, "source.interrupted", RetriableSourceError)
    assert fetched(OUT, login_to(server))[1] == {"a.zip": ZIP}


def test_an_object_that_is_replaced_meanwhile_is_not_ready(server: S3) -> None:
    """An object that another one replaces between the two listings is not ready."""
    server.put("out/a.zip", ZIP)
    refused(
        OUT,
        login_to(server),
        "source.not_ready",
        NotReadyError,
        between=lambda: server.put("out/a.zip", ZIP.swapcase()),
    )


def test_an_object_that_is_replaced_while_it_is_read_is_not_used(server: S3) -> None:
    """If another package replaces the object while it is read, neither is used."""
    server.put("out/a.zip", ZIP)
    with meanwhile(server.port, 100_000, lambda: server.put("out/a.zip", ZIP.swapcase())) as port:
        login = login_to(server, extra=server.extra(endpoint_url=f"http://{HOST}:{port}"))
        refused(OUT, login, "source.not_ready", NotReadyError)


def test_a_zip_without_its_end_is_not_ready(server: S3) -> None:
    """Half a zip is not used."""
    server.put("out/a.zip", ZIP[:-50])
    refused(OUT, login_to(server), "source.not_ready", NotReadyError)


def test_a_package_is_moved_aside(server: S3) -> None:
    """A package that was read is moved below `done/`, once."""
    server.put("out/a.zip", ZIP)
    noted, at = fetched(OUT, login_to(server))[2].as_dict(), now()
    moved = move_read_package(source_of(OUT), noted, at=at, login=login_to(server))
    assert server.keys() == [f"out/{moved}"]
    assert move_read_package(source_of(OUT), noted, at=at, login=login_to(server)) is None


def test_without_a_connection_the_environment_logs_in(
    server: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the site names no connection, a role or the environment of the worker logs in."""
    server.put("out/a.zip", ZIP)
    source = Source(SourceUrl.parse(OUT))
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(RefusedSourceError, match="refused the login"):
        fetch(source, tmp_path, pause=lambda _: None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret)
    assert fetch(source, tmp_path, pause=lambda _: None).path.read_bytes() == ZIP


def test_no_log_holds_a_secret(server: S3, caplog: pytest.LogCaptureFixture) -> None:
    """No log of a library at its usual level has a secret key."""
    server.put("out/a.zip", ZIP)
    caplog.set_level(logging.INFO)
    fetched(OUT, login_to(server))
    wrong = "wr0ng-secret"
    refused(OUT, login_to(server, password=wrong), "source.login_refused")
    assert server.secret not in caplog.text
    assert wrong not in caplog.text


def test_a_certificate_that_fails_is_named_for_every_store() -> None:
    """A store that passes aiohttp's error on names the certificate; a wrong setting stays."""
    key = ConnectionKey(
        HOST, 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
    )
    failed = ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("self-signed"))
    with pytest.raises(RefusedSourceError) as error, translating(HOST, "o.zip"):
        raise failed
    assert error.value.code == "source.certificate"
    with pytest.raises(ValueError, match="no such option"), translating(HOST, "o.zip"):
        raise ValueError("no such option")


def test_a_scheme_without_a_library_is_named(server: S3) -> None:
    """A scheme of fsspec without its library is named, with what to install."""
    error = refused("gs://bucket/out", None, "source.unknown_scheme", RefusedSourceError)
    assert "no library on this machine reads gs://" in str(error)
