"""For every column and every kind of wrong value, the page of columns describes the result.

For each version, mode and file, a package holds one row for each column, in which only this value
is wrong: blank, odd or dangling. The effect on each row must be as docs/reference/columns.md says:
the row is used, used without the value, or not used.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pytest

from golden.school import manifest
from oneroster_sync import settings
from oneroster_sync.roster.model import Known
from oneroster_sync.sites.preferences import Preferences, Profile
from oneroster_sync.sites.thresholds import Guards, Limit
from oneroster_sync.stages.extract.csv_table import is_left_out
from oneroster_sync.stages.extract.package import Extracted, extract_package
from oneroster_sync.stages.validate.columns import answers, format_page
from oneroster_sync.stages.validate.rows import validate_rows
from oneroster_sync.stages.validate.suites import SuiteError
from oneroster_sync.standard import ROSTERING_FILES, Column, Version, rostering_file
from oneroster_sync.standard.files import Type
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

SUITES = settings.PROJECT / "expectations"
LONG = "x" * 256
RIGHT: dict[str, dict[str, str]] = {
    "academicSessions": {
        "title": "Year",
        "type": "schoolYear",
        "startDate": "2026-08-01",
        "endDate": "2027-06-01",
        "schoolYear": "2027",
    },
    "orgs": {"name": "School", "type": "school"},
    "courses": {
        "schoolYearSourcedId": "base",
        "title": "Art",
        "orgSourcedId": "base",
    },
    "classes": {
        "title": "Art 1",
        "courseSourcedId": "base",
        "classType": "scheduled",
        "schoolSourcedId": "base",
        "termSourcedIds": "base",
    },
    "users": {
        "enabledUser": "true",
        "orgSourcedIds": "base",
        "role": "teacher",
        "givenName": "Ann",
        "familyName": "Lee",
    },
    "roles": {"roleType": "primary", "role": "teacher", "orgSourcedId": "base"},
    "enrollments": {
        "classSourcedId": "base",
        "schoolSourcedId": "base",
        "userSourcedId": "base",
        "role": "teacher",
    },
}
"""A row of each file without a wrong value, by the column names of the sync."""
ODD = {
    Type.ENUM: "oddword",
    Type.BOOLEAN: "perhaps",
    Type.DATE: "soon",
    Type.YEAR: "27",
    Type.TIME: "yesterday",
    Type.TEXT: LONG,
    Type.ID: LONG,
}
FILES = [
    (version, name)
    for version in Version
    for name in ROSTERING_FILES
    if rostering_file(name, version) is not None
]


def cells(name: str, key: str, *, delta: bool) -> dict[str, str]:
    """Return a correct row of a file whose sourcedId is `key`."""
    own = {"sourcedId": key, **RIGHT[name]}
    if name == "users":
        own |= {"username": key, "email": f"{key}@example.org"}
    if name == "roles":
        own["userSourcedId"] = "base"
    if delta:
        own |= {"status": "active", "dateLastModified": "2026-09-01T00:00:00.000Z"}
    return own


def text_of(name: str, version: Version, rows: list[dict[str, str]]) -> str:
    """Return a file as CSV text, with the headers of its version."""
    file = rostering_file(name, version)
    assert file is not None
    lines = [",".join(column.name for column in file.columns)]
    lines += [",".join(row.get(c.canonical, "") for c in file.columns) for row in rows]
    return "\n".join(lines) + "\n"


def package(
    folder: Path, version: Version, mode: Mode, more: dict[str, list[dict[str, str]]]
) -> Path:
    """Write a package of one correct row for each file, and more rows of some files."""
    folder.mkdir()
    names = [name for name in ROSTERING_FILES if rostering_file(name, version) is not None]
    delta = mode is Mode.DELTA
    for name in names:
        rows = [cells(name, "base", delta=delta), *more.get(name, [])]
        (folder / f"{name}.csv").write_text(text_of(name, version, rows), "utf-8")
    if version is not Version.V1_0:
        modes = dict.fromkeys(names, mode.value)
        (folder / "manifest.csv").write_text(manifest(version.value, **modes), "utf-8")
    return folder


def wrong(column: Column, state: str) -> str:
    """Return a wrong value of this kind."""
    if state == "odd" and column.canonical == "email":
        return "nobody"
    return {"blank": "", "odd": ODD[column.type], "dangling": "gone"}[state]


CASES = [
    (version, mode, state, in_use)
    for version in Version
    for mode in (Mode.BULK, Mode.DELTA)
    for state in ("blank", "odd", "dangling")
    for in_use in ((), ("guards.school",))
    if (version, mode) != (Version.V1_0, Mode.DELTA)  # without a manifest every file is bulk
    if (mode, state) != (Mode.DELTA, "odd") or not in_use  # no setting makes an odd value decide
]


OF_DELTAS = {"status", "dateLastModified"}
"""Columns that only deltas use; in a bulk file their values are blanked."""

More = dict[str, list[dict[str, str]]]
Wanted = dict[tuple[str, int], tuple[str, str]]


def rows_of_each_column(
    version: Version, mode: Mode, state: str, in_use: tuple[str, ...]
) -> tuple[More, Wanted]:
    """Return rows with one wrong value each, and the expected effect by file and row."""
    more: More = {}
    wanted: Wanted = {}
    for name in ROSTERING_FILES:
        if rostering_file(name, version) is None:
            continue
        for canonical, effects in answers(SUITES, version, name, mode).items():
            file = rostering_file(name, version)
            assert file is not None
            column = file.column(canonical)
            assert column is not None
            if state not in effects or _is_anybody(name, version, mode, canonical, state):
                continue
            key = f"{name}-{canonical}"
            row = cells(name, key, delta=mode is Mode.DELTA)
            if name == "roles":
                row["userSourcedId"] = "holder"  # a user whose row is not used because of the role
            row[canonical] = wrong(column, state)
            rows = more.setdefault(name, [])
            rows.append(row)
            wanted[name, len(rows) + 2] = canonical, effects[state].at(in_use)
            if name == "users" and version is Version.V1_2:
                role = cells("roles", f"of-{key}", delta=mode is Mode.DELTA)
                named = row["sourcedId"] or "holder"
                more.setdefault("roles", []).insert(0, role | {"userSourcedId": named})
    if version is Version.V1_2:
        moved = len(more["users"])
        wanted = {
            (name, at + (moved if name == "roles" else 0)): effect
            for (name, at), effect in wanted.items()
        }
    return more, wanted


def check_row(found: list[dict[str, Any]], used: pa.Table, canonical: str, effect: str) -> None:
    """Check that the wrong value of a row had the expected effect.

    Args:
        found: The findings about the row.
        used: The row in the valid rows, or no row.
        canonical: The column with the wrong value.
        effect: The effect on the page of columns.
    """
    of_column = {one["severity"] for one in found if one["column"] == canonical}
    place = f"{canonical}: {found}"
    if effect == "row":
        assert "error" in of_column, place
        assert used.num_rows == 0, place
        return
    assert "error" not in {one["severity"] for one in found}, place
    assert of_column == (set() if effect == "fine" else {"warning"}), place
    assert used.num_rows == 1, place
    if effect == "value":
        assert used[canonical].to_pylist() == [None], place
        assert is_left_out(used, canonical).to_pylist() == [True], place


@pytest.mark.case("a91")
@pytest.mark.parametrize(("version", "mode", "state", "in_use"), CASES)
def test_wrong_value_comes_to_what_the_page_says(
    tmp_path: Path, version: Version, mode: Mode, state: str, in_use: tuple[str, ...]
) -> None:
    """A row with a wrong value is used, used without the value, or not used, as the page says."""
    more, wanted = rows_of_each_column(version, mode, state, in_use)
    more["users"].append(cells("users", "holder", delta=mode is Mode.DELTA))
    extracted = extract_package(
        package(tmp_path / "package", version, mode, more), Profile.TOLERANT, Known()
    )
    assert not extracted.refused, extracted.findings.table().to_pylist()

    validated = validate_rows(
        extracted.tables,
        extracted.modes,
        version,
        known={},
        suites=SUITES,
        in_use=in_use,
    )

    found = validated.findings.table().to_pylist()
    for (name, row), (canonical, effect) in wanted.items():
        of_row = [one for one in found if (one["file"], one["row"]) == (f"{name}.csv", row)]
        used = validated.valid[name].filter(pc.equal(validated.valid[name]["row"], row))
        check_row(of_row, used, canonical, effect)
        if effect in {"fine", "warn"} and state != "blank" and canonical not in OF_DELTAS:
            assert used[canonical].to_pylist() == [wrong_of(name, version, canonical, state)]
    # Correct rows are used, whatever the wrong rows are.
    for name, table in validated.valid.items():
        assert "base" in table["sourcedId"].to_pylist(), name


def _is_anybody(name: str, version: Version, mode: Mode, canonical: str, state: str) -> bool:
    """Return whether the row may be a student's: in a 1.2 delta only the sourcedId shows it."""
    of_delta = (name, version, mode) == ("users", Version.V1_2, Mode.DELTA)
    return of_delta and (canonical, state) == ("sourcedId", "blank")


def wrong_of(name: str, version: Version, canonical: str, state: str) -> str:
    """Return the wrong value of a column."""
    file = rostering_file(name, version)
    assert file is not None
    column = file.column(canonical)
    assert column is not None
    return wrong(column, state)


@pytest.mark.parametrize(("version", "name"), FILES)
def test_missing_column_comes_to_what_the_page_says(
    tmp_path: Path, version: Version, name: str
) -> None:
    """Without a column the package is rejected, or read with a warning, as the page says."""
    file = rostering_file(name, version)
    assert file is not None
    whole = package(tmp_path / "whole", version, Mode.BULK, {})
    lines = (whole / f"{name}.csv").read_text("utf-8").splitlines()
    effects = answers(SUITES, version, name, Mode.BULK)
    for column in file.read_columns:
        folder = tmp_path / column.canonical
        shutil.copytree(whole, folder)
        at = [c.name for c in file.columns].index(column.name)
        cut = [",".join(c for n, c in enumerate(line.split(",")) if n != at) for line in lines]
        (folder / f"{name}.csv").write_text("\n".join(cut) + "\n", "utf-8")

        extracted = extract_package(folder, Profile.TOLERANT, Known())

        rejects = effects[column.canonical]["missing"].effect == "file"
        assert extracted.refused is rejects, column.name
        assert _severities(extracted, column) == ["error" if rejects else "warning"], column.name


def _severities(extracted: Extracted, column: Column) -> list[str]:
    """Return the severities of the findings about a missing column."""
    return [
        one["severity"]
        for one in extracted.findings.table().to_pylist()
        if (one["code"], one["column"]) == ("schema.missing_header", column.name)
    ]


def test_of_a_list_what_dangles_is_left_out(tmp_path: Path) -> None:
    """Of a list of orgs, a dangling one is left out with a warning, and the others stay."""
    more = {"users": [cells("users", "ann", delta=False) | {"orgSourcedIds": '"gone, base"'}]}
    extracted = extract_package(
        package(tmp_path / "p", Version.V1_1, Mode.BULK, more), Profile.TOLERANT, Known()
    )

    validated = validate_rows(
        extracted.tables, extracted.modes, Version.V1_1, known={}, suites=SUITES
    )

    assert validated.valid["users"]["orgSourcedIds"].to_pylist() == ["base", "base"]
    assert [
        (one["code"], one["severity"], one["target"])
        for one in validated.findings.table().to_pylist()
    ] == [("reference.missing_target_record", "warning", "gone")]


def test_threshold_of_a_site_s_own_makes_schools_decide() -> None:
    """A site's own threshold for each school makes the values of schools decide."""
    usual = Preferences(site="s")
    own = Preferences(site="s", guards=Guards(school=Limit(percent=20)))

    assert own.in_use() - usual.in_use() == {"guards.school"}


def test_page_of_columns_is_up_to_date() -> None:
    """docs/reference/columns.md is what `python -m oneroster_sync.stages.validate` prints."""
    page = settings.PROJECT / "docs" / "reference" / "columns.md"

    assert page.read_text("utf-8") == format_page(SUITES)


def _without(column: str, code: str) -> Callable[[dict[str, Any]], bool]:
    return lambda one: (one["kwargs"].get("column"), one["meta"]["code"]) != (column, code)


@pytest.mark.parametrize(
    ("name", "column", "code"),
    [
        ("orgs", "name", "row.missing_required_value"),
        ("orgs", "type", "row.invalid_enum"),
        ("enrollments", "endDate", "row.invalid_date"),
        ("courses", "schoolYearSourcedId", "reference.missing_target_record"),
    ],
)
def test_column_without_an_answer_is_named(
    tmp_path: Path, name: str, column: str, code: str
) -> None:
    """A suite without a rule for one state of a column is refused by the column's name."""
    suites = tmp_path / "expectations"
    shutil.copytree(SUITES, suites)
    path = suites / "1.1" / f"{name}.json"
    suite = json.loads(path.read_text("utf-8"))
    suite["expectations"] = list(filter(_without(column, code), suite["expectations"]))
    path.write_text(json.dumps(suite), "utf-8")

    with pytest.raises(SuiteError, match=f"{name}.csv, {column}"):
        answers(suites, Version.V1_1, name, Mode.BULK)
