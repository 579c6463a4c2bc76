"""Uploads are received in pieces, refused as early as possible, and deleted after they are read."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import stat
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oneroster_sync import pipeline, settings
from oneroster_sync.pipeline import Request, sync
from oneroster_sync.runs import Outcome, Trigger
from oneroster_sync.sources import uploads
from oneroster_sync.sources.sniff import START
from oneroster_sync.sources.uploads import (
    LIMITS,
    EmptyUploadError,
    NoRoomError,
    Receiving,
    TooLargeError,
    Upload,
    WrongKindError,
)
from oneroster_sync.standard.kinds import Kind
from roster_of import SCHOOL, now

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from conftest import Site

USERS, COURSES = (SCHOOL[name].encode() for name in ("users.csv", "courses.csv"))
FILLING = b"x" * (1 << 20)


def zipped(texts: dict[str, str]) -> bytes:
    """Return a zip of files."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


ZIP = zipped(SCHOOL)


def receive(site: Site, kind: Kind, pieces: Iterable[bytes]) -> Upload:
    """Upload pieces to a site."""
    with Receiving(site.name, kind) as receiving:
        for piece in pieces:
            receiving.write(piece)
        return receiving.finish()


def folder(site: Site) -> Path:
    """Return the folder of a site's uploads."""
    return Path(settings.storage().path) / "uploads" / site.name


def left(site: Site) -> list[str]:
    """Return the names of the folders and files of a site's uploads."""
    return sorted(path.name for path in folder(site).rglob("*"))


@pytest.mark.parametrize(
    ("kind", "content", "name"),
    [
        (Kind.PACKAGE, ZIP, "OneRoster.zip"),
        (Kind.USERS, USERS, "users.csv"),
        (Kind.COURSES, COURSES, "courses.csv"),
        (Kind.IDS, b"kind,oldSourcedId,newSourcedId\nuser,a,b\n", "ids.csv"),
        (Kind.LINKS, b"email,sourcedId\na@x.org,a\n", "links.csv"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_upload_is_kept_as_it_came(
    site: Site, kind: Kind, content: bytes, name: str, size: int
) -> None:
    """Every byte is stored in order, under a name of ours, with its size and its sha256."""
    pieces = (content[n : n + size] for n in range(0, len(content), size))
    taken = receive(site, kind, pieces)
    path = Path(taken.package)
    assert path.read_bytes() == content
    assert path.name == name
    assert path.parents[1] == folder(site)
    assert taken.size == len(content)
    assert taken.sha256 == hashlib.sha256(content).hexdigest()
    assert left(site) == sorted([path.parent.name, name])


@pytest.mark.case("c04")
def test_upload_is_private(site: Site) -> None:
    """No other user of the machine can read an upload, during its transfer or afterwards."""
    before = os.umask(0)
    try:
        with Receiving(site.name, Kind.USERS) as receiving:
            receiving.write(USERS)
            (part,) = folder(site).glob("*/*")
            assert stat.S_IMODE(part.parent.stat().st_mode) == 0o700
            path = Path(receiving.finish().package)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.case("c04")
def test_two_uploads_do_not_meet(site: Site) -> None:
    """The same file uploaded twice is two files, in folders whose names can't be guessed."""
    first, second = (Path(receive(site, Kind.USERS, [USERS]).package) for _ in range(2))
    assert first != second
    assert len(first.parent.name) == 32


def test_incomplete_upload_has_another_name(site: Site) -> None:
    """An incomplete upload has another name, so that no run reads half a file."""
    with Receiving(site.name, Kind.USERS) as receiving:
        receiving.write(USERS[:50])
        assert left(site)[1:] == ["users.csv.part"]


@pytest.mark.parametrize("kind", list(Kind))
def test_limit_is_a_number_of_bytes(site: Site, kind: Kind) -> None:
    """An upload may announce the limit, and not one byte more."""
    receiving = Receiving(site.name, kind)
    receiving.expect(LIMITS[kind])
    with pytest.raises(TooLargeError, match=f"{LIMITS[kind] >> 20} MiB at most"):
        receiving.expect(LIMITS[kind] + 1)
    assert left(site) == []


@pytest.mark.case("c04")
def test_limit_applies_to_received_bytes(site: Site) -> None:
    """The received bytes are counted: an upload without an end stops at its limit."""
    taken: list[bytes] = []

    def endless() -> Iterator[bytes]:
        yield ZIP
        while len(taken) * len(FILLING) < 2 * LIMITS[Kind.PACKAGE]:
            yield FILLING
            taken.append(FILLING)

    with pytest.raises(TooLargeError):
        receive(site, Kind.PACKAGE, endless())
    assert len(taken) * len(FILLING) < LIMITS[Kind.PACKAGE]
    assert left(site) == []


@pytest.mark.case("a16")
@pytest.mark.parametrize(
    ("kind", "content", "what"),
    [
        (Kind.USERS, COURSES, "this is courses.csv"),
        (Kind.COURSES, USERS, "this is users.csv"),
        (Kind.USERS, ZIP, "this is a zip"),
        (Kind.PACKAGE, USERS, "Expected a zip; this is users.csv"),
        (Kind.PACKAGE, b"%PDF-1.7 and so on", "Expected a zip; this is not a zip"),
        (Kind.PACKAGE, b"<html></html>", "Expected a zip; this is not a zip"),
        (Kind.USERS, SCHOOL["enrollments.csv"].encode(), "this is enrollments.csv"),
        (Kind.USERS, b"MZ\x90\0\3\0\0\0" * 20, "this is not a CSV file"),
        (Kind.USERS, USERS.decode().encode("utf-16"), "this is not a CSV file"),
        (Kind.COURSES, USERS.replace(b"\n", b"\r"), "this is users.csv"),
        (Kind.COURSES, b"\xef\xbb\xbf" + USERS, "this is users.csv"),
        (Kind.COURSES, b"\n\n" + USERS, "this is users.csv"),
    ],
)
def test_other_files_are_refused_and_named(
    site: Site, kind: Kind, content: bytes, what: str
) -> None:
    """A file that does not match its upload type is refused, and the answer names its type."""
    with pytest.raises(WrongKindError, match=what):
        receive(site, kind, [content])
    assert left(site) == []


@pytest.mark.parametrize("content", [USERS.replace(b"\n", b"\r"), b"\xef\xbb\xbf" + USERS])
def test_line_ends_and_marks_do_not_hide_the_type(site: Site, content: bytes) -> None:
    """A users.csv with old line ends or a byte order mark is accepted; its run validates it."""
    assert receive(site, Kind.USERS, [content]).size == len(content)


@pytest.mark.case("c04")
def test_other_file_is_refused_at_its_first_64_kib(site: Site) -> None:
    """The type of a large file is known from its start; the rest is not awaited."""
    start = COURSES + b"c,Course,C\n" * (START // 10)
    with Receiving(site.name, Kind.USERS) as receiving:
        receiving.write(start[: START - 1])
        with pytest.raises(WrongKindError):
            receiving.write(start[START - 1 : START])
    assert left(site) == []


def test_start_that_comes_in_pieces_is_judged_whole(site: Site) -> None:
    """A header in several pieces of the network is still one header."""
    long = USERS + b"x,true,teacher,x,X,X,x@x.org\n" * 5000
    pieces = [long[:5], long[5:17], long[17:]]
    assert receive(site, Kind.USERS, pieces).size == len(long)


def test_empty_upload_is_refused(site: Site) -> None:
    """A file without bytes is refused, in any number of pieces."""
    for pieces in ([], [b""], [b"", b""]):
        with pytest.raises(EmptyUploadError):
            receive(site, Kind.USERS, pieces)
    assert left(site) == []


@pytest.mark.case("b18")
def test_upload_that_is_cut_off_leaves_nothing(site: Site) -> None:
    """When the client disconnects, or anything fails, the received part is deleted."""

    def cut_off() -> Iterator[bytes]:
        yield ZIP[:100]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        receive(site, Kind.PACKAGE, cut_off())
    with Receiving(site.name, Kind.PACKAGE) as receiving:
        receiving.write(ZIP[:100])
    assert left(site) == []


@pytest.mark.case("b11")
def test_full_storage_is_an_error_with_advice(site: Site) -> None:
    """A full storage is an error with advice, and the received part is deleted."""
    with Receiving(site.name, Kind.USERS) as receiving, Path("/dev/full").open("wb", 0) as full:
        receiving._file = full
        with pytest.raises(NoRoomError, match="free some space"):
            receiving.write(USERS)
    assert left(site) == []


def test_other_faults_of_the_storage_are_not_taken_for_a_full_one(site: Site) -> None:
    """Another error of the storage keeps its own type, and the received part is deleted too."""
    with Receiving(site.name, Kind.USERS) as receiving:
        os.close(receiving._file.fileno())
        with pytest.raises(OSError, match="Bad file descriptor"):
            receiving.write(USERS * 9999)
    assert left(site) == []


def request(site: Site, package: str, kind: Kind = Kind.PACKAGE) -> Request:
    """Return the request for a run that reads an upload."""
    return Request(
        run_id=os.urandom(16).hex(),
        site=site.name,
        package=package,
        trigger=Trigger.UPLOAD,
        requested_by="the test",
        kind=kind,
    )


@pytest.mark.parametrize(
    ("guards", "outcome"),
    [("{}", "succeeded_with_errors"), ('{"users": {"cap": 0}}', "held")],
)
def test_upload_is_deleted_when_its_run_has_ended(site: Site, guards: str, outcome: str) -> None:
    """An upload is deleted after its plan is applied or held, because it may contain students."""
    site.sync(SCHOOL)
    site.command("preferences", "--set", f"guards={guards}")
    flawed = SCHOOL["users.csv"].replace("cec,true,aide", "cec,perhaps,aide")
    without = "\n".join(line for line in flawed.splitlines() if not line.startswith("bob"))
    taken = receive(site, Kind.USERS, [without.encode()])
    run = sync(request(site, taken.package, Kind.USERS), clock=now)
    assert run.outcome == outcome
    assert left(site) == []


def test_upload_of_a_rejected_run_is_deleted(site: Site) -> None:
    """The upload of a rejected run is deleted too."""
    taken = receive(site, Kind.PACKAGE, [b"PK and nothing that is a zip"])
    assert sync(request(site, taken.package), clock=now).outcome == "rejected"
    assert left(site) == []


def test_upload_of_a_failed_run_stays(site: Site) -> None:
    """A failed run can be retried, so its upload stays for a week, and is then deleted."""
    site.command("preferences", "--set", "credited_admin=null")
    taken = receive(site, Kind.PACKAGE, [ZIP])
    run = sync(request(site, taken.package), clock=now)
    assert run.outcome is Outcome.FAILED
    pipeline.record(run, now=now())
    assert Path(taken.package).exists()

    uploads.sweep(site.name, now=now() + dt.timedelta(days=6))
    assert Path(taken.package).exists()
    uploads.sweep(site.name, now=now() + dt.timedelta(days=8))
    assert left(site) == []


def test_sweep_spares_uploads_under_way(site: Site) -> None:
    """The purge deletes no upload in progress, and no upload of other sites."""
    other = type(site)(f"{site.name}-b", site.folder)
    theirs = receive(other, Kind.USERS, [USERS])
    with Receiving(site.name, Kind.USERS) as receiving:
        receiving.write(USERS)
        uploads.sweep(site.name, now=now())
        path = Path(receiving.finish().package)
    uploads.sweep(site.name, now=now() + dt.timedelta(days=30))
    assert not path.exists()
    assert Path(theirs.package).exists()


def test_sweep_of_a_site_without_uploads_does_nothing(site: Site) -> None:
    """The purge of a site that never had an upload does nothing."""
    uploads.sweep(site.name, now=now())
    uploads.forget(site.name, None)
    assert left(site) == []


def test_packages_from_elsewhere_are_left_alone(site: Site, tmp_path: Path) -> None:
    """Only uploads of the site itself are deleted: no operator's file, and no other site's."""
    other = type(site)(f"{site.name}-b", site.folder)
    own, theirs = receive(site, Kind.USERS, [USERS]), receive(other, Kind.USERS, [USERS])
    elsewhere = tmp_path / "users.csv"
    elsewhere.write_bytes(USERS)
    inside = folder(site) / ".." / ".." / ".." / "roster.csv"
    for package in (str(elsewhere), theirs.package, str(inside), str(folder(site)), "", "/", None):
        uploads.forget(site.name, package)
    assert elsewhere.exists()
    assert Path(theirs.package).exists()
    assert Path(own.package).exists()
    uploads.forget(site.name, own.package)
    assert left(site) == []
    assert Path(theirs.package).exists()
