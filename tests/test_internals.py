"""One table lists a library's private names that we use, so that its next release fails here."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from homes import PROJECT
from oneroster_airflow import airflow_internals
from oneroster_airflow.airflow_internals import AIRFLOW
from oneroster_sync.internals import Internal, Internals, MovedError
from oneroster_sync.stages.validate.gx_internals import GX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES = {table.package: table for table in (AIRFLOW, GX)}
NAMES = [(package, name) for package, table in TABLES.items() for name in table.names]
PUBLIC = {
    "apache-airflow-core": re.compile(
        r"airflow(\.sdk(\.(configuration|exceptions))?|\.timetables\.base|\.triggers\.base"
        r"|\.plugins_manager|\.configuration|\.listeners|\.providers\.(?!fab\.).*)?"
    ),
    "great-expectations": re.compile(
        r"great_expectations(\.core|\.execution_engine|\.expectations\.expectation"
        r"|\.expectations\.metrics(\.map_metric_provider)?)?"
    ),
}
"""The public modules by Airflow's page "Public interface" and Great Expectations' own guides."""


def imports_of(file: Path) -> Iterator[tuple[str, str]]:
    """Yield each module that a file imports from at run time, and each name."""
    tree = ast.parse(file.read_text("utf-8"))
    hidden = {
        one
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for one in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in hidden and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize(("package", "name"), NAMES, ids=[name for _, name in NAMES])
def test_name_is_there_with_all_that_is_used_of_it(package: str, name: str) -> None:
    """The installed release has the name, and the attributes or parameters that we use."""
    table = TABLES[package]
    internal = table.names[name]
    if internal.is_bound_later:
        assert name in vars(importlib.import_module(internal.module))["__annotations__"]
        return
    found: Any = table.find(name)
    missing = [use for use in internal.uses if not hasattr(found, use)]
    if missing:
        parameters = set(inspect.signature(found).parameters)
        missing = [use for use in missing if use not in parameters]
    assert missing == [], f"{internal.module}.{name}"


@pytest.mark.parametrize("package", TABLES)
def test_library_is_of_the_release_that_was_read(package: str) -> None:
    """The installed release is the one that was read, and pyproject.toml allows no other one."""
    assert TABLES[package].is_tested()
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    airflow = next(each for each in project["dependencies"] if each.startswith("apache-airflow["))
    assert f">={AIRFLOW.tested}," in airflow


def test_name_that_moved_says_where_it_was() -> None:
    """The error names the missing name and the table that lists it."""
    gone = Internals(
        "our.table", package="pytest", tested="1.0", names={"fixtures": Internal("pytest.gone")}
    )
    with pytest.raises(MovedError, match=r"pytest .* has no pytest\.gone\.fixtures, .* our\.table"):
        gone.find("fixtures")
    assert not gone.is_tested()
    with pytest.raises(AttributeError):
        gone.find("other")


def test_nothing_else_imports_what_is_not_public() -> None:
    """The plugin and the package import private names of a library only through its table."""
    found = set()
    for package, root in (
        ("apache-airflow-core", PROJECT / "plugins"),
        ("apache-airflow-core", PROJECT / "include"),
        ("great-expectations", PROJECT / "include"),
    ):
        top = "airflow" if package.startswith("apache") else "great_expectations"
        for file in root.rglob("*.py"):
            for module, name in imports_of(file):
                is_theirs = module == top or module.startswith(f"{top}.")
                if is_theirs and not PUBLIC[package].fullmatch(module):
                    found.add(f"{file.relative_to(PROJECT)}: {module}.{name}")
                if module == "starlette._utils":
                    found.add(f"{file.relative_to(PROJECT)}: {module}.{name}")
    assert found == set(), f"put them into {airflow_internals.__name__} or gx_internals"
