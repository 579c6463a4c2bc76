"""Packages from a real web server, over TLS: what is read, and how it fails."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

import pytest

from oneroster_sync.sources.base import Login, Patience
from oneroster_sync.sources.errors import (
    NoSourceError,
    NotReadyError,
    RefusedSourceError,
    RetriableSourceError,
)
from places import a_zip, fetched, refused
from servers import (
    HOST,
    LOGIN,
    PASSWORD,
    closed_port,
    cut_after,
    https_server,
    meanwhile,
    silent,
    silent_after,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers import Web

ZIP = a_zip()
BASIC = "Basic " + base64.b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A web server that serves the folder `web`, with `out/` in it, after a login."""
    (tmp_path / "web" / "out").mkdir(parents=True)
    with https_server(tmp_path / "web", BASIC) as server:
        yield server


def login_to(web: Web, **other: Any) -> Login:
    """Return the connection's login, with some values changed."""
    usual = {"host": f"https://{HOST}/", "login": LOGIN, "password": PASSWORD}
    return Login("sis", **{**usual, "extra": {"ca_file": str(web.ca_file)}, **other})


def put(folder: Path, name: str, content: bytes = ZIP, *, at: int = 1_790_000_000) -> None:
    """Write a file with a modification time, as the SIS does."""
    (folder / name).write_bytes(content)
    os.utime(folder / name, (at, at))


def at(web: Web, path: str, port: int | None = None) -> str:
    """Return the URL of a path."""
    return f"https://{HOST}:{port or web.port}/{path}"


def test_a_file_is_fetched(web: Web, tmp_path: Path) -> None:
    """A URL that names a file means that file, with any pattern."""
    put(tmp_path / "web", "One Roster.zip")
    name, files, _ = fetched(at(web, "One%20Roster.zip"), login_to(web), pattern="x")
    assert (name, files) == ("One Roster.zip", {"One Roster.zip": ZIP})


def test_the_newest_file_of_a_page_is_fetched(web: Web, tmp_path: Path) -> None:
    """A URL that ends with a slash is a page whose links are files; the newest is read."""
    out = tmp_path / "web" / "out"
    put(out, "z.zip", a_zip(10))
    put(out, "a.zip", at=1_790_000_100)
    put(out, "b.txt", b"hello", at=1_790_000_200)
    assert fetched(at(web, "out/"), login_to(web))[1] == {"a.zip": ZIP}
    put(out, "c.zip.part", ZIP[:9], at=1_790_000_300)
    refused(at(web, "out/"), login_to(web), "source.not_ready", NotReadyError)


def test_a_page_of_many_links_is_not_asked_for_all_of_them(web: Web, tmp_path: Path) -> None:
    """A page that links to thousands of packages is refused before any of them is requested."""
    for n in range(501):
        put(tmp_path / "web" / "out", f"OneRoster-{n}.zip")
    refused(at(web, "out/"), login_to(web), "source.too_many_files", RefusedSourceError)
    assert len(web.sent) == 1
    name, _, _ = fetched(at(web, "out/"), login_to(web), pattern="OneRoster-1.zip")
    assert name == "OneRoster-1.zip"


def test_a_token_logs_in(tmp_path: Path) -> None:
    """The password is a bearer token if the connection's extra has `auth: bearer`."""
    (tmp_path / "web").mkdir()
    put(tmp_path / "web", "o.zip")
    with https_server(tmp_path / "web", f"Bearer {PASSWORD}") as web:
        extra = {"ca_file": str(web.ca_file), "auth": "bearer"}
        login = login_to(web, login=None, extra=extra)
        assert fetched(at(web, "o.zip"), login)[1] == {"o.zip": ZIP}
        refused(at(web, "o.zip"), login_to(web), "source.login_refused", RefusedSourceError)


def test_no_login_is_needed_where_none_is_asked_for(tmp_path: Path) -> None:
    """A connection may have only the authority to trust."""
    (tmp_path / "web").mkdir()
    put(tmp_path / "web", "o.zip")
    with https_server(tmp_path / "web") as web:
        login = login_to(web, login=None, password=None)
        assert fetched(at(web, "o.zip"), login)[1] == {"o.zip": ZIP}
        assert all("Authorization" not in headers for headers in web.sent)


def test_a_wrong_login_is_refused(web: Web, tmp_path: Path) -> None:
    """A wrong password has its own code and is not retried."""
    put(tmp_path / "web", "o.zip")
    for other in ({"password": "wrong"}, {"login": None, "password": None}):
        login = login_to(web, **other)
        refused(at(web, "o.zip"), login, "source.login_refused", RefusedSourceError)


def test_a_certificate_is_always_verified(web: Web, tmp_path: Path) -> None:
    """With an unknown authority or a certificate for another name, no login is sent."""
    put(tmp_path / "web", "o.zip")
    stranger = login_to(web, extra={})
    refused(at(web, "o.zip"), stranger, "source.certificate", RefusedSourceError)
    with https_server(tmp_path / "web", name="sis.example.org") as other:
        login = login_to(other)
        refused(at(other, "o.zip"), login, "source.certificate", RefusedSourceError)
        assert other.sent == []
    login = login_to(web, extra={"ca_file": str(tmp_path / "nothing.pem")})
    refused(at(web, "o.zip"), login, "source.certificate", RefusedSourceError)


def test_secrets_go_to_no_other_host(web: Web, tmp_path: Path) -> None:
    """A connection is used for its own host and port only, and no redirect leaves TLS."""
    put(tmp_path / "web", "o.zip")
    for other in ({"host": "sis.example.org"}, {"port": 443}, {"host": ""}):
        login = login_to(web, **other)
        refused(at(web, "o.zip"), login, "source.other_host", RefusedSourceError)
    assert web.sent == []
    refused(at(web, "elsewhere"), login_to(web), "source.not_encrypted", RefusedSourceError)


def test_nothing_there(web: Web) -> None:
    """A wrong path and a page without packages have their own code."""
    for path in ("nothing.zip", "nowhere/", "out/"):
        refused(at(web, path), login_to(web), "source.not_found", NoSourceError)


def test_a_server_that_is_away_is_tried_again(web: Web) -> None:
    """An unreachable and a silent server are retried."""
    nobody = at(web, "o.zip", closed_port())
    refused(nobody, login_to(web), "source.unreachable", RetriableSourceError)
    with silent() as port:
        patience = Patience(connect_s=0.5, read_s=0.5)
        silence = at(web, "o.zip", port)
        login = login_to(web)
        refused(silence, login, "source.timeout", RetriableSourceError, patience=patience)


def test_a_cut_connection_leaves_nothing(web: Web, tmp_path: Path) -> None:
    """No part of a file is used if the connection is cut half way."""
    put(tmp_path / "web", "o.zip")
    with cut_after(web.port, 100_000) as port:
        cut = at(web, "o.zip", port)
        refused(cut, login_to(web), "source.interrupted", RetriableSourceError)


def test_a_server_that_falls_silent_is_given_up(web: Web, tmp_path: Path) -> None:
    """If the server falls silent within a file, the read times out, and nothing is used."""
    put(tmp_path / "web", "o.zip")
    patience = Patience(read_s=0.5)
    with silent_after(web.port, 100_000) as port:
        login = login_to(web)
        refused(
            at(web, "o.zip", port), login, "source.timeout", RetriableSourceError, patience=patience
        )


def test_a_file_that_is_replaced_while_it_is_read_is_not_used(web: Web, tmp_path: Path) -> None:
    """If another package replaces the file while it is read, neither is used."""
    folder = tmp_path / "web"
    put(folder, "o.zip")

    def replace() -> None:
        put(folder, "new", ZIP.swapcase(), at=1_790_000_001)
        (folder / "new").rename(folder / "o.zip")

    with meanwhile(web.port, 100_000, replace) as port:
        refused(at(web, "o.zip", port), login_to(web), "source.not_ready", NotReadyError)


def test_a_file_that_is_rewritten_is_not_ready(web: Web, tmp_path: Path) -> None:
    """A file that changes between the two listings is not ready, and neither is half a zip."""
    put(tmp_path / "web", "o.zip")
    refused(
        at(web, "o.zip"),
        login_to(web),
        "source.not_ready",
        NotReadyError,
        between=lambda: put(tmp_path / "web", "o.zip", at=1_790_000_007),
    )
    put(tmp_path / "web", "o.zip", ZIP[:-40])
    refused(at(web, "o.zip"), login_to(web), "source.not_ready", NotReadyError)
