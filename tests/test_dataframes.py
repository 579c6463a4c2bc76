"""DataFrames for notebooks: their content, their documented columns, and what they leave out."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import uuid
import zipfile
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from golden.school import folder_of
from oneroster_sync import (
    GoneError,
    NotFoundError,
    Outcome,
    Preferences,
    UnknownRunError,
    UnknownSiteError,
    UnusablePackageError,
    read_findings,
    read_history,
    read_package,
    read_plan,
    read_roster,
)
from oneroster_sync.findings.finding import shown_id
from oneroster_sync.roster.columns import COURSE_FIELDS, USER_FIELDS
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.settings import PROJECT
from roster_of import NEXT_DAY, SCHOOL, changed

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

PAGE = (PROJECT / "docs/reference/python-api.md").read_text("utf-8")
NOTEBOOK = PROJECT / "examples/held_run.ipynb"
PUPILS = changed(
    SCHOOL,
    "users.csv",
    "cec,true,aide,cpoe,Cec,Poe,cec@x.org\n",
    "cec,true,aide,cpoe,Cec,Poe,cec@x.org\n"
    "pia,true,student,ppan,Pia,Pan,pia@x.org\n"
    "quinn.quill,true,,qquill,Quinn,Quill,quinn@x.org\n",
)
"""The school with a pupil, and with a person without a known role."""


def documented(function: str) -> dict[str, list[str]]:
    """Return the columns on the page of the Python API: table → names, in order."""
    part = PAGE.partition(f"### `{function}(")[2].partition("\n### ")[0].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| (`?\w+`?|each) \| (.+) \|$", part)
    named = {name.strip("`"): re.findall(r"`((?:\w+_)?<?\w+>?)`", cell) for name, cell in rows}
    return {name: columns for name, columns in named.items() if columns}


def spelt_out(columns: list[str], fields: tuple[str, ...]) -> list[str]:
    """Return documented columns with `<field>` replaced by the names of the fields."""
    shown = [field for field in fields if field != "login"]
    return [
        name.replace("<field>", field)
        for name in columns
        for field in (shown if "<field>" in name else [""])
    ]


def test_package_is_read_without_a_database() -> None:
    """Reading a package needs no site, no database and no Airflow."""
    code = """
import sys
from oneroster_sync import read_package
print(len(read_package(sys.argv[1])["users"]), "airflow" in sys.modules)
"""
    sample = str(PROJECT / "tests/data/district-small-1.1.zip")
    command = [sys.executable, "-c", code, sample]
    nowhere = {"ONEROSTER_DATABASE_URL": "none://no-database", "PATH": ""}
    done = subprocess.run(command, env=nowhere, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["20", "False"]


def test_package_has_staff_alone(tmp_path: Path) -> None:
    """No pupil is in the DataFrames; a person who may be one has only a hash of the sourcedId."""
    frames = read_package(folder_of(PUPILS, tmp_path / "package"))
    users = frames["users"].set_index("sourcedId")
    unclear = shown_id("quinn.quill", is_staff=False)
    assert list(users.index) == ["ann", "bob", "cec", unclear]
    assert users.loc["ann", "givenName"] == "Ann"
    assert users["withheld"].to_list() == [False, False, False, True]
    assert users.loc[unclear, ["givenName", "familyName", "email"]].isna().all()
    printed = "".join(frame.to_csv() for frame in frames.values())
    assert not re.search("(?i)pia|quinn|quill|password", printed)


def test_package_columns_are_those_of_the_page(tmp_path: Path) -> None:
    """Rows have the columns of the standard as text, and the three that the page names."""
    frames = read_package(folder_of(SCHOOL, tmp_path / "package"))
    assert set(frames) == {"users", "courses", "classes", "enrollments"}
    own = documented("read_package")["each"]
    for frame in frames.values():
        assert list(frame.columns)[-3:] == own
        assert frame.columns[0] == "sourcedId"
        assert {str(kind) for kind in frame.drop(columns=own).dtypes} == {"str"}
        assert [str(kind) for kind in frame[own].dtypes] == ["Int64", "str", "boolean"]
    assert frames["enrollments"]["row"].to_list() == [2, 3, 4]


def test_package_is_read_in_the_dialect_of_a_site(tmp_path: Path) -> None:
    """The delimiter of a package comes from the preferences of a site."""
    texts = {file: text.replace(",", ";") for file, text in SCHOOL.items()}
    preferences = Preferences.model_validate({"site": "s", "delimiter": "semicolon"})
    users = read_package(folder_of(texts, tmp_path / "package"), preferences=preferences)["users"]
    assert users["email"].to_list() == ["ann@x.org", "bob@x.org", "cec@x.org"]


def test_package_that_cannot_be_read_is_refused_in_words(tmp_path: Path) -> None:
    """A package that a sync would reject raises an error with the reason."""
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UnusablePackageError, match="zip"):
        read_package(broken)


def test_plan_is_that_of_the_run(site: Site) -> None:
    """A plan has a row for each change with both images, and the documented columns."""
    site.sync(SCHOOL)
    run = site.sync(NEXT_DAY)
    plan = read_plan(run["run_id"])
    moves = {kind: frame["action"].to_list() for kind, frame in plan.items()}
    counted = {kind: len(actions) for kind, actions in moves.items()}
    assert counted == {"users": 3, "courses": 1, "assignments": 2}
    users = plan["users"].set_index("sourced_id")
    assert users["action"].to_dict() == {"bob": "deactivate", "cec": "update", "dan": "add"}
    assert tuple(users.loc["cec", ["before_given_name", "after_given_name"]]) == ("Cec", "Cecil")
    assert users["before_given_name"].isna().to_dict() == {"bob": False, "cec": False, "dan": True}
    fields = {"users": USER_FIELDS, "courses": COURSE_FIELDS, "assignments": ()}
    promised = documented("read_plan")
    assert promised.keys() == fields.keys()
    for name, frame in plan.items():
        assert sorted(frame.columns) == sorted(spelt_out(promised[name], fields[name]))


def test_findings_are_those_of_the_csv(site: Site) -> None:
    """Findings have the columns of findings.csv; numbers stay integers if some are missing."""
    run = site.sync(changed(SCHOOL, "enrollments.csv", "e2,a1,bob", "e2,a9,bob"))
    found = read_findings(run["run_id"])
    assert list(found.columns) == documented("read_findings")["each"]
    assert str(found["row"].dtype) == str(found["cause"].dtype) == "Int64"
    codes = list(zip(found["code"], found["file"], found["row"], strict=True))
    stored = site.findings(run)
    assert [(c, f, r) for c, f, r in codes if not pd.isna(r)] == [f for f in stored if f[2]]
    assert len(found) == len(stored) > 0
    assert found["meaning"].str.len().min() > 0


def test_run_without_findings_has_an_empty_frame(site: Site) -> None:
    """A run without findings gives no rows, and the same columns of the same types."""
    clean = site.sync(SCHOOL)
    other = site.sync(changed(SCHOOL, "enrollments.csv", "e2,a1,bob", "e2,a9,bob"))
    some = read_findings(other["run_id"])
    none = read_findings(clean["run_id"])
    assert none.iloc[:0].dtypes.to_dict() == some.dtypes.to_dict()


def test_history_is_a_row_for_each_field(site: Site) -> None:
    """The history has a row for each changed field, the oldest first, with the row of the file."""
    site.sync(SCHOOL)
    run = site.sync(NEXT_DAY)
    history = read_history(site.name, "cec@x.org")
    assert list(history.columns) == documented("read_history")["each"]
    assert str(history["made_at"].dt.tz) == "UTC"
    last = history[(history["run_id"] == run["run_id"]) & (history["kind"] == "user")]
    assert last[["field", "before", "after"]].to_numpy().tolist() == [
        ["given_name", "Cec", "Cecil"]
    ]
    assert (last["file"].item(), last["row"].item()) == ("users.csv", 4)
    assert history["change"].is_monotonic_increasing
    assert "login" not in set(history["field"].dropna())
    assert read_history(site.name, "nobody@x.org").dtypes.to_dict() == history.dtypes.to_dict()


def test_roster_is_that_of_the_site(site: Site) -> None:
    """The roster has every record of the site, inactive and hand-made too, and no other site's."""
    site.sync(SCHOOL)
    site.sync(NEXT_DAY)
    roster = read_roster(site.name)
    fields = {"users": USER_FIELDS, "courses": COURSE_FIELDS, "assignments": ()}
    promised = documented("read_roster")
    assert promised.keys() == fields.keys()
    for name, frame in roster.items():
        assert sorted(frame.columns) == sorted(spelt_out(promised[name], fields[name]))
    users = roster["users"].dropna(subset=["sourced_id"]).set_index("sourced_id")
    assert users["status"].to_dict() == site.users()
    assert roster["users"]["managed"].to_list().count(False) == 1
    pairs = roster["assignments"].set_index(["user_sourced_id", "course_sourced_id"])
    assert pairs["status"].to_dict() == site.assignments()


def test_missing_runs_sites_and_plans_raise_errors(site: Site) -> None:
    """An unknown run or site, a missing plan and an expired plan raise different errors."""
    nothing = str(uuid.uuid4())
    for read in (read_plan, read_findings):
        with pytest.raises(UnknownRunError):
            read(nothing)
    for unknown in (lambda: read_roster("nowhere"), lambda: read_history("nowhere", "ann")):
        with pytest.raises(UnknownSiteError):
            unknown()
    rejected = site.sync({"users.csv": "sourcedId\n"})
    with pytest.raises(NotFoundError, match="rejected"):
        read_plan(rejected["run_id"])
    run = site.sync(SCHOOL)
    RunFolder.of(site.name, run["run_id"]).remove_all()
    with pytest.raises(GoneError, match="expired"):
        read_plan(run["run_id"])


def cells() -> list[dict[str, Any]]:
    """Return the cells of the notebook."""
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return found


def test_notebook_is_stored_without_outputs() -> None:
    """The notebook has no outputs: they would hold names and make its diffs unreadable."""
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    assert notebook["nbformat"] == 4
    assert len({cell["id"] for cell in cells()}) == len(cells())
    for cell in cells():
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == (
            [],
            None,
        )


def test_notebook_walks_through_a_held_run(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Every cell runs in order, the run is held and discarded, and both charts are drawn."""
    names: dict[str, Any] = {}
    shown = [
        result
        for cell in cells()
        if cell["cell_type"] == "code"
        if (result := run_cell("".join(cell["source"]), names)) is not None
    ]
    charts = [one.to_dict() for one in shown if type(one).__module__.startswith("altair")]
    assert len(charts) == 2
    (plan, schools) = (next(iter(chart["datasets"].values())) for chart in charts)
    assert sum(point["changes"] for point in plan) == len(names["changes"]) > 0
    gone = [point for point in schools if point["after"] == "deactivated"]
    assert [point["users"] for point in gone] == [8]
    assert "High School" in gone[0]["school"]
    assert names["done"].outcome is Outcome.DISCARDED
    assert "guard.removals" in capsys.readouterr().out
    for frame in (one for one in shown if isinstance(one, pd.DataFrame)):
        assert len(frame) > 0
    assert zipfile.is_zipfile(names["tuesday"])


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does, and return the value of its last expression or None."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(NOTEBOOK), "exec"), names)  # noqa: S102  the notebook is ours
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)  # noqa: S307
