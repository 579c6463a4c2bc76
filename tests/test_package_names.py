"""Names inside a package give no access to other files, and variants of standard names are read."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from golden.school import SCHOOL, changed, codes, folder_of, opened, summarize, zip_of
from oneroster_sync.sources.sniff import wrong_kind
from oneroster_sync.standard.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Site


PROFILES = ("tolerant", "strict")


USERS = SCHOOL["users.csv"]


@pytest.mark.parametrize(
    "name",
    [
        "../users.csv",
        "a/../../users.csv",
        "/etc/users.csv",
        "//server/share/users.csv",
        "C:/users.csv",
        "C:users.csv",
        "\\\\server\\users.csv",
        "..\\users.csv",
        "a\\users.csv",
        "./users.csv",
        "a//users.csv",
        "users.csv\0.txt",
        "users\n.csv",
        "\x1b[2Jusers.csv",
    ],
)
def test_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """An unsafe name refuses the package, and the finding shows it in printable form."""
    inside = tmp_path / "inside"
    inside.mkdir()
    package = inside / "p.zip"
    with zipfile.ZipFile(package, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = name
        archive.writestr(info, USERS)
        archive.writestr("manifest.csv", SCHOOL["manifest.csv"])

    extracted = opened(package)

    assert extracted.refused
    assert codes(extracted.findings) == ["zip.unsafe_name"]
    assert str(extracted.findings.table()["file"][0]).isprintable()
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inside", "p.zip"]


@pytest.mark.case("c05")
def test_nothing_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a package writes no file, neither beside it nor in the temporary folder."""
    package = zip_of(SCHOOL, tmp_path / "p.zip")
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    monkeypatch.chdir(elsewhere)

    assert not opened(package).refused

    assert sorted(p.name for p in tmp_path.rglob("*")) == ["p.zip", "tmp"]


WITHOUT_XML = """
import sys
sys.modules |= dict.fromkeys(("pyexpat", "_elementtree", "lxml"))
from oneroster_sync.cli import main
main()
"""


@pytest.mark.case("c05")
def test_nothing_is_read_as_xml(site: Site) -> None:
    """A sync works without any XML parser, so that no XML inside a package can do harm."""
    entity = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
    texts = {**SCHOOL, "[Content_Types].xml": entity, "xl.csv": entity}
    package = zip_of(changed(texts, "users.csv", ",Bob,", ",<b>&b;</b>,"), site.folder / "p.zip")
    command = [
        sys.executable,
        "-c",
        WITHOUT_XML,
        "sync",
        str(package),
        "--site",
        site.name,
        "--json",
    ]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["outcome"] == "succeeded"
    assert "root:" not in done.stderr
    assert site.rows("select given_name from users where sourced_id = 'bob' and site = :site") == [
        ("<b>&b;</b>",)
    ]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_entry_that_is_no_file_is_refused(tmp_path: Path, kind: int) -> None:
    """A link, a device or a pipe inside a zip refuses the package, and the finding names it."""
    package = tmp_path / "p.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for name, text in SCHOOL.items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = (kind if name == "users.csv" else stat.S_IFREG) << 16
            archive.writestr(info, text)

    extracted = opened(package)

    assert extracted.refused
    assert summarize(extracted.findings) == [("zip.unsafe_entry", "users.csv", None)]


def test_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    """A link inside a folder is not followed, because it could point to any file."""
    secret = tmp_path / "secret"
    secret.write_text(USERS)
    package = folder_of(SCHOOL, tmp_path / "p")
    (package / "users.csv").unlink()
    (package / "users.csv").symlink_to(secret)

    extracted = opened(package)

    assert extracted.refused
    assert summarize(extracted.findings) == [("zip.unsafe_entry", "users.csv", None)]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("other", ["users.csv", "Users.CSV", "USERS.csv"])
def test_name_that_stands_twice_is_refused(tmp_path: Path, other: str) -> None:
    """Two files with one name, in the same or another case, refuse the package."""
    package = tmp_path / "p.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for name, text in SCHOOL.items():
            archive.writestr(name, text)
        archive.writestr(other, USERS)

    extracted = opened(package)

    assert extracted.refused
    assert summarize(extracted.findings) == [("zip.duplicate_name", other, None)]


# Folders and stray files


def _renamed(rename: Callable[[str], str]) -> dict[str, str]:
    return {rename(name): text for name, text in SCHOOL.items()}


@pytest.mark.parametrize("folder", ["OneRoster/", "Export 2026-09-01/"])
def test_one_folder_is_used(tmp_path: Path, folder: str) -> None:
    """Files inside one folder of the zip are used with a warning; strict refuses them."""
    package = tmp_path / "p.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(folder, "")
        for name, text in _renamed(lambda name: folder + name).items():
            archive.writestr(name, text)

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert summarize(tolerant.findings) == [("zip.single_folder", None, None)]
    assert tolerant.tables["users"].num_rows == 4
    assert strict.refused
    assert codes(strict.findings) == ["zip.single_folder"]


def test_folder_in_a_folder_is_used(tmp_path: Path) -> None:
    """Files inside the only subfolder of a folder are used with a warning."""
    folder_of(SCHOOL, tmp_path / "p" / "OneRoster")

    extracted = opened(tmp_path / "p")

    assert not extracted.refused
    assert summarize(extracted.findings) == [("zip.single_folder", None, None)]


@pytest.mark.parametrize(
    "litter",
    [
        "__MACOSX/._users.csv",
        "__MACOSX/OneRoster/._users.csv",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "._users.csv",
    ],
)
def test_litter_is_ignored(tmp_path: Path, litter: str) -> None:
    """Stray files of file managers are ignored, even in strict."""
    package = zip_of({**SCHOOL, litter: "\0\0"}, tmp_path / "p.zip")

    for profile in PROFILES:
        extracted = opened(package, profile)
        assert not extracted.refused
        assert summarize(extracted.findings) == []


def test_folder_entry_is_nothing(tmp_path: Path) -> None:
    """A zip entry for an empty folder is ignored."""
    package = zip_of({**SCHOOL, "empty/": ""}, tmp_path / "p.zip")

    assert not opened(package).refused


@pytest.mark.parametrize("folder", ["a/b/", "a/b/c/"])
def test_folders_in_folders_are_used(tmp_path: Path, folder: str) -> None:
    """Files two or three folders down are used, even with a note beside the folder."""
    texts = {**_renamed(lambda name: folder + name), "readme.txt": "hello"}

    extracted = opened(zip_of(texts, tmp_path / "p.zip"))

    assert not extracted.refused
    assert summarize(extracted.findings) == [
        ("zip.single_folder", None, None),
        ("package.unknown_file", "readme.txt", None),
    ]
    assert extracted.tables["users"].num_rows == 4


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ("old/users.csv", "old/users.csv"),
        ("user.csv", "user.csv"),
        ("Organizations.csv", "orgs.csv"),
        ("academic_sessions.csv", "academicSessions.csv"),
        ("backup/Manifest.CSV", "backup/Manifest.CSV"),
    ],
)
def test_two_files_that_could_be_the_same_refuse_the_package(
    tmp_path: Path, extra: str, named: str
) -> None:
    """Two files that could both be the same file refuse the package, in whatever folder."""
    extracted = opened(zip_of({**SCHOOL, extra: USERS}, tmp_path / "p.zip"))

    assert extracted.refused
    assert codes(extracted.findings, "error") == ["zip.duplicate_name"]
    assert extracted.findings.table()["file"][-1].as_py() in {extra, named}


def test_files_of_several_folders_are_not_mixed(tmp_path: Path) -> None:
    """Two folders with a package each are refused, and so is a package in parts of two folders."""
    texts = {f"{folder}/{name}": text for folder in "ab" for name, text in SCHOOL.items()}
    parts = {f"{'ab'[at % 2]}/{name}": text for at, (name, text) in enumerate(SCHOOL.items())}

    both, mixed = (
        opened(zip_of(texts, tmp_path / "p.zip")),
        opened(zip_of(parts, tmp_path / "q.zip")),
    )

    assert (both.refused, mixed.refused) == (True, True)
    assert codes(both.findings)[-1] == "zip.duplicate_name"
    assert codes(mixed.findings)[-1] == "package.empty"


def test_file_below_the_root_is_not_opened(tmp_path: Path) -> None:
    """A file in a folder beside files at the root is reported and not opened."""
    package = zip_of({**SCHOOL, "old/notes.csv": b"\xff"}, tmp_path / "p.zip")

    extracted = opened(package)

    assert not extracted.refused
    assert summarize(extracted.findings) == [("package.unknown_file", "old/notes.csv", None)]
    assert opened(package, "strict").refused


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("org.csv", "orgs.csv"),
        ("Organizations.csv", "orgs.csv"),
        ("User.csv", "users.csv"),
        ("academic_sessions.csv", "academicSessions.csv"),
        ("Academic Sessions.csv", "academicSessions.csv"),
        ("class.csv", "classes.csv"),
        ("enrolments.csv", "enrollments.csv"),
    ],
)
def test_names_that_mean_one_file_are_read(tmp_path: Path, name: str, file: str) -> None:
    """A singular name or one with separated words is read with a warning; strict refuses it."""
    texts = {name if one == file else one: text for one, text in SCHOOL.items()}

    extracted = opened(zip_of(texts, tmp_path / "p.zip"))

    assert not extracted.refused
    assert summarize(extracted.findings) == [("package.file_spelling", name, None)]
    assert extracted.tables == opened(folder_of(SCHOOL, tmp_path / "plain")).tables
    assert opened(zip_of(texts, tmp_path / "s.zip"), "strict").refused


@pytest.mark.parametrize("texts", [{}, {"readme.txt": "hello"}, {"__MACOSX/._users.csv": ""}])
def test_package_without_files_is_refused(tmp_path: Path, texts: dict[str, str]) -> None:
    """A zip or a folder without any CSV file is refused."""
    for package in (zip_of(texts, tmp_path / "p.zip"), folder_of({}, tmp_path / "p")):
        extracted = opened(package)
        assert extracted.refused
        assert codes(extracted.findings, "error") == ["package.empty"]


def test_names_in_other_letters_are_understood(tmp_path: Path) -> None:
    """File names in capitals are read with a warning for each; strict refuses them."""
    package = zip_of(_renamed(str.upper), tmp_path / "p.zip")

    tolerant = opened(package)

    assert not tolerant.refused
    assert set(codes(tolerant.findings)) == {"package.file_spelling"}
    assert len(summarize(tolerant.findings)) == len(SCHOOL)
    assert tolerant.tables["users"].num_rows == 4
    assert opened(package, "strict").refused


# Uploads


@pytest.mark.parametrize("kind", [Kind.USERS, Kind.COURSES])
@pytest.mark.parametrize("file", ["users", "courses", "classes", "enrollments"])
def test_upload_of_another_file_is_refused(tmp_path: Path, kind: Kind, file: str) -> None:
    """An upload of users takes users.csv under any name, and an error names any other file."""
    path = tmp_path / "upload.csv"
    path.write_text(SCHOOL[f"{file}.csv"])

    finding = wrong_kind(path, kind)

    if file == kind.value:
        assert finding is None
    else:
        assert finding is not None
        assert finding.code == "upload.wrong_kind"
        assert file in str(finding.expected)


def test_upload_of_a_package_as_users_is_refused(tmp_path: Path) -> None:
    """A whole package in an upload of users is refused as a zip."""
    finding = wrong_kind(zip_of(SCHOOL, tmp_path / "users.csv"), Kind.USERS)

    assert finding is not None
    assert (finding.code, "zip" in str(finding.expected)) == ("upload.wrong_kind", True)
