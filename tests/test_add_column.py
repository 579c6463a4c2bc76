"""Add one column of a user by the recipe of CONTRIBUTING.md, on a copy of the product."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from commands import CommandLine
from databases import fresh_database
from golden.school import SCHOOL, SCHOOL_1_2, as_delta, folder_of
from oneroster_sync import database
from oneroster_sync.settings import PROJECT
from test_rows_that_go import in_1_0

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from golden.school import Texts

COLUMN, ADMIN = "middleName", "admin@example.org"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the product to which the recipe was applied word by word."""
    root = tmp_path_factory.mktemp("copy")
    for part in ("include", "expectations"):
        shutil.copytree(PROJECT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    recipe = (PROJECT / "CONTRIBUTING.md").read_text("utf-8").partition("## Add a column")[2]
    pattern = r"^   ```(?:diff|python)\n   # (\S+)\n(.*?)^   ```"
    blocks = re.findall(pattern, recipe, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3, "the recipe changes the standard, the schema and the migrations"
    number = f"{int(database.HEAD) + 1:04}"
    for path, indented in blocks:
        target, text = root / path.replace("NNNN", number), dedent(indented)
        if target.exists():
            patch(target, text)
        else:
            target.write_text(text.replace("NNNN", number).replace("HEAD", database.HEAD), "utf-8")
    connections = root / "include/oneroster_sync/database/connections.py"
    text = connections.read_text("utf-8")
    connections.write_text(text.replace(f'HEAD = "{database.HEAD}"', f'HEAD = "{number}"'), "utf-8")
    return root


def patch(file: Path, diff: str) -> None:
    """Change the place of a file that a diff names; the lines of the diff are not indented."""
    old, *new = diff.splitlines()
    lines = file.read_text("utf-8").splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.strip() == old[1:].strip())
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    kept = [lines[at]] if old.startswith(" ") else []
    lines[at : at + 1] = [*kept, *(indent + line[1:] for line in new)]
    file.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def url(postgresql: None) -> Iterator[str]:
    """Yield the URL of an empty database."""
    with fresh_database() as made:
        yield made


@pytest.fixture
def oneroster(copy: Path, url: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Yield the command line of the copy, with its own database and home."""
    line = CommandLine(
        {
            **os.environ,
            "PYTHONPATH": str(copy / "include"),
            "ONEROSTER_DATABASE_URL": url,
            "ONEROSTER_HOME": str(tmp_path / "home"),
            "ONEROSTER_EXPECTATIONS": str(copy / "expectations"),
        }
    )
    yield line.run
    line.end()


def with_middle_names(texts: Texts, **names: str) -> Texts:
    """Return a package in which some people have a middle name."""
    header, *rows = (line.split(",") for line in texts["users.csv"].splitlines())
    at = header.index(COLUMN)
    for row in rows:
        row[at] = names.get(row[0], row[at])
    text = "".join(",".join(cells) + "\n" for cells in (header, *rows))
    return {**texts, "users.csv": text}


def middle_names(url: str) -> dict[str, str | None]:
    """Return sourcedId → stored middle name."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("select sourced_id, middle_name from users where sourced_id is not null")
        )
        found = {row.sourced_id: row.middle_name for row in rows}
    engine.dispose()
    return found


def everything_of(url: str) -> str:
    """Return all rows of the accounts and of the audit as text."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found = [
            row
            for table in ("users", "changes")
            for row in connection.scalars(sa.text(f"select t::text from {table} t"))  # noqa: S608
        ]
    engine.dispose()
    return "\n".join(found)


def test_column_that_is_added_by_the_recipe(
    oneroster: Callable[..., Any], url: str, tmp_path: Path
) -> None:
    """A column that the recipe adds is synced from 1.1 and 1.2, bulk and delta, and erased.

    A 1.0 package and a delta of roles leave its value unchanged. After an erasure neither the
    account nor the audit holds it.
    """
    steps = 0

    def sync(texts: Texts) -> dict[str, Any]:
        nonlocal steps
        steps += 1
        package = folder_of(texts, tmp_path / f"package-{steps}")
        run: dict[str, Any] = oneroster("sync", package)
        assert run["outcome"] in {"succeeded", "succeeded_with_errors", "no_changes"}, run
        return run

    oneroster("init", "--admin", ADMIN)
    sync(in_1_0())
    assert set(middle_names(url).values()) == {None}

    sync(with_middle_names(SCHOOL, ann="Zoe"))
    assert middle_names(url)["ann"] == "Zoe"
    sync(in_1_0())
    assert middle_names(url)["ann"] == "Zoe", "1.0 does not have the column"

    row = with_middle_names(SCHOOL, ann="Eve")["users.csv"].splitlines()[1]
    assert row.startswith("ann,")
    sync(as_delta(SCHOOL, users=[row.replace("ann,,", "ann,active,2026-09-02T00:00:00.000Z", 1)]))
    assert middle_names(url)["ann"] == "Eve"

    sync(with_middle_names(SCHOOL_1_2, ann="May"))
    assert middle_names(url)["ann"] == "May"
    role = next(line for line in SCHOOL_1_2["roles.csv"].splitlines() if ",ann," in line)
    cells = role.split(",")
    cells[1:3] = "active", "2026-09-03T00:00:00.000Z"
    delta = as_delta(SCHOOL_1_2, roles=[",".join(cells)])
    sync(delta)
    assert middle_names(url)["ann"] == "May", "a delta of roles alone has no row of users.csv"

    explanation = oneroster("explain", "ann")
    assert '"middle_name"' in json.dumps(explanation)

    sync(with_middle_names(SCHOOL_1_2, ann="May", bob="Zqmiddle"))
    left = with_middle_names(SCHOOL_1_2, ann="May")
    for file in ("users.csv", "roles.csv"):
        lines = left[file].splitlines(keepends=True)
        left[file] = "".join(line for line in lines if not line.startswith(("bob,", "r-bob,")))
    assert sync(left)["counts"]["users"]["deactivated"] == 1
    oneroster("erase", "bob")
    assert "Zqmiddle" not in everything_of(url)


def test_page_of_columns_knows_it(copy: Path) -> None:
    """The page of columns has an answer for every state of a value of the new column."""
    done = subprocess.run(
        [sys.executable, "-m", "oneroster_sync.stages.validate"],
        env={
            **os.environ,
            "PYTHONPATH": str(copy / "include"),
            "ONEROSTER_EXPECTATIONS": str(copy / "expectations"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"| {COLUMN} |" in done.stdout or f"`{COLUMN}`" in done.stdout
