"""Findings that only the strict profile has, and warnings of both profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golden.school import SCHOOL, SCHOOL_1_2, added, changed, codes, folder_of
from oneroster_sync.operations.check import check_package
from oneroster_sync.sites.preferences import Profile

if TYPE_CHECKING:
    from pathlib import Path

    from golden.school import Texts
    from oneroster_sync.operations.check import Checked

STRICT, TOLERANT = Profile.STRICT, Profile.TOLERANT


def checked(folder: Path, texts: Texts, profile: Profile) -> Checked:
    """Validate a package."""
    return check_package(folder_of(texts, folder / profile), profile)


@pytest.mark.parametrize("texts", [SCHOOL, SCHOOL_1_2], ids=["1.1", "1.2"])
@pytest.mark.parametrize("profile", list(Profile))
def test_sound_package_stays_sound(tmp_path: Path, texts: Texts, profile: Profile) -> None:
    """The school breaks no rule of the standard."""
    assert codes(checked(tmp_path, texts, profile).findings) == []


@pytest.mark.case("b54")
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("users.csv", "\ndan,", "\ndan fox,"),
        ("users.csv", "\ndan,", "\ndän,"),
        ("orgs.csv", "\nd,,,District", "\nd#1,,,District"),
        ("enrollments.csv", "\ncat-a1", "\ncat+a1"),
    ],
)
def test_characters_of_sourced_ids(tmp_path: Path, file: str, old: str, new: str) -> None:
    """Strict rejects a character that the standard does not allow in a sourcedId."""
    texts = changed(SCHOOL, file, old, new)
    if file == "orgs.csv":
        texts = changed(texts, file, "school,,d", "school,,d#1")
    strict = checked(tmp_path, texts, STRICT)
    assert (strict.rejected, codes(strict.findings)) == (True, ["row.invalid_sourced_id"])
    assert codes(checked(tmp_path, texts, TOLERANT).findings) == []


@pytest.mark.case("b54")
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("users.csv", "dan,,,true,s,", 'dan,,,true,"s,",'),
        (
            "classes.csv",
            "a1,,,Art 1,09,art,A1-1,scheduled,,s,t,",
            'a1,,,Art 1,09,art,A1-1,scheduled,,s,",t",',
        ),
        ("courses.csv", '"09,10"', '"09,,10"'),
    ],
)
def test_blank_list_items(tmp_path: Path, file: str, old: str, new: str) -> None:
    """Strict rejects a list with a blank item; tolerant reads the others."""
    texts = changed(SCHOOL, file, old, new)
    strict = checked(tmp_path, texts, STRICT)
    assert strict.rejected
    assert "row.blank_list_item" in codes(strict.findings)
    assert "row.blank_list_item" not in codes(checked(tmp_path, texts, TOLERANT).findings)


@pytest.mark.case("b54")
def test_two_primary_roles_in_one_org(tmp_path: Path) -> None:
    """A second primary role of a user in one org is a finding; in another org it is allowed."""
    twice = added(SCHOOL_1_2, "roles.csv", "r-ann2,,,ann,primary,aide,,,s,")
    strict, tolerant = (checked(tmp_path, twice, profile) for profile in (STRICT, TOLERANT))
    assert strict.rejected
    for one in (strict, tolerant):
        assert codes(one.findings) == ["semantic.two_primary_roles"] * 2
    assert tolerant.valid["roles"].num_rows == 5
    other = added(SCHOOL_1_2, "roles.csv", "r-ann2,,,ann,primary,aide,,,d,")
    assert codes(checked(tmp_path / "o", other, STRICT).findings) == []


@pytest.mark.case("b54")
@pytest.mark.parametrize("profile", list(Profile))
def test_primary_org_without_a_role_is_a_warning(tmp_path: Path, profile: Profile) -> None:
    """A primary org without a role of the user is a warning in both profiles."""
    row = "ann,,,true,ann,,Ann,Lee,,,ann@example.org,,,,,,,,,,"
    one = checked(tmp_path, changed(SCHOOL_1_2, "users.csv", f"{row}s,", f"{row}d,"), profile)
    assert not one.rejected
    assert codes(one.findings) == ["semantic.primary_org_without_role"]
    found = one.findings.table().to_pylist()[0]
    assert (found["severity"], found["column"], found["sourced_id"]) == (
        "warning",
        "primaryOrgSourcedId",
        "ann",
    )
