"""Files and their modes: the manifest compared with the files of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golden.school import (
    SCHOOL,
    SCHOOL_1_2,
    Texts,
    added,
    as_delta,
    changed,
    codes,
    folder_of,
    manifest,
    opened,
    summarize,
    without,
    zip_of,
)

if TYPE_CHECKING:
    from pathlib import Path


NAME = "manifest.csv"


PROFILES = ("tolerant", "strict")


def with_manifest(text: str, texts: Texts = SCHOOL) -> Texts:
    """Return the package with another manifest."""
    return {**texts, NAME: text}


def without_line(name: str, texts: Texts = SCHOOL) -> Texts:
    """Return the package without one property of its manifest."""
    lines = texts[NAME].splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(f"{name},")]
    assert len(kept) == len(lines) - 1
    return with_manifest("".join(kept), texts)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("file", ["users", "courses", "enrollments", "academicSessions"])
def test_file_that_is_denied_must_not_be_there(tmp_path: Path, profile: str, file: str) -> None:
    """A file that exists although the manifest calls it absent refuses the package."""
    texts = changed(SCHOOL, NAME, f"file.{file},bulk", f"file.{file},absent")

    extracted = opened(folder_of(texts, tmp_path / "p"), profile)

    assert extracted.refused
    row = texts[NAME].splitlines().index(f"file.{file},absent") + 1
    assert ("manifest.file_unexpected", f"{file}.csv", row) in summarize(extracted.findings)


def test_absent_file_changes_nothing_of_its_kind(tmp_path: Path) -> None:
    """A file that the manifest calls absent gives no table, so that no record is removed."""
    texts = changed(SCHOOL, NAME, "file.courses,bulk", "file.courses,absent")

    extracted = opened(folder_of(without(texts, "courses.csv"), tmp_path / "p"))

    assert not extracted.refused
    assert extracted.modes["courses"] == "absent"
    assert "courses" not in extracted.tables


def test_file_that_is_never_opened_may_be_missing(tmp_path: Path) -> None:
    """A missing file that the sync never opens is a warning; strict refuses it."""
    package = folder_of(
        changed(SCHOOL, NAME, "file.demographics,absent", "file.demographics,bulk"), tmp_path / "p"
    )

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert [(c, f) for c, f, _ in summarize(tolerant.findings)] == [
        ("manifest.file_missing", "demographics.csv")
    ]
    assert strict.refused


def test_file_that_is_never_opened_may_be_denied(tmp_path: Path) -> None:
    """An unlisted demographics.csv is not opened; strict refuses the contradiction."""
    package = folder_of({**SCHOOL, "demographics.csv": b"\xff\xfe"}, tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert codes(tolerant.findings, "error") == []
    assert strict.refused
    assert "manifest.file_unexpected" in codes(strict.findings)


@pytest.mark.parametrize(
    "name", ["file.foo", "file.systemName", "file.users.csv", "file.roles", "owner", "File.users"]
)
def test_unknown_property_is_ignored(tmp_path: Path, name: str) -> None:
    """An unknown property of the manifest is reported and ignored; strict refuses it."""
    package = folder_of(added(SCHOOL, NAME, f"{name},bulk"), tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    last = len(SCHOOL[NAME].splitlines()) + 1
    assert not tolerant.refused
    assert summarize(tolerant.findings) == [("manifest.unknown_property", NAME, last)]
    assert strict.refused


@pytest.mark.parametrize("profile", PROFILES)
def test_source_may_be_named(tmp_path: Path, profile: str) -> None:
    """The source system's names are standard properties, blank or not."""
    texts = added(SCHOOL, NAME, "source.systemName,SIS", "source.systemCode,")

    extracted = opened(folder_of(texts, tmp_path / "p"), profile)

    assert (extracted.refused, summarize(extracted.findings)) == (False, [])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("staff.csv", b"\xff\xfe\x00"),
        ("userProfiles.csv", b"\xff\xfe\x00"),
        ("readme.txt", b"\xff\xfe\x00"),
        ("roles.csv", SCHOOL_1_2["roles.csv"].encode()),
    ],
)
def test_unknown_file_is_not_used(tmp_path: Path, name: str, data: bytes) -> None:
    """A file that the version does not have is reported and ignored; strict refuses it."""
    package = folder_of({**SCHOOL, name: data}, tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert summarize(tolerant.findings) == [("package.unknown_file", name, None)]
    assert "roles" not in tolerant.tables
    assert strict.refused


@pytest.mark.parametrize(
    "name", ["manifest.version", "file.users", "file.orgs", "file.demographics", "file.results"]
)
def test_missing_property_is_a_warning(tmp_path: Path, name: str) -> None:
    """A missing property is reported, and a file without one is bulk if it exists."""
    package = folder_of(without_line(name), tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert summarize(tolerant.findings) == [("manifest.missing_property", NAME, None)]
    assert tolerant.findings.table()["column"].to_pylist() == [name]
    assert tolerant.modes == opened(folder_of(SCHOOL, tmp_path / "whole")).modes
    assert strict.refused


def test_file_of_every_mode_may_stand_beside_others(tmp_path: Path) -> None:
    """Bulk and delta files may be in one package, because each file has its own mode."""
    texts = changed(SCHOOL, NAME, "file.enrollments,bulk", "file.enrollments,delta")

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert not extracted.refused
    assert extracted.modes["enrollments"] == "delta"
    assert extracted.modes["users"] == "bulk"


def test_delta_of_one_file_is_a_package(tmp_path: Path) -> None:
    """A delta package may have one file only."""
    texts = as_delta(SCHOOL, orgs=["s,tobedeleted,2026-09-01T00:00:00.000Z,School,school,,d"])

    for profile in PROFILES:
        extracted = opened(folder_of(texts, tmp_path / profile), profile)
        assert (extracted.refused, summarize(extracted.findings)) == (False, [])
        assert list(extracted.tables) == ["orgs"]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + manifest("1.1"),
        manifest("1.1").replace("\n", "\r\n"),
        manifest("1.1").removesuffix("\n"),
        manifest("1.1") + "\n\n",
        '"' + manifest("1.1").strip().replace(",", '","').replace("\n", '"\n"') + '"\n',
    ],
)
def test_layout_of_the_manifest_does_not_matter(tmp_path: Path, text: str) -> None:
    """A byte order mark, line ends, trailing blank lines and quotes of a manifest do not matter."""
    extracted = opened(folder_of(with_manifest(text, {}), tmp_path / "p"), "strict")

    assert (extracted.refused, summarize(extracted.findings)) == (False, [])


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe" + "propertyName,value\n".encode("utf-16-le"),
        b"\x00" * 100,
        b"propertyName,value\n" + b'"' * 999 + b"\n",
        b'propertyName,value\n"file.users,bulk\nfile.orgs,bulk\n',
        b"propertyName,value\n" + b"x" * 200_000 + b",bulk\n",
        b"propertyName,value\rmanifest.version,1.0\r",
        b"\xe9" * 50,
        SCHOOL[NAME].encode("utf-16"),
    ],
)
def test_broken_manifest_is_a_finding(tmp_path: Path, text: bytes) -> None:
    """A manifest of any bytes gives a finding about it, and never a crash."""
    extracted = opened(folder_of({**SCHOOL, NAME: text}, tmp_path / "p"))

    assert extracted.refused
    assert summarize(extracted.findings)[-1][1] == NAME


@pytest.mark.parametrize("profile", PROFILES)
def test_manifest_alone_changes_nothing(tmp_path: Path, profile: str) -> None:
    """A package whose manifest calls every file absent is valid and empty."""
    extracted = opened(zip_of({NAME: manifest("1.2")}, tmp_path / "p.zip"), profile)

    assert (extracted.refused, summarize(extracted.findings)) == (False, [])
    assert extracted.tables == {}


# Other formats under the same names


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (
            {
                "users.csv": "sourcedId,username,givenName,familyName,password,"
                "activeDirectoryMatchId,email,phone,sms\nu,u,U,U,,,,,\n",
                "orgs.csv": "sourcedId,name,type,parentSourcedId\no,O,school,\n",
            },
            "Microsoft School Data Sync",
        ),
        (
            {
                "School.csv": "SIS ID,Name\n1,S\n",
                "Section.csv": "SIS ID,School SIS ID,Section Name\n1,1,M\n",
                "Student.csv": "SIS ID,School SIS ID,Username\n1,1,s\n",
            },
            "Microsoft School Data Sync",
        ),
        (
            {
                "schools.csv": "School_id,School_name\n1,S\n",
                "teachers.csv": "School_id,Teacher_id\n1,2\n",
                "enrollments.csv": "School_id,Section_id,Student_id\n1,2,3\n",
            },
            "Clever",
        ),
    ],
)
@pytest.mark.parametrize("profile", PROFILES)
def test_lookalike_is_refused_by_name(
    tmp_path: Path, profile: str, texts: Texts, name: str
) -> None:
    """A package of another format is refused with the name of the format."""
    extracted = opened(zip_of(texts, tmp_path / "p.zip"), profile)

    assert extracted.refused
    assert codes(extracted.findings) == ["package.lookalike"]
    assert name in str(extracted.findings.table()["expected"][0])
