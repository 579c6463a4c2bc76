"""The manifest: the version of a package, and whether each file is absent, bulk or delta.

The tolerant profile accepts a package without a manifest. An existing manifest must be correct
where it decides something, because a wrong word could remove all users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golden.school import (
    SCHOOL,
    SCHOOL_1_2,
    Texts,
    added,
    changed,
    codes,
    folder_of,
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


# Without a manifest


@pytest.mark.parametrize(("texts", "version"), [(SCHOOL, "1.1"), (SCHOOL_1_2, "1.2")])
def test_package_without_manifest_is_bulk(tmp_path: Path, texts: Texts, version: str) -> None:
    """Without a manifest every present file is bulk, and the headers decide the version."""
    package = folder_of(without(texts, NAME), tmp_path / "p")

    extracted = opened(package)

    assert not extracted.refused
    assert summarize(extracted.findings) == [("package.missing_manifest", None, None)]
    assert extracted.version == version
    present = {f"{name}.csv" for name, mode in extracted.modes.items() if mode == "bulk"}
    assert present == set(texts) - {NAME}
    assert extracted.tables["users"].num_rows == 4


def test_strict_wants_a_manifest(tmp_path: Path) -> None:
    """The strict profile refuses a package without a manifest."""
    extracted = opened(zip_of(without(SCHOOL, NAME), tmp_path / "p.zip"), "strict")

    assert extracted.refused
    assert summarize(extracted.findings) == [("package.missing_manifest", None, None)]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", ["users.csv", "courses.csv"])
def test_lone_file_needs_no_manifest(tmp_path: Path, profile: str, name: str) -> None:
    """A lone CSV is bulk, all other files are absent, and no manifest is required."""
    path = tmp_path / name
    path.write_text(SCHOOL[name])

    extracted = opened(path, profile)

    assert not extracted.refused
    assert summarize(extracted.findings) == []
    assert [f"{n}.csv" for n, mode in extracted.modes.items() if mode != "absent"] == [name]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (",role,", ",Role,"),
        (",orgSourcedIds,role,", ",OrgSourcedIds,Role,"),
        (",orgSourcedIds,role,", ",orgSourceIds,ROLE,"),
        (",orgSourcedIds,role,", ", orgSourcedIds,\u200brole,"),
    ],
)
def test_headers_decide_the_version_in_every_spelling(tmp_path: Path, old: str, new: str) -> None:
    """A users.csv with roles is of version 1.1, also if the header's spelling is repaired."""
    path = tmp_path / "users.csv"
    path.write_text(SCHOOL["users.csv"].replace(old, new))

    extracted = opened(path)

    assert codes(extracted.findings, "error") == []
    assert not extracted.refused
    assert extracted.version == "1.1"


def test_users_of_1_2_without_roles_are_refused(tmp_path: Path) -> None:
    """From 1.2 on roles.csv separates staff from students: without it no user is added."""
    texts = {**SCHOOL_1_2, NAME: SCHOOL_1_2[NAME].replace("file.roles,bulk", "file.roles,absent")}

    extracted = opened(folder_of(without(texts, "roles.csv"), tmp_path / "p"))

    assert extracted.refused
    assert summarize(extracted.findings) == [("package.missing_file", "roles.csv", None)]


def _as_1_2(texts: Texts) -> Texts:
    old = texts[NAME].replace("oneroster.version,1.1", "oneroster.version,1.2")
    return with_manifest(old + "file.roles,absent\nfile.userProfiles,absent\n", texts)


def test_users_of_1_1_under_a_manifest_of_1_2_are_read_as_1_1(tmp_path: Path) -> None:
    """If users.csv is entirely of 1.1 and there are no roles, the manifest's version is wrong."""
    package = folder_of(_as_1_2(SCHOOL), tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert tolerant.version == "1.1"
    assert ("schema.version_mismatch", "users.csv", 1) in summarize(tolerant.findings)
    assert tolerant.tables == opened(folder_of(SCHOOL, tmp_path / "plain")).tables
    assert strict.refused


def test_users_of_1_1_beside_roles_are_refused_by_name(tmp_path: Path) -> None:
    """A users.csv of 1.1 with roles.csv is refused: it is unclear which roles count."""
    texts = {**SCHOOL_1_2, "users.csv": SCHOOL["users.csv"]}

    extracted = opened(folder_of(texts, tmp_path / "p"))

    assert extracted.refused
    assert codes(extracted.findings, "error") == ["schema.version_mismatch"]


# Wrong manifests


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "propertyName,value\n",
        "propertyname,value\nmanifest.version,1.0\n",
        "PropertyName,Value\nmanifest.version,1.0\n",
        "value,propertyName\n1.0,manifest.version\n",
        "manifest.version,1.0\noneroster.version,1.1\n",
        "propertyName;value\nmanifest.version;1.0\n",
    ],
)
def test_manifest_begins_with_its_header(tmp_path: Path, profile: str, text: str) -> None:
    """An empty manifest, one without rows or with another header refuses the package."""
    extracted = opened(folder_of(with_manifest(text), tmp_path / "p"), profile)

    assert extracted.refused
    assert [(code, file) for code, file, _ in summarize(extracted.findings)] == [
        ("manifest.invalid_header", NAME)
    ]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("version", ["1.0", "2.0", "1", "1.1.7", "1,1", "x1.1", ""])
def test_version_must_be_supported(tmp_path: Path, profile: str, version: str) -> None:
    """An unknown version refuses the package with the number of its line."""
    old, new = "oneroster.version,1.1", f'oneroster.version,"{version}"'
    package = folder_of(changed(SCHOOL, NAME, old, new), tmp_path / "p")

    extracted = opened(package, profile)

    assert extracted.refused
    assert summarize(extracted.findings)[-1] == ("manifest.unsupported_version", NAME, 3)


@pytest.mark.parametrize("profile", PROFILES)
def test_version_must_be_there(tmp_path: Path, profile: str) -> None:
    """A manifest without a version refuses the package."""
    extracted = opened(folder_of(without_line("oneroster.version"), tmp_path / "p"), profile)

    assert extracted.refused
    assert codes(extracted.findings)[-1] == "manifest.unsupported_version"


@pytest.mark.parametrize(
    ("texts", "version", "meant"),
    [(SCHOOL, "1.1.1", "1.1"), (SCHOOL_1_2, "1.2.0", "1.2"), (SCHOOL_1_2, "1.2.1", "1.2")],
)
def test_editions_of_a_version_are_that_version(
    tmp_path: Path, texts: Texts, version: str, meant: str
) -> None:
    """1.1.1 is 1.1; 1.2.0 and 1.2.1 are 1.2."""
    old, new = f"oneroster.version,{meant}", f"oneroster.version,{version}"

    extracted = opened(folder_of(changed(texts, NAME, old, new), tmp_path / "p"))

    assert not extracted.refused
    assert (extracted.version, summarize(extracted.findings)) == (meant, [])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("version", ["1.1", "2.0", "0", ""])
def test_manifest_version_is_one(tmp_path: Path, profile: str, version: str) -> None:
    """A manifest of another version than 1.0 is refused, because its meaning is unknown."""
    old, new = "manifest.version,1.0", f"manifest.version,{version}"

    extracted = opened(folder_of(changed(SCHOOL, NAME, old, new), tmp_path / "p"), profile)

    assert extracted.refused
    assert summarize(extracted.findings)[-1] == ("manifest.invalid_version", NAME, 2)


def test_manifest_version_that_a_spreadsheet_shortened_is_understood(tmp_path: Path) -> None:
    """The spreadsheet's 1 in place of 1.0 is a warning, and in strict the package is refused."""
    package = folder_of(
        changed(SCHOOL, NAME, "manifest.version,1.0", "manifest.version,1"), tmp_path / "p"
    )

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert summarize(tolerant.findings) == [("manifest.invalid_version", NAME, 2)]
    assert strict.refused


@pytest.mark.parametrize(
    ("texts", "version", "meant"),
    [
        (SCHOOL, "v1.1", "1.1"),
        (SCHOOL, "1.1.0", "1.1"),
        (SCHOOL_1_2, "V1.2", "1.2"),
        (SCHOOL_1_2, "1.2_JP", "1.2"),
    ],
)
def test_version_that_fits_one_only_is_read(
    tmp_path: Path, texts: Texts, version: str, meant: str
) -> None:
    """A version with a prefix, a suffix or an additional zero is read; strict refuses it."""
    old, new = f"oneroster.version,{meant}", f"oneroster.version,{version}"
    package = folder_of(changed(texts, NAME, old, new), tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert (tolerant.version, summarize(tolerant.findings)) == (
        meant,
        [("manifest.spelling", NAME, 3)],
    )
    assert strict.refused
    assert codes(strict.findings)[-1] == "manifest.unsupported_version"


def test_header_of_a_manifest_may_say_property_value(tmp_path: Path) -> None:
    """`propertyName,propertyValue` is read, with a warning; strict refuses it."""
    package = folder_of(
        changed(SCHOOL, NAME, "propertyName,value", "propertyName,propertyValue"), tmp_path / "p"
    )

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert summarize(tolerant.findings) == [("manifest.spelling", NAME, 1)]
    assert codes(strict.findings) == ["manifest.invalid_header"]


def test_modes_are_read_in_other_letters_and_blank_where_the_file_is_absent(
    tmp_path: Path,
) -> None:
    """`Bulk` is bulk, and a blank mode of a missing file is absent: one warning for both."""
    text = SCHOOL[NAME].replace("file.users,bulk", "file.users,Bulk")
    text = text.replace(",absent", ",")
    package = folder_of(with_manifest(text), tmp_path / "p")

    tolerant, strict = opened(package), opened(package, "strict")

    assert not tolerant.refused
    assert codes(tolerant.findings) == ["manifest.spelling"]
    assert tolerant.findings.table()["rows"].to_pylist() == [text.count(",\n") + 1]
    assert tolerant.modes == opened(folder_of(SCHOOL, tmp_path / "plain")).modes
    assert codes(strict.findings) == ["manifest.invalid_mode"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("mode", ["full", "yes", "", "incremental", "bulk;"])
def test_mode_must_be_known(tmp_path: Path, profile: str, mode: str) -> None:
    """An unknown mode, or a blank one of a present file, refuses the package."""
    package = folder_of(
        changed(SCHOOL, NAME, "file.users,bulk", f"file.users,{mode}"), tmp_path / "p"
    )

    extracted = opened(package, profile)

    assert extracted.refused
    row = SCHOOL[NAME].splitlines().index("file.users,bulk") + 1
    assert summarize(extracted.findings)[-1] == ("manifest.invalid_mode", NAME, row)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("line", ["file.users,bulk", "file.users,absent", "manifest.version,1.0"])
def test_property_must_not_stand_twice(tmp_path: Path, profile: str, line: str) -> None:
    """Two lines with the same property refuse the package, even if they agree."""
    extracted = opened(folder_of(added(SCHOOL, NAME, line), tmp_path / "p"), profile)

    assert extracted.refused
    last = len(SCHOOL[NAME].splitlines()) + 1
    assert summarize(extracted.findings)[-1] == ("manifest.duplicate_property", NAME, last)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("mode", ["bulk", "delta"])
@pytest.mark.parametrize("file", ["users", "courses", "enrollments", "orgs"])
def test_file_that_is_promised_must_be_there(
    tmp_path: Path, profile: str, mode: str, file: str
) -> None:
    """A missing file that the manifest declares refuses the package, so no record is removed."""
    texts = changed(SCHOOL, NAME, f"file.{file},bulk", f"file.{file},{mode}")

    extracted = opened(folder_of(without(texts, f"{file}.csv"), tmp_path / "p"), profile)

    assert extracted.refused
    assert not extracted.tables
    row = texts[NAME].splitlines().index(f"file.{file},{mode}") + 1
    assert ("manifest.file_missing", f"{file}.csv", row) in summarize(extracted.findings)
