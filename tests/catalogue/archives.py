"""Zips that no ordinary tool writes."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING

from catalogue.case import only
from golden.school import SCHOOL, zip_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Path], Path]

SMALL = only(SCHOOL, "users")

METHOD, FLAGS, CHECKSUM, PACKED, UNPACKED, OFFSET = 10, 8, 16, 20, 24, 42
"""Offsets of the fields of an entry in the central directory."""


def patch_entry(package: Path, name: str, offset: int, value: bytes) -> None:
    """Overwrite a field of an entry in the central directory."""
    data = bytearray(package.read_bytes())
    found = -1
    while True:
        found = data.index(b"PK\x01\x02", found + 1)
        length = int(struct.unpack_from("<H", data, found + 28)[0])
        if data[found + 46 : found + 46 + length] == name.encode():
            break
    data[found + offset : found + offset + len(value)] = value
    package.write_bytes(data)


def first_byte_of(archive: bytes, name: str) -> int:
    """Return where the data of an entry begins."""
    with zipfile.ZipFile(io.BytesIO(archive)) as read:
        offset = read.getinfo(name).header_offset
    names, extra = struct.unpack_from("<HH", archive, offset + 26)
    return offset + 30 + int(names) + int(extra)


def patched(name: str, offset: int, value: bytes) -> Write:
    """Return a function that writes the school as a zip with one field of its directory changed."""

    def write(folder: Path) -> Path:
        package = zip_of(SCHOOL, folder / "OneRoster.zip")
        patch_entry(package, name, offset, value)
        return package

    return write


def remade(change: Callable[[bytes], bytes]) -> Write:
    """Return a function that changes the bytes of the school's zip and writes the result."""

    def write(folder: Path) -> Path:
        package = zip_of(SCHOOL, folder / "OneRoster.zip")
        package.write_bytes(change(package.read_bytes()))
        return package

    return write


def flipped(name: str) -> Write:
    """Return a function that writes the school as a zip with one wrong bit in a file."""

    def flip(data: bytes) -> bytes:
        at = first_byte_of(data, name) + 30
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return remade(flip)


def named(*names: str, data: bytes = b"", besides: Mapping[str, str] = SMALL) -> Write:
    """Return a function that writes a zip with extra files of these names; `~` stands for NUL."""

    def write(folder: Path) -> Path:
        package = zip_of(besides, folder / "OneRoster.zip")
        with zipfile.ZipFile(package, "a", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                with warnings.catch_warnings():
                    # Some cases need two files of the same name.
                    warnings.filterwarnings("ignore", "Duplicate name", UserWarning)
                    archive.writestr(zipfile.ZipInfo(name), data)
        for name in names:
            in_fact = name.replace("~", "\0").encode()
            package.write_bytes(package.read_bytes().replace(name.encode(), in_fact))
        return package

    return write


def special(kind: int) -> Write:
    """Return a function that writes the school as a zip with a special entry, such as a link."""

    def write(folder: Path) -> Path:
        package = zip_of(SCHOOL, folder / "OneRoster.zip")
        info = zipfile.ZipInfo("users-too.csv")
        info.create_system, info.external_attr = 3, (kind | 0o644) << 16
        with zipfile.ZipFile(package, "a") as archive:
            archive.writestr(info, "/etc/passwd")
        return package

    return write


def shared_bytes(folder: Path) -> Path:
    """Write a zip in which two entries share the same bytes."""
    package = zip_of({**SCHOOL, "user1.csv": "b"}, folder / "OneRoster.zip")
    with zipfile.ZipFile(package) as archive:
        offset = archive.getinfo("users.csv").header_offset
    patch_entry(package, "user1.csv", OFFSET, struct.pack("<L", offset))
    return package


def in_folders(*folders: str, **files: str) -> Write:
    """Return a function that writes the school inside folders of a zip, and other files."""

    def write(folder: Path) -> Path:
        top = "/".join(folders)
        inside = {f"{top}/{name}": text for name, text in SMALL.items()}
        return zip_of({**inside, **files}, folder / "OneRoster.zip")

    return write


def many_rows(count: int) -> dict[str, str]:
    """Return the school with one row of enrollments.csv repeated `count` times."""
    row = SCHOOL["enrollments.csv"].splitlines()[1]
    return {**SCHOOL, "enrollments.csv": SCHOOL["enrollments.csv"] + f"{row}\n" * count}


LINK, DEVICE, PIPE = stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO
