"""The suites under `expectations/` decide which rows are used: they are data, not code.

Every row with an error has a finding with file, row, column, sourcedId, code and expectation. The
suites and the standard agree. A changed suite changes the result, and an invalid one stops the run
and is named.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from golden.school import (
    SCHOOL,
    SCHOOL_1_2,
    added,
    changed,
    codes,
    folder_of,
    person,
    users_checked,
)
from oneroster_sync import settings
from oneroster_sync.findings import CODES
from oneroster_sync.operations.check import check_package
from oneroster_sync.roster.model import Known
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.extract.package import extract_package
from oneroster_sync.stages.validate import gx_patches
from oneroster_sync.stages.validate.data_docs import write_data_docs
from oneroster_sync.stages.validate.rows import validate_rows
from oneroster_sync.stages.validate.suites import SuiteError, load_suite
from oneroster_sync.standard import (
    ROSTERING_FILES,
    STAFF_ROLES,
    STUDENT_LIKE_ROLES,
    Version,
    rostering_file,
)
from oneroster_sync.standard.enums import BOOLEANS, ENUMERATIONS
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conftest import Site

SUITES = settings.PROJECT / "expectations"
USERS_SUITE = "1.1/users.json"
EXISTING = [
    (version, name)
    for version in Version
    for name in ROSTERING_FILES
    if rostering_file(name, version) is not None
]


def expectations(version: Version, name: str) -> list[dict[str, Any]]:
    """Return the expectations of one suite from its file."""
    text = (SUITES / version / f"{name}.json").read_text("utf-8")
    found: list[dict[str, Any]] = json.loads(text)["expectations"]
    return found


# The suites themselves


def test_every_file_has_a_suite() -> None:
    """Each version has a suite for each file that is read, and no other."""
    there = {(Version(path.parent.name), path.stem) for path in SUITES.glob("*/*.json")}

    assert there == set(EXISTING)


@pytest.mark.parametrize(("version", "name"), EXISTING)
@pytest.mark.parametrize("mode", [Mode.BULK, Mode.DELTA])
def test_suite_can_be_loaded(version: Version, name: str, mode: Mode) -> None:
    """Every suite can be loaded, for both modes, and has expectations for each."""
    assert load_suite(SUITES, version, name, mode, set())["expectations"]


@pytest.mark.parametrize(("version", "name"), EXISTING)
def test_suite_speaks_of_what_is_read(version: Version, name: str) -> None:
    """A suite has known codes, only columns that are read, and the expected value."""
    file = rostering_file(name, version)
    assert file is not None
    read = {column.canonical for column in file.read_columns}
    read |= {"login", "claimed_login", "primary_org"} if name == "users" else set()
    read |= {"primary_of"} if name == "roles" else set()
    files = {*ROSTERING_FILES, "roles.userSourcedId", "enrollments.classSourcedId"}
    files |= {"roles.primaryOrg"}
    for one in expectations(version, name):
        kwargs, meta = one["kwargs"], one["meta"]
        columns = {kwargs[k] for k in ("column", "column_A", "column_B") if k in kwargs}
        assert columns.union(kwargs.get("column_list", ())) <= read
        assert meta["code"] in CODES
        assert meta["expected"]
        assert meta.get("only", "bulk") in {"bulk", "delta"}
        assert meta.get("profile", "strict") == "strict"
        assert meta["effect"] in {"row", "value", "warn"}
        assert "severity" not in one, "the effect decides the severity"
        assert set(meta.get("used_by", ())) <= {"guards.school", "expire_ended_terms"}
        assert kwargs.get("file", name) in files


@pytest.mark.parametrize(("version", "name"), EXISTING)
def test_suite_demands_what_the_standard_demands(version: Version, name: str) -> None:
    """A column that the standard requires must not be blank, except for the e-mail."""
    file = rostering_file(name, version)
    assert file is not None
    demanded = {
        one["kwargs"]["column"]
        for one in expectations(version, name)
        if one["type"] == "expect_column_values_to_not_be_null" and "only" not in one["meta"]
    }
    wanted = {c.canonical for c in file.read_columns if c.need != "optional"} - {"email"}

    assert demanded - {"login"} == wanted


def _allowed(column: str) -> set[str]:
    """Return every value that a suite allows in a column."""
    allowed: set[str] = set()
    for version, name in EXISTING:
        for one in expectations(version, name):
            if one["kwargs"].get("column") != column:
                continue
            if one["type"] == "expect_column_values_to_be_in_set":
                allowed |= set(one["kwargs"]["value_set"])
            if one["type"] == "expect_column_values_to_match_regex" and column == "role":
                words = one["kwargs"]["regex"].removeprefix("^(?:").removesuffix(")$")
                allowed |= {word for word in words.split("|") if not word.startswith("ext:")}
    return allowed


@pytest.mark.parametrize("column", sorted(ENUMERATIONS))
def test_closed_lists_are_those_of_the_suites(column: str) -> None:
    """Values that extract can respell are those of the suites, without student roles."""
    assert _allowed(column) == ENUMERATIONS[column] - STUDENT_LIKE_ROLES


@pytest.mark.parametrize("column", sorted(BOOLEANS))
def test_booleans_are_those_of_the_suites(column: str) -> None:
    """Columns that extract reads as true or false are those that the suites restrict to both."""
    assert _allowed(column) == {"true", "false"}


def test_roles_of_staff_are_those_of_the_suites() -> None:
    """The roles that some suite allows are exactly the staff roles."""
    assert _allowed("role") == STAFF_ROLES


@pytest.mark.parametrize(
    ("texts", "file", "old", "new"),
    [
        *(
            (SCHOOL, "users.csv", ",aide,", f",{role},")
            for role in ("principal", "counselor", "siteAdministrator", "districtAdministrator")
        ),
        (SCHOOL_1_2, "roles.csv", ",aide,", ",administrator,"),
    ],
)
def test_roles_of_the_other_version_are_used(
    tmp_path: Path, texts: dict[str, str], file: str, old: str, new: str
) -> None:
    """A role that only the other version has is a warning, and an error in strict."""
    texts = changed(texts, file, old, new)

    tolerant = check_package(folder_of(texts, tmp_path / "p"), Profile.TOLERANT)
    strict = check_package(folder_of(texts, tmp_path / "s"), Profile.STRICT)

    assert codes(tolerant.findings) == ["row.other_version"]
    assert tolerant.valid[file.removesuffix(".csv")].num_rows == 4
    assert (strict.rejected, codes(strict.findings, "error")) == (True, ["row.other_version"])


# A suite is data


@pytest.fixture
def suites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the suites that the product uses in this test."""
    copy = tmp_path / "expectations"
    shutil.copytree(SUITES, copy)
    monkeypatch.setenv("ONEROSTER_EXPECTATIONS", str(copy))
    return copy


def edit(suite: Path, change: Any) -> None:
    """Change the expectations of a suite's file."""
    content = json.loads(suite.read_text("utf-8"))
    content["expectations"] = change(content["expectations"])
    suite.write_text(json.dumps(content), "utf-8")


def test_suite_that_is_tightened_finds_more(tmp_path: Path, suites: Path) -> None:
    """An expectation that is added to a file applies to every row, without new code."""
    assert codes(users_checked(tmp_path, SCHOOL).findings) == []
    of_the_school = {
        "type": "expect_column_values_to_match_regex",
        "kwargs": {"column": "email", "regex": "^ann@"},
        "severity": "critical",
        "meta": {"code": "row.invalid_email", "expected": "an address of the school"},
    }
    edit(suites / USERS_SUITE, lambda old: [*old, of_the_school])

    found = users_checked(tmp_path, SCHOOL).findings.table().to_pylist()

    assert [(one["code"], one["row"], one["expected"]) for one in found] == [
        ("row.invalid_email", row, "an address of the school") for row in (3, 4, 5)
    ]


def test_suite_that_is_loosened_lets_a_row_in(site: Site, suites: Path) -> None:
    """If an expectation becomes a warning, the same package adds the user it refused."""
    texts = added(SCHOOL, "users.csv", person("eve", email="eve"))

    first = site.sync(texts)

    assert (first["outcome"], first["findings"]) == (
        "succeeded_with_errors",
        {"errors": 1, "warnings": 0},
    )
    assert "eve" not in site.users()

    edit(
        suites / USERS_SUITE,
        lambda old: [
            {**one, "meta": {**one["meta"], "effect": "warn"}}
            if one["meta"]["code"] == "row.invalid_email"
            else one
            for one in old
        ],
    )

    second = site.sync(texts)

    assert (second["outcome"], second["findings"]) == ("succeeded", {"errors": 0, "warnings": 1})
    assert site.users()["eve"] == "active"


def test_suite_of_earlier_days_decides_by_its_severity(tmp_path: Path, suites: Path) -> None:
    """A suite without effects, as existing sites may have, still works by its severity."""
    texts = added(SCHOOL, "users.csv", person("u11", given=""), person("u12", username=""))

    def of_earlier_days(old: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                **one,
                "severity": "warning" if one["kwargs"].get("column") == "givenName" else "critical",
                "meta": {k: v for k, v in one["meta"].items() if k != "effect"},
            }
            for one in old
        ]

    edit(suites / USERS_SUITE, of_earlier_days)

    found = users_checked(tmp_path, texts).findings.table().to_pylist()

    assert {one["column"]: one["severity"] for one in found} == {
        "givenName": "warning",
        "username": "error",
    }


def test_suite_without_an_expectation_asks_for_less(tmp_path: Path, suites: Path) -> None:
    """An expectation that is removed from a suite is no longer checked."""
    texts = added(SCHOOL, "users.csv", person("u11", given=""))
    edit(
        suites / USERS_SUITE,
        lambda old: [one for one in old if one["kwargs"].get("column") != "givenName"],
    )

    assert codes(users_checked(tmp_path, texts).findings) == []


def _spoil_one(**changes: Any) -> Any:
    def spoil(old: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**old[0], **changes}, *old[1:]]

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        _spoil_one(meta={"code": "row.no_such_code"}),
        _spoil_one(meta={}),
        _spoil_one(meta={"code": "row.too_long", "effect": "perhaps"}),
        _spoil_one(kwargs={"column": "emial"}),
        _spoil_one(kwargs={}),
        _spoil_one(type="expect_column_values_to_be_nice"),
        _spoil_one(
            type="expect_column_values_to_match_regex", kwargs={"column": "email", "regex": "("}
        ),
        lambda _: "none",
    ],
)
def test_broken_expectation_is_named(tmp_path: Path, suites: Path, spoil: Any) -> None:
    """An invalid expectation stops the run, and the message names the file."""
    edit(suites / USERS_SUITE, spoil)

    with pytest.raises(SuiteError, match="users"):
        users_checked(tmp_path, SCHOOL)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"name": "users", "meta": {}}'])
def test_broken_suite_is_named(tmp_path: Path, suites: Path, text: str) -> None:
    """A suite that is invalid JSON or no suite stops the run, and the message names its path."""
    (suites / USERS_SUITE).write_text(text, "utf-8")

    with pytest.raises(SuiteError, match=re.escape(str(suites / USERS_SUITE))):
        users_checked(tmp_path, SCHOOL)


def test_missing_suite_is_named(tmp_path: Path, suites: Path) -> None:
    """A missing suite stops the run instead of letting its file through."""
    (suites / USERS_SUITE).unlink()

    with pytest.raises(SuiteError, match=re.escape(str(suites / USERS_SUITE))):
        users_checked(tmp_path, SCHOOL)


def test_broken_suite_changes_nothing(site: Site, suites: Path) -> None:
    """A run with an invalid suite fails with one sentence, and the roster stays."""
    site.sync(SCHOOL)
    before = (site.users(), site.courses(), site.assignments())
    edit(suites / USERS_SUITE, _spoil_one(meta={"code": "row.no_such_code"}))
    package = site.package(changed(SCHOOL, "users.csv", ",Ann,", ",Anna,"))

    code, _ = site.command("sync", package)

    assert code == 1
    assert (site.users(), site.courses(), site.assignments()) == before


def test_statistics_are_loaded_when_a_suite_asks_for_them() -> None:
    """Validation imports neither scipy.stats nor altair; an expectation that needs them can."""
    program = (
        "import sys; from oneroster_sync.stages.validate import gx_loader; gx_loader.load();"
        "print('scipy.stats._stats_py' in sys.modules, 'altair.vegalite' in sys.modules);"
        "from great_expectations.expectations.core import "
        "expect_column_kl_divergence_to_be_less_than as uses;"
        "print(uses.stats.norm.cdf(0), uses.alt.Chart.__name__);"
        "from scipy import stats; print(stats.norm.cdf(0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False", "0.5", "Chart", "0.5"]


def test_clouds_are_there_again_once_it_is_loaded() -> None:
    """Great Expectations is imported without boto3, which other code can still import."""
    program = (
        "import sys; from oneroster_sync.stages.validate import gx_loader; gx_loader.load();"
        "print('boto3' in sys.modules); import boto3; print(boto3.client.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "client"]


def judged(folder: Path, texts: Mapping[str, str]) -> tuple[list[Any], list[Any], list[str]]:
    """Return the findings of a package, its report, and the names of the pages without times."""
    package, docs = folder / "package", folder / "docs"
    for path in (package, docs):
        path.mkdir(parents=True)
    for name, text in texts.items():
        (package / name).write_text(text, "utf-8")
    extracted = extract_package(package, Profile.TOLERANT, Known())
    validated = validate_rows(
        extracted.tables,
        extracted.modes,
        extracted.version,
        known={},
        suites=SUITES,
    )
    write_data_docs(validated.results, docs)
    pages = [path.parts[-4] for path in docs.glob("validations/**/*.html")]
    return validated.findings.table().to_pylist(), validated.report, sorted(pages)


def test_our_patches_change_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings and pages are the same with and without our patches of Great Expectations."""
    spoiled = added(SCHOOL, "users.csv", person("eve", email="none"), person("eve", role="king"))
    known = judged(tmp_path / "once", spoiled)
    monkeypatch.setattr(gx_patches, "once", contextlib.nullcontext)
    each_time = judged(tmp_path / "each", spoiled)
    assert known == each_time
    findings, report, pages = known
    assert findings
    assert len(report) == len(pages) > 1
