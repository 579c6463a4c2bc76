"""Which zips, folders and lone files are accepted, and why the others are refused.

No file is unpacked to disk, no name of a package becomes a path, and a damaged or dangerous package
is refused as a whole, with one finding as the reason.
"""

from __future__ import annotations

import io
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest

from catalogue.archives import first_byte_of, patch_entry
from golden.school import SCHOOL, codes, folder_of, opened, summarize, zip_of
from oneroster_sync.roster.model import Known
from oneroster_sync.settings import MIB, Limits, SettingError
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.extract.package import extract_package

if TYPE_CHECKING:
    from pathlib import Path

PROFILES = ("tolerant", "strict")
USERS = SCHOOL["users.csv"]


def test_clean_package_says_nothing(tmp_path: Path) -> None:
    """A package as the standard describes it gives no finding, in both profiles."""
    package = zip_of(SCHOOL, tmp_path / "p.zip")
    for profile in PROFILES:
        extracted = opened(package, profile)
        assert not extracted.refused
        assert summarize(extracted.findings) == []
        assert extracted.rows["users"] == 6
        assert extracted.tables["users"]["sourcedId"].to_pylist() == ["ann", "bob", "cat", "dan"]


def test_zip_and_folder_are_the_same(tmp_path: Path) -> None:
    """A folder of the files gives the same rows as their zip."""
    by_zip = opened(zip_of(SCHOOL, tmp_path / "p.zip"))
    by_folder = opened(folder_of(SCHOOL, tmp_path / "p"))

    assert by_zip.tables == by_folder.tables
    assert by_zip.rows == by_folder.rows
    assert by_zip.ignored == by_folder.ignored == 2


# Files that are no archive


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("p.zip", b"", "zip.empty"),
        ("users.csv", b"", "zip.empty"),
        ("p.zip", USERS.encode(), "zip.invalid_archive"),
        ("p.zip", b"<!doctype html><title>Log in</title>", "zip.invalid_archive"),
        ("p.zip", b"%PDF-1.7\n" + bytes(range(256)) * 9, "zip.invalid_archive"),
        ("p.zip", b"PK\x03\x04" + bytes(100), "zip.invalid_archive"),
        ("p", USERS.encode(), "zip.invalid_archive"),
    ],
)
def test_what_is_no_archive_is_refused(
    tmp_path: Path, profile: str, name: str, data: bytes, code: str
) -> None:
    """An empty file, or another format named as a zip, is refused."""
    package = tmp_path / name
    package.write_bytes(data)

    extracted = opened(package, profile)

    assert extracted.refused
    assert codes(extracted.findings) == [code]


def test_zip_under_the_name_of_a_csv_is_refused(tmp_path: Path) -> None:
    """A zip named users.csv is the wrong kind of file, and the finding says that it is a zip."""
    extracted = opened(zip_of(SCHOOL, tmp_path / "users.csv"))

    assert extracted.refused
    assert summarize(extracted.findings) == [("upload.wrong_kind", "users.csv", None)]
    assert "zip" in str(extracted.findings.table()["expected"][0])


def test_missing_package_is_refused(tmp_path: Path) -> None:
    """A path without a file gives a finding."""
    extracted = opened(tmp_path / "p.zip")

    assert extracted.refused
    assert codes(extracted.findings) == ["upload.not_found"]


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("end", ["head", "tail"])
def test_truncated_zip_is_refused(tmp_path: Path, kept: float, end: str) -> None:
    """A zip without its beginning or its end is refused as no archive."""
    whole = zip_of(SCHOOL, tmp_path / "p.zip").read_bytes()
    size = int(len(whole) * kept)
    package = tmp_path / "cut.zip"
    package.write_bytes(whole[-size:] if end == "head" else whole[:size])

    extracted = opened(package)

    assert extracted.refused
    assert codes(extracted.findings) == ["zip.invalid_archive"]


# Damaged content


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("at", [1, 30])
def test_flipped_bit_is_found(tmp_path: Path, method: int, at: int) -> None:
    """One wrong bit in a file's data refuses the package and names the file."""
    package = tmp_path / "p.zip"
    with zipfile.ZipFile(package, "w", method) as archive:
        for name, text in SCHOOL.items():
            archive.writestr(name, text)
    data = bytearray(package.read_bytes())
    data[first_byte_of(bytes(data), "users.csv") + at] ^= 1
    package.write_bytes(data)

    extracted = opened(package)

    assert extracted.refused
    assert not extracted.tables
    assert summarize(extracted.findings) == [("zip.corrupt_entry", "users.csv", None)]


def test_wrong_checksum_is_found(tmp_path: Path) -> None:
    """A wrong checksum refuses the package and names the file."""
    package = zip_of(SCHOOL, tmp_path / "p.zip")
    patch_entry(package, "courses.csv", 16, struct.pack("<L", 1))

    extracted = opened(package)

    assert extracted.refused
    assert summarize(extracted.findings) == [("zip.corrupt_entry", "courses.csv", None)]


def test_encrypted_entry_is_refused(tmp_path: Path) -> None:
    """An encrypted file refuses the package and is named."""
    package = zip_of(SCHOOL, tmp_path / "p.zip")
    patch_entry(package, "users.csv", 8, struct.pack("<H", 1))

    extracted = opened(package)

    assert extracted.refused
    assert summarize(extracted.findings) == [("zip.encrypted", "users.csv", None)]


@pytest.mark.parametrize("method", [6, 9, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93, 99])
def test_other_compression_is_refused(tmp_path: Path, method: int) -> None:
    """Only stored and deflated files are accepted, even if Python could read more."""
    package = zip_of(SCHOOL, tmp_path / "p.zip")
    patch_entry(package, "orgs.csv", 10, struct.pack("<H", method))

    extracted = opened(package)

    assert extracted.refused
    assert summarize(extracted.findings) == [("zip.unsupported_compression", "orgs.csv", None)]


# Limits


def _bomb(package: Path, lines: int) -> Path:
    """Write a package whose users.csv repeats a short row many times."""
    header, row = USERS.splitlines()[0], USERS.splitlines()[1]
    return zip_of({**SCHOOL, "users.csv": f"{header}\n" + f"{row}\n" * lines}, package)


@pytest.mark.case("c13")
def test_bomb_by_ratio_is_stopped_on_the_way(tmp_path: Path) -> None:
    """A file that grows more than a hundredfold is not read to its end.

    Its last bytes are damaged, so that reading to the end would give another finding.
    """
    package = _bomb(tmp_path / "p.zip", 400_000)
    with zipfile.ZipFile(package) as archive:
        info = archive.getinfo("users.csv")
        assert info.file_size > 100 * info.compress_size
    data = bytearray(package.read_bytes())
    data[first_byte_of(bytes(data), "users.csv") + info.compress_size - 9] ^= 0xFF
    package.write_bytes(data)

    extracted = opened(package)

    assert extracted.refused
    assert not extracted.tables
    assert summarize(extracted.findings) == [("zip.ratio_exceeded", "users.csv", None)]


def test_bomb_without_a_line_end_is_stopped_on_the_way(tmp_path: Path) -> None:
    """Megabytes of zeros are refused as an endless line, before other files are read."""
    package = zip_of({**SCHOOL, "users.csv": bytes(8 << 20)}, tmp_path / "p.zip")

    extracted = opened(package)

    assert extracted.refused
    assert summarize(extracted.findings)[-1][:2] == ("csv.field_too_large", "users.csv")


def test_small_file_may_compress_well(tmp_path: Path) -> None:
    """A small file is accepted, however well it compresses."""
    package = zip_of({**SCHOOL, "orgs.csv": SCHOOL["orgs.csv"] + "\n" * 50_000}, tmp_path / "p.zip")

    assert not opened(package).refused


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_limit_counts_the_bytes_of_all_files(tmp_path: Path, kind: str) -> None:
    """The limit is for the sum of all files, and the finding names the file that passes it."""
    texts = {**SCHOOL, "enrollments.csv": SCHOOL["enrollments.csv"] + "\n" * 40_000}
    package = (
        zip_of(texts, tmp_path / "p.zip") if kind == "zip" else folder_of(texts, tmp_path / "p")
    )

    assert not opened(package, unpacked=100_000).refused
    extracted = opened(package, unpacked=30_000)

    assert extracted.refused
    assert summarize(extracted.findings) == [("zip.size_exceeded", "enrollments.csv", None)]


def test_declared_size_is_not_believed(tmp_path: Path) -> None:
    """A header with a smaller size than the data refuses the file."""
    package = _bomb(tmp_path / "p.zip", 1000)
    patch_entry(package, "users.csv", 24, struct.pack("<L", 100))

    extracted = opened(package)

    assert extracted.refused
    assert summarize(extracted.findings)[-1] == ("zip.corrupt_entry", "users.csv", None)


def test_packed_size_has_a_limit(tmp_path: Path) -> None:
    """A zip over the limit is refused before it is opened."""
    package = zip_of(SCHOOL, tmp_path / "p.zip")

    extracted = opened(package, packed=500)

    assert extracted.refused
    assert codes(extracted.findings) == ["zip.size_exceeded"]


def test_limits_are_the_operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits come from the operator's variables; an invalid value is named."""
    for name, set_, bytes_ in (("PACKED", "1", MIB), ("UNPACKED", "2", 2 * MIB)):
        monkeypatch.setenv(f"ONEROSTER_{name}_MIB", set_)
        assert getattr(Limits.in_force(), name.lower()) == bytes_

    for nonsense in ("0", "-1", "much", "1.5", "\uff11"):
        monkeypatch.setenv("ONEROSTER_PACKED_MIB", nonsense)
        with pytest.raises(SettingError, match="ONEROSTER_PACKED_MIB"):
            extract_package(tmp_path, Profile.TOLERANT, Known())


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_number_of_files_has_a_limit(tmp_path: Path, kind: str) -> None:
    """A package may have sixty-four files, but not sixty-five."""
    for count, refused in ((64, False), (65, True)):
        surplus = {f"note-{n}.txt": "" for n in range(count - len(SCHOOL))}
        texts = {**SCHOOL, **surplus}
        package = (
            zip_of(texts, tmp_path / f"{count}.zip")
            if kind == "zip"
            else folder_of(texts, tmp_path / str(count))
        )

        extracted = opened(package)

        assert extracted.refused is refused
        assert ("zip.entry_count" in codes(extracted.findings)) is refused


@pytest.mark.parametrize("name", ["OneRoster.zip", "users.csv.gz", "export.7z", "MORE.ZIP"])
def test_archive_in_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    """An archive in the package is not opened, and refuses it, as its rows would be missing."""
    extracted = opened(zip_of({**SCHOOL, name: b"PK"}, tmp_path / "p.zip"))

    assert extracted.refused
    assert summarize(extracted.findings) == [("zip.nested_archive", name, None)]


# Structure of the zip


def test_entries_that_share_bytes_are_refused(tmp_path: Path) -> None:
    """Two entries with the same bytes are refused: no ordinary tool writes them."""
    package = zip_of(
        {"manifest.csv": SCHOOL["manifest.csv"], "orgs.csv": "a", "user1.csv": "b"},
        tmp_path / "p.zip",
    )
    with zipfile.ZipFile(package) as archive:
        offset = archive.getinfo("orgs.csv").header_offset
    patch_entry(package, "user1.csv", 42, struct.pack("<L", offset))

    extracted = opened(package)

    assert extracted.refused
    assert codes(extracted.findings) == ["zip.overlap"]


def test_entry_that_reaches_into_the_next_is_refused(tmp_path: Path) -> None:
    """An entry that declares more bytes than it has overlaps the next one and is refused."""
    package = zip_of(SCHOOL, tmp_path / "p.zip")
    patch_entry(package, "orgs.csv", 20, struct.pack("<L", 5000))

    extracted = opened(package)

    assert extracted.refused
    assert summarize(extracted.findings) == [("zip.overlap", "orgs.csv", None)]


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"#!/bin/sh\nexit\n", b""), (b"", b"<script>"), (b"GIF89a", b""), (b"", bytes(5000))],
)
def test_bytes_around_the_archive_are_refused(tmp_path: Path, before: bytes, after: bytes) -> None:
    """A file that is a zip and also another format is refused."""
    package = zip_of(SCHOOL, tmp_path / "p.zip")
    package.write_bytes(before + package.read_bytes() + after)

    extracted = opened(package)

    assert extracted.refused
    assert codes(extracted.findings) == ["zip.trailing_data"]


class _Pipe(io.BytesIO):
    """A stream that can't seek, like a web server's response."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation


def test_zip_written_as_a_stream_is_read(tmp_path: Path) -> None:
    """A zip written as a stream, with the sizes after the data, is accepted."""
    stream = _Pipe()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in SCHOOL.items():
            archive.writestr(name, text)
    package = tmp_path / "p.zip"
    package.write_bytes(stream.getvalue())

    for profile in PROFILES:
        extracted = opened(package, profile)
        assert not extracted.refused
        assert summarize(extracted.findings) == []


def test_large_format_and_comment_are_read(tmp_path: Path) -> None:
    """The zip64 format and a comment are accepted."""
    package = tmp_path / "p.zip"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"exported at night"
        for name, text in SCHOOL.items():
            with archive.open(name, "w", force_zip64=True) as stream:
                stream.write(text.encode())

    for profile in PROFILES:
        extracted = opened(package, profile)
        assert not extracted.refused
        assert summarize(extracted.findings) == []
