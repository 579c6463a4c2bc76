"""Packages from a real SFTP server: what is read, and how it fails."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from oneroster_sync.settings import Limits
from oneroster_sync.sources.archive import move_read_package
from oneroster_sync.sources.base import Login, Patience
from oneroster_sync.sources.errors import (
    NoSourceError,
    NotReadyError,
    RefusedSourceError,
    RetriableSourceError,
)
from places import a_zip, fetched, refused, source_of
from roster_of import now
from servers import (
    HOST,
    LOGIN,
    PASSWORD,
    closed_port,
    cut_after,
    meanwhile,
    sftp_server,
    silent,
    silent_after,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers import Sftp

OUT = f"sftp://{HOST}/out"
ZIP = a_zip()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sftp]:
    """An SFTP server."""
    with sftp_server(tmp_path_factory.mktemp("sftp")) as server:
        yield server


@pytest.fixture
def out(server: Sftp) -> Iterator[Path]:
    """The server's export folder, empty."""
    folder = server.folder / "out"
    folder.mkdir()
    yield folder
    folder.rename(server.folder / f"was-{id(folder)}-{os.urandom(4).hex()}")


def login_to(server: Sftp, **other: Any) -> Login:
    """Return the usual login, with some values replaced."""
    usual = {"host": HOST, "port": server.port, "login": LOGIN, "password": PASSWORD}
    return Login("sis", **{**usual, "extra": server.extra(), **other})


def put(folder: Path, name: str, content: bytes = ZIP, *, at: int = 1_790_000_000) -> Path:
    """Write a file of the SIS with a modification time."""
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


def test_the_newest_package_is_fetched(server: Sftp, out: Path) -> None:
    """The newest file that matches the pattern, in any case, is read as a whole."""
    put(out, "OneRoster-1.zip", a_zip(10), at=1_790_000_100)
    put(out, "OneRoster-2.ZIP", at=1_790_000_200)
    put(out, "notes.txt", b"hello", at=1_790_000_300)
    (out / "done").mkdir()
    name, files, found = fetched(OUT, login_to(server), pattern="oneroster-*.zip")
    assert (name, files) == ("OneRoster-2.ZIP", {"OneRoster-2.ZIP": ZIP})
    assert len(found.sha256) == 64
    assert fetched(f"{OUT}/OneRoster-1.zip", login_to(server))[0] == "OneRoster-1.zip"


def test_csv_files_of_a_folder_are_one_package(server: Sftp, out: Path) -> None:
    """A folder with CSV files is one package."""
    put(out, "manifest.csv", b"propertyName,value\n")
    put(out, "users.csv", b"sourcedId\n")
    put(out, "old.zip")
    _, files, _ = fetched(OUT, login_to(server))
    assert set(files) == {"manifest.csv", "users.csv"}
    put(out, "classes.csv.part", b"sourc")
    refused(OUT, login_to(server), "source.not_ready", NotReadyError)


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
@pytest.mark.parametrize("how", ["openssh", "pkcs8-pem", "file"])
def test_a_private_key_logs_in(tmp_path: Path, algorithm: str, how: str) -> None:
    """A private key in a usual format, from the connection or a file, needs no password."""
    folder = tmp_path / "sftp"
    folder.mkdir()
    put(folder, "o.zip")
    with sftp_server(folder, algorithm) as server:
        key = asyncssh.import_private_key(server.private_key)
        if how == "file":
            path, phrase = tmp_path / "key", "of the key"
            path.write_bytes(key.export_private_key("openssh", passphrase=phrase))
            extra = {"key_file": str(path), "private_key_passphrase": phrase}
        else:
            extra = {"private_key": key.export_private_key(how).decode()}
        bare = server.host_key.split()[1]
        login = login_to(server, password=None, extra={**extra, "host_key": bare})
        assert fetched(f"sftp://{HOST}/", login)[1] == {"o.zip": ZIP}


def test_a_wrong_login_is_refused(server: Sftp, out: Path) -> None:
    """A wrong password and an unreadable key are reported as such, without a retry."""
    for other in ({"password": "wrong"}, {"login": "nobody"}):
        refused(OUT, login_to(server, **other), "source.login_refused", RefusedSourceError)
    key = server.extra(private_key="-----BEGIN nonsense", no_host_key_check=True)
    error = refused(OUT, login_to(server, extra=key), "source.login_refused")
    assert "private key of the connection sis can't be read" in str(error)


def test_an_unknown_host_key_is_refused(server: Sftp, out: Path) -> None:
    """A server with an unknown host key gets no password, unless the connection allows it."""
    put(out, "o.zip")
    for extra in ({}, {"host_key": "AAAAnonsense"}, {"no_host_key_check": "false"}):
        login = login_to(server, extra=extra)
        refused(OUT, login, "source.host_key_unknown", RefusedSourceError)
    assert fetched(OUT, login_to(server, extra={"no_host_key_check": True}))[0] == "o.zip"


@pytest.mark.case("b23")
@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ssh-rsa"])
def test_another_host_key_is_refused_and_named(server: Sftp, out: Path, algorithm: str) -> None:
    """A server with another host key than the known one is refused, and both keys are named."""
    other = asyncssh.generate_private_key(algorithm).convert_to_public()
    extra = {"host_key": other.export_public_key().decode()}
    error = refused(
        OUT, login_to(server, extra=extra), "source.host_key_changed", RefusedSourceError
    )
    own = asyncssh.import_public_key(server.host_key)
    assert own.get_fingerprint() in str(error)
    assert error.expected == other.get_fingerprint()


def test_secrets_go_to_no_other_host(server: Sftp, out: Path) -> None:
    """A connection's secrets go only to the host and the port that it names."""
    for other in ({"host": "sis.example.org"}, {"host": None}, {"host": f"{HOST}.example.org"}):
        login = login_to(server, **other)
        refused(OUT, login, "source.other_host", RefusedSourceError)
    refused(f"sftp://{HOST}:{server.port + 1}/out", login_to(server), "source.other_host")
    refused(OUT, None, "source.no_connection", RefusedSourceError)


def test_nothing_there(server: Sftp, out: Path) -> None:
    """A missing path and an empty folder are reported with the place and the pattern."""
    error = refused(f"sftp://{HOST}/elsewhere", login_to(server), "source.not_found", NoSourceError)
    assert f"sftp://{HOST}/elsewhere" in str(error)
    put(out, "o.csv.zip")
    error = refused(OUT, login_to(server), "source.not_found", NoSourceError, pattern="x*.zip")
    assert error.expected == "a file that matches x*.zip"


@pytest.mark.case("b23")
def test_a_server_that_is_away_is_tried_again(server: Sftp) -> None:
    """An unreachable server and one that never answers give different retriable errors."""
    away = login_to(server, port=closed_port())
    refused(OUT, away, "source.unreachable", RetriableSourceError)
    nowhere = "sftp://no-such-host.invalid/out"
    refused(nowhere, login_to(server, host="no-such-host.invalid"), "source.unreachable")
    with silent() as port:
        error = refused(
            OUT,
            login_to(server, port=port),
            "source.timeout",
            RetriableSourceError,
            patience=Patience(connect_s=0.5),
        )
    assert "did not answer in 0.5 s" in str(error)


@pytest.mark.case("b23")
@pytest.mark.parametrize("size", [500, 4_000, 100_000])
def test_a_cut_connection_leaves_nothing(server: Sftp, out: Path, size: int) -> None:
    """A connection that is cut at any point is a retriable error, and nothing is used."""
    put(out, "o.zip")
    with cut_after(server.port, size) as port:
        code = "source.unreachable" if size == 500 else "source.interrupted"
        refused(OUT, login_to(server, port=port), code, RetriableSourceError)
    assert fetched(OUT, login_to(server))[1] == {"o.zip": ZIP}


@pytest.mark.case("b23")
def test_a_server_that_falls_silent_is_given_up(server: Sftp, out: Path) -> None:
    """A server that stops in the middle of a file is a timeout, and nothing is used."""
    put(out, "o.zip")
    patience = Patience(read_s=0.5)
    with silent_after(server.port, 100_000) as port:
        login = login_to(server, port=port)
        refused(OUT, login, "source.timeout", RetriableSourceError, patience=patience)


@pytest.mark.case("b21")
def test_a_file_that_grows_is_not_ready(server: Sftp, out: Path) -> None:
    """A file that grows between two checks is not ready."""
    path = put(out, "o.zip", ZIP[:1000])

    def grow() -> None:
        put(out, "o.zip", ZIP[:2000])

    error = refused(OUT, login_to(server), "source.not_ready", NotReadyError, between=grow)
    assert f"{path.name} is still being written" in str(error)


def test_a_file_that_is_rewritten_is_not_ready(server: Sftp, out: Path) -> None:
    """A file of the same size with another time is not ready."""
    put(out, "o.zip")
    refused(
        OUT,
        login_to(server),
        "source.not_ready",
        NotReadyError,
        between=lambda: put(out, "o.zip", at=1_790_000_001),
    )


@pytest.mark.case("b22")
def test_a_file_that_is_replaced_while_it_is_read_is_not_used(server: Sftp, out: Path) -> None:
    """A file that is replaced while it is read is not used."""
    put(out, "o.zip")

    def replace() -> None:
        put(out, "new", ZIP.swapcase(), at=1_790_000_001).rename(out / "o.zip")

    with meanwhile(server.port, 100_000, replace) as port:
        refused(OUT, login_to(server, port=port), "source.not_ready", NotReadyError)


def test_a_newer_file_that_comes_meanwhile_is_waited_for(server: Sftp, out: Path) -> None:
    """If a newer package appears between two checks, the older one is not used."""
    put(out, "a.zip")
    refused(
        OUT,
        login_to(server),
        "source.not_ready",
        NotReadyError,
        between=lambda: put(out, "b.zip", at=1_790_000_009),
    )


@pytest.mark.parametrize("suffix", [".tmp", ".part", ".filepart", ".PART"])
def test_a_name_that_says_unfinished_waits(server: Sftp, out: Path, suffix: str) -> None:
    """An older package is not used while a newer unfinished file exists; old ones do not matter."""
    put(out, f"leftover.zip{suffix}", at=1_789_000_000)
    put(out, "yesterday.zip")
    assert fetched(OUT, login_to(server))[0] == "yesterday.zip"
    put(out, f"today.zip{suffix}", at=1_790_000_100)
    refused(OUT, login_to(server), "source.not_ready", NotReadyError)


@pytest.mark.parametrize("size", [len(ZIP) - 100, 50, 0])
def test_a_zip_without_its_end_is_not_ready(server: Sftp, out: Path, size: int) -> None:
    """A zip without its end is not ready, even if it does not grow."""
    put(out, "o.zip", ZIP[:size])
    refused(OUT, login_to(server), "source.not_ready", NotReadyError)


def test_a_file_that_is_no_zip_is_fetched(server: Sftp, out: Path) -> None:
    """A file that is no zip is fetched as it is, and rejected later as a package."""
    put(out, "o.zip", b"<html>sorry</html>")
    assert fetched(OUT, login_to(server))[1] == {"o.zip": b"<html>sorry</html>"}


def test_a_package_may_not_be_larger_than_a_package(server: Sftp, out: Path) -> None:
    """A package beyond the size limit is refused, by its announced size and while it is read."""
    put(out, "o.zip")
    small = Patience(limits=Limits(packed=100_000))
    refused(OUT, login_to(server), "source.too_large", RefusedSourceError, patience=small)
    put(out, "users.csv", b"x" * 60_000)
    put(out, "orgs.csv", b"x" * 60_000)
    few = Patience(limits=Limits(unpacked=100_000))
    refused(OUT, login_to(server), "source.too_large", RefusedSourceError, patience=few)


def test_a_package_that_never_ends_is_given_up(server: Sftp, out: Path) -> None:
    """A package that takes longer than its time limit is a timeout."""
    put(out, "o.zip")
    slow = Patience(whole_s=0)
    refused(OUT, login_to(server), "source.timeout", RetriableSourceError, patience=slow)


def test_names_that_are_none_are_passed_over(server: Sftp, out: Path) -> None:
    """A file name with a line break or an escape is skipped, so that no log contains it."""
    put(out, "o.zip")
    put(out, "z\nERROR all is lost.zip", at=1_790_000_500)
    put(out, "z\x1b[31m.zip", at=1_790_000_500)
    assert fetched(OUT, login_to(server))[0] == "o.zip"


def test_links_are_followed_to_files(server: Sftp, out: Path) -> None:
    """A link to a file is followed, and a broken link is skipped."""
    put(server.folder, "real.zip", at=1_790_000_700)
    (out / "latest.zip").symlink_to("../real.zip")
    (out / "broken.zip").symlink_to("nowhere")
    assert fetched(OUT, login_to(server))[1] == {"latest.zip": ZIP}


def test_a_package_is_moved_aside(server: Sftp, out: Path) -> None:
    """The package that was read is moved to `done` once, and other files stay."""
    at = now()
    put(out, "o.zip")
    put(out, "older.zip", at=1_780_000_000)
    noted = fetched(OUT, login_to(server))[2].as_dict()
    moved = move_read_package(source_of(OUT), noted, at=at, login=login_to(server))
    assert moved == f"done/o.{at:%Y%m%dT%H%M%SZ}.zip"
    assert (out / moved).read_bytes() == ZIP
    assert {path.name for path in out.iterdir()} == {"done", "older.zip"}
    assert move_read_package(source_of(OUT), noted, at=at, login=login_to(server)) is None


def test_another_package_of_the_same_name_is_not_moved(server: Sftp, out: Path) -> None:
    """A newer file of the same name is not moved, because it was not read."""
    put(out, "o.zip")
    noted = fetched(OUT, login_to(server))[2].as_dict()
    put(out, "o.zip", at=1_790_000_800)
    assert move_read_package(source_of(OUT), noted, at=now(), login=login_to(server)) is None
    assert (out / "o.zip").exists()


def test_a_file_named_by_itself_is_moved_beside_itself(server: Sftp, out: Path) -> None:
    """A source that is a single file is moved into a folder beside it."""
    put(out, "o.zip")
    source = source_of(f"{OUT}/o.zip")
    noted = fetched(f"{OUT}/o.zip", login_to(server))[2].as_dict()
    moved = move_read_package(source, noted, at=now(), login=login_to(server))
    assert moved is not None
    assert (out / moved).exists()


def test_no_log_holds_a_secret(server: Sftp, out: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Even at the libraries' debug level, no log contains a password or a key."""
    put(out, "o.zip")
    wrong = "wr0ng-secret"
    caplog.set_level(logging.DEBUG)
    logging.getLogger("paramiko").setLevel(logging.DEBUG)
    login = login_to(server, extra=server.extra(private_key=server.private_key))
    fetched(OUT, login)
    refused(OUT, login_to(server, password=wrong), "source.login_refused")
    assert "Authentication (publickey) successful" in caplog.text
    for secret in (PASSWORD, wrong, server.private_key.splitlines()[2]):
        assert secret not in caplog.text
