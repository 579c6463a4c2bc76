"""Real packages on the command line, with their expected outcome, counts and findings.

The expected numbers were counted in the files: users are the rows of staff, assignments the
distinct pairs of teacher and course.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

CONFORMANCE = ("full", "gradebook", "resources", "rostering")


def counted(run: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return the counts of a run that are not zero, by record type."""
    return {
        kind: {word: number for word, number in numbers.items() if number}
        for kind, numbers in run["counts"].items()
    }


def roster(site: Site) -> tuple[Any, ...]:
    """Return all users, courses and assignments of a site."""
    return site.users(), site.courses(), site.assignments()


@pytest.mark.parametrize(
    ("package", "outcome", "counts"),
    [
        (
            "district-small-1.1.zip",
            "succeeded",
            {
                "users": {"added": 20, "ignored": 248},
                "courses": {"added": 91},
                "assignments": {"added": 91},
            },
        ),
        (
            "edfi-lms-1.0",
            "succeeded",
            {
                "users": {"added": 2, "ignored": 8},
                "courses": {"added": 2},
                "assignments": {"added": 2},
            },
        ),
        (
            "maple-grove-1.1",
            "succeeded",
            {"users": {"added": 34, "ignored": 1565}, "courses": {"added": 80}, "assignments": {}},
        ),
        (
            "japan-profile-1.2.zip",
            "succeeded",
            {
                "users": {"added": 6, "ignored": 60},
                "courses": {"added": 2},
                "assignments": {"added": 6},
            },
        ),
    ],
)
def test_sample_is_synced(
    site: Site, data: Path, package: str, outcome: str, counts: dict[str, dict[str, int]]
) -> None:
    """A real export is synced with the counts of its rows, and a second sync changes nothing."""
    code, first = site.command("sync", data / package)

    assert (code, first["outcome"], counted(first)) == (0, outcome, counts)
    assert first["findings"]["errors"] == 0
    assert Counter(site.users().values()) == {"active": counts["users"]["added"]}
    assert Counter(site.courses().values()) == {"active": counts["courses"]["added"]}
    assert len(site.assignments()) == counts["assignments"].get("added", 0)
    before = roster(site)

    code, second = site.command("sync", data / package)

    assert (code, second["outcome"]) == (0, "no_changes")
    assert counted(second)["users"] == {"ignored": counts["users"]["ignored"]}
    assert roster(site) == before


def test_school_moves_from_1_1_to_1_2(site: Site, data: Path) -> None:
    """A school's package in 1.2 changes nothing after its package in 1.1."""
    first = site.sync(data / "school-small-1.1.zip")

    assert first["outcome"] == "succeeded"
    assert counted(first) == {
        "users": {"added": 7, "ignored": 72},
        "courses": {"added": 42},
        "assignments": {"added": 42},
    }
    before = roster(site)

    second = site.sync(data / "school-small-1.2.zip", "--profile", "strict")

    assert (second["outcome"], second["findings"]) == ("no_changes", {"errors": 0, "warnings": 0})
    assert counted(second)["users"] == {"ignored": 72}
    assert roster(site) == before


def test_ragged_rows_of_an_export_are_used(site: Site, data: Path) -> None:
    """Surplus blank cells in an export's rows are cut, and all rows are synced."""
    code, run = site.command("sync", data / "edfi-lms-1.1")

    assert (code, run["outcome"]) == (0, "succeeded")
    assert counted(run) == {
        "users": {"added": 2, "ignored": 8},
        "courses": {"added": 2},
        "assignments": {"added": 2},
    }
    assert site.findings(run) == [
        ("manifest.invalid_version", "manifest.csv", 2),
        ("table.surplus_cells", "users.csv", 10),
        ("semantic.missing_login", "users.csv", 10),
    ]
    assert run["findings"] == {"errors": 0, "warnings": 3}


@pytest.mark.parametrize("package", ["microsoft-sds/SDS_v2.1", "microsoft-sds"])
@pytest.mark.parametrize("profile", ["tolerant", "strict"])
def test_school_data_sync_is_called_by_its_name(
    site: Site, data: Path, package: str, profile: str
) -> None:
    """Files of Microsoft School Data Sync, which resemble OneRoster, are rejected by name."""
    code, run = site.command("sync", data / package, "--profile", profile)

    assert (code, run["outcome"], run["counts"]) == (4, "rejected", None)
    assert "Microsoft School Data Sync" in " ".join(run["reasons"])
    assert "package.lookalike" in site.codes(run)
    assert roster(site) == ({}, {}, {})


@pytest.mark.parametrize("before", [None, "school-small-1.1.zip"])
def test_template_without_rows_is_held(site: Site, data: Path, before: str | None) -> None:
    """A template with headers only is held, because it would remove all records."""
    if before is not None:
        site.sync(data / before)
    was = roster(site)

    code, run = site.command("sync", data / "classlink-template")

    assert (code, run["outcome"]) == (3, "held")
    assert {"guard.empty_file", "table.no_rows"} <= site.codes(run)
    assert roster(site) == was
    code, rejected = site.command("sync", data / "classlink-template", "--profile", "strict")
    assert (code, rejected["outcome"]) == (4, "rejected")
    assert roster(site) == was


@pytest.mark.parametrize("name", CONFORMANCE)
def test_valid_package_of_a_conformance_set_is_synced(site: Site, data: Path, name: str) -> None:
    """A conformance set's valid packages succeed in strict; bulk changes nothing after delta."""
    bulk, delta = (
        data / "longsight-valid-1.2" / f"{name}-{mode}-package.zip" for mode in ("bulk", "delta")
    )

    code, first = site.command("sync", delta, "--profile", "strict")

    assert (code, first["outcome"]) == (0, "succeeded")
    assert counted(first) == {
        "users": {"added": 2},
        "courses": {"added": 1},
        "assignments": {"added": 1},
    }
    assert first["findings"]["errors"] == 0
    assert site.assignments() == {("user-1", "course-1"): "active"}

    for profile in ("strict", "tolerant"):
        code, second = site.command("sync", bulk, "--profile", profile)
        assert (code, second["outcome"], second["findings"]["errors"]) == (0, "no_changes", 0)


def test_manifest_alone_changes_nothing(site: Site, data: Path) -> None:
    """A package with only a manifest changes nothing."""
    site.sync(data / "edfi-lms-1.0")
    before = roster(site)
    package = data / "longsight-valid-1.2" / "manifest-only-package.zip"

    for profile in ("strict", "tolerant"):
        code, run = site.command("sync", package, "--profile", profile)
        assert (code, run["outcome"]) == (0, "no_changes")
        assert run["findings"] == {"errors": 0, "warnings": 0}
        assert counted(run) == {"users": {}, "courses": {}, "assignments": {}}
    assert roster(site) == before


def test_package_of_another_district_is_held(site: Site, data: Path) -> None:
    """A package of another district is held, because it would replace all records."""
    site.sync(data / "district-small-1.1.zip")
    before = roster(site)

    code, run = site.command("sync", data / "maple-grove-1.1")

    assert (code, run["outcome"]) == (3, "held")
    assert {"guard.wrong_source", "guard.removals"} <= site.codes(run)
    assert roster(site) == before


@pytest.mark.parametrize(
    "package",
    ["district-small-1.1.zip", "school-small-1.1.zip", "maple-grove-1.1", "edfi-lms-1.0"],
)
def test_export_that_bends_the_standard_is_rejected_in_strict(
    site: Site, data: Path, package: str
) -> None:
    """Strict rejects real exports that tolerant repairs."""
    code, run = site.command("sync", data / package, "--profile", "strict")

    assert (code, run["outcome"]) == (4, "rejected")
    assert run["reasons"]
    assert roster(site) == ({}, {}, {})
