"""Bad input, cases 1 to 16: faults of the uploaded file, found before a row is read."""

from __future__ import annotations

import random
import struct
import zipfile

from catalogue.archives import (
    CHECKSUM,
    DEVICE,
    FLAGS,
    LINK,
    METHOD,
    PACKED,
    PIPE,
    UNPACKED,
    flipped,
    in_folders,
    many_rows,
    named,
    patched,
    remade,
    shared_bytes,
    special,
)
from catalogue.case import BadInput, Verdict, raw, rejected
from golden.school import SCHOOL

_USERS = SCHOOL["users.csv"].encode()
_ZIP = "OneRoster.zip"

_NOISE = random.Random(1).randbytes(1_200_000)

INPUTS = (
    BadInput("a01-zip", raw(_ZIP, b""), rejected("! zip.empty OneRoster.zip")),
    BadInput("a01-csv", raw("users.csv", b""), rejected("! zip.empty users.csv")),
    BadInput("a02-csv", raw(_ZIP, _USERS), rejected("! zip.invalid_archive")),
    BadInput(
        "a02-page",
        raw(_ZIP, b"<!doctype html><title>Log in</title>"),
        rejected("! zip.invalid_archive"),
    ),
    BadInput(
        "a02-pdf",
        raw(_ZIP, b"%PDF-1.7\n" + bytes(range(256)) * 9),
        rejected("! zip.invalid_archive"),
    ),
    BadInput(
        "a02-magic-only", raw(_ZIP, b"PK\x03\x04" + bytes(100)), rejected("! zip.invalid_archive")
    ),
    BadInput("a03-no-end", remade(lambda data: data[:-200]), rejected("! zip.invalid_archive")),
    BadInput(
        "a03-no-beginning", remade(lambda data: data[200:]), rejected("! zip.invalid_archive")
    ),
    BadInput("a04-flipped-bit", flipped("users.csv"), rejected("! zip.corrupt_entry users.csv")),
    BadInput(
        "a04-wrong-checksum",
        patched("courses.csv", CHECKSUM, struct.pack("<L", 1)),
        rejected("! zip.corrupt_entry courses.csv"),
    ),
    BadInput(
        "a05-encrypted",
        patched("users.csv", FLAGS, struct.pack("<H", 1)),
        rejected("! zip.encrypted users.csv"),
    ),
    BadInput(
        "a06-deflate64",
        patched("orgs.csv", METHOD, struct.pack("<H", 9)),
        rejected("! zip.unsupported_compression orgs.csv"),
    ),
    BadInput(
        "a06-lzma",
        patched("orgs.csv", METHOD, struct.pack("<H", zipfile.ZIP_LZMA)),
        rejected("! zip.unsupported_compression orgs.csv"),
    ),
    BadInput(
        "a07-bomb",
        many_rows(40_000),
        rejected(
            "! zip.ratio_exceeded enrollments.csv | at most 100 unpacked bytes for each packed byte"
        ),
    ),
    BadInput(
        "a08-unpacked",
        many_rows(20_000),
        rejected("! zip.size_exceeded enrollments.csv | at most 1 MiB in total"),
        settings={"ONEROSTER_UNPACKED_MIB": "1"},
    ),
    BadInput(
        "a08-packed",
        named("photo.bin", data=_NOISE),
        rejected("! zip.size_exceeded | at most 1 MiB"),
        settings={"ONEROSTER_PACKED_MIB": "1"},
    ),
    BadInput(
        "a08-declares-less",
        patched("users.csv", UNPACKED, struct.pack("<L", 100)),
        rejected("! zip.corrupt_entry users.csv"),
    ),
    BadInput(
        "a09-files",
        named(*(f"note-{n}.txt" for n in range(63))),
        rejected("! zip.entry_count | at most 64 files"),
    ),
    BadInput(
        "a09-nested",
        named("more/OneRoster.zip", "OneRoster.zip", data=b"PK"),
        rejected("! zip.nested_archive OneRoster.zip"),
    ),
    BadInput("a10-same-bytes", shared_bytes, rejected("! zip.overlap users.csv")),
    BadInput(
        "a10-reaches-into-next",
        patched("orgs.csv", PACKED, struct.pack("<L", 5000)),
        rejected("! zip.overlap orgs.csv"),
    ),
    BadInput("a11-parent", named("../users.csv"), rejected("! zip.unsafe_name ../users.csv")),
    BadInput("a11-absolute", named("/etc/passwd"), rejected("! zip.unsafe_name /etc/passwd")),
    BadInput("a11-drive", named("C:/users.csv"), rejected("! zip.unsafe_name C:/users.csv")),
    BadInput(
        "a11-unc",
        named("//host/share/users.csv"),
        rejected("! zip.unsafe_name //host/share/users.csv"),
    ),
    BadInput(
        "a11-backslash", named("..\\users.csv"), rejected("! zip.unsafe_name ..\\\\\\\\users.csv")
    ),
    BadInput(
        "a11-nul", named("users.csv~.txt"), rejected("! zip.unsafe_name users.csv\\\\x00.txt")
    ),
    BadInput("a12-link", special(LINK), rejected("! zip.unsafe_entry users-too.csv")),
    BadInput("a12-device", special(DEVICE), rejected("! zip.unsafe_entry users-too.csv")),
    BadInput("a12-pipe", special(PIPE), rejected("! zip.unsafe_entry users-too.csv")),
    BadInput("a12-folder", named("notes/"), Verdict("no_changes")),
    BadInput("a13-same", named("users.csv"), rejected("! zip.duplicate_name users.csv")),
    BadInput("a13-other-case", named("Users.CSV"), rejected("! zip.duplicate_name Users.CSV")),
    BadInput(
        "a14-folder", in_folders("Export 2026"), Verdict("no_changes", ("~ zip.single_folder",))
    ),
    BadInput(
        "a14-litter",
        named("__MACOSX/._users.csv", ".DS_Store", "Thumbs.db", "desktop.ini", data=b"\0"),
        Verdict("no_changes"),
    ),
    BadInput(
        "a15-before", remade(lambda data: b"#!/bin/sh\n" + data), rejected("! zip.trailing_data")
    ),
    BadInput("a15-after", remade(lambda data: data + b"<script>"), rejected("! zip.trailing_data")),
    BadInput(
        "a16-zip-as-users",
        SCHOOL,
        rejected("! upload.wrong_kind OneRoster.zip | users.csv; this is a zip"),
        options=("--kind", "users"),
    ),
    BadInput(
        "a16-courses-as-users",
        {"courses.csv": SCHOOL["courses.csv"]},
        rejected("! upload.wrong_kind users.csv | users.csv; this is courses.csv"),
        options=("--kind", "users"),
    ),
    BadInput(
        "a16-users-as-courses",
        {"upload.csv": SCHOOL["users.csv"]},
        rejected("! upload.wrong_kind courses.csv | courses.csv; this is users.csv"),
        options=("--kind", "courses"),
    ),
)
